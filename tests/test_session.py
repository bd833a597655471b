import os
import subprocess
import sys

import pytest

import coursepkg
from coursepkg.session import progress, show, start


def example(number: int) -> int:
    """Add one.

    Parameters
    ----------
    number : int
        Any.
    """
    return number + 1


class Shape:
    """A shape."""

    sides = 3


def undocumented():
    return "no docstring"


def test_show_gives_markdown_with_the_first_line_of_the_docstring():
    source = show(example).data
    assert source == (
        "```python\ndef example(number: int) -> int:\n"
        '    """Add one."""\n    return number + 1\n```'
    )


def test_show_takes_classes_and_several_objects():
    source = show(Shape, undocumented).data
    assert '    """A shape."""\n\n    sides = 3' in source
    assert 'def undocumented():\n    return "no docstring"' in source


def test_what_is_shown_still_is_python():
    from coursepkg.scratch.evaluation import calibration
    from coursepkg.scratch.neurons import Perceptron

    code = show(calibration, Perceptron).data.removeprefix("```python\n").removesuffix("\n```")
    compile(code, "shown", "exec")
    assert "Parameters" not in code
    assert "Returns" not in code
    assert '\n    """One threshold neuron that learns from its mistakes."""\n' in code
    assert '\n        """Answer 0 or 1 for each row."""\n' in code


@pytest.mark.parametrize(("value", "verbose"), [("1", 0), ("", 1)])
def test_progress_is_silent_only_in_the_built_book(monkeypatch, value, verbose):
    monkeypatch.setenv("COURSEPKG_QUIET", value)
    assert progress() == verbose


def test_start_refuses_nonsense():
    with pytest.raises(ValueError, match="minutes must be positive, got 0"):
        start(minutes=0)


def test_start_is_quiet_seeds_and_says_where_it_runs():
    code = (
        "from coursepkg import start\nstart(minutes=1.5)\n"
        "import keras, numpy as np\n"
        "a = np.random.rand(), float(keras.random.uniform(()))\n"
        "start(minutes=1.5)\n"
        "print(a == (np.random.rand(), float(keras.random.uniform(()))))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "GLOG"))}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "Running all cells takes about 1.5 minutes on two processor cores."
    assert lines[1].startswith("Here: Keras 3.")
    assert lines[-1] == "True"


def test_the_version_is_the_one_in_pyproject():
    from tools.settings import version

    assert coursepkg.__version__ == version()

"""What the first cell of a chapter needs: quiet logs, seeds, the device, and shown source code."""

from __future__ import annotations

import ast
import contextlib
import inspect
import os
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FunctionType

    from IPython.display import Markdown

_QUIET_LOGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "GLOG_minloglevel": "3",
    "GRPC_VERBOSITY": "ERROR",
}


def start(minutes: float, seed: int = 0) -> None:
    """Prepare a notebook and say what it runs on. Call it before anything imports Keras.

    It silences the backend's log lines, seeds Python, NumPy and Keras, and sets the style of
    the course's figures.

    Parameters
    ----------
    minutes : float
        How long the whole notebook takes on two processor cores, in minutes.
    seed : int
        The seed of all random generators.

    Raises
    ------
    ValueError
        If `minutes` is not positive.
    """
    if minutes <= 0:
        raise ValueError(f"minutes must be positive, got {minutes}")
    for name, value in _QUIET_LOGS.items():
        os.environ.setdefault(name, value)
    with _stderr_closed():
        import keras

        keras.utils.set_random_seed(seed)
        device = _device()

    from coursepkg.figures import use_course_style

    use_course_style()
    unit = "minute" if minutes == 1 else "minutes"
    print(
        f"Running all cells takes about {minutes:g} {unit} on two processor cores.\n"
        f"Here: Keras {keras.__version__} on {keras.backend.backend()}, {device}."
    )


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    """Send the process's standard error, C++ libraries included, to nowhere for a while."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (os.devnull is no path to a file)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _device() -> str:
    """Name the first accelerator that the backend sees, or the processor and its cores."""
    import keras

    try:
        accelerators = [d for d in keras.distribution.list_devices() if not d.startswith("cpu")]
    except (NotImplementedError, RuntimeError):
        accelerators = []
    return accelerators[0] if accelerators else f"CPU with {os.cpu_count()} cores"


def progress() -> int:
    """Return Keras's `verbose`: 1, its progress bar, for a person; 0 in the built book.

    The book's builder sets the environment variable ``COURSEPKG_QUIET``.
    """
    return 0 if os.environ.get("COURSEPKG_QUIET") else 1


def show(*objects: FunctionType | type) -> Markdown:
    """Display the source code of functions or classes, highlighted.

    Of each docstring, those of methods included, only the first line is shown: the page around it
    explains the rest.

    Parameters
    ----------
    *objects : function or class
        What to show, in order.

    Returns
    -------
    IPython.display.Markdown
        A code block that the book, Jupyter and Colab all render.
    """
    from IPython.display import Markdown

    source = "\n\n\n".join(_with_short_docstring(one) for one in objects)
    return Markdown(f"```python\n{source}\n```")


def _with_short_docstring(one: FunctionType | type) -> str:
    lines = textwrap.dedent(inspect.getsource(one)).rstrip().splitlines()
    documented = (ast.ClassDef, ast.FunctionDef)
    firsts = [
        node.body[0]
        for node in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(node, documented) and ast.get_docstring(node)
    ]
    for first in sorted(firsts, key=lambda node: node.lineno, reverse=True):
        if first.end_lineno > first.lineno:
            summary = lines[first.lineno - 1] + '"""'
            if "\\" not in summary:
                summary = summary.replace('r"""', '"""', 1)
            lines[first.lineno - 1 : first.end_lineno] = [summary]
    return "\n".join(lines)

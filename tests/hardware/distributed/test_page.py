import io
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tools.sources import Source

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def cells():
    name = "hardware/distributed"
    text = (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8")
    notebook = Source(name, text).notebook()
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_without_jax_the_page_shows_the_recorded_results(cells, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    need_jax = [cell for cell in cells if "if available():" in cell]
    assert len(need_jax) == 6
    space = {"differences": {}}
    exec(next(cell for cell in cells if "import available" in cell), space)
    space["available"] = lambda: False
    printed = io.StringIO()
    with redirect_stdout(printed):
        for cell in need_jax:
            exec(cell, space)
    plt.close("all")
    lines = printed.getvalue().splitlines()
    assert lines[0] == "JAX is missing (pip install 'coursepkg[chapters]')."
    assert lines[2:] == [
        "one process and two, 20 steps: differ by less than 1e-5: True",
        "worker 1 of 2 was killed by signal 9 (SIGKILL).",
        "all was over within 10 seconds: True",
        "last checkpoint: step 10",
        "steps after the failure: 10",
        "same losses and weights as without the failure: True",
        "one device holds: [(784, 8), (8,), (8, 10), (10,)]",
        "one device and four, 5 steps: differ by less than 1e-5: True",
    ]
    assert len(space["differences"]) == 3
    assert all(np.isfinite(value) for value in space["differences"].values())

import shutil

import nbformat
import pytest

from tools.learners import out_of_step, write
from tools.sources import NOTEBOOKS, read_book


def test_notebooks_are_in_step_with_the_book():
    assert out_of_step(read_book(), NOTEBOOKS) == [], "run `make notebooks` and commit the result"


@pytest.mark.parametrize("fault", ["prose", "code", "missing", "extra"])
def test_a_notebook_out_of_step_is_named(tmp_path, fault):
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    path = tmp_path / "notebooks" / "applications" / "images.ipynb"
    notebook = nbformat.read(path, as_version=4)
    kind = {"prose": "markdown", "code": "code"}.get(fault)
    if kind:
        cell = [cell for cell in notebook.cells if cell.cell_type == kind][1]
        cell.source += " "
        nbformat.write(notebook, path)
        expected = ["applications/images"]
    elif fault == "missing":
        path.unlink()
        expected = ["applications/images"]
    else:
        shutil.copy(path, path.with_name("stray.ipynb"))
        expected = ["applications/stray"]
    assert out_of_step(read_book(), tmp_path / "notebooks") == expected


def test_writing_removes_notebooks_of_pages_that_are_gone(tmp_path):
    (tmp_path / "old.ipynb").write_text("{}")
    write({"part/new": nbformat.v4.new_notebook()}, tmp_path)
    assert [path.name for path in tmp_path.rglob("*.ipynb")] == ["new.ipynb"]

"""The stored outputs guard something: a wrong one turns nbval red."""

import subprocess
import sys

import nbformat
import pytest


def nbval(folder):
    command = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", "-q", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.fixture
def notebook(tmp_path):
    """A notebook of two cells with their true outputs."""
    cells = []
    for count, (source, text) in enumerate([("print(6 * 7)", "42\n"), ("print('a')", "a\n")], 1):
        cell = nbformat.v4.new_code_cell(source, execution_count=count)
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells), tmp_path


def test_true_outputs_pass(notebook):
    made, folder = notebook
    nbformat.write(made, folder / "sound.ipynb")
    result = nbval(folder)
    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout


def test_a_corrupted_output_fails(notebook):
    made, folder = notebook
    made.cells[0].outputs[0].text = "43\n"
    nbformat.write(made, folder / "corrupted.ipynb")
    result = nbval(folder)
    assert result.returncode == 1
    assert "1 failed, 1 passed" in result.stdout


def test_a_missing_output_fails(notebook):
    made, folder = notebook
    made.cells[1].outputs = []
    nbformat.write(made, folder / "missing.ipynb")
    assert nbval(folder).returncode == 1


def test_a_raising_cell_fails(notebook):
    made, folder = notebook
    made.cells[0].source = "raise RuntimeError"
    nbformat.write(made, folder / "raising.ipynb")
    assert nbval(folder).returncode == 1

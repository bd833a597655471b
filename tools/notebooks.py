"""Notebooks made from the book's pages: with outputs, for Sphinx, and lowered, for Colab."""

from __future__ import annotations

import nbformat

from tools.editions import Edition, code_cells, edition_source
from tools.settings import git_ref, settings
from tools.sources import Source, with_stable_ids

_SHOW, _HIDE = "Show the solution", "Hide the solution"
_IMAGES = ("image/png", "image/jpeg", "image/svg+xml", "application/pdf")

COLAB_CELL = """\
# On Colab this installs the course's package. Everywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet "coursepkg[chapters] @ git+{repository}@{ref}\""""


def edition_notebook(page: Source, edition: Edition) -> nbformat.NotebookNode:
    """Give the notebook of one edition without outputs, its solutions folded."""
    notebook = edition_source(page, edition).notebook()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, origin in zip(cells, code_cells(page, edition), strict=True):
        if origin.exercise:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-cell"]
            prompts = {"code_prompt_show": _SHOW, "code_prompt_hide": _HIDE}
            cell.metadata["mystnb"] = {**cell.metadata.get("mystnb", {}), **prompts}
    return notebook


def with_outputs(
    page: Source, executed: nbformat.NotebookNode, edition: Edition
) -> nbformat.NotebookNode:
    """Give the notebook of one edition, its outputs taken from the executed full notebook.

    Execution counts run from 1, so that nothing tells of what was cut.

    Raises
    ------
    ValueError
        If a cell of the edition was not executed as it stands.
    """
    notebook = edition_notebook(page, edition)
    results = [cell for cell in executed.cells if cell.cell_type == "code"]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    origins = code_cells(page, edition)
    for count, (cell, origin) in enumerate(zip(cells, origins, strict=True), start=1):
        result = results[origin.index]
        if result.source != cell.source or result.execution_count is None:
            raise ValueError(
                f"book/{page.name}.md: code cell {count} was not executed:\n{cell.source}"
            )
        cell.execution_count = count
        cell.outputs = [_renumbered(output, count) for output in result.outputs]
    notebook.metadata = {key: executed.metadata[key] for key in ("kernelspec", "language_info")}
    return notebook


def _renumbered(output: nbformat.NotebookNode, count: int) -> nbformat.NotebookNode:
    if "execution_count" in output:
        output = nbformat.NotebookNode({**output, "execution_count": count})
    return output


def check_alt_texts(name: str, notebook: nbformat.NotebookNode) -> None:
    """Raise ValueError if a cell shows a picture and its metadata hold no text for it."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        pictures = sum(_is_picture(output) for output in cell.outputs)
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip()
        if pictures and not alt:
            raise ValueError(
                f"book/{name}.md: a cell shows {pictures} picture(s) and has no alt text. Expected "
                f"the cell's option 'mystnb: {{image: {{alt: ...}}}}'. The cell:\n{cell.source}"
            )


def _is_picture(output: nbformat.NotebookNode) -> bool:
    return any(kind in output.get("data", {}) for kind in _IMAGES)


def for_learners(notebook: nbformat.NotebookNode, lowered: list[str]) -> nbformat.NotebookNode:
    """Make the notebook that Colab opens: plain Markdown, text outputs, a first cell that installs.

    Parameters
    ----------
    notebook : NotebookNode
        A notebook with outputs.
    lowered : list of str
        The plain Markdown of its Markdown cells, in order.
    """
    learners = nbformat.from_dict(notebook)
    first = COLAB_CELL.format(repository=settings()["repository"]["url"], ref=git_ref())
    texts = iter(lowered)
    for cell in learners.cells:
        if cell.cell_type == "markdown":
            cell.source = next(texts)
        else:
            cell.outputs = [_without_picture(output) for output in cell.outputs]
            cell.metadata = _learner_metadata(cell)
    learners.cells.insert(0, nbformat.v4.new_code_cell(first, execution_count=0))
    learners.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return with_stable_ids(learners)


def _without_picture(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    output = nbformat.NotebookNode(output)
    if "data" in output:
        output["data"] = {kind: v for kind, v in output["data"].items() if kind not in _IMAGES}
    return output


def _learner_metadata(cell: nbformat.NotebookNode) -> dict:
    """Keep the tags; fold a solution in JupyterLab and on Colab."""
    tags = cell.metadata.get("tags", [])
    metadata = {"tags": tags} if tags else {}
    if "hide-cell" in tags:
        cell.source = f"# @title {_SHOW}\n{cell.source}"
        metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}
    return metadata

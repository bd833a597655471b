"""Writing the notebooks that learners open: for ``notebooks/`` and beside the built pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import nbformat

from tools import chapters, lowering, notebooks
from tools.editions import Edition, edition_source
from tools.settings import git_ref, settings
from tools.sources import BOOK, Source
from tools.staging import Staging


def _lowering_book(opened: Iterable[Source]) -> lowering.Book:
    """Read what cross-references and citations need to know of the whole book."""
    pages = {
        page.name: lowering.read_page(page.name, page.text, page.is_notebook) for page in opened
    }
    config = settings()
    return lowering.Book(
        pages,
        lowering.read_bibliography((BOOK / "references.bib").read_text(encoding="utf-8")),
        config["html"]["baseurl"],
        f"{config['repository']['url']}/raw/{git_ref()}/book/",
    )


def learners_notebooks(
    pages: Sequence[Source], executed: Mapping[str, nbformat.NotebookNode] | None, edition: Edition
) -> dict[str, nbformat.NotebookNode]:
    """Make the notebook of every page that has code.

    Parameters
    ----------
    pages : sequence of Source
        All pages of the book, with every solution.
    executed : mapping or None
        From page name to the executed notebook of the full page; None for no outputs.
    edition : {"public", "instructor"}
        Which solutions the notebooks hold.

    Returns
    -------
    dict
        From page name to notebook: plain Markdown, text outputs, no pictures.
    """
    titles = {page.name: chapters.title(page) for page in pages}
    opened = [chapters.with_opening(edition_source(page, edition), titles) for page in pages]
    book = _lowering_book(opened)
    made = {}
    for page in pages:
        if page.is_notebook:
            full = chapters.with_opening(page, titles)
            if executed is None:
                notebook = notebooks.edition_notebook(full, edition)
            else:
                notebook = notebooks.with_outputs(full, executed[page.name], edition)
            lowered = [
                lowering.lower(cell.source, page.name, book)
                for cell in notebook.cells
                if cell.cell_type == "markdown"
            ]
            made[page.name] = notebooks.for_learners(notebook, lowered)
    return made


def write(made: Mapping[str, nbformat.NotebookNode], folder: Path) -> None:
    """Write notebooks below a folder, one ``.ipynb`` for each page, and remove all others."""
    staging = Staging(folder)
    for name, notebook in made.items():
        staging.write(f"{name}.ipynb", nbformat.writes(notebook).encode())
    staging.drop_the_rest("*.ipynb")


def out_of_step(pages: Sequence[Source], folder: Path) -> list[str]:
    """Name the notebooks in a folder that do not hold what the public edition of ``book/`` says.

    Outputs are not compared: running the notebooks does that.
    """
    expected = learners_notebooks(pages, None, "public")
    found = {
        path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.ipynb")
    }
    wrong = set(expected) ^ found
    for name in set(expected) & found:
        stored = nbformat.read(folder / f"{name}.ipynb", as_version=4)
        if [_content(c) for c in stored.cells] != [_content(c) for c in expected[name].cells]:
            wrong.add(name)
    return sorted(wrong)


def _content(cell: nbformat.NotebookNode) -> tuple:
    return cell.cell_type, cell.id, cell.source, dict(cell.metadata)

"""The HTML book: its executed pages laid out for Sphinx, and Jupyter Book run over them."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat
import yaml

from tools import chapters, coverage, notebooks, status
from tools.editions import Edition, edition_source
from tools.settings import git_ref, settings
from tools.sources import BOOK, BUILD, ROOT, Source
from tools.staging import Staging

_PAGE_LINK = re.compile(r"\]\(([\w./-]+)\.md\b(#[^\s)]+)?")


class SiteFailed(Exception):
    """Jupyter Book reported an error or a warning."""


def output_folder(edition: Edition) -> Path:
    """Return where ``jb build`` puts ``_build``: the public book is at ``_build/html``."""
    return ROOT if edition == "public" else BUILD / edition


def html_folder(edition: Edition) -> Path:
    """Return the folder of the built pages."""
    return output_folder(edition) / "_build" / "html"


def staging_folder(edition: Edition) -> Path:
    """Return the folder of the pages as Sphinx reads them."""
    return BUILD / "staging" / edition


def stage(pages: Iterable[Source], executed: dict, edition: Edition) -> Path:
    """Lay out one edition for Sphinx: notebooks with outputs, plain pages, figures, settings.

    Raises
    ------
    ValueError
        If a page is faulty: no header, no alt text, a bad solution marker, a cell not run.
    """
    pages = list(pages)
    titles = {page.name: chapters.title(page) for page in pages}
    run = {page.name for page in pages if page.is_notebook}
    staging = Staging(staging_folder(edition))
    for page in pages:
        opened = chapters.with_opening(page, titles)
        if page.is_notebook:
            notebook = notebooks.with_outputs(opened, executed[page.name], edition)
            notebooks.check_alt_texts(page.name, notebook)
            for cell in notebook.cells:
                if cell.cell_type == "markdown":
                    cell.source = _linked(cell.source, page.name, run)
            staging.write(f"{page.name}.ipynb", nbformat.writes(notebook).encode())
        else:
            text = status.filled_in(edition_source(opened, edition).text, pages, executed)
            text = coverage.filled_in(text, pages)
            staging.write(f"{page.name}.md", _linked(text, page.name, run).encode())
    for path in BOOK.rglob("*"):
        if path.is_file() and path.suffix != ".md":
            staging.write(path.relative_to(BOOK).as_posix(), path.read_bytes())
    staging.write("_toc.yml", (ROOT / "_toc.yml").read_bytes())
    staging.write("_config.yml", _config(edition))
    staging.drop_the_rest()
    return staging.folder


def _linked(text: str, page: str, notebook_pages: set[str]) -> str:
    """Let links name the file that Sphinx will read, ``other.ipynb``, or a label alone, ``#label``.

    MyST looks for the label of ``other.md#label`` among the headings' own names only.
    """

    def link(match: re.Match[str]) -> str:
        if match.group(2):
            return f"]({match.group(2)}"
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), match.group(1)))
        ending = "ipynb" if target in notebook_pages else "md"
        return f"]({match.group(1)}.{ending}"

    return _PAGE_LINK.sub(link, text)


def _config(edition: Edition) -> bytes:
    config = settings()
    config["repository"]["branch"] = git_ref()
    if edition == "instructor":
        config["title"] += " (instructors' edition)"
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False).encode()


def build(edition: Edition) -> Path:
    """Run Jupyter Book over the staged pages; every warning is an error.

    Returns
    -------
    Path
        The book's first page.

    Raises
    ------
    SiteFailed
        With the warnings, and where the whole report lies.
    """
    target = output_folder(edition)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", str(staging_folder(edition))]
    command += ["--path-output", str(target), "-n", "-W", "--keep-going"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path, "BOOK_EDITION": edition},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    report = BUILD / "reports" / f"html-{edition}.txt"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(result.stdout, encoding="utf-8")
    if result.returncode:
        # Sphinx warns of a page only when it reads it: after a failure all are read again.
        shutil.rmtree(target / "_build" / ".doctrees", ignore_errors=True)
        marks = ("WARNING", "ERROR", "Error")
        lines = [line for line in result.stdout.splitlines() if any(m in line for m in marks)]
        raise SiteFailed("\n".join([*lines[:40], f"Jupyter Book's whole report: {report}"]))
    return html_folder(edition) / "index.html"

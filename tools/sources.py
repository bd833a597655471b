"""The pages of the book as they stand in ``book/``: which there are, and what each holds."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
import nbformat
import yaml

from tools import errata

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "_build"

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
CODE_CELL = re.compile(r"^```\{code-cell\}", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """One page of the book.

    Attributes
    ----------
    name : str
        The page's path below ``book/`` without the ending, such as ``"applications/images"``.
    text : str
        The whole MyST source, front matter included.
    """

    name: str
    text: str

    @cached_property
    def front_matter(self) -> dict:
        """The YAML header as a dictionary, empty where there is none."""
        match = _FRONT_MATTER.match(self.text)
        return yaml.safe_load(match.group(1)) if match else {}

    @property
    def is_notebook(self) -> bool:
        """Whether the page has the jupytext header that makes its cells run.

        Raises
        ------
        ValueError
            If the page holds code cells but no such header: Sphinx would then show them unrun.
        """
        has_header = {"jupytext", "kernelspec"} <= self.front_matter.keys()
        if CODE_CELL.search(self.text) and not has_header:
            raise ValueError(
                f"book/{self.name}.md holds code cells, so its front matter must have the keys "
                f"jupytext and kernelspec; found {sorted(self.front_matter)}"
            )
        return has_header

    def notebook(self) -> nbformat.NotebookNode:
        """Convert the page to a notebook without outputs, its cell ids made from their content."""
        notebook = jupytext.reads(self.text, fmt="md:myst")
        return with_stable_ids(notebook)


def with_stable_ids(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Give every cell an id that changes only when its own source does, so that diffs are quiet."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def page_names(toc: dict) -> list[str]:
    """List the pages of a table of contents (``_toc.yml``) in reading order."""
    names = [toc["root"]]
    for part in toc.get("parts", []):
        names += [chapter["file"] for chapter in part["chapters"]]
    return names


def read_book(root: Path = ROOT) -> list[Source]:
    """Read every page of the book in reading order, the page of errata with its entries.

    Parameters
    ----------
    root : Path
        The folder that holds ``_toc.yml`` and ``book/``.

    Raises
    ------
    ValueError
        If a page stands in ``book/`` but not in ``_toc.yml``, or the other way round.
    """
    names = page_names(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")))
    book = root / "book"
    present = {path.relative_to(book).with_suffix("").as_posix() for path in book.rglob("*.md")}
    if present != set(names):
        raise ValueError(
            "book/ and _toc.yml must name the same pages; "
            f"only in book/: {sorted(present - set(names))}, "
            f"only in _toc.yml: {sorted(set(names) - present)}"
        )
    pages = [Source(name, (book / f"{name}.md").read_text(encoding="utf-8")) for name in names]
    return errata.filled_in(pages, book)

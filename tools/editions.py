"""The two editions of the book: public, and the instructors' with every solution.

The source holds every solution, between two comment lines::

    % solution practice images.parameters
    ...
    % end solution

``practice`` solutions are folded on every edition's page; ``assigned`` ones are in the instructors'
edition only. They are cut out of the *text*, before jupytext or Sphinx reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tools.sources import CODE_CELL, Source

Edition = Literal["public", "instructor"]
EDITIONS: tuple[Edition, ...] = ("public", "instructor")

_OPEN = re.compile(r"^% solution (practice|assigned) ([\w.-]+)$")
_CLOSE = "% end solution"


@dataclass(frozen=True)
class Segment:
    """A run of source lines, outside (`kind` is None) or inside one solution."""

    text: str
    kind: Literal["practice", "assigned"] | None = None
    exercise: str | None = None


def segments(page: Source) -> list[Segment]:
    """Split a page at its solutions.

    The texts of the segments join to the page's text without the marker lines.

    Raises
    ------
    ValueError
        If a solution is opened inside another, closed twice, never closed, or its marker is
        misspelt.
    """
    found: list[Segment] = []
    lines: list[str] = []
    inside: tuple[str, str] | None = None

    def finish() -> None:
        found.append(Segment("".join(lines), *(inside or (None, None))))
        lines.clear()

    for number, line in enumerate(page.text.splitlines(keepends=True), start=1):
        stripped = line.strip()
        opening = _OPEN.match(stripped)
        is_marker = stripped.startswith("% solution") or stripped == _CLOSE
        if not is_marker:
            lines.append(line)
            continue
        if bool(opening) == bool(inside) or (not opening and stripped != _CLOSE):
            raise ValueError(
                f"book/{page.name}.md, line {number}: expected "
                f"{_CLOSE if inside else '% solution practice|assigned ID'!r}, got {stripped!r}"
            )
        finish()
        inside = opening.groups() if opening else None
    if inside:
        raise ValueError(f"book/{page.name}.md: the solution of {inside[1]} is never closed")
    finish()
    return found


def _keeps(segment: Segment, edition: Edition) -> bool:
    return segment.kind != "assigned" or edition == "instructor"


def edition_source(page: Source, edition: Edition) -> Source:
    """Give the page as one edition has it."""
    kept = [segment.text for segment in segments(page) if _keeps(segment, edition)]
    return Source(page.name, "".join(kept))


@dataclass(frozen=True)
class CodeCell:
    """Where a code cell of an edition comes from.

    Attributes
    ----------
    index : int
        Its position among all code cells of the full source, counted from 0.
    exercise : str or None
        The exercise that it solves, if it stands in a solution.
    """

    index: int
    exercise: str | None


def code_cells(page: Source, edition: Edition) -> list[CodeCell]:
    """List the code cells of an edition in order, each with its place in the full source."""
    cells: list[CodeCell] = []
    index = 0
    for segment in segments(page):
        for _ in CODE_CELL.findall(segment.text):
            if _keeps(segment, edition):
                cells.append(CodeCell(index, segment.exercise))
            index += 1
    return cells

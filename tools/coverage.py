"""Where the course covers what its five source articles teach, as a table and as a check.

``book/appendix/inventory.csv`` lists the items that the articles teach, each with the chapter that
it belongs to. ``book/appendix/sources.csv`` says where the course covers an item, and how::

    id,page,label,how
    S000-5-a,applications/images,images-two-layers,taught
    S000-5.2-e,applications/images,images-channel-axis,corrected E49

The page ``appendix/sources`` shows the two; ``python -m tools.coverage`` checks them.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from tools import lowering
from tools.errata import read_errata
from tools.sources import BOOK, Source, read_book

MARKER = "% sources"
INVENTORY = BOOK / "appendix" / "inventory.csv"
PLACES = BOOK / "appendix" / "sources.csv"
KINDS = ("taught", "corrected", "listed")

# The inventory's chapters in the order of the course, each with the page that it waits for: once
# that page is in the book, every item of the chapter must have its place.
CHAPTERS = {
    "history": "background/history",
    "paradigms": "background/paradigms",
    "neurons": "foundations/neurons",
    "backprop": "foundations/backpropagation",
    "optimisation": "foundations/optimisation",
    "regularisation": "foundations/regularisation",
    "convolution": "architectures/convolution",
    "recurrence": "architectures/recurrence",
    "attention": "architectures/attention",
    "graphs": "architectures/graphs",
    "data": "learning/data",
    "self-supervised": "learning/self_supervision",
    "clustering": "learning/clustering",
    "reinforcement": "learning/reinforcement",
    "generative": "learning/generation",
    "hardware": "hardware/acceleration",
    "distributed": "hardware/distributed",
    "compression": "hardware/compression",
    "vision-projects": "applications/images",
    "text-projects": "applications/text",
    "applications": "applications/industries",
    "society": "applications/society",
    "future": "applications/future",
    "glossary": "appendix/glossary",
    "faq": "appendix/faq",
    "resources": "appendix/resources",
}

_HOW = re.compile(r"taught|listed|corrected(?: E\d+)+")
_SECTION = re.compile(r"^##+ +(.+)$", re.MULTILINE)
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


class Item(NamedTuple):
    """One thing that an article teaches."""

    id: str  # the article, its section, and a letter if the section has several items
    chapter: str  # a key of `CHAPTERS`
    description: str


class Place(NamedTuple):
    """Where and how the course covers an item."""

    id: str
    page: str
    label: str  # a target of the page
    how: str  # "taught", "listed", or "corrected" and the errata

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self.how.partition(" ")[0]

    @property
    def errata(self) -> list[str]:
        """The numbers of the errata."""
        return self.how.split()[1:]


Row = TypeVar("Row", Item, Place)


def _read(path: Path, row: type[Row]) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    widths = {len(line) for line in lines} | {len(header)}
    if tuple(header) != row._fields or widths != {len(header)}:
        raise ValueError(
            f"{path.name} must have the columns {','.join(row._fields)} in every line; "
            f"found the header {','.join(header)} and lines of {sorted(widths)} cells"
        )
    return [row(*line) for line in lines]


def read_items() -> list[Item]:
    """Read the inventory; other columns than those of `Item` are a ValueError."""
    return _read(INVENTORY, Item)


def read_places() -> list[Place]:
    """Read where the items are covered; other columns than those of `Place` are a ValueError."""
    return _read(PLACES, Place)


def errata_names() -> set[str]:
    """Return the names of the errata, such as ``"E49"``."""
    return {entry.name for entry in read_errata(BOOK).entries}


# ---- Checking -----------------------------------------------------------------------------------


def problems(
    items: Iterable[Item],
    places: Iterable[Place],
    pages: Iterable[Source],
    errata: Collection[str],
) -> list[str]:
    """Say what is wrong with the coverage of the chapters that are in the book.

    Parameters
    ----------
    items, places : iterable of Item, Place
        The inventory, and where its items are covered.
    pages : iterable of Source
        The pages of the book.
    errata : collection of str
        The numbers of the errata, such as ``"E49"``.

    Returns
    -------
    list of str
        One line for each problem: an item without a place or with several, and a place with an
        unknown item, page, label or erratum.
    """
    items, places, book = list(items), list(places), _read_pages(pages)
    given = Counter(place.id for place in places)
    lines = [
        f"{item.id}: has no place, but {CHAPTERS[item.chapter]} is in the book"
        for item in items
        if item.id not in given and CHAPTERS[item.chapter] in book
    ]
    lines += [f"{name}: has {count} places" for name, count in given.items() if count > 1]
    known = {item.id for item in items}
    for place in places:
        faults = _faults(place, known, book, errata)
        lines += [f"{place.id}: {fault}" for fault in faults]
    return lines


def _faults(
    place: Place,
    known: Collection[str],
    book: Mapping[str, lowering.Page],
    errata: Collection[str],
) -> Iterator[str]:
    if place.id not in known:
        yield "is not in the inventory"
    if not _HOW.fullmatch(place.how):
        yield f"is {place.how!r}; expected 'taught', 'listed' or 'corrected E18 E24'"
    elif unknown := [number for number in place.errata if number not in errata]:
        yield f"names the unknown errata {' '.join(unknown)}"
    if place.page not in book:
        yield f"names the unknown page {place.page!r}"
    elif place.label not in book[place.page].labels:
        yield f"names the label {place.label!r}, which book/{place.page}.md does not have"
    elif book[place.page].labels[place.label].kind == "Equation":
        yield f"names the equation {place.label!r}; expected a label of a heading or paragraph"


def _read_pages(pages: Iterable[Source]) -> dict[str, lowering.Page]:
    return {page.name: lowering.read_page(page.name, page.text, page.is_notebook) for page in pages}


# ---- The page -----------------------------------------------------------------------------------


def filled_in(text: str, pages: Iterable[Source]) -> str:
    """Replace the line ``% sources`` of a page by a summary and a table for each chapter."""
    if MARKER not in text:
        return text
    book, items = _read_pages(pages), read_items()
    places = {place.id: place for place in read_places()}
    groups = {name: [item for item in items if item.chapter == name] for name in CHAPTERS}
    sections = [_section(chapter, group, places, book) for chapter, group in groups.items()]
    return text.replace(MARKER, "\n\n".join([_summary(groups, places), *sections]))


def _summary(groups: Mapping[str, list[Item]], places: Mapping[str, Place]) -> str:
    rows = [f"| chapter | items | {' | '.join(KINDS)} | not yet |", "|---|--:|--:|--:|--:|--:|"]
    total: Counter[str] = Counter()
    for chapter, group in groups.items():
        counts = Counter(places[item.id].kind for item in group if item.id in places)
        rows.append(_counted(f"[{_name(chapter)}](#{_label(chapter)})", len(group), counts))
        total += counts
    rows.append(_counted("all", sum(map(len, groups.values())), total))
    return "\n".join(rows)


def _counted(title: str, items: int, counts: Counter[str]) -> str:
    numbers = [items, *(counts[kind] for kind in KINDS), items - counts.total()]
    return f"| {title} | {' | '.join(map(str, numbers))} |"


def _section(
    chapter: str,
    group: Iterable[Item],
    places: Mapping[str, Place],
    book: Mapping[str, lowering.Page],
) -> str:
    page = CHAPTERS[chapter]
    state = f"The chapter is [](../{page}.md)." if page in book else "The chapter is not yet built."
    rows = ["| item | what the article says | how | where |", "|---|---|---|---|"]
    rows += [_row(item, places.get(item.id), book) for item in group]
    return "\n".join([f"({_label(chapter)})=", f"## {_name(chapter)}", "", state, "", *rows])


def _row(item: Item, place: Place | None, book: Mapping[str, lowering.Page]) -> str:
    how, where = "not\N{NO-BREAK SPACE}yet", ""
    if place:
        links = [f"[{number}](errata.md#{number.lower()})" for number in place.errata]
        how, where = " ".join([place.kind, *links]), f"[{_title(place, book)}](#{place.label})"
    return f"| {item.id} | {_plain(item.description)} | {how} | {where} |"


def _title(place: Place, book: Mapping[str, lowering.Page]) -> str:
    """Return the title of the labelled place, or else of the section or page that it is in."""
    try:
        page = book[place.page]
        title = page.labels[place.label].title
    except KeyError:
        raise ValueError(
            f"sources.csv: {place.id} is at {place.page}#{place.label}, expected a label of a page"
        ) from None
    before = page.text.partition(f"({place.label})=")[0]
    title = title or [page.title, *_SECTION.findall(before)][-1]
    return title.replace("|", r"\|")


def _plain(text: str) -> str:
    """Keep Markdown from reading marks, and addresses, in plain text."""
    return _PUNCTUATION.sub(r"\\\g<0>", text)


def _name(chapter: str) -> str:
    return CHAPTERS[chapter].rpartition("/")[2].replace("_", " ").capitalize()


def _label(chapter: str) -> str:
    return f"sources-{chapter}"


def main() -> int:
    """Print what is wrong with the coverage; return the exit status."""
    found = problems(read_items(), read_places(), read_book(), errata_names())
    print("\n".join(found) or "Every item of the chapters in the book has its place.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

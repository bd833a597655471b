"""The page of errata: its entries, how their proofs are run, and the MyST that shows them.

``book/appendix/errata.json`` holds the entries. They are written where a page has the line
``% errata``, each below its own label: ``(e01)=`` and so on.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.sources import Source

DATA = Path("appendix", "errata.json")
MARKER = "% errata"

# What a proof needs, and what the page says above it.
NEEDS = {
    "python": "Proof, run by the tests",
    "keras": "Proof with Keras, run by the tests",
    "torch": "Proof with PyTorch, run by the tests where PyTorch is installed",
    "torchtext": "Proof with torchtext 0.6.0, not run by the tests",
}


@dataclass(frozen=True)
class Proof:
    """A piece of code and what it puts out, the exception that ends it included."""

    needs: str
    code: str
    output: str


@dataclass(frozen=True)
class Erratum:
    """One entry: what an article says, and what is right.

    Attributes
    ----------
    number : int
        Counted from 1 over all articles.
    article, kind : str
        Keys of `Errata.articles` and `Errata.kinds`.
    where, title, says, right : str
        MyST without block markup. `where` names every place, `article` the first.
    confidence : str
        How sure the fact is, where there is no proof of it; else empty.
    proof : Proof or None
        Code that shows the mistake, or what is right.
    """

    number: int
    article: str
    kind: str
    where: str
    title: str
    says: str
    right: str
    confidence: str
    proof: Proof | None

    @property
    def name(self) -> str:
        """The name that chapters use, such as ``"E07"``."""
        return f"E{self.number:02d}"

    @property
    def label(self) -> str:
        """The label of the entry on its page, such as ``"e07"``."""
        return self.name.lower()


@dataclass(frozen=True)
class Errata:
    """All entries in order, the titles of the articles, and the meanings of the kinds."""

    articles: dict[str, str]
    kinds: dict[str, str]
    entries: tuple[Erratum, ...]


# ---- Reading ------------------------------------------------------------------------------------


def read_errata(book: Path) -> Errata:
    """Read the entries of the book in a folder.

    Raises
    ------
    ValueError
        If an entry lacks something, is out of order, or names an unknown article, kind or need.
    """
    data = json.loads((book / DATA).read_text(encoding="utf-8"))
    entries = tuple(_erratum(fields, number) for number, fields in enumerate(data["entries"], 1))
    for entry in entries:
        for what, found, known in (
            ("article", entry.article, [*data["articles"]]),
            ("kind", entry.kind, [*data["kinds"]]),
        ):
            if found not in known:
                raise ValueError(f"{entry.name}: expected as {what} one of {known}, got {found!r}")
    return Errata(data["articles"], data["kinds"], entries)


def _erratum(fields: dict, number: int) -> Erratum:
    fields = dict(fields)
    name, expected = fields.pop("id"), f"E{number:02d}"
    if name != expected:
        raise ValueError(f"entry {number}: expected the id {expected!r}, got {name!r}")
    proof = fields.pop("proof", None)
    confidence = fields.pop("confidence", "")
    if not proof and not confidence:
        raise ValueError(f"{name}: expected a proof or a confidence, got neither")
    texts = {"article", "kind", "where", "title", "says", "right"}
    if set(fields) != texts or not all(fields.values()):
        raise ValueError(f"{name}: expected texts for {sorted(texts)}, got {fields}")
    return Erratum(number, **fields, confidence=confidence, proof=proof and _proof(proof, name))


def _proof(fields: dict, name: str) -> Proof:
    if fields["needs"] not in NEEDS:
        raise ValueError(f"{name}: expected as needs one of {[*NEEDS]}, got {fields['needs']!r}")
    return Proof(fields["needs"], "\n".join(fields["code"]), "\n".join(fields["output"]))


# ---- Running ------------------------------------------------------------------------------------


def run(proof: Proof) -> str:
    """Run a proof in a namespace of its own and return what it puts out.

    An exception ends the output with its type and message, as Python's own report does.
    """
    printed = io.StringIO()
    ending = []
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(proof.code, "<proof>", "exec"), {"__name__": "__main__"})
        except Exception as error:
            message = error.msg if isinstance(error, SyntaxError) else str(error)
            ending.append(f"{type(error).__name__}: {message}".strip())
    return "\n".join([*printed.getvalue().splitlines(), *ending])


# ---- Writing ------------------------------------------------------------------------------------

_LINE = re.compile(rf"^{MARKER}$", re.MULTILINE)
_USE = re.compile(r"\]\([\w./-]*appendix/errata\.md#(e\d+)\)")


def filled_in(pages: Iterable[Source], book: Path) -> list[Source]:
    """Replace the line ``% errata`` of a page by all entries; other pages stay as they are."""
    pages = list(pages)
    if not any(_LINE.search(page.text) for page in pages):
        return pages
    text = _entries(read_errata(book), pages)
    return [replace(page, text=_LINE.sub(lambda _: text, page.text)) for page in pages]


def _entries(errata: Errata, pages: Sequence[Source]) -> str:
    uses: dict[str, list[str]] = {}
    for page in pages:
        for label in dict.fromkeys(_USE.findall(page.text)):
            uses.setdefault(label, []).append(page.name)
    blocks = [_summary(errata), _table(errata)]
    for article, title in errata.articles.items():
        blocks.append(f"## {article}: {title}")
        blocks += [_entry(e, uses.get(e.label, [])) for e in errata.entries if e.article == article]
    return "\n\n".join(blocks)


def _summary(errata: Errata) -> str:
    needs = Counter(entry.proof.needs for entry in errata.entries if entry.proof)
    return (
        f"There are {len(errata.entries)} entries, {needs.total()} of them with a proof. The tests "
        f"run {needs['python']} proofs that need no deep-learning framework and {needs['keras']} "
        f"with Keras, and where PyTorch is installed {needs['torch']} more. The other "
        f"{needs['torchtext']} are those with torchtext."
    )


def _table(errata: Errata) -> str:
    cells = Counter((entry.kind, entry.article) for entry in errata.entries)
    rows = [
        ["kind", "meaning", *errata.articles, "all"],
        ["---"] * 2 + ["--:"] * (len(errata.articles) + 1),
    ]
    for kind, meaning in errata.kinds.items():
        counts = [cells[kind, article] for article in errata.articles]
        rows.append([kind, meaning, *(str(count or "") for count in counts), str(sum(counts))])
    of_article = Counter(entry.article for entry in errata.entries)
    totals = [of_article[article] for article in errata.articles]
    rows.append(["**all**", "", *map(str, totals), str(sum(totals))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _entry(entry: Erratum, used_in: Sequence[str]) -> str:
    facts = [
        f"**Kind:** {entry.kind}. **Where:** {entry.where}.",
        f"**In the article:** {entry.says}",
        f"**Right:** {entry.right}",
    ]
    if entry.confidence:
        facts.append(f"**Confidence:** {entry.confidence}")
    if used_in:
        facts.append(f"**Used in:** {', '.join(f'[](../{name}.md)' for name in used_in)}")
    parts = [f"({entry.label})=\n### {entry.name} {entry.title}"]
    parts.append("\n".join(f"- {fact}" for fact in facts))
    if entry.proof:
        parts.append(_shown(entry.proof))
    return "\n\n".join(parts)


def _shown(proof: Proof) -> str:
    return (
        f":::{{dropdown}} {NEEDS[proof.needs]}\n"
        f"```python\n{proof.code}\n```\n\n```text\n{proof.output}\n```\n:::"
    )

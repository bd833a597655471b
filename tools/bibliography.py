"""Write citations and the list of works as Markdown, from BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlsplit

from pybtex.database import Entry, Person, parse_string
from pybtex.richtext import Text


def read_bibliography(text: str) -> Mapping[str, Entry]:
    """Parse BibTeX into a mapping from key to work; each needs author, title and year."""
    return parse_string(text, "bibtex").entries


def citation(work: Entry, textual: bool) -> str:
    """Write "Rosenblatt (1958)", or "Rosenblatt, 1958", linked to the address of the work."""
    names, year = _short_names(work), work.fields["year"]
    text = f"{names} ({year})" if textual else f"{names}, {year}"
    url = _address(work)[0]
    return f"[{text}]({url})" if url else text


def reference_list(works: Iterable[Entry]) -> str:
    """List works by author and year, one line each."""
    lines = {(_short_names(work).lower(), work.fields["year"], _reference(work)) for work in works}
    return "\n".join(f"* {text}" for _, _, text in sorted(lines))


def escaped(text: str) -> str:
    """Keep Markdown from reading marks in plain text."""
    return re.sub(r"[\\`*_\[\]<>$|]", r"\\\g<0>", text)


def _field(work: Entry, *names: str) -> str:
    """Decode the accents and braces of the first of the fields that the work has."""
    latex = next((work.fields[name] for name in names if name in work.fields), "")
    return escaped(str(Text.from_latex(latex)))


def _family(person: Person) -> str:
    return " ".join(map(str, [*person.rich_prelast_names, *person.rich_last_names]))


def _full_name(person: Person) -> str:
    given = [*person.rich_first_names, *person.rich_middle_names]
    return " ".join(map(str, [*given, _family(person), *person.rich_lineage_names]))


def _short_names(work: Entry) -> str:
    names = [_family(person) for person in work.persons["author"]]
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


def _full_names(work: Entry) -> str:
    *others, last = (_full_name(person) for person in work.persons["author"])
    return f"{', '.join(others)} and {last}" if others else last


def _address(work: Entry) -> tuple[str, str]:
    """Return the URL of a work and the text of a link to it, or two empty texts."""
    if doi := work.fields.get("doi"):
        return f"https://doi.org/{quote(doi, safe='/:')}", f"doi:{doi}"
    url = work.fields.get("url", "")
    return url.replace("(", "%28").replace(")", "%29"), urlsplit(url).netloc


def _venue(work: Entry) -> str:
    """Return where a work appeared, such as "*Nature*, 323(6088), 533–536"."""
    name = _field(work, "journal", "booktitle", "publisher")
    volume, number = work.fields.get("volume", ""), work.fields.get("number", "")
    issue = f"{volume}({number})" if number else volume
    return ", ".join(part for part in (name and f"*{name}*", issue, _field(work, "pages")) if part)


def _reference(work: Entry) -> str:
    """Write authors, year, title, venue and a link."""
    title, venue = _field(work, "title"), _venue(work)
    ended = title if title[-1] in "?!." else f"{title}."
    head = f"{_full_names(work)} ({work.fields['year']}). {ended}"
    url, text = _address(work)
    return " ".join(
        part for part in (head, venue and f"{venue}.", url and f"[{escaped(text)}]({url})") if part
    )

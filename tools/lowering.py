"""Lower MyST Markdown to the plain Markdown and HTML that Jupyter and Colab show.

The pages of the book are MyST; the cells of a notebook know neither directives nor roles::

    pages = {name: read_page(name, text, is_notebook) for name, text, is_notebook in ...}
    book = Book(pages, read_bibliography(bib), url, asset_url)
    plain = lower(cell.source, "architectures/convolution", book)

MyST's own parser says where blocks begin and end; only directives, targets, comments and the
paragraphs with roles or links are rewritten. Everything else passes through byte by byte.
`DIRECTIVES` and `ROLES` name, at the end of this file, all that can be lowered: a new construct
is a new row. Text goes into ``<blockquote>`` and ``<details>`` tags between blank lines, not behind
``>``: the mathematics of several lines survives there, and diffs stay small.
"""

from __future__ import annotations

import difflib
import posixpath
import re
import textwrap
import unicodedata
from ast import literal_eval
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from html import escape
from itertools import takewhile
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from docutils.nodes import make_id
from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from myst_parser.parsers.options import TokenizeError, options_to_items
from pybtex.database import Entry, Person, parse_string
from pybtex.richtext import Text

_EXTENSIONS = {"amsmath", "colon_fence", "deflist", "dollarmath", "fieldlist"}
_PARSER = create_md_parser(MdParserConfig(enable_extensions=_EXTENSIONS), RendererHTML)
_PARSER.disable("front_matter")
_NOUNS = {"figure": "Figure", "table": "Table", "listing": "Listing"}


# ---- What is known of the book ------------------------------------------------------------------


@dataclass(frozen=True)
class Label:
    """A target that text can refer to.

    Attributes
    ----------
    kind : str
        ``section``, ``figure``, ``table``, ``listing``, ``equation``, ``term``, or ``place`` for
        anything else.
    anchor : str
        The HTML id, the same in the notebook as on the page that Sphinx makes.
    title : str
        The heading, caption or term as MyST; empty if there is none.
    number : int or None
        Counted on the page, separately for each kind, over what has a label.
    """

    kind: str
    anchor: str
    title: str = ""
    number: int | None = None


@dataclass(frozen=True)
class Page:
    """What lowering needs to know of one page of the book.

    Attributes
    ----------
    name : str
        The path from the book's root without suffix, such as ``applications/images``.
    is_notebook : bool
        Whether the page has code, and so a notebook.
    text : str
        The source, in which messages find the line of an error.
    title : str
        The first heading as MyST.
    labels : mapping
        From a normalised label to what it marks. A glossary's terms are ``term:`` and the term.
    footnotes : mapping
        From a footnote's name to its MyST text.
    references : mapping
        From the name of a Markdown link definition to its destination and title.
    citations : tuple of str
        The keys that the page cites, each once, in order.
    """

    name: str
    is_notebook: bool
    text: str
    title: str
    labels: Mapping[str, Label]
    footnotes: Mapping[str, str]
    references: Mapping[str, tuple[str, str]]
    citations: tuple[str, ...]


@dataclass(frozen=True)
class Book:
    """All pages, the works that they cite, and where the book is published.

    Attributes
    ----------
    pages : mapping
        From a page's name to the page.
    bibliography : mapping
        From a key to the work; see `read_bibliography`.
    url : str
        The root of the published HTML pages. A link to a page without notebook leads there.
    asset_url : str
        The absolute URL at which the files of ``book/`` are served raw. Images are linked there,
        because Colab fetches the notebook and nothing that lies beside it.
    """

    pages: Mapping[str, Page]
    bibliography: Mapping[str, Entry]
    url: str
    asset_url: str

    @cached_property
    def places(self) -> Mapping[str, tuple[Page, Label]]:
        """The book's labels, each with its page.

        Raises
        ------
        ValueError
            If two pages define the same label.
        """
        places: dict[str, tuple[Page, Label]] = {}
        for page in self.pages.values():
            for key, label in page.labels.items():
                if key in places:
                    first = places[key][0].name
                    raise ValueError(
                        f"book/{page.name}.md: found the label {key!r} a second time, expected a "
                        f"label that book/{first}.md does not define"
                    )
                places[key] = page, label
        return places


@dataclass(frozen=True)
class Scope:
    """Where a text that is being lowered stands, and what it may refer to."""

    page: Page
    book: Book
    glued: Mapping[str, str] = field(default_factory=dict)

    def error(self, line: int, problem: str) -> ValueError:
        """Make the error that names page, line, problem and what was expected."""
        return _error(self.page.name, line, problem)

    def own(self, label: str, line: int) -> Label:
        """Return a label of this page, whose text was read by `read_page`."""
        if _key(label) not in self.page.labels:
            problem = f"found the new label {label!r}, expected the text that read_page has read"
            raise self.error(line, problem)
        return self.page.labels[_key(label)]

    def place(self, label: str, line: int) -> tuple[Page, Label]:
        """Return a label of the whole book with its page."""
        if _key(label) not in self.book.places:
            known = _known(_key(label), self.book.places)
            raise self.error(line, f"found the undefined label {label!r}, expected {known}")
        return self.book.places[_key(label)]


def _error(page: str, line: int, problem: str) -> ValueError:
    return ValueError(f"book/{page}.md, line {line}: {problem}")


def _key(label: str) -> str:
    """Normalise a label as Sphinx does."""
    return " ".join(label.lower().split())


def _known(name: str, names: Iterable[str]) -> str:
    """Say which name was perhaps meant, or else list them, if they are not too many."""
    names = sorted(names)
    near = difflib.get_close_matches(name, names, n=3) or names
    return f"one of {', '.join(near[:60])}" if near else "none, as none is defined"


# ---- Directives, as they stand in the text ------------------------------------------------------


@dataclass(frozen=True)
class Directive:
    """A fence ``{name} argument`` with its options and body; lines are counted on the page."""

    name: str
    argument: str
    options: Mapping[str, str]
    body: str
    line: int
    body_line: int

    @property
    def label(self) -> str:
        """The value of ``:label:`` or ``:name:``, or an empty text."""
        return self.options.get("label") or self.options.get("name") or ""

    @property
    def classes(self) -> list[str]:
        """The words of ``:class:``."""
        return self.options.get("class", "").split()


_INFO = re.compile(r"\{([\w:+-]+)\}[ \t]*(.*)")
_OPTION = re.compile(r"[ \t]*:[\w-]+:(?:[ \t]|$)")


def _directive(token: Token, lines: list[str], line: int, page: str) -> Directive | None:
    """Return the directive of a fence, or None for a block of code.

    Parameters
    ----------
    token : Token
        A ``fence`` or ``colon_fence`` of the parser.
    lines : list of str
        The text that was parsed.
    line : int
        The line of the page on which that text begins.
    page : str
        The page's name, for messages.
    """
    start, end = token.map
    match = _INFO.fullmatch(token.info.strip())
    if not match:
        if token.type == "colon_fence":
            problem = "found ::: without a directive, expected ':::{name}' and more colons outside"
            raise _error(page, line + start, problem)
        return None
    name, argument = match.groups()
    last = lines[end - 1].strip(" \t>")
    if end - start < 2 or len(last) < len(token.markup) or set(last) != {token.markup[0]}:
        problem = f"{{{name}}} is never closed, expected {token.markup!r} and a longer fence around"
        raise _error(page, line + start, problem)
    block, body = _split_options(token.content.split("\n"))
    body = body[1:] if body and not body[0].strip() else body
    try:
        options = dict(options_to_items(block)[0])
    except TokenizeError as bad:
        problem = (
            f"{{{name}}} has options that cannot be read ({bad.problem}), expected ':key: value'"
        )
        raise _error(page, line + start, problem) from bad
    body_line = line + end - 1 - len(body) + (body[-1:] == [""])
    return Directive(name, argument, options, "\n".join(body).rstrip(), line + start, body_line)


def _split_options(lines: list[str]) -> tuple[str, list[str]]:
    """Split a directive's content into its options, as YAML, and the lines of its body."""
    if lines[0].startswith("---"):
        block = list(takewhile(lambda line: not line.startswith("---"), lines[1:]))
        return "\n".join(block), lines[len(block) + 2 :]
    blank = len(list(takewhile(lambda line: not line.strip(), lines)))
    block = list(takewhile(_OPTION.match, lines[blank:]))
    return "\n".join(line.strip()[1:] for line in block), lines[blank + len(block) :]


def _entries(text: str, line: int) -> Iterator[tuple[list[str], list[tuple[str, int]], int]]:
    """Give the entries of a glossary or definition list: terms, definitions, line of the terms.

    Each definition comes with its line on the page.
    """
    terms: list[str] = []
    definitions: list[tuple[list[str], int]] = []
    begin = line
    for at, row in enumerate(text.split("\n"), start=line):
        marker = re.match(r"[:~][ \t]+", row)
        if row.strip() and not row[0].isspace() and not marker:
            if definitions:
                yield terms, [_definition(*each) for each in definitions], begin
                terms, definitions = [], []
            begin = begin if terms else at
            terms.append(row.strip())
        elif marker or (row.strip() and not definitions):
            definitions.append(([row[marker.end() if marker else 0 :].strip()], at))
        elif definitions:
            definitions[-1][0].append(row)
    if terms:
        yield terms, [_definition(*each) for each in definitions], begin


def _definition(lines: list[str], line: int) -> tuple[str, int]:
    return "\n".join([lines[0], textwrap.dedent("\n".join(lines[1:]))]).rstrip(), line


# ---- Reading pages ------------------------------------------------------------------------------


def read_page(name: str, text: str, is_notebook: bool) -> Page:
    """Scan a page for its title, labels, footnotes, link definitions and citations.

    Parameters
    ----------
    name : str
        The path from the book's root without suffix.
    text : str
        The whole page as MyST, with or without front matter.
    is_notebook : bool
        Whether the page has a notebook.

    Raises
    ------
    ValueError
        If a label is defined twice, a directive is not closed or a footnote is not plain text.
    """
    reader = _Reader(name)
    front = re.match(r"---\n.*?\n---[ \t]*(?=\n|$)", text, re.DOTALL)
    lines_before = front[0].count("\n") if front else 0
    reader.scan(text[front.end() :] if front else text, 1 + lines_before)
    return Page(
        name,
        is_notebook,
        text,
        reader.title or posixpath.basename(name),
        reader.labels,
        reader.footnotes,
        reader.references,
        tuple(reader.citations),
    )


class _Reader:
    """Collects what `Page` holds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.title = ""
        self.labels: dict[str, Label] = {}
        self.footnotes: dict[str, str] = {}
        self.references: dict[str, tuple[str, str]] = {}
        self.citations: dict[str, None] = {}
        self._numbers: Counter[str] = Counter()

    def scan(self, text: str, line: int) -> None:
        """Read a text that begins on the given line of the page."""
        env: dict = {}
        tokens, lines = _PARSER.parse(text, env), text.split("\n")
        for key, found in env.get("references", {}).items():
            self.references[key] = found["href"], found["title"]
        waiting: list[tuple[str, int]] = []
        for index, token in enumerate(tokens):
            if token.type == "myst_target":
                waiting.append((token.content, line + token.map[0]))
            elif token.nesting >= 0 and token.type != "myst_line_comment":
                kind, title = self._visit(tokens[index:], lines, line)
                for label, at in waiting:
                    self._add(Label(kind, make_id(label), title), label, at)
                waiting = []
        for label, at in waiting:
            self._add(Label("place", make_id(label)), label, at)

    def _visit(self, tokens: list[Token], lines: list[str], line: int) -> tuple[str, str]:
        """Read the first of the tokens; say which kind of target it is, and its title."""
        token = tokens[0]
        if token.type == "heading_open":
            self.title = self.title or tokens[1].content
            return "section", tokens[1].content
        if token.type == "inline":
            self._cite(token.content)
        elif token.type == "math_block_label":
            self._number("equation", token.info, "", line + token.map[0])
        elif token.type == "footnote_reference_open":
            self._footnote(tokens, line + token.map[0])
        elif token.type in ("fence", "colon_fence"):
            directive = _directive(token, lines, line, self.name)
            if directive and directive.name in DIRECTIVES:
                return self._enter(directive)
        return "place", ""

    def _enter(self, directive: Directive) -> tuple[str, str]:
        rule = DIRECTIVES[directive.name]
        title = rule.title(directive)
        for text in (directive.argument, directive.options.get("caption", "")):
            self._cite(text)
        if directive.label:
            self._number(rule.kind, directive.label, title, directive.line)
        if directive.name == "glossary":
            self._glossary(directive)
        elif not rule.literal:
            self.scan(directive.body, directive.body_line)
        return rule.kind, title

    def _number(self, kind: str, label: str, title: str, line: int) -> None:
        """Add a label; count it if it is an equation or has a caption."""
        prefix = "equation-" if kind == "equation" else ""
        counted = kind == "equation" or (kind in _NOUNS and bool(title))
        self._numbers[kind] += counted
        number = self._numbers[kind] if counted else None
        self._add(Label(kind, make_id(prefix + label), title, number), label, line)

    def _add(self, label: Label, name: str, line: int) -> None:
        if _key(name) in self.labels:
            raise _error(self.name, line, f"found the label {name!r} again, expected a new one")
        self.labels[_key(name)] = label

    def _cite(self, text: str) -> None:
        for match in _INLINE.finditer(text):
            if match.lastgroup == "link":
                self._cite(match["text"])
            elif match.lastgroup == "role" and match["name"].startswith("cite"):
                self.citations.update(dict.fromkeys(_keys(match["content"])))

    def _footnote(self, tokens: list[Token], line: int) -> None:
        name = tokens[0].meta["label"]
        inner = list(takewhile(lambda each: each.type != "footnote_reference_close", tokens[1:]))
        if any(each.type not in ("paragraph_open", "inline", "paragraph_close") for each in inner):
            raise _error(self.name, line, f"footnote {name!r} holds a block, expected plain text")
        text = " ".join(each.content for each in inner if each.type == "inline")
        self.footnotes[name] = text.replace("\n", " ")

    def _glossary(self, directive: Directive) -> None:
        for terms, definitions, line in _entries(directive.body, directive.body_line):
            for term in terms:
                self._add(Label("term", _term_anchor(term), term), f"term:{term}", line)
            for text, at in definitions:
                self.scan(text, at)


def _term_anchor(term: str) -> str:
    """Return the id that Sphinx gives a term of a glossary."""
    plain = unicodedata.normalize("NFKD", f"term-{term}").encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-")


# ---- Lowering blocks ----------------------------------------------------------------------------


def lower(markdown: str, page: str, book: Book, glued: Mapping[str, str] | None = None) -> str:
    """Lower one Markdown cell of a page.

    Parameters
    ----------
    markdown : str
        The source of the cell.
    page : str
        The name of its page, one of ``book.pages``.
    book : Book
        What the cell may refer to.
    glued : mapping, optional
        From a name to the ``text/plain`` of the output that ``glue`` stored under it.

    Returns
    -------
    str
        Plain Markdown; empty if the cell held only comments, footnotes or the like.

    Raises
    ------
    ValueError
        If a directive or role is unknown, a reference, citation or glued name is not defined, or
        something cannot be shown in a notebook. The message names page, line and expectation.
    """
    scope = Scope(book.pages[page], book, glued or {})
    start = max(scope.page.text.find(markdown), 0)
    return _blocks(markdown, 1 + scope.page.text.count("\n", 0, start), scope)


class _Edit(NamedTuple):
    """The new text of the lines from `start` to `end`; a block stands between blank lines."""

    start: int
    end: int
    text: str
    is_block: bool


def _blocks(text: str, line: int, scope: Scope) -> str:
    """Lower a text of any number of blocks, which begins on the given line of the page."""
    env: dict = {}
    tokens, lines = _PARSER.parse(text, env), text.split("\n")
    edits = [_Edit(*found["map"], "", True) for found in env.get("references", {}).values()]
    done = 0
    for token in tokens:
        if token.nesting >= 0 and token.map and token.map[0] >= done:
            edit = _edit(token, lines, line, scope)
            if edit:
                edits.append(edit)
                done = edit.end
    return _spliced(lines, sorted(edits))


def _edit(token: Token, lines: list[str], line: int, scope: Scope) -> _Edit | None:
    start, end = token.map
    rows, at = lines[start:end], line + start
    if token.type == "inline":
        return _Edit(start, end, _inline("\n".join(rows), at, scope), False)
    if token.type in ("fence", "colon_fence"):
        directive = _directive(token, lines, line, scope.page.name)
        return _Edit(start, end, _lowered(directive, scope), True) if directive else None
    if token.type in _FORMULAS and len(rows) > 1 and ">" in _PREFIX.match(rows[0])[0]:
        problem = (
            "found a formula of several lines behind '>', which Jupyter takes for a part of it"
        )
        raise scope.error(at, f"{problem}; expected one line, or {{epigraph}}")
    if token.type in _SYNTAX:
        text = _SYNTAX[token.type](token, "\n".join(_undented(rows)), at, scope)
        return None if text is None else _Edit(start, end, text, True)
    return None


_FORMULAS = ("math_block", "math_block_label", "amsmath")
_PREFIX = re.compile(r"(?:[ \t>]|(?:[-*+]|\d+[.)])[ \t])*")


def _is_blank(line: str) -> bool:
    return not line.strip(" \t>")


def _undented(rows: list[str]) -> list[str]:
    """Take the marks of the enclosing lists and quotations off the rows of a block."""
    width = _PREFIX.match(rows[0]).end()
    below = [row[width:] if _is_blank(row[:width]) else row for row in rows[1:]]
    return [rows[0][width:], *below]


def _spliced(lines: list[str], edits: list[_Edit]) -> str:
    """Put the edits in place; lines of a block get the marks of its list or quotation."""
    out: list[str] = []
    done = 0
    for start, end, text, is_block in edits:
        out += lines[done:start]
        done = end
        if not is_block:
            out += text.split("\n")
            continue
        first = _PREFIX.match(lines[start])[0]
        rest = re.sub(r"[^\s>]", " ", first)
        if first == rest and out and not _is_blank(out[-1]):
            out.append(rest.rstrip())
        if text or first != rest:
            head, *tail = text.split("\n")
            out += [first + head, *(rest + row if row else rest.rstrip() for row in tail)]
            if done < len(lines) and not _is_blank(lines[done]):
                out.append(rest.rstrip())
        else:
            done += len(list(takewhile(_is_blank, lines[done:])))
            while done == len(lines) and out and _is_blank(out[-1]):
                out.pop()
    return "\n".join(out + lines[done:])


def _lowered(directive: Directive, scope: Scope) -> str:
    """Lower a directive, below the anchor of its label if it has one."""
    if directive.name not in DIRECTIVES:
        known = _known(directive.name, DIRECTIVES)
        problem = f"found the unknown directive {{{directive.name}}}, expected {known}"
        raise scope.error(directive.line, problem)
    text = DIRECTIVES[directive.name].lower(directive, scope)
    if not directive.label:
        return text
    return _stack(_anchor(scope.own(directive.label, directive.line)), text)


def _body(directive: Directive, scope: Scope) -> str:
    return _blocks(directive.body, directive.body_line, scope)


def _argument(directive: Directive, scope: Scope) -> str:
    return _inline(directive.argument, directive.line, scope)


def _stack(*parts: str) -> str:
    """Put texts below each other as blocks of their own."""
    return "\n\n".join(part for part in parts if part)


def _anchor(label: Label) -> str:
    return f'<a id="{label.anchor}"></a>'


def _target(token: Token, source: str, line: int, scope: Scope) -> str:
    return _anchor(scope.own(token.content, line))


def _dropped(*_: object) -> str:
    return ""


def _labelled_math(token: Token, source: str, line: int, scope: Scope) -> str:
    label = scope.own(token.info, line)
    return _stack(_anchor(label), _display(token.content, label.number, line, scope))


def _plain_math(token: Token, source: str, line: int, scope: Scope) -> str | None:
    """Leave a formula as it is, unless only Sphinx would understand it."""
    text = _display(token.content, None, line, scope)
    return None if text == f"$${token.content}$$" else text


def _display(tex: str, number: int | None, line: int, scope: Scope) -> str:
    """Write a displayed formula; like Sphinx, wrap bare line breaks into ``split``."""
    if re.search(r"\n[ \t]*\n", tex):
        problem = "found a blank line in a formula, where Jupyter ends it; expected none"
        raise scope.error(line, problem)
    gap = "\n" if "\n" in tex else " "
    if r"\\" in _without_environments(tex):
        tex = f"{gap}\\begin{{split}}{gap}{tex.strip()}{gap}\\end{{split}}{gap}"
    if number:
        tex = f"{tex.rstrip()}{gap}\\tag{{{number}}}{gap}"
    return f"$${tex}$$"


def _without_environments(tex: str) -> str:
    inner = re.compile(r"\\begin\{(\w+\*?)\}(?:(?!\\begin\{).)*?\\end\{\1\}", re.DOTALL)
    while inner.search(tex):
        tex = inner.sub("", tex)
    return tex


def _definition_list(token: Token, source: str, line: int, scope: Scope) -> str:
    return _bullets(source, line, scope, lambda term: "")


def _bullets(source: str, line: int, scope: Scope, anchor: Callable[[str], str]) -> str:
    """Write terms and definitions as a list; `anchor` gives what stands before a term.

    The list is marked by stars, so that it does not run into a list of the author's.
    """
    items = []
    for terms, definitions, at in _entries(source, line):
        if not definitions:
            raise scope.error(at, f"the term {terms[0]!r} has no definition, expected one below it")
        head = ", ".join(f"{anchor(term)}**{_inline(term, at, scope)}**" for term in terms)
        body = _stack(*(_blocks(text, below, scope) for text, below in definitions))
        items.append(f"* {head}\n\n{textwrap.indent(body, '  ')}")
    return _stack(*items)


def _field_list(token: Token, source: str, line: int, scope: Scope) -> str:
    marker = re.compile(r"^:((?:[^:\\\n]|\\.)+):(?=\s|$)", re.MULTILINE)
    return _blocks(marker.sub(r"* **\1:**", source), line, scope)


_SYNTAX: dict[str, Callable[[Token, str, int, Scope], str | None]] = {
    "myst_target": _target,
    "myst_line_comment": _dropped,
    "myst_block_break": _dropped,
    "footnote_reference_open": _dropped,
    "math_block": _plain_math,
    "math_block_label": _labelled_math,
    "dl_open": _definition_list,
    "field_list_open": _field_list,
}


# ---- Lowering inline text -----------------------------------------------------------------------

# What MyST knows and a notebook does not: a pattern, and what to write in its place.
_UNSUPPORTED = {
    "fence": (
        r"(?m:^)[ \t>]*`{3,}\{[\w:-]+\}(?![^\n]*```)[^\n]*",
        "':::' around a directive whose first line holds a backtick",
    ),
    "substitution": (r"\{\{.*?\}\}", "the text itself, or {glue}"),
    "attributes": (r"\{[.\#][^{}\n]*\}|\{\w+=[^{}\n]*\}", "the options of a directive"),
    "scheme": (r"<(?:project|path|inv|myst):[^<>]*>", "[](label) or [](page.md#label)"),
    "picture": (r"<img\s[^<>]*src=[\"'](?!https?:|data:)[^<>]*>", "{image} or ![alt](file)"),
    "formula": (r"\$\$[^$]+\$\$[ \t]*\([A-Za-z][^)\s]*\)", "a blank line before and after $$"),
}
_INLINE = re.compile(
    "|".join(f"(?P<{name}>{pattern})" for name, (pattern, _) in _UNSUPPORTED.items())
    + r"""
  | (?P<escape> \\. )
  | (?P<role> \{(?P<name>[\w:+-]+)\} (?P<ticks>`+)(?P<content>.+?)(?<!`)(?P=ticks)(?!`) )
  | (?P<code> (?P<run>`+).+?(?<!`)(?P=run)(?!`) | `+ )
  | (?P<math> \$\$.+?\$\$ | \$(?:\\.|[^$\\])+\$ )
  | (?P<html> <[A-Za-z/!][^<>]*> )
  | (?P<note> \[\^(?P<note_name>[^\]\s]+)\] )
  | (?P<link>
        !?\[(?P<text>(?: \\. | `[^`]*` | \$[^$]*\$ | [^\[\]\\`] | \[(?:\\.|[^\[\]\\])*\] )*+)\]
        (?: \(\s*(?P<dest><[^<>\n]*>|(?:[^\s()]|\([^\s()]*\))*+)
              (?P<title>\s+(?:"[^"]*"|'[^']*'))?\s*\)
          | \[(?P<ref>[^\[\]]*)\] )?
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_EXTERNAL = re.compile(r"(?:https?|mailto):")


def _inline(text: str, line: int, scope: Scope) -> str:
    """Lower the roles, links and footnotes of a paragraph, caption or title."""

    def span(match: re.Match[str]) -> str:
        at = line + text.count("\n", 0, match.start())
        lowering = _SPANS.get(match.lastgroup)
        return lowering(match, at, scope) if lowering else match[0]

    return _INLINE.sub(span, text)


def _role(match: re.Match[str], line: int, scope: Scope) -> str:
    name, content = match["name"], re.sub(r"\s*\n[ \t>]*", " ", match["content"]).strip()
    if name not in ROLES:
        known = _known(name, ROLES)
        raise scope.error(line, f"found the unknown role {{{name}}}, expected {known}")
    return ROLES[name](content, line, scope)


def _unsupported(match: re.Match[str], line: int, scope: Scope) -> str:
    expected = _UNSUPPORTED[match.lastgroup][1]
    raise scope.error(line, f"found {match[0].strip()!r}, expected {expected}")


def _note(match: re.Match[str], line: int, scope: Scope) -> str:
    name = match["note_name"]
    if name not in scope.page.footnotes:
        known = _known(name, scope.page.footnotes)
        raise scope.error(line, f"found the undefined footnote {name!r}, expected {known}")
    text = _inline(scope.page.footnotes[name], line, scope)
    gap = "" if match.string[: match.start()][-1:].isspace() else " "
    return f"{gap}(note: {text})"


def _link(match: re.Match[str], line: int, scope: Scope) -> str:
    """Lower a link or image, inline or by reference; leave other brackets."""
    opening = match[0][: match.start("text") - match.start()]
    text = _inline(match["text"], line, scope)
    name = normalizeReference(match["ref"] or match["text"])
    if match["dest"] is not None:
        destination, title = match["dest"].strip("<>"), match["title"] or ""
    elif name in scope.page.references:
        destination, title = scope.page.references[name]
        title = f' "{title}"' if title else ""
    else:
        other = "" if match["ref"] is None else _inline(f"[{match['ref']}]", line, scope)
        return f"{opening}{text}]{other}"
    if match["dest"] is not None and _EXTERNAL.match(destination):
        return f"{opening}{text}{match[0][match.end('text') - match.start() :]}"
    if opening == "![":
        return f"![{text}]({_asset(destination, scope)}{title})"
    url, default = _resolved(destination, line, scope)
    return f"[{_shown(text, default, destination, line, scope)}]({url}{title})"


_SPANS = {"role": _role, "note": _note, "link": _link} | dict.fromkeys(_UNSUPPORTED, _unsupported)


# ---- References ---------------------------------------------------------------------------------


def _resolved(destination: str, line: int, scope: Scope) -> tuple[str, str]:
    """Return the URL of what a link names in MyST, and its title."""
    if _EXTERNAL.match(destination):
        return destination, ""
    path, _, fragment = destination.partition("#")
    if not path:
        return _to_label(fragment, line, scope)
    page = scope.book.pages.get(_page_name(path, scope))
    if page and not fragment:
        return _page_url(page, scope), _shown_title(page, page.title, line, scope)
    if page:
        if _key(fragment) not in page.labels:
            problem = f"book/{page.name}.md has no label {fragment!r}, expected "
            raise scope.error(line, problem + _known(_key(fragment), page.labels))
        return _to_label(fragment, line, scope)
    if _key(destination) in scope.book.places:
        return _to_label(destination, line, scope)
    if posixpath.splitext(path)[1] not in ("", ".md", ".ipynb"):
        return _asset(destination, scope), ""
    problem = f"found {destination!r}, expected a label, a file or a page of the book"
    raise scope.error(line, problem)


def _page_name(path: str, scope: Scope) -> str:
    """Return the name of the page to which a path leads from this one."""
    name = re.sub(r"\.(?:md|ipynb)$", "", path)
    folder = posixpath.dirname(scope.page.name)
    return posixpath.normpath(posixpath.join(folder, name) if name[0] != "/" else name[1:])


def _page_url(page: Page, scope: Scope) -> str:
    if not page.is_notebook:
        return urljoin(f"{scope.book.url.rstrip('/')}/", f"{page.name}.html")
    return posixpath.relpath(f"{page.name}.ipynb", posixpath.dirname(scope.page.name) or ".")


def _asset(path: str, scope: Scope) -> str:
    """Return the URL of a file that the page names; paths from the root begin with a slash."""
    if _EXTERNAL.match(path):
        return path
    folder = "" if path.startswith("/") else f"{posixpath.dirname(scope.page.name)}/"
    return urljoin(f"{scope.book.asset_url.rstrip('/')}/", f"{folder}{path}".lstrip("/"))


def _to_label(label: str, line: int, scope: Scope) -> tuple[str, str]:
    """Return the URL and the title of a labelled place."""
    page, found = scope.place(label, line)
    before = "" if page.name == scope.page.name else _page_url(page, scope)
    title = f"({found.number})" if found.kind == "equation" and found.number else found.title
    return f"{before}#{found.anchor}", _shown_title(page, title, line, scope)


def _shown_title(page: Page, title: str, line: int, scope: Scope) -> str:
    """Lower a title of another place so that it can stand in a link: without links."""
    text = _inline(title, line, replace(scope, page=page))
    return re.sub(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?:[^()]|\([^()]*\))*\)", r"\1", text)


def _shown(text: str, default: str, target: str, line: int, scope: Scope) -> str:
    if not (text or default):
        problem = f"{target!r} has no title, expected a text for the link: [text]({target})"
        raise scope.error(line, problem)
    return text or default


# ---- Roles --------------------------------------------------------------------------------------

Role = Callable[[str, int, Scope], str]


def _split(content: str) -> tuple[str, str]:
    """Split ``text <target>``; the text is empty if there is only a target."""
    match = re.fullmatch(r"(.*?)\s*<([^<>]+)>", content, re.DOTALL)
    return match.groups() if match else ("", content)


def _ref(content: str, line: int, scope: Scope) -> str:
    text, target = _split(content)
    url, default = _to_label(target, line, scope)
    return f"[{_shown(text, default, target, line, scope)}]({url})"


def _numref(content: str, line: int, scope: Scope) -> str:
    text, target = _split(content)
    label = scope.place(target, line)[1]
    if label.kind not in _NOUNS or not label.number:
        problem = f"{target!r} has no number, expected the name of a figure or table with a caption"
        raise scope.error(line, problem)
    url, name = _to_label(target, line, scope)
    shown = (text or f"{_NOUNS[label.kind]} %s").replace("%s", "{number}")
    shown = shown.replace("{number}", str(label.number)).replace("{name}", name)
    return f"[{shown}]({url})"


def _eq(content: str, line: int, scope: Scope) -> str:
    label = scope.place(content, line)[1]
    if label.kind != "equation" or not label.number:
        raise scope.error(line, f"{content!r} labels no equation, expected a label of one")
    url, number = _to_label(content, line, scope)
    return f"[{number}]({url})"


def _doc(content: str, line: int, scope: Scope) -> str:
    text, target = _split(content)
    page = scope.book.pages.get(_page_name(target, scope))
    if page is None:
        known = _known(_page_name(target, scope), scope.book.pages)
        raise scope.error(line, f"found the unknown page {target!r}, expected {known}")
    return f"[{text or _shown_title(page, page.title, line, scope)}]({_page_url(page, scope)})"


def _term(content: str, line: int, scope: Scope) -> str:
    text, term = _split(content)
    return f"[{text or term}]({_to_label(f'term:{term}', line, scope)[0]})"


def _download(content: str, line: int, scope: Scope) -> str:
    text, path = _split(content)
    return f"[{text or posixpath.basename(path)}]({_asset(path, scope)})"


def _tag(name: str, content: str, line: int, scope: Scope) -> str:
    return f"<{name}>{escape(content, quote=False)}</{name}>"


def _abbr(content: str, line: int, scope: Scope) -> str:
    match = re.fullmatch(r"(.+?)\s*\((.+)\)", content)
    if not match:
        raise scope.error(line, f"found {content!r}, expected 'ABBR (what it stands for)'")
    return f'<abbr title="{escape(match[2])}">{escape(match[1])}</abbr>'


def _code_span(content: str, line: int, scope: Scope) -> str:
    ticks = "`" * (1 + _longest_run(content))
    gap = " " if content[0] == "`" or content[-1] == "`" else ""
    return f"{ticks}{gap}{content}{gap}{ticks}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _glue(content: str, line: int, scope: Scope) -> str:
    """Write a value that a code cell glued; ``name:.2f`` formats it, as in MyST-NB."""
    name, _, spec = content.partition(":")
    if name not in scope.glued:
        known = _known(name, scope.glued)
        raise scope.error(line, f"found the name {name!r} that no cell glued, expected {known}")
    try:
        value = literal_eval(scope.glued[name])
    except (SyntaxError, ValueError):
        value = scope.glued[name]
    return format(value if spec else str(value), spec)


def _cite(textual: bool, content: str, line: int, scope: Scope) -> str:
    """Write "Rosenblatt (1958)" or "(Rosenblatt, 1958)", each work linked to its address."""
    shown = []
    for key in _keys(content):
        if key not in scope.book.bibliography:
            known = _known(key, scope.book.bibliography)
            raise scope.error(line, f"found the unknown citation key {key!r}, expected {known}")
        work = scope.book.bibliography[key]
        year = work.fields.get("year", "n.d.")
        text = f"{_short_names(work)} ({year})" if textual else f"{_short_names(work)}, {year}"
        url = _address(work)[0]
        shown.append(f"[{text}]({url})" if url else text)
    return ", ".join(shown) if textual else f"({'; '.join(shown)})"


def _keys(content: str) -> list[str]:
    return [key.strip() for key in content.split(",")]


# ---- Works cited --------------------------------------------------------------------------------


def read_bibliography(text: str) -> Mapping[str, Entry]:
    """Parse BibTeX into a mapping from key to work."""
    return parse_string(text, "bibtex").entries


def _decoded(value: str) -> str:
    """Turn a BibTeX field into Markdown: accents decoded, formulas kept, other marks escaped."""
    formulas = re.findall(r"(?<!\\)\$[^$]+\$", value)
    text = re.sub(r"\\url\{([^}]*)\}", r"\1", value)
    text = str(Text.from_latex(re.sub(r"(?<!\\)\$[^$]+\$", "\ue000", text)))
    if command := re.search(r"\\[A-Za-z]+", text):
        raise ValueError(f"{value!r} holds the command {command[0]}, expected accents and formulas")
    return re.sub("\ue000", lambda _: formulas.pop(0), _escaped(text))


def _escaped(text: str) -> str:
    """Keep Markdown from reading marks in plain text."""
    return re.sub(r"[\\`*_\[\]<>$|]", r"\\\g<0>", text)


def _people(work: Entry) -> list[Person]:
    return work.persons.get("author") or work.persons.get("editor") or []


def _name(person: Person, short: bool) -> str:
    family = [*person.rich_prelast_names, *person.rich_last_names]
    given = [] if short else [*person.rich_first_names, *person.rich_middle_names]
    after = [] if short else person.rich_lineage_names
    return " ".join(map(str, [*given, *family, *after]))


def _short_names(work: Entry) -> str:
    names = [_name(person, short=True) for person in _people(work)]
    if not names:
        return _decoded(work.fields["title"])
    if len(names) > 2 or names[-1] == "others":
        return f"{names[0]} et al."
    return " and ".join(names)


def _full_names(work: Entry) -> str:
    names = [_name(person, short=False) for person in _people(work)]
    if names[-1:] == ["others"]:
        return f"{', '.join(names[:-1])} et al."
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _address(work: Entry) -> tuple[str, str]:
    """Return the URL of a work and the text of a link to it, or two empty texts."""
    doi, url, paper, archive = (
        work.fields.get(name, "").replace("\\", "")
        for name in ("doi", "url", "eprint", "archiveprefix")
    )
    if doi := doi.removeprefix("https://doi.org/"):
        return f"https://doi.org/{quote(doi, safe='/:')}", f"doi:{doi}"
    if url:
        return url.replace("(", "%28").replace(")", "%29"), urlsplit(url).netloc
    if paper and archive.lower() == "arxiv":
        return f"https://arxiv.org/abs/{paper}", f"arXiv:{paper}"
    return "", ""


def _venue(work: Entry) -> str:
    """Return where a work appeared, such as "*Nature*, 323(6088), 533–536"."""
    fields = work.fields
    kinds = ("journal", "booktitle", "publisher", "school", "institution", "howpublished")
    name = next((_decoded(fields[kind]) for kind in kinds if kind in fields), "")
    volume, number = fields.get("volume", ""), fields.get("number", "")
    issue = f"{volume}({number})" if volume and number else volume or number
    pages = _decoded(fields.get("pages", ""))
    return ", ".join(part for part in (name and f"*{name}*", issue, pages) if part)


def _reference(work: Entry) -> str:
    """Write one line of a list of works: authors, year, title, venue, link."""
    title = _decoded(work.fields["title"])
    year = work.fields.get("year", "n.d.")
    names = _full_names(work)
    head = f"{names} ({year}). {title}" if names else f"{title} ({year})"
    url, text = _address(work)
    link = f"[{_escaped(text)}]({url})" if url else ""
    ended = head if head[-1] in "?!." else f"{head}."
    return " ".join(part for part in (ended, _venue(work) and f"{_venue(work)}.", link) if part)


def _bibliography(directive: Directive, scope: Scope) -> str:
    """List the works cited on this page (a filter by docname) or in the book, or all of them."""
    works = scope.book.bibliography
    if "docname" in directive.options.get("filter", ""):
        keys: Iterable[str] = scope.page.citations
    elif "all" in directive.options:
        keys = works
    else:
        keys = {key for page in scope.book.pages.values() for key in page.citations}
    cited = [works[key] for key in keys if key in works]
    lines = {
        (_short_names(work).lower(), work.fields.get("year", ""), _reference(work))
        for work in cited
    }
    return "\n".join(f"* {text}" for _, _, text in sorted(lines))


# ---- Directives ---------------------------------------------------------------------------------


def _quoted(title: str, body: str) -> str:
    return _stack("<blockquote>", title and f"**{title}**", body, "</blockquote>")


_SUMMARY = MarkdownIt("commonmark").use(dollarmath_plugin)
_SUMMARY.add_render_rule(
    "math_inline", lambda self, tokens, index, *_: f"${_without_angles(tokens[index].content)}$"
)


def _without_angles(tex: str) -> str:
    """Write < and > in a formula so that neither HTML nor Jupyter's escaping changes them."""
    return tex.replace("<", r"\lt ").replace(">", r"\gt ")


def _folded(title: str, body: str, is_open: bool = False) -> str:
    """Fold a text away; Markdown does not reach into the summary, so that is written in HTML."""
    opening = "<details open>" if is_open else "<details>"
    summary = f"{opening}\n<summary>{_SUMMARY.renderInline(title)}</summary>"
    return _stack(summary, body, "</details>")


def _boxed(directive: Directive, title: str, body: str) -> str:
    return (_folded if "dropdown" in directive.classes else _quoted)(title, body)


def _admonition(title: str, directive: Directive, scope: Scope) -> str:
    """Box a text under a fixed title; what stands on the first line belongs to the text."""
    return _boxed(directive, title, _stack(_argument(directive, scope), _body(directive, scope)))


def _titled(before: str, directive: Directive, scope: Scope) -> str:
    """Box a text under the argument of the directive."""
    title = ": ".join(part for part in (before, _argument(directive, scope)) if part)
    return _boxed(directive, title, _body(directive, scope))


def _dropdown(directive: Directive, scope: Scope) -> str:
    title = _argument(directive, scope) or "Details"
    return _folded(title, _body(directive, scope), "open" in directive.options)


def _quotation(directive: Directive, scope: Scope) -> str:
    body = _stack(_argument(directive, scope), _body(directive, scope))
    head, gap, last = body.rpartition("\n\n")
    return _quoted("", head + gap + re.sub(r"^(?:--|---|—) *(?=[^\s-])", "— ", last))


def _content(directive: Directive, scope: Scope) -> str:
    return _body(directive, scope)


def _section(directive: Directive, scope: Scope) -> str:
    title = _argument(directive, scope)
    return _stack(title and f"**{title}**", _body(directive, scope))


def _card(directive: Directive, scope: Scope) -> str:
    title = _argument(directive, scope)
    if link := directive.options.get("link"):
        url, default = _resolved(link, directive.line, scope)
        title = f"[{_shown(title, default, link, directive.line, scope)}]({url})"
    return _stack(title and f"**{title}**", _body(directive, scope))


def _only(directive: Directive, scope: Scope) -> str:
    """Keep what is meant for a notebook; ``html`` and ``latex`` are other products."""
    tags = directive.argument.split(" or ")
    if not all(re.fullmatch(r"\s*\w+\s*", tag) for tag in tags):
        problem = f"found the condition {directive.argument!r}, expected tags joined by 'or'"
        raise scope.error(directive.line, problem)
    return _body(directive, scope) if "notebook" in map(str.strip, tags) else ""


def _caption(directive: Directive, scope: Scope, text: str, weight: str = "**") -> str:
    """Write a caption, after its number if it has one."""
    label = scope.own(directive.label, directive.line) if directive.label else None
    if label and label.number:
        return f"**{_NOUNS[label.kind]} {label.number}.** {text}"
    return text and f"{weight}{text}{weight}"


def _image(directive: Directive, scope: Scope) -> str:
    url = _asset(directive.argument, scope)
    alt, width = directive.options.get("alt", ""), directive.options.get("width", "")
    if width:
        return f'<img src="{url}" alt="{escape(alt)}" width="{width.removesuffix("px")}">'
    return f"![{_escaped(alt)}]({url})"


def _figure(directive: Directive, scope: Scope) -> str:
    caption = _caption(directive, scope, _body(directive, scope), weight="")
    return _stack(_image(directive, scope), caption)


def _table(directive: Directive, scope: Scope) -> str:
    caption = _caption(directive, scope, _argument(directive, scope))
    return _stack(caption, _body(directive, scope))


def _list_table(directive: Directive, scope: Scope) -> str:
    """Write a list of rows as a table; one without header gets an empty header."""
    rows = _rows(directive, scope)
    headers = int(directive.options.get("header-rows") or 0)
    widths = sorted({len(row) for row in rows})
    if headers > 1 or len(widths) != 1:
        problem = f"found {headers} header rows and rows of {widths} cells, expected 0 or 1 header"
        raise scope.error(directive.line, f"{problem} row and rows of one length")
    head = rows.pop(0) if headers else [""] * widths[0]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * widths[0], *rows)]
    caption = _caption(directive, scope, _argument(directive, scope))
    return _stack(caption, "\n".join(lines))


def _rows(directive: Directive, scope: Scope) -> list[list[str]]:
    """Read the rows of a list-table: a list of lists whose items are plain paragraphs."""
    rows: list[list[str]] = []
    for token in _PARSER.parse(directive.body):
        match token.type, token.level:
            case "list_item_open", 1:
                rows.append([])
            case "list_item_open", 3:
                rows[-1].append("")
            case "inline", 5:
                line = directive.body_line + token.map[0]
                text = _cell(_inline(token.content, line, scope))
                rows[-1][-1] = f"{rows[-1][-1]}<br>{text}" if rows[-1][-1] else text
            case ("bullet_list_open", 0 | 2) | ("paragraph_open", 4):
                pass
            case kind, level if token.nesting >= 0:
                problem = f"found {kind} at depth {level} in a list-table"
                line = directive.body_line + (token.map or [0])[0]
                raise scope.error(line, f"{problem}, expected '* - ' and '  - ' with plain text")
    return rows


def _cell(text: str) -> str:
    """Protect the bars of a table's cell, in formulas by their names."""

    def protected(match: re.Match[str]) -> str:
        if match[0][0] != "$":
            return r"\|" if match[0] == "|" else match[0]
        return match[0].replace(r"\|", r"\Vert ").replace("|", r"\vert ")

    return re.sub(r"\$[^$]+\$|\\\||\|", protected, text.replace("\n", " "))


def _code(directive: Directive, scope: Scope) -> str:
    caption = _inline(directive.options.get("caption", ""), directive.line, scope)
    fence = "`" * max(3, 1 + _longest_run(directive.body))
    code = f"{fence}{directive.argument}\n{directive.body}\n{fence}"
    return _stack(_caption(directive, scope, caption), code)


def _mermaid(directive: Directive, scope: Scope) -> str:
    text = directive.options.get("caption") or directive.options.get("alt", "")
    caption = _caption(directive, scope, _inline(text, directive.line, scope), weight="")
    return _stack(f"```mermaid\n{directive.body}\n```", caption)


def _math(directive: Directive, scope: Scope) -> str:
    tex = "\n".join(part for part in (directive.argument, directive.body) if part)
    label = scope.own(directive.label, directive.line) if directive.label else None
    if "nowrap" not in directive.options:
        return _display(f"\n{tex}\n", label and label.number, directive.line, scope)
    if label:
        problem = "found {math} with both :label: and :nowrap:, expected one of them"
        raise scope.error(directive.line, problem)
    return tex


def _glossary(directive: Directive, scope: Scope) -> str:
    def anchor(term: str) -> str:
        return _anchor(scope.own(f"term:{term}", directive.line))

    return _bullets(directive.body, directive.body_line, scope, anchor)


def _code_cell(directive: Directive, scope: Scope) -> str:
    problem = "found {code-cell} inside another block, expected it at the top level of the page"
    raise scope.error(directive.line, problem)


# ---- All that can be lowered --------------------------------------------------------------------


def _no_title(directive: Directive) -> str:
    return ""


def _argument_title(directive: Directive) -> str:
    return directive.argument


def _caption_option(directive: Directive) -> str:
    return directive.options.get("caption", "")


def _first_paragraph(directive: Directive) -> str:
    return directive.body.strip().partition("\n\n")[0]


class Rule(NamedTuple):
    """How a directive is lowered, and what `read_page` needs to know of it.

    Attributes
    ----------
    lower : callable
        From the directive and its scope to plain Markdown.
    kind : str
        The kind of its label.
    title : callable
        From the directive to the title of its label, as MyST.
    literal : bool
        Whether the body is something else than Markdown.
    """

    lower: Callable[[Directive, Scope], str]
    kind: str = "place"
    title: Callable[[Directive], str] = _no_title
    literal: bool = False


DIRECTIVES: dict[str, Rule] = {
    "admonition": Rule(partial(_titled, "")),
    "bibliography": Rule(_bibliography),
    "card": Rule(_card),
    "card-footer": Rule(_content),
    "card-header": Rule(_content),
    "caution": Rule(partial(_admonition, "Caution")),
    "code": Rule(_code, literal=True),
    "code-block": Rule(_code, "listing", _caption_option, literal=True),
    "code-cell": Rule(_code_cell, literal=True),
    "contents": Rule(_dropped),
    "danger": Rule(partial(_admonition, "Danger")),
    "dropdown": Rule(_dropdown),
    "epigraph": Rule(_quotation),
    "error": Rule(partial(_admonition, "Error")),
    "exercise": Rule(partial(_titled, "Exercise"), title=_argument_title),
    "figure": Rule(_figure, "figure", _first_paragraph),
    "glossary": Rule(_glossary),
    "grid": Rule(_content),
    "grid-item": Rule(_content),
    "grid-item-card": Rule(_card),
    "hint": Rule(partial(_admonition, "Hint")),
    "image": Rule(_image),
    "important": Rule(partial(_admonition, "Important")),
    "index": Rule(_dropped),
    "list-table": Rule(_list_table, "table", _argument_title),
    "margin": Rule(partial(_titled, "")),
    "math": Rule(_math, "equation", literal=True),
    "mermaid": Rule(_mermaid, "figure", _caption_option, literal=True),
    "note": Rule(partial(_admonition, "Note")),
    "only": Rule(_only),
    "pull-quote": Rule(_quotation),
    "rubric": Rule(_section),
    "seealso": Rule(partial(_admonition, "See also")),
    "sidebar": Rule(partial(_titled, "")),
    "tab-item": Rule(_section),
    "tab-set": Rule(_content),
    "table": Rule(_table, "table", _argument_title),
    "tableofcontents": Rule(_dropped),
    "tip": Rule(partial(_admonition, "Tip")),
    "warning": Rule(partial(_admonition, "Warning")),
}

ROLES: dict[str, Role] = {
    "abbr": _abbr,
    "cite": partial(_cite, False),
    "cite:p": partial(_cite, False),
    "cite:t": partial(_cite, True),
    "code": _code_span,
    "doc": _doc,
    "download": _download,
    "eq": _eq,
    "file": _code_span,
    "glue": _glue,
    "glue:text": _glue,
    "guilabel": lambda content, line, scope: f"**{content}**",
    "index": lambda content, line, scope: _split(content)[0] or content,
    "kbd": partial(_tag, "kbd"),
    "math": lambda content, line, scope: f"${content}$",
    "numref": _numref,
    "ref": _ref,
    "sub": partial(_tag, "sub"),
    "sup": partial(_tag, "sup"),
    "term": _term,
}

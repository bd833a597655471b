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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import takewhile
from typing import NamedTuple
from urllib.parse import urljoin

from docutils.nodes import make_id
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from myst_parser.parsers.options import TokenizeError, options_to_items
from pybtex.database import Entry

from tools.bibliography import citation, escaped, read_bibliography, reference_list

__all__ = ["DIRECTIVES", "ROLES", "Book", "Page", "lower", "read_bibliography", "read_page"]

_EXTENSIONS = {"amsmath", "colon_fence", "deflist", "dollarmath"}
_PARSER = create_md_parser(MdParserConfig(enable_extensions=_EXTENSIONS), RendererHTML)
_PARSER.disable("front_matter")


# ---- What is known of the book ------------------------------------------------------------------


class Label(NamedTuple):
    """A target that text can refer to."""

    anchor: str  # the HTML id, the same in the notebook as on the page that Sphinx makes
    title: str = ""  # the heading, caption or term as MyST, or the number of an equation
    kind: str = ""  # "Figure", "Table" or "Equation", or nothing for other places
    number: int | None = None  # counted on the page over the labels of a kind that have a title


@dataclass(frozen=True)
class Page:
    """What lowering needs to know of one page of the book."""

    name: str  # the path from the book's root without suffix, such as "applications/images"
    is_notebook: bool
    text: str  # the source, in which messages find the line of an error
    title: str
    labels: Mapping[str, Label]  # by `_key`; terms of the glossary are "term:" and the term
    citations: tuple[str, ...]


@dataclass(frozen=True)
class Book:
    """All pages, the works that they cite, and where the book is published.

    A link to a page without notebook leads below `url`. Images are linked below `asset_url`, where
    the files of ``book/`` are served raw: Colab fetches nothing that lies beside the notebook.
    """

    pages: Mapping[str, Page]
    bibliography: Mapping[str, Entry]
    url: str
    asset_url: str

    @cached_property
    def places(self) -> Mapping[str, tuple[Page, Label]]:
        """The book's labels, each with its page; a label on two pages is a ValueError."""
        places: dict[str, tuple[Page, Label]] = {}
        for page in self.pages.values():
            for key, label in page.labels.items():
                if key in places:
                    raise ValueError(
                        f"book/{page.name}.md: found the label {key!r} a second time, expected one "
                        f"that book/{places[key][0].name}.md does not define"
                    )
                places[key] = page, label
        return places


@dataclass(frozen=True)
class Scope:
    """Where a text that is being lowered stands, and what it may refer to."""

    page: Page
    book: Book

    def error(self, line: int, problem: str) -> ValueError:
        """Make the error that names page, line, problem and what was expected."""
        return _error(self.page.name, line, problem)

    def unknown(self, line: int, found: str, name: str, names: Iterable[str]) -> ValueError:
        """Make the error that says which name was perhaps meant, or else lists them."""
        names = sorted(names)
        near = difflib.get_close_matches(name, names, n=3) or names[:60]
        return self.error(line, f"found the {found}, expected one of {', '.join(near) or 'none'}")

    def place(self, label: str, line: int) -> tuple[Page, Label]:
        """Return a label of the whole book with its page."""
        places, key = self.book.places, _key(label)
        if key not in places:
            raise self.unknown(line, f"undefined label {label!r}", key, places)
        return places[key]


def _error(page: str, line: int, problem: str) -> ValueError:
    return ValueError(f"book/{page}.md, line {line}: {problem}")


def _key(label: str) -> str:
    """Normalise a label as Sphinx does."""
    return " ".join(label.lower().split())


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
        return self.options.get("label") or self.options.get("name") or ""


_INFO = re.compile(r"\{([\w:+-]+)\}[ \t]*(.*)")
_OPTION = re.compile(r"[ \t]*:[\w-]+:(?:[ \t]|$)")


def _directive(token: Token, lines: list[str], line: int, page: str) -> Directive | None:
    """Return the directive of a fence in lines that begin at `line`; None for a block of code."""
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
        problem = f"has options that cannot be read ({bad.problem}), expected ':key: value'"
        raise _error(page, line + start, f"{{{name}}} {problem}") from bad
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


_TERMS = re.compile(r"(?P<terms>(?:\S.*\n?)+)(?P<definition>(?:\n|[ \t].*\n?)*)")


def _entries(glossary: Directive) -> Iterator[tuple[list[str], int, str]]:
    """Give the terms that share a definition, the line of the first, and the definition."""
    for match in _TERMS.finditer(glossary.body):
        line = glossary.body_line + glossary.body.count("\n", 0, match.start())
        yield match["terms"].splitlines(), line, textwrap.dedent(match["definition"])


# ---- Reading pages ------------------------------------------------------------------------------


def read_page(name: str, text: str, is_notebook: bool) -> Page:
    """Scan a page, with or without front matter, for its title, labels and citations.

    A label that is defined twice or a directive that is not closed is a ValueError.
    """
    reader = _Reader(name)
    front = re.match(r"---\n.*?\n---[ \t]*(?=\n|$)", text, re.DOTALL)
    lines_before = front[0].count("\n") if front else 0
    reader.scan(text[front.end() :] if front else text, 1 + lines_before)
    title = reader.title or posixpath.basename(name)
    return Page(name, is_notebook, text, title, reader.labels, tuple(reader.citations))


class _Reader:
    """Collects what `Page` holds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.title = ""
        self.labels: dict[str, Label] = {}
        self.citations: dict[str, None] = {}
        self._numbers: Counter[str] = Counter()

    def scan(self, text: str, line: int) -> None:
        """Read a text that begins on the given line of the page."""
        tokens, lines = _PARSER.parse(text), text.split("\n")
        waiting: list[tuple[str, int]] = []
        for index, token in enumerate(tokens):
            if token.type == "myst_target":
                waiting.append((token.content, line + token.map[0]))
            elif token.nesting >= 0 and token.type != "myst_line_comment":
                title = self._visit(tokens[index:], lines, line)
                for label, at in waiting:
                    self._add(label, Label(make_id(label), title), at)
                waiting = []
        for label, at in waiting:
            self._add(label, Label(make_id(label)), at)

    def _visit(self, tokens: list[Token], lines: list[str], line: int) -> str:
        """Read the first of the tokens; return its title as the object of a target."""
        token = tokens[0]
        if token.type == "heading_open":
            self.title = self.title or tokens[1].content
            return tokens[1].content
        if token.type == "inline":
            self._cite(token.content)
        elif token.type == "math_block_label":
            self._equation(token.info, line + token.map[0])
        elif token.type in ("fence", "colon_fence"):
            directive = _directive(token, lines, line, self.name)
            if directive and directive.name in DIRECTIVES:
                return self._enter(directive, DIRECTIVES[directive.name])
        return ""

    def _enter(self, directive: Directive, rule: Rule) -> str:
        title = rule.title(directive)
        for text in (directive.argument, directive.options.get("caption", "")):
            self._cite(text)
        if directive.name == "math" and directive.label:
            self._equation(directive.label, directive.line)
        elif directive.label:
            self._numbers[rule.kind] += bool(title)
            number = self._numbers[rule.kind] if rule.kind and title else None
            label = Label(make_id(directive.label), title, rule.kind, number)
            self._add(directive.label, label, directive.line)
        if directive.name == "glossary":
            self._glossary(directive)
        elif not rule.literal:
            self.scan(directive.body, directive.body_line)
        return title

    def _equation(self, name: str, line: int) -> None:
        self._numbers["Equation"] += 1
        number = self._numbers["Equation"]
        self._add(name, Label(make_id(f"equation-{name}"), f"({number})", "Equation", number), line)

    def _add(self, name: str, label: Label, line: int) -> None:
        if _key(name) in self.labels:
            raise _error(self.name, line, f"found the label {name!r} again, expected a new one")
        self.labels[_key(name)] = label

    def _cite(self, text: str) -> None:
        for match in _INLINE.finditer(text):
            if match.lastgroup == "link":
                self._cite(match["text"])
            elif match.lastgroup == "role" and match["name"].startswith("cite"):
                self.citations.update(dict.fromkeys(_keys(match["content"])))

    def _glossary(self, directive: Directive) -> None:
        for terms, line, definition in _entries(directive):
            for term in terms:
                self._add(f"term:{term}", Label(_term_anchor(term), term), line)
            self.scan(definition, line + len(terms))


def _term_anchor(term: str) -> str:
    """Return the id that Sphinx gives a term of a glossary."""
    plain = unicodedata.normalize("NFKD", f"term-{term}").encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-")


# ---- Lowering blocks ----------------------------------------------------------------------------


def lower(markdown: str, page: str, book: Book) -> str:
    """Lower one Markdown cell of a page; the result is empty if the cell held only comments.

    Raises
    ------
    ValueError
        If a directive or role is unknown, a reference or citation is not defined, or something
        cannot be shown in a notebook. The message names page, line and expectation.
    """
    scope = Scope(book.pages[page], book)
    start = max(scope.page.text.find(markdown), 0)
    return _blocks(markdown, 1 + scope.page.text.count("\n", 0, start), scope)


def _blocks(text: str, line: int, scope: Scope) -> str:
    """Lower a text of any number of blocks, which begins on the given line of the page."""
    env: dict = {}
    tokens, lines = _PARSER.parse(text, env), text.split("\n")
    for found in env.get("references", {}).values():
        problem = "found a link definition, expected [text](destination) where the link stands"
        raise scope.error(line + found["map"][0], problem)
    out: list[str] = []
    done = 0
    for token in tokens:
        if token.nesting < 0 or not token.map or token.map[0] < done:
            continue
        start, end = token.map
        if token.type == "inline":
            rows = "\n".join(lines[start:end])
            out += [*lines[done:start], *_inline(rows, line + start, scope).split("\n")]
            done = end
        elif (block := _block(token, lines, line, scope)) is not None:
            out += lines[done:start]
            done = _put(block, out, lines, start, end)
    return "\n".join(out + lines[done:])


def _block(token: Token, lines: list[str], line: int, scope: Scope) -> str | None:
    """Lower one block; None leaves it, or what is in it, as it is."""
    at = line + token.map[0]
    match token.type:
        case "fence" | "colon_fence":
            directive = _directive(token, lines, line, scope.page.name)
            return _lowered(directive, scope) if directive else None
        case "myst_target":
            return _anchor(token.content, scope)
        case "myst_line_comment" | "myst_block_break":
            return ""
        case "math_block":
            text = _display(token.content, None, at, scope)
            return None if text == f"$${token.content}$$" else text
        case "math_block_label":
            number = scope.page.labels[_key(token.info)].number
            formula = _display(token.content, number, at, scope)
            return _stack(_anchor(token.info, scope), formula)
        case "dl_open":
            raise scope.error(at, "found a definition list, expected a list or {glossary}")
        case "footnote_reference_open":
            raise scope.error(at, "found a footnote, expected its text in the paragraph")
    return None


_PREFIX = re.compile(r"(?:[ \t>]|(?:[-*+]|\d+[.)])[ \t])*")


def _is_blank(line: str) -> bool:
    return not line.strip(" \t>")


def _put(block: str, out: list[str], lines: list[str], start: int, end: int) -> int:
    """Add a block in place of some lines, between blank lines; return the next line to keep.

    Its lines get the marks of the list or quotation that it stands in.
    """
    first = _PREFIX.match(lines[start])[0]
    rest = re.sub(r"[^\s>]", " ", first)
    if first == rest and out and not _is_blank(out[-1]):
        out.append(rest.rstrip())
    if block or first != rest:
        head, *tail = block.split("\n")
        out += [first + head, *(rest + row if row else rest.rstrip() for row in tail)]
        if end < len(lines) and not _is_blank(lines[end]):
            out.append(rest.rstrip())
        return end
    end += len(list(takewhile(_is_blank, lines[end:])))
    while end == len(lines) and out and _is_blank(out[-1]):
        out.pop()
    return end


def _lowered(directive: Directive, scope: Scope) -> str:
    """Lower a directive, below the anchor of its label if it has one."""
    name, line = directive.name, directive.line
    if name not in DIRECTIVES:
        raise scope.unknown(line, f"unknown directive {{{name}}}", name, DIRECTIVES)
    text = DIRECTIVES[name].lower(directive, scope)
    return _stack(_anchor(directive.label, scope), text) if directive.label else text


def _body(directive: Directive, scope: Scope) -> str:
    return _blocks(directive.body, directive.body_line, scope)


def _argument(directive: Directive, scope: Scope) -> str:
    return _inline(directive.argument, directive.line, scope)


def _stack(*parts: str) -> str:
    """Put texts below each other as blocks of their own."""
    return "\n\n".join(part for part in parts if part)


def _anchor(label: str, scope: Scope) -> str:
    """Mark the place of a label of this page."""
    return f'<a id="{scope.page.labels[_key(label)].anchor}"></a>'


def _display(tex: str, number: int | None, line: int, scope: Scope) -> str:
    """Write a displayed formula; like Sphinx, wrap bare line breaks into ``split``."""
    if re.search(r"\n[ \t]*\n", tex):
        problem = "found a blank line in a formula, where Jupyter ends it; expected none"
        raise scope.error(line, problem)
    gap = "\n" if "\n" in tex else " "
    if r"\\" in tex and r"\begin" not in tex:
        tex = f"{gap}\\begin{{split}}{gap}{tex.strip()}{gap}\\end{{split}}{gap}"
    if number:
        tex = f"{tex.rstrip()}{gap}\\tag{{{number}}}{gap}"
    return f"$${tex}$$"


# ---- Lowering inline text -----------------------------------------------------------------------

# What MyST knows and a notebook does not: a pattern, and what to write in its place.
_UNSUPPORTED = {
    "fence": (
        r"(?m:^)[ \t>]*`{3,}\{[\w:-]+\}(?![^\n]*```)[^\n]*",
        "':::' around a directive whose first line holds a backtick",
    ),
    "substitution": (r"\{\{.*?\}\}", "the text itself"),
    "formula": (r"\$\$[^$]+\$\$[ \t]*\([A-Za-z][^)\s]*\)", "a blank line before and after $$"),
    "footnote": (r"\[\^[^\]\s]+\]", "the text of the footnote"),
}
_INLINE = re.compile(
    "|".join(f"(?P<{name}>{pattern})" for name, (pattern, _) in _UNSUPPORTED.items())
    + r"""
  | (?P<escape> \\. )
  | (?P<role> \{(?P<name>[\w:+-]+)\} (?P<ticks>`+)(?P<content>.+?)(?<!`)(?P=ticks)(?!`) )
  | (?P<code> (?P<run>`+).+?(?<!`)(?P=run)(?!`) | `+ )
  | (?P<math> \$\$.+?\$\$ | \$(?:\\.|[^$\\])+\$ )
  | (?P<html> <[A-Za-z/!][^<>]*> )
  | (?P<link>
        !?\[(?P<text>(?: \\. | `[^`]*` | \$[^$]*\$ | [^\[\]\\`] | \[(?:\\.|[^\[\]\\])*\] )*+)\]
        \((?P<dest>(?:[^\s()]|\([^\s()]*\))*+)(?P<title>\s+(?:"[^"]*"|'[^']*'))?\)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_EXTERNAL = re.compile(r"(?:https?|mailto):")


def _inline(text: str, line: int, scope: Scope) -> str:
    """Lower the roles and links of a paragraph, caption or title."""

    def span(match: re.Match[str]) -> str:
        at, kind = line + text.count("\n", 0, match.start()), match.lastgroup
        if kind in _UNSUPPORTED:
            expected = _UNSUPPORTED[kind][1]
            raise scope.error(at, f"found {match[0].strip()!r}, expected {expected}")
        lowering = {"role": _role, "link": _link}.get(kind)
        return lowering(match, at, scope) if lowering else match[0]

    return _INLINE.sub(span, text)


def _role(match: re.Match[str], line: int, scope: Scope) -> str:
    name, content = match["name"], re.sub(r"\s*\n[ \t>]*", " ", match["content"]).strip()
    if name not in ROLES:
        raise scope.unknown(line, f"unknown role {{{name}}}", name, ROLES)
    return ROLES[name](content, line, scope)


def _link(match: re.Match[str], line: int, scope: Scope) -> str:
    """Lower a link or an image."""
    text, destination = _inline(match["text"], line, scope), match["dest"]
    title = match["title"] or ""
    if match[0].startswith("!"):
        return f"![{text}]({_asset(destination, scope)}{title})"
    url, default = _resolved(destination, line, scope)
    return f"[{_shown(text, default, destination, line, scope)}]({url}{title})"


# ---- References ---------------------------------------------------------------------------------


def _resolved(destination: str, line: int, scope: Scope) -> tuple[str, str]:
    """Return the URL of what a link names in MyST, and its title."""
    if _EXTERNAL.match(destination):
        return destination, ""
    path, _, label = destination.partition("#")
    page = scope.book.pages.get(_page_name(path, scope)) if path else None
    if page and not label:
        return _page_url(page, scope), _shown_title(page, page.title, line, scope)
    if page or not path or _key(destination) in scope.book.places:
        return _to_label(label or destination, line, scope)
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
    return posixpath.relpath(f"{page.name}.ipynb", posixpath.dirname(scope.page.name))


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
    return f"{before}#{found.anchor}", _shown_title(page, found.title, line, scope)


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
    if label.kind == "Equation" or not label.number:
        problem = f"{target!r} has no number, expected the name of a figure or table with a caption"
        raise scope.error(line, problem)
    shown = (text or f"{label.kind} %s").replace("%s", str(label.number))
    return f"[{shown}]({_to_label(target, line, scope)[0]})"


def _eq(content: str, line: int, scope: Scope) -> str:
    if scope.place(content, line)[1].kind != "Equation":
        raise scope.error(line, f"{content!r} labels no equation, expected a label of one")
    return _ref(content, line, scope)


def _doc(content: str, line: int, scope: Scope) -> str:
    text, target = _split(content)
    name = _page_name(target, scope)
    if name not in scope.book.pages:
        raise scope.unknown(line, f"unknown page {target!r}", name, scope.book.pages)
    page = scope.book.pages[name]
    return f"[{text or _shown_title(page, page.title, line, scope)}]({_page_url(page, scope)})"


def _term(content: str, line: int, scope: Scope) -> str:
    text, term = _split(content)
    return f"[{text or term}]({_to_label(f'term:{term}', line, scope)[0]})"


def _cite(textual: bool, content: str, line: int, scope: Scope) -> str:
    """Write "Rosenblatt (1958)" or "(Rosenblatt, 1958)", each work linked to its address."""
    works = scope.book.bibliography
    for key in _keys(content):
        if key not in works:
            raise scope.unknown(line, f"unknown citation key {key!r}", key, works)
    shown = [citation(works[key], textual) for key in _keys(content)]
    return ", ".join(shown) if textual else f"({'; '.join(shown)})"


def _keys(content: str) -> list[str]:
    return [key.strip() for key in content.split(",")]


# ---- Directives ---------------------------------------------------------------------------------


def _box(title: str, directive: Directive, scope: Scope) -> str:
    """Box a text under a fixed title, if there is one, or else under what the author wrote."""
    argument = _argument(directive, scope)
    title, first = (title, argument) if title else (argument, "")
    body = _body(directive, scope)
    return _stack("<blockquote>", title and f"**{title}**", first, body, "</blockquote>")


def _dropdown(directive: Directive, scope: Scope) -> str:
    """Fold a text away; Markdown does not reach into the summary, so that is written in HTML."""
    title = MarkdownIt("commonmark").renderInline(_argument(directive, scope) or "Details")
    summary = f"<details>\n<summary>{title}</summary>"
    return _stack(summary, _body(directive, scope), "</details>")


def _caption(directive: Directive, scope: Scope, text: str) -> str:
    """Write a caption, after its number if it has one."""
    label = scope.page.labels[_key(directive.label)] if directive.label else None
    return f"**{label.kind} {label.number}.** {text}" if label and label.number else text


def _image(directive: Directive, scope: Scope) -> str:
    alt = escaped(directive.options.get("alt", ""))
    return f"![{alt}]({_asset(directive.argument, scope)})"


def _figure(directive: Directive, scope: Scope) -> str:
    caption = _caption(directive, scope, _body(directive, scope))
    return _stack(_image(directive, scope), caption)


def _mermaid(directive: Directive, scope: Scope) -> str:
    text = directive.options.get("caption") or directive.options.get("alt", "")
    caption = _caption(directive, scope, _inline(text, directive.line, scope))
    return _stack(f"```mermaid\n{directive.body}\n```", caption)


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
    """Read the rows of a list-table: a list of lists whose items are one paragraph or empty."""
    rows: list[list[str]] = []
    for token in _PARSER.parse(directive.body):
        line = directive.body_line + (token.map or [0])[0]
        match token.type, token.level:
            case "list_item_open", 1:
                rows.append([])
            case "list_item_open", 3:
                rows[-1].append("")
            case "inline", 5 if not rows[-1][-1] and "|" not in token.content:
                rows[-1][-1] = _inline(token.content.replace("\n", " "), line, scope)
            case ("bullet_list_open", 0 | 2) | ("paragraph_open", 4):
                pass
            case _ if token.nesting >= 0:
                problem = "found something else than '* - ' and '  - ' in a list-table"
                raise scope.error(line, f"{problem}, expected one paragraph without '|' in a cell")
    return rows


def _math(directive: Directive, scope: Scope) -> str:
    tex = "\n".join(part for part in (directive.argument, directive.body) if part)
    number = scope.page.labels[_key(directive.label)].number if directive.label else None
    return _display(f"\n{tex}\n", number, directive.line, scope)


def _glossary(directive: Directive, scope: Scope) -> str:
    """Write a list; its stars keep it from running into a list of the author's."""
    items = []
    for terms, line, definition in _entries(directive):
        if not definition.strip():
            problem = f"the term {terms[0]!r} has no definition, expected one below it"
            raise scope.error(line, problem)
        head = ", ".join(
            f"{_anchor(f'term:{term}', scope)}**{_inline(term, line, scope)}**" for term in terms
        )
        body = _blocks(definition, line + len(terms), scope).strip("\n")
        items.append(f"* {head}\n\n{textwrap.indent(body, '  ')}")
    return _stack(*items)


def _bibliography(directive: Directive, scope: Scope) -> str:
    """List the works cited in the book, or on this page if ``:filter:`` names the docname."""
    on_page = "docname" in directive.options.get("filter", "")
    pages = [scope.page] if on_page else scope.book.pages.values()
    keys = {key for page in pages for key in page.citations}
    works = scope.book.bibliography
    return reference_list(works[key] for key in keys if key in works)


# ---- All that can be lowered --------------------------------------------------------------------


class Rule(NamedTuple):
    """How a directive is lowered, and what `read_page` needs to know of it."""

    lower: Callable[[Directive, Scope], str]
    kind: str = ""  # of its label: "Figure" or "Table" if captions are numbered
    title: Callable[[Directive], str] = lambda directive: ""  # of its label, as MyST
    literal: bool = False  # whether the body is something else than Markdown


DIRECTIVES: dict[str, Rule] = {
    "admonition": Rule(partial(_box, "")),
    "bibliography": Rule(_bibliography),
    "dropdown": Rule(_dropdown),
    "figure": Rule(_figure, "Figure", lambda figure: figure.body.strip().partition("\n\n")[0]),
    "glossary": Rule(_glossary),
    "image": Rule(_image),
    "important": Rule(partial(_box, "Important")),
    "list-table": Rule(_list_table, "Table", lambda table: table.argument),
    "math": Rule(_math, literal=True),
    "mermaid": Rule(_mermaid, "Figure", lambda graph: graph.options.get("caption", ""), True),
    "note": Rule(partial(_box, "Note")),
    "seealso": Rule(partial(_box, "See also")),
    "table": Rule(_table, "Table", lambda table: table.argument),
    "tip": Rule(partial(_box, "Tip")),
    "warning": Rule(partial(_box, "Warning")),
}

ROLES: dict[str, Callable[[str, int, Scope], str]] = {
    "cite": partial(_cite, False),
    "cite:p": partial(_cite, False),
    "cite:t": partial(_cite, True),
    "doc": _doc,
    "eq": _eq,
    "math": lambda content, line, scope: f"${content}$",
    "numref": _numref,
    "ref": _ref,
    "term": _term,
}

"""Each MyST construct and what the notebook shows for it; and what must stay as it is."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt
from sphinx.util.nodes import _make_id

from tools.lowering import DIRECTIVES, ROLES, Book, lower, read_bibliography, read_page

HERE = "foundations/neurons"
BOOK_URL = "https://example.org/course"
RAW = "https://raw.example.org/main/book"

BIBTEX = """
@article{rosenblatt1958, author = {Rosenblatt, Frank}, title = {The Perceptron * Again},
  year = 1958, doi = {10.1037/h0042519(a)}}
@book{old1900, author = {Old, Ann and Elder, Bob and Aged, Cy}, title = {Old Book},
  publisher = {Press}, year = 1900}
"""

OTHERS = {
    "architectures/convolution": (
        True,
        "# Convolution of `x`\n\n(kernel)=\n## Kernels\n\n$$ y $$ (eq-conv)\n\n"
        ":::{figure} a.png\n:name: fig-conv\nA *kernel* {cite:p}`rosenblatt1958`.\n:::\n\n"
        "(loose)=\nJust text.\n",
    ),
    "appendix/glossary": (False, "# Glossary\n\n:::{glossary}\nBack Propagation\n  A way.\n:::\n"),
    "index": (True, "# Start\n"),
}


def make_book(text: str, name: str = HERE) -> Book:
    pages = {each: read_page(each, body, code) for each, (code, body) in OTHERS.items()}
    pages[name] = read_page(name, text, is_notebook=True)
    return Book(pages, read_bibliography(BIBTEX), BOOK_URL, RAW)


def lowered(text: str, name: str = HERE) -> str:
    return lower(text, name, make_book(text, name))


# Every construct: a name, the MyST source, the plain Markdown. Labels are unique over the table.
CASES = [
    # ---- boxes
    ("note", ":::{note}\nText.\n:::", "<blockquote>\n\n**Note**\n\nText.\n\n</blockquote>"),
    ("tip", "``` {tip}\nT\n```", "<blockquote>\n\n**Tip**\n\nT\n\n</blockquote>"),
    ("warning", ":::{warning}\nT\n:::", "<blockquote>\n\n**Warning**\n\nT\n\n</blockquote>"),
    ("important", ":::{important}\nT\n:::", "<blockquote>\n\n**Important**\n\nT\n\n</blockquote>"),
    ("seealso", ":::{seealso}\nT\n:::", "<blockquote>\n\n**See also**\n\nT\n\n</blockquote>"),
    (
        "admonition with class, label and markup in the title",
        ":::{admonition} Mistake in `f` and {math}`2`\n:class: common-mistake\n"
        ":name: oops\n\nT\n:::",
        '<a id="oops"></a>\n\n<blockquote>\n\n**Mistake in `f` and $2$**\n\nT\n\n</blockquote>',
    ),
    (
        "dropdown without title",
        ":::{dropdown}\nT\n:::",
        "<details>\n<summary>Details</summary>\n\nT\n\n</details>",
    ),
    (
        "nested fences, code and formula inside",
        "::::{note}\n:::{tip}\n```python\n{ref}`x` = :::\n```\n\n$$\na\n= b\n$$\n:::\n::::",
        "<blockquote>\n\n**Note**\n\n<blockquote>\n\n**Tip**\n\n```python\n{ref}`x` = :::\n```\n\n"
        "$$\na\n= b\n$$\n\n</blockquote>\n\n</blockquote>",
    ),
    (
        "box in a list",
        "- one\n\n  :::{note}\n  T\n  :::\n- ```{tip}\n  U\n  ```",
        "- one\n\n  <blockquote>\n\n  **Note**\n\n  T\n\n  </blockquote>\n\n"
        "- <blockquote>\n\n  **Tip**\n\n  U\n\n  </blockquote>",
    ),
    (
        "box in a quotation",
        "> :::{note}\n> T\n> :::\n> after",
        "> <blockquote>\n>\n> **Note**\n>\n> T\n>\n> </blockquote>\n>\n> after",
    ),
    ("comment in a quotation", "> A\n>\n> % {x}\n>\n> B", "> A\n>\n> B"),
    (
        "spaces at the end of lines",
        ":::{note}\ntwo  \nlines\n\n```\ncode  \n```\n:::",
        "<blockquote>\n\n**Note**\n\ntwo  \nlines\n\n```\ncode  \n```\n\n</blockquote>",
    ),
    # ---- layout
    ("comment", "A\n\n% {note} hidden\n% too\n\nB\n% last", "A\n\nB"),
    ("comment between two lines", "A\n% hidden\nB", "A\n\nB"),
    ("break", 'A\n\n+++ {"x": 1}\n\nB', "A\n\nB"),
    (
        "text close to a block is set apart",
        "Before\n:::{tip}\n:::\nafter",
        "Before\n\n<blockquote>\n\n**Tip**\n\n</blockquote>\n\nafter",
    ),
    (
        "dropdown with markup in the title",
        ":::{dropdown} More & *so*\nT\n:::",
        "<details>\n<summary>More &amp; <em>so</em></summary>\n\nT\n\n</details>",
    ),
    # ---- figures and tables
    (
        "figure without number",
        ":::{figure} https://x.org/a.png\nC\n:::",
        "![](https://x.org/a.png)\n\nC",
    ),
    (
        "list-table",
        "```{list-table} Rows of *x*\n:header-rows: 1\n\n* - A\n  - {math}`b`\n* - `a`\n    and\n"
        "  -\n```",
        "Rows of *x*\n\n| A | $b$ |\n| --- | --- |\n| `a` and |  |",
    ),
    (
        "list-table with number, without header",
        "```{list-table} T\n:name: tab-list\n\n* - A\n```",
        '<a id="tab-list"></a>\n\n**Table 1.** T\n\n|  |\n| --- |\n| A |',
    ),
    (
        "image",
        "```{image} images/a.png\n:alt: A [line]\n```",
        f"![A \\[line\\]]({RAW}/foundations/images/a.png)",
    ),
    (
        "figure with number and references",
        ":::{figure} ../a.png\n:alt: Alt\n:name: fig-one\n\nA *c* {cite:t}`rosenblatt1958`.\n\n"
        "More.\n:::\n\n{numref}`fig-one`, {numref}`Fig. %s <fig-one>`",
        f'<a id="fig-one"></a>\n\n![Alt]({RAW}/a.png)\n\n**Figure 1.** A *c* [Rosenblatt (1958)]'
        "(https://doi.org/10.1037/h0042519%28a%29).\n\nMore.\n\n[Figure 1](#fig-one), "
        "[Fig. 1](#fig-one)",
    ),
    (
        "image in text",
        "An ![alt {x}](img/a.png 't') b",
        f"An ![alt {{x}}]({RAW}/foundations/img/a.png 't') b",
    ),
    (
        "table",
        ":::{table} Sizes {cite}`old1900`\n:name: tab-sizes\n\n| a | b |\n|---|---|\n"
        "| {math}`2` | c |\n:::",
        '<a id="tab-sizes"></a>\n\n**Table 1.** Sizes (Old et al., 1900)'
        "\n\n| a | b |\n|---|---|\n| $2$ | c |",
    ),
    # ---- code
    (
        "mermaid",
        "```{mermaid}\n:alt: From a to b\ngraph LR\n  a --> b\n```",
        "```mermaid\ngraph LR\n  a --> b\n```\n\nFrom a to b",
    ),
    (
        "mermaid with number",
        ":::{mermaid}\n:alt: A\n:caption: The `c`\n:name: fig-flow\na --> b\n:::",
        '<a id="fig-flow"></a>\n\n```mermaid\na --> b\n```\n\n**Figure 1.** The `c`',
    ),
    # ---- mathematics
    (
        "equations are counted when they have labels",
        "$$\nu\n$$\n\n$$ a = b $$ (eq-a)\n\n$$\nc\n= d\n$$ (eq-b)\n\n"
        "{eq}`eq-b`, [](#eq-a), [here](eq-b)",
        '$$\nu\n$$\n\n<a id="equation-eq-a"></a>\n\n$$ a = b \\tag{1} $$\n\n'
        '<a id="equation-eq-b"></a>\n\n$$\nc\n= d\n\\tag{2}\n$$\n\n'
        "[(2)](#equation-eq-b), [(1)](#equation-eq-a), [here](#equation-eq-b)",
    ),
    (
        "math directive",
        "```{math}\n:label: eq-c\na &= b \\\\\nc &= d\n```",
        '<a id="equation-eq-c"></a>\n\n$$\n\\begin{split}\na &= b \\\\\nc &= d\n\\end{split}\n'
        "\\tag{1}\n$$",
    ),
    ("math directive on one line", "```{math} a\n```", "$$\na\n$$"),
    (
        "math directive with an environment",
        "```{math}\n"
        "\\begin{aligned} a \\\\ \\begin{matrix} b \\\\ c \\end{matrix} \\end{aligned}\n```",
        "$$\n\\begin{aligned} a \\\\ \\begin{matrix} b \\\\ c \\end{matrix} \\end{aligned}\n$$",
    ),
    ("bare line break", "$$ a \\\\ b $$", "$$ \\begin{split} a \\\\ b \\end{split} $$"),
    ("math role", "An {math}` a_{1} < b` b", "An $a_{1} < b$ b"),
    # ---- references
    (
        "targets",
        "(top)=\n# Title\n(twice-a)=\n(twice-b)=\n\n"
        "Text to {ref}`top`, {ref}`it <twice-b>`, [](top), [*a*](#top)",
        '<a id="top"></a>\n\n# Title\n\n<a id="twice-a"></a>\n\n<a id="twice-b"></a>\n\n'
        "Text to [Title](#top), [it](#twice-b), [Title](#top), [*a*](#top)",
    ),
    (
        "label as Sphinx writes ids",
        "(Sec_Two:x)=\n## Two\n\n{ref}`sec_two:X`",
        '<a id="sec-two-x"></a>\n\n## Two\n\n[Two](#sec-two-x)',
    ),
    (
        "links to another notebook",
        "[a](../architectures/convolution.md), [](../architectures/convolution.md#kernel), "
        "{ref}`kernel`, {eq}`eq-conv`, {numref}`fig-conv`, [](#fig-conv), [x](loose)",
        "[a](../architectures/convolution.ipynb), "
        "[Kernels](../architectures/convolution.ipynb#kernel), "
        "[Kernels](../architectures/convolution.ipynb#kernel), "
        "[(1)](../architectures/convolution.ipynb#equation-eq-conv), "
        "[Figure 1](../architectures/convolution.ipynb#fig-conv), "
        "[A *kernel* (Rosenblatt, 1958).](../architectures/convolution.ipynb#fig-conv), "
        "[x](../architectures/convolution.ipynb#loose)",
    ),
    (
        "links to pages",
        "{doc}`/architectures/convolution`, {doc}`the *net* <../architectures/convolution>`, "
        '[](/index.md "Go"), [](neurons.md), {doc}`../appendix/glossary`',
        "[Convolution of `x`](../architectures/convolution.ipynb), "
        '[the *net*](../architectures/convolution.ipynb), [Start](../index.ipynb "Go"), '
        f"[neurons](neurons.ipynb), [Glossary]({BOOK_URL}/appendix/glossary.html)",
    ),
    (
        "terms of the glossary page",
        "{term}`back propagation`, {term}`BP <Back Propagation>`",
        f"[back propagation]({BOOK_URL}/appendix/glossary.html#term-Back-Propagation), "
        f"[BP]({BOOK_URL}/appendix/glossary.html#term-Back-Propagation)",
    ),
    (
        "external links",
        "[a {math}`b`](https://x.org/a(b) 't')",
        "[a $b$](https://x.org/a(b) 't')",
    ),
    (
        "files",
        "[the data](../b.csv), [c](data/c.csv)",
        f"[the data]({RAW}/b.csv), [c]({RAW}/foundations/data/c.csv)",
    ),
    # ---- citations
    (
        "citations",
        "{cite}`rosenblatt1958`; {cite:p}`old1900, rosenblatt1958`; "
        "{cite:t}`rosenblatt1958,old1900`",
        "([Rosenblatt, 1958](https://doi.org/10.1037/h0042519%28a%29)); "
        "(Old et al., 1900; [Rosenblatt, 1958](https://doi.org/10.1037/h0042519%28a%29)); "
        "[Rosenblatt (1958)](https://doi.org/10.1037/h0042519%28a%29), Old et al. (1900)",
    ),
    (
        "bibliography of the book",
        "{cite}`old1900`\n\n```{bibliography}\n```",
        "(Old et al., 1900)\n\n"
        "* Ann Old, Bob Elder and Cy Aged (1900). Old Book. *Press*.\n"
        "* Frank Rosenblatt (1958). The Perceptron \\* Again. "
        "[doi:10.1037/h0042519(a)](https://doi.org/10.1037/h0042519%28a%29)",
    ),
    (
        "bibliography of the page",
        "{cite}`old1900`\n\n```{bibliography}\n:filter: docname in docnames\n```",
        "(Old et al., 1900)\n\n* Ann Old, Bob Elder and Cy Aged (1900). Old Book. *Press*.",
    ),
    # ---- lists
    (
        "glossary",
        "```{glossary}\nneuron\nUnité `u`\n  A unit.\n\n  :::{tip}\n  T\n  :::\n\nweight\n"
        "  See {term}`neuron`.\n```",
        '* <a id="term-neuron"></a>**neuron**, <a id="term-Unite-u"></a>**Unité `u`**\n\n'
        "  A unit.\n\n  <blockquote>\n\n  **Tip**\n\n  T\n\n  </blockquote>\n\n"
        '* <a id="term-weight"></a>**weight**\n\n  See [neuron](#term-neuron).',
    ),
    # ---- other roles
    (
        "role over two lines",
        "> a {ref}`the\n> top <kernel>`",
        "> a [the top](../architectures/convolution.ipynb#kernel)",
    ),
    ("role in a heading", "## On {math}`2`\n\nx", "## On $2$\n\nx"),
]


@pytest.mark.parametrize(
    ("source", "plain"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_construct(source, plain):
    assert lowered(source) == plain


EVERYTHING = "\n\n".join(source for _, source, _ in CASES)


def without_code(text: str) -> str:
    return re.sub(
        r"^( *)(`{3,})[a-z]*\n.*?\n\1\2$|(`+)(?!`).+?(?<!`)\3(?!`)", "", text, flags=re.M | re.S
    )


def test_the_table_holds_every_directive_and_role():
    assert set(re.findall(r"[`:]{3}\{([\w-]+)\}", EVERYTHING)) >= set(DIRECTIVES)
    assert set(re.findall(r"\{([\w:]+)\}`", EVERYTHING)) >= set(ROLES)


def test_nothing_of_myst_is_left_of_a_page_with_everything():
    left = (
        r"\{[\w:+-]+\}`|^[ >]*(?:`{3,}|:{3,}) *\{|^[ >]*:{3,}|^\([^)]*\)=$|^%|^\+\+\+|\[\^|\.md\b"
    )
    assert re.search(left, EVERYTHING, re.M)
    assert not re.findall(left, without_code(lowered(EVERYTHING)), re.M)


@pytest.mark.parametrize(
    "text",
    [
        "Plain *text*, $a_1 = {x}`y$ and `{ref}` or ``{cite}`key` ``.",
        "``` python\n{ref}`x` (a)= [a](b.md)\n% no comment\n```",
        "~~~\n:::{note}\n~~~",
        "Text:\n\n    {ref}`x`\n    :::{note}",
        "$$\n\\text{ref}`x` % comment\n+++ [a](b.md)\n$$",
        "\\begin{align}\na &= b \\\\\n(x)= {ref}`x`\n\\end{align}",
        "<div>\n{ref}`x`\n</div>",
        "<!-- % {ref}`x` -->\n",
        "\\{ref}`x`, \\[a](b.md), \\$5 and \\`{x}, a lone ` tick",
        "In [0, 1) or a[i][j], [see `a[`], {x} or (a)= b, 50 % of it, x[^ ]",
        "<a href='b.md'>x</a>, <https://x.org/{ref}`x`>, https://x.org, [a](mailto:a@b.c)",
        "| a | b |\n|---|---|\n| `{x}` | [c](https://x.org) |",
        "> $$ a $$\n\n- $$\n  a\n  $$",
        "1. a\n2. b\n   - c\n\n> quoted\n\n***\n\nSetext\n======\n\n\n\ntwo  \nlines\n",
        "",
    ],
)
def test_other_text_comes_through_byte_by_byte(text):
    assert lowered(text) == text


# What fails: source, line of the error, part of the message.
REMOVED = ("card", "code", "code-cell", "contents", "exercise", "margin", "only", "tab-set")
ERRORS = [
    *((f"A\n\n:::{{{name}}}\n:::", 3, f"unknown directive {{{name}}}") for name in REMOVED),
    ("A\n\n:::{nota}\n:::", 3, "unknown directive {nota}, expected one of note"),
    ("{glue}`x` {sub}`2`", 1, "unknown role {glue}, expected one of"),
    ("A[^n].\n\n[^n]: T", 1, "found '[^n]', expected the text of the footnote"),
    ("A\n\n[^n]: T\n\n+++", 3, "found a footnote"),
    ("A\n\nTerm\n: One", 3, "found a definition list, expected a list or {glossary}"),
    ("A [b]\n\n[b]: x.md", 3, "found a link definition, expected [text](destination)"),
    ("```{list-table}\n* - a|b\n```", 2, "expected one paragraph without '|'"),
    ("A\nb {reff}`x`", 2, "unknown role {reff}, expected one of ref, numref"),
    ("A\n\n:::{note}\n:class: x\n\nb\n{reff}`x`\n:::", 7, "unknown role"),
    ("A\n\n:::{note}\nb", 3, "{note} is never closed, expected ':::'"),
    ("```{note}\n~~~", 1, "{note} is never closed, expected '```'"),
    (":::{note}", 1, "never closed"),
    (":::note\n:::", 1, "without a directive"),
    ("A\n\n:::{note}\n---\nclass: x\n---\n:::{tip}\n:::\n:::", 7, "{tip} is never closed"),
    (":::{note}\n:class: 'x\n:::", 1, "options that cannot be read"),
    ("{ref}`kernal`", 1, "undefined label 'kernal', expected one of kernel"),
    ("[a](#kernal)", 1, "undefined label"),
    (
        "[a](../architectures/convolution.md#eq-b)",
        1,
        "undefined label 'eq-b', expected one of",
    ),
    ("[a](convolution.md)", 1, "found 'convolution.md', expected a label, a file or a page"),
    ("[a](neuron.ipynb)", 1, "found 'neuron.ipynb', expected a label, a file or a page"),
    ("[a]()", 1, "undefined label ''"),
    ("[](loose)", 1, "'loose' has no title, expected a text"),
    ("[](data.csv)", 1, "'data.csv' has no title"),
    ("{ref}`loose`", 1, "'loose' has no title"),
    ("{numref}`kernel`", 1, "'kernel' has no number"),
    (":::{figure} a.png\n:name: f\n:::\n\n{numref}`f`", 5, "'f' has no number"),
    ("{eq}`fig-conv`", 1, "'fig-conv' labels no equation"),
    ("{eq}`kernel`", 1, "'kernel' labels no equation"),
    ("(e)=\n\n$$ a $$\n\n{eq}`e`", 5, "'e' labels no equation"),
    ("{doc}`convolution`", 1, "unknown page 'convolution', expected one of"),
    ("{term}`neuron`", 1, "undefined label 'term:neuron'"),
    (
        "A\n{cite:p}`rosenblatt1985`",
        2,
        "unknown citation key 'rosenblatt1985', expected one of rosenblatt1958",
    ),
    ("{cite:t}`old1900, x`", 1, "unknown citation key 'x'"),
    ("A\n{{ x }}", 2, "found '{{ x }}', expected the text itself"),
    ("A\n```{note} on `x`\nT\n```", 2, "found '```{note} on `x`', expected ':::' around"),
    ("A\n$$ a $$ (eq-lost)", 2, "blank line before and after $$"),
    ("$$\n\na\n$$", 1, "blank line in a formula"),
    ("$$\na\n\nb\n$$", 1, "blank line in a formula"),
    (
        "```{list-table}\n* - a\n  - b\n* - c\n```",
        1,
        "expected 0 or 1 header row and rows of one length",
    ),
    ("```{list-table}\n* - a\n* b\n```", 3, "something else than '* - '"),
    ("```{glossary}\na\n  b\nneuron\nnet\n```", 4, "the term 'neuron' has no definition"),
    ("(a)=\n\nb\n\n(A)=\n\nc", 5, "found the label 'A' again"),
]


@pytest.mark.parametrize(("source", "line", "message"), ERRORS)
def test_error_names_page_line_and_expectation(source, line, message):
    front = "---\nkernelspec: x\n---\n\nOther cell\n\n+++\n\n"
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        lower(source, HERE, make_book(front + source))
    assert str(caught.value).startswith(f"book/{HERE}.md, line {line + 8}: ")


def test_error_in_a_page_without_front_matter():
    with pytest.raises(ValueError, match=r"^book/a\.md, line 2: found the label 'x' again"):
        read_page("a", "(x)=\n(x)=", False)


def test_links_from_a_page_at_the_root_and_urls_that_end_in_a_slash():
    book = make_book("# A", "intro")
    book = Book(book.pages, book.bibliography, BOOK_URL + "/", RAW + "/")
    text = (
        "[](index.md) [](appendix/glossary.md) [](architectures/convolution.md#kernel) ![](a.png)"
    )
    assert lower(text, "intro", book) == (
        f"[Start](index.ipynb) [Glossary]({BOOK_URL}/appendix/glossary.html) "
        f"[Kernels](architectures/convolution.ipynb#kernel) ![]({RAW}/a.png)"
    )


def test_a_label_on_two_pages_is_an_error():
    with pytest.raises(
        ValueError, match=r"neurons\.md: found the label 'kernel' .*convolution\.md"
    ):
        lowered("(kernel)=\n# A\n\n{ref}`kernel`")


def test_only_what_has_label_and_caption_is_counted():
    figure = ":::{{figure}} a.png\n{0}\n\n{1}\n:::\n"
    table = ":::{table} T\n:name: t\n:::\n"
    text = "\n".join(
        figure.format(*each)
        for each in [("", "A"), (":name: b", "B"), (":name: c", ""), (":name: d", "D")]
    )
    labels = make_book(text + table).pages[HERE].labels
    assert {key: label.number for key, label in labels.items()} == {
        "b": 1,
        "c": None,
        "d": 2,
        "t": 1,
    }
    assert [labels[key].kind for key in "bt"] == ["Figure", "Table"]


def test_a_target_takes_the_title_of_what_follows_it():
    text = "(a)=\n(b)=\n% why\n:::{figure} x.png\nC\n:::\n\n(c)=\n- # D\n\n(e)=\ntext\n\n(f)="
    labels = make_book(text).pages[HERE].labels
    assert {key: label.title for key, label in labels.items()} == dict.fromkeys(
        "ab", "C"
    ) | dict.fromkeys("cef", "")


def test_page_knows_title_and_citations():
    text = "Intro {cite}`b, a`\n\n# T {cite:t}`c`\n\n```python\n{cite}`no`\n```\n\n## U\n\n"
    text += ":::{note} [x {cite}`d`](y)\n`{cite}` {cite}`a`\n:::"
    page = read_page("p", text, False)
    assert (page.title, page.citations) == ("T {cite:t}`c`", ("b", "a", "c", "d"))
    assert read_page("a/b", "text", False).title == "b"


@pytest.mark.parametrize(
    "term", ["Back Propagation", "Unité", "GPU (graphics)", "k-means", "ReLU.6"]
)
def test_anchor_of_a_term_is_that_of_sphinx(term):
    page = read_page("g", f"```{{glossary}}\n{term}\n  Text\n```", False)
    assert page.labels[f"term:{term.lower()}"].anchor == _make_id(f"term-{term}")


def render(text: str) -> str:
    return re.sub(r">\n+<", "><", MarkdownIt("commonmark").enable("table").render(text)).strip()


def test_boxes_render_as_one_element_with_markdown_inside():
    box = "::::{note}\nA **b**.\n:::{dropdown} *C*\n```python\nd < 1\n```\n:::\n::::\nAfter *e*."
    assert render(lowered(box)) == (
        "<blockquote><p><strong>Note</strong></p><p>A <strong>b</strong>.</p>"
        "<details><summary><em>C</em></summary>"
        '<pre><code class="language-python">d &lt; 1\n</code></pre></details></blockquote>'
        "<p>After <em>e</em>.</p>"
    )


def test_boxes_tables_and_terms_render_inside_lists():
    text = "- a\n  :::{tip}\n  b\n  :::\n- ```{list-table}\n  * - c\n  ```\n\n"
    text += ":::{glossary}\nTerm\n  d\n:::"
    assert render(lowered(text)) == (
        "<ul><li><p>a</p><blockquote><p><strong>Tip</strong></p><p>b</p></blockquote></li>"
        "<li><table><thead><tr><th></th></tr></thead><tbody><tr><td>c</td></tr></tbody></table></li></ul>"
        '<ul><li><p><a id="term-Term"></a><strong>Term</strong></p><p>d</p></li></ul>'
    )


def test_targets_do_not_swallow_what_follows():
    text = "(a)=\n| b |\n|---|\n| c |\n\n(d)=\n![e](https://x.org)\n(f)=\n# G"
    assert render(lowered(text)) == (
        '<p><a id="a"></a></p><table><thead><tr><th>b</th></tr></thead><tbody><tr><td>c</td></tr>'
        '</tbody></table><p><a id="d"></a></p><p><img src="https://x.org" alt="e" /></p>'
        '<p><a id="f"></a></p><h1>G</h1>'
    )

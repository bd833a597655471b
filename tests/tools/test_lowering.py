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

BIBTEX = r"""
@article{rosenblatt1958,
  author = {Rosenblatt, Frank},
  title = {The Perceptron: A Probabilistic Model of {$2^n$} Things \& More},
  journal = {Psychological Review}, volume = 65, number = 6, pages = {386--408},
  year = 1958, doi = {10.1037/h0042519(a)\_b},
}
@inproceedings{frohlich2001,
  author = {J{\"u}rgen de Fr{\"o}hlich and L{\'e}vy, Paul},
  title = {Why?}, booktitle = {Proceedings * of Nets}, year = 2001, url = {https://x.org/a_(b)},
}
@misc{team2020,
  author = {{OpenAI} and Brown, Tom and others},
  title = {Few-Shot}, year = 2020, eprint = {2005.14165}, archivePrefix = {arXiv},
}
@book{old1900, editor = {Old, Ann and Elder, Bob and Aged, Cy}, title = {Old Book},
  publisher = {Press}, year = 1900}
@misc{anonymous, title = {No Name}, howpublished = {\url{https://n.org}}}
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


def lowered(text: str, name: str = HERE, **glued: str) -> str:
    return lower(text, name, make_book(text, name), glued)


# Every construct: a name, the MyST source, the plain Markdown. Labels are unique over the table.
CASES = [
    # ---- boxes
    ("note", ":::{note}\nText.\n:::", "<blockquote>\n\n**Note**\n\nText.\n\n</blockquote>"),
    ("tip", "``` {tip}\nT\n```", "<blockquote>\n\n**Tip**\n\nT\n\n</blockquote>"),
    ("hint", "```{hint} T\n```", "<blockquote>\n\n**Hint**\n\nT\n\n</blockquote>"),
    ("warning", ":::{warning}\nT\n:::", "<blockquote>\n\n**Warning**\n\nT\n\n</blockquote>"),
    ("caution", ":::{caution}\nT\n:::", "<blockquote>\n\n**Caution**\n\nT\n\n</blockquote>"),
    ("important", ":::{important}\nT\n:::", "<blockquote>\n\n**Important**\n\nT\n\n</blockquote>"),
    ("danger", ":::{danger}\nT\n:::", "<blockquote>\n\n**Danger**\n\nT\n\n</blockquote>"),
    ("error", ":::{error}\nT\n:::", "<blockquote>\n\n**Error**\n\nT\n\n</blockquote>"),
    ("seealso", ":::{seealso}\nT\n:::", "<blockquote>\n\n**See also**\n\nT\n\n</blockquote>"),
    (
        "admonition with class, label and markup in the title",
        ":::{admonition} Mistake in `f` and {sub}`2`\n:class: common-mistake\n"
        ":name: oops\n\nT\n:::",
        '<a id="oops"></a>\n\n<blockquote>\n\n**Mistake in `f` and <sub>2</sub>**\n\nT\n\n'
        "</blockquote>",
    ),
    (
        "admonition folded, options as YAML",
        "```{admonition} Why $a_1<b>c$ & *so*\n---\nclass: dropdown\n---\nT\n```",
        "<details>\n<summary>Why $a_1\\lt b\\gt c$ &amp; <em>so</em></summary>\n\nT\n\n</details>",
    ),
    (
        "note folded",
        ":::{note}\n:class: dropdown\nT\n:::",
        "<details>\n<summary>Note</summary>\n\nT\n\n</details>",
    ),
    (
        "dropdown open",
        ":::{dropdown} More\n:open:\nT\n:::",
        "<details open>\n<summary>More</summary>\n\nT\n\n</details>",
    ),
    (
        "dropdown without title",
        ":::{dropdown}\nT\n:::",
        "<details>\n<summary>Details</summary>\n\nT\n\n</details>",
    ),
    (
        "exercise",
        ":::{exercise} Count {math}`n`\n:label: ex-count\nCount.\n:::\n\nSee {ref}`ex-count`.",
        '<a id="ex-count"></a>\n\n<blockquote>\n\n**Exercise: Count $n$**\n\nCount.\n\n'
        "</blockquote>\n\nSee [Count $n$](#ex-count).",
    ),
    (
        "exercise without title",
        "```{exercise}\nT\n```",
        "<blockquote>\n\n**Exercise**\n\nT\n\n</blockquote>",
    ),
    ("margin", ":::{margin}\nT\n:::", "<blockquote>\n\nT\n\n</blockquote>"),
    ("sidebar", ":::{sidebar} S\nT\n:::", "<blockquote>\n\n**S**\n\nT\n\n</blockquote>"),
    ("rubric", ":::{rubric} Heading\n:::", "**Heading**"),
    (
        "epigraph",
        "```{epigraph}\nA word.\n\n-- Somebody\n```",
        "<blockquote>\n\nA word.\n\n— Somebody\n\n</blockquote>",
    ),
    ("pull-quote", "```{pull-quote}\nA\n```", "<blockquote>\n\nA\n\n</blockquote>"),
    (
        "nested fences, code and formula inside",
        "::::{note}\n:::{tip}\n```python\n{ref}`x` = :::\n```\n\n$$\na\n= b\n$$\n:::\n::::",
        "<blockquote>\n\n**Note**\n\n<blockquote>\n\n**Tip**\n\n```python\n{ref}`x` = :::\n```\n\n"
        "$$\na\n= b\n$$\n\n</blockquote>\n\n</blockquote>",
    ),
    (
        "text close to a block is set apart",
        "Before\n:::{rubric} R\n:::\nafter",
        "Before\n\n**R**\n\nafter",
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
    (
        "tabs",
        "::::{tab-set}\n:::{tab-item} One\nA\n:::\n:::{tab-item} Two\nB\n:::\n::::",
        "**One**\n\nA\n\n**Two**\n\nB",
    ),
    (
        "grid of cards",
        ":::::{grid} 1 2\n::::{grid-item-card} Neurons\n:link: ../index.md\n"
        ":::{card-header}\nHead\n:::\nA\n:::{card-footer}\nFoot\n:::\n::::\n"
        "::::{grid-item}\n:::{card}\nB\n:::\n::::\n:::::",
        "**[Neurons](../index.ipynb)**\n\nHead\n\nA\n\nFoot\n\nB",
    ),
    ("only for notebooks", ":::{only} latex or notebook\nT\n:::", "T"),
    ("only for others", "A\n\n:::{only} html\nT\n:::\n\nB", "A\n\nB"),
    ("contents", "A\n\n```{contents}\n:local:\n```", "A"),
    ("tableofcontents", "```{tableofcontents}\n```\n\nA", "A"),
    ("index", "```{index} single: x\n```\nA", "A"),
    ("comment", "A\n\n% {note} hidden\n% too\n\nB\n% last", "A\n\nB"),
    ("comment between two lines", "A\n% hidden\nB", "A\n\nB"),
    ("break", 'A\n\n+++ {"x": 1}\n\nB', "A\n\nB"),
    # ---- figures and tables
    (
        "image",
        "```{image} images/a.png\n:alt: A [line]\n```",
        f"![A \\[line\\]]({RAW}/foundations/images/a.png)",
    ),
    (
        "image with width",
        '```{image} /b.png\n:alt: An "x"\n:width: 300px\n```',
        f'<img src="{RAW}/b.png" alt="An &quot;x&quot;" width="300">',
    ),
    (
        "figure with number and references",
        ":::{figure} ../a.png\n:alt: Alt\n:name: fig-one\n\nA *c* {cite:t}`rosenblatt1958`.\n\n"
        "More.\n:::\n\n{numref}`fig-one`, {numref}`Fig. %s <fig-one>`, "
        "{numref}`{number}: {name} <fig-one>`",
        f'<a id="fig-one"></a>\n\n![Alt]({RAW}/a.png)\n\n**Figure 1.** A *c* [Rosenblatt (1958)]'
        "(https://doi.org/10.1037/h0042519%28a%29_b).\n\nMore.\n\n[Figure 1](#fig-one), "
        "[Fig. 1](#fig-one), [1: A *c* Rosenblatt (1958).](#fig-one)",
    ),
    (
        "figure without number",
        ":::{figure} https://x.org/a.png\n:width: 50%\nC\n:::",
        '<img src="https://x.org/a.png" alt="" width="50%">\n\nC',
    ),
    (
        "image in text",
        "An ![alt {x}](img/a.png 't') b",
        f"An ![alt {{x}}]({RAW}/foundations/img/a.png 't') b",
    ),
    (
        "table",
        ":::{table} Sizes {cite}`team2020`\n:name: tab-sizes\n\n| a | b |\n|---|---|\n"
        "| {sup}`2` | c |\n:::",
        '<a id="tab-sizes"></a>\n\n**Table 1.** Sizes ([OpenAI et al., 2020]'
        "(https://arxiv.org/abs/2005.14165))\n\n| a | b |\n|---|---|\n| <sup>2</sup> | c |",
    ),
    (
        "list-table",
        "```{list-table} Rows of *x*\n:header-rows: 1\n\n* - A\n  - B | C\n* - $|x| \\| y$\n"
        "  - `a`\n    and\n\n    more\n* -\n  - \\|\n```",
        "**Rows of *x***\n\n| A | B \\| C |\n| --- | --- |\n| $\\vert x\\vert  \\Vert  y$ | "
        "`a` and<br>more |\n|  | \\| |",
    ),
    (
        "list-table with number, without header",
        "```{list-table} T\n:name: tab-list\n\n* - A\n```",
        '<a id="tab-list"></a>\n\n**Table 1.** T\n\n|  |\n| --- |\n| A |',
    ),
    # ---- code
    (
        "code-block",
        "````{code-block} python\n:caption: The `f`\n:name: code-f\n:linenos:\n\ndef f():\n"
        "    '''```'''\n\n    {ref}`x`\n````",
        "<a id=\"code-f\"></a>\n\n**Listing 1.** The `f`\n\n````python\ndef f():\n    '''```'''\n\n"
        "    {ref}`x`\n````",
    ),
    (
        "code-block with caption alone",
        ":::{code-block}\n:caption: C\nx\n:::",
        "**C**\n\n```\nx\n```",
    ),
    ("code", "```{code} c\nint x;\n```", "```c\nint x;\n```"),
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
    (
        "math directive of an environment of its own",
        "```{math}\n:nowrap:\n\\begin{align} a \\\\ b \\end{align}\n```",
        "\\begin{align} a \\\\ b \\end{align}",
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
        "[a {sub}`b`]( <https://x.org/a(b)> 't' )",
        "[a <sub>b</sub>]( <https://x.org/a(b)> 't' )",
    ),
    (
        "files",
        "{download}`data/a.csv`, {download}`the data <../b.csv>`, [c](data/c.csv)",
        f"[a.csv]({RAW}/foundations/data/a.csv), [the data]({RAW}/b.csv), "
        f"[c]({RAW}/foundations/data/c.csv)",
    ),
    (
        "links by reference",
        "[a][Net], [net][], [net], [b][x], [x], [y][]\n\n[net]: ../index.md 'T'\n[x]: https://x.org",
        '[a](../index.ipynb "T"), [net](../index.ipynb "T"), [net](../index.ipynb "T"), '
        "[b](https://x.org), [x](https://x.org), [y][]",
    ),
    (
        "footnotes",
        "A[^n], b [^long].\n\n[^n]: Note {sub}`1`.\n[^long]: One\n    two.\n\n    Three.\n\nEnd",
        "A (note: Note <sub>1</sub>.), b (note: One two. Three.).\n\nEnd",
    ),
    # ---- citations
    (
        "citations",
        "{cite}`rosenblatt1958`; {cite:p}`team2020, old1900`; {cite:t}`frohlich2001,anonymous`",
        "([Rosenblatt, 1958](https://doi.org/10.1037/h0042519%28a%29_b)); "
        "([OpenAI et al., 2020](https://arxiv.org/abs/2005.14165); Old et al., 1900); "
        "[de Fröhlich and Lévy (2001)](https://x.org/a_%28b%29), No Name (n.d.)",
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
    (
        "definition list",
        "Term *a*\n: One\n  more\n: Two {sub}`1`\n\nOther\n\n: Three\n\n  Four\n\nText",
        "* **Term *a***\n\n  One\n  more\n\n  Two <sub>1</sub>\n\n"
        "* **Other**\n\n  Three\n\n  Four\n\nText",
    ),
    (
        "definition list in a list",
        "- A\n\n  B\n  : C\n\n    D",
        "- A\n\n  * **B**\n\n    C\n\n    D",
    ),
    (
        "field list",
        ":a: One {sub}`1`\n:b c:\n   Two",
        "* **a:** One <sub>1</sub>\n* **b c:**\n   Two",
    ),
    # ---- other roles
    (
        "small roles",
        '{kbd}`Ctrl<`, {abbr}`MSE (mean "squared" error)`, {sub}`a`, {sup}`b`, {guilabel}`Run`, '
        "{file}`a.py`, {code}``a`b``, {index}`word <entry>`, {index}`plain`",
        '<kbd>Ctrl&lt;</kbd>, <abbr title="mean &quot;squared&quot; error">MSE</abbr>, '
        "<sub>a</sub>, <sup>b</sup>, **Run**, `a.py`, ``a`b``, word, plain",
    ),
    ("code role that ends in a tick", "{code}`` a` ``", "`` a` ``"),
    (
        "role over two lines",
        "> a {ref}`the\n> top <kernel>`",
        "> a [the top](../architectures/convolution.ipynb#kernel)",
    ),
    ("role in a heading", "## On {sub}`2`\n\nx", "## On <sub>2</sub>\n\nx"),
]


@pytest.mark.parametrize(
    ("source", "plain"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_construct(source, plain):
    assert lowered(source) == plain


EVERYTHING = (
    "\n\n".join(source for _, source, _ in CASES) + "\n\n```{bibliography}\n```\n\n{glue}`x`"
)


def without_code(text: str) -> str:
    return re.sub(
        r"^( *)(`{3,})[a-z]*\n.*?\n\1\2$|(`+)(?!`).+?(?<!`)\3(?!`)", "", text, flags=re.M | re.S
    )


def test_the_table_holds_every_directive_and_role():
    assert set(re.findall(r"[`:]{3}\{([\w-]+)\}", EVERYTHING)) >= set(DIRECTIVES) - {"code-cell"}
    assert set(re.findall(r"\{([\w:]+)\}`", EVERYTHING)) >= set(ROLES) - {"glue:text"}


def test_nothing_of_myst_is_left_of_a_page_with_everything():
    left = (
        r"\{[\w:+-]+\}`|^[ >]*(?:`{3,}|:{3,}) *\{|^[ >]*:{3,}|^\([^)]*\)=$|^%|^\+\+\+|\[\^|\.md\b"
    )
    assert re.search(left, EVERYTHING, re.M)
    assert not re.findall(left, without_code(lowered(EVERYTHING, x="1")), re.M)


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
ERRORS = [
    ("A\n\n:::{nota}\n:::", 3, "unknown directive {nota}, expected one of note"),
    ("A\nb {reff}`x`", 2, "unknown role {reff}, expected one of ref, numref"),
    ("A\n\n:::{note}\n:class: x\n\nb\n{reff}`x`\n:::", 7, "unknown role"),
    ("A\n\n:::{note}\n---\nclass: x\n---\n:::{tip}\n:::\n:::", 7, "{tip} is never closed"),
    ("A\n\n:::{note}\nb", 3, "{note} is never closed, expected ':::'"),
    ("```{note}\n~~~", 1, "{note} is never closed, expected '```'"),
    (":::{note}", 1, "never closed"),
    (":::note\n:::", 1, "without a directive"),
    (":::{note}\n:class: 'x\n:::", 1, "options that cannot be read"),
    ("{ref}`kernal`", 1, "undefined label 'kernal', expected one of kernel"),
    ("[a](#kernal)", 1, "undefined label"),
    (
        "[a](../architectures/convolution.md#eq-b)",
        1,
        "convolution.md has no label 'eq-b', expected one of",
    ),
    ("[a](convolution.md)", 1, "found 'convolution.md', expected a label, a file or a page"),
    ("[a](neuron.ipynb)", 1, "found 'neuron.ipynb', expected a label, a file or a page"),
    ("[a]()", 1, "undefined label ''"),
    ("[a](project:#kernel)", 1, "expected a label, a file or a page"),
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
    ("{glue}`accuracy`", 1, "'accuracy' that no cell glued"),
    ("{abbr}`MSE`", 1, "expected 'ABBR (what it stands for)'"),
    ("A[^x] b", 1, "undefined footnote 'x'"),
    ("A\n{{ x }}", 2, "found '{{ x }}', expected the text itself"),
    ("`a`{.python}", 1, "found '{.python}', expected the options"),
    ("![a](https://x.org){width=50%}", 1, "found '{width=50%}'"),
    ("<project:#kernel>", 1, "expected [](label)"),
    ("An <img src='a.png'>", 1, "expected {image}"),
    ("A\n```{note} on `x`\nT\n```", 2, "found '```{note} on `x`', expected ':::' around"),
    ("A\n$$ a $$ (eq-lost)", 2, "blank line before and after $$"),
    ("A\n\n> $$\n> a\n> $$", 3, "several lines behind '>'"),
    ("> $$\n> a\n> $$ (e)", 1, "several lines behind '>'"),
    ("> \\begin{align}\n> a\n> \\end{align}", 1, "several lines behind '>'"),
    ("$$\n\na\n$$", 1, "blank line in a formula"),
    ("$$\na\n\nb\n$$", 1, "blank line in a formula"),
    ("```{math}\n:nowrap:\n:label: e\na\n```", 1, "both :label: and :nowrap:"),
    (
        "```{list-table}\n* - a\n  - b\n* - c\n```",
        1,
        "expected 0 or 1 header row and rows of one length",
    ),
    ("```{list-table}\n:header-rows: 2\n\n* - a\n* - b\n```", 1, "found 2 header rows"),
    ("```{list-table}\n* - a\n\n    - b\n```", 4, "found bullet_list_open at depth 4"),
    ("```{list-table}\n* - a\n* b\n```", 3, "at depth 2"),
    ("```{glossary}\na\n  b\nneuron\nnet\n```", 4, "the term 'neuron' has no definition"),
    ("```{only} not html\n```", 1, "the condition 'not html'"),
    (":::{note}\n\n```{code-cell}\n1\n```\n:::", 3, "{code-cell} inside another block"),
    ("(a)=\n\nb\n\n(A)=\n\nc", 5, "found the label 'A' again"),
    ("[^a]: - b\n\nA[^a]", 1, "footnote 'a' holds a block"),
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


def test_what_is_unknown_where_nothing_is_known():
    with pytest.raises(ValueError, match=r"no cell glued, expected none, as none is defined$"):
        lowered("{glue}`x`")


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


def test_a_cell_of_another_text_is_an_error():
    with pytest.raises(ValueError, match="found the new label 'x'"):
        lower("(x)=\n# A", HERE, make_book("# A"))


def test_cells_share_numbers_footnotes_and_link_definitions():
    cells = [
        "(a)=\n# A",
        "$$ a $$ (eq-x)",
        "$$ b $$ (eq-y)\n\n[g][g]",
        "N[^n].",
        "[^n]: T\n\n[g]: https://x.org",
    ]
    code = "```{code-cell} ipython3\n:tags: [x]\n(no)=\n```"
    book = make_book(f"---\na: b\n---\n{code}\n" + "\n\n+++\n\n".join(cells))
    assert "no" not in book.pages[HERE].labels
    assert [lower(cell, HERE, book) for cell in cells] == [
        '<a id="a"></a>\n\n# A',
        '<a id="equation-eq-x"></a>\n\n$$ a \\tag{1} $$',
        '<a id="equation-eq-y"></a>\n\n$$ b \\tag{2} $$\n\n[g](https://x.org)',
        "N (note: T).",
        "",
    ]


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
    assert [labels[key].kind for key in "bt"] == ["figure", "table"]


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
    ("role", "stored", "shown"),
    [
        ("{glue}`x`", "'a'", "a"),
        ("{glue:text}`x:.2f`", "0.125", "0.12"),
        ("{glue}`x`", "<b>", "<b>"),
    ],
)
def test_glued_values(role, stored, shown):
    assert lowered(role, x=stored) == shown


WORKS = {
    "rosenblatt1958": "* Frank Rosenblatt (1958). The Perceptron: A Probabilistic Model of $2^n$ "
    "Things & More. *Psychological Review*, 65(6), 386–408. "
    r"[doi:10.1037/h0042519(a)\_b](https://doi.org/10.1037/h0042519%28a%29_b)",
    "frohlich2001": r"* Jürgen de Fröhlich and Paul Lévy (2001). Why? "
    r"*Proceedings \* of Nets*. [x.org](https://x.org/a_%28b%29)",
    "team2020": "* OpenAI, Tom Brown et al. (2020). Few-Shot. "
    "[arXiv:2005.14165](https://arxiv.org/abs/2005.14165)",
    "old1900": "* Ann Old, Bob Elder and Cy Aged (1900). Old Book. *Press*.",
    "anonymous": "* No Name (n.d.). *https://n.org*.",
}


def test_bibliography_lists_the_works_of_the_page_by_author():
    text = "{cite}`team2020`{cite}`old1900`{cite}`frohlich2001`{cite}`anonymous`\n\n"
    text += "```{bibliography}\n:filter: docname in docnames\n```"
    expected = [WORKS[key] for key in ("frohlich2001", "anonymous", "old1900", "team2020")]
    assert lowered(text).split("\n\n", 1)[1].split("\n") == expected


def test_bibliography_of_the_book_and_of_everything():
    assert lowered("{cite}`old1900`\n\n```{bibliography}\n```").split("\n")[2:] == [
        WORKS["old1900"],
        WORKS["rosenblatt1958"],  # the other chapter cites it
    ]
    assert sorted(lowered("```{bibliography}\n:all:\n```").split("\n")) == sorted(WORKS.values())


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ("author = {A, B and others}", "(A et al., 2000)"),
        ("author = {Doe, Jr., Jo}", "(Doe, 2000)"),
        ("doi = {https://doi.org/10.1/x}", "([T, 2000](https://doi.org/10.1/x))"),
        ("eprint = {1}", "(T, 2000)"),
    ],
)
def test_citation_of_an_odd_work(fields, shown):
    works = read_bibliography(f"@misc{{a, title = {{T}}, year = 2000, {fields}}}")
    book = Book(make_book("{cite}`a`").pages, works, BOOK_URL, RAW)
    assert lower("{cite}`a`", HERE, book) == shown


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ("author = {Doe, Jr., Jo and A, B and others}", "* Jo Doe Jr., B A et al. (n.d.). T."),
        ("school = {S}", "* T (n.d.). *S*."),
        ("institution = {S}, number = 4", "* T (n.d.). *S*, 4."),
    ],
)
def test_reference_to_an_odd_work(fields, shown):
    works = read_bibliography(f"@misc{{a, title = {{T}}, {fields}}}")
    text = "```{bibliography}\n:all:\n```"
    assert lower(text, HERE, Book(make_book(text).pages, works, BOOK_URL, RAW)) == shown


def test_latex_that_cannot_be_shown_is_an_error():
    book = make_book("{cite}`a`")
    works = read_bibliography(r"@misc{a, title = {An \emph{x}}, year = 1}")
    with pytest.raises(ValueError, match=r"holds the command \\emph"):
        lower("{cite}`a`", HERE, Book(book.pages, works, BOOK_URL, RAW))


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
    text = "- a\n  :::{tip}\n  b\n  :::\n- ```{list-table}\n  * - c\n  ```\n\nTerm\n: d\n"
    assert render(lowered(text)) == (
        "<ul><li><p>a</p><blockquote><p><strong>Tip</strong></p><p>b</p></blockquote></li>"
        "<li><table><thead><tr><th></th></tr></thead><tbody><tr><td>c</td></tr></tbody></table></li></ul>"
        "<ul><li><p><strong>Term</strong></p><p>d</p></li></ul>"
    )


def test_targets_do_not_swallow_what_follows():
    text = "(a)=\n| b |\n|---|\n| c |\n\n(d)=\n![e](https://x.org)\n(f)=\n# G"
    assert render(lowered(text)) == (
        '<p><a id="a"></a></p><table><thead><tr><th>b</th></tr></thead><tbody><tr><td>c</td></tr>'
        '</tbody></table><p><a id="d"></a></p><p><img src="https://x.org" alt="e" /></p>'
        '<p><a id="f"></a></p><h1>G</h1>'
    )

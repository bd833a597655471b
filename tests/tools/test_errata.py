import json
from dataclasses import replace

import pytest

from tools import lowering
from tools.errata import Proof, filled_in, read_errata, run
from tools.sources import Source

ENTRY = {
    "id": "E01",
    "article": "S000",
    "kind": "arithmetic",
    "where": "S000 1",
    "title": "The sum of $1$ and `1`",
    "says": "3.",
    "right": "2.",
    "proof": {"needs": "python", "code": ["print(1 + 1)", "1 / 0"], "output": ["2", "a", "b"]},
}
FACT = ENTRY | {"id": "E02", "kind": "fact", "confidence": "high"}
del FACT["proof"]
DATA = {
    "articles": {"S000": "First", "S001": "Second"},
    "kinds": {"arithmetic": "a number is wrong", "fact": "a fact is wrong"},
    "entries": [ENTRY, FACT],
}


@pytest.fixture
def write(tmp_path):
    """Write the data of a book below a folder; return the folder."""

    def write(data):
        path = tmp_path / "appendix" / "errata.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(data))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("print(1)\nprint(2, end='')", "1\n2"),
        ("print(1)\n[][0]", "1\nIndexError: list index out of range"),
        ("print('a', end=' ')\nmissing", "a \nNameError: name 'missing' is not defined"),
        (" x = 1", "IndentationError: unexpected indent"),
        ("def f():\n    return g()\ndef g():\n    return 3\nprint(f())", "3"),
    ],
)
def test_a_proof_is_run(code, output):
    assert run(Proof("python", code, "")) == output


def test_proofs_do_not_see_each_other():
    run(Proof("python", "x = 1", ""))
    assert run(Proof("python", "x", "")) == "NameError: name 'x' is not defined"


def test_entries_are_read_in_order(write):
    first, second = read_errata(write(DATA)).entries
    assert (first.name, first.label, first.proof.code) == ("E01", "e01", "print(1 + 1)\n1 / 0")
    assert (second.number, second.proof, second.confidence) == (2, None, "high")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "E03"}, "expected the id 'E01', got 'E03'"),
        ({"article": "S009"}, "E01: expected as article one of .*got 'S009'"),
        ({"kind": "typo"}, "E01: expected as kind one of .*got 'typo'"),
        ({"right": ""}, "E01: expected texts for"),
        ({"wher": "S000 1"}, "E01: expected texts for"),
        ({"proof": None}, "E01: expected a proof or a confidence"),
        ({"proof": ENTRY["proof"] | {"needs": "numpy"}}, "E01: expected as needs one of"),
    ],
)
def test_faulty_entries_are_refused(write, change, message):
    with pytest.raises(ValueError, match=message):
        read_errata(write(DATA | {"entries": [ENTRY | change]}))


@pytest.fixture
def pages(write):
    """A book with a page of errata and a chapter that links the first entry."""
    chapter = "# Chapter\n\n[E01](../appendix/errata.md#e01), [](../appendix/errata.md#e01)\n"
    sources = [Source("part/chapter", chapter), Source("appendix/errata", "# E\n\n% errata\n")]
    return filled_in(sources, write(DATA))


def test_the_marker_becomes_the_entries(pages):
    assert pages[0].text.startswith("# Chapter\n\n[E01]")
    text = pages[1].text
    assert "% errata" not in text
    assert "2 entries, 1 of them with a proof" in text
    assert "| arithmetic | a number is wrong | 1 |  | 1 |" in text
    assert "| **all** |  | 2 | 0 | 2 |" in text
    assert "## S000: First\n\n(e01)=\n### E01 The sum of $1$ and `1`\n" in text
    assert "```python\nprint(1 + 1)\n1 / 0\n```\n\n```text\n2\na\nb\n```" in text
    assert text.count("**Confidence:** high") == 1


def test_an_entry_names_the_chapters_that_use_it(pages):
    first, second = pages[1].text.split("(e02)=")
    assert first.endswith("**Used in:** [](../part/chapter.md)\n\n" + _proof_of(pages) + "\n\n")
    assert "Used in" not in second


def _proof_of(pages):
    start = pages[1].text.index(":::{dropdown}")
    return pages[1].text[start : pages[1].text.index("\n:::\n", start)] + "\n:::"


def test_a_notebook_links_the_entry_on_the_site(pages):
    read = {page.name: lowering.read_page(page.name, page.text, True) for page in pages[:1]}
    read |= {page.name: lowering.read_page(page.name, page.text, False) for page in pages[1:]}
    book = lowering.Book(read, {}, "https://example.org/course/", "")
    lowered = lowering.lower("[E01](../appendix/errata.md#e01)", "part/chapter", book)
    assert lowered == "[E01](https://example.org/course/appendix/errata.html#e01)"


def test_a_book_without_the_marker_needs_no_data(tmp_path):
    pages = [Source("index", "# Index\n\nThe line `% errata` is not alone here.\n")]
    assert filled_in(pages, tmp_path) == pages


def test_a_changed_output_is_noticed():
    proof = Proof("python", "print(1 + 1)", "2")
    assert run(proof) == proof.output
    assert run(replace(proof, code="print(1 + 2)")) != proof.output

import pytest
import yaml

from tools.chapters import title, with_opening
from tools.sources import Source

META = {
    "objectives": ["count", "measure", "doubt"],
    "prerequisites": ["other/first"],
    "minutes": 30,
    "difficulty": "introductory",
}
TITLES = {"part/page": "Page", "other/first": "The first"}


def page(**changes):
    front = {"jupytext": {}, "kernelspec": {"name": "python3"}, "chapter": {**META, **changes}}
    return Source("part/page", f"---\n{yaml.safe_dump(front)}---\n\n# Page\n\nText.\n")


def test_the_opening_stands_below_the_title():
    text = with_opening(page(), TITLES).text.rpartition("---\n")[2]
    assert text.index("# Page") < text.index("- measure") < text.index("Text.")
    assert "[The first](../other/first.md)" in text
    assert "about 30 minutes" in text


def test_a_plain_page_has_no_opening():
    plain = Source("index", "# Index\n")
    assert with_opening(plain, TITLES) is plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": ["one"]}, "3 to 6 objectives, got 1"),
        ({"difficulty": "easy"}, "difficulty must be one of"),
        ({"prerequisites": ["no/such"]}, r"unknown prerequisites \['no/such'\]"),
        ({"level": 1}, "'chapter' must have"),
    ],
)
def test_wrong_front_matter_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        with_opening(page(**changes), TITLES)


def test_a_page_needs_a_title():
    assert title(Source("a", "# A *title*\n\n# Not this\n")) == "A *title*"
    with pytest.raises(ValueError, match="heading"):
        title(Source("a", "## Too low\n"))

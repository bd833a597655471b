"""What the page of resources counts is what its tables list."""

import re

from tools.sources import BOOK

TEXT = (BOOK / "appendix" / "resources.md").read_text(encoding="utf-8")


def citations(label):
    """Count the citations below a label: each row names the articles and the sections."""
    section = re.split(
        r"^\((?!" + label + r"\))[\w-]+\)=$", TEXT.split(f"({label})=\n")[1], flags=re.M
    )
    count = 0
    for line in section[0].splitlines():
        places = [cell.strip() for cell in line.split("|")][2:3]
        if places and re.match(r"S00\d ", places[0]):
            works = 2 if "(both)" in places[0] else 1
            count += works * len(re.split("[;,]", places[0]))
    return count


def test_the_page_counts_the_citations_of_the_articles():
    kinds = ("right", "wrong", "unknown")
    right, wrong, unknown = (citations(f"resources-citations-{kind}") for kind in kinds)
    assert (
        f"hold {right + wrong + unknown} citations. Of these {right} are right as they stand, "
        f"{wrong} name a work" in TEXT
    )
    assert f"and {unknown} name something of which no trace was found" in TEXT
    assert min(right, wrong, unknown) > 10

"""Everything that the sources teach has its place in the chapters that are built."""

import os

import pytest

from tools import lowering
from tools.coverage import errata_names, problems, read_items, read_places


def test_every_item_of_the_built_chapters_has_its_place(sources):
    assert problems(read_items(), read_places(), sources.values(), errata_names()) == []


@pytest.mark.parametrize("edition", ["public", "instructor"])
def test_every_place_and_erratum_is_on_the_built_pages(edition, request, sources):
    pages = request.getfixturevalue(edition)
    known = {
        name: lowering.read_page(name, page.text, page.is_notebook).labels
        for name, page in sources.items()
    }
    for place in read_places():
        anchor = known[place.page][place.label].anchor
        assert anchor in pages[place.page].ids, place
        assert {number.lower() for number in place.errata} <= pages["appendix/errata"].ids, place


def test_the_page_shows_every_item_once(public):
    cells = public["appendix/sources"].words
    for item in read_items():
        assert cells.count(item.id) == 1, item.id


def test_the_page_links_to_every_place(public, sources):
    links = {link["href"] for link in public["appendix/sources"].all("a") if "href" in link}
    for place in read_places():
        page = sources[place.page]
        label = lowering.read_page(page.name, page.text, page.is_notebook).labels[place.label]
        target = os.path.relpath(f"{place.page}.html", "appendix")
        assert f"{target}#{label.anchor}" in links, place
        assert {f"errata.html#{number.lower()}" for number in place.errata} <= links, place

"""The book as `make book` built it, for both editions."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools.execution import Cache, execution_key
from tools.site import html_folder
from tools.sources import read_book


class Page(HTMLParser):
    """What the tests need to know of one built page: its tags, its ids, its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        """List the attributes of every tag of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def ids(self):
        return {attributes["id"] for _, attributes in self.tags if "id" in attributes}

    @property
    def text(self):
        return "".join(self.words)


def built_pages(edition):
    """Parse every page of a built edition; fail if there is none."""
    folder = html_folder(edition)
    paths = [path for path in folder.rglob("*.html") if "_static" not in path.parts]
    assert paths, f"no pages in {folder}: run `make book EDITION={edition}` first"
    return {path.relative_to(folder).with_suffix("").as_posix(): Page(path) for path in paths}


@pytest.fixture(scope="session")
def public():
    """Return the public edition's pages by name."""
    return built_pages("public")


@pytest.fixture(scope="session")
def instructor():
    """Return the instructors' edition's pages by name."""
    return built_pages("instructor")


@pytest.fixture(scope="session")
def sources():
    """Return the pages of ``book/`` by name."""
    return {page.name: page for page in read_book()}


@pytest.fixture(scope="session")
def executed(sources):
    """Return the executed notebooks by page name, each with every solution."""
    notebooks = {}
    for page in sources.values():
        if page.is_notebook:
            key = execution_key(page)
            assert Cache().path(page, key).exists(), f"{page.name} is not run: run `make book`"
            notebooks[page.name] = Cache().load(page, key)
    return notebooks

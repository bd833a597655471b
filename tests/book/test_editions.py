"""The public book has no trace of the solutions to hand in; every solution is right."""

import re

import pytest

from coursepkg import check
from coursepkg.checks.verdict import CHECKERS
from tools.coverage import INVENTORY
from tools.editions import code_cells, segments
from tools.site import html_folder
from tools.sources import BOOK, NOTEBOOKS

WORD = re.compile(r"\w{4,}")
TAG = re.compile(r"<[^>]+>")


def assigned(page):
    return "".join(part.text for part in segments(page) if part.kind == "assigned")


def elsewhere(page):
    return "".join(part.text for part in segments(page) if part.kind != "assigned")


def public_outputs(sources, executed):
    """Join what the cells of the public edition put out."""
    texts = []
    for name, notebook in executed.items():
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell in (cells[origin.index] for origin in code_cells(sources[name], "public")):
            for output in cell.outputs:
                texts += [output.get("text", ""), *map(str, output.get("data", {}).values())]
    return " ".join(texts)


def secret_words(sources, executed):
    """Collect the words that stand in a solution to hand in, and nowhere else in the book."""
    public = [*map(elsewhere, sources.values()), public_outputs(sources, executed)]
    other = [INVENTORY, BOOK / "references.bib"]
    known = " ".join([*public, *(path.read_text(encoding="utf-8") for path in other)])
    known += known.lower()  # as the index of the search writes words
    return set(WORD.findall(" ".join(map(assigned, sources.values())))) - set(WORD.findall(known))


def secret_lines(sources):
    """Collect the longer code lines of those solutions that stand nowhere else."""
    public = " ".join(elsewhere(page) for page in sources.values())
    lines = {line.strip() for page in sources.values() for line in assigned(page).splitlines()}
    return {line for line in lines if len(line) > 15 and line not in public}


def published():
    """Give every text that the public edition publishes: pages, page sources, index, notebooks."""
    folder = html_folder("public")
    generated = [p for p in folder.rglob("*") if "_static" not in p.parts]
    kinds = {".html", ".js", ".ipynb", ".md", ".txt", ".inv"}
    files = [path for path in [*generated, *NOTEBOOKS.rglob("*.ipynb")] if path.suffix in kinds]
    assert len(files) > 5
    for path in files:
        yield path, path.read_bytes().decode("utf-8", errors="ignore")


def test_there_is_something_to_hide(sources, executed):
    assert len(secret_words(sources, executed)) >= 5
    assert len(secret_lines(sources)) >= 10


def test_no_trace_of_the_solutions_to_hand_in(sources, executed):
    words, lines = secret_words(sources, executed), secret_lines(sources)
    for path, text in published():
        if path.suffix in {".html", ".js"}:
            assert not words & set(WORD.findall(TAG.sub(" ", text))), path
        plain = TAG.sub("", text)
        assert [line for line in lines if line in plain or line in text] == [], path


def test_the_instructors_edition_has_every_solution(sources, instructor):
    for name, page in sources.items():
        for part in segments(page):
            if part.kind:
                lines = [text.strip() for text in part.text.splitlines()]
                shown = [line for line in lines if "$" not in line and not line.startswith("alt: ")]
                line = max(shown, key=len)
                assert line in instructor[name].text, f"{part.exercise}: {line}"


def test_the_trace_search_would_find_a_solution(sources, executed, instructor):
    """The same search over the instructors' pages finds what it looks for."""
    text = "".join(page.text for page in instructor.values())
    assert secret_words(sources, executed) <= set(WORD.findall(text))


def test_every_solution_satisfies_its_checker(sources, executed):
    solved = set()
    for name, notebook in executed.items():
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell, origin in zip(cells, code_cells(sources[name], "instructor"), strict=True):
            if origin.exercise and f'check("{origin.exercise}"' in cell.source:
                shown = cell.outputs[-1]["data"]["text/plain"]
                assert shown.startswith(f"✓ {origin.exercise}: "), shown
                solved.add(origin.exercise)
    for page in (page for page in sources.values() if page.is_notebook):
        for exercise in re.findall(r'check\("([\w.-]+)"', page.text):
            check(exercise, None)
            assert exercise in solved, f"{exercise} has no solution that is checked"
    assert solved == set(CHECKERS)


@pytest.mark.parametrize("kind", ["practice", "assigned"])
def test_there_are_exercises_of_both_kinds(sources, kind):
    found = [part for page in sources.values() for part in segments(page) if part.kind == kind]
    assert len(found) >= 2

import pytest

from tools import coverage
from tools.coverage import CHAPTERS, Item, Place, filled_in, problems, read_items, read_places
from tools.sources import Source

NEURONS, IMAGES = CHAPTERS["neurons"], CHAPTERS["vision-projects"]
ITEMS = [
    Item("S000-1", "neurons", "Sigmoid, h_t = 1/(1+e^-z) at keras.io | done"),
    Item("S000-2", "neurons", "ReLU"),
    Item("S000-3", "vision-projects", "Digits"),
]
PLACES = [
    Place("S000-1", NEURONS, "neurons-sigmoid", "taught"),
    Place("S000-2", NEURONS, "neurons-relu", "corrected E18 E240"),
]
PAGE = Source(
    NEURONS,
    "# Neurons\n\n(neurons-sigmoid)=\n## The $|x|$ sigmoid\n\n$$ z = 1 $$ (eq-neurons-z)\n\n"
    "(neurons-relu)=\nA paragraph.\n\n## The end\n",
)
ERRATA = {"E18", "E240"}


def test_a_covered_chapter_has_no_problem():
    assert problems(ITEMS, PLACES, [PAGE], ERRATA) == []


def changed(**fields):
    return [PLACES[0], PLACES[1]._replace(**fields)]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (PLACES[:1], f"S000-2: has no place, but {NEURONS} is in the book"),
        ([*PLACES, PLACES[0]], "S000-1: has 2 places"),
        ([*PLACES, PLACES[0]._replace(id="S000-9")], "S000-9: is not in the inventory"),
        (changed(label="gone"), f"the label 'gone', which book/{NEURONS}.md does not have"),
        (changed(label="eq-neurons-z"), "names the equation 'eq-neurons-z'"),
        (changed(page=IMAGES), f"names the unknown page '{IMAGES}'"),
        (changed(how="corrected E18 E99"), "names the unknown errata E99"),
        (changed(how="corrected"), "is 'corrected'; expected"),
        (changed(how="corrected 18"), "is 'corrected 18'; expected"),
        (changed(how="listed E18"), "is 'listed E18'; expected"),
        (changed(how="mentioned"), "is 'mentioned'; expected"),
    ],
)
def test_each_fault_is_the_only_one_named(places, message):
    (line,) = problems(ITEMS, places, [PAGE], ERRATA)
    assert message in line


def test_a_chapter_that_is_built_waits_for_its_items():
    pages = [PAGE, Source(IMAGES, "# Images\n")]
    (line,) = problems(ITEMS, PLACES, pages, ERRATA)
    assert line.startswith("S000-3: has no place")


def written(path, header, rows):
    path.write_text("\n".join([header, *(",".join(f'"{c}"' for c in row) for row in rows)]) + "\n")
    return path


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Return the page made of the lists above."""
    items = written(tmp_path / "inventory.csv", "id,chapter,description", ITEMS)
    places = written(tmp_path / "sources.csv", "id,page,label,how", PLACES)
    monkeypatch.setattr(coverage, "INVENTORY", items)
    monkeypatch.setattr(coverage, "PLACES", places)
    return filled_in("# Sources\n\n% sources\n", [PAGE])


def test_the_page_counts_and_links(page):
    assert "% sources" not in page
    assert "| [Neurons](#sources-neurons) | 2 | 1 | 1 | 0 | 0 |" in page
    assert "| [Images](#sources-vision-projects) | 1 | 0 | 0 | 0 | 1 |" in page
    assert "| all | 3 | 1 | 1 | 0 | 1 |" in page
    assert r"| taught | [The $\|x\|$ sigmoid](#neurons-sigmoid) |" in page
    corrected = "corrected [E18](errata.md#e18) [E240](errata.md#e240)"
    assert rf"| S000-2 | ReLU | {corrected} | [The $\|x\|$ sigmoid](#neurons-relu) |" in page
    assert "| S000-3 | Digits | not\N{NO-BREAK SPACE}yet |  |" in page


def test_a_label_before_the_first_section_has_the_title_of_the_page(page):
    text = "# Neurons\n\n(neurons-sigmoid)=\nText.\n\n(neurons-relu)=\n## ReLU\n"
    filled = filled_in("% sources", [Source(NEURONS, text)])
    assert "| taught | [Neurons](#neurons-sigmoid) |" in filled


def test_marks_in_a_description_are_plain_text(page):
    assert r"h\_t \= 1\/\(1\+e\^\-z\) at keras\.io \| done" in page


def test_other_pages_stay_as_they_are():
    assert filled_in("# Index\n", [PAGE]) == "# Index\n"


def test_a_place_that_is_gone_stops_the_page(page):
    with pytest.raises(ValueError, match="S000-1 is at foundations/neurons#neurons-sigmoid"):
        filled_in("% sources", [Source(NEURONS, "# Neurons\n")])


@pytest.mark.parametrize("header", ["id,page,label", "id,page,label,why"])
def test_other_columns_are_refused(tmp_path, monkeypatch, header):
    path = written(tmp_path / "sources.csv", header, PLACES)
    monkeypatch.setattr(coverage, "PLACES", path)
    with pytest.raises(ValueError, match=r"sources\.csv must have the columns id,page,label,how"):
        read_places()


def test_the_inventory_is_whole():
    items = read_items()
    assert len({item.id for item in items}) == len(items) == 736
    assert {item.chapter for item in items} == set(CHAPTERS)
    assert all(item.description.isascii() and item.description for item in items)


def test_every_chapter_waits_for_a_page_of_its_own():
    assert len(set(CHAPTERS.values())) == len(CHAPTERS)

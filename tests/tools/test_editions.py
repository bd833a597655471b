import pytest

from tools.editions import code_cells, edition_source, segments
from tools.sources import Source

CELL = "```{code-cell} ipython3\n{}\n```\n"


def cell(source):
    return CELL.replace("{}", source)


PAGE = Source(
    "a",
    f"# A\n{cell('shown = 1')}"
    f"% solution practice a.easy\n{cell('easy = 2')}% end solution\n"
    f"Between.\n{cell('stub = None')}"
    f"% solution assigned a.hard\nSecret words.\n{cell('hard = 3')}{cell('harder = 4')}"
    f"% end solution\nAfter.\n{cell('last = 5')}",
)


def test_the_public_edition_has_no_assigned_solution():
    text = edition_source(PAGE, "public").text
    assert "easy = 2" in text
    assert "Secret" not in text
    assert "hard" not in text
    assert "% solution" not in text


def test_the_instructors_have_everything():
    text = edition_source(PAGE, "instructor").text
    assert all(part in text for part in ("easy = 2", "Secret words.", "harder = 4", "last = 5"))
    assert "% " not in text


def test_cells_know_their_place_in_the_full_source():
    public = [(c.index, c.exercise) for c in code_cells(PAGE, "public")]
    assert public == [(0, None), (1, "a.easy"), (2, None), (5, None)]
    assert [c.index for c in code_cells(PAGE, "instructor")] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "text",
    [
        "% solution practice a.b\n",
        "% end solution\n",
        "% solution practice a.b\n% solution practice a.c\n% end solution\n",
        "% solution practise a.b\n% end solution\n",
        "% solution assigned\n% end solution\n",
    ],
    ids=["never closed", "never opened", "nested", "misspelt", "no id"],
)
def test_a_wrong_marker_is_refused(text):
    with pytest.raises(ValueError, match=r"book/a\.md"):
        segments(Source("a", text))

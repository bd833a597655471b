import itertools

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

from coursepkg.figures.history import timeline

EVENTS = [
    (1990, "late", "b"), (1950, "a long name", "a"), (1952, "short", "a"), (1970, "later", "a"),
    (1950, "same year", "a"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_every_event_has_a_dot_at_its_year_and_a_name():
    axis = timeline(EVENTS, ["a", "b"]).axes[0]
    assert sorted(line.get_xdata()[0] for line in axis.lines) == sorted(e[0] for e in EVENTS)
    assert {text.get_text() for text in axis.texts} == {e[1] for e in EVENTS} | {"a", "b"}
    low, high = axis.get_xlim()
    assert low < 1950 < 1990 < high


def test_the_first_track_is_on_top_and_tracks_differ_in_colour():
    axis = timeline(EVENTS, ["b", "a"]).axes[0]
    dots = {line.get_xdata()[0]: line for line in axis.lines}
    assert axis.yaxis_inverted()
    assert dots[1990].get_ydata()[0] < dots[1970].get_ydata()[0]
    assert to_rgb(dots[1990].get_color()) != to_rgb(dots[1970].get_color())


def test_names_do_not_meet():
    figure = timeline(EVENTS, ["a", "b"])
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


def test_an_event_belongs_to_a_track():
    with pytest.raises(ValueError, match=r"among \['a'\], got \['b'\]"):
        timeline(EVENTS, ["a"])

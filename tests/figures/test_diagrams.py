"""Boxes, arrows and frames."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.text import Annotation

from coursepkg.figures.diagrams import draw_boxes

PLACES = {"in": (0, 0), "inside": (1, 0), "out": (2, 1)}
ARROWS = [("in", "inside"), ("inside", "out")]


@pytest.fixture
def axis():
    figure = draw_boxes(PLACES, ARROWS, {"a block": ["inside", "out"]})
    yield figure.axes[0]
    plt.close(figure)


def test_each_box_stands_at_its_place(axis):
    texts = {text.get_text(): text.get_position() for text in axis.texts}
    assert {name: texts[name] for name in PLACES} == PLACES
    assert axis.yaxis_inverted()


def test_each_arrow_leads_from_its_start_to_its_end(axis):
    arrows = [text for text in axis.texts if isinstance(text, Annotation)]
    assert [(arrow.xyann, arrow.xy) for arrow in arrows] == [
        (PLACES[start], PLACES[end]) for start, end in ARROWS
    ]


def test_a_frame_holds_its_boxes_and_no_other(axis):
    frames = [patch for patch in axis.patches if patch.get_linestyle() == "--"]
    (bounds,) = (frame.get_bbox() for frame in frames)
    held = [name for name, place in PLACES.items() if bounds.contains(*place)]
    assert held == ["inside", "out"]
    assert "a block" in [text.get_text() for text in axis.texts]


@pytest.mark.parametrize("wrong", [{"arrows": [("in", "x")]}, {"groups": {"g": ["x"]}}])
def test_unknown_boxes_are_refused(wrong):
    with pytest.raises(ValueError, match=r"\['in', 'inside', 'out'\], got \['x'\]"):
        draw_boxes(PLACES, **{"arrows": ARROWS, **wrong})

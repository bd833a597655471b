from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursepkg.figures import use_course_style
from coursepkg.figures.recurrence import draw_unrolled

mpl.use("agg")


@pytest.fixture(autouse=True)
def _closed_figures():
    use_course_style()
    yield
    plt.close("all")


def drawn(steps):
    """Draw a layer; give its texts, without the empty ones of the arrows, and its figure."""
    figure = draw_unrolled(steps)
    figure.canvas.draw()
    return [text for text in figure.axes[0].texts if text.get_text()], figure


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_each_step_has_an_input_a_loss_and_its_ways_forward_and_back(steps):
    texts = [text.get_text() for text in drawn(steps)[0]]
    assert texts.count("tanh") == steps
    for t in range(1, steps + 1):
        for label in (
            rf"$\mathbf{{X}}_{t}$",
            rf"$\mathbf{{X}}_{t}\mathbf{{W}}$",
            rf"$\mathbf{{H}}_{t}$",
            rf"$\mathbf{{V}}_{t}$",
            f"loss {t}",
        ):
            assert texts.count(label) == 1
        assert texts.count(rf"$\mathbf{{H}}_{t - 1}\mathbf{{U}}$") == 1
        back = texts.count(rf"$\mathbf{{\delta}}_{t}\mathbf{{U}}^T$")
        assert back == (t > 1)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_texts_and_boxes_do_not_overlap_and_lie_inside(steps):
    texts, figure = drawn(steps)
    extents = [
        (text.get_bbox_patch() or text).get_window_extent(figure.canvas.get_renderer())
        for text in texts
    ]
    assert not any(one.overlaps(other) for one, other in combinations(extents, 2))
    frame = figure.bbox
    assert all(frame.contains(*corner) for box in extents for corner in (box.min, box.max))


def test_the_way_forward_is_solid_and_the_gradients_are_dashed_and_run_against_it():
    _, figure = drawn(3)
    ways = {"-": [], "--": []}
    for text in figure.axes[0].texts:
        if arrow := getattr(text, "arrow_patch", None):
            (x0, y0), (x1, y1) = text.xyann, text.xy
            ways[arrow.get_linestyle()].append((np.sign(x1 - x0), np.sign(y1 - y0)))
    assert sorted(ways["-"]) == [(0, 1)] * 6 + [(1, 0)] * 3
    assert sorted(ways["--"]) == [(-1, 0)] * 2 + [(0, -1)] * 3


@pytest.mark.parametrize("steps", [0, 6])
def test_a_number_of_steps_that_cannot_be_drawn_is_an_error(steps):
    with pytest.raises(ValueError, match=f"expected 1 to 5, got {steps}"):
        draw_unrolled(steps)

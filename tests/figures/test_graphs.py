from itertools import combinations
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from coursepkg.figures import use_course_style
from coursepkg.figures.graphs import draw_graph
from coursepkg.scratch.backpropagation import Value

mpl.use("agg")


@pytest.fixture(autouse=True)
def _closed_figures():
    use_course_style()
    yield
    plt.close("all")


def drawn(output):
    """Draw a graph; give its texts, its boxes as rectangles in pixels, and its axes."""
    figure = draw_graph(output)
    figure.canvas.draw()
    axis = figure.axes[0]
    boxes = [patch.get_window_extent() for patch in axis.patches]
    return [text.get_text() for text in axis.texts], boxes, axis


def logistic_loss():
    x, w, b = Value(2.0, label="x"), Value(0.5, label="w"), Value(-0.4, label="b")
    p = (w * x + b).sigmoid()
    loss = -(0.25 * p.log() + 0.75 * (1 - p).log())
    loss.backward()
    return loss


def test_the_picture_holds_every_value_gradient_operation_and_slope():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b + a.tanh()
    c.backward()
    texts, boxes, _ = drawn(c)
    assert len(boxes) == 5
    for expected in ["a = 2", "b = −3", "−6", "×", "+", "tanh", "gradient −2.93", "gradient 2"]:
        assert expected in texts
    slopes = ["−3", "2", "1", "1", "0.0707"]  # of the product, the sum and tanh
    assert sorted(texts.count(slope) for slope in slopes) == [1, 1, 1, 2, 2]


def test_inputs_stand_on_the_left_and_the_output_on_the_right():
    loss = logistic_loss()
    texts, _, axis = drawn(loss)
    across = {text.get_text(): text.get_position()[0] for text in axis.texts}
    assert across["w = 0.5"] < across["b = −0.4"] < across["σ"] < across["log"]
    assert max(across.values()) == across["gradient 1"]
    assert texts.count("log") == 2


@pytest.mark.parametrize("build", [logistic_loss, lambda: Value(1.0) + 2 + 3 + Value(4.0) * 5])
def test_boxes_do_not_overlap_and_lie_inside(build):
    _, boxes, axis = drawn(build())
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    frame = axis.get_figure().bbox
    assert all(frame.contains(*corner) for box in boxes for corner in (box.min, box.max))


def test_the_texts_fit_into_their_boxes():
    _, boxes, axis = drawn(logistic_loss())
    inside = [t for t in axis.texts if t.get_text().startswith("gradient") or "=" in t.get_text()]
    assert len(inside) > len(boxes)
    for text in inside:
        extent = text.get_window_extent()
        assert any(
            box.x0 <= extent.x0
            and extent.x1 <= box.x1
            and box.y0 <= extent.y0
            and extent.y1 <= box.y1
            for box in boxes
        ), text.get_text()


def test_a_node_used_twice_by_one_operation_has_two_lines():
    x = Value(3.0)
    _, _, axis = drawn(x * x)
    first, second = (line.get_xydata() for line in axis.lines)
    assert first[0, 1] != second[0, 1]
    assert first[-1].tolist() == second[-1].tolist()


def test_a_long_line_passes_the_boxes_of_the_columns_between():
    x = Value(1.0)
    y = x.exp().exp().exp() + x
    _, boxes, axis = drawn(y)
    long = max((line.get_xydata() for line in axis.lines), key=len)
    assert len(long) == 5  # start, three bends, end
    for point in axis.transData.transform(long[1:-1]):
        assert not any(box.contains(*point) for box in boxes)


def test_any_object_with_the_attributes_can_be_drawn():
    class Node(NamedTuple):
        value: float
        gradient: float
        label: str
        operation: str = ""
        parents: tuple = ()
        slopes: tuple = ()

    leaf = Node(1, 2, "leaf")
    assert "leaf = 1" in drawn(Node(3, 1, "double", "twice", (leaf,), (2,)))[0]


@pytest.mark.parametrize("depth", [40, 5000])
def test_a_graph_too_large_to_read_is_an_error(depth):
    output = Value(0.0)
    for _ in range(depth):
        output = -output
    with pytest.raises(ValueError, match="at most 40 nodes"):
        draw_graph(output)

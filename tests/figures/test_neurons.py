import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursepkg.figures import use_course_style
from coursepkg.figures.neurons import activation_gallery, network_plan, seed_dots

mpl.use("agg")


@pytest.fixture(autouse=True)
def _closed_figures():
    use_course_style()
    yield
    plt.close("all")


def test_a_plan_has_a_line_for_each_weight_and_a_circle_for_each_unit():
    axis = network_plan([2, 3, 1]).axes[0]
    assert len(axis.lines) == 2 * 3 + 3 * 1
    assert [len(units.get_offsets()) for units in axis.collections] == [2, 3, 1]
    words = [text.get_text() for text in axis.texts]
    assert [word for word in words if word.endswith("layer")] == [
        "input layer", "hidden layer", "output layer",
    ]  # fmt: skip
    assert "$x_{2}$" in words
    assert "$h_{1,3}$" in words
    assert any("2 by 3" in word for word in words)


@pytest.mark.parametrize("widths", [[3], [2, 0, 1]])
def test_a_plan_needs_two_filled_layers(widths):
    with pytest.raises(ValueError, match="at least two widths"):
        network_plan(widths)


def test_a_gallery_draws_function_and_derivative():
    z = np.linspace(-2, 2, 9)
    figure = activation_gallery({name: (z, z, np.ones(9)) for name in "abcde"}, columns=3)
    shown = [axis for axis in figure.axes if axis.lines]
    assert [axis.get_title(loc="left") for axis in shown] == list("abcde")
    for axis in shown:
        assert [line.get_ydata().tolist() for line in axis.lines] == [z.tolist(), [1] * 9]
    labelled = [axis.get_title(loc="left") for axis in shown if axis.get_xlabel()]
    assert labelled == ["c", "d", "e"]


def test_dots_show_every_run_and_the_mean():
    _, axis = plt.subplots()
    seed_dots(axis, {"relu": [0.1, 0.3], "tanh": [0.2]}, label="slow")
    seed_dots(axis, {"relu": [0.5], "tanh": [0.6]}, label="fast", shift=0.2)
    dots, bars = axis.lines[::2], axis.lines[1::2]
    assert [dot.get_xdata().tolist() for dot in dots] == [[0.1, 0.3], [0.2], [0.5], [0.6]]
    assert [bar.get_xdata()[0] for bar in bars] == pytest.approx([0.2, 0.2, 0.5, 0.6])
    assert dots[2].get_ydata().tolist() == [0.2]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["relu", "tanh"]
    assert axis.get_legend_handles_labels()[1] == ["slow", "fast"]

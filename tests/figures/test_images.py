import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursepkg.figures import COLOURS, use_course_style
from coursepkg.figures.images import (
    confusion_heatmap,
    image_grid,
    learning_curves,
    reliability_diagram,
)

mpl.use("agg")
HISTORY = {
    "loss": [2.0, 1.0], "val_loss": [2.1, 1.2], "accuracy": [0.3, 0.6], "val_accuracy": [0.3, 0.5],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _closed_figures():
    use_course_style()
    yield
    plt.close("all")


def test_a_grid_has_a_place_for_every_picture():
    figure = image_grid(np.zeros((13, 28, 28)), [str(n) for n in range(13)], columns=5)
    drawn = [axis for axis in figure.axes if axis.images]
    assert len(figure.axes) == 15
    assert [axis.get_title() for axis in drawn] == [str(n) for n in range(13)]
    with pytest.raises(ValueError, match="expected 13 titles"):
        image_grid(np.zeros((13, 28, 28)), ["one"])


def test_the_confusion_figure_colours_errors_only():
    counts = np.array([[90, 5], [0, 80]])
    figure = confusion_heatmap(counts, ["cat", "dog"])
    axis = figure.axes[0]
    assert axis.images[0].get_array().tolist() == [[0, 5], [0, 0]]
    assert sorted(text.get_text() for text in axis.texts) == ["5", "80", "90"]
    assert counts[0, 0] == 90
    assert axis.get_xlabel() == "predicted"


def test_reliability_leaves_small_bins_out():
    bins = (np.array([0.2, 0.9]), np.array([0.0, 0.8]), np.array([3, 500]))
    axis = reliability_diagram({"net": bins}).axes[0]
    assert axis.lines[1].get_xdata().tolist() == [0.9]


def test_learning_curves_need_all_four_measures():
    axes = learning_curves(HISTORY).axes
    assert [axis.get_xlabel() for axis in axes] == ["epoch", "epoch"]
    assert list(axes[0].lines[1].get_ydata()) == HISTORY["val_loss"]
    without = {key: values for key, values in HISTORY.items() if key != "val_loss"}
    with pytest.raises(ValueError, match=r"missing \['val_loss'\]"):
        learning_curves(without)


def test_figures_are_opaque(tmp_path):
    learning_curves(HISTORY).savefig(tmp_path / "figure.png")
    assert plt.imread(tmp_path / "figure.png")[..., 3].min() == 1


def _luminance(colour):
    channels = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_the_first_colours_stand_out_from_the_page():
    """WCAG 2.1 asks for a contrast of 3 to 1 for graphics."""
    for name in ("blue", "orange", "green", "grey"):
        assert 1.05 / (_luminance(COLOURS[name]) + 0.05) > 3

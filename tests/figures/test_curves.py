import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursepkg.figures.curves import mean_and_range

mpl.use("agg")
X = np.array([1.0, 2.0, 4.0])
RUNS = np.array([[0.2, 0.4, 0.9], [0.4, 0.0, 0.3]])


@pytest.fixture
def axis():
    figure, axis = plt.subplots()
    yield axis
    plt.close(figure)


def test_the_line_is_the_mean_and_the_band_the_range(axis):
    mean = mean_and_range(axis, X, RUNS, "error", linestyle="--", marker="")
    (line,) = axis.lines
    assert mean == pytest.approx([0.3, 0.2, 0.6])
    assert line.get_ydata() == pytest.approx(mean)
    assert (line.get_label(), line.get_linestyle()) == ("error", "--")
    corners = axis.collections[0].get_paths()[0].vertices
    for x, low, high in zip(X, [0.2, 0.0, 0.3], [0.4, 0.4, 0.9], strict=True):
        there = corners[np.isclose(corners[:, 0], x), 1]
        assert {low, high} <= set(there.round(12))
        assert low <= there.min() <= there.max() <= high


def test_band_and_line_share_their_colour(axis):
    mean_and_range(axis, X, RUNS, "error", color="C3")
    band = axis.collections[0].get_facecolor()[0]
    assert band[:3] == pytest.approx(mpl.colors.to_rgb("C3"))


@pytest.mark.parametrize("runs", [RUNS[:, :2], RUNS[0]])
def test_runs_of_another_shape_are_refused(axis, runs):
    with pytest.raises(ValueError, match=r"expected runs of shape \(R, 3\), got"):
        mean_and_range(axis, X, runs, "error")

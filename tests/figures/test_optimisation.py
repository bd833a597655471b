import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursepkg.figures import use_course_style
from coursepkg.figures.optimisation import paths_on_surface

mpl.use("agg")
LIMITS = (-3.0, 1.0, -2.0, 2.0)


@pytest.fixture(autouse=True)
def _closed_figures():
    use_course_style()
    yield
    plt.close("all")


def bowl(points):
    return (points**2).sum(axis=-1)


def test_each_path_has_its_picture_on_the_same_axes():
    paths = {f"path {n}": np.array([[-2.0, n], [-1.0, 0.5]]) for n in range(5)}
    axes = paths_on_surface(bowl, paths, (0, 0), LIMITS, columns=3).axes
    drawn = [axis for axis in axes if axis.lines]
    assert len(axes) == 6
    assert [axis.get_title(loc="left") for axis in drawn] == list(paths)
    assert [not axis.axison for axis in axes] == [False] * 5 + [True]
    for axis, path in zip(drawn, paths.values(), strict=True):
        line, start, goal = axis.lines
        assert line.get_xydata().tolist() == path.tolist()
        assert start.get_xydata().tolist() == [path[0].tolist()]
        assert goal.get_xydata().tolist() == [[0, 0]]
        assert (*axis.get_xlim(), *axis.get_ylim()) == LIMITS


def test_contours_lie_where_the_surface_has_their_level():
    figure = paths_on_surface(bowl, {"still": np.zeros((1, 2))}, (0, 0), LIMITS)
    contours = figure.axes[0].collections[0]
    for level, path in zip(contours.levels, contours.get_paths(), strict=True):
        if len(path.vertices):
            assert bowl(path.vertices) == pytest.approx(level, rel=0.02, abs=0.01)


def test_a_path_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"'flat' has \(5,\)"):
        paths_on_surface(bowl, {"flat": np.zeros(5)}, (0, 0), LIMITS)

"""Paths of optimisers on a surface of two parameters."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from coursepkg.figures.style import COLOURS


def paths_on_surface(
    surface: Callable[[np.ndarray], np.ndarray],
    paths: Mapping[str, np.ndarray],
    goal: tuple[float, float],
    limits: tuple[float, float, float, float],
    columns: int = 4,
) -> Figure:
    """Draw each path on the same contour lines, one small picture a path.

    Parameters
    ----------
    surface : callable
        From points (..., 2) to the loss (...), positive but at the goal.
    paths : mapping
        From a title to the points of a path, shape (T + 1, 2), the start first.
    goal : tuple of float
        The minimum; a star marks it.
    limits : tuple of float
        Left, right, lower and upper end of the two axes. What lies outside is cut off.
    columns : int
        Pictures in a row.

    Raises
    ------
    ValueError
        If a path is not of shape (T + 1, 2).
    """
    for name, path in paths.items():
        if path.ndim != 2 or path.shape[1] != 2:
            raise ValueError(f"expected paths of shape (T + 1, 2), {name!r} has {path.shape}")
    left, right, lower, upper = limits
    x, y = np.meshgrid(np.linspace(left, right, 120), np.linspace(lower, upper, 120))
    loss = surface(np.stack([x, y], axis=-1))
    levels = loss.max() * 2.0 ** np.arange(-9, 1)
    rows = -(-len(paths) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(8.4, 2.1 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axis, (name, path) in zip(axes.flat, paths.items(), strict=False):
        axis.contour(x, y, loss, levels, colors="#bbbbbb", linewidths=0.7)
        axis.plot(*path.T, color=COLOURS["blue"], marker=".", markersize=4, linewidth=1)
        axis.plot(*path[0], color=COLOURS["green"], marker="o", markersize=6)
        axis.plot(*goal, color=COLOURS["orange"], marker="*", markersize=10)
        axis.set(title=name, xlim=(left, right), ylim=(lower, upper))
        axis.title.set_fontsize(9)
        axis.grid(False)
    for axis in axes.flat[len(paths) :]:
        axis.axis("off")
    figure.supxlabel(r"$\theta_1$", fontsize=10)
    figure.supylabel(r"$\theta_2$", fontsize=10)
    return figure

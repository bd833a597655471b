"""Figures of neurons and layers: a network's plan, activation functions, runs of several seeds."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coursepkg.figures.style import COLOURS


def network_plan(widths: Sequence[int]) -> Figure:
    """Draw the units of a dense network as circles and its weights as lines.

    Parameters
    ----------
    widths : sequence of int
        Units of the input, of each hidden layer and of the output; at least two numbers.

    Raises
    ------
    ValueError
        If there are fewer than two layers, or one is empty.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"expected at least two widths of at least 1, got {list(widths)}")
    figure, axis = plt.subplots(figsize=(2.2 * len(widths), 0.6 * max(widths) + 1.3))
    heights = [np.arange(width)[::-1] - (width - 1) / 2 for width in widths]
    for layer, (left, right) in enumerate(pairwise(heights)):
        for start in left:
            for end in right:
                axis.plot([layer, layer + 1], [start, end], color="#999999", lw=1, marker="")
        axis.text(
            layer + 0.5, -max(widths) / 2 - 0.35,
            rf"$\mathbf{{W}}_{layer + 1}$: {widths[layer]} by {widths[layer + 1]}"
            f"\n$\\mathbf{{b}}_{layer + 1}$: {widths[layer + 1]}",
            ha="center", va="top", fontsize=9,
        )  # fmt: skip
    last = len(widths) - 1
    for layer, places in enumerate(heights):
        kind = "input" if layer == 0 else "output" if layer == last else "hidden"
        face = {"input": "white", "hidden": COLOURS["sky"], "output": COLOURS["amber"]}[kind]
        x = np.full(len(places), layer)
        axis.scatter(x, places, s=420, color=face, edgecolors="#444444", zorder=3)
        axis.text(layer, max(widths) / 2 + 0.15, f"{kind} layer", ha="center", fontsize=9)
        for unit, height in enumerate(places, 1):
            symbol = f"x_{{{unit}}}" if layer == 0 else f"h_{{{layer},{unit}}}"
            axis.text(layer, height, f"${symbol}$", ha="center", va="center", fontsize=9, zorder=4)
    axis.set(xlim=(-0.4, last + 0.4), ylim=(-max(widths) / 2 - 1.1, max(widths) / 2 + 0.5))
    axis.axis("off")
    return figure


def activation_gallery(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], columns: int = 4
) -> Figure:
    """Draw functions with their derivatives, one panel each, all on the same axes.

    Parameters
    ----------
    curves : mapping
        From a function's name to places, values and derivatives, all of shape (N,).
    columns : int
        Panels in a row.
    """
    rows = -(-len(curves) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.2 * columns, 1.9 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axis, (name, (z, values, slopes)) in zip(axes.flat, curves.items(), strict=False):
        axis.plot(z, values, marker="", color=COLOURS["blue"], label="function")
        axis.plot(z, slopes, marker="", color=COLOURS["orange"], linestyle="--", label="derivative")
        axis.set(title=name, ylim=(-1.3, 3.0))
    for axis in axes.flat[len(curves) :]:
        axis.axis("off")
    for axis in axes[:, 0]:
        axis.set_ylabel("value")
    for column in range(columns):
        filled = [row for row in range(rows) if row * columns + column < len(curves)]
        if filled:
            axes[filled[-1], column].set_xlabel("weighted sum z")
            axes[filled[-1], column].tick_params(labelbottom=True)
    axes[0, 0].legend(loc="upper left", fontsize=8)
    return figure


def seed_dots(
    axis: Axes,
    groups: Mapping[str, Sequence[float]],
    colour: str = COLOURS["blue"],
    label: str = "",
    shift: float = 0.0,
) -> None:
    """Draw one row for each group: a dot for each run, and a bar at their mean.

    Parameters
    ----------
    axis : Axes
        Where to draw; groups are listed from top to bottom.
    groups : mapping
        From a group's name to the results of its runs.
    colour : str
        Of dots and bars.
    label : str
        For the legend, if several calls share the axis.
    shift : float
        How far below its row the dots lie, so that several calls do not cover each other.
    """
    for row, values in enumerate(groups.values()):
        name = label if row == 0 else "_"
        axis.plot(values, np.full(len(values), row + shift), "o", color=colour, label=name)
        axis.plot([np.mean(values)], [row + shift], "|", color=colour, markersize=14, label="_")
    axis.set_yticks(range(len(groups)), list(groups))
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)

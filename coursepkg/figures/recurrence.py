"""A picture of an unrolled recurrent layer."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coursepkg.figures.style import COLOURS

_STEP, _ROW = 2.2, 1.4  # from one step to the next, and from a step to its input and its loss
_ASIDE = 0.14  # how far an arrow runs beside the line through the middles of its boxes
_ACROSS, _UP = 0.42, 0.24  # from the middle of a box to the end of an arrow


def draw_unrolled(steps: int = 3) -> Figure:
    """Draw a simple recurrent layer step by step, with the ways forward and back.

    From left to right the states, below the inputs, above the losses. Solid arrows are the forward
    pass, dashed ones the gradients.

    Parameters
    ----------
    steps : int
        How many steps to draw.

    Raises
    ------
    ValueError
        If there is no step, or more than fit into a picture, 5.
    """
    if not 1 <= steps <= 5:
        raise ValueError(f"steps: expected 1 to 5, got {steps}")
    figure, axis = plt.subplots(figsize=(2.0 * (steps + 0.6), 3.6))
    axis.set(xlim=(-0.7, _STEP * steps + 0.7), ylim=(-_ROW - 0.4, _ROW + 0.4))
    axis.axis("off")
    _draw_box(axis, 0, 0, r"$\mathbf{H}_0 = \mathbf{0}$", "white")
    for t in range(1, steps + 1):
        x, left, right = _STEP * t, _STEP * (t - 1) + _ACROSS, _STEP * t - _ACROSS
        _draw_box(axis, x, 0, "tanh", "#e8f2fa")
        _draw_box(axis, x, -_ROW, rf"$\mathbf{{X}}_{t}$", "white")
        _draw_box(axis, x, _ROW, f"loss {t}", "white")
        _draw_arrow(
            axis, (left, _ASIDE), (right, _ASIDE), rf"$\mathbf{{H}}_{t - 1}\mathbf{{U}}$", "above"
        )
        _draw_arrow(axis, (x, -_ROW + _UP), (x, -_UP), rf"$\mathbf{{X}}_{t}\mathbf{{W}}$", "left")
        up, down = x - _ASIDE / 2, x + _ASIDE / 2
        _draw_arrow(axis, (up, _UP), (up, _ROW - _UP), rf"$\mathbf{{H}}_{t}$", "left")
        _draw_arrow(axis, (down, _ROW - _UP), (down, _UP), rf"$\mathbf{{V}}_{t}$", "right")
        if t > 1:
            back = rf"$\mathbf{{\delta}}_{t}\mathbf{{U}}^T$"
            _draw_arrow(axis, (right, -_ASIDE), (left, -_ASIDE), back, "below")
    return figure


def _draw_box(axis: Axes, x: float, y: float, text: str, colour: str) -> None:
    box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "#444444"}
    axis.text(x, y, text, ha="center", va="center", bbox=box)


def _draw_arrow(
    axis: Axes, tail: tuple[float, float], tip: tuple[float, float], text: str, side: str
) -> None:
    """Draw an arrow, blue, or dashed and orange if it goes left or down, and its label."""
    back = tip[0] < tail[0] or tip[1] < tail[1]
    colour = COLOURS["orange" if back else "blue"]
    arrow = {"arrowstyle": "-|>", "color": colour, "linestyle": "--" if back else "-"}
    axis.annotate("", tip, tail, arrowprops=arrow | {"shrinkA": 0, "shrinkB": 0})
    place, horizontal, vertical = {
        "above": ((0, 4), "center", "bottom"),
        "below": ((0, -4), "center", "top"),
        "left": ((-5, 0), "right", "center"),
        "right": ((5, 0), "left", "center"),
    }[side]
    middle = ((tail[0] + tip[0]) / 2, (tail[1] + tip[1]) / 2)
    axis.annotate(
        text, middle, place, textcoords="offset points", color=colour, ha=horizontal, va=vertical
    )

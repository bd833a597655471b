"""Diagrams of boxes and arrows."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

_INK = "#444444"


def draw_boxes(
    places: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str]],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Figure:
    """Draw boxes with texts, arrows between them, and frames around groups of them.

    Parameters
    ----------
    places : mapping of str to (column, row)
        Where the box with each text stands; rows count downwards.
    arrows : sequence of (text, text)
        From which box to which.
    groups : mapping of str to sequence of str
        The boxes in each frame, by the frame's title.

    Raises
    ------
    ValueError
        If an arrow or a group names a box that does not exist.
    """
    groups = groups or {}
    named = {name for names in (*arrows, *groups.values()) for name in names}
    if unknown := named - set(places):
        raise ValueError(f"expected boxes among {list(places)}, got {sorted(unknown)}")
    columns = 1 + max(column for column, _ in places.values())
    rows = 1 + max(row for _, row in places.values())
    figure, axis = plt.subplots(figsize=(1.5 * columns, 0.85 * rows))
    axis.set(xlim=(-0.55, columns - 0.45), ylim=(rows - 0.5, -0.75 if groups else -0.5))
    axis.axis("off")
    for index, (title, names) in enumerate(groups.items()):
        _draw_frame(axis, title, [places[name] for name in names], f"C{index}")
    boxes = {name: _draw_box(axis, name, place) for name, place in places.items()}
    for start, end in arrows:
        axis.annotate(
            "", places[end], places[start], zorder=2,
            arrowprops={
                "arrowstyle": "-|>", "color": _INK, "shrinkA": 0, "shrinkB": 0,
                "patchA": boxes[start], "patchB": boxes[end],
            },
        )  # fmt: skip
    return figure


def _draw_box(axis: Axes, text: str, place: tuple[float, float]) -> FancyBboxPatch:
    column, row = place
    height = 0.32 + 0.2 * text.count("\n")
    box = FancyBboxPatch(
        (column - 0.4, row - height / 2), 0.8, height, zorder=3,
        boxstyle="round,pad=0,rounding_size=0.06", facecolor="#e8f2fa", edgecolor=_INK,
    )  # fmt: skip
    axis.add_patch(box)
    axis.text(column, row, text, ha="center", va="center", fontsize=9, zorder=4)
    return box


def _draw_frame(axis: Axes, title: str, inside: Sequence[tuple[float, float]], colour: str) -> None:
    left, right = (edge(column for column, _ in inside) for edge in (min, max))
    top, bottom = (edge(row for _, row in inside) for edge in (min, max))
    axis.add_patch(
        FancyBboxPatch(
            (left - 0.46, top - 0.42), right - left + 0.92, bottom - top + 0.8,
            boxstyle="round,pad=0,rounding_size=0.08", facecolor="none",
            edgecolor=colour, linestyle="--", zorder=1,
        )
    )  # fmt: skip
    axis.text(left - 0.42, top - 0.45, title, color=colour, fontsize=8.5, va="bottom", zorder=3)

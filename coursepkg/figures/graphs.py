"""Pictures of computation graphs."""

from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from coursepkg.figures.style import COLOURS

_LARGEST = 40
_BOX_WIDTH, _BOX_HEIGHT = 0.55, 0.6  # in columns and rows
_BEFORE = 0.5  # how far in front of its result an operation stands, in columns
_INK = "#444444"


class _Bend:
    """A place where a line passes a column in which neither of its ends stands."""


def draw_graph(output: Any, digits: int = 3) -> Figure:
    """Draw how a number was computed: inputs on the left, the output on the right.

    Each box holds a label, a value and, below, the gradient. The circle in front of a box is the
    operation that made it; the number on a line into a circle is the local derivative.

    Parameters
    ----------
    output : object
        A hashable node with the attributes ``value``, ``gradient``, ``label``, ``operation``,
        ``parents`` (nodes) and ``slopes`` (numbers, one for each parent).
    digits : int
        Significant digits of all numbers.

    Raises
    ------
    ValueError
        If the graph has more nodes than can be read in one picture, 40.
    """
    nodes = _all_nodes(output)
    columns, routes = _columns(nodes)
    places = {
        node: (column, (len(members) - 1) / 2 - row)
        for column, members in enumerate(columns)
        for row, node in enumerate(members)
    }
    rows = max(len(members) for members in columns)
    figure, axis = plt.subplots(figsize=(1.9 * len(columns), 0.95 * rows + 0.1))
    axis.set(xlim=(-0.4, len(columns) - 0.6), ylim=(-rows / 2, rows / 2))
    axis.axis("off")
    for node in nodes:
        for index, (route, slope) in enumerate(zip(routes[node], node.slopes, strict=True)):
            (x, y), *others = (places[stop] for stop in route)
            same = [i for i, parent in enumerate(node.parents) if parent is route[0]]
            start = (x + _BOX_WIDTH / 2, y + 0.3 * (same.index(index) - (len(same) - 1) / 2))
            _draw_line(axis, [start, *others], _text(slope, digits))
        _draw_node(axis, node, places[node], digits)
    return figure


def _all_nodes(output: Any) -> list[Any]:
    nodes = [output]
    for node in nodes:
        if len(nodes) > _LARGEST:
            raise ValueError(f"expected a graph of at most {_LARGEST} nodes")
        nodes += [p for p in dict.fromkeys(node.parents) if all(p is not n for n in nodes)]
    return nodes


def _columns(nodes: list[Any]) -> tuple[list[list[Any]], dict[Any, list[list[Any]]]]:
    """Give each node the column its longest path to the output asks for, and route the lines.

    Returns the members of each column from top to bottom, bends included, and for each node one
    route from each parent: [parent, bends, node].
    """
    to_output = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for node in nodes:
            for parent in node.parents:
                to_output[parent] = max(to_output[parent], to_output[node] + 1)
    last = max(to_output.values())
    columns: list[list[Any]] = [[] for _ in range(last + 1)]
    routes: dict[Any, list[list[Any]]] = {node: [] for node in nodes}
    for node in nodes:
        columns[last - to_output[node]].append(node)
    for node in nodes:
        for parent in node.parents:
            between = range(last - to_output[parent] + 1, last - to_output[node])
            bends = {column: _Bend() for column in between}
            for column, bend in bends.items():
                columns[column].append(bend)
            routes[node].append([parent, *bends.values(), node])
    _sort(columns, [pair for many in routes.values() for one in many for pair in pairwise(one)])
    return columns, routes


def _sort(columns: list[list[Any]], neighbours: list[tuple[Any, Any]]) -> None:
    """Reorder each column, so that lines cross little: by the mean height of the neighbours."""
    for sweep in range(8):
        heights = {n: (len(c) - 1) / 2 - i for c in columns for i, n in enumerate(c)}
        for column in columns if sweep % 2 else columns[::-1]:
            linked = {
                n: [heights[b if a is n else a] for a, b in neighbours if n in (a, b)]
                for n in column
            }
            means = {n: sum(near) / len(near) if near else 0 for n, near in linked.items()}
            column.sort(key=lambda n, means=means: -means[n])
            heights |= {n: (len(column) - 1) / 2 - i for i, n in enumerate(column)}


def _draw_line(axis: Axes, stops: list[tuple[float, float]], slope: str) -> None:
    """Draw a line from a parent's box over its bends to the operation, with the slope on it."""
    *points, (x, y) = stops
    points.append((x - _BEFORE, y))
    axis.plot(*zip(*points, strict=True), color=_INK, linewidth=1, marker="", zorder=1)
    (x0, y0), (x1, y1) = points[-2:]
    axis.text(
        x0 + 0.35 * (x1 - x0), y0 + 0.35 * (y1 - y0), slope, color=COLOURS["orange"], fontsize=8,
        ha="center", va="center", zorder=2,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _draw_node(axis: Axes, node: Any, place: tuple[float, float], digits: int) -> None:
    """Draw the box of a node and, if it was computed, the operation in front of it."""
    x, y = place
    if node.parents:
        arrow = {"arrowstyle": "-|>", "color": _INK, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", (x - _BOX_WIDTH / 2, y), (x - _BEFORE, y), arrowprops=arrow)
        axis.text(
            x - _BEFORE, y, node.operation, ha="center", va="center", fontsize=9, zorder=3,
            bbox={"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": _INK},
        )  # fmt: skip
    axis.add_patch(
        FancyBboxPatch(
            (x - _BOX_WIDTH / 2, y - _BOX_HEIGHT / 2), _BOX_WIDTH, _BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.06", edgecolor=_INK,
            facecolor="#e8f2fa" if node.label and not node.parents else "white", zorder=2,
        )
    )  # fmt: skip
    name = f"{node.label} = " if node.label else ""
    for above, text, colour in [
        (0.13, name + _text(node.value, digits), "black"),
        (-0.15, "gradient " + _text(node.gradient, digits), COLOURS["blue"]),
    ]:
        axis.text(x, y + above, text, color=colour, fontsize=8, ha="center", va="center", zorder=3)


def _text(number: float, digits: int) -> str:
    return f"{number + 0.0:.{digits}g}".replace("-", "−")  # adding 0.0 turns -0.0 into 0.0

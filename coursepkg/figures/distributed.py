"""Pictures of work on several workers: a pipeline's schedule, and chunks on their way in a ring."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from coursepkg.figures.style import COLOURS


def draw_schedule(axis: Axes, slots: Sequence[Any], numbers: bool = True) -> None:
    """Draw what each stage of a pipeline does when: a row a stage, a box a pass.

    Parameters
    ----------
    axis : matplotlib Axes
        Where to draw.
    slots : sequence of objects
        With the attributes ``stage``, ``microbatch``, ``forward``, ``start`` and ``end``, such as
        `coursepkg.scratch.scaling.simulate` returns.
    numbers : bool
        Whether the microbatch's number, from 1, stands in the box.

    Raises
    ------
    ValueError
        If there is nothing to draw.
    """
    if not slots:
        raise ValueError("expected at least one slot, got none")
    for slot in slots:
        colour = COLOURS["sky"] if slot.forward else COLOURS["amber"]
        corner, width = (slot.start, slot.stage - 0.4), slot.end - slot.start
        axis.add_patch(Rectangle(corner, width, 0.8, facecolor=colour, edgecolor="white"))
        if numbers:
            centre = (slot.start + width / 2, slot.stage)
            axis.text(*centre, slot.microbatch + 1, ha="center", va="center", fontsize=8)
    stages = 1 + max(slot.stage for slot in slots)
    axis.set(
        xlim=(0, max(slot.end for slot in slots)),
        ylim=(stages - 0.5, -0.5),
        yticks=range(stages),
        yticklabels=[f"stage {k + 1}" for k in range(stages)],
    )
    axis.grid(visible=False)


def draw_chunks(axis: Axes, counts: np.ndarray, title: str) -> None:
    """Draw how many workers' numbers each chunk on each worker holds already.

    Parameters
    ----------
    axis : matplotlib Axes
        Where to draw.
    counts : ndarray of int, shape (workers, chunks)
        The numbers.
    title : str
        Above the picture.

    Raises
    ------
    ValueError
        If the counts are no matrix.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2:
        raise ValueError(f"expected counts of shape (workers, chunks), got {counts.shape}")
    workers, chunks = counts.shape
    axis.imshow(counts, cmap="Blues", vmin=0, vmax=1.6 * workers, aspect="equal")
    for rank in range(workers):
        for chunk in range(chunks):
            full = counts[rank, chunk] == workers
            axis.text(
                chunk,
                rank,
                counts[rank, chunk],
                ha="center",
                va="center",
                fontsize=9,
                fontweight="bold" if full else "normal",
            )
    axis.set(xticks=range(chunks), yticks=range(workers))
    axis.set_title(title, fontsize=9)
    axis.grid(visible=False)

"""Pictures of history: what happened when."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from coursepkg.figures.style import COLOURS

_YEARS_PER_LETTER = 0.62


def timeline(events: Sequence[tuple[int, str, str]], tracks: Sequence[str]) -> Figure:
    """Draw events as dots with names, one band for each track, time running to the right.

    Parameters
    ----------
    events : sequence of (year, name, track)
    tracks : sequence of str
        The bands from top to bottom.

    Raises
    ------
    ValueError
        If an event belongs to none of the tracks.
    """
    if unknown := {track for _, _, track in events} - set(tracks):
        raise ValueError(f"expected tracks among {list(tracks)}, got {sorted(unknown)}")
    bands = {
        track: _rows([(year, name) for year, name, of in sorted(events) if of == track])
        for track in tracks
    }
    heights = {track: max(row for _, _, row in band) + 1.9 for track, band in bands.items()}
    figure, axis = plt.subplots(figsize=(11, 0.27 * sum(heights.values()) + 0.6))
    top = 0.0
    for index, (track, band) in enumerate(bands.items()):
        colour = list(COLOURS.values())[index % len(COLOURS)]
        axis.axhspan(top, top + heights[track], color=colour, alpha=0.07)
        axis.text(
            0.004, top + 0.7, track, color=colour, weight="bold", va="center",
            transform=axis.get_yaxis_transform(),
        )  # fmt: skip
        for year, name, row in band:
            height = top + row + 1.4
            axis.plot(year, height, "o", color=colour)
            axis.text(year + 0.6, height, name, fontsize=8.5, va="center")
        top += heights[track]
    years = [year for year, _, _ in events]
    axis.set(xlim=(min(years) - 2, max(years) + 10), ylim=(top, 0), yticks=[], xlabel="year")
    axis.spines["left"].set_visible(False)
    return figure


def _rows(events: Sequence[tuple[int, str]]) -> list[tuple[int, str, int]]:
    """Give each event the first row in which its name does not meet the one before."""
    ends: list[float] = []
    placed = []
    for year, name in events:
        row = next((row for row, end in enumerate(ends) if end <= year), len(ends))
        ends[row:] = [year + 1.8 + _YEARS_PER_LETTER * len(name), *ends[row + 1 :]]
        placed.append((year, name, row))
    return placed

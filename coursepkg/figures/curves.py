"""Curves of an experiment that was run several times."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes


def mean_and_range(
    axis: Axes, x: np.ndarray, runs: np.ndarray, label: str, **line: Any
) -> np.ndarray:
    """Draw the mean of several runs as a line, and their range as a band around it.

    Parameters
    ----------
    axis : matplotlib Axes
        Where to draw.
    x : ndarray, shape (P,)
        The points at which each run was measured.
    runs : ndarray, shape (R, P)
        One row for each of R runs.
    label : str
        The line's name in the legend.
    **line
        Further properties of the line.

    Returns
    -------
    ndarray, shape (P,)
        The mean.

    Raises
    ------
    ValueError
        If the runs do not have a value for each point.
    """
    runs = np.asarray(runs)
    if runs.ndim != 2 or runs.shape[1] != len(x):
        raise ValueError(f"expected runs of shape (R, {len(x)}), got {runs.shape}")
    mean = runs.mean(axis=0)
    (drawn,) = axis.plot(x, mean, label=label, **line)
    axis.fill_between(
        x, runs.min(axis=0), runs.max(axis=0), color=drawn.get_color(), alpha=0.2, linewidth=0
    )
    return mean

"""What it took to train 518 notable systems, 1950 to 2025, in floating-point operations.

The numbers are estimates of Epoch AI. Origin and licence: ``data/training_runs.LICENSE.txt``.
"""

from __future__ import annotations

import numpy as np

from coursepkg.datasets._content import Arrays
from coursepkg.datasets._table import read_table


def load_data() -> Arrays:
    """Return the systems in order of their dates, one array a column.

    Returns
    -------
    dict
        ``system``, ``domain`` and ``work`` (the key of the paper in the bibliography; for a few):
        text. ``date``: the day of publication, ``datetime64[D]``; ``year``: the same as a decimal
        number. ``flop``: floating-point operations of the training, as estimated in the edition
        of December 2025; ``flop_2023``: as estimated in the edition of spring 2023, nan where that
        had no number or another name for the system.
    """
    table = read_table("training_runs", ("flop", "flop_2023"))
    days = table["date"].astype("datetime64[D]")
    first = days.astype("datetime64[Y]")
    length = (first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")
    year = first.astype(int) + 1970 + (days - first.astype("datetime64[D]")) / length
    return table | {"date": days, "year": year.astype(np.float64)}

"""Processors from 1971 to 2024: transistor counts, and the clock and power of many of them.

Each row of ``data/processors.csv`` names the page its numbers are from. The trends of
``data/processor_trends.csv`` were collected by Karl Rupp; his licence is in
``data/processor_trends.LICENSE.txt``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coursepkg.datasets._content import Arrays
from coursepkg.datasets._table import read_table

_NUMBERS = ("year", "transistors", "process_nm", "clock_mhz", "power_w", "price_usd")


def load_data() -> Arrays:
    """Return 44 processors with their transistor counts, one array a column.

    Returns
    -------
    dict
        ``name``, ``maker`` and ``source`` (the page that the counts are from): text.
        ``year`` of introduction (a decimal number where the day or the month is known),
        ``transistors``, ``process_nm`` (the name of the process in nanometres), ``clock_mhz``,
        ``power_w`` (the thermal design power in watts) and ``price_usd`` (one piece, at
        introduction): float, nan where the source says nothing.
    """
    return read_table("processors", _NUMBERS)


def load_trends() -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the transistors, the clock and the power of about 100 processors each, 1971 to 2021.

    Returns
    -------
    dict
        From ``transistors``, ``clock_mhz`` and ``power_w`` to a pair: the years and the values.
        The processors have no names. Those before 2011 were read off a printed figure, so they are
        a few per cent off.
    """
    table = read_table("processor_trends", ("year", "value"))
    return {
        str(quantity): (
            table["year"][table["quantity"] == quantity],
            table["value"][table["quantity"] == quantity],
        )
        for quantity in ("transistors", "clock_mhz", "power_w")
    }

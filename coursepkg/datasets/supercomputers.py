"""The fastest computers of their time, and those that did most with a joule.

The numbers are from the lists TOP500 and Green500; each row of ``data/supercomputers.csv`` names
the page that reports them.
"""

from __future__ import annotations

from coursepkg.datasets._content import Arrays
from coursepkg.datasets._table import read_table


def load_data() -> Arrays:
    """Return 30 computers, one array a column.

    Returns
    -------
    dict
        ``machine`` and ``source``: text. ``list``: "TOP500" for the fastest computer of a list,
        "Green500" for the one with the most operations a joule, and "peak" for the Cray-1, whose
        speed is its maker's. ASCI Red and Roadrunner stand for "more than" their round numbers.
        ``year`` of the list; ``gflops``: thousand millions of operations a second, on numbers of
        64 bits, in the benchmark Linpack; ``gflops_per_watt``: float, nan where the page does not
        say.
    """
    return read_table("supercomputers", ("year", "gflops", "gflops_per_watt"))

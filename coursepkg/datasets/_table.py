"""Tables of typed facts that travel inside the package: the files ``data/*.csv``."""

from __future__ import annotations

import csv

import numpy as np
from numpy.typing import NDArray

from coursepkg.datasets import _bundled
from coursepkg.datasets._content import Arrays, DamagedDataError


def read_table(name: str, numbers: tuple[str, ...]) -> Arrays:
    """Return the columns of a table, by name.

    Parameters
    ----------
    name
        The name of its file in ``data/``, without ``.csv``.
    numbers
        The columns that hold numbers; they become float64, with nan where the cell is empty. The
        others are text.

    Raises
    ------
    DamagedDataError
        If the file is missing, has no such column, or has something else than a number in one.
    """
    file = f"{name}.csv"
    try:
        text = (_bundled.DATA / file).read_text(encoding="utf-8")
        header, *rows = csv.reader(text.splitlines())
        cells = dict(zip(header, zip(*rows, strict=True), strict=True))
        return {
            column: _as_numbers(values) if column in numbers else np.array(values)
            for column, values in (cells | {column: cells[column] for column in numbers}).items()
        }
    except (OSError, ValueError, KeyError) as error:
        raise DamagedDataError(
            f"this installation of coursepkg is damaged: {file} cannot be read ({error!r}). "
            "Install the package again."
        ) from error


def _as_numbers(cells: tuple[str, ...]) -> NDArray[np.float64]:
    return np.array([float(cell) if cell else np.nan for cell in cells])

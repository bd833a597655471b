"""Named arrays in ``.npz`` files: read without pickles, written the same way every time."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = dict[str, NDArray[Any]]


class DamagedDataError(ValueError):
    """The bytes at hand are not the dataset: cut short, changed, or something else altogether."""


def read_npz(data: bytes) -> Arrays:
    """Return the arrays in the bytes of an ``.npz`` file, by name.

    Raises
    ------
    DamagedDataError
        If the bytes are no such file, or hold pickled objects.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # damaged bytes make zipfile, zlib and NumPy raise almost anything
        raise DamagedDataError(f"not a readable .npz file ({error})") from error


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of a compressed ``.npz`` file; equal arrays give equal bytes.

    NumPy dates the members of the archive 1980-01-01. Another build of zlib may compress
    differently; the arrays read back are the same.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()

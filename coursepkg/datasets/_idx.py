"""The IDX file format, in which MNIST and Fashion-MNIST are published.

A file is a header and then the values, last axis fastest. The header is two zero bytes, the code
of the value type (``08`` for unsigned bytes, the only type read here), the number of axes, and the
length of each axis as a big-endian 32-bit integer.
Source: http://yann.lecun.com/exdb/mnist/ ("The IDX file format").
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coursepkg.datasets._content import Arrays, DamagedDataError

IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
"""The name of each array, and of the file in which the original publication has it."""

GZIPPED_IDX_FILES = tuple(f"{file}.gz" for file in IDX_FILES.values())

_GZIP_MAGIC = b"\x1f\x8b"


def _header(shape: Sequence[int]) -> bytes:
    return struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)


def read_idx(data: bytes) -> NDArray[np.uint8]:
    """Return the array in the bytes of an IDX file of unsigned bytes, gzipped or not.

    Raises
    ------
    DamagedDataError
        If the bytes are no such file, or fewer or more than the header announces.
    """
    if data.startswith(_GZIP_MAGIC):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedDataError(f"not a readable gzip file ({error})") from error
    values_at = 4 + 4 * data[3] if len(data) > 3 else 4
    if data[:3] != b"\0\0\x08" or len(data) < values_at:
        raise DamagedDataError(
            "expected an IDX file of unsigned bytes, whose header begins with 00 00 08; "
            f"got {len(data)} bytes that begin with {data[:4].hex(' ')}"
        )
    shape = struct.unpack(f">{data[3]}I", data[4:values_at])
    values = np.frombuffer(data, np.uint8, offset=values_at)
    if values.size != math.prod(shape):
        raise DamagedDataError(
            f"expected {math.prod(shape)} values, as the header says (shape {shape}); "
            f"got {values.size}"
        )
    return values.reshape(shape).copy()


def read_idx_files(files: Sequence[bytes]) -> Arrays:
    """Return the arrays in the bytes of the four files, given in the order of `IDX_FILES`."""
    arrays: Arrays = {}
    for (name, file), data in zip(IDX_FILES.items(), files, strict=True):
        try:
            arrays[name] = read_idx(data)
        except DamagedDataError as error:
            raise DamagedDataError(f"{file}: {error}") from error
    return arrays


def idx_sha256(array: NDArray[np.uint8]) -> str:
    """Return the sha256 of the array's IDX file, not compressed, in hexadecimal.

    Whatever file an array came in, this number can be compared with published ones.
    """
    digest = hashlib.sha256(_header(array.shape))
    digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def checked(arrays: Arrays, expected_sha256: Mapping[str, str]) -> Arrays:
    """Return the arrays if they are exactly the expected ones.

    Parameters
    ----------
    arrays
        The arrays by name; others than the expected ones are left out of the result.
    expected_sha256
        What `idx_sha256` must give for each of them.

    Raises
    ------
    DamagedDataError
        If an array is missing, is not of unsigned bytes, or differs in a single bit.
    """
    for name, expected in expected_sha256.items():
        array = arrays.get(name)
        if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
            got = {key: str(getattr(value, "dtype", "bytes")) for key, value in arrays.items()}
            raise DamagedDataError(f"expected an array {name!r} of type uint8; got {got}")
        if (actual := idx_sha256(array)) != expected:
            raise DamagedDataError(
                f"{name} is not the original: expected sha256 {expected}, "
                f"got {actual} (shape {array.shape})"
            )
    return {name: arrays[name] for name in expected_sha256}

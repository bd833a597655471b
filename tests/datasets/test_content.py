"""Reading and writing .npz files."""

import io
import pickle

import numpy as np
import pytest

from coursepkg.datasets import DamagedDataError
from coursepkg.datasets._content import npz_bytes, read_npz

ARRAYS = {"x": np.arange(60, dtype=np.uint8).reshape(3, 4, 5), "names": np.array(["a", "ñ"])}


def test_what_is_written_is_read_back():
    arrays = read_npz(npz_bytes(ARRAYS))
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_equal_arrays_give_equal_bytes_at_any_time(monkeypatch):
    first = npz_bytes(ARRAYS)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert npz_bytes({name: array.copy() for name, array in ARRAYS.items()}) == first


def with_pickle() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([{"an": "object"}], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html>",
        npz_bytes(ARRAYS)[:-30],
        npz_bytes(ARRAYS)[:40] + b"\xff" * 40 + npz_bytes(ARRAYS)[80:],
        with_pickle(),
        pickle.dumps(ARRAYS),
    ],
    ids=["empty", "web page", "cut short", "overwritten", "pickled object", "pickle"],
)
def test_bytes_that_are_no_such_file_are_refused(data):
    with pytest.raises(DamagedDataError, match=r"not a readable \.npz file"):
        read_npz(data)

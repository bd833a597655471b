"""Reading IDX files, and recognising the original content."""

import gzip
import hashlib

import numpy as np
import pytest

from coursepkg.datasets import DamagedDataError
from coursepkg.datasets._idx import checked, idx_sha256, read_idx, read_idx_files

# Written by hand from the description of the format: two images of one row and three columns.
IMAGES = bytes.fromhex("00000803 00000002 00000001 00000003 010203 0405ff")
LABELS = bytes.fromhex("00000801 00000002 0709")


def test_images_and_labels_are_read():
    np.testing.assert_array_equal(read_idx(IMAGES), [[[1, 2, 3]], [[4, 5, 255]]])
    np.testing.assert_array_equal(read_idx(LABELS), [7, 9])
    assert read_idx(IMAGES).dtype == np.uint8


def test_gzipped_files_are_read_too():
    np.testing.assert_array_equal(read_idx(gzip.compress(IMAGES)), read_idx(IMAGES))


def test_the_arrays_can_be_written_to():
    labels = read_idx(LABELS)
    labels[0] = 1
    assert labels[0] == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got 0 bytes"),
        (b"<html>", "begins with 00 00 08; got 6 bytes that begin with 3c 68 74 6d"),
        (IMAGES[:10], "got 10 bytes"),
        (IMAGES[:2] + b"\x0d" + IMAGES[3:], "begin with 00 00 0d 03"),
        (IMAGES[:-1], r"expected 6 values.*\(2, 1, 3\)\); got 5"),
        (IMAGES + b"\0", "got 7"),
        (gzip.compress(IMAGES)[:-9], "not a readable gzip file"),
        (gzip.compress(IMAGES)[:-6] + b"123456", "not a readable gzip file"),
        (b"\x1f\x8bnonsense", "not a readable gzip file"),
    ],
    ids=[
        "empty",
        "web page",
        "cut header",
        "floats",
        "one value too few",
        "one value too many",
        "cut gzip file",
        "gzip file with a wrong checksum",
        "no gzip file",
    ],
)
def test_other_bytes_are_refused(data, message):
    with pytest.raises(DamagedDataError, match=message):
        read_idx(data)


def test_the_four_files_get_their_names_in_order():
    arrays = read_idx_files([IMAGES, LABELS, IMAGES, LABELS])
    assert list(arrays) == ["x_train", "y_train", "x_test", "y_test"]
    assert arrays["y_test"].shape == (2,)


def test_a_damaged_file_is_named():
    with pytest.raises(DamagedDataError, match="t10k-labels-idx1-ubyte: expected an IDX file"):
        read_idx_files([IMAGES, LABELS, IMAGES, b"x"])


def test_the_sha256_is_that_of_the_idx_file():
    assert idx_sha256(read_idx(IMAGES)) == hashlib.sha256(IMAGES).hexdigest()
    assert idx_sha256(read_idx(LABELS)) == hashlib.sha256(LABELS).hexdigest()


def test_the_sha256_does_not_depend_on_the_layout_in_memory():
    images = read_idx(IMAGES)
    assert idx_sha256(np.asfortranarray(images)) == idx_sha256(images)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, r"expected an array 'y' of type uint8; got \{\}"),
        ({"y": np.array([7, 9])}, "got {'y': 'int64'}"),
        ({"y": b"7 9"}, "got {'y': 'bytes'}"),
        ({"y": np.array([7, 8], np.uint8)}, "y is not the original: expected sha256"),
        ({"y": np.array([[7], [9]], np.uint8)}, r"not the original.*\(2, 1\)"),
    ],
    ids=["missing", "other type", "no array", "changed", "other shape"],
)
def test_only_the_original_arrays_pass(arrays, message):
    with pytest.raises(DamagedDataError, match=message):
        checked(arrays, {"y": hashlib.sha256(LABELS).hexdigest()})


def test_the_original_arrays_pass_and_others_are_left_out():
    labels = read_idx(LABELS)
    arrays = checked({"y": labels, "z": labels}, {"y": hashlib.sha256(LABELS).hexdigest()})
    assert list(arrays) == ["y"]
    assert arrays["y"] is labels

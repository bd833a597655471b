"""Fashion-MNIST: photographs of clothes and shoes, 28 by 28 pixels, in the format of MNIST.

The package holds 5,000 training and 1,000 test images, as many of each class; the full set has
60,000 and 10,000. Origin, authors and licence: ``data/fashion_mnist.LICENSE.txt``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coursepkg.datasets import _split
from coursepkg.datasets._download import FullSet, Mirror
from coursepkg.datasets._idx import GZIPPED_IDX_FILES, read_idx_files

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""``CLASS_NAMES[label]`` says what a label means."""

FULL_SET = FullSet(
    name="fashion_mnist",
    sha256={
        "x_train": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "y_train": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "x_test": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "y_test": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        Mirror(
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            GZIPPED_IDX_FILES,
            read_idx_files,
        ),
        Mirror(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            GZIPPED_IDX_FILES,
            read_idx_files,
        ),
    ),
    by_hand=(
        f"the four files {', '.join(GZIPPED_IDX_FILES)}, gzipped or plain (the Debian package "
        "dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist),"
    ),
)


def load_data(full: bool = False) -> tuple[_split.Part, _split.Part]:
    """Return the images and their classes.

    Parameters
    ----------
    full
        Whether to give all 70,000 images. The first time they are downloaded (31 MB) and kept in
        ``~/.cache/coursepkg``, or in the folder that the variable ``COURSEPKG_DATA`` names.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        ``x``: images, uint8 of shape (n, 28, 28), 0 (background) to 255;
        ``y``: the class of each, an index into `CLASS_NAMES`, uint8 of shape (n,).
        n is 5,000 and 1,000; with `full`, 60,000 and 10,000.

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
        int32 of shapes (5000,) and (1000,): ``full_x_train[train_rows]`` is ``x_train``.
    """
    return _split.bundled_rows(FULL_SET.name)

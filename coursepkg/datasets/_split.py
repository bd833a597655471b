"""Datasets of labelled images or other items, split into a training and a test set."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coursepkg.datasets._bundled import load_bundled
from coursepkg.datasets._download import FullSet, load_full

Part: TypeAlias = tuple[NDArray[Any], NDArray[Any]]


def load_split(full_set: FullSet, full: bool) -> tuple[Part, Part]:
    """Return ``(x_train, y_train), (x_test, y_test)``, bundled or full.

    Raises
    ------
    ValueError
        If `full` is neither True nor False.
    """
    if not isinstance(full, bool):
        raise ValueError(f"full: expected True or False, got {full!r}")
    arrays = load_full(full_set) if full else load_bundled(full_set.name)
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def bundled_rows(name: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return which rows of the full training set, and of the full test set, are bundled."""
    arrays = load_bundled(name)
    return arrays["train_rows"], arrays["test_rows"]

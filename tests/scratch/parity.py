"""How closely the package has to follow Keras."""

import numpy as np

TOLERANCE = {np.dtype("float64"): 1e-6, np.dtype("float32"): 1e-5}


def assert_parity(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Demand the same type and shape, and the same numbers within the tolerance of the type.

    The deviation is measured against the size of the number, or against 1 if it is smaller.
    """
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    tolerance = TOLERANCE[ours.dtype]
    deviation = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
    assert (deviation <= tolerance).all(), f"largest deviation {deviation.max()} above {tolerance}"

"""Functions applied to a layer's weighted sums."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    r"""Turn scores into probabilities.

    .. math:: p_k = \frac{e^{z_k - m}}{\sum_{j=1}^{K} e^{z_j - m}}, \qquad m = \max_j z_j

    Subtracting :math:`m` changes nothing in exact arithmetic and keeps the powers from overflowing.

    Parameters
    ----------
    logits : ndarray, shape (..., K)
        One score for each of K classes, any real numbers.

    Returns
    -------
    ndarray, shape (..., K)
        Numbers between 0 and 1 that sum to 1 along the last axis.
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)

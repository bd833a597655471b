"""Functions that say how wrong a prediction is."""

import numpy as np


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    r"""Cross-entropy of integer labels, from scores.

    .. math:: \ell = -\log p_y = m + \log \sum_{j=1}^{K} e^{z_j - m} - z_y, \qquad m = \max_j z_j

    Parameters
    ----------
    logits : ndarray, shape (N, K)
        One score for each of K classes.
    labels : ndarray of int, shape (N,)
        The right class of each row, from 0 to K - 1.

    Returns
    -------
    ndarray, shape (N,)
        The loss of each row in nats; 0 only if the right class has probability 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a label is no class.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"expected logits (N, K) and labels (N,), got {logits.shape} and {labels.shape}"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(
            f"labels must be from 0 to {logits.shape[1] - 1}, "
            f"got values from {labels.min()} to {labels.max()}"
        )
    highest = logits.max(axis=1)
    log_sum = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return log_sum - logits[np.arange(len(labels)), labels]

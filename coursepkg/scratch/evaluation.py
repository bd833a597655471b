"""Judging a classifier: how good, how surely, where it errs, and whether it knows."""

from typing import NamedTuple

import numpy as np


def wilson_interval(correct: int, total: int, z: float = 1.96) -> tuple[float, float]:
    r"""Interval for an accuracy that was measured on `total` independent examples.

    With the measured accuracy :math:`\hat p` and :math:`n` examples, the bounds are

    .. math::

        \frac{\hat p + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n}
        + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}

    Parameters
    ----------
    correct : int
        Examples answered rightly.
    total : int
        Examples answered, at least 1.
    z : float
        Half-width in standard errors; 1.96 gives 95 %.

    Returns
    -------
    tuple of float
        Lower and upper bound, from 0 to 1.

    Raises
    ------
    ValueError
        If the counts are impossible.

    References
    ----------
    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    Journal of the American Statistical Association 22 (158), 1927.
    """
    if not 0 <= correct <= total or total < 1:
        raise ValueError(f"expected 0 <= correct <= total and total >= 1, got {correct}, {total}")
    share = correct / total
    centre = share + z**2 / (2 * total)
    half = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    scale = 1 + z**2 / total
    return float((centre - half) / scale), float((centre + half) / scale)


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count how often each class was taken for each class.

    Parameters
    ----------
    labels, predicted : ndarray of int, shape (N,)
        The right classes and the predicted ones, from 0 to `classes` - 1.
    classes : int
        The number of classes, K.

    Returns
    -------
    ndarray of int, shape (K, K)
        Entry (i, j) counts the examples of class i that were predicted as j.

    Raises
    ------
    ValueError
        If the two arrays differ in shape.
    """
    if labels.shape != predicted.shape or labels.ndim != 1:
        raise ValueError(
            f"expected two arrays of one shape (N,), got {labels.shape} and {predicted.shape}"
        )
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


class Calibration(NamedTuple):
    """How sure a classifier was, and how right, in bins of equal width of its confidence.

    Attributes
    ----------
    confidence, accuracy : ndarray, shape (bins,)
        Mean confidence and accuracy in each bin; NaN where a bin is empty.
    counts : ndarray of int, shape (bins,)
        Examples in each bin.
    error : float
        The expected calibration error.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    error: float


def calibration(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> Calibration:
    r"""Compare a classifier's confidence with its accuracy.

    The confidence of an example is its largest probability. With :math:`n_b` of :math:`N` examples
    in bin :math:`b`, the expected calibration error is
    :math:`\sum_b \frac{n_b}{N} |\mathrm{accuracy}_b - \mathrm{confidence}_b|`.

    Parameters
    ----------
    probabilities : ndarray, shape (N, K)
        Predicted probabilities.
    labels : ndarray of int, shape (N,)
        The right classes.
    bins : int
        The number of bins between 0 and 1.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(place, confidence, minlength=bins) / counts
        accuracy = np.bincount(place, right, minlength=bins) / counts
    gaps = np.nan_to_num(np.abs(accuracy - mean_confidence))
    return Calibration(mean_confidence, accuracy, counts, float(gaps @ counts / len(labels)))

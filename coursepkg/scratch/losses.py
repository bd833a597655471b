r"""Functions that say how wrong a prediction is, each with its gradient.

A loss takes the predictions of a batch and their targets and returns one number, the mean
:math:`J` over the batch. Below it stands its backward: the gradient of :math:`J` by the
predictions, with their shape and floating-point type. The means are those of Keras: over all
entries, or over the rows where a row is one distribution. Logarithms are natural, so losses made of
them are in nats.
"""

import numpy as np

from coursepkg.scratch.activations import log_softmax, sigmoid, softmax, softplus

CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logarithm is taken, as in Keras."""


def mean_squared_error(predictions: np.ndarray, targets: np.ndarray) -> float:
    r"""Average the squared errors.

    .. math:: J = \frac{1}{M} \sum_{i=1}^{M} (\hat y_i - y_i)^2

    Parameters
    ----------
    predictions, targets : ndarray, same shape with M entries
        What was predicted, and what is right.

    Raises
    ------
    ValueError
        If the arrays are empty, differ in shape, or the predictions are no floating-point numbers.
    """
    errors = predictions - _fitting(targets, predictions)
    return float((errors**2).mean())


def mean_squared_error_backward(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    r"""Gradient of the mean squared error.

    .. math:: \frac{\partial J}{\partial \hat y_i} = \frac{2}{M} (\hat y_i - y_i)

    Parameters
    ----------
    predictions, targets : ndarray, same shape with M entries
        What was predicted, and what is right.
    """
    errors = predictions - _fitting(targets, predictions)
    return 2 * errors / errors.size


def mean_absolute_error(predictions: np.ndarray, targets: np.ndarray) -> float:
    r"""Average the sizes of the errors.

    .. math:: J = \frac{1}{M} \sum_{i=1}^{M} |\hat y_i - y_i|

    Parameters
    ----------
    predictions, targets : ndarray, same shape with M entries
        What was predicted, and what is right.

    Raises
    ------
    ValueError
        If the arrays are empty, differ in shape, or the predictions are no floating-point numbers.
    """
    errors = predictions - _fitting(targets, predictions)
    return float(np.abs(errors).mean())


def mean_absolute_error_backward(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    r"""Gradient of the mean absolute error; 0 is taken where an error is 0.

    .. math:: \frac{\partial J}{\partial \hat y_i} = \frac{1}{M} \operatorname{sign}(\hat y_i - y_i)

    Parameters
    ----------
    predictions, targets : ndarray, same shape with M entries
        What was predicted, and what is right.
    """
    errors = predictions - _fitting(targets, predictions)
    return np.sign(errors) / errors.size


def huber(predictions: np.ndarray, targets: np.ndarray, delta: float = 1.0) -> float:
    r"""Average squared errors where they are small, and absolute ones where they are large.

    .. math:: J = \frac{1}{M} \sum_{i=1}^{M} c_i \left(|e_i| - \frac{c_i}{2}\right), \qquad
        e_i = \hat y_i - y_i, \quad c_i = \min(|e_i|, \delta)

    That is :math:`e_i^2 / 2` up to :math:`|e_i| = \delta`, and a straight line with slope
    :math:`\delta` beyond.

    Parameters
    ----------
    predictions, targets : ndarray, same shape with M entries
        What was predicted, and what is right.
    delta : float
        The error at which the parabola goes over into the line, above 0.

    Raises
    ------
    ValueError
        If the arrays are empty, differ in shape, or the predictions are no floating-point numbers,
        or `delta` is not above 0.

    References
    ----------
    P. J. Huber, "Robust Estimation of a Location Parameter", The Annals of Mathematical
    Statistics 35 (1), 1964.
    """
    sizes = np.abs(predictions - _fitting(targets, predictions))
    capped = np.minimum(sizes, _positive(delta))
    return float((capped * (sizes - capped / 2)).mean())


def huber_backward(predictions: np.ndarray, targets: np.ndarray, delta: float = 1.0) -> np.ndarray:
    r"""Gradient of the Huber loss: the error, limited to `delta` on both sides.

    .. math:: \frac{\partial J}{\partial \hat y_i}
        = \frac{1}{M} \max\bigl(-\delta, \min(\delta, \hat y_i - y_i)\bigr)

    Parameters
    ----------
    predictions, targets : ndarray, same shape with M entries
        What was predicted, and what is right.
    delta : float
        The error at which the parabola goes over into the line, above 0.
    """
    errors = predictions - _fitting(targets, predictions)
    return np.clip(errors, -_positive(delta), delta) / errors.size


def binary_cross_entropy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    r"""Cross-entropy of yes-or-no targets, from probabilities.

    .. math:: J = -\frac{1}{M} \sum_{i=1}^{M} \bigl(y_i \log p_i + (1 - y_i) \log(1 - p_i)\bigr)

    Every :math:`p_i` is first clipped to the range from :math:`10^{-7}` to :math:`1 - 10^{-7}`, as
    in Keras, so the loss of one entry is at most about 16.1 nats.

    Parameters
    ----------
    probabilities : ndarray with M entries
        Predicted probabilities of "yes", from 0 to 1.
    targets : ndarray, same shape
        1 for yes, 0 for no, or a number between them.

    Raises
    ------
    ValueError
        If the arrays are empty, differ in shape, leave the range from 0 to 1, or the predictions
        are no floating-point numbers.
    """
    y = _shares(_fitting(targets, probabilities), "targets")
    p = np.clip(_shares(probabilities, "probabilities"), CLIP, 1 - CLIP)
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())


def binary_cross_entropy_backward(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    r"""Gradient of the binary cross-entropy by the probabilities.

    .. math:: \frac{\partial J}{\partial p_i} = \frac{1}{M} \frac{p_i - y_i}{p_i (1 - p_i)}

    Where the clip is active the loss is constant and the gradient 0, even if the answer is wrong:
    a reason to train from logits.

    Parameters
    ----------
    probabilities, targets : ndarray, same shape with M entries
        As for the loss.
    """
    y = _shares(_fitting(targets, probabilities), "targets")
    p = np.clip(_shares(probabilities, "probabilities"), CLIP, 1 - CLIP)
    return (p - y) / (p * (1 - p)) * (p == probabilities) / p.size


def binary_cross_entropy_from_logits(logits: np.ndarray, targets: np.ndarray) -> float:
    r"""Cross-entropy of yes-or-no targets, from scores.

    .. math:: J = \frac{1}{M} \sum_{i=1}^{M} \bigl(y_i s(-z_i) + (1 - y_i) s(z_i)\bigr), \qquad
        s(z) = \log(1 + e^{z})

    It is the same loss with :math:`p = \sigma(z)`, since :math:`-\log \sigma(z) = s(-z)` and
    :math:`1 - \sigma(z) = \sigma(-z)`. No clip is needed.

    Parameters
    ----------
    logits : ndarray with M entries
        Scores, any real numbers.
    targets : ndarray, same shape
        1 for yes, 0 for no, or a number between them.

    Raises
    ------
    ValueError
        If the arrays are empty, differ in shape, the targets leave the range from 0 to 1, or the
        logits are no floating-point numbers.
    """
    y = _shares(_fitting(targets, logits), "targets")
    return float((y * softplus(-logits) + (1 - y) * softplus(logits)).mean())


def binary_cross_entropy_from_logits_backward(
    logits: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    r"""Gradient of the binary cross-entropy by the scores: probability minus target.

    .. math:: \frac{\partial J}{\partial z_i} = \frac{1}{M} (\sigma(z_i) - y_i)

    Parameters
    ----------
    logits, targets : ndarray, same shape with M entries
        As for the loss.
    """
    y = _shares(_fitting(targets, logits), "targets")
    return (sigmoid(logits) - y) / y.size


def categorical_cross_entropy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    r"""Cross-entropy of distributions over classes, from probabilities.

    .. math:: J = -\frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} Y_{nk} \log q_{nk}, \qquad
        q_{nk} = \frac{P_{nk}}{\sum_{j=1}^{K} P_{nj}}

    As in Keras, each row is divided by its sum, which changes nothing if the sum is 1, and
    :math:`q` is then clipped to the range from :math:`10^{-7}` to :math:`1 - 10^{-7}`.

    Parameters
    ----------
    probabilities : ndarray, shape (N, K)
        Predicted probabilities, from 0 to 1. A row with another sum than 1 counts as its
        multiple whose sum is 1.
    targets : ndarray, shape (N, K)
        One-hot rows, or other rows of numbers from 0 to 1 that sum to 1.

    Raises
    ------
    ValueError
        If the arrays are empty, differ in shape, are not as described, or the predictions are no
        floating-point numbers.
    """
    y = _distributions(targets, probabilities)
    q = probabilities / _row_sums(probabilities)
    return float(-(y * np.log(np.clip(q, CLIP, 1 - CLIP))).sum(axis=1).mean())


def categorical_cross_entropy_backward(
    probabilities: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    r"""Gradient of the categorical cross-entropy by the probabilities.

    With :math:`s_n` the sum of row n, and :math:`g_{nk} = -Y_{nk} / q_{nk}`, or 0 where the clip is
    active,

    .. math:: \frac{\partial J}{\partial P_{nk}}
        = \frac{1}{N s_n} \Bigl(g_{nk} - \sum_{j=1}^{K} g_{nj} q_{nj}\Bigr)

    The second term comes from dividing by the sum. It makes the gradient of a row orthogonal to the
    row, since a multiple of the row has the same loss. Without a clip it is :math:`1 / (N s_n)`.

    Parameters
    ----------
    probabilities, targets : ndarray, shape (N, K)
        As for the loss.
    """
    y = _distributions(targets, probabilities)
    sums = _row_sums(probabilities)
    q = probabilities / sums
    clipped = np.clip(q, CLIP, 1 - CLIP)
    by_share = -y / clipped * (clipped == q)
    return (by_share - (by_share * q).sum(axis=1, keepdims=True)) / sums / len(q)


def categorical_cross_entropy_from_logits(logits: np.ndarray, targets: np.ndarray) -> float:
    r"""Cross-entropy of distributions over classes, from scores.

    .. math:: J = -\frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} Y_{nk} \log p_{nk}, \qquad
        \mathbf{p}_n = \operatorname{softmax}(\mathbf{z}_n)

    Parameters
    ----------
    logits : ndarray, shape (N, K)
        Scores, any real numbers.
    targets : ndarray, shape (N, K)
        One-hot rows, or other rows of numbers from 0 to 1 that sum to 1.

    Raises
    ------
    ValueError
        If the arrays are empty, differ in shape, the targets are not as described, or the logits
        are no floating-point numbers.
    """
    y = _distributions(targets, logits)
    return float(-(y * log_softmax(logits)).sum(axis=1).mean())


def categorical_cross_entropy_from_logits_backward(
    logits: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    r"""Gradient of the categorical cross-entropy by the scores: probabilities minus targets.

    .. math:: \frac{\partial J}{\partial Z_{nk}} = \frac{1}{N} (p_{nk} - Y_{nk})

    This holds because the targets of a row sum to 1.

    Parameters
    ----------
    logits, targets : ndarray, shape (N, K)
        As for the loss.
    """
    y = _distributions(targets, logits)
    return (softmax(logits) - y) / len(y)


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
    _check_labels(labels, logits.shape[1])
    highest = logits.max(axis=1)
    log_sum = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return log_sum - logits[np.arange(len(labels)), labels]


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    r"""Turn each label into a row with a 1 at the place of its class.

    .. math:: Y_{nk} = [k = y_n]

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
        Classes from 0 to `classes` - 1.
    classes : int
        The number of classes, K.

    Returns
    -------
    ndarray of float64, shape (N, K)

    Raises
    ------
    ValueError
        If the labels are not of this form.
    """
    if labels.ndim != 1:
        raise ValueError(f"expected labels of shape (N,), got {labels.shape}")
    _check_labels(labels, classes)
    return np.eye(classes)[labels]


def smooth_labels(targets: np.ndarray, smoothing: float) -> np.ndarray:
    r"""Move a share of the certainty from the right class to all classes.

    .. math:: Y'_{nk} = (1 - s)\,Y_{nk} + \frac{s}{K}

    Yes-or-no targets, an array (N,) or a single column (N, 1), have two classes: K = 2.

    Parameters
    ----------
    targets : ndarray, shape (N, K), (N, 1) or (N,)
        Numbers from 0 to 1, each row a distribution if K > 1.
    smoothing : float
        The share s, at least 0 and below 1.

    Returns
    -------
    ndarray, shape of `targets`

    Raises
    ------
    ValueError
        If a target or the share is outside its range.

    References
    ----------
    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception
    Architecture for Computer Vision", CVPR 2016.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be at least 0 and below 1, got {smoothing}")
    yes_or_no = targets.ndim == 1 or targets.shape[1] == 1
    classes = 2 if yes_or_no else targets.shape[1]
    return (1 - smoothing) * _shares(targets, "targets") + smoothing / classes


def _fitting(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return the targets in the predictions' type, if the two belong together."""
    if targets.shape != predictions.shape or not targets.size:
        raise ValueError(
            "expected predictions and targets of one shape that is not empty, "
            f"got {predictions.shape} and {targets.shape}"
        )
    if not np.issubdtype(predictions.dtype, np.floating):
        raise ValueError(f"expected floating-point predictions, got {predictions.dtype}")
    return targets.astype(predictions.dtype)


def _positive(delta: float) -> float:
    if not delta > 0:
        raise ValueError(f"delta must be above 0, got {delta}")
    return delta


def _shares(numbers: np.ndarray, name: str) -> np.ndarray:
    if not ((numbers >= 0) & (numbers <= 1)).all():
        raise ValueError(
            f"{name} must be from 0 to 1, got values from {numbers.min()} to {numbers.max()}"
        )
    return numbers


def _distributions(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return the targets in the predictions' type, if each row is a distribution."""
    if predictions.ndim != 2:
        raise ValueError(f"expected predictions of shape (N, K), got {predictions.shape}")
    shares = _shares(_fitting(targets, predictions), "targets")
    furthest = np.abs(shares.sum(axis=1) - 1).max()
    if furthest > 1e-3:
        raise ValueError(f"each row of targets must sum to 1, one misses it by {furthest:.3g}")
    return shares


def _row_sums(probabilities: np.ndarray) -> np.ndarray:
    sums = _shares(probabilities, "probabilities").sum(axis=1, keepdims=True)
    if not sums.all():
        raise ValueError("each row of probabilities must have a sum above 0, got a row of zeros")
    return sums


def _check_labels(labels: np.ndarray, classes: int) -> None:
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers, got {labels.dtype}")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels must be from 0 to {classes - 1}, "
            f"got values from {labels.min()} to {labels.max()}"
        )

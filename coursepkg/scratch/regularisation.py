"""What keeps a network from learning its examples by heart: penalties, shifts, stopping in time."""

import numpy as np


def l2_penalty(weights: np.ndarray, strength: float) -> float:
    r"""Penalise the squares of the weights.

    .. math:: \alpha \sum_{ij} W_{ij}^2

    Parameters
    ----------
    weights : ndarray, any shape
        The weights W.
    strength : float
        The factor :math:`\alpha`, at least 0. Keras's ``regularizers.L2`` has the same convention;
        other texts write :math:`\frac{\alpha}{2}`.

    Returns
    -------
    float
        The penalty, which is added to the loss.

    Raises
    ------
    ValueError
        If the strength is negative or not finite.

    References
    ----------
    A. Krogh and J. A. Hertz, "A Simple Weight Decay Can Improve Generalization", NIPS 4, 1991.
    """
    return _not_negative(strength) * float(np.sum(weights**2))


def l2_gradient(weights: np.ndarray, strength: float) -> np.ndarray:
    r"""Differentiate `l2_penalty`: :math:`2 \alpha W`.

    Parameters
    ----------
    weights : ndarray, any shape
        The weights W.
    strength : float
        The factor :math:`\alpha`, at least 0.

    Returns
    -------
    ndarray, shape of `weights`
        The gradient, in the dtype of `weights`.

    Raises
    ------
    ValueError
        If the strength is negative or not finite.
    """
    return 2 * _not_negative(strength) * weights


def l1_penalty(weights: np.ndarray, strength: float) -> float:
    r"""Penalise the sizes of the weights.

    .. math:: \alpha \sum_{ij} |W_{ij}|

    Parameters
    ----------
    weights : ndarray, any shape
        The weights W.
    strength : float
        The factor :math:`\alpha`, at least 0.

    Returns
    -------
    float
        The penalty, which is added to the loss.

    Raises
    ------
    ValueError
        If the strength is negative or not finite.

    References
    ----------
    R. Tibshirani, "Regression Shrinkage and Selection via the Lasso", Journal of the Royal
    Statistical Society B 58 (1), 1996.
    """
    return _not_negative(strength) * float(np.sum(np.abs(weights)))


def l1_gradient(weights: np.ndarray, strength: float) -> np.ndarray:
    r"""Differentiate `l1_penalty`: :math:`\alpha \operatorname{sign}(W)`.

    Parameters
    ----------
    weights : ndarray, any shape
        The weights W.
    strength : float
        The factor :math:`\alpha`, at least 0.

    Returns
    -------
    ndarray, shape of `weights`
        The gradient, in the dtype of `weights`. At a weight of 0, where the penalty has a kink, it
        is 0, one of the values from :math:`-\alpha` to :math:`\alpha` that a subgradient may take.

    Raises
    ------
    ValueError
        If the strength is negative or not finite.
    """
    return _not_negative(strength) * np.sign(weights)


def soft_threshold(weights: np.ndarray, amount: float) -> np.ndarray:
    r"""Move each weight towards 0 by `amount`, and stop there.

    .. math:: S_a(w) = \operatorname{sign}(w) \max(|w| - a, 0)
        = \operatorname*{arg\,min}_v \tfrac12 (v - w)^2 + a |v|

    After a gradient step of the loss with learning rate :math:`\eta`, this with
    :math:`a = \eta \alpha` is the step of the L1 penalty that reaches exact zeros.

    Parameters
    ----------
    weights : ndarray, any shape
        The weights w.
    amount : float
        The distance a, at least 0.

    Returns
    -------
    ndarray, shape of `weights`
        The moved weights, in the dtype of `weights`.

    Raises
    ------
    ValueError
        If the amount is negative or not finite.

    References
    ----------
    I. Daubechies, M. Defrise and C. De Mol, "An Iterative Thresholding Algorithm for Linear Inverse
    Problems with a Sparsity Constraint", Communications on Pure and Applied Mathematics 57, 2004.
    """
    return np.sign(weights) * np.maximum(np.abs(weights) - _not_negative(amount), 0)


def _not_negative(number: float) -> float:
    if not 0 <= number < np.inf:
        raise ValueError(f"expected a finite number >= 0, got {number}")
    return float(number)


def shifted(images: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Shift every image by whole pixels, down or up and right or left, at random.

    Both distances of each image are drawn from -limit to limit, each equally likely. What leaves
    the picture is lost, and zeros enter on the other side.

    Parameters
    ----------
    images : ndarray, shape (N, rows, columns)
        The pictures, with a background of 0.
    limit : int
        The largest shift in pixels, from 0 to less than the smaller side.
    rng : numpy.random.Generator
        Where the shifts are drawn.

    Returns
    -------
    ndarray, shape (N, rows, columns)
        New pictures, in the dtype of `images`.

    Raises
    ------
    ValueError
        If `images` has another number of axes, or `limit` does not fit the pictures.
    """
    if images.ndim != 3:
        raise ValueError(f"expected images of shape (N, rows, columns), got {images.shape}")
    count, rows, columns = images.shape
    if not 0 <= limit < min(rows, columns):
        raise ValueError(f"expected a shift from 0 to {min(rows, columns) - 1}, got {limit}")
    padded = np.pad(images, ((0, 0), (limit, limit), (limit, limit)))
    top, left = rng.integers(0, 2 * limit + 1, size=(2, count, 1))
    row_indices = (top + np.arange(rows))[:, :, np.newaxis]  # (N, rows, 1)
    column_indices = (left + np.arange(columns))[:, np.newaxis, :]  # (N, 1, columns)
    return padded[np.arange(count)[:, np.newaxis, np.newaxis], row_indices, column_indices]


class EarlyStopping:
    """Say when the validation loss has stopped falling.

    It stops when the loss has not fallen below its lowest value, by more than `minimum_gain`, in
    `patience` epochs on end. Keras's callback of the same name decides so, too.

    Parameters
    ----------
    patience : int
        How many epochs without a gain to allow, at least 1.
    minimum_gain : float
        By how much the loss must fall to count, at least 0.

    Attributes
    ----------
    epochs : int
        The number of losses seen.
    waited : int
        The number of losses seen since the best one.
    best_epoch : int or None
        The epoch of the best loss, counted from 0; None before the first.
    best_loss : float
        The loss of that epoch.

    Raises
    ------
    ValueError
        If the patience is less than 1, or the gain is negative or not finite.

    References
    ----------
    L. Prechelt, "Early Stopping - But When?", in Neural Networks: Tricks of the Trade, Springer,
    1998.
    """

    def __init__(self, patience: int, minimum_gain: float = 0.0) -> None:
        if patience < 1:
            raise ValueError(f"expected a patience of at least 1 epoch, got {patience}")
        self.patience = patience
        self.minimum_gain = _not_negative(minimum_gain)
        self.epochs = 0
        self.waited = 0
        self.best_epoch: int | None = None
        self.best_loss = np.inf

    def update(self, loss: float) -> bool:
        """Take the validation loss of one more epoch and say whether to stop after it.

        Parameters
        ----------
        loss : float
            The validation loss. NaN and infinity are no gain.

        Returns
        -------
        bool
            True if it is time to stop.
        """
        if loss + self.minimum_gain < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epochs
            self.waited = 0
        else:
            self.waited += 1
        self.epochs += 1
        return self.waited >= self.patience

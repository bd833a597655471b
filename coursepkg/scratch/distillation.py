r"""A small network, the student, that learns from the answers of a large one, the teacher.

References
----------
G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network",
arXiv:1503.02531, 2015: sections 2 and 2.1.
"""

import numpy as np

from coursepkg.scratch.activations import log_softmax, softmax
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits_backward,
)


def soften(logits: np.ndarray, temperature: float) -> np.ndarray:
    r"""Turn scores into probabilities that a temperature makes more equal.

    .. math:: p_k = \frac{e^{z_k / \tau}}{\sum_j e^{z_j / \tau}}

    Parameters
    ----------
    logits : ndarray, shape (N, K)
        The scores z.
    temperature : float
        The temperature :math:`\tau`, above 0; 1 leaves the softmax as it is.

    Returns
    -------
    ndarray, shape (N, K)

    Raises
    ------
    ValueError
        If the temperature is not above 0.
    """
    return softmax(logits / _positive(temperature))


def distillation_loss(
    student: np.ndarray,
    teacher: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    share: float,
) -> float:
    r"""Measure how far a student is from its teacher, and from the labels.

    With the softened probabilities :math:`\mathbf{p}` of the teacher and :math:`\mathbf{q}` of the
    student at the temperature :math:`\tau`, and the share :math:`\lambda`,

    .. math:: J = \lambda\, \tau^2\, \frac1N \sum_n \sum_k p_{nk} \log \frac{p_{nk}}{q_{nk}}
        + (1 - \lambda)\, J_\text{labels}

    The first term is the Kullback-Leibler divergence, 0 if the two agree; the second is the
    cross-entropy of the labels at temperature 1. The paper has the cross-entropy of p and q in the
    first place: it differs by the entropy of p, which the student cannot change.

    Parameters
    ----------
    student, teacher : ndarray, shape (N, K)
        Scores.
    targets : ndarray, shape (N, K)
        One-hot rows, or other distributions.
    temperature : float
        The temperature, above 0.
    share : float
        The share of the teacher, from 0 to 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes differ, or a setting is out of range.
    """
    _check(student, teacher, share)
    log_p = log_softmax(teacher / _positive(temperature))
    log_q = log_softmax(student / temperature)
    divergence = (np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean()
    labels = categorical_cross_entropy_from_logits(student, targets)
    return float(share * temperature**2 * divergence + (1 - share) * labels)


def distillation_loss_backward(
    student: np.ndarray,
    teacher: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    share: float,
) -> np.ndarray:
    r"""Differentiate `distillation_loss` by the student's scores.

    .. math:: \frac{\partial J}{\partial z_{nk}} = \frac1N \bigl(\lambda\, \tau\, (q_{nk} - p_{nk})
        + (1 - \lambda) (q^{(1)}_{nk} - Y_{nk})\bigr)

    where :math:`q^{(1)}` is the student's softmax at temperature 1. Of the factor :math:`\tau^2`
    one :math:`\tau` is left, since the scores are divided by :math:`\tau` first. At a high
    temperature :math:`q - p` shrinks like :math:`1 / \tau`, so the product stays: for rows of
    scores z and v with mean 0 it tends to :math:`(z_k - v_k) / K` (equation 4 of the paper).

    Parameters
    ----------
    student, teacher, targets, temperature, share
        As in `distillation_loss`.

    Returns
    -------
    ndarray, shape (N, K)

    Raises
    ------
    ValueError
        As in `distillation_loss`.
    """
    _check(student, teacher, share)
    difference = soften(student, temperature) - soften(teacher, temperature)
    labels = categorical_cross_entropy_from_logits_backward(student, targets)
    return share * temperature * difference / len(student) + (1 - share) * labels


def _check(student: np.ndarray, teacher: np.ndarray, share: float) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected scores of one shape, got {student.shape} from the student "
            f"and {teacher.shape} from the teacher"
        )
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share from 0 to 1, got {share}")


def _positive(temperature: float) -> float:
    if not 0 < temperature < np.inf:
        raise ValueError(f"expected a temperature above 0, got {temperature}")
    return temperature

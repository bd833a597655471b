r"""A network that answers early when it is sure.

References
----------
S. Teerapittayanon, B. McDanel and H. T. Kung, "BranchyNet: Fast Inference via Early Exiting from
Deep Neural Networks", ICPR 2016: the joint loss (section III.B) and the entropy rule (III.C).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from coursepkg.scratch.activations import log_softmax


def entropy(logits: np.ndarray) -> np.ndarray:
    r"""Measure how unsure each row of scores is.

    .. math:: H_n = -\sum_k p_{nk} \log p_{nk}, \qquad \mathbf{p}_n = \operatorname{softmax}
        (\mathbf{z}_n)

    Parameters
    ----------
    logits : ndarray, shape (N, K)
        Scores.

    Returns
    -------
    ndarray, shape (N,)
        The entropies in nats, from 0 to :math:`\log K`.

    Raises
    ------
    ValueError
        If the scores have another number of axes.
    """
    if logits.ndim != 2:
        raise ValueError(f"expected scores of shape (N, K), got {logits.shape}")
    log_p = log_softmax(logits)
    return -(np.exp(log_p) * log_p).sum(axis=1)


def choose_exits(logits: Sequence[np.ndarray], thresholds: Sequence[float]) -> np.ndarray:
    """Give each example the first exit whose entropy is at most its threshold, else the last.

    Parameters
    ----------
    logits : sequence of ndarray, each of shape (N, K)
        The scores at each exit, in order.
    thresholds : sequence of float
        One for each exit but the last, in nats.

    Returns
    -------
    ndarray of int, shape (N,)
        The exit of each example, counted from 0.

    Raises
    ------
    ValueError
        If the number of thresholds does not fit.
    """
    if len(thresholds) != len(logits) - 1:
        raise ValueError(
            f"expected {len(logits) - 1} thresholds for {len(logits)} exits, got {len(thresholds)}"
        )
    sure = [entropy(z) <= limit for z, limit in zip(logits[:-1], thresholds, strict=True)]
    return np.argmax([*sure, np.ones(len(logits[-1]), bool)], axis=0)


class EarlyExitNetwork:
    r"""Stages one after the other, and after each a head that could answer.

    .. math:: \mathbf{H}_l = f_l(\mathbf{H}_{l-1}), \qquad \mathbf{Z}_l = g_l(\mathbf{H}_l)

    The output of a stage goes two ways, into its head and into the next stage, so the backward pass
    adds what comes back from both:

    .. math:: \frac{\partial J}{\partial \mathbf{H}_l}
        = g_l'\Bigl(\frac{\partial J}{\partial \mathbf{Z}_l}\Bigr)
        + f_{l+1}'\Bigl(\frac{\partial J}{\partial \mathbf{H}_{l+1}}\Bigr)

    where :math:`f', g'` stand for the backward passes.

    Parameters
    ----------
    stages, heads : sequence of layers
        As many heads as stages, each with forward, backward, parameters and gradients.

    Raises
    ------
    ValueError
        If their numbers differ or are 0.
    """

    def __init__(self, stages: Sequence[Any], heads: Sequence[Any]) -> None:
        if not stages or len(stages) != len(heads):
            raise ValueError(
                f"expected as many heads as stages, got {len(heads)} and {len(stages)}"
            )
        self.stages, self.heads = list(stages), list(heads)

    @property
    def parameters(self) -> list[np.ndarray]:
        """The parameters of all stages, then those of all heads."""
        return [array for part in (*self.stages, *self.heads) for array in part.parameters]

    @property
    def gradients(self) -> list[np.ndarray]:
        """The gradients from the last backward pass, in the same order."""
        return [array for part in (*self.stages, *self.heads) for array in part.gradients]

    def forward(self, x: np.ndarray, training: bool = False) -> list[np.ndarray]:
        """Map x to the scores at every exit."""
        scores = []
        for stage, head in zip(self.stages, self.heads, strict=True):
            x = stage.forward(x, training)
            scores.append(head.forward(x, training))
        return scores

    def backward(self, upstreams: Sequence[np.ndarray]) -> np.ndarray:
        """Map the gradients of the scores at every exit to that of the inputs."""
        below: Any = 0
        pairs = list(zip(self.stages, self.heads, upstreams, strict=True))
        for stage, head, upstream in reversed(pairs):
            below = stage.backward(head.backward(upstream) + below)
        return below

    def answer(self, x: np.ndarray, thresholds: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Answer each example at its first sure exit; only the others go on to the next stage.

        Parameters
        ----------
        x : ndarray, shape (N, ...)
            The inputs.
        thresholds : sequence of float
            One for each exit but the last, in nats.

        Returns
        -------
        tuple of ndarray, shapes (N, K) and (N,)
            The scores and the exits, counted from 0.
        """
        limits = [*thresholds, np.inf]
        if len(limits) != len(self.stages):
            raise ValueError(
                f"expected {len(self.stages) - 1} thresholds for {len(self.stages)} exits, "
                f"got {len(thresholds)}"
            )
        rest = np.arange(len(x))
        exits = np.empty(len(x), int)
        answers: Any = None
        for number, (stage, head, limit) in enumerate(
            zip(self.stages, self.heads, limits, strict=True)
        ):
            x = stage.forward(x)
            scores = head.forward(x)
            answers = np.empty((len(exits), scores.shape[1])) if answers is None else answers
            leave = entropy(scores) <= limit
            answers[rest[leave]], exits[rest[leave]] = scores[leave], number
            rest, x = rest[~leave], x[~leave]
        return answers, exits

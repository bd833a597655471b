r"""Counts of short runs of tokens, and what they predict: the baselines of every language model.

A model of order n gives the next token a probability that depends on the last n - 1 tokens, by
counting how often each token followed them in a training text. Most longer contexts of a new text
never occurred there, so the counts of order n are mixed with the predictions of order n - 1:

.. math::

    p_n(c \mid h) = \frac{N(hc) + D(h)\, p_{n-1}(c \mid h')}{N(h) + D(h)},

where :math:`N` counts occurrences, :math:`D(h)` is the number of different tokens that followed the
context :math:`h`, and :math:`h'` is :math:`h` without its first token (Witten-Bell smoothing).
Order 0 gives every token the same probability.

References
----------
I. H. Witten and T. C. Bell, "The Zero-Frequency Problem: Estimating the Probabilities of Novel
Events in Adaptive Text Compression", IEEE Transactions on Information Theory 37, 1991.
S. F. Chen and J. Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling",
ACL 1996.
"""

import numpy as np


def _numbered(tokens: np.ndarray, length: int, kinds: int) -> np.ndarray:
    """Give each run of `length` tokens a number; the runs that end last come last."""
    numbers = np.zeros(len(tokens) - length + 1, np.int64)
    for offset in range(length):
        numbers = numbers * kinds + tokens[offset : offset + len(numbers)]
    return numbers


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the value of each wanted key, 0 for those that are not among the sorted keys."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)


def next_token_probabilities(
    train: np.ndarray, test: np.ndarray, order: int, kinds: int
) -> np.ndarray:
    """Return the probability that a model of each order gives to each token of a test text.

    Parameters
    ----------
    train, test : ndarray of int, shapes (N,) and (M,)
        Texts as tokens 0..kinds-1.
    order : int
        The highest order: 1 looks at no context, 2 at one token before, and so on.
    kinds : int
        The number of different tokens.

    Returns
    -------
    ndarray, shape (order + 1, M - order + 1)
        Row n is that of order n, row 0 is 1/kinds. Predicted are the test tokens from number
        order - 1 on, which have enough context for all orders.

    Raises
    ------
    ValueError
        If the order is less than 1, or so high that runs can no longer be numbered by 63 bits; if
        a text is shorter than the order; if a token is not among 0..kinds-1.
    """
    most = int(63 / np.log2(max(kinds, 2)))
    if not 1 <= order <= most:
        raise ValueError(f"order: expected 1 to {most} for {kinds} tokens, got {order}")
    for name, text in (("train", train), ("test", test)):
        if len(text) < order or text.min() < 0 or text.max() >= kinds:
            raise ValueError(f"{name}: expected {order} tokens or more, all of them 0..{kinds - 1}")
    count = len(test) - order + 1
    rows = [np.full(count, 1 / kinds)]
    for n in range(1, order + 1):
        runs, run_counts = np.unique(_numbered(train, n, kinds), return_counts=True)
        contexts, first, different = np.unique(runs // kinds, return_index=True, return_counts=True)
        context_counts = np.add.reduceat(run_counts, first)
        wanted = _numbered(test, n, kinds)[-count:]
        seen = _look_up(runs, run_counts, wanted)
        seen_context = _look_up(contexts, context_counts, wanted // kinds)
        mixing = _look_up(contexts, different, wanted // kinds)
        whole = seen_context + mixing
        mixed = (seen + mixing * rows[-1]) / np.maximum(whole, 1)
        rows.append(np.where(whole > 0, mixed, rows[-1]))
    return np.stack(rows)


def bits_per_token(probabilities: np.ndarray) -> np.ndarray:
    r"""Return the mean of :math:`-\log_2 p` over the last axis.

    Parameters
    ----------
    probabilities : ndarray, shape (..., M)
        What a model gave the tokens that came.

    Raises
    ------
    ValueError
        If a probability is not above 0 and at most 1.
    """
    if not ((probabilities > 0) & (probabilities <= 1)).all():
        raise ValueError("expected probabilities above 0 and at most 1")
    return -np.log2(probabilities).mean(axis=-1)

"""Checkers of the exercises in ``architectures/attention``."""

import math
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, call, checker
from coursepkg.scratch.attention import (
    causal_mask,
    scaled_dot_product,
    scaled_dot_product_backward,
)


@checker("attention.causal")
def causal(answer: object) -> str:
    """Check the function that computes causal attention."""
    rng = np.random.default_rng(0)
    for length, d, d_v in [(4, 3, 2), (6, 2, 5)]:
        q, k, v = (rng.normal(size=(length, width)) for width in (d, d, d_v))
        got = _as_array(call(answer, q.copy(), k.copy(), v.copy()), (length, d_v))
        scores, mask = q @ k.T / math.sqrt(d), causal_mask(length)
        if _same(got, scaled_dot_product(q, k, v, mask)):
            continue
        if _same(got, scaled_dot_product(q, k, v)):
            raise Wrong("position 0 looks ahead: its row should be the value of position 0.")
        if _same(got, scaled_dot_product(q * math.sqrt(d), k, v, mask)):
            raise Wrong("right up to the scores. What is their variance as the width grows?")
        if _same(got, scaled_dot_product(q / math.sqrt(d), k, v, mask)):
            raise Wrong("you divide by the width; the formula has its square root.")
        if _same(got, _softmax(np.where(mask, scores, 0.0)) @ v):
            raise Wrong("a score of 0 is not forbidden: its power is 1. What has the power 0?")
        if _same(got, np.where(mask, _softmax(scores), 0.0) @ v):
            raise Wrong("you cut weights off after the softmax: the rows no longer sum to 1.")
        raise Wrong(
            "not the weighted means. Look at row 0 first: which value must it equal? Then check "
            "that each row of weights sums to 1."
        )
    hints = {
        "large scores overflow. Which number can be subtracted from each row?": [30.0, 29.0, 28.0],
        "a forbidden score is the largest here: subtract the largest allowed one.": [1.0, 2.0, 3e3],
    }
    for hint, sizes in hints.items():
        q, k = np.outer(sizes[::-1], [1.0, 1.0]), np.outer(sizes, [1.0, 1.0])
        got = _as_array(call(answer, q, k, np.identity(3)), (3, 3), finite=False)
        if not np.isfinite(got).all():
            raise Wrong(hint)
        if not _same(got, scaled_dot_product(q, k, np.identity(3), causal_mask(3))):
            raise Wrong("right for small scores, not for large ones. Do you change or limit them?")
    return "right, with large scores too."


@checker("attention.cache")
def cache(answer: object) -> str:
    """Check the function that counts the bytes of a key-value cache."""
    for length, width, heads, shared, blocks in [(1024, 768, 12, 12, 12), (500, 512, 8, 2, 6)]:
        got = as_number(call(answer, length, width, heads, shared, blocks), "bytes")
        numbers = 2 * blocks * length * shared * (width // heads)
        if got == 4 * numbers:
            continue
        if got == 2 * numbers:
            raise Wrong("half of it is missing: keys or values, or 4 bytes a number?")
        if got == numbers:
            raise Wrong("that is the number of numbers. How many bytes has each?")
        if got == 4 * numbers * heads // shared:
            raise Wrong("that is right if each head has its own keys. Here some share them.")
        if got == 4 * numbers // blocks:
            raise Wrong("that is one block's.")
        raise Wrong(
            f"not right for {length} positions, a width of {width}, {heads} heads, {shared} of "
            f"keys, {blocks} blocks. What does one position of one block keep?"
        )
    return "right."


@checker("attention.saving")
def saving(answer: object) -> str:
    """Check the function that counts what a key-value cache saves."""
    for length, width, hidden in [(4, 6, 10), (9, 3, 5), (200, 16, 64)]:
        got = as_number(call(answer, length, width, hidden), "a ratio")
        row, pair, t = 4 * width**2 + 2 * width * hidden, 2 * width, np.arange(1, length + 1)
        whole, cached = row * t + pair * t**2, row + pair * t
        if math.isclose(got, whole.sum() / cached.sum(), rel_tol=1e-9):
            continue
        known = {
            "that is the saving of the last token alone. Add up all tokens on both sides.": length,
            "upside down: the ratio is at least 1.": cached.sum() / whole.sum(),
            "token t needs t rows, not all of them.": length * whole[-1] / cached.sum(),
            "with a cache, token t is compared with t keys, not with all.": whole.sum()
            / (length * cached[-1]),
            "only the pairs are counted: the rows are missing.": (t**2).sum() / t.sum(),
            "that leaves the pairs out, or is a mean of ratios: divide sums.": (length + 1) / 2,
            "a pair costs two products of its width: one for the score, and which other?": (
                2 * row * t + pair * t**2
            ).sum()
            / (2 * row + pair * t).sum(),
        }
        for message, value in known.items():
            if math.isclose(got, value, rel_tol=1e-9):
                raise Wrong(message)
        raise Wrong(
            f"not right for {length} tokens, a width of {width} and {hidden} hidden units. Write "
            "down what token t costs with and without a cache, then add up over t."
        )
    return "right."


@checker("attention.query-gradient")
def query_gradient(answer: object) -> str:
    """Check the function that gives the gradient of one query."""
    rng = np.random.default_rng(1)
    for length, d, d_v in [(5, 3, 2), (3, 4, 6)]:
        q, upstream = rng.normal(size=d), rng.normal(size=d_v)
        k, v = rng.normal(size=(length, d)), rng.normal(size=(length, d_v))
        copies = (array.copy() for array in (upstream, q, k, v))
        got = _as_array(call(answer, *copies), (d,))
        exact = scaled_dot_product_backward(upstream[None], q[None], k, v)[0][0]
        if _same(got, exact):
            continue
        if _same(got, exact * math.sqrt(d)):
            raise Wrong("the scores are divided by something, and so is their gradient.")
        weights = _softmax(q @ k.T / math.sqrt(d))
        if _same(got, (weights * (v @ upstream)) @ k / math.sqrt(d)):
            raise Wrong("you treat the sum under the softmax as a constant. It holds q as well.")
        if _same(got, (v @ upstream) @ k / math.sqrt(d)):
            raise Wrong("the softmax is missing: a weight is not a score.")
        if _same(got, -exact):
            raise Wrong("the sign is wrong.")
        raise Wrong(
            "finite differences give another gradient. Change one entry of q by 1e-6 and compare; "
            "then test the three steps, values, softmax and scores, one by one."
        )
    return "right: it is what backpropagation gives."


@checker("attention.stream")
def stream(answer: object) -> str:
    """Check the function that attends to keys which come in pieces, once."""
    rng = np.random.default_rng(2)
    for pieces, offset in [([3, 1, 4], 0.0), ([2, 5], 4000.0), ([1, 1, 1, 1], -4000.0)]:
        length = sum(pieces)
        q, k, v = rng.normal(size=4), rng.normal(size=(length, 4)), rng.normal(size=(length, 3))
        k += offset * q / (q @ q)
        cuts = np.cumsum(pieces)[:-1]

        def parts(k: np.ndarray = k, v: np.ndarray = v, cuts: np.ndarray = cuts) -> Iterator:
            yield from zip(np.split(k, cuts), np.split(v, cuts), strict=True)

        got = _as_array(call(answer, q.copy(), parts()), (3,), finite=False)
        exact = scaled_dot_product(q[None], k, v)[0]
        if not np.isfinite(got).all():
            raise Wrong(
                "not finite for scores of some thousands. Subtract the largest score seen so far, "
                "and rescale what you have summed when it changes."
            )
        if _same(got, exact):
            continue
        means = [scaled_dot_product(q[None], *part)[0] for part in parts()]
        if _same(got, np.mean(means, axis=0)):
            raise Wrong("a piece with better keys, or more of them, must count for more.")
        if _same(got, means[-1]):
            raise Wrong("only the last piece counts in your result.")
        raise Wrong(
            "not the attention over all pieces together. Keep three things: the largest score, "
            "the sum of the powers, and the sum of powers times values."
        )
    if _memory(lambda: call(answer, q.copy(), _long_stream())) > 80_000:
        raise Wrong(
            "right, but you keep something of every key: for 20,000 keys in 100 pieces your "
            "function needs far more memory than for one piece."
        )
    return "right, in one pass, and without overflow."


def _long_stream() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give 100 pieces of 200 keys and values, each made when it is asked for."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        yield rng.normal(size=(200, 4)), rng.normal(size=(200, 3))


def _memory(run: Callable[[], object]) -> int:
    """Give the most bytes that were held at once during a run, beyond those held before it."""
    already = tracemalloc.is_tracing()
    if not already:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not already:
            tracemalloc.stop()


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _same(got: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.allclose(got, expected, rtol=1e-6, atol=1e-9))


def _as_array(answer: object, shape: tuple[int, ...], finite: bool = True) -> np.ndarray:
    """Return the answer as an array of floats of that shape."""
    try:
        array = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"expected an array of shape {shape}, got {type(answer).__name__}.") from None
    if array.shape != shape:
        raise Wrong(f"expected an array of shape {shape}, got shape {array.shape}.")
    if finite and not np.isfinite(array).all():
        raise Wrong("expected finite numbers.")
    return array

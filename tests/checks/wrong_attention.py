"""Prepared wrong answers: for each exercise, answers and a part of the message each must get."""

import numpy as np


def _softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _causal(power=0.5, forbidden=-np.inf, cut=False):
    def attend(q, k, v):
        scores, mask = q @ k.T / q.shape[1] ** power, np.tri(len(q), dtype=bool)
        if cut:
            return np.where(mask, _softmax(scores), 0) @ v
        return _softmax(np.where(mask, scores, forbidden)) @ v

    return attend


def _largest_of_all(q, k, v):
    with np.errstate(all="ignore"):
        scores = q @ k.T / np.sqrt(q.shape[1])
        powers = np.exp(scores - scores.max(axis=1, keepdims=True)) * np.tri(len(q))
        return powers / powers.sum(axis=1, keepdims=True) @ v


def _limited(q, k, v):
    scores = np.clip(q @ k.T / np.sqrt(q.shape[1]), -50, 50)
    return _softmax(np.where(np.tri(len(q), dtype=bool), scores, -np.inf)) @ v


def _overflowing(q, k, v):
    with np.errstate(all="ignore"):
        powers = np.exp(q @ k.T / np.sqrt(q.shape[1])) * np.tri(len(q))
        return powers / powers.sum(axis=1, keepdims=True) @ v


def _cache(factor, each=True):
    def size(length, width, heads, shared, blocks):
        return factor * blocks * length * (width if each else shared * width // heads)

    return size


def _saving(ratio=lambda whole, cached: whole.sum() / cached.sum(), row=1, pair=2):
    def saved(length, width, hidden):
        t, each = np.arange(1, length + 1), row * (4 * width**2 + 2 * width * hidden)
        return ratio(each * t + pair * width * t**2, each + pair * width * t)

    return saved


def _query_gradient(scale=0.5, centre=1, weigh=True, sign=1):
    def gradient(upstream, q, k, v):
        weights = _softmax(k @ q / len(q) ** 0.5)
        along = v @ upstream
        of_scores = along - centre * (weights @ along)
        return sign * (weights * of_scores if weigh else along) @ k / len(q) ** scale

    return gradient


def _each_piece(combine):
    def attend(q, parts):
        return combine([_softmax(k @ q / len(q) ** 0.5) @ v for k, v in parts])

    return attend


def _keep_scores(q, parts):
    scores, mixed, largest = [], 0.0, -np.inf
    for k, v in parts:
        scores.append(k @ q / len(q) ** 0.5)
        new = max(largest, scores[-1].max())
        mixed = mixed * np.exp(largest - new) + np.exp(scores[-1] - new) @ v
        largest = new
    return mixed / np.exp(np.concatenate(scores) - largest).sum()


def _unshifted(q, parts):
    total = weighted = 0.0
    with np.errstate(all="ignore"):
        for k, v in parts:
            powers = np.exp(k @ q / len(q) ** 0.5)
            total, weighted = total + powers.sum(), weighted + powers @ v
        return weighted / total


WRONG = {
    "attention.causal": [
        (_causal(forbidden=0.0), "a score of 0 is not forbidden"),
        (_causal(cut=True), "no longer sum to 1"),
        (_causal(power=0), "variance as the width grows"),
        (_causal(power=1), "its square root"),
        (lambda q, k, v: _softmax(q @ k.T / q.shape[1] ** 0.5) @ v, "looks ahead"),
        (lambda q, k, v: np.tri(len(q)) @ v, "Look at row 0 first"),
        (lambda q, k, v: v[0], "expected an array of shape (4, 2)"),
        (lambda q, k, v: "rows", "got str"),
        (_overflowing, "large scores overflow"),
        (_largest_of_all, "a forbidden score is the largest"),
        (_limited, "change or limit them"),
    ],
    "attention.cache": [
        (_cache(8), "if each head has its own keys"),
        (_cache(4, each=False), "keys or values"),
        (_cache(2, each=False), "How many bytes"),
        (lambda n, w, h, s, b: 8 * n * s * w // h, "one block's"),
        (lambda n, w, h, s, b: 1, "one position of one block"),
    ],
    "attention.saving": [
        (lambda length, width, hidden: length, "the last token alone"),
        (_saving(lambda whole, cached: cached.sum() / whole.sum()), "upside down"),
        (_saving(lambda whole, cached: len(whole) * whole[-1] / cached.sum()), "needs t rows"),
        (_saving(lambda whole, cached: whole.sum() / len(whole) / cached[-1]), "not with all"),
        (_saving(row=0), "rows are missing"),
        (_saving(pair=0), "leaves the pairs out"),
        (_saving(pair=1), "which other"),
        (_saving(row=3 / 4), "add up over t"),
    ],
    "attention.query-gradient": [
        (_query_gradient(scale=0), "so is their gradient"),
        (_query_gradient(centre=0), "as a constant"),
        (_query_gradient(weigh=False), "a weight is not a score"),
        (_query_gradient(sign=-1), "sign is wrong"),
        (lambda upstream, q, k, v: q, "one by one"),
        (lambda upstream, q, k, v: q[:1], "got shape (1,)"),
        (lambda upstream, q, k, v: q * np.nan, "finite numbers"),
    ],
    "attention.stream": [
        (_each_piece(lambda found: np.mean(found, axis=0)), "must count for more"),
        (_each_piece(lambda found: found[-1]), "only the last piece"),
        (_each_piece(lambda found: found[0]), "Keep three things"),
        (_unshifted, "scores of some thousands"),
        (_keep_scores, "something of every key"),
    ],
}

"""Prepared wrong answers: for each exercise, answers and a part of the message each must get."""

import math
from itertools import pairwise

import numpy as np


def _softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _delta(logits, labels, share, spread):
    """Probabilities minus targets with that share for the right class, and `spread` for each."""
    targets = np.full(logits.shape, spread)
    targets[np.arange(len(labels)), labels] = share
    return _softmax(logits) - targets


def _smooth(logits, labels, s):
    classes = logits.shape[1]
    return _delta(logits, labels, 1 - s + s / classes, s / classes)


def _others(logits, labels, s):
    return _delta(logits, labels, 1 - s, s / (logits.shape[1] - 1)) / len(labels)


def _gradients(x, y, w1, b1, w2, b2, count, slope):
    z1 = x @ w1 + b1
    h = np.tanh(z1)
    dp = 2 * (h @ w2 + b2 - y) / count(y)
    dz1 = dp @ w2.T * slope(z1, h)
    return x.T @ dz1, dz1.sum(axis=0), h.T @ dp, dp.sum(axis=0)


def _repaired(*arrays):
    return _gradients(*arrays, lambda y: y.size, lambda z1, h: 1 - h**2)


def _unit(upstream, x, power=1):
    length = np.sqrt((x**2).sum(axis=1, keepdims=True))
    y = x / length
    return (upstream - y * (y * upstream).sum(axis=1, keepdims=True)) / length**power


def _products(widths):
    return [a * b for a, b in pairwise(widths)]


WRONG = {
    "backpropagation.twice": [
        (0.3, "expected a function"),
        (
            lambda w, x: (1 - math.tanh(w * math.tanh(w * x)) ** 2) * math.tanh(w * x),
            "outer use",
        ),
        (
            lambda w, x: (
                (1 - math.tanh(w * math.tanh(w * x)) ** 2) * w * (1 - math.tanh(w * x) ** 2) * x
            ),
            "inner use",
        ),
        (lambda w, x: math.tanh(w * x) + w * x, "which has a slope"),
        (lambda w, x: x, "along each of the two paths"),
    ],
    "backpropagation.repair": [
        (lambda *arrays: _repaired(*arrays)[:3], "in this order"),
        (
            lambda *arrays: _gradients(*arrays, len, lambda z1, h: 1 - z1**2),
            "of b2 is 2 times the right one",
        ),
        (
            lambda *arrays: _gradients(*arrays, lambda y: y.size, lambda z1, h: 1 - z1**2),
            "the gradient of b1 is not",
        ),
        (
            lambda *arrays: (*_repaired(*arrays)[:2], np.cos(arrays[4]), _repaired(*arrays)[3]),
            "gradient of w2 is wrong",
        ),
        (
            lambda *arrays: (_repaired(*arrays)[0].T, *_repaired(*arrays)[1:]),
            "of w1 must have the shape",
        ),
        (lambda *arrays: ("w1", *_repaired(*arrays)[1:]), "must be an array of numbers"),
    ],
    "backpropagation.smoothed": [
        (_smooth, "sum over the rows"),
        (lambda *a: -_smooth(*a) / len(a[1]), "the sign is wrong"),
        (lambda z, y, s: _delta(z, y, 1, 0) / len(y), "without smoothing"),
        (_others, "among all K classes"),
        (lambda z, y, s: np.zeros_like(z), "sums to 0"),
        (lambda z, y, s: np.zeros(2), "must have the shape"),
        (lambda z, y, s: np.full(z.shape, np.inf), "not finite"),
    ],
    "backpropagation.unit-length": [
        (lambda u, x: u / np.sqrt((x**2).sum(axis=1, keepdims=True)), "as a constant"),
        (lambda u, x: _unit(u, x, power=0), "a long row moves its y less"),
        (lambda u, x: -_unit(u, x), "sign"),
        (lambda u, x: _unit(u, x, power=2), "numbers are wrong"),
        (lambda u, x: u, "yours is not"),
    ],
    "backpropagation.work": [
        ((1, 2), "expected a function"),
        (
            lambda widths, batch: (
                batch * sum(_products(widths)),
                2 * batch * sum(_products(widths)),
            ),
            "gradient by the inputs",
        ),
        (
            lambda widths, batch: (
                sum(_products(widths)),
                2 * sum(_products(widths)) - _products(widths)[0],
            ),
            "for one example",
        ),
        (lambda widths, batch: (batch * sum(widths), 0), "one matrix product for each layer"),
        (
            lambda widths, batch: (batch * sum(_products(widths)), batch * sum(_products(widths))),
            "to the layer below",
        ),
        (lambda widths, batch: (batch * sum(_products(widths)), 7), "layer by layer"),
    ],
}

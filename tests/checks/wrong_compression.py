"""Prepared wrong answers: for each exercise, answers and a part of the message each must get."""

import math

import numpy as np


def _affine(steps=0, stretch=True, zero=lambda low, step, bits: round(-low / step)):
    def affine(low, high, bits):
        if stretch:
            low, high = min(0, low), max(0, high)
        step = (high - low) / (2**bits - 1 + steps)
        return step, zero(low, step, bits)

    return affine


def _symmetric(low, high, bits):
    return max(abs(low), abs(high)) / (2 ** (bits - 1) - 1), 0


def _sparse(index=2, starts=lambda rows, columns: rows + 1):
    def share(rows, columns):
        entries = rows * columns
        return 1 - (4 * entries - 4 * starts(rows, columns)) / ((4 + index) * entries)

    return share


def _rank(tail, shift=0):
    def smallest(singular, error):
        return int(np.argmax(tail(np.asarray(singular)) <= error)) + shift

    return smallest


def _sums(values):
    left = np.append(np.cumsum(values[::-1])[::-1], 0)
    return left / left[0]


def _errors(singular):
    return np.sqrt(_sums(singular**2))


def _saliency(of_inputs, factor=lambda x, w: 1.0):
    return lambda x, w: factor(x, w) * of_inputs(x)[:, np.newaxis] * w**2


def _square(x):
    return (x**2).mean(axis=0)


def _limit(shift=0, descending=False, share=lambda c, b: (c[1] - b) / (c[1] - c[0])):
    def limit(entropies, costs, budget):
        count = math.ceil(len(entropies) * share(costs, budget) - 1e-9) + shift
        ordered = np.sort(entropies)
        return (ordered[::-1] if descending else ordered)[count - 1]

    return limit


WRONG = {
    "compression.affine": [
        (_affine(steps=1), "your step is too short"),
        (_affine(stretch=False), "0 must have a code"),
        (_symmetric, "step of symmetric quantisation"),
        (_affine(steps=-1), "Which numbers get the two outer codes"),
        (_affine(zero=lambda low, step, bits: -low / step), "a whole number"),
        (_affine(zero=lambda low, step, bits: round(-low / step) - 2 ** (bits - 1)), "signed"),
        (_affine(zero=lambda low, step, bits: round(low / step)), "wrong sign"),
        (_affine(zero=lambda low, step, bits: 2**bits - 1), "lowest number has the code 0"),
        (lambda low, high, bits: 0.5, "expected a tuple of 2 numbers"),
    ],
    "compression.sparse": [
        (lambda rows, columns: 1 - _sparse()(rows, columns), "weights that stay"),
        (_sparse(starts=lambda rows, columns: 0), "stored for each row"),
        (_sparse(starts=lambda rows, columns: rows), "How many starts"),
        (_sparse(index=4), "takes 2 bytes"),
        (_sparse(starts=lambda rows, columns: columns + 1), "it is the rows that have starts"),
        (lambda rows, columns: 0.9, "set them equal"),
    ],
    "compression.rank": [
        (_rank(_errors, shift=1), "one too large"),
        (_rank(_errors, shift=-1), "one too small"),
        (_rank(_sums), "adds squares"),
        (_rank(lambda s: _sums(s**2)), "Take a root"),
        (_rank(lambda s: np.append(s, 0) / s[0]), "you compare one singular value"),
        (lambda s, error: int(np.argmax(_errors(s) > error)), "you measure what is kept"),
        (lambda s, error: 2 * len(s), "look it up"),
    ],
    "compression.saliency": [
        (_saliency(_square, lambda x, w: 0.5), "factor 2 is off"),
        (_saliency(_square, lambda x, w: len(x)), "yours is a sum"),
        (lambda x, w: w**2, "size alone"),
        (_saliency(lambda x: x.mean(axis=0) ** 2), "square of the mean"),
        (_saliency(lambda x: x.var(axis=0)), "variance leaves out"),
        (lambda x, w: np.abs(w), "take one weight out"),
        (lambda x, w: w[0], "expected an array of shape (3, 2)"),
        (lambda x, w: 1.0, "one number a weight; float"),
    ],
    "compression.exit": [
        (lambda e, c, b: _limit()(e, c, b) + 1e-6, "a lower limit does the same"),
        (lambda e, c, b: math.ceil(len(e) * (c[1] - b) / (c[1] - c[0])), "counts images"),
        (_limit(descending=True), "Sort the other way round"),
        (_limit(-1, share=lambda c, b: 1 - (c[1] - b) / (c[1] - c[0])), "as should stay"),
        (_limit(share=lambda c, b: (c[0] + c[1] - b) / c[1]), "first part included"),
        (_limit(shift=-1), "one image too few"),
        (lambda e, c, b: 1.0, "further below"),
    ],
}

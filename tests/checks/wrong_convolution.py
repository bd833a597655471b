"""Prepared wrong answers: for each exercise, answers and a part of the message each must get."""

import math

import numpy as np


def _sides(step):
    def follow(size, layers):
        for window, stride, padding in layers:
            size = step(size, window, stride, padding)
        return size

    return follow


def _separable(extra_parameters, extra_work=0):
    def count(rows, columns, window, inputs, outputs):
        weights = window**2 * inputs + inputs * outputs
        parameters = weights + outputs + extra_parameters(inputs, outputs)
        return parameters, weights * rows * columns + extra_work

    return count


def _backward(upstream, x, kernel, stride, order=1, add=True):
    by_x, by_kernel = np.zeros(len(x)), np.zeros(len(kernel))
    for r, share in enumerate(upstream):
        here = slice(stride * r, stride * r + len(kernel))
        by_kernel += share * x[here]
        by_x[here] = share * kernel[::order] + (by_x[here] if add else 0)
    return by_x, by_kernel


def _pooled(write):
    def backward(upstream, x, window, stride):
        gradient = np.zeros_like(x)
        for r, s in np.ndindex(upstream.shape):
            here = np.s_[stride * r : stride * r + window, stride * s : stride * s + window]
            write(gradient[here], x[here] == x[here].max(), upstream[r, s])
        return gradient

    return backward


def _overwrite(view, winner, share):
    view[winner] = share


def _average(view, winner, share):
    view += share / view.size


def _double(view, winner, share):
    view[winner] += 2 * share


def _matrix(kernel, rows, columns, stride):
    height, width = kernel.shape
    size = (rows - height) // stride + 1, (columns - width) // stride + 1
    full = np.zeros((*size, rows, columns))
    for r, s in np.ndindex(size):
        full[r, s, stride * r : stride * r + height, stride * s : stride * s + width] = kernel
    return full.reshape(math.prod(size), -1)


WRONG = {
    "convolution.side": [
        (7, "expected a function"),
        (_sides(lambda n, k, t, p: math.ceil((n + 2 * p - k) / t) + 1), "Which rounding"),
        (_sides(lambda n, k, t, p: (n + p - k) // t + 1), "on both sides"),
        (_sides(lambda n, k, t, p: n + 2 * p - k + 1), "the stride is missing"),
        (_sides(lambda n, k, t, p: (n + 2 * p - k) // t), "after each layer"),
    ],
    "convolution.separable": [
        (
            lambda rows, columns, k, i, o: ((k**2 * i + 1) * o, rows * columns * k**2 * i * o),
            "no channels mix",
        ),
        (_separable(lambda inputs, outputs: inputs), "has no bias here"),
        (_separable(lambda inputs, outputs: -outputs), "for each channel out"),
        (_separable(lambda inputs, outputs: 5), "Count the two steps apart"),
        (
            lambda rows, columns, k, i, o: (
                k**2 * i + (i + 1) * o,
                rows * columns * (k**2 * i + (i + 1) * o),
            ),
            "not multiplied with anything",
        ),
        (_separable(lambda inputs, outputs: 0, 1), "once at each place"),
        (lambda *sizes: 3, "tuple of 2 numbers"),
    ],
    "convolution.backward": [
        (lambda *a: _backward(*a)[0], "expected two arrays"),
        (lambda *a: (_backward(*a)[0], _backward(*a)[1][::-1]), "back to front"),
        (lambda *a: (_backward(*a)[0], _backward(*a)[1] / len(a[0])), "not the mean"),
        (lambda *a: (_backward(*a)[0], a[2]), "was kernel[j] multiplied"),
        (lambda *a: _backward(*a, order=-1), "meets another"),
        (lambda *a: _backward(*a, add=False), "under several windows"),
        (lambda *a: (a[1], _backward(*a)[1]), "gradient of x is wrong"),
        (lambda *a: (a[0], _backward(*a)[1]), "must have the shape"),
        (lambda *a: ("x", "kernel"), "must be an array of numbers"),
    ],
    "convolution.overlap": [
        (_pooled(_average), "average pooling"),
        (_pooled(_overwrite), "win several windows"),
        (_pooled(_double), "not the right amount"),
        (lambda upstream, x, window, stride: x, "mark the winner"),
        (lambda upstream, x, window, stride: upstream, "must have the shape"),
    ],
    "convolution.matrix": [
        (lambda *a: _matrix(*a).T, "a row for each output"),
        (lambda k, *a: _matrix(k[::-1, ::-1], *a), "the kernel flipped"),
        (lambda *a: _matrix(*a)[:, ::-1], "not in the right columns"),
        (lambda *a: 2 * _matrix(*a), "with a single 1"),
        (lambda k, *a: k, "must have the shape"),
        (lambda *a: "A", "must be an array of numbers"),
    ],
}

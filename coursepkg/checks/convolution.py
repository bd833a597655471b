"""Checkers of the exercises in ``architectures/convolution``."""

import math

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker
from coursepkg.scratch.convolution import (
    cross_correlate,
    cross_correlate_1d,
    cross_correlate_1d_backward,
    max_pool_backward,
    multiply_adds,
    parameter_count,
)


def _numbers(answer: object, what: str) -> np.ndarray:
    """Return the answer as an array of floats, or say what it is instead."""
    try:
        return np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{what} must be an array of numbers; got {type(answer).__name__}.") from None


def _array(answer: object, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Return the answer as an array of that shape, or say which shape it has instead."""
    array = _numbers(answer, what)
    if array.shape != shape:
        raise Wrong(f"{what} must have the shape {shape}; got {array.shape}.")
    return array


def _same(got: np.ndarray, expected: np.ndarray) -> bool:
    return np.allclose(got, expected, rtol=1e-6, atol=1e-9)


@checker("convolution.side")
def side(answer: object) -> str:
    """Check the function that follows one side of an image through a stack of layers."""
    stacks = [
        (28, [(5, 1, 2), (2, 2, 0), (5, 1, 0), (2, 2, 0)]),
        (227, [(11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0)]),
        (9, [(2, 2, 0), (3, 2, 1)]),
    ]
    for size, layers in stacks:
        got = as_number(call(answer, size, list(layers)), "rows of the last output")
        exact, rounded_up, padded_once, late = size, size, size, size
        for window, stride, padding in layers:
            exact = (exact + 2 * padding - window) // stride + 1
            rounded_up = math.ceil((rounded_up + 2 * padding - window) / stride) + 1
            padded_once = (padded_once + padding - window) // stride + 1
            late = late + 2 * padding - window + 1
        case = f"{size} rows and the layers {layers}"
        if got == exact:
            continue
        if got == rounded_up:
            raise Wrong(f"{case}: a window that only partly fits has no output. Which rounding?")
        if got == padded_once:
            raise Wrong(f"{case}: the padding is added on both sides.")
        if got == late:
            raise Wrong(f"{case}: the stride is missing.")
        raise Wrong(
            f"{case}: not right. Print the side after each layer, and compare with the shapes of "
            "the arrays that max_pool or cross_correlate return."
        )
    return "right, for three stacks."


@checker("convolution.separable")
def separable(answer: object) -> str:
    """Check the sizes of a depthwise convolution followed by a 1 by 1 convolution."""
    for rows, columns, window, inputs, outputs in [(14, 14, 3, 32, 64), (7, 5, 5, 6, 10)]:
        got = as_numbers(
            call(answer, rows, columns, window, inputs, outputs), 2, "parameters and multiply-adds"
        )
        size = (rows, columns)
        parameters = parameter_count(window, inputs, inputs, groups=inputs, bias=False)
        parameters += parameter_count(1, inputs, outputs)
        work = multiply_adds(size, window, inputs, inputs, groups=inputs)
        work += multiply_adds(size, 1, inputs, outputs)
        if got == [parameters, work]:
            continue
        full = parameter_count(window, inputs, outputs)
        if got[0] == full:
            raise Wrong("that is an ordinary convolution. In the first step no channels mix.")
        if got[0] == parameters + inputs:
            raise Wrong("the first of the two steps has no bias here.")
        if got[0] == parameters - outputs:
            raise Wrong("the second step has a bias for each channel out.")
        if got[0] != parameters:
            raise Wrong(
                f"the parameters are not right for a window of {window}, {inputs} channels in and "
                f"{outputs} out. Count the two steps apart."
            )
        if got[1] == parameters * rows * columns:
            raise Wrong("the biases are parameters, but they are not multiplied with anything.")
        raise Wrong("the parameters are right. Each weight is used once at each place.")
    return "right: both sizes, for two layers."


@checker("convolution.backward")
def backward(answer: object) -> str:
    """Check the backward pass of a strided cross-correlation in one dimension."""
    rng = np.random.default_rng(0)
    for size, window, stride in [(7, 3, 1), (11, 3, 2), (12, 4, 3)]:
        x, kernel = rng.normal(size=size), rng.normal(size=window)
        images, weights = x[None, :, None], kernel[:, None, None]
        upstream = rng.normal(size=cross_correlate_1d(images, weights, stride).shape[1])
        by_x, by_kernel = (
            array.ravel()
            for array in cross_correlate_1d_backward(
                upstream[None, :, None], images, weights, stride
            )
        )
        got = call(answer, upstream.copy(), x.copy(), kernel.copy(), stride)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Wrong("expected two arrays: the gradients of x and of the kernel.")
        got_x = _array(got[0], x.shape, "the gradient of x")
        got_kernel = _array(got[1], kernel.shape, "the gradient of the kernel")
        if not _same(got_kernel, by_kernel):
            if _same(got_kernel, by_kernel[::-1]):
                raise Wrong("the gradient of the kernel is back to front.")
            if _same(got_kernel, by_kernel / len(upstream)):
                raise Wrong("each weight gets the sum over all places, not the mean.")
            raise Wrong(
                f"stride {stride}: the gradient of the kernel is wrong. With which entries of x "
                "was kernel[j] multiplied?"
            )
        if _same(got_x, by_x):
            continue
        if _same(got_x, _scattered(upstream, kernel[::-1], size, stride)):
            raise Wrong("x[t r + j] met kernel[j] in the forward pass; here it meets another.")
        if _same(got_x, _overwritten(upstream, kernel, size, stride)):
            raise Wrong("an entry of x that lies under several windows gets a sum.")
        raise Wrong(f"stride {stride}: the gradient of x is wrong. Compare with gradient_check.")
    return "right, with strides of 1, 2 and 3."


def _scattered(upstream: np.ndarray, kernel: np.ndarray, size: int, stride: int) -> np.ndarray:
    total = np.zeros(size)
    for place, share in enumerate(upstream):
        total[place * stride : place * stride + len(kernel)] += share * kernel
    return total


def _overwritten(upstream: np.ndarray, kernel: np.ndarray, size: int, stride: int) -> np.ndarray:
    last = np.zeros(size)
    for place, share in enumerate(upstream):
        last[place * stride : place * stride + len(kernel)] = share * kernel
    return last


@checker("convolution.overlap")
def overlap(answer: object) -> str:
    """Check the backward pass of max pooling with windows that overlap."""
    rng = np.random.default_rng(1)
    for rows, columns, window, stride in [(4, 4, 2, 2), (5, 5, 3, 2), (6, 4, 2, 1), (6, 8, 3, 2)]:
        x = rng.permutation(rows * columns).reshape(rows, columns).astype(float)
        size = (rows - window) // stride + 1, (columns - window) // stride + 1
        upstream = rng.normal(size=size)
        got = _array(
            call(answer, upstream.copy(), x.copy(), window, stride), x.shape, "the gradient"
        )
        expected = max_pool_backward(upstream[None, ..., None], x[None, ..., None], window, stride)
        expected = expected[0, ..., 0]
        if _same(got, expected):
            continue
        everywhere, last = np.zeros_like(x), np.zeros_like(x)
        for r, s in np.ndindex(size):
            here = np.s_[stride * r : stride * r + window, stride * s : stride * s + window]
            everywhere[here] += upstream[r, s] / window**2
            last[here][x[here] == x[here].max()] = upstream[r, s]
        case = f"windows of {window} and a stride of {stride}"
        if _same(got, everywhere):
            raise Wrong("that is average pooling. Which entry of a window made the output?")
        if _same(got, last):
            raise Wrong(f"{case}: an entry can win several windows. What does it get then?")
        if _same(got != 0, expected != 0):
            raise Wrong(f"{case}: the right entries get something, but not the right amount.")
        raise Wrong(f"{case}: not right. Draw one image, and mark the winner of each window.")
    return "right, with and without overlap."


@checker("convolution.matrix")
def matrix(answer: object) -> str:
    """Check the matrix that does what a cross-correlation does."""
    rng = np.random.default_rng(2)
    for rows, columns, window, stride in [(3, 4, (2, 2), 1), (5, 6, (3, 2), 2), (6, 5, (3, 2), 2)]:
        kernel = rng.normal(size=window)
        weights = kernel[..., None, None]
        units = np.eye(rows * columns).reshape(-1, rows, columns, 1)
        by_unit = cross_correlate(units, weights, stride)  # one column of the matrix for each image
        expected = by_unit.reshape(rows * columns, -1).T
        case = f"an image of {rows} by {columns}, a kernel of {window} and a stride of {stride}"
        got = _numbers(call(answer, kernel.copy(), rows, columns, stride), f"{case}: the matrix")
        if got.shape == expected.T.shape != expected.shape:
            raise Wrong(f"{case}: expected a row for each output and a column for each input.")
        got = _array(got, expected.shape, f"{case}: the matrix")
        if _same(got, expected):
            continue
        flipped = cross_correlate(units, weights[::-1, ::-1], stride).reshape(rows * columns, -1).T
        if _same(got, flipped):
            raise Wrong(f"{case}: that is the true convolution, with the kernel flipped.")
        if _same(got.sum(axis=1), expected.sum(axis=1)):
            raise Wrong(f"{case}: each row holds the kernel, but not in the right columns.")
        raise Wrong(f"{case}: feed an image with a single 1; its output is a column of the matrix.")
    return "right: mostly zeros, and the same few numbers in every row."

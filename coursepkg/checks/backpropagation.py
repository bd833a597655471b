"""Checkers of the exercises in ``foundations/backpropagation``."""

import math
from itertools import pairwise

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker
from coursepkg.scratch.backpropagation import Value
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits_backward,
    one_hot,
    smooth_labels,
)
from coursepkg.scratch.tensors import Tensor


def _array(answer: object, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Return the answer as an array of that shape, or say what it is instead."""
    try:
        array = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{what} must be an array of numbers; got {type(answer).__name__}.") from None
    if array.shape != shape:
        raise Wrong(f"{what} must have the shape {shape}; got {array.shape}.")
    if not np.isfinite(array).all():
        raise Wrong(f"{what} holds numbers that are not finite.")
    return array


def _same(got: np.ndarray, expected: np.ndarray) -> bool:
    return np.allclose(got, expected, rtol=1e-6, atol=1e-9)


@checker("backpropagation.twice")
def twice(answer: object) -> str:
    """Check the derivative of tanh(w tanh(w x)) with respect to w."""
    for w, x in [(0.7, 1.3), (-1.1, 0.4), (1.5, -0.8)]:
        got = as_number(call(answer, w, x), "a derivative")
        weight = Value(w)
        ((weight * x).tanh() * weight).tanh().backward()
        if math.isclose(got, weight.gradient, rel_tol=1e-9):
            continue
        inner = math.tanh(w * x)
        outer_slope = 1 - math.tanh(w * inner) ** 2
        inner_slope = 1 - inner**2
        if math.isclose(got, outer_slope * inner, rel_tol=1e-9):
            raise Wrong("that follows only the path through the outer use of w.")
        if math.isclose(got, outer_slope * w * inner_slope * x, rel_tol=1e-9):
            raise Wrong("that follows only the path through the inner use of w.")
        if math.isclose(got, inner + w * x, rel_tol=1e-9):
            raise Wrong("both paths are there, but each also passes a tanh, which has a slope.")
        raise Wrong(
            f"not right at w = {w}, x = {x}. Draw the graph with Value, and multiply the slopes "
            "along each of the two paths."
        )
    return "right: one product of slopes for each path, and their sum."


@checker("backpropagation.repair")
def repair(answer: object) -> str:
    """Check the repaired backward pass of a network with tanh units and mean squared error."""
    rng = np.random.default_rng(0)
    for examples, inputs, hidden, outputs in [(5, 4, 3, 2), (2, 3, 5, 3)]:
        x, y = rng.normal(size=(examples, inputs)), rng.normal(size=(examples, outputs))
        shapes = [(inputs, hidden), (hidden,), (hidden, outputs), (outputs,)]
        w1, b1, w2, b2 = parameters = [Tensor(rng.normal(size=shape)) for shape in shapes]
        (((x @ w1 + b1).tanh() @ w2 + b2 - y) ** 2).mean().backward()
        got = call(answer, x, y, *(one.value.copy() for one in parameters))
        if not isinstance(got, tuple | list) or len(got) != 4:
            raise Wrong("expected the gradients of w1, b1, w2 and b2, in this order.")
        for name, one, parameter in reversed(
            list(zip(["w1", "b1", "w2", "b2"], got, parameters, strict=True))
        ):
            array = _array(one, parameter.value.shape, f"the gradient of {name}")
            if _same(array, parameter.gradient):
                continue
            ratio = (array / parameter.gradient).ravel()
            if np.allclose(ratio, ratio[0], rtol=1e-6):
                raise Wrong(
                    f"the gradient of {name} is {ratio[0]:.3g} times the right one, in every "
                    "entry. Over how many numbers is the mean taken?"
                )
            if name in ("w1", "b1"):
                raise Wrong(
                    f"the output layer is right, the gradient of {name} is not. What is the slope "
                    "of tanh, written with what the forward pass has computed?"
                )
            raise Wrong(f"the gradient of {name} is wrong. Run gradient_check on it.")
    return "right, on two networks with other widths."


@checker("backpropagation.smoothed")
def smoothed(answer: object) -> str:
    """Check the gradient of the label-smoothed cross-entropy by the logits."""
    rng = np.random.default_rng(1)
    for examples, classes, smoothing in [(4, 3, 0.1), (3, 5, 0.3)]:
        logits, labels = rng.normal(size=(examples, classes)), rng.integers(classes, size=examples)
        got = _array(call(answer, logits, labels, smoothing), logits.shape, "the answer")
        hard = one_hot(labels, classes)
        soft = smooth_labels(hard, smoothing)
        expected = categorical_cross_entropy_from_logits_backward(logits, soft)
        if _same(got, expected):
            continue
        if _same(got, expected * examples):
            raise Wrong("that is the gradient of the sum over the rows, not of their mean.")
        if _same(got, -expected):
            raise Wrong("the sign is wrong: this direction makes the loss smaller.")
        if _same(got, categorical_cross_entropy_from_logits_backward(logits, hard)):
            raise Wrong("that is the gradient without smoothing.")
        others = hard * (1 - smoothing) + (1 - hard) * smoothing / (classes - 1)
        if _same(got, categorical_cross_entropy_from_logits_backward(logits, others)):
            raise Wrong("the share s is divided among all K classes, the right one included.")
        raise Wrong(
            "not the gradient. Each row of the right one sums to 0; compare yours with "
            "numerical_gradient."
        )
    return "right: probabilities minus targets, whatever the targets are."


@checker("backpropagation.unit-length")
def unit_length(answer: object) -> str:
    """Check the backward pass of dividing each row by its length."""
    rng = np.random.default_rng(2)
    for shape in [(4, 3), (2, 6)]:
        x, upstream = Tensor(rng.normal(size=shape)), rng.normal(size=shape)
        lengths = ((x * x).sum(1) ** 0.5).reshape(-1, 1)
        (x / lengths * upstream).sum().backward()
        got = _array(call(answer, upstream.copy(), x.value.copy()), shape, "the answer")
        size = lengths.value
        if _same(got, x.gradient):
            continue
        if _same(got, upstream / size):
            raise Wrong("that treats the length as a constant, but it depends on x, too.")
        if _same(got, x.gradient * size):
            raise Wrong("the direction is right, the size is not: a long row moves its y less.")
        if np.allclose(got, -x.gradient, rtol=1e-6):
            raise Wrong("the sign is wrong in every entry.")
        if np.allclose((got * x.value).sum(axis=1), 0, atol=1e-9):
            raise Wrong(
                "each row is orthogonal to its x, as it must be: a longer row has the same y. "
                "But the numbers are wrong."
            )
        raise Wrong(
            "not right. A row that grows longer keeps its y, so each row of the answer must be "
            "orthogonal to its x; yours is not."
        )
    return "right."


@checker("backpropagation.work")
def work(answer: object) -> str:
    """Check the function that counts the multiply-adds of both passes of a dense network."""
    for widths, batch in [((784, 128, 10), 1), ((5, 7, 6, 3), 4), ((8, 2), 3)]:
        got = as_numbers(call(answer, list(widths), batch), 2, "multiply-adds forward and backward")
        products = [a * b for a, b in pairwise(widths)]
        forward = batch * sum(products)
        backward = 2 * forward - batch * products[0]
        case = f"widths {list(widths)} and a batch of {batch}"
        if got == [forward, backward]:
            continue
        if got == [forward, 2 * forward]:
            raise Wrong(f"{case}: nobody needs the gradient by the inputs X.")
        if got == [forward / batch, backward / batch]:
            raise Wrong(f"{case}: that is the work for one example.")
        if got[0] != forward:
            raise Wrong(f"{case}: the forward pass is one matrix product for each layer.")
        if got[1] == forward:
            raise Wrong(f"{case}: the backward pass also carries the gradient to the layer below.")
        raise Wrong(f"{case}: count the matrix products of the backward pass, layer by layer.")
    return "right."

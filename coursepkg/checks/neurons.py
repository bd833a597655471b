"""Checkers of the exercises in ``foundations/neurons``."""

import functools
import itertools
import math
from typing import Any

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, call, checker
from coursepkg.scratch.activations import step
from coursepkg.scratch.neurons import Perceptron


def _corners(inputs: int) -> np.ndarray:
    return np.array(list(itertools.product((0.0, 1.0), repeat=inputs)))


def _arrays(answer: Any, shapes: dict[str, tuple[int, ...]]) -> list[np.ndarray]:
    """Return the parts of a tuple as float arrays of the given shapes, or raise `Wrong`."""
    if not isinstance(answer, tuple | list) or len(answer) != len(shapes):
        raise Wrong(f"expected a tuple of {len(shapes)}: {', '.join(shapes)}.")
    parts = []
    for part, (name, shape) in zip(answer, shapes.items(), strict=True):
        array = np.asarray(part)
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise Wrong(f"expected {name} to hold finite numbers.")
        if array.shape != shape:
            raise Wrong(f"expected {name} of shape {shape}, got {array.shape}.")
        parts.append(array.astype(float))
    return parts


@checker("neurons.at-least")
def at_least(answer: object) -> str:
    """Check the neuron that fires if enough inputs are on."""
    for inputs, needed in [(5, 3), (6, 1), (2, 2), (2, 1), (4, 4)]:
        got = call(answer, inputs, needed)
        weights, bias = _arrays(got, {"weights": (inputs,), "bias": ()})
        x = _corners(inputs)
        sums, count = x @ weights + bias, x.sum(axis=1)
        wrong = step(sums) != (count >= needed)
        if not wrong.any():
            continue
        if (step(-sums) == (count >= needed)).all():
            raise Wrong("your neuron is silent where it should fire. Look at the signs.")
        if (step(sums) == (count >= needed + 1)).all():
            raise Wrong("it needs one input too many: is your sum below 0 at exactly k inputs?")
        if (step(sums) == (count >= needed - 1)).all():
            raise Wrong("it fires one input too early. What is the sum at k - 1 inputs?")
        raise Wrong(
            f"not right for n = {inputs}, k = {needed}: the input "
            f"{x[wrong.argmax()].astype(int).tolist()} gets the wrong answer."
        )
    return "right for every input that the checker tried."


@checker("neurons.parity")
def parity(answer: object) -> str:
    """Check the network of threshold neurons that tells an odd number of inputs from an even."""
    names = ("W_1", "b_1", "w_2", "b_2")
    for inputs in (2, 3, 4, 5):
        shapes = [(inputs, inputs), (inputs,), (inputs,), ()]
        got = call(answer, inputs)
        w_1, b_1, w_2, b_2 = _arrays(got, dict(zip(names, shapes, strict=True)))
        x = _corners(inputs)
        hidden = step(x @ w_1 + b_1)
        output, count = step(hidden @ w_2 + b_2), x.sum(axis=1)
        wrong = output != count % 2
        if not wrong.any():
            continue
        if (output == 1 - count % 2).all():
            raise Wrong("that is 1 for an even number. It should be 1 for an odd one.")
        if len(np.unique(hidden, axis=0)) <= inputs:
            raise Wrong(
                f"with {inputs} inputs there are {inputs + 1} possible counts, but your hidden "
                "layer does not tell them all apart. What should each unit look out for?"
            )
        if (w_2 >= 0).all() or (w_2 <= 0).all():
            raise Wrong(
                "all your output weights have one sign, so more hidden units that fire can only "
                "push one way. The parity goes up and down."
            )
        raise Wrong(
            f"not right for {inputs} inputs: {x[wrong.argmax()].astype(int).tolist()} gets the "
            "wrong answer. Write down what your hidden units put out for 0, 1, 2, ... inputs."
        )
    return "right for 2 to 5 inputs."


@checker("neurons.leaky-gain")
def leaky_gain(answer: object) -> str:
    """Check the gain that keeps the mean square through leaky ReLU layers."""
    for slope in (0.2, 0.0, 1.0, 0.5):
        got = as_number(call(answer, slope), "the product of fan-in and weight variance")
        exact = 2 / (1 + slope**2)
        if math.isclose(got, exact, rel_tol=1e-3):
            continue
        if math.isclose(got, 2.0):
            raise Wrong("that is ReLU's gain. The negative half is not lost here.")
        if math.isclose(got, 1 / exact, rel_tol=1e-3):
            raise Wrong("that is the share that one layer keeps. The weights must make up for it.")
        if math.isclose(got, math.sqrt(exact), rel_tol=1e-3):
            raise Wrong("that is a standard deviation; the variance is asked for.")
        if math.isclose(got, 2 / (1 + slope), rel_tol=1e-3):
            raise Wrong("the negative half is scaled by the slope; how does its square scale?")
        if math.isclose(got, 2 / (1 + slope) ** 2, rel_tol=1e-3):
            raise Wrong("the two halves do not overlap: average their squares, do not add first.")
        raise Wrong(
            f"not right for slope {slope}. Split E[phi(z)**2] into z > 0 and z < 0, and check "
            "the result with gaussian_mean_square."
        )
    return "right."


@functools.cache
def _separable(table: tuple[int, ...]) -> bool:
    return Perceptron(3).fit(_corners(3), np.array(table), passes=30)[-1] == 0


@checker("neurons.separable")
def separable(answer: object) -> str:
    """Check the function that says which tables of three inputs one neuron can compute."""
    tables = list(itertools.product((0, 1), repeat=8))
    said = []
    for table in tables:
        got = call(answer, np.array(table))
        if not isinstance(got, bool | np.bool_):
            raise Wrong(f"expected True or False, got {type(got).__name__}.")
        said.append(bool(got))
    truth = [_separable(table) for table in tables]
    missed = [t for t, got, right in zip(tables, said, truth, strict=True) if right and not got]
    invented = [t for t, got, right in zip(tables, said, truth, strict=True) if got and not right]
    if not missed and not invented:
        return f"right for all 256 tables; {sum(truth)} of them are separable."
    if all(said) or not any(said):
        raise Wrong(f"your function says {said[0]} to every table.")
    if missed and not invented:
        raise Wrong(
            f"{len(missed)} tables that one neuron can compute get False, for example "
            f"{list(missed[0])}. Does your search stop too early?"
        )
    if invented and not missed:
        raise Wrong(
            f"{len(invented)} tables that no neuron can compute get True, for example "
            f"{list(invented[0])}. What proves to you that they are separable?"
        )
    raise Wrong(
        f"wrong both ways: {list(missed[0])} is separable and {list(invented[0])} is not. In which "
        "order do the rows of your eight corners stand?"
    )


def _averages(x: np.ndarray, labels: np.ndarray, passes: int) -> dict[str, np.ndarray]:
    """Run a perceptron and average (w, b) in the ways that learners do."""
    neuron = Perceptron(x.shape[1])
    every, changed, ends = [], [], []
    for _ in range(passes):
        for row, label in zip(x, labels, strict=True):
            mistakes = neuron.one_pass(row[None], np.array([label]))
            state = np.append(neuron.weights, neuron.bias)
            every.append(state)
            if mistakes:
                changed.append(state)
        ends.append(state)
    means = {"every": every, "changed": changed, "ends": ends, "before": [0 * state, *every[:-1]]}
    return {"last": every[-1], **{name: np.mean(rows, axis=0) for name, rows in means.items()}}


@checker("neurons.averaged")
def averaged(answer: object) -> str:
    """Check the averaged perceptron on drawn examples."""
    rng = np.random.default_rng(0)
    for passes in (2, 3):
        x = rng.integers(0, 4, (30, 4)).astype(float)
        labels = (x @ [1, -1, 2, -1] + rng.integers(-3, 4, 30) > 1).astype(int)
        got = call(answer, x.copy(), labels.copy(), passes)
        weights, bias = _arrays(got, {"weights": (4,), "bias": ()})
        state = np.append(weights, bias)
        known = _averages(x, labels, passes)
        if np.allclose(state, known["every"]):
            continue
        if np.allclose(state, len(x) * passes * known["every"]):
            raise Wrong("that is the sum. It decides the same, but the exercise asks for the mean.")
        if np.allclose(state, known["last"]):
            raise Wrong("those are the last weights, not their average.")
        if np.allclose(state, known["changed"]):
            raise Wrong("weights that survive many examples must count many times, not once.")
        if np.allclose(state, known["ends"]):
            raise Wrong("you average once a pass; average once an example.")
        if np.allclose(state, known["before"]):
            raise Wrong("you average the weights before each example, not after it.")
        if np.allclose(state[:-1], known["every"][:-1]):
            raise Wrong("the weights are right. Average the bias in the same way.")
        raise Wrong(
            "not the average of the weights after each example. Do the examples come in their "
            "order, and does your sum keep copies and not the changing array itself?"
        )
    return "right. Now compare the two on new images."

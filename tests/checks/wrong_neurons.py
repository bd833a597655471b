"""Prepared wrong answers to the exercises in ``foundations/neurons``."""

import functools
import itertools

import numpy as np

from coursepkg.scratch.neurons import Perceptron

CORNERS = np.array(list(itertools.product((0.0, 1.0), repeat=3)))


def _counting(n, weights=None, bias=-0.5):
    """Hidden unit j fires if at least j inputs are on."""
    signs = (-1.0) ** np.arange(n) if weights is None else weights
    return np.ones((n, n)), -np.arange(1.0, n + 1), signs, bias


@functools.cache
def _learned(table, passes, order):
    return Perceptron(3).fit(CORNERS[list(order)], np.array(table), passes)[-1] == 0


def _trained(table, passes, order=range(8)):
    return _learned(tuple(table), passes, tuple(order))


def _average(x, labels, passes, when):
    neuron, states = Perceptron(x.shape[1]), []
    for _ in range(passes):
        for row, label in zip(x, labels, strict=True):
            before = np.append(neuron.weights, neuron.bias)
            mistake = neuron.one_pass(row[None], np.array([label]))
            after = np.append(neuron.weights, neuron.bias)
            states += {"before": [before], "changed": [after] * mistake}.get(when, [after])
        if when == "ends":
            states = [*states[: len(states) - len(x)], after]
    if when == "last":
        states = states[-1:]
    mean = np.sum(states, axis=0) if when == "sum" else np.mean(states, axis=0)
    return mean[:-1], neuron.bias if when == "bias" else mean[-1]


def _averaging(when):
    return lambda x, labels, passes: _average(x, labels, passes, when)


WRONG = {
    "neurons.at-least": [
        (3, "expected a function"),
        (lambda n, k: np.ones(n), "expected a tuple of 2"),
        (lambda n, k: (np.ones(n + 1), -k), "expected weights of shape"),
        (lambda n, k: (["a"] * n, -k), "finite numbers"),
        (lambda n, k: (np.ones(n), -k - 0.5), "one input too many"),
        (lambda n, k: (np.ones(n), 1 - k), "one input too early"),
        (lambda n, k: (-np.ones(n), k - 0.5), "signs"),
        (lambda n, k: (np.ones(n), -1), "not right for n = 5, k = 3"),
    ],
    "neurons.parity": [
        (lambda n: (np.ones((n, n)), np.zeros(n)), "expected a tuple of 4"),
        (lambda n: _counting(n, -((-1.0) ** np.arange(n)), 0.5), "1 for an even number"),
        (lambda n: (np.eye(n), -np.full(n, n), np.ones(n), -0.5), "does not tell them all apart"),
        (lambda n: _counting(n, np.ones(n)), "one sign"),
        (lambda n: _counting(n, bias=0.0), "not right for 2 inputs"),
    ],
    "neurons.leaky-gain": [
        (lambda slope: 2.0, "ReLU's gain"),
        (lambda slope: (1 + slope**2) / 2, "share that one layer keeps"),
        (lambda slope: (2 / (1 + slope**2)) ** 0.5, "standard deviation"),
        (lambda slope: 2 / (1 + slope), "how does its square scale"),
        (lambda slope: 2 / (1 + slope) ** 2, "do not overlap"),
        (lambda slope: 1.0, "not right for slope 0.2"),
        (lambda slope: "2", "expected a number"),
    ],
    "neurons.separable": [
        (lambda table: True, "says True to every table"),
        (lambda table: 1, "expected True or False"),
        (lambda table: _trained(table, 3), "stop too early"),
        (lambda table: _trained(table, 100) or sum(table) == 2, "What proves to you"),
        (lambda table: _trained(table, 100, (0, 1, 2, 4, 3, 5, 6, 7)), "In which order"),
    ],
    "neurons.averaged": [
        (_averaging("sum"), "that is the sum"),
        (_averaging("last"), "last weights"),
        (_averaging("changed"), "count many times"),
        (_averaging("ends"), "once an example"),
        (_averaging("before"), "not after it"),
        (_averaging("bias"), "Average the bias"),
        (lambda x, labels, passes: (np.zeros(4), 0.0), "keep copies"),
        (lambda x, labels, passes: np.zeros(5), "expected a tuple of 2"),
    ],
}

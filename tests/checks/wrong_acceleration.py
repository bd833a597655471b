"""Prepared wrong answers to the exercises of ``hardware/acceleration``."""

import math
import statistics


def _batch(inputs, outputs, ridge):
    return 4 * ridge * inputs * outputs / (2 * inputs * outputs - 4 * ridge * (inputs + outputs))


def _times(run, wait, clock, repeats, warm_up=1, waiting=True):
    for _ in range(warm_up):
        wait(run())
    times = []
    for _ in range(repeats):
        before = clock()
        result = run()
        if waiting:
            wait(result)
        times.append(clock() - before)
    return times


def _one_too_many(run, wait, clock, repeats):
    median = statistics.median(_times(run, wait, clock, repeats))
    run()
    return median


def _tiles(k, n, r, c):
    return math.ceil(k / r) * math.ceil(n / c)


def _share(cycles):
    return lambda m, k, n, r, c: m * k * n / (cycles(m, k, n, r, c) * r * c)


WRONG = {
    "acceleration.intensity": [
        (2.0, "expected a function"),
        (lambda b, n, m, s: b * n * m / (s * (b * n + n * m + b * m)), "two operations"),
        (lambda b, n, m, s: 2 * b * n * m / (b * n + n * m + b * m), "How many bytes"),
        (lambda b, n, m, s: 2 * b / s, "inputs and the outputs cross"),
        (lambda b, n, m, s: 2 * n * m / (s * (n + n * m + m)), "The batch shares them"),
        (lambda b, n, m, s: 1.0, "not right for a batch of 1"),
    ],
    "acceleration.batch": [
        (lambda n, m, ridge: _batch(n, m, ridge), "whole number"),
        (lambda n, m, ridge: math.ceil(2 * ridge), "inputs and outputs"),
        (lambda n, m, ridge: math.floor(_batch(n, m, ridge)), "one example short"),
        (lambda n, m, ridge: math.ceil(abs(_batch(n, m, ridge))), "no batch is large enough"),
        (lambda n, m, ridge: 3, "solve for N"),
        (lambda n, m, ridge: "large", "expected a number"),
    ],
    "acceleration.timing": [
        (1.0, "expected a function"),
        (lambda *lab: statistics.median(_times(*lab, waiting=False)), "before the result"),
        (lambda *lab: max(_times(*lab, warm_up=0)), "must not count"),
        (lambda *lab: statistics.mean(_times(*lab)), "the mean"),
        (lambda *lab: min(_times(*lab)), "the shortest"),
        (lambda run, wait, clock, n: _times(run, wait, clock, 2)[1], "too few runs"),
        (lambda run, wait, clock, n: max(_times(run, wait, clock, n)), "start anew"),
        (_one_too_many, "got 7 runs"),
    ],
    "acceleration.attention": [
        (lambda n, t, d, h: 4 * n * t * d**2 + 2 * n * t**2 * d, "multiply-adds"),
        (lambda n, t, d, h: 6 * n * t * d**2 + 4 * n * t**2 * d, "after the heads"),
        (lambda n, t, d, h: 8 * n * t * d**2 + 2 * n * t**2 * d, "same size"),
        (lambda n, t, d, h: 8 * n * t * d**2 + 4 * h * n * t**2 * d, "share the width"),
        (lambda n, t, d, h: 8 * n * t * d**2, "T squared"),
        (lambda n, t, d, h: 1, "six matrix products"),
    ],
    "acceleration.systolic": [
        (
            _share(lambda m, k, n, r, c: r + (_tiles(k, n, r, c) - 1) * max(m, r) + m + r + c - 2),
            "two registers",
        ),
        (_share(lambda m, k, n, r, c: _tiles(k, n, r, c) * (m + r + c - 2)), "for free"),
        (_share(lambda m, k, n, r, c: _tiles(k, n, r, c) * (r + m)), "has not left"),
        (_share(lambda m, k, n, r, c: k * n / (r * c) * (r + m + r + c - 2)), "round up"),
        (lambda m, k, n, r, c: 0.5, "load, stream, drain"),
    ],
}

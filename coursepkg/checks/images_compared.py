"""Checkers of the exercises in ``applications/images_compared``."""

import math
from collections.abc import Mapping

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, call, checker


@checker("images_compared.work")
def work(answer: object) -> str:
    """Check the function that counts a convolution's multiply-adds."""
    for rows, columns, channels, filters, window in [(28, 28, 1, 6, 3), (9, 12, 4, 5, 2)]:
        got = as_number(call(answer, rows, columns, channels, filters, window), "multiply-adds")
        places = (rows - window + 1) * (columns - window + 1)
        each = window**2 * channels * filters
        if got == rows * columns * each:
            raise Wrong("that is the work with padding. Without it, fewer windows fit.")
        if got == each:
            raise Wrong("that is the number of weights. At how many places is each one used?")
        if got == places * window**2 * filters:
            raise Wrong("every filter looks at all channels of its input.")
        if got != places * each:
            raise Wrong(
                f"not right for {rows} by {columns} pixels, {channels} channels, {filters} "
                f"filters and windows of {window}. Multiply: places, weights of one filter, filters"
            )
    return "right: places times weights."


@checker("images_compared.power-law")
def power_law(answer: object) -> str:
    """Check the function that extrapolates a power law through two points."""
    for constant, alpha in [(2.0, 0.5), (0.7, 0.3)]:

        def error(size: float, constant: float = constant, alpha: float = alpha) -> float:
            return constant * size**-alpha

        got = as_number(
            call(answer, error(5000), 100, error(100), 1000, error(1000)), "training images"
        )
        slope = (error(1000) - error(100)) / 900
        if math.isclose(got, 100 + (error(5000) - error(100)) / slope, rel_tol=1e-6):
            raise Wrong("that is a straight line through the points. Take logarithms first.")
        if not math.isclose(got, 5000, rel_tol=1e-6):
            raise Wrong(
                "the checker took two points of a known power law, and your number of images does "
                "not give the error asked for. Find the exponent from the two ratios first."
            )
    return "right."


@checker("images_compared.paired")
def paired(answer: object) -> str:
    """Check the function that computes a paired standard error from counts."""
    rng = np.random.default_rng(0)
    for total in (200, 1000):
        a, b = rng.random(total) < 0.9, rng.random(total) < 0.8
        got = as_number(call(answer, a.copy(), b.copy()), "a standard error")
        exact = (a.astype(float) - b).std(ddof=1) / math.sqrt(total)
        if math.isclose(got, math.sqrt((a.var() + b.var()) / total), rel_tol=1e-3):
            raise Wrong("that is the unpaired error: it ignores that the images are the same.")
        if math.isclose(got, exact * math.sqrt(total), rel_tol=1e-3):
            raise Wrong("that is the spread of the single differences, not of their mean.")
        if not math.isclose(got, exact, rel_tol=1e-3):
            raise Wrong(
                "not the standard error of the mean difference. What is the sum of the squares of "
                "numbers that are 1, -1 or 0?"
            )
    return "right, to the thousandth."


@checker("images_compared.fashion")
def fashion(answer: object) -> str:
    """Check that a comparison on Fashion-MNIST is complete and possible."""
    names = ("perceptron_128", "convnet_32")
    if not isinstance(answer, Mapping) or set(answer) != set(names):
        raise Wrong(f"expected a dictionary with the keys {' and '.join(names)}.")
    for name in names:
        counts = [as_number(count, "right answers") for count in answer[name]]
        if len(counts) != 3:
            raise Wrong(f"{name} has {len(counts)} counts; there are three seeds.")
        if any(count != int(count) or not 0 <= count <= 1000 for count in counts):
            raise Wrong("right answers are whole numbers from 0 to 1000. Did you pass shares?")
        if min(counts) < 500:
            raise Wrong(
                f"{name} reads fewer than half. Are the pixels between 0 and 1, in training and "
                "in testing?"
            )
        if len(set(counts)) == 1:
            raise Wrong(f"three equal counts for {name}: did every run use the same seed?")
    return "complete. Now compare the differences with the spread."

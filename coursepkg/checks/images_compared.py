"""Checkers of the exercises in ``applications/images_compared``."""

import math
from collections.abc import Mapping

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker


@checker("images_compared.work")
def work(answer: object) -> str:
    """Check the function that counts a convolution's multiply-adds."""
    for rows, columns, channels, filters, window in [(28, 28, 1, 6, 3), (9, 12, 4, 5, 2)]:
        got = as_number(call(answer, rows, columns, channels, filters, window), "multiply-adds")
        places = (rows - window + 1) * (columns - window + 1)
        each = window**2 * channels * filters
        if got == places * each:
            continue
        if got == rows * columns * each:
            raise Wrong("that is the work with padding. Without it, fewer windows fit.")
        if got == each:
            raise Wrong("that is the number of weights. At how many places is each one used?")
        if got == places * window**2 * filters:
            raise Wrong("every filter looks at all channels of its input.")
        raise Wrong(
            f"not right for {rows} by {columns} pixels, {channels} channels, {filters} filters and "
            f"windows of {window}. Multiply: places, weights of one filter, filters."
        )
    return "right: places times weights."


@checker("images_compared.power-law")
def power_law(answer: object) -> str:
    """Check the function that extrapolates a power law through two points."""
    for constant, alpha, size in [(2.0, 0.5, 5000), (0.7, 0.3, 20_000)]:

        def error(images: float, constant: float = constant, alpha: float = alpha) -> float:
            return constant * images**-alpha

        got = as_number(
            call(answer, error(size), 100, error(100), 1000, error(1000)), "training images"
        )
        slope = (error(1000) - error(100)) / 900
        if math.isclose(got, 100 + (error(size) - error(100)) / slope, rel_tol=1e-6):
            raise Wrong("that is a straight line through the points. Take logarithms first.")
        if not math.isclose(got, size, rel_tol=1e-6):
            raise Wrong(
                "the checker took two points of a known power law, and your number of images does "
                "not give the error asked for. Find the exponent from the two ratios first."
            )
    return "right."


@checker("images_compared.spread")
def spread(answer: object) -> str:
    """Check the function that gives a mean and its standard error."""
    for values in ([0.91, 0.93, 0.92], [0.5, 0.6, 0.7, 0.9]):
        mean, error = as_numbers(call(answer, list(values)), 2, "mean and standard error")
        if not math.isclose(mean, np.mean(values), rel_tol=1e-9):
            raise Wrong("the first of the two numbers is not the mean.")
        exact = np.std(values, ddof=1) / math.sqrt(len(values))
        if math.isclose(error, np.std(values) / math.sqrt(len(values)), rel_tol=1e-9):
            raise Wrong("NumPy's std divides by m unless you tell it otherwise.")
        if math.isclose(error, exact * math.sqrt(len(values)), rel_tol=1e-9):
            raise Wrong("that is the spread of the values, not of their mean.")
        if not math.isclose(error, exact, rel_tol=1e-9):
            raise Wrong("the second number is not what the formula gives. Mind the square root.")
    return "right."


@checker("images_compared.paired")
def paired(answer: object) -> str:
    """Check the function that computes a paired standard error from counts."""
    for only_a, only_b, total in [(30, 12, 200), (5, 60, 1000)]:
        got = as_number(call(answer, only_a, only_b, total), "a standard error")
        d = np.repeat([1.0, -1.0, 0.0], [only_a, only_b, total - only_a - only_b])
        exact = d.std(ddof=1) / math.sqrt(total)
        if math.isclose(got, exact, rel_tol=1e-9):
            continue
        if math.isclose(got, d.std() / math.sqrt(total), rel_tol=1e-9):
            raise Wrong("you divide by the number of images; the formula has one less.")
        if math.isclose(got, exact * math.sqrt(total), rel_tol=1e-2):
            raise Wrong("that is the spread of the single differences, not of their mean.")
        if math.isclose(got, math.sqrt(only_a + only_b) / total, rel_tol=1e-9):
            raise Wrong("nearly: the mean difference is not zero, so subtract its square.")
        raise Wrong(
            "not the standard error of the mean difference. What is the sum of the squares of "
            "numbers that are 1, -1 or 0?"
        )
    return "right."


@checker("images_compared.fashion")
def fashion(answer: object) -> str:
    """Check that a comparison on Fashion-MNIST is complete and possible."""
    names = ("perceptron_128", "convnet_32")
    if not isinstance(answer, Mapping) or set(answer) != set(names):
        raise Wrong(f"expected a dictionary with the keys {' and '.join(names)}.")
    for name in names:
        counts = as_numbers(answer[name], 3, f"the correct answers of {name}, one for each seed")
        if any(count != int(count) or not 0 <= count <= 1000 for count in counts):
            raise Wrong("counts are whole numbers from 0 to 1000. Did you pass shares?")
        if min(counts) < 500:
            raise Wrong(
                f"{name} reads fewer than half. Are the pixels between 0 and 1, in training and "
                "in testing?"
            )
        if len(set(counts)) == 1:
            raise Wrong(f"three equal counts for {name}: did every run use the same seed?")
    return "complete. Now compare the differences with the spread."

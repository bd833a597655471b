"""Checkers of the exercises in ``applications/images``."""

import math
from itertools import pairwise

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker
from coursepkg.scratch.evaluation import wilson_interval


@checker("images.parameters")
def parameters(answer: object) -> str:
    """Check the number of parameters of a dense network 784-300-100-10."""
    sizes = [784, 300, 100, 10]
    pairs = list(pairwise(sizes))
    number = as_number(answer, "how many parameters")
    if number == sum(a * b for a, b in pairs):
        raise Wrong("these are the weights alone. Each unit has one more parameter.")
    if number == sum((a + 1) * b for a, b in pairs[:-1]):
        raise Wrong("one layer is missing. Count the arrows between the four numbers.")
    if number != sum((a + 1) * b for a, b in pairs):
        raise Wrong(
            "a layer from m to n units has a weight for each pair and a bias for each of the n. "
            "Write the sum of each of the three layers down, or let Keras count."
        )
    return "right, weights and biases of all three layers."


@checker("images.output-shape")
def output_shape(answer: object) -> str:
    """Check the size of the feature map after two convolutions and two poolings."""
    rows, columns = as_numbers(answer, 2, "(rows, columns)")
    if rows != columns:
        raise Wrong("image and windows are square, so rows and columns stay equal.")
    if rows == 28 / 2 / 2:
        raise Wrong("that is the size with padding. Here a window must lie inside the image.")
    if rows not in {(28 - 5 + 1) // 2 - 3 + 1, ((28 - 5 + 1) // 2 - 3 + 1) // 2}:
        raise Wrong(
            "how many places has the first window in a row of 28 pixels? Neither 28, nor 28 less "
            "its width. Then halve, and do the same again."
        )
    if rows != ((28 - 5 + 1) // 2 - 3 + 1) // 2:
        raise Wrong("one of the two poolings is missing.")
    return "right."


@checker("images.needed")
def images_needed(answer: object) -> str:
    """Check the function that finds how many test images make an interval narrow enough."""
    for accuracy, width in [(0.99, 0.01), (0.9, 0.03), (0.5, 0.1)]:
        got = as_number(call(answer, accuracy, width), "the number of images")

        def interval_width(total: int, accuracy: float = accuracy) -> float:
            low, high = wilson_interval(round(accuracy * total), total)
            return high - low

        place = f"images_needed({accuracy}, {width})"
        if got < 100 or got % 100:
            raise Wrong(f"{place} should return a multiple of 100.")
        if interval_width(int(got)) > width:
            raise Wrong(
                f"with the number that {place} returns, the interval is still too wide. Is `width` "
                "the whole interval, or did you take half of it?"
            )
        if got > 100 and interval_width(int(got) - 100) <= width:
            raise Wrong(f"{place} returns more images than needed: 100 fewer are enough, too.")
    return "right. Four times the images halve the interval."


@checker("images.double-softmax")
def double_softmax(answer: object) -> str:
    """Check the function that gives the smallest loss behind a doubled softmax."""
    for classes in (2, 10, 1000):
        got = as_number(call(answer, classes), "the loss in nats")
        if math.isclose(got, math.log(classes), rel_tol=1e-6):
            raise Wrong("that is the loss of equal scores, an answer that knows nothing.")
        if math.isclose(got, 0, abs_tol=1e-9):
            raise Wrong("0 is the smallest loss with one softmax. What can the inner one put out?")
        right = math.log(math.e + classes - 1) - 1
        if math.isclose(got, right / math.log(2), rel_tol=1e-6):
            raise Wrong("that is in bits. The loss in nats takes the natural logarithm.")
        if classes != 10 and math.isclose(got, math.log(math.e + 9) - 1, rel_tol=1e-6):
            raise Wrong("that is right for ten classes only. Let `classes` enter the formula.")
        if not math.isclose(got, right, rel_tol=1e-6):
            raise Wrong(
                f"not right for {classes} classes. Let the inner softmax be perfect: which numbers "
                "does it hand to the outer one, and what is the loss then?"
            )
    return "right, for any number of classes."


@checker("images.worst-pair")
def worst_pair(answer: object) -> str:
    """Check the function that finds the pair of classes with the most mutual errors."""
    rng = np.random.default_rng(0)
    for trial in range(20):
        counts = rng.integers(0, 20, size=(5, 5)) + np.diag([500 + trial] * 5)
        if trial == 0:
            counts[0, 4], counts[4, 0] = 40, 0
            counts[2, 3], counts[3, 2] = 30, 30
        got = call(answer, counts.copy())
        row, column = (int(item) for item in as_numbers(got, 2, "the classes (i, j)"))
        if row == column:
            raise Wrong("(i, i) counts the right answers. Leave the diagonal out.")
        if row > column:
            raise Wrong("give the smaller class first.")
        if not 0 <= row < column < len(counts):
            raise Wrong(f"classes are numbered from 0 to K - 1; you returned {row} and {column}.")
        both = counts + counts.T
        np.fill_diagonal(both, 0)
        if both[row, column] != both.max():
            raise Wrong(
                "not the worst pair of a matrix that the checker tried. Are both directions "
                "counted, i read as j and j read as i?"
            )
    return "right on twenty matrices."

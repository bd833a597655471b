"""Checkers of the exercises in ``applications/images_recipe``."""

import math

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker


@checker("images_recipe.one-cycle")
def one_cycle(answer: object) -> str:
    """Check the function that finds the steps at which the rate is half its peak."""
    for steps, share in [(1000, 0.25), (400, 0.5)]:
        up, down = as_numbers(call(answer, steps, share), 2, "the steps (up, down)")
        if up > down:
            raise Wrong("the way up comes first.")
        if math.isclose(up, steps / 4) and math.isclose(down, 3 * steps / 4) and share != 0.5:
            raise Wrong("that is a cycle whose peak lies in the middle. Let the share enter.")
        if not math.isclose(up, share * steps / 2):
            raise Wrong("the first step is not right: the rate rises to its peak in a line.")
        if not math.isclose(down, steps - (1 - share) * steps / 2):
            raise Wrong("the second step is not right: at which step does the rate reach zero?")
    return "right, both ways."


@checker("images_recipe.smooth")
def smooth(answer: object) -> str:
    """Check the function that gives the smallest loss for a smoothed label."""
    for classes, smoothing in [(10, 0.05), (4, 0.2)]:
        got = as_number(call(answer, classes, smoothing), "the loss in nats")
        wrong_share = smoothing / classes
        right_share = 1 - smoothing + wrong_share
        right = -right_share * math.log(right_share)
        if math.isclose(got, 0, abs_tol=1e-9):
            raise Wrong("0 would need a probability of 1 for every class that the target names.")
        if math.isclose(got, right, rel_tol=1e-6):
            raise Wrong("that is the right class's part of the sum. The other classes have a part.")
        if math.isclose(got, -math.log(right_share), rel_tol=1e-6):
            raise Wrong("that is the loss of a hard label. Here every class has a share in it.")
        if not math.isclose(
            got, right - (classes - 1) * wrong_share * math.log(wrong_share), rel_tol=1e-6
        ):
            raise Wrong(
                f"not right for {classes} classes and smoothing {smoothing}. Which probabilities "
                "make the loss smallest? Put them in."
            )
    return "right: the entropy of the target."


@checker("images_recipe.time-to")
def time_to(answer: object) -> str:
    """Check the function that reads the time to a target off a training log."""
    log = [0.5, 0.91, 0.89, 0.95, 0.95]
    cases = [(0.9, 3.0, 6.0), (0.95, 2.0, 8.0), (0.4, 7.0, 7.0), (0.99, 1.0, math.inf)]
    for target, seconds, right in cases:
        got = call(answer, target, seconds, list(log))
        if got == right:
            continue
        if right == math.inf:
            raise Wrong("what do you return if no epoch reaches the target?")
        number = as_number(got, "seconds")
        if number == right - seconds:
            raise Wrong("one epoch is missing: the first look comes after the first epoch.")
        if number == right / seconds:
            raise Wrong("that is the number of epochs. How long does one take?")
        raise Wrong(f"not right for a target of {target} and the accuracies {log}.")
    return "right."


@checker("images_recipe.stride")
def stride(answer: object) -> str:
    """Check the function that counts the multiply-adds of a strided convolution."""
    for side, channels, filters, window, step in [(25, 2, 8, 5, 2), (11, 3, 4, 3, 3)]:
        got = as_number(call(answer, side, channels, filters, window, step), "multiply-adds")
        weights = window**2 * channels * filters
        along = (side - window) // step + 1
        if got == along**2 * weights:
            continue
        if math.isclose(got, (side - window + 1) ** 2 * weights / step**2):
            raise Wrong("dividing by the stride squared comes near. Count the places along a side.")
        if got == along * weights:
            raise Wrong("the window moves in two directions.")
        if got == (side - window + 1) ** 2 * weights:
            raise Wrong("that is the work of a window that moves by one pixel.")
        raise Wrong(f"not right for side {side}, window {window} and stride {step}.")
    return "right."


@checker("images_recipe.batch-norm")
def batch_norm(answer: object) -> str:
    """Check the learner's batch normalisation against its formula."""
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, size=(8, 5, 4, 3))
    scale, shift = rng.normal(size=3), rng.normal(size=3)
    got = call(answer, x.copy(), scale, shift)
    if np.shape(got) != x.shape or np.asarray(got).dtype.kind != "f":
        raise Wrong(f"expected an array of floats of the input's shape {x.shape}.")

    def normalised(axes: tuple[int, ...], epsilon: float = 0.001) -> np.ndarray:
        mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
        return scale * (x - mean) / np.sqrt(variance + epsilon) + shift

    if np.allclose(got, normalised((0,)), atol=1e-4):
        raise Wrong("these are statistics of single pixels. A channel's run over all places, too.")
    if np.allclose(got, normalised((1, 2)), atol=1e-4):
        raise Wrong("these are statistics of single images. The batch shares one mean.")
    if np.allclose(got, normalised((0, 1, 2), 0.0), atol=1e-4):
        raise Wrong("the small number under the root is missing.")
    if not np.allclose(got, normalised((0, 1, 2)), atol=1e-4):
        raise Wrong(
            "not the formula's values. Take mean and variance of each channel over the batch and "
            "all places, normalise, and only then scale and shift."
        )
    return "right."

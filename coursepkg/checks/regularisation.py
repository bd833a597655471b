"""Checkers of the exercises in ``foundations/regularisation``."""

import math

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker
from coursepkg.scratch.gradient_check import numerical_gradient


def _as_array(answer: object, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Return the answer as an array, if it has the shape and holds finite numbers."""
    if not isinstance(answer, np.ndarray) or answer.shape != shape:
        got = f"shape {answer.shape}" if isinstance(answer, np.ndarray) else type(answer).__name__
        raise Wrong(f"expected an array of shape {shape}, {what}; got {got}.")
    if answer.dtype.kind not in "iuf" or not np.isfinite(answer).all():
        raise Wrong(f"expected finite numbers as {what}.")
    return answer


@checker("regularisation.ridge")
def ridge(answer: object) -> str:
    """Check the function that minimises a squared error with an L2 penalty."""
    rng = np.random.default_rng(0)
    for count, inputs, strength in [(12, 4, 0.3), (5, 7, 0.05)]:
        x, y = rng.normal(size=(count, inputs)), rng.normal(size=count)
        w = _as_array(call(answer, x.copy(), y.copy(), strength), (inputs,), "the weights")

        def solution(weight: float, x: np.ndarray = x, y: np.ndarray = y) -> np.ndarray:
            """Solve the normal equations with `weight` on the diagonal of x^T x."""
            return np.linalg.solve(x.T @ x + weight * np.identity(x.shape[1]), x.T @ y)

        if np.allclose(w, solution(count * strength)):
            continue
        if np.allclose(w, solution(strength)):
            raise Wrong("that is right for the sum of the squared errors. The task has their mean.")
        if np.allclose(w, solution(count * strength / 2)) or np.allclose(
            w, solution(2 * count * strength)
        ):
            raise Wrong("a factor 2 is off. Differentiate both squares, not one of them.")
        if np.allclose(w, np.linalg.pinv(x) @ y):
            raise Wrong("these weights minimise the squared error alone. Where is the penalty?")
        raise Wrong(
            "a step away from these weights lowers the sum of error and penalty. Write its "
            "gradient, set it to zero and solve for the weights."
        )
    return "right: that is where the gradient vanishes."


def _run(
    losses: list[float], patience: int, *, ties: bool = False, last: bool = False
) -> tuple[int, int]:
    """Stop early, by the right rule or by one that takes ties or the last loss for a gain."""
    best = gain = 0
    for epoch, loss in enumerate(losses):
        rival = losses[epoch - 1] if last else losses[best]
        if loss < rival or (ties and loss == rival):
            best = gain = epoch
        if epoch - gain >= patience:
            return epoch + 1, best + 1
    return len(losses), best + 1


@checker("regularisation.stopping")
def stopping(answer: object) -> str:
    """Check the function that reads from a list of losses when early stopping stops."""
    cases = [
        ([0.9, 0.5, 0.6, 0.55, 0.7, 0.8, 0.9, 0.3, 0.4], 3),
        ([0.5, 0.4, 0.4, 0.4, 0.6, 0.7, 0.4, 0.1, 0.2], 2),
        ([1.0, 0.8, 0.9, 0.7, 0.8, 0.6], 2),
    ]
    given = []
    for losses, patience in cases:
        ran, best = as_numbers(
            call(answer, list(losses), patience), 2, "the epochs that ran and the best of them"
        )
        given.append((ran, best))
    right = [_run(*case) for case in cases]
    if given == right:
        return "right."
    if all(
        ran in (r, r - 1) and best == b - 1
        for (ran, best), (r, b) in zip(given, right, strict=True)
    ):
        raise Wrong("you count an epoch from 0. The first one is number 1.")
    for change, how in [(1, "late"), (-1, "early")]:
        if given == [_run(losses, patience + change) for losses, patience in cases]:
            raise Wrong(f"you stop one epoch too {how}. How many may pass without a gain?")
    if given == [_run(*case, ties=True) for case in cases]:
        raise Wrong("an equal loss is no gain.")
    if given == [_run(*case, last=True) for case in cases]:
        raise Wrong("compare each loss with the lowest so far, not with the last one.")
    if [best for _, best in given] == [1 + int(np.argmin(losses)) for losses, _ in cases]:
        raise Wrong("a loss that comes after the stop is never seen, however low it is.")
    losses, patience = next(
        case for case, mine, truth in zip(cases, given, right, strict=True) if mine != truth
    )
    raise Wrong(
        f"not right for the losses {losses} and a patience of {patience}. Go through them one by "
        "one, and note the lowest so far and how many epochs ago it was."
    )


@checker("regularisation.warm")
def warm(answer: object) -> str:
    """Check the function that counts the batches until the start's weight is small."""
    for share, momentum in [(0.05, 0.99), (0.02, 0.9), (0.5, 0.5), (0.1, 0.999)]:
        got = as_number(call(answer, share, momentum), "batches")
        exact = math.log(share) / math.log(momentum)
        right = math.ceil(exact - 1e-9)
        if got == right:
            continue
        case = f"with a momentum of {momentum} and a share of {share}"
        if got != int(got):
            raise Wrong(f"{case}: batches are whole numbers; you returned {got:g}.")
        if got == right - 1:
            raise Wrong(f"{case} the weight is still larger than the share. Round the other way?")
        if got == right + 1:
            raise Wrong(f"{case} one batch fewer is enough.")
        if math.isclose(got, (1 - share) / (1 - momentum), abs_tol=1):
            raise Wrong(
                f"{case}: each batch does not take the same amount from the weight, but the same "
                "share of what is left."
            )
        raise Wrong(
            f"not right {case}. By which factor does the weight of the start change with each "
            "batch? And after t of them?"
        )
    return "right: the weight falls by the same factor with each batch."


@checker("regularisation.dropout-penalty")
def dropout_penalty(answer: object) -> str:
    """Check the function that gives the penalty hidden in dropout on the inputs."""
    rng = np.random.default_rng(0)
    for count, inputs, rate in [(6, 3, 0.2), (4, 5, 0.7)]:
        x, w = rng.normal(size=(count, inputs)), rng.normal(size=inputs)
        got = as_number(call(answer, x.copy(), w.copy(), rate), "the penalty")
        spread = float((x**2).mean(axis=0) @ w**2)
        factor = rate / (1 - rate)

        def near(value: float, got: float = got) -> bool:
            return math.isclose(got, value, rel_tol=1e-6)

        if near(factor * spread):
            continue
        if near(rate * (1 - rate) * spread):
            raise Wrong("that is the variance without rescaling. Inverted dropout divides, too.")
        if near((1 - rate) / rate * spread) or near(spread / factor):
            raise Wrong("more dropout should give a larger penalty, and yours gets smaller.")
        if near(factor * count * spread):
            raise Wrong("the loss is a mean over the examples, and your penalty is a sum.")
        if near(factor * ((x @ w) ** 2).mean()):
            raise Wrong("the masks are independent: add the variances of the inputs' terms.")
        if near(factor * float(w @ w)):
            raise Wrong("the inputs are missing: a small input disturbs little when it is dropped.")
        raise Wrong(
            "a simulation with many masks gives another mean loss. The expectation of a square is "
            "the square of the expectation plus the variance: what is the variance here?"
        )
    return "right. Did you say which weights it shrinks most?"


def _mean_square(x: np.ndarray, axis: int) -> np.ndarray:
    return (x**2).mean(axis=axis, keepdims=True)


@checker("regularisation.rms-norm")
def rms_norm(answer: object) -> str:
    """Check the backward pass of RMS normalisation against finite differences."""
    rng = np.random.default_rng(0)
    for shape, epsilon in [((3, 4), 1e-3), ((2, 6), 0.5)]:
        x, upstream = rng.normal(size=shape), rng.normal(size=shape)
        got = _as_array(
            call(answer, x.copy(), upstream.copy(), epsilon), shape, "the gradient by x"
        )

        def differentiated(
            axis: int, x: np.ndarray = x, upstream: np.ndarray = upstream, epsilon: float = epsilon
        ) -> np.ndarray:
            """Differentiate the normalisation along an axis by finite differences."""

            def loss() -> float:
                return float(np.sum(upstream * x / np.sqrt(_mean_square(x, axis) + epsilon)))

            return numerical_gradient(loss, x)

        def near(value: np.ndarray, got: np.ndarray = got) -> bool:
            return np.allclose(got, value, rtol=1e-6, atol=1e-8)

        if near(differentiated(1)):
            continue
        s = np.sqrt(_mean_square(x, 1) + epsilon)
        along = x / s * (upstream * x / s).mean(axis=1, keepdims=True)
        if near(upstream / s):
            raise Wrong("you take s as a constant, but every entry of a row changes it.")
        if near((upstream - upstream.mean(axis=1, keepdims=True) - along) / s):
            raise Wrong("one term too many: nothing was subtracted here in the forward pass.")
        if near((upstream + along) / s):
            raise Wrong("a sign is wrong. What does a larger entry do to the others of its row?")
        if near(differentiated(0)):
            raise Wrong("you normalise the columns. The mean runs over the entries of one row.")
        raise Wrong(
            "finite differences give another gradient. Check in turn the derivative of s, the "
            "quotient rule, and the sum over all outputs that an input changes."
        )
    return "right: finite differences agree."

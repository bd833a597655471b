"""Checkers of the exercises in ``foundations/optimisation``."""

import math

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, call, checker
from coursepkg.scratch.optimisation import Adam


@checker("optimisation.steps")
def steps(answer: object) -> str:
    """Check the function that predicts the number of steps in a valley."""
    for kappa, factor in [(10.0, 1e3), (200.0, 1e6), (4.0, 50.0)]:
        got = as_number(call(answer, kappa, factor), "a number of steps")
        contraction = (kappa - 1) / (kappa + 1)
        exact = math.log(factor) / -math.log(contraction)
        if got == math.ceil(exact):
            continue
        root = math.sqrt(kappa)
        if got == math.ceil(math.log(factor) / -math.log((root - 1) / (root + 1))):
            raise Wrong("that is the heavy ball's number. Here there is no momentum.")
        if got == math.ceil(exact / 2):
            raise Wrong("that is the number for the loss. The exercise asks for the distance.")
        if math.isclose(got, exact, rel_tol=1e-9) or got == math.floor(exact):
            raise Wrong("nearly: the smallest whole number of steps that is enough.")
        raise Wrong(
            f"not right for kappa = {kappa:g} and a distance {factor:g} times smaller. Which "
            "factor multiplies the distance in one step, and how often must you apply it?"
        )
    return "right: it grows in proportion to kappa and with the logarithm of the precision."


@checker("optimisation.limit")
def limit(answer: object) -> str:
    """Check the function that gives the largest stable rate of the heavy ball."""
    for eigenvalues, momentum in [([1.0, 4.0, 0.5], 0.9), ([20.0, 3.0], 0.5), ([7.0], 0.0)]:
        got = as_number(call(answer, np.array(eigenvalues), momentum), "a learning rate")
        sharpest, flattest = max(eigenvalues), min(eigenvalues)
        exact = 2 * (1 + momentum) / sharpest
        if math.isclose(got, exact, rel_tol=1e-9):
            continue
        if math.isclose(got, 2 / sharpest, rel_tol=1e-9):
            raise Wrong("that is the limit without momentum. Put z = -1 into the polynomial.")
        if math.isclose(got, 2 * (1 + momentum) / flattest, rel_tol=1e-9):
            raise Wrong("which eigenvalue is the first for which the steps become too long?")
        if math.isclose(got, 2 * (1 - momentum) / sharpest, rel_tol=1e-9):
            raise Wrong(
                "that is too small: does momentum narrow the range of stable rates or widen it? "
                "Mind the signs at z = -1."
            )
        raise Wrong(
            f"not right for momentum {momentum:g} and eigenvalues {eigenvalues}. Try a rate 1 % "
            "below and 1 % above your limit and watch the distance."
        )
    return "right: momentum allows larger rates."


@checker("optimisation.adam")
def adam(answer: object) -> str:
    """Check the learner's Adam on given gradients."""
    rng = np.random.default_rng(5)
    gradients = rng.normal(size=(6, 3)) * [100.0, 1.0, 0.1]
    theta = np.array([1.0, -2.0, 0.5])
    for count in (1, 2, 6):
        start, given = theta.copy(), gradients[:count].copy()
        got = call(answer, start, given, 0.01)
        if not isinstance(got, np.ndarray) or got.shape != theta.shape:
            raise Wrong("expected an array of the shape of theta.")
        if not np.isfinite(got).all():
            raise Wrong(
                "your parameters are not finite. What is 1 - beta ** t for the first update?"
            )
        wanted = theta.copy()
        rule = Adam(0.01)
        for gradient in gradients[:count]:
            rule.step([wanted], [gradient])
        if np.allclose(got, wanted, rtol=0, atol=1e-5):
            continue
        ratio = (got - theta) / (wanted - theta)
        if count == 1 and np.allclose(ratio, 0.1 / math.sqrt(0.001), rtol=1e-2):
            raise Wrong("your first step is too long by 3.16. What corrects for the start at 0?")
        if count == 1 and np.allclose(ratio, -1, rtol=1e-2):
            raise Wrong("your first step goes up the slope.")
        if count == 1 and np.ptp(np.log(np.abs(ratio) + 1e-300)) > 1:
            raise Wrong(
                "your first step's length depends on the size of the gradient; Adam's does not. "
                "What undoes the square?"
            )
        raise Wrong(
            f"not the right parameters after {count} {'update' if count == 1 else 'updates'}. "
            "Print the two averages and compare each with its formula."
        )
    return "right: both faults are gone."


@checker("optimisation.trapezoid")
def trapezoid(answer: object) -> str:
    """Check the learner's schedule: up, level, down."""
    for peak, total, rise, fall in [(0.4, 20, 5, 8), (1.0, 100, 10, 50)]:
        rate = call(answer, peak, total, rise, fall)
        if not callable(rate):
            raise Wrong("expected a function that returns a function from t to the rate.")

        def value(t: int, rate: object = rate) -> float:
            return as_number(call(rate, t), "a learning rate")

        if math.isclose(value(0), 0):
            raise Wrong("the first update has the rate 0 and is lost. Which t ends the rise?")
        for t in range(rise):
            if not math.isclose(value(t), peak * (t + 1) / rise, rel_tol=1e-9):
                raise Wrong(f"while it rises, the rate at t = {t} of {rise} is not on the line.")
        for t in range(rise, total - fall):
            if not math.isclose(value(t), peak, rel_tol=1e-9):
                raise Wrong(f"between rise and fall the rate must be the peak; not so at t = {t}.")
        for t in range(total - fall, total):
            if not math.isclose(value(t), peak * (total - t) / fall, rel_tol=1e-9):
                raise Wrong(
                    f"while it falls, the rate at t = {t} is not on the line. How many updates "
                    "are left, this one included?"
                )
        if value(total) != 0 or value(2 * total) != 0:
            raise Wrong("after the last update the rate must stay at 0.")
    return "right."


@checker("optimisation.signum")
def signum(answer: object) -> str:
    """Check the learner's optimiser that steps by the sign of the averaged gradient."""
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=(2, 3)), rng.normal(size=4)]
    rule = call(answer, 0.1, 0.75)
    if not callable(getattr(rule, "step", None)):
        raise Wrong("expected a class whose objects have a method step(parameters, gradients).")
    parameters = [array.copy() for array in arrays]
    wanted = [array.copy() for array in arrays]
    means = [np.zeros_like(array) for array in arrays]
    signs_alone = [array.copy() for array in arrays]
    for _ in range(8):
        gradients = [rng.normal(size=array.shape) for array in arrays]
        gradients[1][0] = 0.0
        call(rule.step, parameters, [gradient.copy() for gradient in gradients])
        for theta, alone, mean, gradient in zip(wanted, signs_alone, means, gradients, strict=True):
            mean *= 0.75
            mean += 0.25 * gradient
            theta -= 0.1 * np.sign(mean)
            alone -= 0.1 * np.sign(gradient)
    if all(np.array_equal(got, array) for got, array in zip(parameters, arrays, strict=True)):
        raise Wrong("the parameters did not change. Change the arrays in place, with -= or [...].")
    if all(np.allclose(got, theta) for got, theta in zip(parameters, wanted, strict=True)):
        return "right: every entry moves by the same length."
    if all(np.allclose(got, alone) for got, alone in zip(parameters, signs_alone, strict=True)):
        raise Wrong("you take the sign of the gradient. Average the gradients first.")
    moved = np.abs(parameters[0] - arrays[0]) / 0.1
    if not np.allclose(moved, moved.round(), atol=1e-6):
        raise Wrong("an entry moved by something else than a multiple of the rate.")
    raise Wrong(
        "the steps have the right length but not all the right sign. Does each array have its own "
        "average, which starts at 0 and is kept between the calls?"
    )

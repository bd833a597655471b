"""Checkers of the exercises in ``hardware/compression``."""

import math

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker


@checker("compression.affine")
def affine(answer: object) -> str:
    """Check the function that gives step and zero point of unsigned codes."""
    for low, high, bits in [(-1.0, 2.0, 8), (-2.5, 0.5, 4), (2.0, 6.0, 8), (-7.0, -1.0, 3)]:
        got = as_numbers(call(answer, low, high, bits), 2, "the step and the zero point")
        least, most, top = min(0.0, low), max(0.0, high), 2**bits - 1
        case = f"for numbers from {low:g} to {high:g} and {bits} bits"

        def near(step: float, zero: float, got: list[float] = got) -> bool:
            return math.isclose(got[0], step, rel_tol=1e-9) and math.isclose(got[1], zero)

        step = (most - least) / top
        if near(step, round(-least / step)):
            continue
        if math.isclose(got[0], (most - least) / (top + 1)):
            raise Wrong(f"{case}: your step is too short. How many steps lie between b-bit codes?")
        if (least, most) != (low, high) and math.isclose(got[0], (high - low) / top):
            raise Wrong(f"{case}: 0 must have a code. Does it lie in your range?")
        if math.isclose(got[0], max(-least, most) / (2 ** (bits - 1) - 1)):
            raise Wrong(f"{case}: that is the step of symmetric quantisation.")
        if not math.isclose(got[0], step):
            raise Wrong(f"{case}: the step is not right. Which numbers get the two outer codes?")
        if got[1] != int(got[1]):
            raise Wrong(f"{case}: the zero point is a code, so it is a whole number.")
        if near(step, round(-least / step) - 2 ** (bits - 1)):
            raise Wrong(f"{case}: your zero point is that of signed codes.")
        if near(step, -round(-least / step)):
            raise Wrong(f"{case}: the zero point has the wrong sign. Which code has the lowest?")
        raise Wrong(f"{case}: the zero point is not right. The lowest number has the code 0.")
    return "right: the lowest and the highest number get the outer codes, and 0 is exact."


@checker("compression.sparse")
def sparse(answer: object) -> str:
    """Check the function that gives the share of zeros at which sparse rows break even."""
    for rows, columns in [(784, 128), (5408, 128), (10, 4)]:
        got = as_number(call(answer, rows, columns), "a share of zeros")
        entries = rows * columns

        def share(index: int, starts: int, entries: int = entries) -> float:
            """Solve dense bytes = sparse bytes for the share of zeros."""
            return 1 - (4 * entries - 4 * starts) / ((4 + index) * entries)

        case = f"for {rows} rows and {columns} columns"
        if math.isclose(got, share(2, rows + 1), rel_tol=1e-9):
            continue
        if math.isclose(got, 1 - share(2, rows + 1), rel_tol=1e-9):
            raise Wrong(f"{case}: that is the share of weights that stay.")
        if math.isclose(got, share(2, 0)):
            raise Wrong(f"{case}: something besides values and columns is stored for each row.")
        if math.isclose(got, share(2, rows)):
            raise Wrong(f"{case}: nearly. How many starts do the rows need, the last end included?")
        if math.isclose(got, share(4, rows + 1)) or math.isclose(got, share(4, 0)):
            raise Wrong(f"{case}: a column's number takes 2 bytes here.")
        if math.isclose(got, share(2, columns + 1)):
            raise Wrong(f"{case}: it is the rows that have starts, not the columns.")
        raise Wrong(
            f"not right {case}. Write down the bytes of both forms as functions of the share of "
            "zeros, and set them equal."
        )
    return "right. Below that share the sparse form is the larger one."


@checker("compression.rank")
def rank(answer: object) -> str:
    """Check the function that gives the smallest rank within an error."""
    rng = np.random.default_rng(0)
    for count, error in [(40, 0.3), (60, 0.4), (50, 0.2)]:
        singular = np.sort(rng.uniform(0.9, 1.1, count) / np.arange(1, count + 1) ** 0.6)[::-1]
        got = as_number(call(answer, singular.copy(), error), "a rank")
        left = np.append(np.cumsum((singular**2)[::-1])[::-1], 0)
        errors = np.sqrt(left / left[0])

        def first(values: np.ndarray, error: float = error) -> int:
            """Return the first index whose value is within the error."""
            return int(np.argmax(values <= error))

        right = first(errors)
        if got == right:
            continue
        case = f"for {count} singular values and an error of {error}"
        tails = np.append(np.cumsum(singular[::-1])[::-1], 0)
        if got == first(tails / tails[0]):
            raise Wrong(f"{case}: the Frobenius norm adds squares.")
        if got == first(left / left[0]):
            raise Wrong(f"{case}: that is the share of the squared norm. Take a root.")
        if got == first(np.append(singular, 0) / singular[0]):
            raise Wrong(f"{case}: you compare one singular value. The error adds up all left out.")
        if got == first(1 - errors) or got == int(np.argmax(errors > error)):
            raise Wrong(f"{case}: you measure what is kept. The error is what is left out.")
        if got in (right - 1, right + 1):
            how = "one too small" if got < right else "one too large"
            raise Wrong(f"{case}: your rank is {how}. Which values does rank R leave out?")
        raise Wrong(f"not right {case}. Compute the error of every rank from 0, and look it up.")
    return "right."


@checker("compression.saliency")
def saliency(answer: object) -> str:
    """Check the function that says what every single weight of a linear layer is worth."""
    rng = np.random.default_rng(0)
    for count, inputs, outputs in [(40, 3, 2), (25, 5, 4)]:
        x = rng.normal(1, 1, (count, inputs)) * rng.uniform(0.3, 3, inputs)
        targets = rng.normal(size=(count, outputs)) + x[:, :1]
        weights = np.linalg.lstsq(x, targets, rcond=None)[0]
        got = call(answer, x.copy(), weights.copy())
        if not isinstance(got, np.ndarray) or got.shape != weights.shape:
            what = f"shape {got.shape}" if isinstance(got, np.ndarray) else type(got).__name__
            raise Wrong(f"expected an array of shape {weights.shape}, one number a weight; {what}.")
        right = (x**2).mean(axis=0)[:, np.newaxis] * weights**2

        def near(value: np.ndarray, got: np.ndarray = got) -> bool:
            return np.allclose(got, value, rtol=1e-6)

        if near(right):
            continue
        if near(right / 2) or near(2 * right):
            raise Wrong("a factor 2 is off. What is the second derivative of a square?")
        if near(right * count):
            raise Wrong("the loss is a mean over the examples, and yours is a sum.")
        if near(weights**2):
            raise Wrong("that is the size alone. A weight counts more where its input is large.")
        if near(x.mean(axis=0)[:, np.newaxis] ** 2 * weights**2):
            raise Wrong("the mean of the squares is not the square of the mean.")
        if near(x.var(axis=0)[:, np.newaxis] * weights**2):
            raise Wrong("the variance leaves out the mean of the input, but the weight sees it.")
        if near(right / outputs):
            raise Wrong("the loss adds the squares over the outputs; it does not average them.")
        raise Wrong(
            "take one weight out, compute the loss again, and compare. By how much does the "
            "output of each example move, and what does that add to its square?"
        )
    return "right: at the minimum the loss is exactly quadratic, so the estimate is exact."


@checker("compression.exit")
def early(answer: object) -> str:
    """Check the function that chooses an entropy limit for a budget of work."""
    rng = np.random.default_rng(0)
    for count, costs, budget in [
        (10, (2.0, 10.0), 7.5),
        (25, (1.0, 4.0), 2.0),
        (8, (3.0, 9.0), 4.5),
    ]:
        entropies = rng.permutation(rng.random(count))
        got = as_number(call(answer, entropies.copy(), costs, budget), "an entropy")
        cheap, full = costs
        needed = math.ceil(count * (full - budget) / (full - cheap) - 1e-9)
        ordered = np.sort(entropies)
        leaving = int((entropies <= got).sum())
        if leaving == needed and math.isclose(got, ordered[needed - 1]):
            continue
        case = f"for {count} images, costs of {cheap:g} and {full:g} and a budget of {budget:g}"
        if leaving == needed:
            raise Wrong(f"{case}: the right images leave, but a lower limit does the same.")
        if got in (needed, needed / count):
            raise Wrong(f"{case}: that counts images. The limit is an entropy.")
        if math.isclose(got, np.sort(entropies)[::-1][needed - 1]):
            raise Wrong(f"{case}: the sure images leave first. Sort the other way round.")
        if leaving == count - needed:
            raise Wrong(f"{case}: as many leave as should stay.")
        total = math.ceil(count * (cheap + full - budget) / full - 1e-9)
        if leaving == total:
            raise Wrong(
                f"{case}: the second cost is that of the whole network, first part included."
            )
        if leaving == needed - 1:
            raise Wrong(f"{case}: one image too few leaves, so the mean is above the budget.")
        work = (leaving * cheap + (count - leaving) * full) / count
        how = "above" if work > budget else "further below than it needs to be"
        raise Wrong(f"{case}: with your limit the mean cost is {work:g}, {how}.")
    return "right: the budget is kept, and no image leaves that could stay."

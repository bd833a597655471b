"""Checkers of the exercises in ``architectures/recurrence``."""

import math

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker
from coursepkg.scratch.activations import log_softmax, sigmoid, softmax
from coursepkg.scratch.gradient_check import numerical_gradient


def _as_array(answer: object, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Return the answer as an array, if it has the shape and holds finite numbers."""
    if not isinstance(answer, np.ndarray) or answer.shape != shape:
        got = f"shape {answer.shape}" if isinstance(answer, np.ndarray) else type(answer).__name__
        raise Wrong(f"expected an array of shape {shape}, {what}; got {got}.")
    if answer.dtype.kind not in "iuf" or not np.isfinite(answer).all():
        raise Wrong(f"expected finite numbers as {what}.")
    return answer


@checker("recurrence.half-life")
def half_life(answer: object) -> str:
    """Check the function that finds the bias with which a cell keeps half for so many steps."""
    for steps in (1, 10, 200):
        bias = as_number(call(answer, steps), "the bias")
        gate = float(sigmoid(np.array(bias)))
        left = gate**steps
        if math.isclose(left, 0.5, rel_tol=1e-6):
            continue
        if math.isclose(bias, 0.5 ** (1 / steps), rel_tol=1e-6):
            raise Wrong("that is the gate itself. Which bias does the sigmoid turn into it?")
        if math.isclose(1 - gate, 0.5 ** (1 / steps), rel_tol=1e-6):
            raise Wrong("the sign is wrong: a gate that remembers longer has a larger bias.")
        if math.isclose(gate, math.exp(-1 / steps), rel_tol=1e-6):
            raise Wrong("after these steps 1/e is left. The task asks for a half.")
        raise Wrong(
            f"for {steps} steps your bias opens the gate to {gate:.4f}, and {left:.3g} of the cell "
            "is left. Solve for the gate first, then for the bias."
        )
    return "right: exactly a half is left."


@checker("recurrence.per-word")
def per_word(answer: object) -> str:
    """Check the function that turns a loss per character into bits and a perplexity per word."""
    for loss, letters in [(1.5, 4.0), (2.2, 5.6)]:
        bits, perplexity = as_numbers(
            call(answer, loss, letters), 2, "bits per character and perplexity per word"
        )
        if not math.isclose(bits, loss / math.log(2), rel_tol=1e-6):
            if math.isclose(bits, loss, rel_tol=1e-6):
                raise Wrong("the loss is measured in nats, with the natural logarithm.")
            if math.isclose(bits, loss * math.log(2), rel_tol=1e-6):
                raise Wrong("bits are the smaller unit, so there must be more of them than nats.")
            raise Wrong("the bits are not right. How many bits is one nat?")
        if math.isclose(perplexity, math.exp(loss * letters), rel_tol=1e-6):
            continue
        if math.isclose(perplexity, math.exp(loss), rel_tol=1e-6):
            raise Wrong("that is the perplexity per character.")
        if math.isclose(perplexity, letters * math.exp(loss), rel_tol=1e-6):
            raise Wrong("the losses of a word's characters add up before the exponential.")
        raise Wrong("the perplexity is not right. What is the mean loss of a word?")
    return "right."


@checker("recurrence.temperature")
def temperature(answer: object) -> str:
    """Check the function that turns logits into probabilities at a temperature."""
    rng = np.random.default_rng(0)
    for shape, tau, scale in [((2, 5), 0.5, 1.0), ((3, 4), 2.0, 1.0), ((2, 6), 0.1, 300.0)]:
        logits = rng.normal(size=shape) * scale
        got = call(answer, logits.copy(), tau)
        if isinstance(got, np.ndarray) and got.shape == shape and not np.isfinite(got).all():
            raise Wrong(
                "logits of some hundreds overflow, or leave 0 / 0 in a row. Subtract something "
                "from each row first."
            )
        got = _as_array(got, shape, "the probabilities")
        if np.allclose(got, softmax(logits / tau)):
            continue
        if np.allclose(got, softmax(logits * tau)):
            raise Wrong("yours gets bolder with a higher temperature. It should be the reverse.")
        if np.allclose(got, softmax(logits) / tau):
            raise Wrong("your rows do not add up to 1: the temperature must act before that.")
        if np.allclose(got, softmax(softmax(logits) / tau)):
            raise Wrong("you divide the probabilities. Which numbers go into the exponential?")
        if np.allclose(got.sum(axis=0), 1):
            raise Wrong("your columns add up to 1, not your rows.")
        if scale > 1:
            raise Wrong("right for small logits, but not for logits of some hundreds.")
        raise Wrong("not right. At temperature 1 it should be the softmax; test that first.")
    return "right, and it does not overflow."


def _leaky(
    x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, leak: float
) -> list[np.ndarray]:
    """Run the leaky recurrent layer and return all states, the first one included."""
    states = [np.zeros((len(x), len(recurrent)))]
    for t in range(x.shape[1]):
        new = np.tanh(x[:, t] @ kernel + states[-1] @ recurrent)
        states.append((1 - leak) * states[-1] + leak * new)
    return states


def _leaky_backward(
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent: np.ndarray,
    leak: float,
    upstream: np.ndarray,
    mistake: str,
) -> np.ndarray:
    """Go back through time with a mistake, and return the gradient by the recurrent kernel."""
    states, by_state, total = _leaky(x, kernel, recurrent, leak), upstream, 0 * recurrent
    for t in reversed(range(x.shape[1])):
        new = np.tanh(x[:, t] @ kernel + states[t] @ recurrent)
        delta = by_state * (1 - new**2) * (1 if mistake == "factor" else leak)
        total = states[t].T @ delta + (0 if mistake == "last" else total)
        by_state = delta @ (recurrent if mistake == "transpose" else recurrent.T) + (
            0 if mistake == "past" else (1 - leak) * by_state
        )
    return total


@checker("recurrence.leaky-backward")
def leaky_backward(answer: object) -> str:
    """Check the backward pass of a leaky recurrent layer against finite differences."""
    rng = np.random.default_rng(0)
    hints = {
        "past": "a state also reaches the next one without passing the tanh.",
        "factor": "the new part enters with the weight a, and so does its gradient.",
        "transpose": "the shapes fit, but the gradient goes back through the transposed kernel.",
        "last": "every step adds to the gradient by U; yours has one step only.",
    }
    for count, steps, units, leak in [(3, 5, 4, 0.3), (2, 4, 3, 0.7)]:
        x, kernel = rng.normal(size=(count, steps, 2)), rng.normal(size=(2, units))
        recurrent, upstream = rng.normal(size=(units, units)), rng.normal(size=(count, units))
        inputs = (x, kernel, recurrent, leak, upstream)
        copies = [item.copy() if isinstance(item, np.ndarray) else item for item in inputs]
        got = _as_array(call(answer, *copies), (units, units), "the gradient by U")

        def loss(
            x: np.ndarray = x,
            kernel: np.ndarray = kernel,
            recurrent: np.ndarray = recurrent,
            leak: float = leak,
            upstream: np.ndarray = upstream,
        ) -> float:
            return float(np.sum(upstream * _leaky(x, kernel, recurrent, leak)[-1]))

        if np.allclose(got, numerical_gradient(loss, recurrent), rtol=1e-5, atol=1e-7):
            continue
        for mistake, hint in hints.items():
            if np.allclose(got, _leaky_backward(*inputs, mistake)):
                raise Wrong(hint)
        raise Wrong(
            "finite differences give another gradient. Try one step first, then two: which term "
            "is new?"
        )
    return "right: finite differences agree."


@checker("recurrence.padded-loss")
def padded_loss(answer: object) -> str:
    """Check the function that gives the mean loss over the real tokens, and its gradient."""
    rng = np.random.default_rng(0)
    for lengths in (np.array([5, 2, 1]), np.array([3, 4])):
        count, steps, kinds = len(lengths), 5, 4
        logits = rng.normal(size=(count, steps, kinds))
        labels = rng.integers(kinds, size=(count, steps))
        result = call(answer, logits.copy(), labels.copy(), lengths.copy())
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Wrong("expected a pair: the loss and its gradient by the logits.")
        loss = as_number(result[0], "the loss")
        gradient = _as_array(result[1], logits.shape, "the gradient by the logits")
        real = np.arange(steps) < lengths[:, None]
        each = -np.take_along_axis(log_softmax(logits), labels[..., None], axis=-1)[..., 0]
        if not math.isclose(loss, (each * real).sum() / real.sum(), rel_tol=1e-6):
            if math.isclose(loss, each.mean(), rel_tol=1e-6):
                raise Wrong("your loss counts the padding. The lengths say what is real.")
            if math.isclose(loss, (each * real).mean(), rel_tol=1e-6):
                raise Wrong("you leave the padding out of the sum, but divide by it all the same.")
            if math.isclose(loss, ((each * real).sum(1) / lengths).mean(), rel_tol=1e-6):
                raise Wrong("yours is a mean of means: a token of a short row counts for more.")
            raise Wrong("the loss is not right. Compute it for one row and one step by hand.")
        right = (softmax(logits) - np.eye(kinds)[labels]) / real.sum()
        if np.allclose(gradient, right * real[..., None]):
            continue
        if np.allclose(gradient, right):
            raise Wrong("the gradient at the padding should be 0: nothing there changes the loss.")
        if np.allclose(gradient, right * real[..., None] * real.sum()):
            raise Wrong("the loss is a mean; its gradient lacks the same divisor.")
        raise Wrong("the gradient is not right. Compare it with finite differences.")
    return "right, the loss and its gradient."

"""Prepared wrong answers: for each exercise, answers and a part of the message each must get."""

import math

import numpy as np

from coursepkg.scratch.activations import log_softmax, softmax


def _logit(p):
    return math.log(p / (1 - p))


def _leaky(mistake):
    def backward(x, kernel, recurrent, leak, upstream):
        states = [np.zeros((len(x), len(recurrent)))]
        news = []
        for t in range(x.shape[1]):
            news.append(np.tanh(x[:, t] @ kernel + states[-1] @ recurrent))
            states.append((1 - leak) * states[-1] + leak * news[-1])
        by_state, total = upstream, np.zeros_like(recurrent)
        for t in reversed(range(x.shape[1])):
            delta = by_state * (1 - news[t] ** 2)
            if mistake != "factor":
                delta = delta * leak
            total = states[t].T @ delta + (0 if mistake == "last" else total)
            before = delta @ (recurrent if mistake == "transpose" else recurrent.T)
            if mistake != "past":
                before = before + (1 - leak) * by_state
            by_state = before
        return -total if mistake == "sign" else total

    return backward


def _padded(weights, gradient=lambda right, real: right * real[..., None]):
    def loss(logits, labels, lengths):
        real = np.arange(logits.shape[1]) < lengths[:, None]
        each = -np.take_along_axis(log_softmax(logits), labels[..., None], axis=-1)[..., 0]
        right = (softmax(logits) - np.eye(logits.shape[-1])[labels]) / real.sum()
        return (each * weights(real, lengths)).sum(), gradient(right, real)

    return loss


def _mean(real, lengths):
    return real / real.sum()


WRONG = {
    "recurrence.half-life": [
        (lambda steps: 0.5 ** (1 / steps), "that is the gate itself"),
        (lambda steps: -_logit(0.5 ** (1 / steps)) if steps > 1 else 0.0, "the sign is wrong"),
        (lambda steps: _logit(math.exp(-1 / steps)), "1/e is left"),
        (lambda steps: math.log(steps), "Solve for the gate first"),
        (lambda steps: "long", "expected a number"),
        (3.0, "expected a function"),
    ],
    "recurrence.per-word": [
        (lambda loss, letters: (loss, math.exp(loss * letters)), "measured in nats"),
        (lambda loss, letters: (loss * math.log(2), 1.0), "the smaller unit"),
        (lambda loss, letters: (loss / math.log(10), 1.0), "How many bits is one nat"),
        (lambda loss, letters: (loss / math.log(2), math.exp(loss)), "per character"),
        (lambda loss, letters: (loss / math.log(2), letters * math.exp(loss)), "add up before"),
        (lambda loss, letters: (loss / math.log(2), 2**loss), "mean loss of a word"),
        (lambda loss, letters: loss, "expected a tuple of 2 numbers"),
    ],
    "recurrence.temperature": [
        (lambda z, tau: softmax(z * tau), "yours gets bolder"),
        (lambda z, tau: softmax(z) / tau, "do not add up to 1"),
        (lambda z, tau: softmax(softmax(z) / tau), "you divide the probabilities"),
        (lambda z, tau: softmax((z / tau).T).T, "your columns add up to 1"),
        (lambda z, tau: softmax(z), "At temperature 1"),
        (
            lambda z, tau: np.where(
                np.abs(z / tau).max() < 700, softmax(z / tau), np.full(z.shape, np.nan)
            ),
            "overflow",
        ),
        (lambda z, tau: softmax(np.clip(z / tau, -700, 700)), "right for small logits"),
        (lambda z, tau: 0.5, "expected an array of shape (2, 5)"),
    ],
    "recurrence.leaky-backward": [
        (_leaky("past"), "without passing the tanh"),
        (_leaky("factor"), "enters with the weight a"),
        (_leaky("transpose"), "through the transposed kernel"),
        (_leaky("last"), "one step only"),
        (_leaky("sign"), "Try one step first"),
        (lambda *_: np.zeros((2, 4)), "expected an array of shape (4, 4)"),
    ],
    "recurrence.padded-loss": [
        (_padded(lambda real, lengths: 1 / real.size), "counts the padding"),
        (_padded(lambda real, lengths: real / real.size), "but divide by it"),
        (
            _padded(lambda real, lengths: real / lengths[:, None] / len(lengths)),
            "a mean of means",
        ),
        (_padded(lambda real, lengths: 2 * real / real.sum()), "the loss is not right"),
        (_padded(_mean, lambda right, real: right), "at the padding should be 0"),
        (
            _padded(_mean, lambda right, real: right * real[..., None] * real.sum()),
            "lacks the same divisor",
        ),
        (_padded(_mean, lambda right, real: -right * real[..., None]), "finite differences"),
        (lambda logits, labels, lengths: 1.0, "expected a pair"),
    ],
}

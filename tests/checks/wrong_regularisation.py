"""Prepared wrong answers: for each exercise, answers and a part of the message each must get."""

import math

import numpy as np


def _ridge(factor):
    def ridge(x, y, strength):
        weight = factor(len(x), strength)
        return np.linalg.solve(x.T @ x + weight * np.identity(x.shape[1]), x.T @ y)

    return ridge


def _stopping(late=0, first=1, ties=False, last=False):
    def stopped(losses, patience):
        best = since = 0
        for epoch, loss in enumerate(losses):
            against = losses[max(epoch - 1, 0)] if last else losses[best]
            if epoch == 0 or loss < against or (ties and loss == against):
                best = since = epoch
            if epoch - since >= patience + late:
                return epoch + first, best + first
        return len(losses) - 1 + first, best + first

    return stopped


def _exact_time(share, momentum):
    return math.log(share) / math.log(momentum)


def _penalty(factor):
    return lambda x, w, rate: factor(rate) * (x**2).mean(axis=0) @ w**2


def _rms_backward(x, upstream, epsilon, axis=1, centre=False, along=1):
    s = np.sqrt((x**2).mean(axis=axis, keepdims=True) + epsilon)
    y = x / s
    d = upstream - along * y * (upstream * y).mean(axis=axis, keepdims=True)
    return (d - centre * upstream.mean(axis=axis, keepdims=True)) / s


WRONG = {
    "regularisation.ridge": [
        (_ridge(lambda count, strength: strength), "right for the sum"),
        (_ridge(lambda count, strength: count * strength / 2), "factor 2 is off"),
        (lambda x, y, strength: np.linalg.pinv(x) @ y, "Where is the penalty"),
        (lambda x, y, strength: x.T @ y / len(x), "set it to zero and solve"),
        (lambda x, y, strength: 0.0, "expected an array of shape (4,)"),
        (lambda x, y, strength: np.zeros((4, 1)), "got shape (4, 1)"),
        (lambda x, y, strength: np.full(4, np.nan), "expected finite numbers"),
    ],
    "regularisation.stopping": [
        (_stopping(first=0), "The first one is number 1"),
        (_stopping(late=1), "too late"),
        (_stopping(late=-1), "too early"),
        (_stopping(ties=True), "an equal loss is no gain"),
        (_stopping(last=True), "not with the last one"),
        (lambda losses, patience: (5, 1 + int(np.argmin(losses))), "never seen"),
        (lambda losses, patience: (3, 1), "Go through them one by one"),
        (lambda losses, patience: 5, "expected a tuple of 2 numbers"),
    ],
    "regularisation.warm": [
        (_exact_time, "whole numbers"),
        (lambda share, momentum: int(_exact_time(share, momentum)), "Round the other way"),
        (lambda share, momentum: int(_exact_time(share, momentum)) + 2, "one batch fewer"),
        (lambda share, momentum: math.ceil((1 - share) / (1 - momentum)), "of what is left"),
        (lambda share, momentum: 7, "By which factor"),
    ],
    "regularisation.dropout-penalty": [
        (_penalty(lambda rate: rate * (1 - rate)), "variance without rescaling"),
        (_penalty(lambda rate: (1 - rate) / rate), "yours gets smaller"),
        (lambda x, w, rate: rate / (1 - rate) * ((x * w) ** 2).sum(), "your penalty is a sum"),
        (lambda x, w, rate: rate / (1 - rate) * ((x @ w) ** 2).mean(), "masks are independent"),
        (lambda x, w, rate: rate / (1 - rate) * w @ w, "the inputs are missing"),
        (_penalty(lambda rate: rate), "what is the variance here"),
    ],
    "regularisation.rms-norm": [
        (lambda x, g, epsilon: _rms_backward(x, g, epsilon, along=0), "s as a constant"),
        (lambda x, g, epsilon: _rms_backward(x, g, epsilon, centre=True), "one term too many"),
        (lambda x, g, epsilon: _rms_backward(x, g, epsilon, along=-1), "a sign is wrong"),
        (lambda x, g, epsilon: _rms_backward(x, g, epsilon, axis=0), "normalise the columns"),
        (lambda x, g, epsilon: g, "finite differences give another"),
        (lambda x, g, epsilon: g.sum(axis=1), "got shape (3,)"),
    ],
}

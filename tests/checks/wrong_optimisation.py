"""Prepared wrong answers to the exercises in ``foundations/optimisation``."""

import math

import numpy as np


def _steps(contraction, power=1, rounding=math.ceil):
    return lambda kappa, factor: rounding(math.log(factor) / -math.log(contraction(kappa)) / power)


def _distance(kappa):
    return (kappa - 1) / (kappa + 1)


def _heavy_ball(kappa):
    return (math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1)


def _adam(first=1, correct=True, root=True, sign=-1, beta_2=0.999):
    def adam(theta, gradients, rate):
        mean, squares = np.zeros_like(theta), np.zeros_like(theta)
        for t, gradient in enumerate(gradients, start=first):
            mean = 0.9 * mean + 0.1 * gradient
            squares = beta_2 * squares + (1 - beta_2) * gradient**2
            if correct:
                with np.errstate(all="ignore"):
                    m, s = (
                        mean / (1 - np.float64(0.9) ** t),
                        squares / (1 - beta_2 ** float(t) or np.nan),
                    )
            else:
                m, s = mean, squares
            theta = theta + sign * rate * m / ((np.sqrt(s) if root else s) + 1e-7)
        return theta

    return adam


def _trapezoid(offset=1, level=1.0, left=0, end=0.0):
    def schedule(peak, total, rise, fall):
        def rate(t):
            if t >= total:
                return end
            if t < rise:
                return peak * (t + offset) / rise
            if t < total - fall:
                return level * peak
            return peak * (total - t - left) / fall

        return rate

    return schedule


class _Signum:
    """The right optimiser; the wrong ones change one method."""

    def __init__(self, rate, momentum):
        self.rate, self.momentum, self.means = rate, momentum, None

    def average(self, gradients):
        if self.means is None:
            self.means = [np.zeros_like(gradient) for gradient in gradients]
        self.means = [
            self.momentum * mean + (1 - self.momentum) * gradient
            for mean, gradient in zip(self.means, gradients, strict=True)
        ]
        return self.means

    def step(self, parameters, gradients):
        for theta, mean in zip(parameters, self.average(gradients), strict=True):
            theta -= self.rate * np.sign(mean)


class _NotInPlace(_Signum):
    def step(self, parameters, gradients):
        for theta, mean in zip(parameters, self.average(gradients), strict=True):
            theta = theta - self.rate * np.sign(mean)


class _NoAverage(_Signum):
    def average(self, gradients):
        return gradients


class _AveragesSigns(_Signum):
    def step(self, parameters, gradients):
        signs = [np.sign(gradient) for gradient in gradients]
        for theta, mean in zip(parameters, self.average(signs), strict=True):
            theta -= self.rate * mean


class _Climbs(_Signum):
    def step(self, parameters, gradients):
        for theta, mean in zip(parameters, self.average(gradients), strict=True):
            theta += self.rate * np.sign(mean)


WRONG = {
    "optimisation.steps": [
        (12, "expected a function"),
        (_steps(_heavy_ball), "heavy ball's number"),
        (_steps(_distance, power=2), "number for the loss"),
        (_steps(_distance, rounding=float), "smallest whole number"),
        (_steps(lambda kappa: 1 - 1 / kappa), "how often must you apply it"),
    ],
    "optimisation.limit": [
        (lambda eigenvalues, momentum: 2 / eigenvalues.max(), "limit without momentum"),
        (lambda eigenvalues, momentum: 2 * (1 + momentum) / eigenvalues.min(), "which eigenvalue"),
        (lambda eigenvalues, momentum: 2 * (1 - momentum) / eigenvalues.max(), "too small"),
        (lambda eigenvalues, momentum: 1 / eigenvalues.max(), "1 % below"),
    ],
    "optimisation.adam": [
        (lambda theta, gradients, rate: 0.0, "expected an array of the shape"),
        (_adam(first=0), "not finite"),
        (_adam(correct=False), "too long by 3.16"),
        (_adam(root=False), "What undoes the square"),
        (_adam(sign=1), "up the slope"),
        (_adam(beta_2=0.99), "after 6 updates"),
    ],
    "optimisation.trapezoid": [
        (lambda peak, total, rise, fall: peak, "returns a function"),
        (_trapezoid(offset=0), "first update has the rate 0"),
        (_trapezoid(offset=0.5), "while it rises"),
        (_trapezoid(level=0.9), "must be the peak"),
        (_trapezoid(left=1), "while it falls"),
        (_trapezoid(end=0.1), "must stay at 0"),
    ],
    "optimisation.signum": [
        (lambda rate, momentum: None, "expected a class"),
        (_NotInPlace, "did not change"),
        (_NoAverage, "Average the gradients first"),
        (_AveragesSigns, "multiple of the rate"),
        (_Climbs, "not all the right sign"),
    ],
}

"""Exponential growth fitted to points in time: doubling times with intervals, and breaks."""

import math
from typing import NamedTuple

import numpy as np


class Growth(NamedTuple):
    r"""A straight line through the binary logarithms of some values.

    The line is :math:`\log_2 v = c + b\,(t - \bar t)`.

    Attributes
    ----------
    slope : float
        Doublings a year, b.
    low, high : float
        Interval of the slope.
    centre : float
        Mean year, :math:`\bar t`.
    level : float
        Binary logarithm of the fitted value at the mean year, c.
    scatter : float
        Standard deviation of the points about the line, in doublings.
    count : int
        Number of points, n.
    """

    slope: float
    low: float
    high: float
    centre: float
    level: float
    scatter: float
    count: int

    @property
    def doubling_time(self) -> float:
        """Years for a doubling; negative if the values shrink."""
        return 1 / self.slope

    @property
    def doubling_interval(self) -> tuple[float, float]:
        """Shortest and longest doubling time; the longest is infinite if growth may be absent."""
        if self.high <= 0:
            return math.inf, math.inf
        return 1 / self.high, 1 / self.low if self.low > 0 else math.inf

    def at(self, years: np.ndarray) -> np.ndarray:
        """Return the fitted values at some years, the same shape."""
        return 2.0 ** (self.level + self.slope * (np.asarray(years) - self.centre))


class Break(NamedTuple):
    """Two lines that meet in a year, fitted to binary logarithms.

    Attributes
    ----------
    year : float
        Where the two lines meet: the candidate with the smallest squared error.
    first, last : float
        The candidates that fit nearly as well: an interval for the year.
    level : float
        Binary logarithm of the fitted value in that year.
    before, after : tuple of float
        Slope, and the ends of its interval, in doublings a year.
    """

    year: float
    first: float
    last: float
    level: float
    before: tuple[float, float, float]
    after: tuple[float, float, float]

    def at(self, years: np.ndarray) -> np.ndarray:
        """Return the fitted values at some years, the same shape."""
        away = np.asarray(years) - self.year
        return 2.0 ** (self.level + np.where(away < 0, self.before[0], self.after[0]) * away)


def student_probability(t: float, degrees: int) -> float:
    r"""Probability that a variable with Student's distribution is between -t and t.

    For a whole number of degrees of freedom :math:`\nu` it is a finite sum, with
    :math:`\theta = \arctan(t / \sqrt\nu)`:

    .. math::

        \text{even } \nu:\quad \sin\theta \Bigl(1 + \tfrac12 \cos^2\theta + \tfrac{1 \cdot 3}{2
        \cdot 4} \cos^4\theta + \dots\Bigr), \qquad
        \text{odd } \nu:\quad \tfrac2\pi \Bigl(\theta + \sin\theta \bigl(\cos\theta + \tfrac23
        \cos^3\theta + \tfrac{2 \cdot 4}{3 \cdot 5} \cos^5\theta + \dots\bigr)\Bigr),

    up to the power :math:`\nu - 2`.

    Parameters
    ----------
    t : float
        Not negative.
    degrees : int
        At least 1.

    Raises
    ------
    ValueError
        If `t` is negative or there is no degree of freedom.

    References
    ----------
    M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3, 26.7.4.
    """
    if t < 0 or degrees < 1:
        raise ValueError(f"expected t >= 0 and at least 1 degree of freedom, got {t}, {degrees}")
    theta = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term = math.cos(theta) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for power in range(2 + odd, degrees, 2):
        term *= math.cos(theta) ** 2 * (power - 1) / power
        total += term
    if odd:
        return 2 / math.pi * (theta + math.sin(theta) * total)
    return math.sin(theta) * total


def student_quantile(confidence: float, degrees: int) -> float:
    """Return t such that Student's distribution has `confidence` between -t and t.

    Parameters
    ----------
    confidence : float
        Between 0 and 1, both excluded.
    degrees : int
        Degrees of freedom, at least 1.

    Raises
    ------
    ValueError
        If `confidence` is not inside its range, or there is no degree of freedom.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, got {confidence}")
    below, above = 0.0, 1.0
    while student_probability(above, degrees) < confidence:
        below, above = above, 2 * above
    for _ in range(100):
        middle = (below + above) / 2
        if student_probability(middle, degrees) < confidence:
            below = middle
        else:
            above = middle
    return middle


def fit_growth(years: np.ndarray, values: np.ndarray, confidence: float = 0.95) -> Growth:
    r"""Fit exponential growth: least squares on the binary logarithms of the values.

    With residuals :math:`e_i` the slope has the standard error :math:`s / \sqrt{\sum_i (t_i - \bar
    t)^2}`, where :math:`s^2 = \sum_i e_i^2 / (n - 2)`; its interval is t times that on either side,
    with Student's t of n - 2 degrees of freedom. It holds if the points scatter independently.

    Parameters
    ----------
    years : ndarray, shape (n,)
        At least two different ones.
    values : ndarray, shape (n,)
        Positive; points whose year or value is nan are left out.
    confidence : float
        Of the interval.

    Raises
    ------
    ValueError
        If fewer than three points are left, they have one year only, or a value is not positive.
    """
    t, y = _points(years, values, needed=3)
    centre = float(t.mean())
    spread = float(((t - centre) ** 2).sum())
    slope = float((t - centre) @ y / spread)
    level = float(y.mean())
    residuals = y - level - slope * (t - centre)
    scatter = math.sqrt(residuals @ residuals / (t.size - 2))
    half = student_quantile(confidence, t.size - 2) * scatter / math.sqrt(spread)
    return Growth(slope, slope - half, slope + half, centre, level, scatter, t.size)


def fit_break(
    years: np.ndarray, values: np.ndarray, candidates: np.ndarray, confidence: float = 0.95
) -> Break:
    r"""Fit growth that changes its rate once, and find the year of the change.

    For each candidate c least squares fits :math:`\log_2 v = a + b\,t + d\,\max(0, t - c)`: slope b
    before and b + d after. The best has the smallest sum of squares S. The interval for the year
    are the candidates with :math:`S(c) \le S_\min (1 + t^2 / (n - 4))`. The intervals of the slopes
    take the best year as given, so they are a little too narrow.

    Parameters
    ----------
    years, values : ndarray, shape (n,)
        As for `fit_growth`.
    candidates : ndarray, shape (m,)
        Years to try, in ascending order; at least two points must be on either side of each.
    confidence : float
        Of the intervals.

    Raises
    ------
    ValueError
        If fewer than five points are left, or a candidate has fewer than two on one side.
    """
    t, y = _points(years, values, needed=5)
    candidates = np.asarray(candidates, float)
    inside = (np.sort(t)[1] <= candidates) & (candidates <= np.sort(t)[-2])
    if not candidates.size or not inside.all():
        raise ValueError(
            "expected candidates with at least two points on either side, from "
            f"{np.sort(t)[1]} to {np.sort(t)[-2]}, got {candidates}"
        )
    errors = np.array([_hinge(t, y, year)[1] for year in candidates])
    best = int(errors.argmin())
    factor = student_quantile(confidence, t.size - 4)
    near = candidates[errors <= errors[best] * (1 + factor**2 / (t.size - 4))]
    coefficients, error, inverse = _hinge(t, y, candidates[best])
    slopes = []
    for direction in (np.array([0.0, 1, 0]), np.array([0.0, 1, 1])):
        slope = float(direction @ coefficients)
        half = factor * math.sqrt(error / (t.size - 4) * (direction @ inverse @ direction))
        slopes.append((slope, slope - half, slope + half))
    year, level = float(candidates[best]), float(coefficients[0])
    return Break(year, float(near[0]), float(near[-1]), level, *slopes)


def _hinge(t: np.ndarray, y: np.ndarray, year: float) -> tuple[np.ndarray, float, np.ndarray]:
    """Return the coefficients (3,), the sum of squares, and the inverse of X^T X (3, 3)."""
    design = np.stack([np.ones_like(t), t - year, np.maximum(0, t - year)], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ y
    residuals = y - design @ coefficients
    return coefficients, float(residuals @ residuals), inverse


def _points(years: np.ndarray, values: np.ndarray, needed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the years and the binary logarithms of the points that are complete."""
    years, values = np.asarray(years, float), np.asarray(values, float)
    if years.shape != values.shape or years.ndim != 1:
        raise ValueError(f"expected two arrays of shape (n,), got {years.shape}, {values.shape}")
    known = np.isfinite(years) & np.isfinite(values)
    t, v = years[known], values[known]
    if (v <= 0).any():
        raise ValueError(f"expected positive values, got {v.min()}")
    if t.size < needed or np.ptp(t) == 0:
        raise ValueError(f"expected at least {needed} points and two years, got {t.size} points")
    return t, np.log2(v)

"""Growth fitted to points: against NumPy's own fit, tables, integrals and simulated truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch.growth import (
    fit_break,
    fit_growth,
    student_probability,
    student_quantile,
)

YEARS = np.array([1971.9, 1974.3, 1978.4, 1982.1, 1985.8, 1989.3, 1993.0])
COUNTS = np.array([2300, 6000, 29000, 134000, 275000, 1200000, 3100000.0])


# Student's distribution


@pytest.mark.parametrize(
    ("confidence", "degrees", "t"),
    [
        (0.95, 1, 12.7062), (0.95, 2, 4.3027), (0.95, 3, 3.1824), (0.95, 10, 2.2281),
        (0.95, 30, 2.0423), (0.95, 120, 1.9799), (0.99, 5, 4.0321), (0.90, 7, 1.8946),
        (0.80, 4, 1.5332), (0.95, 3000, 1.9608),
    ],
)  # fmt: skip
def test_quantiles_agree_with_the_printed_tables(confidence, degrees, t):
    assert student_quantile(confidence, degrees) == pytest.approx(t, abs=5e-5)


@given(st.floats(0.01, 8), st.integers(1, 60))
def test_the_probability_is_the_integral_of_the_density(t, degrees):
    x, step = np.linspace(0, t, 4001, retstep=True)
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    density = math.exp(log_scale) / math.sqrt(degrees * math.pi)
    density = density * (1 + x**2 / degrees) ** (-(degrees + 1) / 2)
    simpson = step / 3 * (density[0] + density[-1] + 4 * density[1::2].sum())
    simpson += step / 3 * 2 * density[2:-1:2].sum()
    assert student_probability(t, degrees) == pytest.approx(2 * simpson, abs=1e-9)


@given(st.floats(0.05, 0.999), st.integers(1, 200))
def test_the_quantile_inverts_the_probability(confidence, degrees):
    t = student_quantile(confidence, degrees)
    assert student_probability(t, degrees) == pytest.approx(confidence, abs=1e-12)


@pytest.mark.parametrize(("t", "degrees"), [(-0.1, 3), (1.0, 0)])
def test_probabilities_that_make_no_sense_are_refused(t, degrees):
    with pytest.raises(ValueError, match="expected t >= 0 and at least 1 degree of freedom"):
        student_probability(t, degrees)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_that_makes_no_sense_is_refused(confidence):
    with pytest.raises(ValueError, match="expected a confidence between 0 and 1"):
        student_quantile(confidence, 5)


# One line


def test_the_line_and_its_error_agree_with_numpys_fit():
    growth = fit_growth(YEARS, COUNTS)
    (slope, start), covariance = np.polyfit(YEARS - 1980, np.log2(COUNTS), 1, cov=True)
    assert growth.slope == pytest.approx(slope, rel=1e-10)
    assert np.log2(growth.at(np.array(1980.0))) == pytest.approx(start, rel=1e-10)
    half = 2.5706 * math.sqrt(covariance[0, 0])  # t with 5 degrees of freedom, from a table
    assert growth.high - growth.slope == pytest.approx(half, rel=1e-4)
    assert growth.slope - growth.low == pytest.approx(half, rel=1e-4)
    residuals = np.log2(COUNTS) - slope * (YEARS - 1980) - start
    assert growth.scatter == pytest.approx(math.sqrt((residuals**2).sum() / 5), rel=1e-10)


@given(st.floats(0.3, 20), st.floats(1, 1e9))
def test_exact_growth_is_found_exactly(doubling, start):
    values = start * 2.0 ** ((YEARS - 1971.9) / doubling)
    growth = fit_growth(YEARS, values)
    assert growth.doubling_time == pytest.approx(doubling, rel=1e-6)
    assert growth.doubling_interval == pytest.approx((doubling, doubling), rel=1e-4)
    np.testing.assert_allclose(growth.at(YEARS), values, rtol=1e-6)


def test_the_unit_changes_nothing_but_the_level():
    one, other = fit_growth(YEARS, COUNTS), fit_growth(YEARS, 1024 * COUNTS)
    assert other.slope == pytest.approx(one.slope, rel=1e-10)
    assert other.level == pytest.approx(one.level + 10)


def test_missing_points_are_left_out():
    years, values = np.append(YEARS, [2000, np.nan]), np.append(COUNTS, [np.nan, 5.0])
    assert fit_growth(years, values) == fit_growth(YEARS, COUNTS)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    years = np.sort(random.uniform(1970, 2020, 8))
    held = {0.95: 0, 0.8: 0}
    for _ in range(2000):
        values = 2.0 ** (0.5 * (years - 1970) + random.normal(0, 1.5, 8))
        for confidence in held:
            growth = fit_growth(years, values, confidence)
            held[confidence] += growth.low <= 0.5 <= growth.high
    for confidence, count in held.items():
        error = math.sqrt(confidence * (1 - confidence) / 2000)
        assert abs(count / 2000 - confidence) < 4 * error


def test_with_the_normal_quantile_the_interval_would_hold_too_rarely():
    random = np.random.default_rng(0)
    years = np.arange(1990.0, 1995)
    held = 0
    for _ in range(2000):
        growth = fit_growth(years, 2.0 ** (years - 1990 + random.normal(0, 1, 5)))
        held += abs(growth.slope - 1) <= (growth.high - growth.slope) * 1.96 / 3.1824
    assert held / 2000 < 0.90


def test_growth_that_may_be_absent_has_no_longest_doubling_time():
    years = np.arange(2005.0, 2013)
    flat = fit_growth(years, np.array([3.0, 2.0, 3.5, 2.5, 3.0, 2.2, 3.3, 2.8]))
    assert flat.low < 0 < flat.high
    assert flat.doubling_interval[1] == math.inf
    assert 0 < flat.doubling_interval[0] < math.inf
    falling = fit_growth(years, 2.0 ** (2005 - years))
    assert falling.doubling_time == pytest.approx(-1)
    assert falling.doubling_interval == (math.inf, math.inf)


@pytest.mark.parametrize(
    ("years", "values", "message"),
    [
        ([2000.0, 2001], [1.0, 2], "at least 3 points and two years, got 2"),
        ([2000.0, 2000, 2000], [1.0, 2, 3], "at least 3 points and two years, got 3"),
        ([2000.0, 2001, 2002], [1.0, 2, np.nan], "at least 3 points and two years, got 2"),
        ([2000.0, 2001, 2002], [1.0, 0, 2], "expected positive values, got 0.0"),
        ([2000.0, 2001], [1.0, 2, 3], r"expected two arrays of shape \(n,\), got \(2,\), \(3,\)"),
    ],
)
def test_points_without_a_line_are_refused(years, values, message):
    with pytest.raises(ValueError, match=message):
        fit_growth(np.array(years), np.array(values))


# Two lines


def bent(years, year, before, after):
    """Growth at one rate until a year, at another after it."""
    return 2.0 ** (before * (years - year) + (after - before) * np.maximum(0, years - year))


CANDIDATES = np.arange(1960.0, 2010, 0.5)


@given(st.integers(1965, 2005), st.floats(-1, 3), st.floats(-1, 3))
def test_an_exact_break_is_found_exactly(year, before, after):
    if abs(before - after) < 0.05:
        return
    years = np.linspace(1950, 2020, 71)
    values = 8 * bent(years, year, before, after)
    found = fit_break(years, values, CANDIDATES)
    assert found.year == year
    np.testing.assert_allclose(found.at(years), values, rtol=1e-6)
    assert found.before[0] == pytest.approx(before, abs=1e-6)
    assert found.after[0] == pytest.approx(after, abs=1e-6)


def test_both_slopes_agree_with_numpys_least_squares():
    years = np.linspace(1950, 2020, 60)
    random = np.random.default_rng(1)
    values = bent(years, 1990, 0.5, 2) * 2.0 ** random.normal(0, 2, 60)
    found = fit_break(years, values, CANDIDATES)
    design = np.stack([np.minimum(years, found.year), np.maximum(years, found.year)], axis=1)
    design = np.column_stack([np.ones(60), design - found.year])
    (_, before, after), error, _, _ = np.linalg.lstsq(design, np.log2(values), rcond=None)
    assert found.before[0] == pytest.approx(before, rel=1e-8)
    assert found.after[0] == pytest.approx(after, rel=1e-8)
    covariance = np.linalg.inv(design.T @ design) * error[0] / 56
    for slope, place in ((found.before, 1), (found.after, 2)):
        half = 2.0032 * math.sqrt(covariance[place, place])  # t with 56 degrees, from a table
        assert slope[2] - slope[0] == pytest.approx(half, rel=1e-4)
        assert slope[0] - slope[1] == pytest.approx(half, rel=1e-4)


def test_no_other_candidate_fits_better():
    years = np.linspace(1950, 2020, 40)
    random = np.random.default_rng(2)
    values = bent(years, 1985, 1, 0) * 2.0 ** random.normal(0, 1, 40)
    found = fit_break(years, values, CANDIDATES)

    def error(year):
        design = np.column_stack([np.ones(40), years, np.maximum(0, years - year)])
        return np.linalg.lstsq(design, np.log2(values), rcond=None)[1][0]

    assert error(found.year) <= min(error(year) for year in CANDIDATES) * (1 + 1e-9)


def test_the_intervals_of_a_break_hold_the_truth_nearly_as_often_as_they_say():
    random = np.random.default_rng(3)
    years = np.linspace(1950, 2020, 70)
    truth = bent(years, 1995, 0.5, 1.5)
    held = np.zeros(3)
    for _ in range(300):
        found = fit_break(years, truth * 2.0 ** random.normal(0, 1, 70), CANDIDATES)
        held += [
            found.first <= 1995 <= found.last,
            found.before[1] <= 0.5 <= found.before[2],
            found.after[1] <= 1.5 <= found.after[2],
        ]
    assert (held / 300 > 0.85).all()
    assert held[0] / 300 < 1


@pytest.mark.parametrize("candidates", [[], [1950.0], [2020.0], [1940.0, 1980]])
def test_candidates_at_the_ends_are_refused(candidates):
    years = np.linspace(1950, 2020, 20)
    with pytest.raises(ValueError, match=r"at least two points on either side, from 1953\.68"):
        fit_break(years, 2.0**years**0.5, np.array(candidates))


def test_too_few_points_for_two_lines_are_refused():
    with pytest.raises(ValueError, match="at least 5 points and two years, got 4"):
        fit_break(np.arange(4.0), np.arange(1.0, 5), np.array([1.5]))

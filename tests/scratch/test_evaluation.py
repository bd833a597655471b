import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch.evaluation import calibration, confusion_matrix, wilson_interval


@given(st.integers(1, 5000), st.data())
def test_wilson_bounds_solve_the_equation_of_the_score_test(total, data):
    """At a bound p, the measured share lies z standard errors of p away."""
    correct = data.draw(st.integers(0, total))
    share = correct / total
    for bound in wilson_interval(correct, total):
        assert -1e-12 <= bound <= 1 + 1e-12
        distance = (share - bound) ** 2
        assert distance == pytest.approx(1.96**2 * bound * (1 - bound) / total, abs=1e-9)


def test_wilson_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    counts = rng.binomial(2000, 0.97, size=2000)
    bounds = [wilson_interval(int(count), 2000) for count in counts]
    covered = np.mean([low <= 0.97 <= high for low, high in bounds])
    assert 0.93 < covered < 0.97


@pytest.mark.parametrize(("correct", "total"), [(-1, 10), (11, 10), (0, 0)])
def test_impossible_counts_are_refused(correct, total):
    with pytest.raises(ValueError, match="0 <= correct <= total"):
        wilson_interval(correct, total)


def test_confusion_counts_rows_as_right_and_columns_as_predicted():
    labels, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 0, 2])
    assert confusion_matrix(labels, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [2, 0, 1]]


def test_confusion_refuses_different_shapes():
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        confusion_matrix(np.zeros(2, int), np.zeros(3, int), 2)


def test_calibration_against_a_loop():
    rng = np.random.default_rng(0)
    scores = rng.random((400, 3))
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    labels = rng.integers(0, 3, 400)
    found = calibration(probabilities, labels, bins=5)
    expected = 0.0
    for index in range(5):
        inside = [i for i in range(400) if index / 5 <= probabilities[i].max() < (index + 1) / 5]
        assert found.counts[index] == len(inside)
        if inside:
            confidence = np.mean([probabilities[i].max() for i in inside])
            accuracy = np.mean([probabilities[i].argmax() == labels[i] for i in inside])
            assert found.confidence[index] == pytest.approx(confidence)
            assert found.accuracy[index] == pytest.approx(accuracy)
            expected += len(inside) / 400 * abs(accuracy - confidence)
        else:
            assert np.isnan(found.accuracy[index])
    assert found.error == pytest.approx(expected)


def test_full_confidence_falls_into_the_last_bin():
    found = calibration(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), bins=10)
    assert found.counts.tolist() == [0] * 9 + [2]
    assert found.error == pytest.approx(0.5)

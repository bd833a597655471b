from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coursepkg.scratch import losses
from coursepkg.scratch.activations import softmax
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.losses import cross_entropy, one_hot, smooth_labels
from tests.scratch.broken import broken
from tests.scratch.keras_gradient import keras_gradient
from tests.scratch.parity import TOLERANCE, assert_parity

TYPES = [np.float64, np.float32]


def numbers(u, v):
    return 20 * u - 10, 20 * v - 10


def without_ties(u, v):
    """Errors are not 0, where the mean absolute error has a kink."""
    predictions, targets = numbers(u, v)
    return predictions + 0.01 * (np.abs(predictions - targets) < 1e-3), targets


def without_corners(u, v):
    """No error has the size 1, where the slope of the Huber loss has a kink."""
    predictions, targets = numbers(u, v)
    corner = np.abs(np.abs(predictions - targets) - 1) < 1e-3
    return predictions + 0.01 * corner, targets


def chances(u, v):
    """Not near 0 and 1: there the third derivative is too large for a central difference."""
    return 0.1 + 0.8 * u, v


def scores(u, v):
    return 20 * u - 10, v


def rows_of_chances(u, v):
    return rows(u), rows(v)


def scores_and_rows(u, v):
    return 20 * u - 10, rows(v)


def rows(u):
    return (u + 0.5) / (u + 0.5).sum(axis=-1, keepdims=True)


class Case(NamedTuple):
    """How to make predictions and targets of two arrays from 0 to 1, and Keras's loss."""

    make: Callable
    keras: Callable


ANY_SHAPE = st.tuples(st.integers(1, 4), st.integers(2, 5))
# JAX compiles anew for every shape.
A_FEW_SHAPES = st.sampled_from([(1, 2), (4, 3)])

THEIRS = keras.losses
CASES = {
    "mean_squared_error": Case(numbers, THEIRS.MeanSquaredError),
    "mean_absolute_error": Case(without_ties, THEIRS.MeanAbsoluteError),
    "huber": Case(without_corners, THEIRS.Huber),
    "binary_cross_entropy": Case(chances, THEIRS.BinaryCrossentropy),
    "binary_cross_entropy_from_logits": Case(
        scores, partial(THEIRS.BinaryCrossentropy, from_logits=True)
    ),
    "categorical_cross_entropy": Case(rows_of_chances, THEIRS.CategoricalCrossentropy),
    "categorical_cross_entropy_from_logits": Case(
        scores_and_rows, partial(THEIRS.CategoricalCrossentropy, from_logits=True)
    ),
}
NAMES = list(CASES)
CATEGORICAL = [name for name in NAMES if "categorical" in name]
BINARY = [name for name in NAMES if "binary" in name]
FROM_LOGITS = [name for name in NAMES if "logits" in name]

# What is replaced in the source of the backward function.
BROKEN = [
    ("mean_squared_error", "return 2 * errors", "return errors"),
    ("mean_squared_error", " / errors.size", ""),
    ("mean_squared_error", "predictions - _fitting", "predictions + _fitting"),
    ("mean_absolute_error", " / errors.size", " / len(errors)"),
    ("mean_absolute_error", "np.sign(errors)", "np.abs(errors)"),
    ("mean_absolute_error", "return np", "return -np"),
    ("huber", "np.clip(errors, -_positive(delta), delta)", "errors"),
    ("huber", "np.clip(errors, -_positive(delta), delta)", "np.sign(errors)"),
    ("huber", "-_positive(delta)", "0"),
    ("binary_cross_entropy", "(p - y)", "(y - p)"),
    ("binary_cross_entropy", " / (p * (1 - p))", ""),
    ("binary_cross_entropy", " / p.size", ""),
    ("binary_cross_entropy_from_logits", "sigmoid(logits) - y", "y - sigmoid(logits)"),
    ("binary_cross_entropy_from_logits", "sigmoid(logits) - y", "logits - y"),
    ("binary_cross_entropy_from_logits", " / y.size", " / len(y)"),
    ("categorical_cross_entropy", " - (by_share * q).sum(axis=1, keepdims=True)", ""),
    ("categorical_cross_entropy", " / sums / len", " / len"),
    ("categorical_cross_entropy", "-y / clipped", "y / clipped"),
    ("categorical_cross_entropy", " / len(q)", " / q.size"),
    ("categorical_cross_entropy_from_logits", "softmax(logits) - y", "-y"),
    ("categorical_cross_entropy_from_logits", "softmax(logits) - y", "y - softmax(logits)"),
    ("categorical_cross_entropy_from_logits", " / len(y)", ""),
]


def pair(name):
    return getattr(losses, name), getattr(losses, f"{name}_backward")


@st.composite
def batches(draw, name, dtype=np.float64, shapes=ANY_SHAPE):
    shape = draw(shapes)
    entries = arrays(np.float64, shape, elements=st.floats(0, 1))
    return [array.astype(dtype) for array in CASES[name].make(draw(entries), draw(entries))]


def example(name):
    """A batch with rows of probabilities that do not sum to 1, so that a factor may be missed."""
    rng = np.random.default_rng(0)
    predictions, targets = CASES[name].make(rng.random((3, 4)), rng.random((3, 4)))
    if name == "categorical_cross_entropy":
        predictions = predictions * 0.8
    return predictions, targets


def check(name, backward, predictions, targets):
    loss = pair(name)[0]
    return gradient_check(
        lambda: loss(predictions, targets),
        {"predictions": predictions},
        {"predictions": backward(predictions, targets)},
    )


def by_keras(name, predictions, targets, **options):
    theirs = CASES[name].keras(dtype=predictions.dtype.name, **options)
    return keras_gradient(lambda p: theirs(keras.ops.convert_to_tensor(targets), p), predictions)


def compare_with_keras(name, predictions, targets):
    loss, backward = pair(name)
    value, gradient = by_keras(name, predictions, targets)
    close = TOLERANCE[predictions.dtype]
    assert loss(predictions, targets) == pytest.approx(value, rel=close, abs=close)
    assert_parity(backward(predictions, targets), gradient)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_gradient(name, data):
    predictions, targets = data.draw(batches(name))
    check(name, pair(name)[1], predictions, targets)


@pytest.mark.parametrize("delta", [0.3, 4.0])
def test_gradient_of_huber_with_another_delta(delta):
    predictions, targets = example("huber")
    gradient_check(
        lambda: losses.huber(predictions, targets, delta),
        {"predictions": predictions},
        {"predictions": losses.huber_backward(predictions, targets, delta)},
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_example_for_broken_variants_passes_unbroken(name):
    check(name, pair(name)[1], *example(name))


@pytest.mark.parametrize(("name", "old", "new"), BROKEN)
def test_broken_backward_is_caught(name, old, new):
    wrong = broken(pair(name)[1], old, new)
    with pytest.raises(GradientError, match="gradient of 'predictions' at index"):
        check(name, wrong, *example(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_backward_has_two_broken_variants(name):
    assert sum(variant[0] == name for variant in BROKEN) >= 2


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=10)
def test_parity_with_keras(name, dtype, data):
    predictions, targets = data.draw(batches(name, dtype, A_FEW_SHAPES))
    compare_with_keras(name, predictions, targets)


@pytest.mark.parametrize("dtype", TYPES)
def test_parity_with_keras_where_rows_of_probabilities_do_not_sum_to_one(dtype):
    predictions, targets = example("categorical_cross_entropy")
    compare_with_keras(
        "categorical_cross_entropy", predictions.astype(dtype), targets.astype(dtype)
    )


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["binary_cross_entropy", "categorical_cross_entropy"])
def test_parity_with_keras_at_certain_probabilities(name, dtype):
    certain = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]], dtype)
    targets = np.array([[1, 0, 0], [0, 1, 0], [0.2, 0.3, 0.5], [0, 0, 1]], dtype)
    compare_with_keras(name, certain, targets)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", [*FROM_LOGITS, "mean_squared_error", "huber"])
def test_parity_with_keras_far_out(name, dtype):
    predictions = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 3], [1e4, 1e4, 1e4]], dtype)
    compare_with_keras(name, predictions, np.eye(3, dtype=dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", [*BINARY, *CATEGORICAL])
@given(data=st.data())
@settings(max_examples=5)
def test_label_smoothing_is_that_of_keras(name, dtype, data):
    predictions, targets = data.draw(batches(name, dtype, A_FEW_SHAPES))
    if name in BINARY:
        predictions, targets = predictions[:, :1], targets[:, :1]
    loss, backward = pair(name)
    smooth = smooth_labels(targets, 0.1)
    assert smooth.dtype == dtype
    value, gradient = by_keras(name, predictions, targets, label_smoothing=0.1)
    close = TOLERANCE[predictions.dtype]
    assert loss(predictions, smooth) == pytest.approx(value, rel=close, abs=close)
    assert_parity(backward(predictions, smooth), gradient)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_keep_the_type_of_the_predictions_and_nothing_is_changed(name, dtype):
    predictions, targets = example(name)
    predictions = predictions.astype(dtype)
    before = predictions.copy(), targets.copy()
    loss, backward = pair(name)
    value, gradient = loss(predictions, targets), backward(predictions, targets)
    assert type(value) is float
    assert gradient.dtype == dtype
    assert gradient.shape == predictions.shape
    np.testing.assert_array_equal(predictions, before[0])
    np.testing.assert_array_equal(targets, before[1])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_no_overflow_and_never_negative(name, dtype, data):
    loss, backward = pair(name)
    predictions, targets = data.draw(batches(name, dtype))
    if name in FROM_LOGITS or name not in BINARY + CATEGORICAL:
        predictions *= 1000
    with np.errstate(all="raise", under="ignore"):
        assert 0 <= loss(predictions, targets) < 2e8
        assert np.isfinite(backward(predictions, targets)).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_logits_far_out_give_exact_losses_and_gradients(dtype):
    logits, right = np.array([[1e4, -1e4]], dtype), np.array([[1.0, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        assert losses.binary_cross_entropy_from_logits(logits, right) == 0
        assert losses.binary_cross_entropy_from_logits(logits, 1 - right) == 1e4
        found = losses.binary_cross_entropy_from_logits_backward(logits, 1 - right)
        assert found.tolist() == [[0.5, -0.5]]
        assert losses.categorical_cross_entropy_from_logits(logits, right) == 0
        assert losses.categorical_cross_entropy_from_logits(logits, 1 - right) == 2e4
        found = losses.categorical_cross_entropy_from_logits_backward(logits, 1 - right)
        assert found.tolist() == [[1, -1]]


@pytest.mark.parametrize("name", ["binary_cross_entropy", "categorical_cross_entropy"])
def test_a_certain_and_wrong_probability_has_the_loss_of_the_clip_and_no_gradient(name):
    loss, backward = pair(name)
    certain, wrong = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert loss(certain, wrong) == pytest.approx(-np.log(1e-7))
    assert backward(certain, wrong).tolist() == [[0, 0]]
    inside = np.array([[1 - 5e-8, 5e-8]])
    assert loss(inside, wrong) == loss(certain, wrong)
    outside = np.array([[1 - 2e-7, 2e-7]])
    assert loss(outside, wrong) < loss(certain, wrong)
    assert backward(outside, wrong)[0, 1] < 0


def test_absolute_error_has_no_slope_where_the_prediction_is_right():
    targets = np.array([1.0, 2.0, 3.0])
    gradient = losses.mean_absolute_error_backward(np.array([1.0, 5.0, 0.0]), targets)
    assert gradient == pytest.approx(np.array([0, 1, -1]) / 3)


@pytest.mark.parametrize("delta", [0.5, 1.0, 3.0])
def test_huber_has_no_jump_where_the_parabola_becomes_a_line(delta):
    for error in (delta, -delta):
        at, zero = np.array([error]), np.zeros(1)
        assert losses.huber(at, zero, delta) == pytest.approx(delta**2 / 2)
        assert losses.huber_backward(at, zero, delta) == pytest.approx(error)
        assert losses.huber(at * 3, zero, delta) == pytest.approx(delta**2 * 2.5)


def test_losses_of_a_hand_worked_batch():
    predictions, targets = np.array([[0.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 3.5]])
    assert losses.mean_squared_error(predictions, targets) == (4 + 9 + 0.25) / 4
    assert losses.mean_absolute_error(predictions, targets) == (2 + 3 + 0.5) / 4
    assert losses.huber(predictions, targets) == (1.5 + 2.5 + 0.125) / 4
    half = np.full((2, 2), 0.5)
    assert losses.binary_cross_entropy(half, np.eye(2)) == pytest.approx(np.log(2))
    assert losses.categorical_cross_entropy(half, np.eye(2)) == pytest.approx(np.log(2))


def test_probabilities_and_logits_give_one_loss():
    logits, targets = example("categorical_cross_entropy_from_logits")
    assert losses.categorical_cross_entropy(softmax(logits / 5), targets) == pytest.approx(
        losses.categorical_cross_entropy_from_logits(logits / 5, targets)
    )


@given(arrays(np.float64, (4, 5), elements=st.floats(-1e4, 1e4)))
def test_cross_entropy_of_labels_is_that_of_one_hot_rows(logits):
    labels = np.array([0, 4, 2, 2])
    found = cross_entropy(logits, labels)
    assert (found >= 0).all()
    assert found.mean() == pytest.approx(
        losses.categorical_cross_entropy_from_logits(logits, one_hot(labels, 5)), abs=1e-9
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_cross_entropy_of_labels_is_that_of_keras(dtype):
    logits = np.random.default_rng(0).normal(size=(6, 3)).astype(dtype) * 5
    labels = np.array([0, 1, 2, 0, 1, 2])
    theirs = keras_gradient(
        lambda z: keras.ops.sparse_categorical_crossentropy(labels, z, from_logits=True), logits
    )
    assert_parity(cross_entropy(logits, labels), theirs[0])


def test_one_hot_rows():
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_smoothed_rows_stay_distributions_and_no_smoothing_changes_nothing():
    targets = one_hot(np.array([0, 2]), 4)
    assert smooth_labels(targets, 0.2)[0] == pytest.approx(np.array([0.85, 0.05, 0.05, 0.05]))
    assert smooth_labels(targets, 0.2).sum(axis=1) == pytest.approx(np.ones(2))
    assert smooth_labels(targets, 0).tolist() == targets.tolist()
    assert smooth_labels(np.array([1.0, 0.0]), 0.2) == pytest.approx(np.array([0.9, 0.1]))


ZEROS = np.zeros((2, 3))
HALVES = np.full((2, 3), 0.5)
THIRDS = np.full((2, 3), 1 / 3)
ANY = "expected predictions and targets of one shape that is not empty"
REFUSED = [
    *[(name, ZEROS, np.zeros((2, 2)), rf"{ANY}, got \(2, 3\) and \(2, 2\)") for name in NAMES],
    *[(name, np.zeros((0, 3)), np.zeros((0, 3)), ANY) for name in NAMES],
    *[(name, ZEROS.astype(int), THIRDS, "floating-point predictions, got int") for name in NAMES],
    *[(name, HALVES, HALVES + 1, "targets must be from 0 to 1") for name in BINARY + CATEGORICAL],
    *[(name, HALVES, -HALVES, "targets must be from 0 to 1") for name in BINARY + CATEGORICAL],
    *[
        (name, HALVES, HALVES, "targets must sum to 1, one misses it by 0.5")
        for name in CATEGORICAL
    ],
    *[(name, HALVES[0], THIRDS[0], r"of shape \(N, K\), got \(3,\)") for name in CATEGORICAL],
    ("binary_cross_entropy", HALVES * 4, HALVES, "probabilities must be from 0 to 1"),
    ("binary_cross_entropy", HALVES * np.nan, HALVES, "probabilities must be from 0 to 1"),
    ("categorical_cross_entropy", -HALVES, THIRDS, "values from -0.5 to -0.5"),
    ("categorical_cross_entropy", ZEROS, THIRDS, "got a row of zeros"),
]


@pytest.mark.parametrize(("name", "predictions", "targets", "message"), REFUSED)
def test_bad_input_is_refused_by_the_loss_and_its_gradient(name, predictions, targets, message):
    for function in pair(name):
        with pytest.raises(ValueError, match=message):
            function(predictions, targets)


@pytest.mark.parametrize("delta", [0, -1, np.nan])
def test_huber_refuses_a_delta_that_is_not_positive(delta):
    for function in pair("huber"):
        with pytest.raises(ValueError, match="delta must be above 0, got"):
            function(ZEROS, ZEROS, delta)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros(3), np.zeros(3, int), "expected logits"),
        (np.zeros((2, 3)), np.zeros(3, int), "expected logits"),
        (np.zeros((2, 3)), np.array([0, 3]), "from 0 to 2, got values from 0 to 3"),
        (np.zeros((2, 3)), np.array([-1, 0]), "got values from -1 to 0"),
        (np.zeros((2, 3)), np.zeros(2), "labels must be integers, got float64"),
    ],
)
def test_cross_entropy_refuses_bad_input(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        cross_entropy(logits, labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((2, 1), int), r"labels of shape \(N,\), got \(2, 1\)"),
        (np.array([0, 3]), "from 0 to 2, got values from 0 to 3"),
        (np.array([-1, 1]), "got values from -1 to 1"),
        (np.array([0.0]), "must be integers, got float64"),
    ],
)
def test_one_hot_refuses_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        one_hot(labels, 3)


@pytest.mark.parametrize("smoothing", [-0.1, 1, np.nan])
def test_smoothing_outside_its_range_is_refused(smoothing):
    with pytest.raises(ValueError, match="at least 0 and below 1, got"):
        smooth_labels(THIRDS, smoothing)


def test_smoothing_refuses_targets_that_are_no_shares():
    with pytest.raises(ValueError, match="targets must be from 0 to 1"):
        smooth_labels(THIRDS * 4, 0.1)

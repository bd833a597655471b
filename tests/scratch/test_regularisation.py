from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.regularisation import (
    EarlyStopping,
    l1_gradient,
    l1_penalty,
    l2_gradient,
    l2_penalty,
    shifted,
    soft_threshold,
)
from tests.scratch.broken import broken

SHAPES = array_shapes(max_dims=3, max_side=4)
STRENGTHS = st.floats(1e-3, 3)
AWAY_FROM_ZERO = st.floats(0.01, 3).flatmap(lambda size: st.sampled_from([size, -size]))
ANY = st.floats(-3, 3)
LOSSES = st.lists(st.integers(0, 24).map(lambda n: n / 16), min_size=1, max_size=30)

PAIRS = {
    "l1": (l1_penalty, l1_gradient, keras.regularizers.L1, AWAY_FROM_ZERO),
    "l2": (l2_penalty, l2_gradient, keras.regularizers.L2, ANY),
}

# pair, what is wrong, text of the gradient, its replacement
BROKEN_GRADIENTS = [
    ("l2", "factor 2 missing", "return 2 * ", "return "),
    ("l2", "sign", "return 2 * ", "return -2 * "),
    ("l2", "strength missing", "_not_negative(strength) * ", ""),
    ("l2", "square kept", "* weights", "* weights**2"),
    ("l1", "sign", "return _not", "return -_not"),
    ("l1", "strength missing", "_not_negative(strength) * ", ""),
    ("l1", "size instead of sign", "np.sign(weights)", "np.abs(weights)"),
    ("l1", "gradient of the square", "np.sign(weights)", "2 * weights"),
]

_MOVED = "np.maximum(np.abs(weights) - _not_negative(amount), 0)"
BROKEN_THRESHOLDS = [
    ("overshoots", _MOVED, "(np.abs(weights) - amount)"),
    ("sign lost", "np.sign(weights) * ", ""),
    ("keeps the large ones whole", _MOVED, "np.abs(weights) * (np.abs(weights) > amount)"),
    ("half the way", "np.abs(weights) - _not", "np.abs(weights) - 0.5 * _not"),
]

BROKEN_STOPPING = [
    ("one epoch too early", "self.waited >= self.patience", "self.waited + 1 >= self.patience"),
    ("one epoch too late", "self.waited >= self.patience", "self.waited > self.patience"),
    ("an equal loss is a gain", "< self.best_loss", "<= self.best_loss"),
    ("the gain has the wrong sign", "loss + self.minimum_gain", "loss - self.minimum_gain"),
    ("the wait goes on", "self.waited = 0\n        else", "pass\n        else"),
    ("compares with the last", "self.waited += 1", "self.waited, self.best_loss = 1, loss"),
    ("the best epoch is one late", "loss, self.epochs", "loss, self.epochs + 1"),
]

BROKEN_SHIFTS = [
    ("one shift for both axes", "size=(2, count, 1))", "size=(1, count, 1)).repeat(2, axis=0)"),
    ("one shift for all images", "size=(2, count, 1))", "size=(2, 1, 1)).repeat(count, axis=1)"),
    ("one direction only", "rng.integers(0, 2 * limit + 1", "rng.integers(limit, 2 * limit + 1"),
    ("the far edge is never reached", "0, 2 * limit + 1", "0, 2 * limit"),
    ("comes in again on the other side", "(limit, limit)))", '(limit, limit)), mode="wrap")'),
    ("mirrored", "np.arange(columns)", "np.arange(columns)[::-1]"),
]


def check_pair(name, gradient, weights, strength):
    penalty = PAIRS[name][0]
    inputs = {"weights": weights}
    return gradient_check(
        lambda: penalty(weights, strength), inputs, {"weights": gradient(weights, strength)}
    )


@pytest.mark.parametrize("name", PAIRS)
@given(data=st.data(), strength=STRENGTHS)
def test_gradients_agree_with_finite_differences(name, data, strength):
    _, gradient, _, elements = PAIRS[name]
    weights = data.draw(arrays(np.float64, SHAPES, elements=elements))
    assert check_pair(name, gradient, weights, strength) <= 1e-6


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [pytest.param(n, old, new, id=f"{n}: {what}") for n, what, old, new in BROKEN_GRADIENTS],
)
def test_a_broken_gradient_is_caught(name, old, new):
    weights = np.random.default_rng(0).normal(size=(3, 4))
    gradient = PAIRS[name][1]
    assert check_pair(name, gradient, weights, 0.3) <= 1e-6
    with pytest.raises(GradientError):
        check_pair(name, broken(gradient, old, new), weights, 0.3)


@pytest.mark.parametrize("name", PAIRS)
@given(data=st.data(), strength=STRENGTHS)
def test_penalties_are_those_of_keras(name, data, strength):
    penalty, _, regularizer, elements = PAIRS[name]
    weights = data.draw(arrays(np.float64, SHAPES, elements=elements))
    theirs = regularizer(strength)(keras.ops.convert_to_tensor(weights, dtype="float64"))
    assert penalty(weights, strength) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_penalties_by_hand(name):
    weights = np.array([[3.0, -1.0], [0.0, 2.0]])
    by_hand = {"l1": (0.5 * 6, [[0.5, -0.5], [0, 0.5]]), "l2": (0.5 * 14, [[3, -1], [0, 2]])}
    penalty, gradient, *_ = PAIRS[name]
    assert penalty(weights, 0.5) == by_hand[name][0]
    assert gradient(weights, 0.5).tolist() == by_hand[name][1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [l1_gradient, l2_gradient, soft_threshold])
def test_the_dtype_stays(function, dtype):
    assert function(np.ones((2, 3), dtype), np.float64(0.1)).dtype == dtype


@pytest.mark.parametrize("number", [-0.1, np.inf, np.nan])
@pytest.mark.parametrize(
    "function", [l1_penalty, l1_gradient, l2_penalty, l2_gradient, soft_threshold]
)
def test_an_impossible_strength_is_refused(function, number):
    with pytest.raises(ValueError, match=f"expected a finite number >= 0, got {number}"):
        function(np.ones(3), number)


def is_minimum(threshold, weights, amount):
    """Compare with the best of many points around, the kink at 0 among them."""

    def cost(candidates):
        return 0.5 * (candidates - weights) ** 2 + amount * np.abs(candidates)

    grid = np.linspace(-4, 4, 4001)[:, np.newaxis]  # 0 is a point of it
    return np.all(cost(threshold(weights, amount)) <= cost(grid).min(axis=0) + 1e-12)


@given(arrays(np.float64, 5, elements=ANY), st.floats(0, 2))
def test_soft_thresholding_minimises_its_cost(weights, amount):
    assert is_minimum(soft_threshold, weights, amount)
    assert np.all(soft_threshold(weights, amount)[np.abs(weights) <= amount] == 0)


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_THRESHOLDS]
)
def test_a_broken_threshold_is_caught(old, new):
    weights = np.array([-1.5, -0.2, 0.1, 0.7])
    assert is_minimum(soft_threshold, weights, 0.3)
    assert not is_minimum(broken(soft_threshold, old, new), weights, 0.3)


def keras_run(losses, patience, minimum_gain):
    """Return how many epochs Keras's callback lets run, and which it calls the best."""
    callback = keras.callbacks.EarlyStopping(patience=patience, min_delta=minimum_gain)
    model = SimpleNamespace(stop_training=False)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    return epoch + 1, callback.best_epoch, float(callback.best)


def our_run(stopping, losses):
    for loss in losses:
        if stopping.update(loss):
            break
    return stopping.epochs, stopping.best_epoch, stopping.best_loss


@given(LOSSES, st.integers(1, 6), st.sampled_from([0.0, 0.0625, 0.25]))
def test_stopping_decides_as_keras_does(losses, patience, minimum_gain):
    ours = our_run(EarlyStopping(patience, minimum_gain), losses)
    assert ours == keras_run(losses, patience, minimum_gain)


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_STOPPING]
)
def test_a_broken_stopping_decides_otherwise(old, new):
    rng = np.random.default_rng(0)
    cases = [(rng.integers(0, 9, 20) / 16, int(rng.integers(1, 5)), 0.125) for _ in range(50)]
    assert all(our_run(EarlyStopping(p, g), losses) == keras_run(losses, p, g)
               for losses, p, g in cases)  # fmt: skip
    other = broken(EarlyStopping, old, new)
    assert any(our_run(other(p, g), losses) != keras_run(losses, p, g) for losses, p, g in cases)


def test_a_loss_that_is_no_number_is_no_gain():
    stopping = EarlyStopping(patience=2)
    assert [stopping.update(loss) for loss in (np.nan, 1.0, np.nan, np.inf)] == [False] * 3 + [True]
    assert (stopping.best_epoch, stopping.best_loss, stopping.waited) == (1, 1.0, 2)
    never = EarlyStopping(patience=1)
    assert never.update(np.inf)
    assert never.best_epoch is None


@pytest.mark.parametrize(("settings", "message"), [
    ((0,), "patience of at least 1 epoch, got 0"),
    ((3, -0.1), ">= 0, got -0.1"),
    ((3, np.nan), ">= 0, got nan"),
])  # fmt: skip
def test_impossible_settings_of_stopping_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(*settings)


def moved(image, down, right):
    """Shift one image by a loop over its pixels."""
    result = np.zeros_like(image)
    for row, column in np.ndindex(image.shape):
        if 0 <= row + down < image.shape[0] and 0 <= column + right < image.shape[1]:
            result[row + down, column + right] = image[row, column]
    return result


def shifts_found(function, limit):
    """Return, for 400 copies of an image, all shifts that turn it into the result."""
    image = np.arange(1.0, 21.0).reshape(4, 5)
    moves = [(down, right) for down, right in np.ndindex(2 * limit + 1, 2 * limit + 1)]
    targets = [moved(image, down - limit, right - limit) for down, right in moves]
    results = function(np.repeat(image[np.newaxis], 400, axis=0), limit, np.random.default_rng(0))
    found = [
        [index for index, target in enumerate(targets) if np.array_equal(result, target)]
        for result in results
    ]
    return found, len(moves)


def are_independent_shifts(function, limit):
    """Say whether every result is a shift, all occur, and none much too often."""
    found, moves = shifts_found(function, limit)
    if any(len(each) != 1 for each in found):
        return False
    counts = np.bincount([each[0] for each in found], minlength=moves)
    return counts.min() > 0 and counts.max() < 2.5 * 400 / moves


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_shifts_are_whole_and_equally_likely(limit):
    assert are_independent_shifts(shifted, limit)


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_SHIFTS]
)
def test_a_broken_shift_is_caught(old, new):
    assert not are_independent_shifts(broken(shifted, old, new), 2)


def test_shifting_leaves_its_input_and_the_dtype():
    images = np.random.default_rng(0).random((3, 5, 5)).astype(np.float32)
    before = images.copy()
    assert shifted(images, 2, np.random.default_rng(1)).dtype == np.float32
    assert np.array_equal(images, before)


@pytest.mark.parametrize(("shape", "limit", "message"), [
    ((5, 5), 1, r"expected images of shape \(N, rows, columns\), got \(5, 5\)"),
    ((2, 5, 4), 4, "expected a shift from 0 to 3, got 4"),
    ((2, 5, 4), -1, "expected a shift from 0 to 3, got -1"),
])  # fmt: skip
def test_impossible_shifts_are_refused(shape, limit, message):
    with pytest.raises(ValueError, match=message):
        shifted(np.zeros(shape), limit, np.random.default_rng(0))

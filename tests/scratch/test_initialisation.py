"""First weights: their variances, limits and shapes, and the arguments they rest on."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch.initialisation import (
    fans,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    orthogonal,
)

SHAPE = (1200, 800)
CONVOLUTION = (5, 5, 60, 80)
VARIANCES = {
    lecun_uniform: lambda fan_in, fan_out: 1 / fan_in,
    lecun_normal: lambda fan_in, fan_out: 1 / fan_in,
    glorot_uniform: lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    glorot_normal: lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    he_uniform: lambda fan_in, fan_out: 2 / fan_in,
    he_normal: lambda fan_in, fan_out: 2 / fan_in,
}
UNIFORM = [lecun_uniform, glorot_uniform, he_uniform]
NORMAL = [lecun_normal, glorot_normal, he_normal]
ALL = [*VARIANCES, orthogonal]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def named(functions):
    return pytest.mark.parametrize("initialise", functions, ids=lambda f: f.__name__)


def errors_of_variance(weights: np.ndarray, expected: float) -> float:
    """How many standard errors the mean square is away from what is expected."""
    squares = weights**2
    return abs(squares.mean() - expected) / (squares.std() / np.sqrt(squares.size))


def keras_twin(initialise) -> keras.initializers.Initializer:
    names = {"lecun": "Lecun", "glorot": "Glorot", "he": "He"}
    author, kind = initialise.__name__.split("_")
    return getattr(keras.initializers, names[author] + kind.capitalize())(seed=0)


@named(VARIANCES)
@pytest.mark.parametrize("shape", [SHAPE, CONVOLUTION], ids=["dense", "convolution"])
def test_mean_and_variance_are_the_formula_s(initialise, shape):
    weights = initialise(shape, rng())
    expected = VARIANCES[initialise](*fans(shape))
    assert weights.shape == shape
    assert weights.dtype == np.float64
    assert abs(weights.mean()) < 5 * np.sqrt(expected / weights.size)
    assert errors_of_variance(weights, expected) < 5


@named(VARIANCES)
@pytest.mark.parametrize("shape", [SHAPE, CONVOLUTION], ids=["dense", "convolution"])
def test_the_variance_is_that_of_keras(initialise, shape):
    theirs = keras.ops.convert_to_numpy(keras_twin(initialise)(shape, dtype="float64"))
    ours = initialise(shape, rng())
    assert errors_of_variance(theirs, VARIANCES[initialise](*fans(shape))) < 5
    assert ours.var() == pytest.approx(theirs.var(), rel=0.02)


@named(UNIFORM)
def test_uniform_weights_fill_their_interval(initialise):
    limit = np.sqrt(3 * VARIANCES[initialise](*SHAPE))
    weights = initialise(SHAPE, rng())
    assert np.abs(weights).max() <= limit
    assert weights.max() > 0.999 * limit
    assert weights.min() < -0.999 * limit


def test_the_limits_in_numbers():
    """6 / (1 + 2) = 2, 6 / 6 = 1 and 3 / 3 = 1 under the root."""
    for initialise, shape, limit in [
        (glorot_uniform, (1, 2), np.sqrt(2)),
        (he_uniform, (6, 50), 1.0),
        (lecun_uniform, (3, 50), 1.0),
    ]:
        largest = max(np.abs(initialise(shape, np.random.default_rng(s))).max() for s in range(200))
        assert 0.98 * limit < largest <= limit


@named(NORMAL)
def test_normal_weights_keep_the_tails_that_keras_cuts_off(initialise):
    """P(|z| > 2) is 4.55 % for the normal distribution; Keras has none beyond 2 of its widths."""
    deviation = np.sqrt(VARIANCES[initialise](*SHAPE))
    ours = np.abs(initialise(SHAPE, rng())) / deviation
    assert (ours > 2).mean() == pytest.approx(0.0455, abs=0.002)
    assert ours.max() > 4
    theirs = keras.ops.convert_to_numpy(keras_twin(initialise)(SHAPE))
    assert np.abs(theirs).max() / deviation < 2 / 0.8796


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_orthogonal_weights_are_orthonormal_tall_and_wide(inputs, outputs, seed):
    weights = orthogonal((inputs, outputs), np.random.default_rng(seed))
    small = weights.T @ weights if inputs >= outputs else weights @ weights.T
    assert np.abs(small - np.eye(min(inputs, outputs))).max() < 1e-12


def test_orthogonal_weights_of_a_convolution():
    weights = orthogonal((3, 3, 4, 8), rng())
    assert weights.shape == (3, 3, 4, 8)
    flat = weights.reshape(36, 8)
    assert np.abs(flat.T @ flat - np.eye(8)).max() < 1e-12


def test_orthogonal_weights_have_no_preferred_direction():
    """LAPACK's Q has a fixed sign in places; each entry must be positive half of the time."""
    generator = rng()
    positive = np.mean([orthogonal((3, 3), generator) > 0 for _ in range(2000)], axis=0)
    assert np.abs(positive - 0.5).max() < 5 * 0.5 / np.sqrt(2000)


def test_orthogonal_weights_keep_every_length():
    x = rng().normal(size=(5, 20))
    weights = orthogonal((20, 30), rng())
    lengths = np.linalg.norm(x, axis=1)
    assert np.linalg.norm(x @ weights, axis=1) == pytest.approx(lengths, rel=1e-12)


@pytest.mark.parametrize(
    ("initialise", "activation"),
    [
        (lecun_normal, lambda z: z),
        (lecun_uniform, lambda z: z),
        (glorot_normal, lambda z: z),
        (he_normal, lambda z: np.maximum(z, 0)),
        (he_uniform, lambda z: np.maximum(z, 0)),
        (orthogonal, lambda z: z),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_the_variance_argument_holds_through_twenty_layers(initialise, activation, seed):
    """The mean square stays within a factor of 2; with weights a quarter as large it dies."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(100, 400))
    quarter = z.copy()
    for _ in range(20):
        weights = initialise((400, 400), generator)
        z, quarter = activation(z) @ weights, activation(quarter) @ (weights / 4)
    assert 0.5 < (z**2).mean() < 2
    assert (quarter**2).mean() < 1e-20


def test_glorot_averages_the_two_fans():
    """Forward the variance is 2 n_in / (n_in + n_out) of the inputs', back 2 n_out / (...)."""
    generator = rng()
    weights = glorot_normal((200, 600), generator)
    z = generator.normal(size=(2000, 200)) @ weights
    back = generator.normal(size=(2000, 600)) @ weights.T
    assert z.var() == pytest.approx(0.5, rel=0.05)
    assert back.var() == pytest.approx(1.5, rel=0.05)


@named(ALL)
def test_the_generator_decides(initialise):
    assert (initialise((4, 5), rng()) == initialise((4, 5), rng())).all()
    assert (initialise((4, 5), rng()) != initialise((4, 5), np.random.default_rng(1))).any()


@pytest.mark.parametrize(
    ("shape", "expected"), [((7, 3), (7, 3)), ((3, 3, 2, 8), (18, 72)), ((5, 2, 8), (10, 40))]
)
def test_fans_count_inputs_and_outputs(shape, expected):
    assert fans(shape) == expected


@named(ALL)
@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (3, -1)])
def test_bad_shapes_are_refused(initialise, shape):
    with pytest.raises(ValueError, match=r"expected a shape .* of positive sizes, got"):
        initialise(shape, rng())

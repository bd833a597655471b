import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from coursepkg.scratch import activations
from coursepkg.scratch.activations import ACTIVATIONS
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from tests.scratch.broken import broken
from tests.scratch.keras_gradient import keras_gradient
from tests.scratch.parity import assert_parity

NAMES = list(ACTIVATIONS)
IN_KERAS = [name for name in NAMES if name != "step"]
TYPES = [np.float64, np.float32]

# Values at -10,000 and 10,000, then slopes there; softmax and log-softmax of the row
# (-10,000, 10,000), and their gradients for an upstream gradient of ones.
FAR_OUT = {
    "step": (0, 1, 0, 0),
    "linear": (-1e4, 1e4, 1, 1),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, 1e4, 0, 1),
    "leaky_relu": (-2e3, 1e4, 0.2, 1),
    "elu": (-1, 1e4, 0, 1),
    "gelu": (0, 1e4, 0, 1),
    "silu": (0, 1e4, 0, 1),
    "softplus": (0, 1e4, 0, 1),
    "softmax": (0, 1, 0, 0),
    "log_softmax": (-2e4, 0, 1, -1),
}

# What is replaced in the source of the backward function.
BROKEN = [
    ("step", "np.zeros_like(z)", "np.ones_like(z)"),
    ("step", "np.zeros_like(z)", "step(z)"),
    ("linear", "np.ones_like(z)", "z"),
    ("linear", "return upstream * np", "return -upstream * np"),
    ("sigmoid", "* sigmoid(-z)", ""),
    ("sigmoid", "sigmoid(-z)", "sigmoid(z)"),
    ("sigmoid", "return upstream * sigmoid", "return sigmoid"),
    ("tanh", "(1 - np", "(1 + np"),
    ("tanh", "np.tanh(z) ** 2", "np.tanh(z)"),
    ("relu", "(z > 0)", "(z < 0)"),
    ("relu", "upstream * (z > 0)", "np.maximum(upstream, 0)"),
    ("leaky_relu", "slope * upstream)", "upstream)"),
    ("leaky_relu", "z > 0, upstream", "z < 0, upstream"),
    ("elu", "scale * np.exp", "scale * np.expm1"),
    ("elu", "upstream * scale * np", "scale * np"),
    ("gelu", " + z * density", ""),
    ("gelu", "z * density", "density"),
    ("gelu", "-(z**2) / 2", "-(z**2)"),
    ("silu", "(1 + z * sigmoid(-z))", "1"),
    ("silu", "1 + z * sigmoid(-z)", "1 - z * sigmoid(-z)"),
    ("softplus", "sigmoid(z)", "sigmoid(-z)"),
    ("softplus", "upstream * sigmoid(z)", "sigmoid(z)"),
    ("softmax", "upstream - average", "upstream"),
    ("softmax", "upstream - average", "upstream * (1 - probabilities)"),
    ("softmax", ".sum(axis=-1, keepdims=True)", ".sum(axis=0, keepdims=True)"),
    ("log_softmax", "upstream - softmax", "upstream + softmax"),
    ("log_softmax", " * upstream.sum(axis=-1, keepdims=True)", " * upstream"),
]


ANY_SHAPE = array_shapes(max_dims=3, max_side=4)
# JAX compiles anew for every shape.
A_FEW_SHAPES = st.sampled_from([(3,), (2, 4), (2, 1, 3)])


def away_from_kinks(z):
    return np.where(np.abs(z) < 0.01, z + 0.05, z)


@st.composite
def sums_and_upstream(draw, largest=5.0, dtype=np.float64, shapes=ANY_SHAPE):
    shape = draw(shapes)
    width = np.dtype(dtype).itemsize * 8
    entries = st.floats(-largest, largest, width=width)
    upstream = st.floats(-2, 2, width=width)
    return draw(arrays(dtype, shape, elements=entries)), draw(
        arrays(dtype, shape, elements=upstream)
    )


def check(name, backward, z, upstream):
    forward = ACTIVATIONS[name][0]
    return gradient_check(
        lambda: (upstream * forward(z)).sum(), {"z": z}, {"z": backward(upstream, z)}
    )


def example():
    rng = np.random.default_rng(0)
    return away_from_kinks(rng.normal(size=(3, 4))), rng.normal(size=(3, 4))


@pytest.mark.parametrize("name", NAMES)
@given(drawn=sums_and_upstream())
@settings(max_examples=25)
def test_gradient(name, drawn):
    z, upstream = drawn
    check(name, ACTIVATIONS[name][1], away_from_kinks(z), upstream)


@pytest.mark.parametrize(("name", "option"), [("leaky_relu", 0.01), ("elu", 1.7)])
def test_gradient_with_an_option(name, option):
    forward, backward = ACTIVATIONS[name]
    z, upstream = example()
    gradient_check(
        lambda: (upstream * forward(z, option)).sum(),
        {"z": z},
        {"z": backward(upstream, z, option)},
    )
    assert not np.allclose(backward(upstream, z, option), backward(upstream, z))


@pytest.mark.parametrize("name", NAMES)
def test_the_example_for_broken_variants_passes_unbroken(name):
    check(name, ACTIVATIONS[name][1], *example())


@pytest.mark.parametrize(("name", "old", "new"), BROKEN)
def test_broken_backward_is_caught(name, old, new):
    z, upstream = example()
    wrong = broken(ACTIVATIONS[name][1], old, new)
    with pytest.raises(GradientError, match="gradient of 'z' at index"):
        check(name, wrong, z, upstream)


@pytest.mark.parametrize("name", NAMES)
def test_every_backward_has_two_broken_variants(name):
    assert sum(variant[0] == name for variant in BROKEN) >= 2


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_far_out(name, dtype):
    forward, backward = ACTIVATIONS[name]
    z = np.array([-1e4, 1e4], dtype)
    with np.errstate(all="raise", under="ignore"):
        found = [*forward(z), *backward(np.ones_like(z), z)]
    assert found == pytest.approx(np.array(FAR_OUT[name], dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_no_overflow_and_the_type_is_kept(name, dtype, data):
    """A number too small for its type may become 0: that is the right rounding."""
    forward, backward = ACTIVATIONS[name]
    z, upstream = data.draw(sums_and_upstream(10_000.0, dtype))
    before = z.copy()
    with np.errstate(all="raise", under="ignore"):
        outputs = [forward(z), backward(upstream, z)]
    for output in outputs:
        assert output.dtype == dtype
        assert output.shape == z.shape
        assert np.isfinite(output).all()
        assert not np.shares_memory(output, z)
    np.testing.assert_array_equal(z, before)


@pytest.mark.parametrize("name", NAMES)
def test_float32_follows_float64(name):
    forward, backward = ACTIVATIONS[name]
    z = np.linspace(-90, 90, 37)[None]
    upstream = np.cos(np.arange(37.0))[None]
    single = [a.astype(np.float32) for a in (upstream, z)]
    np.testing.assert_allclose(forward(single[1]), forward(z), rtol=2e-5, atol=1e-37)
    np.testing.assert_allclose(backward(*single), backward(upstream, z), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", IN_KERAS)
@given(data=st.data())
@settings(max_examples=10)
def test_parity_with_keras(name, dtype, data):
    z, upstream = data.draw(sums_and_upstream(20.0, dtype, A_FEW_SHAPES))
    z = away_from_kinks(z)
    compare_with_keras(name, z, upstream)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", IN_KERAS)
def test_parity_with_keras_far_out(name, dtype):
    z = np.array([[-1e4, -800.0, -100.0, -1.5, 0.5, 100.0, 800.0, 1e4]], dtype)
    compare_with_keras(name, z, np.linspace(-1, 1, 8, dtype=dtype)[None])


def compare_with_keras(name, z, upstream):
    forward, backward = ACTIVATIONS[name]
    theirs = getattr(keras.activations, name)
    value, gradient = keras_gradient(lambda x: theirs(x) * upstream, z)
    assert_parity(upstream * forward(z), value)
    assert_parity(backward(upstream, z), gradient)


def test_step_reaches_its_threshold_at_zero():
    z = np.array([-1e-300, -0.0, 0.0, 1e-300])
    assert activations.step(z).tolist() == [0, 1, 1, 1]


def test_kinks_take_the_slope_of_the_left_side():
    one, zero = np.ones(1), np.zeros(1)
    assert activations.relu_backward(one, zero) == 0
    assert activations.leaky_relu_backward(one, zero) == 0.2
    assert activations.elu_backward(one, zero, scale=1.7) == 1.7


@pytest.mark.parametrize("dtype", TYPES)
def test_left_tails_keep_their_digits(dtype):
    """1 - sigma(40), or log(1 + e^-40), would be 0 or rounded away."""
    far, one = np.array([40.0], dtype), np.ones(1, dtype)
    small = pytest.approx(np.exp(-40.0), rel=1e-6)
    assert activations.sigmoid(-far) == small
    assert activations.softplus(-far) == small
    assert activations.sigmoid_backward(one, far) == small


@pytest.mark.parametrize("x", [3.0, 6.0, 12.0, 30.0])
def test_normal_distribution_lies_between_the_bounds_of_its_tail(x):
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    tail = activations.gaussian_distribution(np.array([-x]))[0]
    assert density * (1 / x - 1 / x**3) < tail < density / x


@given(arrays(np.float64, (4, 5), elements=st.floats(-1e4, 1e4)))
def test_softmax_is_a_distribution_whatever_the_scores(logits):
    probabilities = activations.softmax(logits)
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=-1) == pytest.approx(np.ones(4))
    assert np.exp(activations.log_softmax(logits)) == pytest.approx(probabilities)

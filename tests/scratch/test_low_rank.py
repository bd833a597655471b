import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.low_rank import (
    LoRADense,
    break_even_rank,
    factorise,
    truncation_errors,
)
from tests.scratch.broken import broken

SEEDS = st.integers(0, 10**6)
SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7))

BROKEN_FACTORS = [
    ("singular values twice", "np.sqrt(singular[:rank])", "singular[:rank]"),
    ("singular values missing", "u[:, :rank] * root, root[:, np.newaxis] * v[:rank]",
     "u[:, :rank], v[:rank]"),
    ("the smallest values", "singular[:rank]", "singular[-rank:]"),
    ("v not cut at the right end", "v[:rank]", "v[-rank:]"),
]  # fmt: skip

BROKEN_LORA = [
    ("scale missing in the forward pass", "self.scale * (thin @ self.up) + self.bias",
     "thin @ self.up + self.bias"),
    ("bias missing", "(thin @ self.up) + self.bias", "(thin @ self.up)"),
    ("scale missing in the backward pass", "scaled: Any = self.scale * upstream",
     "scaled: Any = upstream"),
    ("gradient of A without B", "back = scaled @ self.up.T", "back = scaled @ (0 * self.up.T + 1)"),
    ("gradients in the wrong order", "[x.T @ back, thin.T @ scaled]",
     "[(x.T @ back) * 0, thin.T @ scaled]"),
    ("nothing through the thin path", " + back @ self.down.T", ""),
    ("nothing through the weights", "upstream @ self.weights.T + back", "back"),
]  # fmt: skip


@given(SEEDS, SHAPES)
def test_the_error_is_that_of_the_singular_values_left_out(seed, shape):
    weights = np.random.default_rng(seed).normal(size=shape)
    singular = np.linalg.svd(weights, compute_uv=False)
    errors = truncation_errors(weights)
    assert errors[0] == 1
    assert errors[-1] == 0
    for rank in range(1, min(shape) + 1):
        a, b = factorise(weights, rank)
        assert (a.shape, b.shape) == ((shape[0], rank), (rank, shape[1]))
        error = np.linalg.norm(weights - a @ b)
        assert error == pytest.approx(np.sqrt((singular[rank:] ** 2).sum()), abs=1e-9)
        assert error == pytest.approx(errors[rank] * np.linalg.norm(weights), abs=1e-9)


def beats_all_rivals(function, seed):
    """Say whether no product of thin matrices that is near, or found by descent, comes closer."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(6, 5)) * [3, 2, 1, 0.5, 0.2]
    a, b = function(weights, 2)
    error = np.linalg.norm(weights - a @ b)
    near = []
    for h in 20 * (1e-3, 1e-2, 0.1):
        other_a, other_b = (f + h * rng.normal(size=f.shape) for f in (a, b))
        near.append(np.linalg.norm(weights - other_a @ other_b))
    basis = rng.normal(size=(6, 2))
    for _ in range(30):  # least squares in turn for one factor and the other
        other = np.linalg.lstsq(basis, weights, rcond=None)[0]
        basis = np.linalg.lstsq(other.T, weights.T, rcond=None)[0].T
    return error <= min(*near, np.linalg.norm(weights - basis @ other)) + 1e-9


@given(SEEDS)
def test_no_matrix_of_that_rank_is_nearer(seed):
    assert beats_all_rivals(factorise, seed)


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_FACTORS]
)
def test_broken_factors_are_caught(old, new):
    assert not beats_all_rivals(broken(factorise, old, new), 0)


@given(st.integers(1, 300), st.integers(1, 300))
def test_thin_matrices_are_smaller_up_to_the_break_even_rank(m, n):
    rank = break_even_rank(m, n)
    assert rank * (m + n) < m * n
    assert (rank + 1) * (m + n) >= m * n


def new_layer(kind, seed, scale=0.7):
    rng = np.random.default_rng(seed)
    layer = kind(rng.normal(size=(5, 4)), rng.normal(size=4), 2, rng, scale)
    layer.up[:] = rng.normal(size=layer.up.shape)
    return layer, rng.normal(size=(3, 5)), rng.normal(size=(3, 4))


def lora_error(kind, seed):
    layer, x, upstream = new_layer(kind, seed)
    plain = x @ layer.weights + 0.7 * x @ layer.down @ layer.up + layer.bias
    if not np.allclose(layer.forward(x), plain):
        raise GradientError("another output than the formula's")
    dx = layer.backward(upstream)
    inputs = {"x": x, "down": layer.down, "up": layer.up}
    gradients = dict(zip(inputs, [dx, *layer.gradients], strict=True))
    return gradient_check(lambda: float((upstream * layer.forward(x)).sum()), inputs, gradients)


@given(SEEDS)
def test_gradients_agree_with_finite_differences(seed):
    assert lora_error(LoRADense, seed) <= 1e-6


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_LORA]
)
def test_a_broken_layer_is_caught(old, new):
    with pytest.raises(GradientError):
        lora_error(broken(LoRADense, old, new), 0)


@given(SEEDS)
def test_merged_weights_give_the_same_layer(seed):
    layer, x, _ = new_layer(LoRADense, seed)
    assert np.allclose(layer.forward(x), x @ layer.merged() + layer.bias)


def test_the_layer_starts_as_the_one_that_it_changes():
    rng = np.random.default_rng(0)
    weights, bias, x = rng.normal(size=(5, 4)), rng.normal(size=4), rng.normal(size=(3, 5))
    layer = LoRADense(weights, bias, 2, rng)
    assert np.array_equal(layer.forward(x), x @ weights + bias)
    layer.backward(np.ones((3, 4)))
    by_down, by_up = layer.gradients
    assert not by_down.any()
    assert by_up.all()
    assert layer.parameters[0] is layer.down
    assert layer.parameters[1] is layer.up


@pytest.mark.parametrize("seed", range(5))
def test_the_layer_is_that_of_keras(seed):
    """The same numbers, and after a step of gradient descent the same factors."""
    keras.utils.set_random_seed(seed)
    theirs = keras.layers.Dense(4)
    theirs.build((None, 5))
    weights, bias = (keras.ops.convert_to_numpy(w) for w in theirs.get_weights())
    theirs.enable_lora(2, lora_alpha=3, b_initializer="normal")
    assert [w.name for w in theirs.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    rng = np.random.default_rng(seed)
    ours = LoRADense(weights, bias, 2, rng, scale=3 / 2)
    ours.down[:] = keras.ops.convert_to_numpy(theirs.lora_kernel_a)
    ours.up[:] = keras.ops.convert_to_numpy(theirs.lora_kernel_b)
    x, target = (rng.normal(size=s).astype(np.float32) for s in ((3, 5), (3, 4)))
    output = ours.forward(x)
    assert np.abs(output - keras.ops.convert_to_numpy(theirs(x))).max() <= 1e-5
    ours.backward((2 * (output - target) / output.size).astype(np.float32))
    model = keras.Sequential([keras.Input((5,)), theirs])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.train_on_batch(x, target)
    for array, gradient, variable in zip(
        ours.parameters, ours.gradients, (theirs.lora_kernel_a, theirs.lora_kernel_b), strict=True
    ):
        moved = keras.ops.convert_to_numpy(variable)
        assert np.abs(array - gradient - moved).max() <= 1e-5


W = np.ones((4, 3))
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("function", "message"), [
    (lambda: factorise(np.ones(3), 1), r"a matrix, got shape \(3,\)"),
    (lambda: factorise(W, 0), "a rank from 1 to 3, got 0"),
    (lambda: factorise(W, 4), "a rank from 1 to 3, got 4"),
    (lambda: truncation_errors(0 * W), "a matrix that is not 0"),
    (lambda: break_even_rank(0, 3), "at least 1, got 0 and 3"),
    (lambda: LoRADense(W, np.ones(4), 1, RNG), r"got \(4, 3\) and \(4,\)"),
    (lambda: LoRADense(W, np.ones(3), 4, RNG), "a rank from 1 to 3, got 4"),
    (lambda: LoRADense(W, np.ones(3), 1, RNG).forward(W), r"shape \(N, 4\), got \(4, 3\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(function, message):
    with pytest.raises(ValueError, match=message):
        function()

from fractions import Fraction

import keras
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from coursepkg.scratch import quantisation
from coursepkg.scratch.quantisation import (
    Quantised,
    code_range,
    fixed_point,
    integer_product,
    pack_int4,
    quantise_affine,
    quantise_symmetric,
    quantised_dense,
    requantise,
    unpack_int4,
)
from tests.scratch.broken import broken

SCHEMES = {"symmetric": quantise_symmetric, "affine": quantise_affine}
BITS = st.integers(2, 8)
NUMBERS = st.floats(-100, 100).map(lambda x: 0.0 if abs(x) < 1e-3 else x)
CODES = arrays(np.int8, array_shapes(max_dims=3, max_side=5), elements=st.integers(-8, 7))

# scheme, what is wrong, text of the function, its replacement
BROKEN_SCHEMES = [
    ("symmetric", "one code too many", "largest / highest", "largest / (highest + 1)"),
    ("symmetric", "half the codes", "largest / highest", "2 * largest / highest"),
    ("symmetric", "sign forgotten", "np.abs(values).max", "values.max"),
    ("symmetric", "mean instead of largest", "np.abs(values).max", "np.abs(values).mean"),
    ("symmetric", "one step for all channels", "_shared_axes(values, channel)", "None"),
    ("affine", "2**b steps", "(highest - lowest))", "(highest - lowest - 1))"),
    ("affine", "0 outside the range", "np.minimum(values.min(axis=axes, keepdims=True), 0)",
     "values.min(axis=axes, keepdims=True)"),
    ("affine", "sign of the zero point", "lowest - np.round", "lowest + np.round"),
    ("affine", "zero point of unsigned codes", "lowest - np.round", "0 - np.round"),
    ("affine", "zero point rounded down", "np.round(low / step)", "np.floor(low / step - 0.5)"),
]  # fmt: skip

BROKEN_PRODUCTS = [
    ("8 bits wrap", "x.codes.astype(np.int32), weights.codes.astype(np.int32)",
     "x.codes, weights.codes"),
    ("zero point of the weights forgotten", "* weights.zero\n        - x", "* 0\n        - x"),
    ("zero point of x forgotten", "- x.zero * q_w", "- 0 * q_w"),
    ("both zero points", "+ np.int32(inner)", "- np.int32(inner)"),
    ("number of terms", "+ np.int32(inner)", "+ np.int32(1)"),
]  # fmt: skip

BROKEN_RESCALING = [
    ("rounds down", "+ (1 << (shift - 1))", "+ 0"),
    ("shift off by one", ">> shift", ">> (shift + 1)"),
    ("zero point forgotten", "scaled + zero", "scaled"),
    ("wraps instead of clipping", "np.clip(scaled + zero, *code_range(bits))", "(scaled + zero)"),
]


def largest_error(quantise, values, bits, channel):
    """Return the largest error in units of the channel's step as the definition gives it.

    It is infinite if 0 has no code, so that a zero that is added later could not be stored.
    """
    stored = quantise(values, bits, channel)
    if not code_range(bits)[0] <= stored.zero.min() <= stored.zero.max() <= code_range(bits)[1]:
        return np.inf
    error = np.abs(stored.dequantise() - values)
    axes = tuple(a for a in range(values.ndim) if channel is None or a != channel % values.ndim)
    low = np.minimum(values.min(axis=axes, keepdims=True), 0)
    high = np.maximum(values.max(axis=axes, keepdims=True), 0)
    if "symmetric" in quantise.__name__:
        step = np.maximum(-low, high) / (2 ** (bits - 1) - 1)
    else:
        step = (high - low) / (2**bits - 1)
    return (error / np.where(step > 0, step, 1)).max()


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data(), bits=BITS)
def test_no_number_moves_by_more_than_half_a_step(scheme, data, bits):
    values = data.draw(arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=NUMBERS))
    channel = data.draw(st.sampled_from([None, *range(-values.ndim, values.ndim)]))
    quantise = SCHEMES[scheme]
    assert largest_error(quantise, values, bits, channel) <= 0.5 + 1e-9
    stored = quantise(values, bits, channel)
    assert np.array_equal(stored.dequantise()[values == 0], values[values == 0])
    assert code_range(bits)[0] <= stored.codes.min() <= stored.codes.max() <= code_range(bits)[1]
    assert stored.codes.dtype == np.int8
    assert stored.dequantise().shape == values.shape


@pytest.mark.parametrize(
    ("scheme", "old", "new"),
    [pytest.param(s, old, new, id=f"{s}: {what}") for s, what, old, new in BROKEN_SCHEMES],
)
def test_a_broken_scheme_breaks_the_bound(scheme, old, new):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 50)) * [[0.01], [1], [1], [100], [1], [3]] + [[1]] * 6
    values = np.vstack([values, rng.uniform(2, 3, 50), rng.uniform(-3, -1, 50)])
    quantise = SCHEMES[scheme]
    assert largest_error(quantise, values, 5, 0) <= 0.5 + 1e-9
    assert largest_error(broken(quantise, old, new), values, 5, 0) > 0.5 + 1e-3


@given(arrays(np.float64, (5, 4), elements=NUMBERS), BITS)
def test_a_step_for_each_channel_is_never_larger(values, bits):
    used = values.any(axis=0)
    for quantise in SCHEMES.values():
        own, shared = quantise(values, bits, 1).step, quantise(values, bits).step
        assert (own[:, used] <= shared).all()


def test_symmetric_quantisation_by_hand():
    stored = quantise_symmetric(np.array([-2.0, -0.1, 0.0, 1.0, 3.0]), bits=3)
    assert stored.step.item() == 1
    assert stored.codes.tolist() == [-2, 0, 0, 1, 3]
    assert stored.zero.item() == 0


def test_affine_quantisation_by_hand():
    stored = quantise_affine(np.array([-1.0, 0.0, 1.5, 6.0]), bits=3)
    assert stored.step.item() == 1
    assert stored.zero.item() == -3
    assert stored.codes.tolist() == [-4, -3, -1, 3]
    assert stored.dequantise().tolist() == [-1, 0, 2, 6]


def test_the_error_of_many_numbers_is_that_of_a_uniform_one():
    values = np.random.default_rng(0).normal(size=200_000)
    for bits in (6, 8):
        stored = quantise_affine(values, bits)
        square = ((stored.dequantise() - values) ** 2).mean()
        assert square == pytest.approx(stored.step.item() ** 2 / 12, rel=0.03)


@pytest.mark.parametrize("quantise", SCHEMES.values())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zeros_and_dtypes(quantise, dtype):
    stored = quantise(np.zeros((2, 3), dtype), channel=1)
    assert stored.dequantise().dtype == dtype
    assert not stored.dequantise().any()
    assert (stored.step == 1).all()


def test_bytes_are_counted():
    values = np.random.default_rng(0).normal(size=(10, 6)).astype(np.float32)
    assert quantise_symmetric(values, 8).nbytes == 60 + 4
    assert quantise_symmetric(values, 4, channel=1).nbytes == 30 + 6 * 4
    assert quantise_symmetric(values, 3).nbytes == 23 + 4  # 180 bits
    assert quantise_affine(values, 8, channel=1).nbytes == 60 + 6 * 4 + 6


@pytest.mark.parametrize(("values", "settings", "message"), [
    (np.ones(3, int), {}, "expected floating-point numbers, got int64"),
    (np.ones(0), {}, "not empty"),
    (np.array([1, np.nan]), {}, "finite numbers"),
    (np.ones(3), {"bits": 1}, "from 2 to 8 bits, got 1"),
    (np.ones(3), {"bits": 9}, "from 2 to 8 bits, got 9"),
    (np.ones(3), {"channel": 1}, "an axis of an array with 1 axes, got 1"),
])  # fmt: skip
@pytest.mark.parametrize("quantise", SCHEMES.values())
def test_impossible_quantisations_are_refused(quantise, values, settings, message):
    with pytest.raises(ValueError, match=message):
        quantise(values, **settings)


@given(CODES)
def test_packing_is_that_of_keras_and_can_be_undone(codes):
    packed = pack_int4(codes)
    theirs = keras.ops.convert_to_numpy(keras.quantizers.pack_int4(codes, axis=-1)[0])
    assert packed.dtype == np.int8
    assert np.array_equal(packed, theirs)
    assert np.array_equal(unpack_int4(packed, codes.shape[-1]), codes)


@pytest.mark.parametrize(("function", "old", "new"), [
    ("pack_int4", "nibbles[..., 1::2] << 4", "nibbles[..., 1::2] << 3"),
    ("pack_int4", "even.view(np.uint8) & 0x0F", "even.view(np.uint8)"),
    ("pack_int4", "(nibbles[..., ::2] | nibbles[..., 1::2] << 4)",
     "(nibbles[..., 1::2] | nibbles[..., ::2] << 4)"),
    ("unpack_int4", "nibbles >= 8", "nibbles > 8"),
    ("unpack_int4", "nibbles - 16 *", "nibbles - 8 *"),
])  # fmt: skip
def test_broken_packing_is_caught(function, old, new):
    codes = np.arange(-8, 8, dtype=np.int8)[np.newaxis]
    tools = {"pack_int4": pack_int4, "unpack_int4": unpack_int4}
    tools[function] = broken(tools[function], old, new)
    packed = tools["pack_int4"](codes)
    right = np.array_equal(packed, pack_int4(codes))
    assert not (right and np.array_equal(tools["unpack_int4"](packed, 16), codes))


def test_impossible_packing_is_refused():
    with pytest.raises(ValueError, match="from -8 to 8"):
        pack_int4(np.array([-8, 8], np.int8))
    with pytest.raises(ValueError, match="an array of int8, got int64"):
        pack_int4(np.array([1]))
    with pytest.raises(ValueError, match="a length of 3 or 4, got 5"):
        unpack_int4(np.zeros(2, np.int8), 5)


def product_error(product, seed):
    """Compare a product of codes with the product of exact rational numbers."""
    rng = np.random.default_rng(seed)
    x = quantise_affine(rng.normal(1, 1, (4, 30)), channel=0)
    w = quantise_affine(rng.normal(-1, 1, (30, 5)), bits=int(rng.integers(2, 9)), channel=1)
    got = product(x, w)
    x_whole = x.codes.astype(object) - x.zero.astype(object)
    w_whole = w.codes.astype(object) - w.zero.astype(object)
    return np.abs(got.astype(object) - x_whole @ w_whole).max()


@pytest.mark.parametrize("seed", range(20))
def test_the_product_of_codes_is_exact(seed):
    assert product_error(integer_product, seed) == 0


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_PRODUCTS]
)
def test_a_broken_product_is_caught(old, new):
    assert product_error(broken(integer_product, old, new), 0) > 0


def test_the_largest_product_that_is_allowed_fits():
    inner = (2**31 - 1) // 255**2
    x = Quantised(
        np.full((1, inner), 127, np.int8), np.ones((1, 1)), np.full((1, 1), -128, np.int32), 8
    )
    w = Quantised(x.codes.T, x.step, x.zero, 8)
    assert integer_product(x, w).item() == inner * 255**2
    longer = Quantised(np.zeros((1, inner + 1), np.int8), x.step, x.zero, 8)
    with pytest.raises(ValueError, match=f"sum of {inner + 1} products"):
        integer_product(longer, Quantised(longer.codes.T, x.step, x.zero, 8))


def test_products_that_cannot_be_rescaled_are_refused():
    values = np.ones((3, 4))
    with pytest.raises(ValueError, match=r"got \(3, 4\) and \(3, 4\)"):
        integer_product(quantise_symmetric(values), quantise_symmetric(values))
    with pytest.raises(ValueError, match="shared along the inner axis"):
        integer_product(quantise_symmetric(values, channel=1), quantise_symmetric(values.T))


@given(st.integers(0, 10**6), st.sampled_from([8, 4]))
def test_a_quantised_layer_stays_within_its_bound(seed, bits):
    """|Z error| <= sum over i of |x| D_w / 2 + (|w| + D_w / 2) D_x / 2, by the half steps."""
    rng = np.random.default_rng(seed)
    x, w, bias = rng.normal(size=(3, 20)), rng.normal(size=(20, 4)), rng.normal(size=4)
    codes = quantise_symmetric(w, bits, channel=1)
    step_x = np.abs(x).max(axis=1, keepdims=True) / 127
    bound = np.abs(x).sum(axis=1, keepdims=True) * codes.step / 2 + step_x / 2 * (
        np.abs(w).sum(axis=0) + len(w) * codes.step / 2
    )
    error = np.abs(quantised_dense(x, codes, bias) - (x @ w + bias))
    assert (error <= bound + 1e-9).all()


@given(st.floats(2.0**-31, 1, exclude_max=True))
def test_fixed_point_is_exact_to_31_bits(multiplier):
    number, shift = fixed_point(multiplier)
    assert 2**30 <= number < 2**31
    assert 30 <= shift <= 61
    error = abs(Fraction(number, 2**shift) - Fraction(multiplier)) / Fraction(multiplier)
    assert error <= Fraction(1, 2**31)


def rescaling_error(function, seed):
    """Compare codes with those of exact rational arithmetic; ties may go either way."""
    rng = np.random.default_rng(seed)
    multiplier, zero = float(2 ** rng.uniform(-14, -7)), int(rng.integers(-60, 60))
    sums = rng.integers(-(2**18), 2**18, 200).astype(np.int32)
    exact = [Fraction(multiplier) * int(s) + zero for s in sums]
    off = [abs(Fraction(int(g)) - min(max(e, -128), 127)) for g, e in
           zip(function(sums, multiplier, zero), exact, strict=True)]  # fmt: skip
    return float(max(off))


@pytest.mark.parametrize("seed", range(20))
def test_rescaling_rounds_to_the_nearest_code(seed):
    assert rescaling_error(requantise, seed) <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_RESCALING]
)
def test_broken_rescaling_is_caught(old, new):
    wrong = broken(requantise, old, new)
    assert max(rescaling_error(wrong, seed) for seed in range(20)) > 0.6


@pytest.mark.parametrize("multiplier", [0.0, 1.0, 2.0**-32, -0.5])
def test_impossible_factors_are_refused(multiplier):
    with pytest.raises(ValueError, match="expected a factor"):
        fixed_point(multiplier)


def test_sums_of_another_type_are_refused():
    with pytest.raises(ValueError, match="of type int32, got int64"):
        requantise(np.zeros(3, np.int64), 0.5)


@given(arrays(np.float32, (7, 5), elements=st.floats(-10, 10, width=32)))
def test_codes_are_those_of_keras(values):
    assume((np.abs(values).max(axis=0) > 0.1).all())
    for bits, limits in [(8, (-127, 127)), (4, (-8, 7))]:
        theirs, scale = keras.quantizers.abs_max_quantize(values, axis=0, value_range=limits)
        theirs, scale = (keras.ops.convert_to_numpy(a) for a in (theirs, scale))
        ours = quantise_symmetric(values, bits, channel=1)
        assert np.allclose(1 / scale, ours.step, rtol=3e-6)  # Keras adds 1e-7 to the largest
        scaled = values / ours.step
        off = ours.codes.astype(int) != theirs
        middle = np.abs(scaled - np.floor(scaled) - 0.5)
        assert (middle[off] < 1e-3).all()


def keras_layer(seed, mode=None, config=None):
    keras.utils.set_random_seed(seed)
    layer = keras.layers.Dense(9, bias_initializer="normal")
    layer.build((None, 31))
    weights, bias = (keras.ops.convert_to_numpy(w) for w in (layer.kernel, layer.bias))
    layer.quantize(mode, config=config)
    return layer, weights, bias


@pytest.mark.parametrize("seed", range(5))
def test_an_int8_layer_is_that_of_keras(seed):
    layer, weights, bias = keras_layer(seed, "int8")
    x = np.random.default_rng(seed).normal(size=(6, 31)).astype(np.float32)
    codes = quantise_symmetric(weights, channel=1)
    assert np.array_equal(codes.codes, keras.ops.convert_to_numpy(layer._kernel))
    theirs = keras.ops.convert_to_numpy(layer(x))
    assert (
        np.abs(quantised_dense(x, codes, bias) - theirs).max() <= 2e-6 * np.abs(theirs).max() + 1e-6
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("block", [-1, 128])
def test_an_int4_layer_is_that_of_keras(seed, block):
    """Keras has one symmetric step a column, or an affine one for each 128 rows of a column."""
    config = keras.quantizers.Int4QuantizationConfig(block_size=block)
    layer, weights, bias = keras_layer(seed, "int4", config)
    x = np.random.default_rng(seed).normal(size=(6, 31)).astype(np.float32)
    codes = (quantise_symmetric if block == -1 else quantise_affine)(weights, 4, channel=1)
    assert np.array_equal(pack_int4(codes.codes), keras.ops.convert_to_numpy(layer._kernel))
    theirs = keras.ops.convert_to_numpy(layer(x))
    assert np.abs(x @ codes.dequantise() + bias - theirs).max() <= 5e-6


def test_every_public_function_is_tested_here():
    public = {n for n, f in vars(quantisation).items() if callable(f) and not n.startswith("_")
              and getattr(f, "__module__", "") == quantisation.__name__}  # fmt: skip
    assert public <= set(globals()) | {"Quantised"}

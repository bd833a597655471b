"""Convolution and pooling: loops, gradients, mistakes that must be found, Keras, and the counts."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coursepkg.scratch import convolution
from coursepkg.scratch.convolution import (
    AveragePooling,
    Convolution,
    DepthwiseConvolution,
    GlobalAveragePooling,
    Grid,
    MaxPooling,
    TransposedConvolution,
    average_pool,
    average_pool_backward,
    convolve,
    convolve_backward,
    cross_correlate,
    cross_correlate_1d,
    cross_correlate_1d_backward,
    cross_correlate_backward,
    cross_correlate_loops,
    depthwise,
    depthwise_backward,
    flip,
    global_average_pool,
    global_average_pool_backward,
    gradient_by_inputs,
    gradient_by_kernel,
    max_pool,
    max_pool_backward,
    multiply_adds,
    output_size,
    padding_amounts,
    parameter_count,
    pool_loops,
    receptive_field,
    transposed,
    transposed_backward,
    transposed_loops,
)
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.layers import Activation, Dense, Flatten, Sequential
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits_backward,
    one_hot,
)
from tests.scratch.broken import broken
from tests.scratch.keras_gradient import keras_gradient
from tests.scratch.parity import assert_parity


def generator(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def fits(size: int, window: int, padding: str, dilation: int) -> bool:
    return padding != "valid" or dilation * (window - 1) < size


class Setting(NamedTuple):
    """Sizes of images and window, and how the window moves."""

    images: int
    size: tuple[int, int]
    window: tuple[int, int]
    stride: int
    padding: str
    dilation: int
    groups: int
    inputs: int  # channels in of one group
    outputs: int  # channels out of one group
    seed: int

    @property
    def moves(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}

    @property
    def all_moves(self) -> dict[str, Any]:
        return self.moves | {"groups": self.groups}

    @property
    def x(self) -> np.ndarray:
        shape = (self.images, *self.size, self.groups * self.inputs)
        return generator(self.seed).uniform(-2, 2, shape)

    @property
    def kernel(self) -> np.ndarray:
        shape = (*self.window, self.inputs, self.groups * self.outputs)
        return generator(self.seed + 1).uniform(-2, 2, shape)

    @property
    def distinct(self) -> np.ndarray:
        """Values of which no two are closer than one 400th: a maximum with a derivative."""
        x = self.x
        return generator(self.seed).permutation(x.size).reshape(x.shape) / 400 - 1


@st.composite
def setting(
    draw, paddings=("valid", "same", "full"), dilations=2, groups=3, strides=3, fitting=True
):
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding, dilation = draw(st.sampled_from(paddings)), draw(st.integers(1, dilations))
    if fitting:
        assume(all(fits(n, k, padding, dilation) for n, k in zip(size, window, strict=True)))
    return Setting(
        draw(st.integers(1, 3)),
        size,
        window,
        draw(st.integers(1, strides)),
        padding,
        dilation,
        draw(st.integers(1, groups)),
        draw(st.integers(1, 2)),
        draw(st.integers(1, 2)),
        draw(st.integers(0, 99)),
    )


plain = functools.partial(setting, dilations=1, groups=1)  # what pooling and transposing can do
INSIDE = ("valid", "same")
to_transpose = functools.partial(plain, paddings=INSIDE, fitting=False)

# a small square example in which every setting matters, and no two axes can be mixed up unseen
AWKWARD = Setting(2, (6, 6), (3, 3), 2, "same", 2, 2, 2, 2, 5)
AWKWARD_PLAIN = Setting(3, (5, 6), (3, 2), 2, "same", 1, 1, 2, 3, 5)


@settings(max_examples=60)
@given(setting(), st.sampled_from([1, 100, 2**21]))
def test_the_matrix_product_equals_the_loops(case, block):
    before, convolution.BLOCK = convolution.BLOCK, block
    try:
        z = cross_correlate(case.x, case.kernel, **case.all_moves)
    finally:
        convolution.BLOCK = before
    loops = cross_correlate_loops(case.x, case.kernel, **case.all_moves)
    np.testing.assert_allclose(z, loops, rtol=0, atol=1e-12)


@given(plain(paddings=INSIDE))
def test_pooling_equals_the_loops(case):
    where = (case.window, case.stride, case.padding)
    loops = functools.partial(pool_loops, stride=case.stride, padding=case.padding)
    assert (max_pool(case.x, *where) == loops(case.x, case.window, np.max)).all()
    average = average_pool(case.x, *where)
    np.testing.assert_allclose(average, loops(case.x, case.window, np.mean), rtol=0, atol=1e-14)


@given(to_transpose())
def test_the_transposed_convolution_equals_its_stamps(case):
    kernel = case.kernel.swapaxes(2, 3)
    got = transposed(case.x, kernel, case.stride, case.padding)
    stamps = transposed_loops(case.x, kernel, case.stride, case.padding)
    np.testing.assert_allclose(got, stamps, rtol=0, atol=1e-12)


@given(to_transpose())
def test_transposed_is_the_transpose_of_the_matrix_of_a_cross_correlation(case):
    """The matrix is built column by column, from one image for each input entry."""
    kernel = case.kernel
    grown = transposed(
        np.zeros((1, *case.size, kernel.shape[3])), kernel, case.stride, case.padding
    )
    entries = grown[0].size
    unit = np.eye(entries).reshape(entries, *grown.shape[1:])
    matrix = cross_correlate(unit, kernel, case.stride, case.padding).reshape(entries, -1)
    x = generator().normal(size=(1, *case.size, kernel.shape[3]))
    got = transposed(x, kernel, case.stride, case.padding).ravel()
    np.testing.assert_allclose(got, matrix @ x.ravel(), rtol=0, atol=1e-12)


@given(setting(groups=1), st.integers(1, 3))
def test_depthwise_is_as_many_groups_as_channels(case, multiplier):
    channels = case.inputs
    kernel = generator().normal(size=(*case.window, channels, multiplier))
    grouped = kernel.reshape(*case.window, 1, channels * multiplier)
    expected = cross_correlate(case.x, grouped, **case.moves, groups=channels)
    np.testing.assert_allclose(depthwise(case.x, kernel, **case.moves), expected, atol=1e-12)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(["valid", "full"]))
def test_one_row_is_what_numpy_computes(length, window, padding):
    assume(fits(length, window, padding, 1))
    row, weights = generator().normal(size=length), generator(8).normal(size=window)
    x, kernel = row[None, None, :, None], weights[None, :, None, None]
    got = convolve(x, kernel, padding=padding).ravel()
    np.testing.assert_allclose(got, np.convolve(row, weights, padding), atol=1e-12)
    got = cross_correlate_1d(row[None, :, None], weights[:, None, None], padding=padding).ravel()
    np.testing.assert_allclose(got, np.correlate(row, weights, padding), atol=1e-12)


@given(setting())
def test_convolve_is_a_cross_correlation_with_the_flipped_kernel(case):
    loops = cross_correlate_loops(case.x, case.kernel[::-1, ::-1], **case.all_moves)
    np.testing.assert_allclose(convolve(case.x, case.kernel, **case.all_moves), loops, atol=1e-12)


def test_true_convolution_commutes_and_cross_correlation_does_not():
    image, other = generator().normal(size=(2, 4, 3))

    def full(operation, a, b):
        return operation(a[None, ..., None], b[..., None, None], padding="full")

    np.testing.assert_allclose(full(convolve, image, other), full(convolve, other, image))
    one, two = full(cross_correlate, image, other), full(cross_correlate, other, image)
    assert not np.allclose(one, two)
    np.testing.assert_allclose(one[:, ::-1, ::-1], two)


@given(setting(groups=1))
def test_the_gradient_by_inputs_is_a_full_correlation_with_the_flipped_kernel(case):
    """As the docstring says: between neighbours of the upstream gradient come stride - 1 zeros."""
    grid = Grid(case.size, case.window, **case.moves)
    upstream = generator().normal(size=(case.images, *grid.output, case.outputs))
    stretched = [case.stride * (o - 1) + 1 for o in grid.output]
    spread = np.zeros((case.images, *stretched, case.outputs))
    spread[:, :: case.stride, :: case.stride] = upstream
    turned = flip(case.kernel).swapaxes(2, 3)
    full = cross_correlate(spread, turned, padding="full", dilation=case.dilation)

    padded = np.zeros((case.images, *grid.padded, case.inputs))
    padded[:, : full.shape[1], : full.shape[2]] = full
    got = gradient_by_inputs(upstream, case.kernel, grid)
    np.testing.assert_allclose(got, grid.crop(padded), atol=1e-12)


def test_cross_correlation_in_numbers():
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    kernel = np.array([[1.0, 0], [0, -1]])[..., None, None]
    assert cross_correlate(x, kernel)[0, ..., 0].tolist() == [[-4, -4], [-4, -4]]
    assert convolve(x, kernel)[0, ..., 0].tolist() == [[4, 4], [4, 4]]
    same = cross_correlate(x, kernel, padding="same")[0, ..., 0]
    assert same.tolist() == [[-4, -4, 2], [-4, -4, 5], [6, 7, 8]]
    full = cross_correlate(x, kernel, padding="full")[0, ..., 0]
    assert full.tolist() == [[0, -1, -2, 0], [-3, -4, -4, 2], [-6, -4, -4, 5], [0, 6, 7, 8]]


def test_the_first_of_equal_maxima_takes_the_gradient():
    x = np.array([[0.0, 3, 3], [3, 0, 0]])[None, ..., None]
    upstream = np.array([[[[1.0], [2.0]]]])
    got = max_pool_backward(upstream, x, 2, stride=1)
    assert got[0, ..., 0].tolist() == [[0, 3, 0], [0, 0, 0]]


def test_pooling_pads_with_nothing():
    x = np.full((1, 3, 3, 1), -5.0)
    assert (max_pool(x, 2, padding="same") == -5).all()
    assert (average_pool(x, 2, padding="same") == -5).all()


# ---------------------------------------------------------------- gradients

Run = Callable[[], np.ndarray]
Problem = tuple[Run, Callable[[np.ndarray], dict[str, np.ndarray]], dict[str, np.ndarray]]


def check(problem: Problem, seed: int = 3) -> float:
    """Check the gradients of the sum of upstream * output by every input."""
    forward, backward, inputs = problem
    upstream = generator(seed).uniform(-2, 2, forward().shape)
    got = {name: np.ascontiguousarray(array) for name, array in backward(upstream).items()}
    return gradient_check(lambda: float((forward() * upstream).sum()), inputs, got)


def by_x_and_kernel(forward, backward, x, kernel, moves) -> Problem:
    return (
        lambda: forward(x, kernel, **moves),
        lambda upstream: dict(
            zip(("x", "kernel"), backward(upstream, x, kernel, **moves), strict=True)
        ),
        {"x": x, "kernel": kernel},
    )


def cross_correlation(backward, case) -> Problem:
    return by_x_and_kernel(cross_correlate, backward, case.x, case.kernel, case.all_moves)


def true_convolution(backward, case) -> Problem:
    return by_x_and_kernel(convolve, backward, case.x, case.kernel, case.all_moves)


def by_inputs(backward, case) -> Problem:
    x, kernel = case.x, case.kernel
    grid = Grid(case.size, case.window, **case.moves)
    return (
        lambda: cross_correlate(x, kernel, **case.all_moves),
        lambda upstream: {"x": backward(upstream, kernel, grid, case.groups)},
        {"x": x},
    )


def by_kernel(backward, case) -> Problem:
    x, kernel = case.x, case.kernel
    grid = Grid(case.size, case.window, **case.moves)
    return (
        lambda: cross_correlate(x, kernel, **case.all_moves),
        lambda upstream: {"kernel": backward(upstream, x, grid, case.groups)},
        {"kernel": kernel},
    )


def depthwise_convolution(backward, case) -> Problem:
    x = case.x
    kernel = generator().uniform(-2, 2, (*case.window, x.shape[-1], case.outputs))
    return by_x_and_kernel(depthwise, backward, x, kernel, case.moves)


def one_dimensional(backward, case) -> Problem:
    """Take the first axis of the size and the window only."""
    x, kernel = case.x[:, :, 0].copy(), case.kernel[:, 0].copy()
    return by_x_and_kernel(cross_correlate_1d, backward, x, kernel, case.all_moves)


def transposed_convolution(backward, case) -> Problem:
    moves = {"stride": case.stride, "padding": case.padding}
    kernel = case.kernel.swapaxes(2, 3).copy()
    return by_x_and_kernel(transposed, backward, case.x, kernel, moves)


def pooling(forward, backward, case) -> Problem:
    x, where = case.distinct, (case.window, case.stride, case.padding)
    return (
        lambda: forward(x, *where),
        lambda upstream: {"x": backward(upstream, x, *where)},
        {"x": x},
    )


def global_average(backward, case) -> Problem:
    x = case.x
    return lambda: global_average_pool(x), lambda upstream: {"x": backward(upstream, x)}, {"x": x}


def of_layer(layer, x) -> Problem:
    """Make a problem of a layer: its parameters are inputs too."""

    def backward(upstream):
        layer.forward(x)
        got = {"x": layer.backward(upstream)}
        return got | {f"parameter {i}": array for i, array in enumerate(layer.gradients)}

    if layer.parameters:
        layer.bias[:] = generator(11).uniform(-1, 1, layer.bias.shape)
    inputs = {"x": x} | {f"parameter {i}": array for i, array in enumerate(layer.parameters)}
    return lambda: layer.forward(x), backward, inputs


def kernel_layer(kind, case) -> Problem:
    kernel = case.kernel
    layer = kind(
        cross_correlate, cross_correlate_backward, kernel, kernel.shape[-1], case.all_moves
    )
    return of_layer(layer, case.x)


def convolution_layer(kind, case) -> Problem:
    channels = case.groups * case.inputs, case.groups * case.outputs
    return of_layer(kind(*channels, case.window, generator(), **case.all_moves), case.x)


def depthwise_layer(kind, case) -> Problem:
    x = case.x
    layer = kind(x.shape[-1], case.window, generator(), **case.moves, multiplier=case.outputs)
    return of_layer(layer, x)


def transposed_layer(kind, case) -> Problem:
    moves = {"stride": case.stride, "padding": case.padding}
    layer = kind(case.inputs, case.outputs, case.window, generator(), **moves)
    return of_layer(layer, case.x)


def abstract_pooling_layer(kind, case) -> Problem:
    functions = {"operation": max_pool, "operation_backward": max_pool_backward}
    named = type("Named", (kind,), {k: staticmethod(f) for k, f in functions.items()})
    return pooling_layer(named, case)


def pooling_layer(kind, case) -> Problem:
    return of_layer(kind(case.window, case.stride, case.padding), case.distinct)


def global_average_layer(kind, case) -> Problem:
    return of_layer(kind(), case.x)


GENERAL, PLAIN, WITHIN = setting(), plain(), plain(paddings=INSIDE)
CASES: dict[str, tuple[Callable, Callable, Any, Setting]] = {
    "cross_correlate": (cross_correlate_backward, cross_correlation, GENERAL, AWKWARD),
    "convolve": (convolve_backward, true_convolution, GENERAL, AWKWARD),
    "by inputs": (gradient_by_inputs, by_inputs, GENERAL, AWKWARD),
    "by kernel": (gradient_by_kernel, by_kernel, GENERAL, AWKWARD),
    "depthwise": (depthwise_backward, depthwise_convolution, GENERAL, AWKWARD),
    "1-D": (cross_correlate_1d_backward, one_dimensional, GENERAL, AWKWARD),
    "transposed": (transposed_backward, transposed_convolution, to_transpose(), AWKWARD_PLAIN),
    "max_pool": (
        max_pool_backward,
        functools.partial(pooling, max_pool),
        WITHIN,
        AWKWARD_PLAIN,
    ),
    "average_pool": (
        average_pool_backward,
        functools.partial(pooling, average_pool),
        WITHIN,
        AWKWARD_PLAIN,
    ),
    "global average": (global_average_pool_backward, global_average, PLAIN, AWKWARD_PLAIN),
    "layer with a kernel": (convolution._KernelLayer, kernel_layer, GENERAL, AWKWARD),
    "Convolution": (Convolution, convolution_layer, GENERAL, AWKWARD),
    "DepthwiseConvolution": (DepthwiseConvolution, depthwise_layer, GENERAL, AWKWARD),
    "TransposedConvolution": (
        TransposedConvolution,
        transposed_layer,
        to_transpose(),
        AWKWARD_PLAIN,
    ),
    "pooling layer": (convolution._PoolingLayer, abstract_pooling_layer, WITHIN, AWKWARD_PLAIN),
    "MaxPooling": (MaxPooling, pooling_layer, WITHIN, AWKWARD_PLAIN),
    "AveragePooling": (AveragePooling, pooling_layer, WITHIN, AWKWARD_PLAIN),
    "GlobalAveragePooling": (GlobalAveragePooling, global_average_layer, PLAIN, AWKWARD_PLAIN),
}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=20)
@given(data=st.data())
def test_gradients_are_those_of_finite_differences(name, data):
    backward, build, strategy, _ = CASES[name]
    check(build(backward, data.draw(strategy)))


PLACE = "place += (delta @ turned[offset])"
WINS = "wins = free & (entry == largest)"

# what is wrong, the case, the text that is replaced, what replaces it
BROKEN: list[tuple[str, str, str, str]] = [
    (
        "other order",
        "cross_correlate",
        "return by_inputs, gradient_by_kernel(upstream, x, grid, groups)",
        "return gradient_by_kernel(upstream, x, grid, groups), by_inputs",
    ),
    (
        "kernel flipped",
        "cross_correlate",
        "gradient_by_inputs(upstream, kernel,",
        "gradient_by_inputs(upstream, flip(kernel),",
    ),
    (
        "no sign of the upstream",
        "cross_correlate",
        "gradient_by_kernel(upstream, x,",
        "gradient_by_kernel(abs(upstream), x,",
    ),
    ("no flip of the kernel", "convolve", "upstream, x, flip(kernel),", "upstream, x, kernel,"),
    ("gradient not flipped back", "convolve", "flip(by_flipped)", "by_flipped"),
    ("stamps overwrite", "by inputs", PLACE, PLACE.replace(" +=", "[...] =")),
    ("offsets exchanged", "by inputs", PLACE, PLACE.replace("offset", "offset[::-1]")),
    ("read forwards", "by inputs", PLACE, PLACE.replace("turned", "flip(turned)")),
    ("sign", "by inputs", PLACE, PLACE.replace("+=", "-=")),
    ("groups mixed up", "by inputs", PLACE, PLACE.replace("delta", "delta[::-1]")),
    (
        "padding cut at the wrong end",
        "by inputs",
        "return grid.crop(padded)",
        "return grid.crop(padded[:, ::-1])",
    ),
    ("last block only", "by kernel", "total += rows", "total = rows"),
    (
        "no sum over the images",
        "by kernel",
        "grid.windows(padded[block])",
        "grid.windows(padded[:1].repeat(len(x), 0)[block])",
    ),
    ("groups mixed up", "by kernel", "total.transpose(1, 0, 2)", "total[::-1].transpose(1, 0, 2)"),
    ("mean, not sum", "by kernel", "return total", "return 1 / len(x) * total"),
    (
        "upstream of other rows",
        "by kernel",
        "_as_rows(upstream[block], groups)",
        "_as_rows(upstream[block][:, ::-1], groups)",
    ),
    ("stamps overwrite", "depthwise", "place += np", "place[...] = np"),
    ("kernel flipped", "depthwise", "delta, kernel[offset])", "delta, flip(kernel)[offset])"),
    ("channels exchanged", "depthwise", "entry, delta)", "entry[..., ::-1], delta)"),
    (
        "mean, not sum",
        "depthwise",
        'np.einsum("nrsc,nrsce->ce", entry, delta)',
        'np.einsum("nrsc,nrsce->ce", entry, delta) / len(x)',
    ),
    (
        "other order",
        "1-D",
        "return by_inputs[:, 0], by_kernel[0]",
        "return by_kernel[0], by_inputs[:, 0]",
    ),
    ("sign", "1-D", "return by_inputs[:, 0]", "return -by_inputs[:, 0]"),
    (
        "no dilation",
        "1-D",
        "kernel[None], stride, padding, dilation,",
        "kernel[None], stride, padding, 1,",
    ),
    (
        "no stride",
        "transposed",
        "cross_correlate(upstream, kernel, stride, padding)",
        "cross_correlate(upstream, kernel, 1, padding)[:, ::2, ::2]",
    ),
    (
        "kernel flipped",
        "transposed",
        "cross_correlate(upstream, kernel,",
        "cross_correlate(upstream, flip(kernel),",
    ),
    (
        "upstream of other rows",
        "transposed",
        "gradient_by_kernel(x, upstream, grid)",
        "gradient_by_kernel(x, upstream[:, ::-1], grid)",
    ),
    ("sign", "transposed", "return by_inputs,", "return -by_inputs,"),
    ("to every entry", "max_pool", WINS, "wins = free"),
    ("to the smallest", "max_pool", WINS, "wins = free & (entry != largest)"),
    ("windows overwrite", "max_pool", "place += wins", "place[...] = wins"),
    ("sign", "max_pool", "place += wins", "place -= wins"),
    ("padding counts", "average_pool", "_counts(grid, x.dtype)", "math.prod(grid.window)"),
    ("no share", "average_pool", "upstream / _counts(grid, x.dtype)", "upstream"),
    ("windows overwrite", "average_pool", "place += share", "place[...] = share"),
    ("no share", "global average", "upstream / math.prod(x.shape[1:3])", "upstream"),
    ("divided by the channels too", "global average", "x.shape[1:3]", "x.shape[1:]"),
    (
        "to one corner",
        "global average",
        "return np.broadcast_to(share[:, None, None], x.shape).copy()",
        "return np.where(np.indices(x.shape)[1:3].sum(0) == 0, share[:, None, None], 0.0)",
    ),
    ("bias: no sum", "layer with a kernel", "upstream.sum(axis=(0, 1, 2))", "upstream[0, 0, 0]"),
    (
        "bias: sum over images only",
        "layer with a kernel",
        "upstream.sum(axis=(0, 1, 2))",
        "upstream.sum(axis=0)[0, 0]",
    ),
    (
        "bias: mean",
        "layer with a kernel",
        "upstream.sum(axis=(0, 1, 2))",
        "upstream.mean(axis=(0, 1, 2))",
    ),
    (
        "other order",
        "layer with a kernel",
        "[by_kernel, upstream.sum(axis=(0, 1, 2))]",
        "[upstream.sum(axis=(0, 1, 2)), by_kernel]",
    ),
    ("no gradient of x", "layer with a kernel", "return by_inputs", "return 0 * x"),
    (
        "no upstream",
        "pooling layer",
        "self.operation_backward(upstream,",
        "self.operation_backward(np.ones_like(upstream),",
    ),
    (
        "sign",
        "pooling layer",
        "return self.operation_backward(",
        "return -self.operation_backward(",
    ),
    (
        "sign",
        "GlobalAveragePooling",
        "return global_average_pool_backward(",
        "return -global_average_pool_backward(",
    ),
    (
        "no upstream",
        "GlobalAveragePooling",
        "global_average_pool_backward(upstream,",
        "global_average_pool_backward(np.ones_like(upstream),",
    ),
]


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [row[1:] for row in BROKEN],
    ids=[f"{row[1]}, {row[0]}" for row in BROKEN],
)
def test_a_broken_backward_pass_is_found(case, old, new, monkeypatch):
    monkeypatch.setattr(convolution, "BLOCK", 1)
    original, build, _, example = CASES[case]
    check(build(broken(original, old, old), example))
    with pytest.raises((GradientError, ValueError), match="gradient"):
        check(build(broken(original, old, new), example))


def test_every_backward_pass_is_broken_twice():
    counts = {original: 0 for original, *_ in CASES.values()}
    for _, case, *_ in BROKEN:
        counts[CASES[case][0]] += 1
    own = [thing for thing in vars(convolution).values() if inspect.getmodule(thing) is convolution]
    backward = {
        thing
        for thing in own
        if (inspect.isclass(thing) and "backward" in vars(thing))
        or (inspect.isfunction(thing) and thing.__name__.startswith("gradient_by_"))
        or (inspect.isfunction(thing) and thing.__name__.endswith("_backward"))
    }
    assert {thing for thing, count in counts.items() if count >= 2} == backward
    layers = {t for t in own if inspect.isclass(t) and issubclass(t, convolution.Layer)}
    assert layers | backward == set(counts)


@settings(max_examples=4)
@given(seed=st.integers(0, 999))
def test_a_network_with_cross_entropy_end_to_end(seed):
    rng = generator(seed)
    layers = [
        Convolution(2, 4, 3, rng, padding="same"),
        Activation("tanh"),
        MaxPooling(2),
        DepthwiseConvolution(4, 3, rng, padding="same"),
        Convolution(4, 4, 1, rng, groups=2),
        Activation("softplus"),
        TransposedConvolution(4, 3, 2, rng, stride=2),
        AveragePooling(2, stride=1),
    ]
    tail = [GlobalAveragePooling()] if seed % 2 else [Flatten(), Dense(5 * 5 * 3, 3, rng)]
    model = Sequential([*layers, *tail])
    x, targets = rng.normal(size=(2, 6, 6, 2)), one_hot(np.array([0, 2]), 3)

    def loss() -> float:
        return categorical_cross_entropy_from_logits(model.forward(x), targets)

    upstream = categorical_cross_entropy_from_logits_backward(model.forward(x), targets)
    got = {"x": model.backward(upstream)} | dict(enumerate(model.gradients))
    gradient_check(loss, {"x": x} | dict(enumerate(model.parameters)), got)


# ---------------------------------------------------------------- Keras

LAYERS = keras.layers


def single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32)


def weighted(theirs, upstream) -> Callable:
    """Make of a Keras layer a function whose sum has the upstream gradient by the output."""
    return lambda x: theirs(x) * keras.ops.convert_to_tensor(upstream)


def compare(ours, theirs, x: np.ndarray, with_gradient: bool = True) -> None:
    """Compare the outputs of our and Keras's layer, and the gradients by their input."""
    z = ours.forward(x)
    if not with_gradient:
        assert_parity(z, keras.ops.convert_to_numpy(theirs(x)))
        return
    upstream = single(generator().uniform(-1, 1, z.shape))
    product, gradient = keras_gradient(weighted(theirs, upstream), x)
    assert_parity(z * upstream, product)
    assert_parity(ours.backward(upstream), gradient)


def sees_every_entry(case: Setting) -> bool:
    """Tell whether no entry lies between the windows.

    Where entries do, as for a window of 1 and a stride of 2, TensorFlow 2.21's Conv2DBackpropFilter
    can write outside its memory on a CPU (oneDNN, few channels), and ends the process now and then.
    """
    return case.stride <= min(case.window)


def copied(ours, theirs, x: np.ndarray):
    """Let a Keras layer have our kernel, and biases that are not 0."""
    theirs.build(x.shape)
    ours.bias[:] = generator(12).uniform(-1, 1, ours.bias.shape)
    theirs.set_weights([ours.kernel, ours.bias])
    return ours, theirs, x


def keras_moves(case: Setting) -> dict[str, Any]:
    moves = {"strides": case.stride, "padding": case.padding, "dilation_rate": case.dilation}
    return moves | {"dtype": "float32"}


@st.composite
def keras_setting(draw, **limits):
    """Draw a setting that Keras computes: stride or dilation, and not both."""
    case = draw(setting(paddings=INSIDE, **limits))
    assume(case.stride == 1 or case.dilation == 1)
    return case


@settings(max_examples=40)
@given(keras_setting(groups=1))
def test_convolution_is_that_of_keras(case):
    ours = Convolution(
        case.inputs, case.outputs, case.window, generator(), **case.moves, dtype=np.float32
    )
    theirs = LAYERS.Conv2D(case.outputs, case.window, **keras_moves(case))
    compare(*copied(ours, theirs, single(case.x)), with_gradient=sees_every_entry(case))


@settings(max_examples=8)
@given(keras_setting())
def test_convolution_in_groups_is_that_of_keras(case):
    assume(case.groups > 1)
    channels = case.groups * case.inputs, case.groups * case.outputs
    ours = Convolution(*channels, case.window, generator(), **case.all_moves, dtype=np.float32)
    theirs = LAYERS.Conv2D(channels[1], case.window, groups=case.groups, **keras_moves(case))
    compare(*copied(ours, theirs, single(case.x)), with_gradient=False)


@settings(max_examples=25)
@given(keras_setting(groups=1))
def test_convolution_of_sequences_is_that_of_keras(case):
    x, kernel = single(case.x[:, :, 0]), single(case.kernel[:, 0]) / 4
    theirs = LAYERS.Conv1D(case.outputs, case.window[0], use_bias=False, **keras_moves(case))
    theirs.build(x.shape)
    theirs.set_weights([kernel])
    z = cross_correlate_1d(x, kernel, **case.moves)
    assert_parity(z, keras.ops.convert_to_numpy(theirs(x)))
    if case.stride <= case.window[0]:  # see sees_every_entry
        upstream = single(generator().uniform(-1, 1, z.shape))
        _, gradient = keras_gradient(weighted(theirs, upstream), x)
        by_x, _ = cross_correlate_1d_backward(upstream, x, kernel, **case.moves)
        assert_parity(by_x, gradient)


@settings(max_examples=30)
@given(keras_setting(groups=1))
def test_depthwise_convolution_is_that_of_keras(case):
    multiplier = case.outputs
    ours = DepthwiseConvolution(
        case.inputs, case.window, generator(), **case.moves, multiplier=multiplier, dtype=np.float32
    )
    theirs = LAYERS.DepthwiseConv2D(case.window, depth_multiplier=multiplier, **keras_moves(case))
    compare(*copied(ours, theirs, single(case.x)))


@settings(max_examples=30)
@given(to_transpose(strides=4))
def test_transposed_convolution_is_that_of_keras(case):
    moves = {"padding": case.padding, "dtype": "float32"}
    ours = TransposedConvolution(
        case.inputs,
        case.outputs,
        case.window,
        generator(),
        case.stride,
        case.padding,
        dtype=np.float32,
    )
    theirs = LAYERS.Conv2DTranspose(case.outputs, case.window, strides=case.stride, **moves)
    compare(*copied(ours, theirs, single(case.x)), with_gradient=sees_every_entry(case))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(MaxPooling, LAYERS.MaxPooling2D), (AveragePooling, LAYERS.AveragePooling2D)],
)
@settings(max_examples=25)
@given(case=plain(paddings=INSIDE))
def test_pooling_is_that_of_keras(ours, theirs, case):
    layer = theirs(case.window, strides=case.stride, padding=case.padding)
    compare(ours(case.window, case.stride, case.padding), layer, single(case.distinct))


def test_pooling_without_a_stride_is_that_of_keras():
    x = single(generator().normal(size=(2, 7, 8, 3)))
    compare(MaxPooling(3), LAYERS.MaxPooling2D(3), x)
    compare(AveragePooling(2), LAYERS.AveragePooling2D(2), x)


@settings(max_examples=10)
@given(plain())
def test_global_average_pooling_is_that_of_keras(case):
    compare(GlobalAveragePooling(), LAYERS.GlobalAveragePooling2D(), single(case.x))


KERNEL_GRADIENTS = {
    "strides, valid": ({"strides": 2}, {"stride": 2}),
    "strides, same": ({"strides": 2, "padding": "same"}, {"stride": 2, "padding": "same"}),
    "dilated": ({"dilation_rate": 2, "padding": "same"}, {"dilation": 2, "padding": "same"}),
}


@pytest.mark.parametrize("name", KERNEL_GRADIENTS)
def test_the_gradient_by_the_kernel_is_that_of_keras(name):
    """In float64, by way of the operation instead of the layer."""
    their_moves, our_moves = KERNEL_GRADIENTS[name]
    x, kernel = generator().normal(size=(2, 7, 6, 3)), generator(8).normal(size=(3, 2, 3, 4))
    upstream = generator(9).normal(size=cross_correlate(x, kernel, **our_moves).shape)

    def product(weights):
        return keras.ops.conv(keras.ops.convert_to_tensor(x), weights, **their_moves) * upstream

    _, gradient = keras_gradient(product, kernel)
    assert_parity(cross_correlate_backward(upstream, x, kernel, **our_moves)[1], gradient)


# ---------------------------------------------------------------- formulas


@given(setting())
def test_the_output_has_the_size_of_the_formula(case):
    rows, columns = (
        output_size(n, k, **case.moves) for n, k in zip(case.size, case.window, strict=True)
    )
    z = cross_correlate_loops(case.x, case.kernel, **case.all_moves)
    assert z.shape[1:3] == (rows, columns)


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 5), st.integers(1, 4))
def test_same_padding_is_the_least_that_gives_the_promised_size(size, window, stride, dilation):
    before, after = padding_amounts(size, window, stride, "same", dilation)
    promised = math.ceil(size / stride)
    assert output_size(size, window, stride, "same", dilation) == promised
    assert before <= after <= before + 1
    if after:
        reach = dilation * (window - 1) + 1
        assert (size + before + after - 1 - reach) // stride + 1 < promised


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 4), st.sampled_from(INSIDE))
def test_a_transposed_convolution_has_the_size_that_its_docstring_says(size, window, stride, how):
    y = transposed(np.zeros((1, size, 1, 1)), np.zeros((window, 1, 1, 1)), stride, how)
    expected = stride * size + (max(window - stride, 0) if how == "valid" else 0)
    assert y.shape[1] == expected
    assert output_size(expected, window, stride, how) == size


def test_sizes_of_a_known_network():
    """AlexNet's first layers: 227 pixels, a window of 11 in steps of 4, then pooling 3 by 2."""
    assert output_size(227, 11, 4) == 55
    assert output_size(55, 3, 2) == 27
    assert output_size(27, 5, padding="same") == 27


def stack_of(layers: list[tuple[int, int, int]], pooled: list[bool]) -> Sequential:
    """Build a network along one axis in which no weight is 0, so that nothing is hidden."""
    stack = []
    for (window, stride, dilation), pool in zip(layers, pooled, strict=True):
        if pool and dilation == 1:
            stack.append(AveragePooling((window, 1), stride))
        else:
            stack.append(Convolution(1, 1, (window, 1), generator(), stride, dilation=dilation))
            stack[-1].kernel[:] = 1 + generator().random((window, 1, 1, 1))
    return Sequential(stack)


@given(data=st.data())
def test_the_receptive_field_is_where_the_gradient_reaches(data):
    layer = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))
    layers = data.draw(st.lists(layer, min_size=1, max_size=4))
    pooled = data.draw(st.lists(st.booleans(), min_size=len(layers), max_size=len(layers)))
    field = receptive_field(layers)
    network = stack_of(layers, pooled)
    z = network.forward(np.ones((1, field + 2 * math.prod(s for _, s, _ in layers), 1, 1)))
    upstream = np.zeros(z.shape)
    upstream[0, data.draw(st.integers(0, z.shape[1] - 1))] = 1
    reached = network.backward(upstream)[0, :, 0, 0].nonzero()[0]
    assert reached[-1] - reached[0] + 1 == field
    if field > 1:
        with pytest.raises(ValueError, match="does not fit"):
            network.forward(np.ones((1, field - 1, 1, 1)))


def test_receptive_fields_in_numbers():
    assert receptive_field([]) == 1
    assert receptive_field([(3, 1)] * 2) == receptive_field([(5, 1)]) == 5
    assert receptive_field([(3, 1), (2, 2)] * 2) == 10
    assert receptive_field([(2, 1, 2**i) for i in range(10)]) == 1024


@given(setting(), st.booleans())
def test_the_parameters_are_as_many_as_the_formula_says(case, bias):
    channels = case.groups * case.inputs, case.groups * case.outputs
    layer = Convolution(*channels, case.window, generator(), groups=case.groups)
    arrays = layer.parameters if bias else [layer.kernel]
    count = parameter_count(case.window, *channels, case.groups, bias)
    assert count == sum(array.size for array in arrays)


def test_parameters_of_known_layers():
    """LeNet-5's C1 has 156, VGG-16's first layer 1,792; a depthwise 3 by 3 one 10 per channel."""
    assert parameter_count(5, 1, 6) == 156
    assert parameter_count(3, 3, 64) == 1_792
    layer = DepthwiseConvolution(8, 3, generator())
    assert parameter_count(3, 8, 8, groups=8) == 80 == sum(p.size for p in layer.parameters)


class Counted:
    """A number that counts how often it is multiplied."""

    times = 0

    def __mul__(self, other):
        Counted.times += 1
        return 0.0


@given(setting())
def test_the_loops_multiply_as_often_as_the_formula_says(case):
    x = np.full(case.x.shape, Counted(), dtype=object)
    grid = Grid(case.size, case.window, **case.moves)
    padded = np.full(grid.pad(case.x).shape, Counted(), dtype=object)
    assert x.shape[-1] == padded.shape[-1]
    Counted.times = 0
    valid = case.all_moves | {"padding": "valid"}
    cross_correlate_loops(padded, np.ones_like(case.kernel, dtype=object), **valid)
    channels = case.groups * case.inputs, case.groups * case.outputs
    count = multiply_adds(grid.output, case.window, *channels, case.groups)
    assert Counted.times == case.images * count


# ---------------------------------------------------------------- types and errors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_are_kept(dtype):
    x = generator().normal(size=(2, 6, 6, 4)).astype(dtype)
    rng = generator()
    for layer in (
        Convolution(4, 2, 3, rng, padding="same", groups=2, dtype=dtype),
        DepthwiseConvolution(4, 3, rng, dtype=dtype),
        TransposedConvolution(4, 2, 3, rng, stride=2, dtype=dtype),
        MaxPooling(2, padding="same"),
        AveragePooling(4, padding="same"),
        GlobalAveragePooling(),
    ):
        z = layer.forward(x)
        assert z.dtype == dtype
        assert layer.backward(z).dtype == dtype
        assert {array.dtype for array in layer.gradients} <= {np.dtype(dtype)}


def test_nothing_passed_in_is_changed():
    for _, build, _, example in CASES.values():
        original = next(c for c in CASES.values() if c[1] is build)[0]
        forward, backward, inputs = build(original, example)
        before = {name: array.copy() for name, array in inputs.items()}
        upstream = np.ones(forward().shape)
        backward(upstream)
        assert (upstream == 1).all()
        assert all((inputs[name] == array).all() for name, array in before.items())


def test_layers_draw_their_kernels_as_told():
    def eights(shape, rng):
        assert rng is source
        return np.full(shape, 8.0)

    source = generator()
    built = [
        (Convolution(4, 6, (3, 2), source, groups=2, initialise=eights), (3, 2, 2, 6), 6),
        (DepthwiseConvolution(4, 3, source, multiplier=2, initialise=eights), (3, 3, 4, 2), 8),
        (TransposedConvolution(4, 6, (3, 2), source, initialise=eights), (3, 2, 6, 4), 6),
    ]
    for layer, shape, outputs in built:
        assert layer.kernel.shape == shape
        assert (layer.kernel == 8).all()
        assert layer.bias.tolist() == [0] * outputs
        assert layer.parameters[0] is layer.kernel
        assert layer.parameters[1] is layer.bias


X, KERNEL = np.zeros((2, 5, 5, 4)), np.zeros((3, 3, 4, 6))
UPSTREAM = np.zeros((2, 3, 3, 6))
WRONG: list[tuple[str, Callable[[], Any]]] = [
    (
        r"images of shape \(N, rows, columns, 4\), got \(5, 5, 4\)",
        lambda: cross_correlate(X[0], KERNEL),
    ),
    (
        r"images of shape \(N, rows, columns, 4\), got \(2, 5, 5, 3\)",
        lambda: cross_correlate(X[..., :3], KERNEL),
    ),
    (
        r"images of shape \(N, rows, columns, 8\)",
        lambda: cross_correlate_loops(X, KERNEL, groups=2),
    ),
    (r"a kernel of shape .*got \(3, 3, 4\)", lambda: cross_correlate(X, KERNEL[..., 0])),
    (r"a kernel of shape .*got \(0, 3, 4, 6\)", lambda: cross_correlate(X, KERNEL[:0])),
    (
        r"outputs divisible by 4 groups, got 6",
        lambda: cross_correlate(X, KERNEL[:, :, :1], groups=4),
    ),
    (r"groups must be at least 1, got 0", lambda: cross_correlate(X, KERNEL, groups=0)),
    (r"stride must be at least 1, got 0", lambda: cross_correlate(X, KERNEL, stride=0)),
    (r"dilation must be at least 1, got 0", lambda: cross_correlate(X, KERNEL, dilation=0)),
    (
        r"'valid', 'same' or 'full', got 'causal'",
        lambda: cross_correlate(X, KERNEL, padding="causal"),
    ),
    (
        r"reaches over 7 does not fit into a size of 5",
        lambda: cross_correlate(X, KERNEL, dilation=3),
    ),
    (
        r"upstream gradient of shape \(2, 3, 3, 6\), got \(2, 3, 3, 5\)",
        lambda: cross_correlate_backward(UPSTREAM[..., :5], X, KERNEL),
    ),
    (
        r"upstream gradient of shape \(2, 3, 3, 24\)",
        lambda: depthwise_backward(UPSTREAM, X, KERNEL),
    ),
    (
        r"window columns, 4, multiplier\), got \(3, 3, 3, 6\)",
        lambda: depthwise(X, KERNEL[:, :, :3]),
    ),
    (r"window columns, 4, multiplier\), got \(3, 3, 4\)", lambda: depthwise(X, KERNEL[..., 0])),
    (r"images of shape \(N, rows, columns, channels\)", lambda: depthwise(X[0], KERNEL)),
    (r"sequences \(N, T, channels\)", lambda: cross_correlate_1d(X, KERNEL[0])),
    (r"sequences \(N, T, channels\)", lambda: cross_correlate_1d_backward(X[0], X[0], KERNEL)),
    (r"images of shape \(N, rows, columns, 6\)", lambda: transposed(X, KERNEL)),
    (r"'valid' or 'same', got 'full'", lambda: transposed(UPSTREAM, KERNEL, padding="full")),
    (r"stride must be at least 1, got 0", lambda: transposed_loops(UPSTREAM, KERNEL, stride=0)),
    (
        r"upstream gradient of shape \(2, 5, 5, 4\)",
        lambda: transposed_backward(UPSTREAM, UPSTREAM, KERNEL),
    ),
    (r"images of shape \(N, rows, columns, channels\), got \(5, 4\)", lambda: max_pool(X[0, 0], 2)),
    (r"'valid' or 'same', got 'full'", lambda: average_pool(X, 2, padding="full")),
    (r"a window of 2 by 3 needs a stride", lambda: max_pool(X, (2, 3))),
    (r"rows must be at least 1, got 0", lambda: max_pool(X, 0)),
    (r"stride must be at least 1, got 0", lambda: max_pool(X, 2, stride=0)),
    (r"reaches over 6 does not fit into a size of 5", lambda: pool_loops(X, 6, np.max)),
    (r"upstream gradient of shape \(2, 2, 2, 4\)", lambda: max_pool_backward(UPSTREAM, X, 2)),
    (r"upstream gradient of shape \(2, 2, 2, 4\)", lambda: average_pool_backward(UPSTREAM, X, 2)),
    (r"images of shape", lambda: global_average_pool(X[0])),
    (r"upstream gradient of shape \(2, 4\)", lambda: global_average_pool_backward(UPSTREAM, X)),
    (r"size must be at least 1, got 0", lambda: output_size(0, 1)),
    (r"window must be at least 1, got 0", lambda: output_size(5, 0)),
    (r"reaches over 5 does not fit into a size of 4", lambda: output_size(4, 5)),
    (r"or with a dilation, got \(3,\)", lambda: receptive_field([(3,)])),
    (r"stride must be at least 1, got 0", lambda: receptive_field([(3, 0)])),
    (r"inputs divisible by 2 groups, got 3", lambda: parameter_count(3, 3, 4, groups=2)),
    (r"outputs must be at least 1, got 0", lambda: parameter_count(3, 3, 0)),
    (r"columns must be at least 1, got 0", lambda: parameter_count((3, 0), 3, 4)),
    (r"rows must be at least 1, got 0", lambda: multiply_adds((0, 4), 3, 3, 4)),
    (r"outputs divisible by 2 groups, got 3", lambda: Convolution(4, 3, 3, generator(), groups=2)),
    (r"got 'causal'", lambda: Convolution(4, 3, 3, generator(), padding="causal")),
    (
        r"window must be at least 1|rows must be at least 1",
        lambda: Convolution(4, 3, 0, generator()),
    ),
    (
        r"multiplier must be at least 1",
        lambda: DepthwiseConvolution(4, 3, generator(), multiplier=0),
    ),
    (r"dilation must be at least 1", lambda: DepthwiseConvolution(4, 3, generator(), dilation=0)),
    (r"stride must be at least 1", lambda: TransposedConvolution(4, 3, 3, generator(), stride=0)),
    (r"got 'full'", lambda: TransposedConvolution(4, 3, 3, generator(), padding="full")),
    (r"inputs must be at least 1", lambda: TransposedConvolution(0, 3, 3, generator())),
    (r"needs a stride", lambda: MaxPooling((2, 3))),
    (r"got 'full'", lambda: AveragePooling(2, padding="full")),
    (
        r"Convolution: expected an upstream gradient \(2, 3, 3, 6\)",
        lambda: backward_of_another_shape(),
    ),
]


def backward_of_another_shape():
    layer = Convolution(4, 6, 3, generator())
    layer.forward(X)
    layer.backward(UPSTREAM[:1])


@pytest.mark.parametrize(("message", "call"), WRONG)
def test_what_does_not_fit_is_refused(message, call):
    with pytest.raises(ValueError, match=message):
        call()


def test_backward_needs_a_forward_pass():
    with pytest.raises(RuntimeError, match="MaxPooling: call forward before backward"):
        MaxPooling(2).backward(np.zeros((1, 1, 1, 1)))

"""Layers: gradients against finite differences, mistakes that must be found, and Keras."""

import functools
import inspect
from collections.abc import Callable

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coursepkg.scratch import layers
from coursepkg.scratch.activations import ACTIVATIONS
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.initialisation import he_normal
from coursepkg.scratch.layers import (
    Activation,
    BatchNormalisation,
    Dense,
    Dropout,
    Flatten,
    LayerNormalisation,
    Sequential,
)
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits_backward,
    one_hot,
)
from tests.scratch.broken import broken
from tests.scratch.keras_gradient import keras_gradient, keras_precision

Values = Callable[[tuple[int, ...]], np.ndarray]
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
MODES = pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def seen_by(values: Values, *shape: int) -> np.ndarray:
    """Values no closer than 0.01 to 0, where ReLU and the step have no derivative."""
    x = values(shape)
    return x + np.where(x >= 0, 0.01, -0.01)


def spread(values: Values, *shape: int, along: int) -> np.ndarray:
    """Values that differ by at least 1 along one axis, so that their variance is not near 0."""
    steps = np.arange(shape[along], dtype=float).reshape([-1, *[1] * (len(shape) - along - 1)])
    return values(shape) / 2 + 3 * steps


def dense(kind, values, rows, width, other):
    layer = kind(width, other, generator())
    layer.weights[:], layer.bias[:] = values((width, other)), values((other,))
    return layer, values((rows, width))


def activation(name, kind, values, rows, width, other):
    return kind(name), seen_by(values, rows, width, other)


def flatten(kind, values, rows, width, other):
    return kind(), values((rows, width, other))


def dropout(rate, kind, values, rows, width, other):
    return kind(rate, generator()), values((rows, width, other))


def batch_normalisation(epsilon, kind, values, rows, width, other):
    layer = kind(width, epsilon=epsilon)
    layer.scale[:], layer.shift[:] = values((width,)), values((width,))
    layer.moving_mean[:] = values((width,))
    layer.moving_variance[:] = 0.1 + np.abs(values((width,)))
    return layer, spread(values, rows, width, along=0)


def batch_normalisation_of_sequences(kind, values, rows, width, other):
    layer, _ = batch_normalisation(1e-3, kind, values, rows, width, other)
    return layer, spread(values, rows, other, width, along=0) + np.arange(other)[:, None] / 7


def layer_normalisation(epsilon, kind, values, rows, width, other):
    layer = kind(width, epsilon=epsilon)
    layer.scale[:], layer.shift[:] = values((width,)), values((width,))
    return layer, spread(values, rows, width, along=1)


def layer_normalisation_of_sequences(kind, values, rows, width, other):
    layer, _ = layer_normalisation(1e-3, kind, values, rows, width, other)
    return layer, spread(values, rows, other, width, along=2)


def sequential(kind, values, rows, width, other):
    """Build a network of smooth layers; `nested` in it is a network itself."""
    first, x = dense(Dense, values, rows, width, other)
    last, _ = dense(Dense, values, rows, other, width)
    nested = kind([first, Activation("tanh")])
    return kind([nested, last, Activation("softplus")]), x


CASES: dict[str, tuple[type, Callable]] = {
    "dense": (Dense, dense),
    "activation tanh": (Activation, functools.partial(activation, "tanh")),
    "activation relu": (Activation, functools.partial(activation, "relu")),
    "activation softmax": (Activation, functools.partial(activation, "softmax")),
    "flatten": (Flatten, flatten),
    "dropout 0": (Dropout, functools.partial(dropout, 0.0)),
    "dropout 0.3": (Dropout, functools.partial(dropout, 0.3)),
    "dropout 0.8": (Dropout, functools.partial(dropout, 0.8)),
    "batch norm": (BatchNormalisation, functools.partial(batch_normalisation, 1e-3)),
    "batch norm, large epsilon": (BatchNormalisation, functools.partial(batch_normalisation, 0.9)),
    "batch norm of sequences": (BatchNormalisation, batch_normalisation_of_sequences),
    "layer norm": (LayerNormalisation, functools.partial(layer_normalisation, 1e-3)),
    "layer norm, large epsilon": (LayerNormalisation, functools.partial(layer_normalisation, 0.9)),
    "layer norm of sequences": (LayerNormalisation, layer_normalisation_of_sequences),
    "sequential": (Sequential, sequential),
}


def check_gradients(layer, x: np.ndarray, upstream_values: Values, training: bool) -> None:
    """Check the gradients of the sum of upstream * output, by x and by every parameter."""
    upstream = None

    def loss() -> float:
        nonlocal upstream
        if isinstance(getattr(layer, "rng", None), np.random.Generator):
            layer.rng = generator()
        output = layer.forward(x, training)
        if upstream is None:
            upstream = upstream_values(output.shape)
        return float((output * upstream).sum())

    loss()
    got = {"x": layer.backward(upstream)}
    got |= {f"parameter {i}": gradient for i, gradient in enumerate(layer.gradients)}
    moved = {"x": x} | {f"parameter {i}": array for i, array in enumerate(layer.parameters)}
    gradient_check(loss, moved, got)


@MODES
@pytest.mark.parametrize("case", CASES)
@FEW
@given(data=st.data())
def test_gradients_are_those_of_finite_differences(case, training, data):
    def values(shape):
        return data.draw(arrays(np.float64, shape, elements=st.floats(-2, 2)))

    kind, build = CASES[case]
    rows, width, other = (data.draw(st.integers(1, 4)) for _ in range(3))
    check_gradients(*build(kind, values, rows, width, other), values, training)


DENSE_BACK = "return upstream @ self.weights.T"
WEIGHTS_BACK, BIAS_BACK = "x.T @ upstream,", "upstream.sum(axis=0)]"
SCALE_BACK = "(upstream * normalised).sum(axis=examples)"
SHIFT_BACK = "upstream.sum(axis=examples)]"
BATCH_BACK = (
    "d - d.mean(axis=examples) - normalised * (d * normalised).mean(axis=examples)\n"
    "        return d / deviation"
)
LAYER_BACK = "(d - common - normalised * along) / deviation"
IN_TRAINING = "if training:\n            d ="

# what is wrong, the case, the mode, the text that is replaced, what replaces it
BROKEN: list[tuple[str, str, bool, str, str]] = [
    ("input: sign", "dense", True, DENSE_BACK, "return -upstream @ self.weights.T"),
    ("input: no transpose", "dense", True, DENSE_BACK, "return upstream @ self.weights"),
    ("input: no weights", "dense", True, DENSE_BACK, "return upstream"),
    ("weights: sign", "dense", True, WEIGHTS_BACK, "-x.T @ upstream,"),
    ("weights: no transpose", "dense", True, WEIGHTS_BACK, "x @ upstream,"),
    ("weights: transposed", "dense", True, WEIGHTS_BACK, "upstream.T @ x,"),
    ("weights: mean, not sum", "dense", True, WEIGHTS_BACK, "x.T @ upstream / len(x),"),
    ("bias: no sum", "dense", True, BIAS_BACK, "upstream[0]]"),
    ("bias: mean, not sum", "dense", True, BIAS_BACK, "upstream.mean(axis=0)]"),
    ("bias: sum over outputs", "dense", True, BIAS_BACK, "upstream.sum(axis=1)]"),
    ("sign", "activation tanh", True, "return self.function_b", "return -self.function_b"),
    (
        "no derivative",
        "activation tanh",
        True,
        "self.function_backward(upstream, self._recall(upstream))",
        "self._recall(upstream) * 0 + upstream",
    ),
    (
        "no upstream",
        "activation tanh",
        True,
        "self.function_backward(upstream,",
        "self.function_backward(np.ones_like(upstream),",
    ),
    (
        "derivative at the output",
        "activation tanh",
        True,
        "(self.function(x), x)",
        "(self.function(x), self.function(x))",
    ),
    ("sign", "flatten", True, "return upstream.reshape(shape)", "return -upstream.reshape(shape)"),
    ("other order", "flatten", True, "m.reshape(shape)", 'm.reshape(shape, order="F")'),
    ("no reshape", "flatten", True, "return upstream.reshape(shape)", "return upstream"),
    ("sign", "dropout 0.3", True, "upstream * factor", "-upstream * factor"),
    ("no mask", "dropout 0.3", True, "upstream * factor", "upstream"),
    ("mask turned round", "dropout 0.3", True, "upstream * factor", "upstream * (factor == 0)"),
    ("no 1/(1-r)", "dropout 0.3", True, "upstream * factor", "upstream * (factor > 0)"),
    (
        "a second mask",
        "dropout 0.3",
        True,
        "upstream * factor",
        "upstream * (self.rng.random(upstream.shape) >= self.rate) / (1 - self.rate)",
    ),
    (
        "1/(1-r) outside training",
        "dropout 0.3",
        False,
        "upstream * factor",
        "upstream * factor / (1 - self.rate)",
    ),
    ("no mean term", "batch norm", True, "d - d.mean(axis=examples) - norm", "d - norm"),
    (
        "mean term: sum, not mean",
        "batch norm",
        True,
        "d - d.mean(axis=examples) - norm",
        "d - d.sum(axis=examples) - norm",
    ),
    (
        "no variance term",
        "batch norm",
        True,
        " - normalised * (d * normalised).mean(axis=examples)",
        "",
    ),
    (
        "variance term: sign",
        "batch norm",
        True,
        "- normalised * (d * normalised).mean(",
        "+ normalised * (d * normalised).mean(",
    ),
    (
        "variance term: no second factor",
        "batch norm",
        True,
        "- normalised * (d * normalised).mean(",
        "- (d * normalised).mean(",
    ),
    ("no 1/s", "batch norm", True, "return d / deviation", "return d"),
    ("input: sign", "batch norm", True, "return d / deviation", "return -d / deviation"),
    ("no scale", "batch norm", True, "d = upstream * self.scale", "d = upstream"),
    ("statistics as constants", "batch norm", True, IN_TRAINING, IN_TRAINING.replace("t", "not t")),
    ("scale: no sum", "batch norm", True, SCALE_BACK, "(upstream * normalised)[0]"),
    ("scale: sign", "batch norm", True, SCALE_BACK, "-" + SCALE_BACK),
    ("scale: no input", "batch norm", True, SCALE_BACK, "upstream.sum(axis=examples)"),
    ("shift: no sum", "batch norm", True, SHIFT_BACK, "upstream[0]]"),
    ("shift: mean, not sum", "batch norm", True, SHIFT_BACK, "upstream.mean(axis=examples)]"),
    ("sum over the batch only", "batch norm of sequences", True, SHIFT_BACK, "upstream.sum(0)]"),
    ("batch terms outside training", "batch norm", False, IN_TRAINING, "if True:\n            d ="),
    ("no 1/s outside training", "batch norm", False, "return d / deviation", "return d"),
    ("no scale outside training", "batch norm", False, "upstream * self.scale", "upstream"),
    ("no mean term", "layer norm", True, "d - common - norm", "d - norm"),
    ("mean over the batch", "layer norm", True, "d.mean(axis=-1", "d.mean(axis=0"),
    ("no variance term", "layer norm", True, " - normalised * along", ""),
    ("variance term: sign", "layer norm", True, "- normalised * along", "+ normalised * along"),
    (
        "variance term: sum, not mean",
        "layer norm",
        True,
        "(d * normalised).mean(",
        "(d * normalised).sum(",
    ),
    ("no 1/s", "layer norm", True, LAYER_BACK, "(d - common - normalised * along)"),
    ("input: sign", "layer norm", True, LAYER_BACK, "-" + LAYER_BACK),
    ("no scale", "layer norm", True, "d = upstream * self.scale", "d = upstream"),
    ("scale: sum over features", "layer norm", True, SCALE_BACK, "(upstream * normalised).sum(-1)"),
    ("scale: no sum", "layer norm", True, SCALE_BACK, "(upstream * normalised)[0]"),
    ("shift: no sum", "layer norm", True, SHIFT_BACK, "upstream[0]]"),
    ("shift: sign", "layer norm", True, SHIFT_BACK, "-upstream.sum(axis=examples)]"),
    ("order", "sequential", True, "in reversed(self.layers)", "in self.layers"),
    ("no chain", "sequential", True, "upstream = layer.b", "layer.b"),
    ("sign", "sequential", True, "upstream = layer.b", "upstream = -layer.b"),
    ("last layer left out", "sequential", True, "reversed(self.layers)", "self.layers[-2::-1]"),
    (
        "gradients in backward order",
        "sequential",
        True,
        "for layer in self.layers for array in layer.gradients",
        "for layer in self.layers[::-1] for array in layer.gradients",
    ),
]
SQUARE = (3, 3, 3)


def example(case: str, kind: type, training: bool) -> None:
    """Check one fixed example, square so that a missing transpose changes no shape."""
    rng = np.random.default_rng(0)

    def values(shape):
        return rng.uniform(-2, 2, shape)

    check_gradients(*CASES[case][1](kind, values, *SQUARE), values, training)


@pytest.mark.parametrize(
    ("case", "training", "old", "new"),
    [row[1:] for row in BROKEN],
    ids=[f"{row[1]}, {row[0]}" for row in BROKEN],
)
def test_a_broken_backward_pass_is_found(case, training, old, new):
    kind, _ = CASES[case]
    example(case, broken(kind, old, old), training)
    with pytest.raises((GradientError, ValueError), match="gradient"):
        example(case, broken(kind, old, new), training)


def test_every_backward_pass_is_broken_twice():
    counts = {kind: 0 for kind, _ in CASES.values()}
    for _, case, *_ in BROKEN:
        counts[CASES[case][0]] += 1
    defined = {
        thing
        for thing in vars(layers).values()
        if inspect.isclass(thing) and "backward" in vars(thing)
    }
    assert set(counts) == defined
    assert min(counts.values()) >= 2


def network(values: Values, rows: int, classes: int) -> tuple[Sequential, np.ndarray]:
    """Build a network, with an epsilon so large that no batch of small variance bends the loss."""
    rng = generator()
    hidden = 5
    first, last = Dense(4, hidden, rng), Dense(hidden, classes, rng)
    normalise = BatchNormalisation(hidden, epsilon=0.5)
    for array in (*first.parameters, *normalise.parameters, *last.parameters):
        array += values(array.shape)
    dropout = Dropout(0.4, rng)
    middle = [first, normalise, Activation("relu"), dropout]
    return Sequential([Flatten(), *middle, last]), values((rows, 2, 2))


@MODES
@FEW
@given(data=st.data())
def test_a_network_with_cross_entropy_end_to_end(training, data):
    def values(shape):
        return data.draw(arrays(np.float64, shape, elements=st.floats(-1, 1)))

    rows, classes = data.draw(st.integers(1, 5)), data.draw(st.integers(2, 4))
    model, x = network(values, rows, classes)
    _, first, normalise, _, dropout, _ = model.layers
    targets = one_hot(np.arange(rows) % classes, classes)

    def logits() -> np.ndarray:
        dropout.rng = generator()
        return model.forward(x, training)

    def loss() -> float:
        return categorical_cross_entropy_from_logits(logits(), targets)

    upstream = categorical_cross_entropy_from_logits_backward(logits(), targets)
    before_relu = normalise.forward(first.forward(x.reshape(rows, -1)), training)
    assume((np.abs(before_relu) > 1e-3).all())

    logits()
    got = {"x": model.backward(upstream)} | dict(enumerate(model.gradients))
    gradient_check(loss, {"x": x} | dict(enumerate(model.parameters)), got)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_layer_uses_the_pair_of_its_name(name):
    x, upstream = np.random.default_rng(0).normal(size=(2, 3, 4))
    function, function_backward = ACTIVATIONS[name]
    layer = Activation(name)
    assert (layer.forward(x) == function(x)).all()
    assert (layer.backward(upstream) == function_backward(upstream, x)).all()


def test_dense_in_numbers():
    layer = Dense(2, 3, generator())
    layer.weights[:], layer.bias[:] = [[1, 2, 3], [4, 5, 6]], [10, 20, 30]
    assert layer.forward(np.array([[1.0, 2.0]])).tolist() == [[19, 32, 45]]
    assert layer.backward(np.array([[1.0, 0.0, -1.0]])).tolist() == [[-2, -2]]
    assert layer.gradients[0].tolist() == [[1, 0, -1], [2, 0, -2]]
    assert layer.gradients[1].tolist() == [1, 0, -1]


def test_dense_draws_its_weights_as_told():
    drawn = Dense(30, 40, generator(), initialise=he_normal, dtype=np.float32)
    assert (drawn.weights == he_normal((30, 40), generator()).astype(np.float32)).all()
    assert (drawn.bias == 0).all()


def test_dropout_drops_the_rate_and_keeps_the_expectation():
    """Bounds of 5 standard errors, for a million entries."""
    x = np.ones((1000, 1000))
    layer = Dropout(0.3, generator())
    output = layer.forward(x, training=True)
    assert set(np.unique(output)) == {0.0, 1 / 0.7}
    assert abs((output == 0).mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / x.size)
    assert abs(output.mean() - 1) < 5 * np.sqrt(0.3 / 0.7 / x.size)
    assert (layer.forward(x, training=True) != output).any()


def test_dropout_outside_training_is_the_identity_and_draws_nothing():
    x = np.random.default_rng(0).normal(size=(4, 5))
    layer = Dropout(0.9, generator())
    assert (layer.forward(x) == x).all()
    assert (layer.backward(x) == x).all()
    assert layer.rng.random() == generator().random()


def test_batch_normalisation_standardises_each_feature():
    x = np.random.default_rng(0).normal(3, 5, size=(50, 4, 6))
    output = BatchNormalisation(6, epsilon=1e-12).forward(x, training=True)
    assert output.mean(axis=(0, 1)) == pytest.approx(0, abs=1e-12)
    assert output.var(axis=(0, 1)) == pytest.approx(1)


def test_only_training_moves_the_averages():
    x = np.random.default_rng(0).normal(size=(5, 3))
    layer = BatchNormalisation(3, momentum=0.75)
    layer.forward(x)
    assert (layer.moving_mean == 0).all()
    assert (layer.moving_variance == 1).all()
    layer.forward(x, training=True)
    assert layer.moving_mean == pytest.approx(0.25 * x.mean(axis=0))
    assert layer.moving_variance == pytest.approx(0.75 + 0.25 * x.var(axis=0))


def test_outside_training_an_output_depends_on_its_example_alone():
    x = np.random.default_rng(0).normal(size=(6, 3))
    batch, layer = BatchNormalisation(3), LayerNormalisation(3)
    batch.forward(x, training=True)
    for one in (batch, layer):
        assert one.forward(x)[:1] == pytest.approx(one.forward(x[:1]))
    in_training = batch.forward(x, training=True)[:1]
    assert np.abs(in_training - batch.forward(x[:1], training=True)).max() > 0.1
    assert (layer.forward(x, training=True) == layer.forward(x)).all()


def test_a_network_holds_the_arrays_of_its_layers_in_order():
    first, second, last = Dense(2, 3, generator()), BatchNormalisation(3), Dense(3, 1, generator())
    model = Sequential([first, second, Activation("relu"), last])
    expected = [*first.parameters, *second.parameters, *last.parameters]
    assert all(a is b for a, b in zip(model.parameters, expected, strict=True))
    model.backward(np.ones_like(model.forward(np.ones((4, 2)), training=True)))
    assert [g.shape for g in model.gradients] == [p.shape for p in model.parameters]
    first.weights = np.zeros((2, 3))
    assert model.parameters[0] is first.weights


def test_float32_stays_float32():
    rng = generator()
    normalise = BatchNormalisation(4, dtype=np.float32)
    model = Sequential(
        [
            Flatten(),
            Dense(6, 4, rng, dtype=np.float32),
            normalise,
            Activation("gelu"),
            Dropout(0.5, rng),
            LayerNormalisation(4, dtype=np.float32),
            Dense(4, 2, rng, dtype=np.float32),
        ]
    )
    x = rng.normal(size=(5, 2, 3)).astype(np.float32)
    for training in (True, False):
        output = model.forward(x, training)
        arrays_made = [output, model.backward(output), *model.gradients, *model.parameters]
        arrays_made += [normalise.moving_mean, normalise.moving_variance]
        assert {array.dtype for array in arrays_made} == {np.dtype(np.float32)}


LAYERS = {
    "dense": lambda: Dense(3, 2, generator()),
    "activation": lambda: Activation("relu"),
    "flatten": Flatten,
    "dropout": lambda: Dropout(0.5, generator()),
    "batch norm": lambda: BatchNormalisation(3),
    "layer norm": lambda: LayerNormalisation(3),
    "sequential": lambda: Sequential([Flatten(), Dense(3, 2, generator())]),
}


@pytest.mark.parametrize("build", LAYERS.values(), ids=LAYERS)
def test_backward_needs_a_forward_pass_and_its_shape(build):
    layer = build()
    with pytest.raises(RuntimeError, match="call forward before backward"):
        layer.backward(np.ones((4, 3)))
    layer.forward(np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"expected an upstream gradient \(4, \d\), got \(4, 1\)"):
        layer.backward(np.ones((4, 1)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Dense(0, 2, generator()), "inputs must be at least 1, got 0"),
        (lambda: Dense(2, -1, generator()), "outputs must be at least 1, got -1"),
        (lambda: Activation("rleu"), "expected one of step, .*, got 'rleu'"),
        (lambda: Dropout(1.0, generator()), "rate from 0 to less than 1, got 1.0"),
        (lambda: Dropout(-0.1, generator()), "rate from 0 to less than 1, got -0.1"),
        (lambda: Dropout(float("nan"), generator()), "rate from 0 to less than 1, got nan"),
        (lambda: BatchNormalisation(0), "width must be at least 1, got 0"),
        (lambda: BatchNormalisation(2, momentum=1.1), "momentum from 0 to 1, got 1.1"),
        (lambda: BatchNormalisation(2, epsilon=0.0), "epsilon must be greater than 0, got 0.0"),
        (lambda: LayerNormalisation(0), "width must be at least 1, got 0"),
        (lambda: LayerNormalisation(2, epsilon=-1.0), "epsilon must be greater than 0, got -1.0"),
        (lambda: Sequential([]), "at least one layer"),
        (lambda: LAYERS["dense"]().forward(np.ones((4, 2))), r"shape \(N, 3\), got \(4, 2\)"),
        (lambda: LAYERS["dense"]().forward(np.ones((4, 5, 3))), r"\(N, 3\), got \(4, 5, 3\)"),
        (lambda: LAYERS["batch norm"]().forward(np.ones((4, 2))), r"\(..., 3\), got \(4, 2\)"),
        (lambda: LAYERS["layer norm"]().forward(np.ones(3)), r"shape \(..., 3\), got \(3,\)"),
    ],
)
def test_bad_input_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-5)], ids=["float64", "float32"]
)


def in_keras(layer, x: np.ndarray, upstream: np.ndarray, training: bool) -> list[np.ndarray]:
    """Gradients of the sum of upstream * output, by x and by each trainable variable."""
    point = [x, *(keras.ops.convert_to_numpy(v) for v in layer.trainable_variables)]
    ends = np.cumsum([array.size for array in point]).tolist()
    two_modes = "training" in inspect.signature(layer.call).parameters
    mode = {"training": training} if two_modes else {}

    def parts(flat):
        for array, end in zip(point, ends, strict=True):
            yield keras.ops.reshape(flat[end - array.size : end], array.shape)

    def loss(flat):
        x, *trainable = parts(flat)
        output, _ = layer.stateless_call(trainable, layer.non_trainable_variables, x, **mode)
        return output * upstream

    _, gradient = keras_gradient(loss, np.concatenate([array.ravel() for array in point]))
    return [keras.ops.convert_to_numpy(part) for part in parts(gradient)]


def assert_alike(ours, theirs, tolerance: float) -> None:
    for own, other in zip(ours, theirs, strict=True):
        assert own.dtype == other.dtype
        np.testing.assert_allclose(own, other, rtol=tolerance, atol=tolerance)


# name, our layer, its arrays in the order of Keras's weights, Keras's layer, the input's shape
PAIRS = {
    "dense": (
        lambda dtype: Dense(7, 5, generator(), dtype=dtype),
        lambda layer: layer.parameters,
        lambda dtype: keras.layers.Dense(5, dtype=dtype),
        (6, 7),
    ),
    "activation": (
        lambda dtype: Activation("silu"),
        lambda layer: [],
        lambda dtype: keras.layers.Activation("silu", dtype=dtype),
        (6, 7),
    ),
    "flatten": (
        lambda dtype: Flatten(),
        lambda layer: [],
        lambda dtype: keras.layers.Flatten(dtype=dtype),
        (6, 2, 3, 4),
    ),
    "batch norm": (
        lambda dtype: BatchNormalisation(7, dtype=dtype),
        lambda layer: [*layer.parameters, layer.moving_mean, layer.moving_variance],
        lambda dtype: keras.layers.BatchNormalization(dtype=dtype),
        (6, 7),
    ),
    "batch norm of sequences": (
        lambda dtype: BatchNormalisation(7, dtype=dtype),
        lambda layer: [*layer.parameters, layer.moving_mean, layer.moving_variance],
        lambda dtype: keras.layers.BatchNormalization(dtype=dtype),
        (6, 3, 7),
    ),
    "layer norm": (
        lambda dtype: LayerNormalisation(7, dtype=dtype),
        lambda layer: layer.parameters,
        lambda dtype: keras.layers.LayerNormalization(dtype=dtype),
        (6, 7),
    ),
    "layer norm of sequences": (
        lambda dtype: LayerNormalisation(7, dtype=dtype),
        lambda layer: layer.parameters,
        lambda dtype: keras.layers.LayerNormalization(dtype=dtype),
        (6, 3, 7),
    ),
}


def pair(name: str, dtype: type):
    """Our layer and Keras's with the same random weights, and an input."""
    ours, arrays_of, theirs, shape = PAIRS[name]
    rng = np.random.default_rng(3)
    layer, twin = ours(dtype), theirs(np.dtype(dtype).name)
    for array in arrays_of(layer):
        array[:] = rng.uniform(0.5, 2, array.shape) * rng.choice([-1, 1], array.shape)
    if isinstance(layer, BatchNormalisation):
        layer.moving_variance[:] = np.abs(layer.moving_variance)
    twin.build((None, *shape[1:]))
    twin.set_weights([array.copy() for array in arrays_of(layer)])
    return layer, twin, rng.normal(size=shape).astype(dtype), rng


@MODES
@PRECISIONS
@pytest.mark.parametrize("name", PAIRS)
def test_values_and_gradients_are_those_of_keras(name, dtype, tolerance, training):
    with keras_precision(np.dtype(dtype)):
        layer, twin, x, rng = pair(name, dtype)
        ours = layer.forward(x, training)
        upstream = rng.normal(size=ours.shape).astype(dtype)
        gradients = [layer.backward(upstream), *layer.gradients]
        assert_alike(gradients, in_keras(twin, x, upstream, training), tolerance)
        theirs = keras.ops.convert_to_numpy(twin(x, training=training))
        assert_alike([ours], [theirs], tolerance)


@PRECISIONS
def test_moving_averages_are_those_of_keras_after_several_batches(dtype, tolerance):
    with keras_precision(np.dtype(dtype)):
        layer, twin, x, rng = pair("batch norm", dtype)
        layer.momentum = twin.momentum = 0.9
        for _ in range(10):
            batch = rng.normal(2, 3, size=x.shape).astype(dtype)
            ours = layer.forward(batch, training=True)
            theirs = keras.ops.convert_to_numpy(twin(batch, training=True))
            assert_alike([ours], [theirs], tolerance)
        moved = [*layer.parameters, layer.moving_mean, layer.moving_variance]
        assert_alike(moved, twin.get_weights(), tolerance)
        theirs = keras.ops.convert_to_numpy(twin(x, training=False))
        assert_alike([layer.forward(x)], [theirs], tolerance)


class Drawn:
    """Stands in for a generator: gives the numbers that lead to a known mask."""

    def __init__(self, kept: np.ndarray) -> None:
        self.kept = kept

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        assert shape == self.kept.shape
        return self.kept.astype(float)


@PRECISIONS
def test_dropout_is_that_of_keras_for_the_same_mask(dtype, tolerance):
    with keras_precision(np.dtype(dtype)):
        twin = keras.layers.Dropout(0.3, seed=1, dtype=np.dtype(dtype).name)
        x = np.random.default_rng(0).normal(size=(20, 30)).astype(dtype)
        theirs, gradient = keras_gradient(lambda point: twin(point, training=True), x)
        assert 0 < (theirs == 0).mean() < 1
        layer = Dropout(0.3, Drawn(theirs != 0))
        ours = [layer.forward(x, training=True), layer.backward(np.ones_like(x))]
        assert_alike(ours, [theirs, gradient], tolerance)
        assert (keras.ops.convert_to_numpy(twin(x, training=False)) == layer.forward(x)).all()

import keras
import numpy as np
import pytest
from keras import layers

from coursepkg.hardware.backend import compiler_operations
from coursepkg.hardware.cost import ACTIVATIONS, layer_costs, total


def sequential(shape, *stack):
    return keras.Sequential([keras.Input(shape), *stack])


def attention(steps=20, width=64, heads=4, key=16):
    x = keras.Input((steps, width))
    return keras.Model(x, layers.MultiHeadAttention(heads, key)(x, x))


def operations(model, batch, **options):
    return total(layer_costs(model, batch, **options)).operations


# Each hand count is written out: products, then biases, then the rest.
HAND = {
    "dense": (sequential((64,), layers.Dense(32)), 8, 2 * 8 * 64 * 32 + 8 * 32),
    "dense with relu, no bias": (
        sequential((5,), layers.Dense(3, activation="relu", use_bias=False)),
        2,
        2 * 2 * 5 * 3 + 2 * 3,
    ),
    "dense over steps": (sequential((7, 6), layers.Dense(4)), 3, 3 * 7 * (2 * 6 * 4 + 4)),
    "convolution": (
        sequential((28, 28, 3), layers.Conv2D(16, 3)),
        2,
        2 * 26 * 26 * 16 * (2 * 3 * 3 * 3 + 1),
    ),
    "convolution, same": (
        sequential((28, 28, 3), layers.Conv2D(16, 3, padding="same")),
        2,
        2 * 28 * 28 * 16 * (2 * 3 * 3 * 3 + 1),
    ),
    "convolution with strides": (
        sequential((29, 29, 3), layers.Conv2D(16, 3, strides=2)),
        1,
        14 * 14 * 16 * (2 * 3 * 3 * 3 + 1),
    ),
    "convolution in groups": (
        sequential((9, 9, 8), layers.Conv2D(16, 3, groups=4)),
        1,
        7 * 7 * 16 * (2 * 3 * 3 * 2 + 1),
    ),
    "depthwise": (
        sequential((9, 9, 8), layers.DepthwiseConv2D(3)),
        1,
        7 * 7 * 8 * (2 * 3 * 3 + 1),
    ),
    "separable": (
        sequential((9, 9, 8), layers.SeparableConv2D(16, 3)),
        1,
        7 * 7 * 8 * 2 * 9 + 7 * 7 * 16 * (2 * 8 + 1),
    ),
    "transposed": (
        sequential((4, 4, 3), layers.Conv2DTranspose(5, 2, strides=2)),
        1,
        2 * 4 * 4 * 3 * (2 * 2) * 5 + 8 * 8 * 5,
    ),
    "convolution in one dimension, causal": (
        sequential((10, 4), layers.Conv1D(6, 3, padding="causal")),
        1,
        10 * 6 * (2 * 3 * 4 + 1),
    ),
    "lstm": (
        sequential((10, 64), layers.LSTM(32)),
        8,
        # four gates; their sum and bias; f c + i g and o tanh(c); three sigmoids and two tanh
        80 * (2 * 4 * 32 * (64 + 32) + 2 * 4 * 32 + 4 * 32 + 3 * 4 * 32 + 2 * 32),
    ),
    "gru": (
        sequential((10, 64), layers.GRU(32)),
        8,
        80 * (2 * 3 * 32 * (64 + 32) + 6 * 32 + 3 * 32 + 5 * 32 + 2 * 4 * 32 + 32),
    ),
    "simple recurrent": (
        sequential((5, 6), layers.SimpleRNN(4)),
        1,
        5 * (2 * 4 * (6 + 4) + 2 * 4 + 4),
    ),
    "two directions": (
        sequential((5, 6), layers.Bidirectional(layers.SimpleRNN(4))),
        1,
        2 * 5 * (2 * 4 * (6 + 4) + 2 * 4 + 4),
    ),
    "attention": (
        attention(),
        8,
        # four projections with biases; scaled queries; scores and weighted sums; softmax
        8 * (4 * 20 * 64 * (2 * 64 + 1) + 20 * 64 + 2 * 2 * 4 * 20 * 20 * 16 + 5 * 4 * 20 * 20),
    ),
    "einsum": (
        sequential((20, 64), layers.EinsumDense("abc,cde->abde", (None, 4, 16), bias_axes="de")),
        2,
        2 * 20 * 64 * (2 * 64 + 1),
    ),
    "embedding": (sequential((20,), layers.Embedding(1000, 64)), 8, 0),
    "batch normalisation": (
        sequential((4, 4, 8), layers.BatchNormalization()),
        2,
        2 * 2 * 4 * 4 * 8 + 6 * 8,
    ),
    "layer normalisation": (
        sequential((128,), layers.LayerNormalization()),
        8,
        9 * 8 * 128 + 4 * 8,
    ),
    "largest of four": (sequential((28, 28, 8), layers.MaxPooling2D(2)), 2, 3 * 2 * 14 * 14 * 8),
    "mean of four": (sequential((28, 28, 8), layers.AveragePooling2D(2)), 2, 4 * 2 * 14 * 14 * 8),
    "mean of all": (sequential((7, 7, 8), layers.GlobalAveragePooling2D()), 2, 2 * 7 * 7 * 8),
    "softmax": (sequential((10,), layers.Softmax()), 3, 5 * 3 * 10),
    "activation": (sequential((10,), layers.Activation("gelu")), 3, 5 * 3 * 10),
    "nothing": (sequential((4, 4, 1), layers.Flatten(), layers.Dropout(0.5)), 3, 0),
}


@pytest.mark.parametrize("name", HAND)
def test_the_count_is_the_one_made_by_hand(name):
    model, batch, expected = HAND[name]
    assert operations(model, batch) == expected


COMPILED = {
    "dense": ((64,), lambda: [layers.Dense(32)]),
    "convolution": ((28, 28, 3), lambda: [layers.Conv2D(16, 3)]),
    "convolution, same": ((28, 28, 3), lambda: [layers.Conv2D(16, 3, padding="same")]),
    "convolution, same, strides": (
        (28, 29, 3),
        lambda: [layers.Conv2D(16, 5, strides=2, padding="same")],
    ),
    "dilated": ((20, 20, 3), lambda: [layers.Conv2D(8, 3, dilation_rate=2, padding="same")]),
    "causal": ((30, 4), lambda: [layers.Conv1D(6, 3, padding="causal")]),
    "groups": ((28, 28, 8), lambda: [layers.Conv2D(16, 3, groups=4)]),
    "depthwise": ((28, 28, 8), lambda: [layers.DepthwiseConv2D(3, padding="same")]),
    "separable": ((28, 28, 8), lambda: [layers.SeparableConv2D(16, 3)]),
    "lstm": ((10, 64), lambda: [layers.LSTM(64, unroll=True)]),
    "gru": ((10, 64), lambda: [layers.GRU(64, unroll=True)]),
    "attention": None,
    "network": (
        (28, 28, 1),
        lambda: [
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.BatchNormalization(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ],
    ),
}
NOT_COUNTED = {  # by TensorFlow: convolutions in groups, products of batches of matrices
    "tensorflow": {"groups", "attention"},
    "torch": set(COMPILED),
    "jax": set(),
}


@pytest.mark.parametrize("name", COMPILED)
def test_the_backend_counts_the_same(name):
    backend = keras.backend.backend()
    if name in NOT_COUNTED[backend]:
        pytest.skip(f"{backend} does not count this")
    model = (
        attention() if name == "attention" else sequential(COMPILED[name][0], *COMPILED[name][1]())
    )
    x = np.ones((4, *model.input_shape[1:]), "float32")
    expected = compiler_operations(model, x)
    found = operations(model, 4, count_padding=backend != "jax")
    assert found == pytest.approx(expected, rel=0.02)


def test_bytes_of_a_dense_layer():
    (cost,) = layer_costs(sequential((64,), layers.Dense(32)), batch=8)
    assert cost.read == 4 * (8 * 64 + 64 * 32 + 32)
    assert cost.written == 4 * 8 * 32
    assert cost.parameters == 65 * 32
    assert cost.intensity == cost.operations / (cost.read + cost.written)
    assert cost.output == (8, 32)


@pytest.mark.parametrize(
    ("model", "numbers_in", "weights", "numbers_out"),
    [
        (
            sequential((28, 28, 3), layers.Conv2D(16, 3)),
            8 * 28 * 28 * 3,
            3 * 3 * 3 * 16 + 16,
            8 * 26 * 26 * 16,
        ),
        (
            sequential((10, 64), layers.LSTM(32)),
            8 * 10 * 64,
            4 * 32 * (64 + 32 + 1),
            8 * 32,
        ),
        (attention(), 8 * 20 * 64, 4 * (64 * 64 + 64), 8 * 20 * 64),
    ],
    ids=["convolution", "lstm", "attention"],
)
def test_bytes_and_intensity_counted_by_hand(model, numbers_in, weights, numbers_out):
    cost = total(layer_costs(model, batch=8))
    assert cost.read == 4 * (numbers_in + weights)
    assert cost.written == 4 * numbers_out
    assert cost.intensity == cost.operations / (4 * (numbers_in + weights + numbers_out))


def test_bytes_of_half_precision():
    stack = layers.Dense(32, dtype="bfloat16"), layers.Dense(32, dtype="mixed_bfloat16")
    half, mixed = layer_costs(sequential((64,), *stack), batch=8)
    assert half.read == 2 * (8 * 64 + 65 * 32)
    assert mixed.read == 2 * 8 * 32 + 4 * 33 * 32  # its weights are kept in float32
    assert half.written == mixed.written == 2 * 8 * 32


def test_an_embedding_reads_only_the_rows_it_looks_up():
    model = sequential((20,), layers.Embedding(1000, 64))
    (cost,) = layer_costs(model, batch=8)
    assert cost.read == 8 * 20 * 4 + 8 * 20 * 64 * 4
    assert cost.parameters == 64_000
    assert cost.intensity == 0


def test_a_larger_batch_reads_the_weights_once():
    model = sequential((512,), layers.Dense(512))
    small, large = (layer_costs(model, batch=n)[0] for n in (1, 256))
    assert large.operations == 256 * small.operations
    assert large.read < 2 * small.read
    assert large.intensity > 100 * small.intensity


def test_products_with_padding_can_be_left_out():
    model = sequential((4, 4, 1), layers.Conv2D(1, 3, padding="same", use_bias=False))
    assert operations(model, 1) == 2 * 16 * 9
    assert operations(model, 1, count_padding=False) == 2 * (3 * 4 - 2) ** 2


def test_a_layer_called_twice_appears_twice():
    x = keras.Input((6,))
    shared = layers.Dense(6, name="shared")
    model = keras.Model(x, layers.Add()([shared(x), shared(shared(x))]))
    names = [cost.name for cost in layer_costs(model) if cost.kind == "Dense"]
    assert names == ["shared"] * 3


def test_nested_and_own_models_are_entered():
    inner = sequential((6,), layers.Dense(5), layers.Dense(4))

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner, self.last = inner, layers.Dense(3)

        def call(self, x):
            return self.last(self.inner(x))

    costs = layer_costs(Own(), inputs=[np.zeros((2, 6), "float32")])
    assert [cost.output for cost in costs] == [(2, 5), (2, 4), (2, 3)]


def test_several_inputs():
    x, y = keras.Input((6,)), keras.Input((6,))
    model = keras.Model([x, y], layers.Multiply()([x, y]))
    assert operations(model, 3) == 18


def test_the_total_adds_up():
    costs = layer_costs(sequential((6,), layers.Dense(5), layers.Dense(4)), 2)
    added = total(costs)
    assert added.operations == sum(cost.operations for cost in costs)
    assert added.moved == sum(cost.moved for cost in costs)
    assert added.parameters == 7 * 5 + 6 * 4
    assert added.output == (2, 4)


def test_a_layer_that_moves_nothing_has_no_intensity():
    assert layer_costs(sequential((0,), layers.Flatten()))[0].intensity == 0


class Unknown(layers.Layer):
    def call(self, x):
        return x * 2


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Unknown(name="mystery"), "the layer 'mystery' of class Unknown; expected one of"),
        (layers.Dense(2, activation="mish"), "the activation 'mish'"),
        (layers.TimeDistributed(layers.Dense(2)), "of class TimeDistributed"),
        (layers.RNN(layers.LSTMCell(2)), "of class RNN"),
    ],
)
def test_what_is_not_known_is_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        layer_costs(sequential((4, 3), layer))


def test_open_shapes_need_inputs():
    model = sequential((None, 3), layers.Dense(2))
    with pytest.raises(ValueError, match="not all known; expected them in inputs="):
        layer_costs(model)
    assert operations(model, 1, inputs=[np.zeros((2, 5, 3), "float32")]) == 2 * 5 * 2 * (2 * 3 + 1)
    with pytest.raises(ValueError, match="batch of at least 1, got 0"):
        layer_costs(model, batch=0)


def test_layers_are_as_before_after_an_error():
    before = layers.Layer.__call__
    with pytest.raises(ValueError, match="Unknown"):
        layer_costs(sequential((4,), Unknown()))
    assert layers.Layer.__call__ is before


def test_every_activation_named_here_is_keras_s():
    for name in ACTIVATIONS:
        assert keras.activations.get(name).__name__ == name

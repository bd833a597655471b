r"""Operations and bytes of a Keras model, layer by layer, for one forward pass.

How it is counted:

- An addition, a multiplication, a comparison, a division, an exponential, a hyperbolic tangent and
  a square root count as one operation each; a multiply-add is two.
- Bytes are those that must cross between the processor and its memory if everything that a layer
  makes on the way stays inside: inputs and weights once in, outputs once out. This is the least
  that any program can do. A tensor that is given twice (self-attention) is read once; an embedding
  reads only the rows that it looks up.
- Layers that only move or keep numbers (reshape, dropout at inference, concatenate) have no
  operations.
- A layer of your own that is made of known layers counts as the sum of these; what it computes
  itself, between them, is not seen.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

Shape = tuple[int, ...]
Shapes = list[Shape]
Count = Callable[[Any, Shapes, Shapes], float]
Call = tuple[layers.Layer, Shapes, Shapes, Shapes]  # inputs, outputs, inputs without repetition


@dataclass(frozen=True)
class LayerCost:
    """What one call of a layer costs.

    Attributes
    ----------
    name, kind : str
        The layer's own name, and that of its class.
    operations : float
        Of the whole batch.
    read, written : int
        Bytes of inputs and weights, and of outputs.
    parameters : int
        Weights, those that are not trained included.
    output : tuple of int
        Shape of the first output, the batch included.
    """

    name: str
    kind: str
    operations: float
    read: int
    written: int
    parameters: int
    output: Shape

    @property
    def moved(self) -> int:
        """Bytes read and written."""
        return self.read + self.written

    @property
    def intensity(self) -> float:
        """Operations for each byte moved."""
        return self.operations / self.moved if self.moved else 0.0


def layer_costs(
    model: keras.Model,
    batch: int = 1,
    inputs: Sequence[np.ndarray] | None = None,
    count_padding: bool = True,
) -> list[LayerCost]:
    """Count the operations and the bytes of every layer that a model calls, in order.

    The model runs once on zeros, and the shapes that each layer sees are written down. A layer that
    is called twice appears twice.

    Parameters
    ----------
    model : keras.Model
        Any model whose layers are known here, nested ones and models of your own class included.
    batch : int
        Examples in the batch, N.
    inputs : sequence of ndarray, optional
        One array for each input, batch included. Needed if the model does not know the shapes of
        its inputs, or if some are open (None); `batch` is then not used.
    count_padding : bool
        Whether products with the zeros of a padding count. By convention they do; XLA leaves them
        out.

    Returns
    -------
    list of LayerCost

    Raises
    ------
    ValueError
        If a layer or an activation is not known, or the shapes of the inputs are not.
    """
    arrays = list(inputs) if inputs is not None else _zeros(model, batch)
    one = arrays[0] if len(arrays) == 1 else arrays
    if not model.built:
        model(one, training=False)
    calls: list[Call] = []
    with _recorded(calls):
        model(one, training=False)
    return [_cost(*call, count_padding) for call in calls]


def total(costs: Sequence[LayerCost]) -> LayerCost:
    """Add up the costs of layers; the output is that of the last one."""
    return LayerCost(
        "total",
        "total",
        sum(cost.operations for cost in costs),
        sum(cost.read for cost in costs),
        sum(cost.written for cost in costs),
        sum(cost.parameters for cost in costs),
        costs[-1].output,
    )


def _zeros(model: keras.Model, batch: int) -> list[np.ndarray]:
    if batch < 1:
        raise ValueError(f"expected a batch of at least 1, got {batch}")
    try:
        shapes = [(batch, *one.shape[1:]) for one in model.inputs]
        types = [keras.backend.standardize_dtype(one.dtype) for one in model.inputs]
    except (AttributeError, TypeError, ValueError):
        shapes, types = [(None,)], [""]
    if any(None in shape for shape in shapes):
        raise ValueError(
            f"the shapes of the inputs of {model.name!r} are not all known; expected them in "
            "inputs=[array, ...]"
        )
    return [np.zeros(shape, dtype) for shape, dtype in zip(shapes, types, strict=True)]


@contextlib.contextmanager
def _recorded(calls: list[Call]) -> Iterator[None]:
    """Write down the shapes of every call of a known layer, or of an unknown one without parts."""
    original = layers.Layer.__call__
    inside: list[keras.layers.Layer] = []  # the known layer whose parts are being called

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        if inside or not _is_counted(layer):
            return original(layer, *args, **kwargs)
        inside.append(layer)
        try:
            outputs = original(layer, *args, **kwargs)
        finally:
            inside.pop()
        given = [*args, *(kwargs[k] for k in _TENSOR_ARGUMENTS if kwargs.get(k) is not None)]
        distinct = list({id(one): one for one in keras.tree.flatten(given)}.values())
        calls.append((layer, _shapes(given), _shapes(outputs), _shapes(distinct)))
        return outputs

    layers.Layer.__call__ = call
    try:
        yield
    finally:
        layers.Layer.__call__ = original


_TENSOR_ARGUMENTS = ("query", "value", "key")


def _is_counted(layer: keras.layers.Layer) -> bool:
    """Tell whether a layer counts as one: it is known, has no layers inside, or repeats them."""
    if isinstance(layer, keras.Model):
        return False
    if type(layer) in COUNTS or isinstance(layer, layers.RNN | layers.TimeDistributed):
        return True
    return not list(layer._flatten_layers(include_self=False))


def _shapes(nested: Any) -> Shapes:
    return [tuple(one.shape) for one in keras.tree.flatten(nested) if hasattr(one, "shape")]


def _cost(
    layer: keras.layers.Layer,
    inputs: Shapes,
    outputs: Shapes,
    distinct: Shapes,
    count_padding: bool,
) -> LayerCost:
    kind = type(layer)
    if kind not in COUNTS:
        raise ValueError(
            f"no count is known for the layer {layer.name!r} of class {kind.__name__}; expected "
            f"one of {sorted(known.__name__ for known in COUNTS)}"
        )
    operations = COUNTS[kind](layer, inputs, outputs)
    if not count_padding and isinstance(layer, _CONVOLUTIONS):
        operations -= _padding_operations(layer, inputs[0], outputs[0])
    size = keras.backend.standardize_dtype(layer.compute_dtype)
    weight_bytes = sum(
        math.prod(w.shape) * _bytes_of(keras.backend.standardize_dtype(w.dtype))
        for w in layer.weights
    )
    read = sum(map(math.prod, distinct)) * _bytes_of(size)
    if isinstance(layer, layers.Embedding):
        read = math.prod(inputs[0]) * 4
        weight_bytes = math.prod(outputs[0]) * _bytes_of(
            keras.backend.standardize_dtype(layer.variable_dtype)
        )
    return LayerCost(
        layer.name,
        kind.__name__,
        float(operations),
        int(read + weight_bytes),
        int(sum(map(math.prod, outputs)) * _bytes_of(size)),
        sum(math.prod(w.shape) for w in layer.weights),
        outputs[0],
    )


def _bytes_of(dtype: str) -> int:
    """Return the bytes of one number."""
    if dtype == "bool":
        return 1
    return int("".join(c for c in dtype if c.isdigit())) // 8


# Operations on each number, by Keras's name of the activation.
ACTIVATIONS = {
    "linear": 0,
    "relu": 1,
    "relu6": 2,
    "leaky_relu": 2,
    "tanh": 1,
    "exponential": 1,
    "sigmoid": 4,  # negative, exponential, plus 1, reciprocal
    "hard_sigmoid": 4,
    "silu": 5,
    "softplus": 3,
    "elu": 4,
    "gelu": 5,  # z / 2 (1 + erf(z / sqrt 2)), the error function as one operation
    "softmax": 5,  # maximum, minus, exponential, sum, division
    "log_softmax": 6,
}


def _activation(function: Callable[..., Any] | None, numbers: float) -> float:
    name = getattr(function, "__name__", type(function).__name__) if function else "linear"
    if name not in ACTIVATIONS:
        raise ValueError(
            f"no count is known for the activation {name!r}; expected one of {sorted(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name] * numbers


def _dense(layer: layers.Dense, inputs: Shapes, outputs: Shapes) -> float:
    numbers = math.prod(outputs[0])
    adds = numbers if layer.use_bias else 0
    return 2 * numbers * inputs[0][-1] + adds + _activation(layer.activation, numbers)


def _einsum_dense(layer: layers.EinsumDense, inputs: Shapes, outputs: Shapes) -> float:
    left, _, result = layer.equation.replace("->", ",").partition(",")
    kernel = result.partition(",")[0]
    sizes = dict(zip(reversed(left.replace(".", "")), reversed(inputs[0]), strict=False))
    sizes |= dict(zip(kernel, layer.kernel.shape, strict=True))
    numbers = math.prod(outputs[0])
    summed = math.prod(sizes[c] for c in set(kernel) - set(result.partition(",")[2]))
    adds = numbers if layer.bias is not None else 0
    return 2 * numbers * summed + adds + _activation(layer.activation, numbers)


def _convolution(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    numbers = math.prod(outputs[0])
    channels = _channels(layer, inputs[0]) // layer.groups
    adds = numbers if layer.use_bias else 0
    products = math.prod(layer.kernel_size) * channels
    return 2 * numbers * products + adds + _activation(layer.activation, numbers)


def _depthwise(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    numbers = math.prod(outputs[0])
    adds = numbers if layer.use_bias else 0
    return (
        2 * numbers * math.prod(layer.kernel_size) + adds + _activation(layer.activation, numbers)
    )


def _separable(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    numbers = math.prod(outputs[0])
    between = _channels(layer, inputs[0]) * layer.depth_multiplier
    places = numbers // layer.filters
    adds = numbers if layer.use_bias else 0
    return (
        2 * places * between * math.prod(layer.kernel_size)
        + 2 * numbers * between
        + adds
        + _activation(layer.activation, numbers)
    )


def _transposed(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    """Each input number is multiplied with the whole window of every filter."""
    adds = math.prod(outputs[0]) if layer.use_bias else 0
    products = math.prod(inputs[0]) * math.prod(layer.kernel_size) * layer.filters
    return 2 * products + adds + _activation(layer.activation, math.prod(outputs[0]))


def _channels(layer: Any, shape: Shape) -> int:
    return shape[-1] if layer.data_format == "channels_last" else shape[1]


def _padding_operations(layer: Any, given: Shape, made: Shape) -> float:
    """Count the operations of a convolution that multiply zeros of its padding."""
    first = 1 if layer.data_format == "channels_last" else 2
    everywhere, real, places = 1, 1, 1
    sides = zip(
        given[first : first + layer.rank],
        made[first : first + layer.rank],
        layer.kernel_size,
        layer.strides,
        layer.dilation_rate,
        strict=True,
    )
    for size, positions, window, stride, dilation in sides:
        reach = dilation * (window - 1) + 1
        missing = max(0, (positions - 1) * stride + reach - size)
        before = {"same": missing // 2, "causal": dilation * (window - 1)}.get(layer.padding, 0)
        real *= sum(
            0 <= position * stride - before + offset * dilation < size
            for position in range(positions)
            for offset in range(window)
        )
        everywhere *= positions * window
        places *= positions
    depthwise = isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D)
    products = 1 if depthwise else _channels(layer, given) // layer.groups
    return 2 * math.prod(made) // places * products * (everywhere - real)


def _recurrent(layer: Any, inputs: Shapes, gates: int) -> tuple[float, float]:
    """Return the operations of the two matrix products, and the units over all steps."""
    batch, steps, width = inputs[0]
    units = layer.units
    return 2 * batch * steps * gates * units * (width + units), batch * steps * units


def _lstm(layer: layers.LSTM, inputs: Shapes, outputs: Shapes) -> float:
    """Sum, bias and activations of four gates; f c + i g (3), o tanh(c) (1)."""
    products, units = _recurrent(layer, inputs, 4)
    return (
        products
        + (8 if layer.use_bias else 4) * units
        + 4 * units
        + 3 * _activation(layer.recurrent_activation, units)
        + 2 * _activation(layer.activation, units)
    )


def _gru(layer: layers.GRU, inputs: Shapes, outputs: Shapes) -> float:
    """Biases; the sums of three gates (3); r h (1); z h + (1 - z) g (4)."""
    products, units = _recurrent(layer, inputs, 3)
    biases = (6 if layer.reset_after else 3) if layer.use_bias else 0
    return (
        products
        + (biases + 3 + 1 + 4) * units
        + 2 * _activation(layer.recurrent_activation, units)
        + _activation(layer.activation, units)
    )


def _simple_rnn(layer: layers.SimpleRNN, inputs: Shapes, outputs: Shapes) -> float:
    products, units = _recurrent(layer, inputs, 1)
    adds = (2 if layer.use_bias else 1) * units
    return products + adds + _activation(layer.activation, units)


def _attention(layer: layers.MultiHeadAttention, inputs: Shapes, outputs: Shapes) -> float:
    """Projections of query, key, value and output; scores, scaling, softmax, weighted sums."""
    query, value, *rest = [one for one in inputs if len(one) == 3]
    key = rest[0] if rest else value
    (batch, targets, q_width), (_, sources, v_width) = query, value
    heads, key_size, value_size = layer.num_heads, layer.key_dim, layer.value_dim or layer.key_dim
    made = [
        (targets * heads * key_size, q_width),
        (sources * heads * key_size, key[-1]),
        (sources * heads * value_size, v_width),
        (targets * outputs[0][-1], heads * value_size),
    ]
    adds = sum(numbers for numbers, _ in made) if layer._use_bias else 0
    scores = heads * targets * sources
    return batch * (
        2 * sum(numbers * depth for numbers, depth in made)
        + adds
        + targets * heads * key_size
        + 2 * scores * (key_size + value_size)
        + ACTIVATIONS["softmax"] * scores
    )


def _batch_normalisation(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    """At inference one multiplication and one addition; scale and shift of a channel take six."""
    return 2 * math.prod(outputs[0]) + 6 * inputs[0][layer.axis]


def _layer_normalisation(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    """Mean (1), differences, their squares and sum (3), then scale and shift (5)."""
    axes = [layer.axis] if isinstance(layer.axis, int) else layer.axis
    return 9 * math.prod(outputs[0]) + 4 * math.prod(inputs[0]) // math.prod(
        inputs[0][axis] for axis in axes
    )


def _pooling(of_each: int) -> Count:
    """Window entries less one comparisons, or as many additions and a division."""

    def count(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
        return math.prod(outputs[0]) * (math.prod(layer.pool_size) + of_each)

    return count


def _global_pooling(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    return math.prod(inputs[0])


def _merging(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    return (len(inputs) - 1) * math.prod(outputs[0])


def _pointwise(operations: int) -> Count:
    return lambda layer, inputs, outputs: operations * math.prod(outputs[0])


def _activation_layer(layer: layers.Activation, inputs: Shapes, outputs: Shapes) -> float:
    return _activation(layer.activation, math.prod(outputs[0]))


def _nothing(layer: Any, inputs: Shapes, outputs: Shapes) -> float:
    return 0


_CONVOLUTIONS = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
)
COUNTS: dict[type, Count] = {
    layers.Dense: _dense,
    layers.EinsumDense: _einsum_dense,
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D), _convolution),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), _depthwise),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    **dict.fromkeys((layers.Conv1DTranspose, layers.Conv2DTranspose), _transposed),
    layers.LSTM: _lstm,
    layers.GRU: _gru,
    layers.SimpleRNN: _simple_rnn,
    layers.MultiHeadAttention: _attention,
    layers.Embedding: _nothing,
    layers.BatchNormalization: _batch_normalisation,
    layers.LayerNormalization: _layer_normalisation,
    **dict.fromkeys((layers.MaxPooling1D, layers.MaxPooling2D), _pooling(-1)),
    **dict.fromkeys((layers.AveragePooling1D, layers.AveragePooling2D), _pooling(0)),
    **dict.fromkeys(
        (
            layers.GlobalAveragePooling1D,
            layers.GlobalAveragePooling2D,
            layers.GlobalMaxPooling1D,
            layers.GlobalMaxPooling2D,
        ),
        _global_pooling,
    ),
    **dict.fromkeys((layers.Add, layers.Subtract, layers.Multiply, layers.Maximum), _merging),
    layers.Activation: _activation_layer,
    layers.ReLU: _pointwise(ACTIVATIONS["relu"]),
    layers.LeakyReLU: _pointwise(ACTIVATIONS["leaky_relu"]),
    layers.Softmax: _pointwise(ACTIVATIONS["softmax"]),
    layers.Rescaling: _pointwise(2),
    **dict.fromkeys(
        (
            layers.InputLayer,
            layers.Flatten,
            layers.Reshape,
            layers.Permute,
            layers.RepeatVector,
            layers.Concatenate,
            layers.Dropout,
            layers.SpatialDropout1D,
            layers.SpatialDropout2D,
            layers.GaussianNoise,
            layers.Identity,
            layers.ZeroPadding1D,
            layers.ZeroPadding2D,
            layers.Cropping2D,
            layers.UpSampling2D,
            layers.Masking,
        ),
        _nothing,
    ),
}
"""From a layer's class to the function that counts its operations."""

r"""Compressed forms of the digit networks of ``coursepkg.models.images``, and what trains them.

All networks take images of shape :math:`(28, 28, 1)`, ``float32`` in :math:`[0, 1]`, and return
logits.
"""

import inspect
import warnings
from typing import Any

import keras
from keras import layers, ops

from coursepkg.models.images import CLASSES, IMAGE_SHAPE


def early_exit_convnet() -> keras.Model:
    """Build ``convnet_32`` with a second head behind the pooling: 699,092 parameters.

    ==========  ============  =====================================================
    layer       output        parameters; multiplications
    ==========  ============  =====================================================
    conv_1      (26, 26, 32)  (3*3*1 + 1) * 32 = 320; 26*26*32 * 9 = 194,688
    pool_1      (13, 13, 32)  0
    shrink      (4, 4, 32)    0
    early       (10,)         (512 + 1) * 10 = 5,130; 5,120
    flatten     (5408,)       0
    hidden      (128,)        (5408 + 1) * 128 = 692,352; 692,224
    final       (10,)         (128 + 1) * 10 = 1,290; 1,280
    ==========  ============  =====================================================

    Returns
    -------
    keras.Model
        ``(batch, 28, 28, 1)`` to a dictionary of logits, "early" and "final".

    Notes
    -----
    The two losses are added in training, as in S. Teerapittayanon, B. McDanel and H. T. Kung,
    "BranchyNet: Fast Inference via Early Exiting from Deep Neural Networks", ICPR 2016.
    """
    images = keras.Input(IMAGE_SHAPE)
    trunk = layers.Conv2D(32, 3, activation="relu", name="conv_1")(images)
    trunk = layers.MaxPooling2D(2, name="pool_1")(trunk)
    coarse = layers.Flatten(name="flatten_early")(layers.AveragePooling2D(3, name="shrink")(trunk))
    early = layers.Dense(CLASSES, name="early")(coarse)
    hidden = layers.Dense(128, activation="relu", name="hidden")(
        layers.Flatten(name="flatten")(trunk)
    )
    final = layers.Dense(CLASSES, name="final")(hidden)
    return keras.Model(images, {"early": early, "final": final}, name="early_exit_convnet")


def split_at_exit(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Cut the early-exit network in two, so that the second part runs only when it is needed.

    Parameters
    ----------
    model : keras.Model
        What `early_exit_convnet` returned. The weights are shared, not copied.

    Returns
    -------
    tuple of keras.Model
        From images to "early" (logits) and "trunk" (features), and from features to logits.
    """
    trunk = model.get_layer("pool_1").output
    first = keras.Model(model.input, {"early": model.get_layer("early").output, "trunk": trunk})
    features = keras.Input(trunk.shape[1:])
    logits = features
    for name in ("flatten", "hidden", "final"):
        logits = model.get_layer(name)(logits)
    return first, keras.Model(features, logits)


def thin_convnet(filters: int, hidden: int, strides: int = 1) -> keras.Sequential:
    """Build ``convnet_32`` with other widths.

    What is left of ``convnet_32`` after filters and units were cut out has this form, and so has a
    student: with 8 filters, 16 units and strides of 2 it has 4,874 parameters instead of 693,962.

    =======  ====================  ==================================
    layer    output (8, 16, 2)     parameters (8, 16, 2)
    =======  ====================  ==================================
    conv_1   (13, 13, 8)           (3*3*1 + 1) * 8 = 80
    pool_1   (6, 6, 8)             0
    flatten  (288,)                0
    hidden   (16,)                 (288 + 1) * 16 = 4,624
    logits   (10,)                 (16 + 1) * 10 = 170
    =======  ====================  ==================================

    Parameters
    ----------
    filters, hidden : int
        The widths of the convolution and of the dense layer, 32 and 128 in ``convnet_32``.
    strides : int
        By how many pixels the convolution moves.

    Returns
    -------
    keras.Sequential
        ``(batch, 28, 28, 1)`` to ``(batch, 10)`` logits.
    """
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Conv2D(filters, 3, strides=strides, activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Flatten(name="flatten"),
            layers.Dense(hidden, activation="relu", name="hidden"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name=f"convnet_{filters}_{hidden}",
    )


def factorised_convnet(rank: int) -> keras.Sequential:
    """Build ``convnet_32`` with its large dense layer as the product of two thin ones.

    The layer "down" (5408 to `rank`) has no bias and no activation; "hidden" (`rank` to 128) has
    both.

    Parameters
    ----------
    rank : int
        The width between the two.

    Returns
    -------
    keras.Sequential
        ``(batch, 28, 28, 1)`` to ``(batch, 10)`` logits.
    """
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Conv2D(32, 3, activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Flatten(name="flatten"),
            layers.Dense(rank, use_bias=False, name="down"),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name=f"factorised_{rank}",
    )


@keras.saving.register_keras_serializable(package="coursepkg")
class KeepZeros(keras.constraints.Constraint):
    """Hold chosen weights at 0: Keras applies it after every step of the optimiser.

    Parameters
    ----------
    mask
        Of the weights' shape, True or 1 where a weight is kept.
    """

    def __init__(self, mask: Any) -> None:
        self.mask = ops.convert_to_tensor(mask, dtype="float32")

    def __call__(self, weights: Any) -> Any:
        """Return the weights with the chosen ones at 0."""
        return weights * ops.cast(self.mask, weights.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which the constraint can be built again."""
        return {"mask": ops.convert_to_numpy(self.mask).tolist()}


class Distiller(keras.Model):
    r"""A student that ``fit`` trains on a teacher's logits.

    .. math:: J = \lambda\, \tau^2\, \mathrm{KL}(\mathbf{p} \,\|\, \mathbf{q})
        + (1 - \lambda)\, J_\text{labels}

    as in ``coursepkg.scratch.distillation``. ``fit`` gets the labels and the teacher's logits,
    which are computed once, as ``y={"labels": ..., "teacher": ...}``.

    Parameters
    ----------
    network
        The student, from images to logits.
    temperature
        The temperature :math:`\tau`.
    share
        The share :math:`\lambda` of the teacher, from 0 to 1.
    """

    def __init__(self, network: keras.Model, temperature: float, share: float) -> None:
        super().__init__()
        self.network, self.temperature, self.share = network, temperature, share

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the student's logits."""
        return self.network(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Weigh the teacher's part and the labels' part, averaged over the batch."""
        log_p = ops.log_softmax(y["teacher"] / self.temperature)
        log_q = ops.log_softmax(y_pred / self.temperature)
        divergence = ops.mean(ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1))
        labels = ops.mean(
            keras.losses.sparse_categorical_crossentropy(y["labels"], y_pred, from_logits=True)
        )
        return self.share * self.temperature**2 * divergence + (1 - self.share) * labels


def quantised_copy(model: keras.Model, mode: str) -> keras.Model:
    """Copy a model and quantise the dense layers of the copy, with one step for each column.

    Later versions of Keras than 3.13 cut the columns of int4 into blocks unless they are told not
    to.

    Parameters
    ----------
    model : keras.Model
        Built; it stays as it is.
    mode : str
        "int8" or "int4".

    Returns
    -------
    keras.Model

    Raises
    ------
    ValueError
        If the mode is another one.
    """
    kinds = {
        "int8": keras.quantizers.Int8QuantizationConfig,
        "int4": keras.quantizers.Int4QuantizationConfig,
    }
    if mode not in kinds:
        raise ValueError(f"expected a mode of {sorted(kinds)}, got {mode!r}")
    blocks = "block_size" in inspect.signature(kinds[mode]).parameters
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    with warnings.catch_warnings():  # one for each layer without weights
        warnings.simplefilter("ignore")
        copy.quantize(mode, config=kinds[mode](**({"block_size": -1} if blocks else {})))
    return copy


def kernel_codes(layer: layers.Dense) -> tuple[Any, int]:
    """Return the whole numbers that a quantised dense layer stores, and their bytes.

    Two codes of 4 bits share a byte, along the inputs or along the units: that changed between
    versions of Keras.

    Parameters
    ----------
    layer : keras.layers.Dense
        Quantised to int8 or int4.

    Returns
    -------
    codes : tensor
        int8, (inputs, units).
    stored : int
        Bytes of the codes as they are stored.

    Raises
    ------
    ValueError
        If the layer is not quantised.
    """
    if layer.quantization_mode not in ("int8", "int4"):
        raise ValueError(f"expected a layer quantised to int8 or int4, got {layer.name!r}")
    stored = ops.convert_to_tensor(layer._kernel)
    size = stored.shape[0] * stored.shape[1]
    if layer.quantization_mode == "int8":
        return stored, size
    shape = (layer.input_spec.axes[-1], layer.units)
    axis = 0 if stored.shape[0] < shape[0] else 1
    return keras.quantizers.unpack_int4(stored, shape[axis], axis=axis), size

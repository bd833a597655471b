"""Real layers on the roofline: what each costs, how long it should take, and how long it takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from coursepkg.hardware import backend
from coursepkg.hardware.cost import layer_costs, total
from coursepkg.hardware.roofline import Roofline
from coursepkg.hardware.timing import measure

Builder = Callable[[], list[layers.Layer]]

LAYERS: dict[str, tuple[int, tuple[int, ...], Builder]] = {
    "dense 1024, one example": (1, (1024,), lambda: [layers.Dense(1024)]),
    "dense 1024, 64 examples": (64, (1024,), lambda: [layers.Dense(1024)]),
    "dense 1024, 1024 examples": (1024, (1024,), lambda: [layers.Dense(1024)]),
    "convolution 3x3, 64 to 64": (
        16,
        (32, 32, 64),
        lambda: [layers.Conv2D(64, 3, padding="same")],
    ),
    "convolution 1x1, 64 to 64": (16, (32, 32, 64), lambda: [layers.Conv2D(64, 1)]),
    "depthwise 3x3, 64": (
        16,
        (32, 32, 64),
        lambda: [layers.DepthwiseConv2D(3, padding="same")],
    ),
    "relu": (16, (32, 32, 64), lambda: [layers.ReLU()]),
    "pooling 2x2": (16, (32, 32, 64), lambda: [layers.MaxPooling2D(2)]),
    "batch normalisation": (16, (32, 32, 64), lambda: [layers.BatchNormalization()]),
    "layer normalisation": (32, (64, 256), lambda: [layers.LayerNormalization()]),
    "softmax": (32, (64, 256), lambda: [layers.Softmax()]),
    "lstm 128, 16 steps": (64, (16, 128), lambda: [layers.LSTM(128)]),
}
"""Name, examples in the batch, shape of an example, and the layers themselves."""


@dataclass(frozen=True)
class LayerTime:
    """A layer's cost and time.

    Attributes
    ----------
    name : str
    operations, moved : float
        Of the whole batch; bytes.
    predicted, measured : float
        Seconds: what the roofline says, and the fastest run. The limits come from fastest runs,
        too; a median would compare what the machine can do with what others left of it.
    limit : str
        What the roofline says takes longest: "overhead", "bandwidth" or "peak".
    """

    name: str
    operations: float
    moved: float
    predicted: float
    measured: float
    limit: str

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.operations / self.moved

    @property
    def rate(self) -> float:
        """Operations a second, measured."""
        return self.operations / self.measured

    @property
    def error(self) -> float:
        """How far the prediction is off, as a share of the measured time."""
        return abs(self.predicted / self.measured - 1)


def build(name: str) -> tuple[keras.Model, np.ndarray]:
    """Return a model of one of `LAYERS` and a batch for it.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in LAYERS:
        raise ValueError(f"expected one of {list(LAYERS)}, got {name!r}")
    batch, shape, stack = LAYERS[name]
    x = np.random.default_rng(0).normal(size=(batch, *shape)).astype("float32")
    return keras.Sequential([keras.Input(shape), *stack()]), x


def layer_times(
    roof: Roofline, names: Sequence[str] = tuple(LAYERS), repeats: int = 5
) -> list[LayerTime]:
    """Predict and measure the forward pass of layers, each compiled, on the default device.

    Parameters
    ----------
    roof : Roofline
        Of this device, for float32.
    names : sequence of str
        Of `LAYERS`.
    repeats : int
        Times each is measured.

    Returns
    -------
    list of LayerTime
    """
    rows = []
    for name in names:
        model, array = build(name)
        cost = total(layer_costs(model, inputs=[array]))
        run, x = backend.compiled_model(model), backend.tensor(array, "float32")
        timing = measure(lambda run=run, x=x: run(x), repeats, 0.005)
        rows.append(
            LayerTime(
                name,
                cost.operations,
                cost.moved,
                roof.seconds(cost.operations, cost.moved),
                timing.best,
                roof.limit(cost.operations, cost.moved),
            )
        )
    return rows

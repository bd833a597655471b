"""One network twice, from scratch and in Keras: the same weights and batches, the same curve."""

import keras
import numpy as np
import pytest

from coursepkg.datasets import mnist
from coursepkg.scratch.layers import Activation, Dense, Flatten, Sequential
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits_backward,
    one_hot,
)
from coursepkg.scratch.optimisation import Adam, GradientDescent, Momentum, minibatches

UPDATES = 100
BATCH = 64
TOLERANCE = 1e-5
# Keras rounds beta_1 and beta_2 to float32 before it raises them to the number of the update. That
# bends Adam's first steps by about 1e-5 of their size, from where two curves with the usual 0.9 and
# 0.999 drift apart by 1e-3. Sums of powers of 2 come through the rounding unchanged.
EXACT = {"beta_1": 1 - 2**-3, "beta_2": 1 - 2**-10}


@pytest.fixture(scope="module")
def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Real digits, float32 from 0 to 1, and their classes as one-hot rows."""
    (images, labels), _ = mnist.load_data()
    chosen = minibatches(len(images), BATCH, np.random.default_rng(0))
    some = [next(chosen) for _ in range(UPDATES)]
    x, y = images.astype(np.float32) / 255, one_hot(labels, 10).astype(np.float32)
    return [(x[one], y[one]) for one in some]


def from_scratch() -> Sequential:
    rng = np.random.default_rng(1)
    return Sequential(
        [
            Flatten(),
            Dense(784, 128, rng, dtype=np.float32),
            Activation("relu"),
            Dense(128, 10, rng, dtype=np.float32),
        ]
    )


def in_keras(weights: list[np.ndarray]) -> keras.Sequential:
    hidden, output = keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), hidden, output])
    model.set_weights([array.copy() for array in weights])
    return model


def train(model: Sequential, optimiser, batches) -> list[float]:
    losses = []
    for x, targets in batches:
        logits = model.forward(x, training=True)
        losses.append(categorical_cross_entropy_from_logits(logits, targets))
        model.backward(categorical_cross_entropy_from_logits_backward(logits, targets))
        optimiser.step(model.parameters, model.gradients)
    return losses


def train_in_keras(model: keras.Sequential, optimiser, batches) -> list[float]:
    model.compile(optimiser, keras.losses.CategoricalCrossentropy(from_logits=True))
    losses = []
    for x, targets in batches:
        model.reset_metrics()
        losses.append(float(model.train_on_batch(x, targets)))
    return losses


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: GradientDescent(0.1), lambda: keras.optimizers.SGD(0.1)),
        (lambda: Momentum(0.05), lambda: keras.optimizers.SGD(0.05, momentum=0.9)),
        (lambda: Adam(0.001, **EXACT), lambda: keras.optimizers.Adam(0.001, **EXACT)),
    ],
    ids=["gradient descent", "momentum", "adam"],
)
def test_twins_follow_one_loss_curve(batches, ours, theirs):
    """In float32, for 100 updates: no loss differs by more than 1e-5, and the curve falls."""
    model = from_scratch()
    twin = in_keras(model.parameters)
    losses = train(model, ours(), batches)
    expected = train_in_keras(twin, theirs(), batches)
    assert np.abs(np.subtract(losses, expected)).max() < TOLERANCE
    assert np.mean(losses[-10:]) < 0.3 * losses[0]
    for array, other in zip(model.parameters, twin.get_weights(), strict=True):
        assert array.dtype == other.dtype == np.float32
        assert np.abs(array - other).max() < TOLERANCE


def test_a_wrong_rate_leaves_the_curve(batches):
    """The curves are not alike by themselves: a rate that is 1 % off shows within 100 updates."""
    right = train(from_scratch(), GradientDescent(0.1), batches)
    wrong = train(from_scratch(), GradientDescent(0.101), batches)
    assert np.abs(np.subtract(right, wrong)).max() > 100 * TOLERANCE

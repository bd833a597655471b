"""How long one epoch of a small network takes: from scratch in NumPy, and in Keras.

The network is the MLP 784-128-10 with ReLU and cross-entropy, the data are the 12,000 training
images of MNIST in the package. The method is in METHOD and is written into the results.

    KERAS_BACKEND=tensorflow DEVICE=cpu python benchmarks/mlp_epoch.py
    python benchmarks/mlp_epoch.py --rounds 3     (prints, saves nothing)
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # takes effect when NumPy is imported

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from mnist_time_to_99 import machine

from coursepkg.datasets import mnist
from coursepkg.scratch import optimisation
from coursepkg.scratch.layers import Activation, Dense, Sequential
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits_backward,
    one_hot,
)

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "mlp_epoch.json"
ROUNDS = 11
STEPS_PER_CALL = 16
OPTIMISERS = {
    "gradient descent": (optimisation.GradientDescent, keras.optimizers.SGD, 0.1),
    "Adam": (optimisation.Adam, keras.optimizers.Adam, 0.001),
}
METHOD = (
    "MLP 784-128-10, ReLU, softmax cross-entropy from logits, float32, on the 12,000 training "
    "images of MNIST in the package, as rows of numbers from 0 to 1. One epoch each in turn: from "
    "scratch (shuffle, forward, loss, backward, update; coursepkg.scratch), keras.Model.fit with "
    f"its defaults, and keras.Model.fit with steps_per_execution={STEPS_PER_CALL}. One round more "
    "comes first and does not count, for tracing and memory; every other round goes backwards. "
    "Seconds are medians over the rounds, on the wall; cpu_seconds add up all threads. NumPy "
    "multiplies matrices on one thread (OPENBLAS_NUM_THREADS=1): its threads wait for each other, "
    "at a great loss where other programs use the cores. TensorFlow has all cores. From scratch, "
    "the gradient by the images is computed too, though nothing needs it. A ratio above 1 means "
    "that from scratch is faster. The test accuracy, after all rounds, shows that all three learn."
)

Epoch = Callable[[], Any]
Classify = Callable[[np.ndarray], np.ndarray]


def from_scratch(x: np.ndarray, y: np.ndarray, name: str, batch: int) -> tuple[Epoch, Classify]:
    """Return a function that trains for one epoch, and one that gives the scores of images."""
    rng = np.random.default_rng(0)
    hidden = Dense(784, 128, rng, dtype=np.float32)
    model = Sequential([hidden, Activation("relu"), Dense(128, 10, rng, dtype=np.float32)])
    kind, _, rate = OPTIMISERS[name]
    optimiser = kind(rate)

    def epoch() -> float:
        total = 0.0
        for rows in optimisation.minibatches(len(x), batch, rng):
            logits, targets = model.forward(x[rows], training=True), y[rows]
            total += len(rows) * categorical_cross_entropy_from_logits(logits, targets)
            model.backward(categorical_cross_entropy_from_logits_backward(logits, targets))
            optimiser.step(model.parameters, model.gradients)
        return total / len(x)

    return epoch, model.forward


def in_keras(
    x: np.ndarray, y: np.ndarray, name: str, batch: int, steps_per_call: int
) -> tuple[Epoch, Classify]:
    """Return the same two functions for Keras."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(128, activation="relu")
    model = keras.Sequential([keras.Input((784,)), hidden, keras.layers.Dense(10)])
    _, kind, rate = OPTIMISERS[name]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(kind(rate), loss, steps_per_execution=steps_per_call)
    return lambda: model.fit(x, y, batch_size=batch, verbose=0), model.predict_on_batch


def measure(name: str, batch: int, rounds: int) -> dict[str, Any]:
    """Time the three in turn; return seconds, ratios and accuracies."""
    (images, labels), (test_images, test_labels) = mnist.load_data()
    x, x_test = ((i.reshape(-1, 784) / 255).astype(np.float32) for i in (images, test_images))
    y = one_hot(labels, 10).astype(np.float32)
    runners = {
        "scratch": from_scratch(x, y, name, batch),
        "keras": in_keras(x, y, name, batch, 1),
        "keras_lean": in_keras(x, y, name, batch, STEPS_PER_CALL),
    }
    wall: dict[str, list[float]] = {runner: [] for runner in runners}
    cpu: dict[str, list[float]] = {runner: [] for runner in runners}
    for number in range(rounds + 1):
        for runner in list(runners)[:: -1 if number % 2 else 1]:
            before = time.perf_counter(), time.process_time()
            runners[runner][0]()
            wall[runner].append(time.perf_counter() - before[0])
            cpu[runner].append(time.process_time() - before[1])
    seconds = {runner: statistics.median(times[1:]) for runner, times in wall.items()}
    accuracy = {
        runner: float((np.asarray(scores(x_test)).argmax(axis=1) == test_labels).mean())
        for runner, (_, scores) in runners.items()
    }
    return {
        "optimiser": name,
        "batch": batch,
        "seconds": {runner: round(value, 4) for runner, value in seconds.items()},
        "cpu_seconds": {r: round(statistics.median(times[1:]), 4) for r, times in cpu.items()},
        "ratio": round(seconds["keras"] / seconds["scratch"], 2),
        "ratio_to_lean": round(seconds["keras_lean"] / seconds["scratch"], 2),
        "accuracy": {runner: round(value, 4) for runner, value in accuracy.items()},
    }


def main() -> None:
    """Measure every case, print it, and save the results if all rounds were run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="epochs timed for each")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        raise ValueError(f"--rounds must be at least 1, got {rounds}")
    cases = []
    for name in OPTIMISERS:
        for batch in (32, 128):
            cases.append(measure(name, batch, rounds))
            print(json.dumps(cases[-1]), flush=True)
    if rounds == ROUNDS:
        results = {"method": METHOD, "machine": machine(), "rounds": rounds, "cases": cases}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

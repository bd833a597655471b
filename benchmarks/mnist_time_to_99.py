"""How long until 99.0 % of MNIST's test images are recognised, from a printed listing to a recipe.

The ladder starts at a widespread tutorial's listing as it is printed, and changes one thing at a
time; ``coursepkg.models.images_recipe`` holds what it ends with. The method is in METHOD
and is written into the results. Every choice was made on the last 10,000 training images.

    python benchmarks/mnist_time_to_99.py
    python benchmarks/mnist_time_to_99.py --steps lean --seeds 10     (prints, saves nothing)
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from coursepkg.datasets import mnist
from coursepkg.models.images import CLASSES, IMAGE_SHAPE, convnet_32_64_64
from coursepkg.models.images_recipe import OneCycle, fast_convnet

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "mnist_time_to_99.json"
TARGET = 0.99
SEEDS = 3
RECIPE_SEEDS = 10
MOST_EPOCHS = 12

METHOD = (
    "Full MNIST: 60,000 training images, 10,000 test images. The clock runs while a step prepares "
    "the training data in its own way and while keras.Model.fit trains; it stands still while the "
    "test images are classified, and during one warm-up call of fit, in which the backend traces "
    "and compiles, and whose effect on weights and optimizer is undone (its seconds are recorded "
    "apart, as seconds_to_compile). The test accuracy is looked at after every epoch, or, where "
    "the step has a schedule, first at the schedule's end and then after each further epoch; the "
    f"clock stops when it is at least {TARGET:.1%}, or after {MOST_EPOCHS} epochs (reached: "
    "false). Seeds take turns: every step runs with one seed before the next seed begins. All "
    "choices were made on the last 10,000 training images; the test accuracy of a wider version "
    "was seen once while the script was tried out. The ratio is "
    "that of the medians over the seeds which all steps share."
)


def pool_before_relu(normalise: bool = False) -> keras.Sequential:
    """Build the listing's network with each relu behind its pooling: the same function.

    With `normalise` there is a batch normalisation in front of the three relus of convolutions.
    """
    stack: list[Any] = [keras.Input(IMAGE_SHAPE)]
    for channels, pool in ((32, True), (64, True), (64, False)):
        stack += [layers.Conv2D(channels, 3, use_bias=not normalise)]
        stack += [layers.MaxPooling2D(2)] if pool else []
        stack += [layers.BatchNormalization(momentum=0.9)] if normalise else []
        stack += [layers.ReLU()]
    stack += [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(CLASSES)]
    return keras.Sequential(stack)


@dataclass(frozen=True)
class Step:
    """One rung of the ladder: a way to train a network that recognises digits.

    Attributes
    ----------
    name, change
        Its name, and in one sentence what it changes in the rung before.
    network
        Builds the network, ``(batch, 28, 28, 1)`` to logits.
    rate
        The learning rate of Adam, with `epochs` the largest of its cycle.
    epochs
        The length of the one-cycle schedule in epochs; None for a constant rate.
    smoothing
        The share of each label that is spread evenly over the ten digits.
    batch
        Images in a batch.
    from_bytes
        Whether the network receives the bytes of the images, or numbers in [0, 1].
    lean
        Whether the loss is computed from logits, without an accuracy on the way, and eight steps
        at a time; if not, there is a softmax, and ``fit`` tracks the accuracy step by step.
    """

    name: str
    change: str
    network: Callable[[], keras.Sequential]
    rate: float = 0.001
    epochs: int | None = None
    smoothing: float = 0.0
    batch: int = 64
    from_bytes: bool = False
    lean: bool = False

    @property
    def calls(self) -> int:
        """Steps of gradient descent in one call of the compiled function."""
        return 8 if self.lean else 1


def ladder() -> tuple[Step, ...]:
    """Return the steps, each made from the one before by one change."""
    steps = [
        Step(
            "listing",
            "The tutorial's listing as printed, trained on until it reaches 99.0 %.",
            convnet_32_64_64,
        )
    ]

    def then(name: str, change: str, **changed: Any) -> None:
        steps.append(replace(steps[-1], name=name, change=change, **changed))

    then(
        "pool_first",
        "Pooling before relu: the same function with a quarter of the relus.",
        network=pool_before_relu,
    )
    then(
        "batch_norm",
        "Batch normalisation before the relu of each convolution.",
        network=lambda: pool_before_relu(normalise=True),
    )
    then(
        "one_cycle",
        "The learning rate climbs to 0.01 and falls to nearly zero in two epochs.",
        rate=0.01,
        epochs=2,
    )
    then("smooth", "Labels are smoothed: 5 % of each is spread over all digits.", smoothing=0.05)
    then(
        "thin",
        "A thinner network: its first convolution moves by two pixels, one dense layer goes.",
        network=lambda: fast_convnet(crop=0, from_bytes=False),
    )
    then(
        "crop",
        "The outer two pixels, which hold 0.2 % of the ink, are cut off.",
        network=lambda: fast_convnet(from_bytes=False),
    )
    then("batch_128", "Batches of 128 images, so half as many steps.", batch=128)
    then(
        "bytes",
        "Images stay bytes, a quarter of the memory; the network itself standardises them.",
        network=fast_convnet,
        from_bytes=True,
    )
    then(
        "lean",
        "Training computes no accuracy and no softmax, and makes eight steps in one call.",
        lean=True,
    )
    return tuple(steps)


@dataclass(frozen=True)
class Digits:
    """MNIST as it is stored: bytes of shape (n, 28, 28, 1), and labels of shape (n,)."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load(path: Path | None) -> Digits:
    """Load the full MNIST from an ``.npz`` file, or as the course does."""
    if path is None:
        (x_train, y_train), (x_test, y_test) = mnist.load_data(full=True)
    else:
        with np.load(path, allow_pickle=False) as arrays:
            x_train, y_train, x_test, y_test = (
                arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")
            )
    if x_train.shape != (60_000, 28, 28) or x_test.shape != (10_000, 28, 28):
        raise ValueError(
            f"expected 60,000 and 10,000 images of 28 by 28, got {x_train.shape} and {x_test.shape}"
        )
    return Digits(x_train[..., None], y_train, x_test[..., None], y_test)


def prepare(step: Step, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images as the step wants them, and labels as one-hot vectors."""
    if not step.from_bytes:
        images = images.astype("float32") / 255
    return images, keras.utils.to_categorical(labels, CLASSES)


def compiled(step: Step, images: int) -> keras.Sequential:
    """Build and compile the step's network for a training set of so many images."""
    model = step.network()
    if not step.lean:
        model = keras.Sequential([model, layers.Softmax()])
    rate: Any = step.rate
    if step.epochs is not None:
        rate = OneCycle(step.rate, step.epochs * math.ceil(images / step.batch))
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=step.lean, label_smoothing=step.smoothing
    )
    model.compile(
        keras.optimizers.Adam(rate),
        loss,
        metrics=[] if step.lean else ["accuracy"],
        steps_per_execution=step.calls,
    )
    model.optimizer.build(model.trainable_variables)
    return model


def warm_up(model: keras.Sequential, step: Step, images: np.ndarray, labels: np.ndarray) -> float:
    """Let the backend trace and compile; undo the steps taken; return the seconds."""
    variables = [*model.variables, *model.optimizer.variables]
    before = [keras.ops.convert_to_numpy(variable) for variable in variables]
    some = step.batch * step.calls + 1
    start = time.perf_counter()
    model.fit(images[:some], labels[:some], batch_size=step.batch, verbose=0)
    seconds = time.perf_counter() - start
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    return seconds


def run(step: Step, digits: Digits, seed: int) -> dict[str, Any]:
    """Train until the target is reached; return seconds, epochs and accuracy."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = compiled(step, len(digits.x_train))
    compiling = warm_up(model, step, *prepare(step, digits.x_train[:2000], digits.y_train[:2000]))
    x_test, _ = prepare(step, digits.x_test, digits.y_test)

    start = time.perf_counter()
    images, labels = prepare(step, digits.x_train, digits.y_train)
    seconds = preparing = time.perf_counter() - start
    epochs, accuracy = 0, 0.0
    while accuracy < TARGET and epochs < MOST_EPOCHS:
        more = step.epochs if epochs == 0 and step.epochs else 1
        start = time.perf_counter()
        model.fit(images, labels, batch_size=step.batch, epochs=more, verbose=0)
        seconds += time.perf_counter() - start
        epochs += more
        digit = model.predict(x_test, batch_size=1000, verbose=0).argmax(axis=1)
        accuracy = float((digit == digits.y_test).mean())
    return {
        "seed": seed,
        "reached": accuracy >= TARGET,
        "epochs": epochs,
        "seconds": round(seconds, 2),
        "seconds_per_epoch": round((seconds - preparing) / epochs, 2),
        "seconds_to_compile": round(compiling, 2),
        "accuracy": round(accuracy, 4),
    }


def multiplications(model: keras.Model) -> int:
    """Return the multiply-adds of the convolutions and dense layers for one image."""
    kernels = (layers.Conv2D, layers.Dense)
    return sum(
        math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
        for layer in model.layers
        if isinstance(layer, kernels)
    )


def schedule_of_runs(steps: tuple[Step, ...], seeds: int, last: str) -> Iterator[tuple[Step, int]]:
    """Give step and seed of every run: seeds outside, steps inside, then more of the last step."""
    for seed in range(seeds):
        yield from ((step, seed) for step in steps)
    for seed in range(seeds, RECIPE_SEEDS):
        yield from ((step, seed) for step in steps if step.name == last)


def machine() -> dict[str, Any]:
    """Describe the machine and the software, with nothing that tells whose it is."""
    cpu = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        lines = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        cpu = lines[0].partition(":")[2].strip() if lines else cpu
    backend = keras.backend.backend()
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "backend": backend,
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: importlib.import_module(backend).__version__,
        "numpy": np.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def ratios(rungs: list[dict[str, Any]], seeds: int) -> dict[str, float | None]:
    """Return how many times faster the last rung is: ratios of medians, without and with compiling.

    None if a seed of the last rung misses the target. A seed of the first that misses it counts
    with the seconds until it was given up, which makes the ratio smaller than the truth.
    """
    first, last = rungs[0]["runs"][:seeds], rungs[-1]["runs"][:seeds]
    if not all(r["reached"] for r in last):
        return {"ratio": None, "ratio_with_compiling": None}

    def median(runs: list[dict[str, Any]], compiling: int) -> float:
        return statistics.median(r["seconds"] + compiling * r["seconds_to_compile"] for r in runs)

    return {
        "ratio": round(median(first, 0) / median(last, 0), 2),
        "ratio_with_compiling": round(median(first, 1) / median(last, 1), 2),
    }


def rung(step: Step, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the results say of one step."""
    model = step.network()
    return {
        "name": step.name,
        "change": step.change,
        "parameters": model.count_params(),
        "multiplications_per_image": multiplications(model),
        "median_seconds": round(statistics.median(r["seconds"] for r in runs), 2),
        "median_seconds_per_epoch": round(
            statistics.median(r["seconds_per_epoch"] for r in runs), 2
        ),
        "median_epochs": statistics.median(r["epochs"] for r in runs),
        "runs": runs,
    }


def table(rungs: list[dict[str, Any]]) -> str:
    """Return the rungs as text."""
    lines = [
        f"{'step':12}{'params':>9}{'mult-adds':>11}{'s/epoch':>9}{'epochs':>8}{'s to 99 %':>11}"
    ]
    lines[0] += "  seconds of each seed (* not reached)"
    for r in rungs:
        each = " ".join(f"{q['seconds']}{'' if q['reached'] else '*'}" for q in r["runs"])
        lines.append(
            f"{r['name']:12}{r['parameters']:9,}{r['multiplications_per_image']:11,}"
            f"{r['median_seconds_per_epoch']:9.2f}{r['median_epochs']:8g}{r['median_seconds']:11.2f}"
            f"  {each}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the ladder, print it, and save it if it is whole."""
    every = ladder()
    names = [step.name for step in every]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds for each step")
    parser.add_argument("--steps", nargs="+", choices=names, default=names, metavar="STEP")
    parser.add_argument("--data", type=Path, help="mnist.npz; else the course's loader fetches it")
    options = parser.parse_args()
    if options.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {options.seeds}")
    steps = tuple(step for step in every if step.name in options.steps)
    whole = len(steps) == len(every)

    digits = load(options.data)
    runs: dict[str, list[dict[str, Any]]] = {step.name: [] for step in steps}
    for step, seed in schedule_of_runs(steps, options.seeds, names[-1] if whole else ""):
        runs[step.name].append(run(step, digits, seed))
        print(step.name, runs[step.name][-1], flush=True)
    rungs = [rung(step, runs[step.name]) for step in steps]
    print(table(rungs))
    if whole:
        results = {
            "target": TARGET,
            "method": METHOD,
            "machine": machine(),
            "seeds": options.seeds,
            **ratios(rungs, options.seeds),
            "ladder": rungs,
        }
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print({key: results[key] for key in ("ratio", "ratio_with_compiling")})


if __name__ == "__main__":
    main()

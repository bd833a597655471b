"""Train the small Transformer that learns from its prompt, for three seeds, and keep its weights.

It is trained on clothes (Fashion-MNIST) only and then asked about digits. The method is in METHOD
and is written into the results.

    KERAS_BACKEND=tensorflow python benchmarks/in_context.py
    python benchmarks/in_context.py --seeds 1 --steps 200     (prints, saves nothing)
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

import argparse
import hashlib
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from mnist_time_to_99 import machine

from coursepkg.datasets import fashion_mnist, mnist
from coursepkg.models.in_context import in_context_transformer, learner
from coursepkg.scratch.in_context import CLASSES, FEATURES, answer, describe, lesson, random_tasks

FOLDER = Path(__file__).parents[1] / "coursepkg" / "recorded"
SEEDS, STEPS = 3, 3000
TASKS, EXAMPLES, FEWEST = 20, 64, 5
EPOCH = 100
PROMPT = 100

METHOD = (
    f"in_context_transformer({FEATURES}, {CLASSES}) of coursepkg.models, float32, {STEPS} updates "
    f"of {TASKS} random tasks with {EXAMPLES} examples and {FEWEST} to {CLASSES} classes each "
    "(coursepkg.scratch.in_context: random_tasks, lesson), made from the 5,000 training images of "
    "Fashion-MNIST in the package; no digit is seen. Adam, learning rate up to 0.003 with a "
    "warm-up and a cosine, gradient clipped to norm 1; one processor core. After every "
    f"{EPOCH} updates the accuracy on digits is measured: prompts of {PROMPT} digits, drawn from "
    "the first 10,000 training images of MNIST, and 500 questions, from the last 2,000; the mean "
    "over 3 prompts. All choices were made on training digits; no test image was looked at. The "
    "weights are kept as float16. cpu_seconds add up all work of the process, the accuracies "
    "included."
)


def lessons(seed: int) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
    """Yield batches without end: tokens and mask, and the labels of the questions."""
    (images, kinds), _ = fashion_mnist.load_data()
    rng = np.random.default_rng(seed)
    described = describe(images)
    while True:
        tasks, labels = random_tasks(described, kinds, TASKS, EXAMPLES, rng, FEWEST)
        yield lesson(tasks, labels, CLASSES), labels


def digit_accuracy(weights: list[np.ndarray], prompts: int = 3, questions: int = 500) -> float:
    """Return the share of digits that are read rightly, over several prompts of digits."""
    (images, labels), _ = mnist.load_data()
    described = describe(images)
    shares = []
    for draw in range(prompts):
        rng = np.random.default_rng([draw, PROMPT])
        rows, asked = rng.permutation(10_000)[:PROMPT], 10_000 + rng.permutation(2000)[:questions]
        given = answer(weights, described[rows], labels[rows], described[asked])
        shares.append((given == labels[asked]).mean())
    return float(np.mean(shares))


def train(seed: int, steps: int) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Train with one seed; return the weights as float16, and the record of the training."""
    keras.utils.set_random_seed(seed)
    network = in_context_transformer(FEATURES, CLASSES)
    model = learner(network, EXAMPLES, steps)
    batches, record, start = lessons(seed), [], time.process_time()
    for step in range(EPOCH, steps + 1, EPOCH):
        run = model.fit(batches, steps_per_epoch=EPOCH, shuffle=False, verbose=0).history
        digits = digit_accuracy(network.get_weights())
        record.append([step, run["loss"][-1], run["accuracy"][-1], digits])
        seconds = time.process_time() - start
        print(seed, *(f"{value:.4g}" for value in record[-1]), f"{seconds:.0f} s", flush=True)
    weights = [array.astype(np.float16) for array in network.get_weights()]
    return weights, {
        "seed": seed,
        "parameters": network.count_params(),
        "cpu_seconds": round(seconds),
        "columns": ["updates", "loss on clothes", "accuracy on clothes", "accuracy on digits"],
        "curve": [[int(row[0]), *(round(value, 4) for value in row[1:])] for row in record],
    }


def main() -> None:
    """Train, print, and save if nothing was changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    arrays, runs = {}, []
    for seed in range(options.seeds):
        weights, run = train(seed, options.steps)
        arrays |= {f"{seed}_{index:02d}": array for index, array in enumerate(weights)}
        runs.append(run)
    if (options.seeds, options.steps) != (SEEDS, STEPS):
        return
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    (FOLDER / "in_context.npz").write_bytes(file.getvalue())
    results = {
        "method": METHOD,
        "machine": machine(),
        "sha256": hashlib.sha256(file.getvalue()).hexdigest(),
        "runs": runs,
    }
    text = json.dumps(results, indent=1) + "\n"
    (FOLDER / "in_context.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

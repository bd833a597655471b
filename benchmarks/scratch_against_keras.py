"""How many times slower the layers from scratch are than those of Keras (TensorFlow, CPU).

A case builds, for a size, four functions without arguments: forward from scratch, forward and
backward from scratch, and the same two in Keras. The first size of a case is the one for which
there are limits; the others show how the time grows. The method is in METHOD and is written into
the results.

    python benchmarks/scratch_against_keras.py                         (all cases, saved)
    python benchmarks/scratch_against_keras.py --cases lstm --runs 30   (prints, saves nothing)
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import keras
import numpy as np
import tensorflow as tf
from mnist_time_to_99 import machine

from coursepkg.scratch.attention import SelfAttention
from coursepkg.scratch.convolution import Convolution
from coursepkg.scratch.recurrence import LSTM

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "scratch_against_keras.json"
RUNS = 15
WARM_UP = 2

METHOD = (
    "Forward, and forward followed by backward with the gradients by the input and by all "
    "parameters, of one layer in float32: the package's own in NumPy, and Keras's, called in a "
    "compiled tf.function. The four functions take turns, so that whatever else the machine does "
    f"falls on all alike; after {WARM_UP} rounds to warm up, the median of each is taken. Backward "
    "is the difference of the medians. NumPy and TensorFlow get one thread each, as two pools of "
    "threads in one process would get in each other's way. The limits hold for the first size of "
    "a case; growth is the time of both passes as a multiple of that at the first size."
)

Run = Callable[[], object]
Runs = tuple[Run, Run, Run, Run]


def keras_runs(layer: Callable, x: np.ndarray, upstream: np.ndarray) -> tuple[Run, Run]:
    """Compile a layer's forward pass, and both passes with all gradients, at one input."""
    point, weight = tf.constant(x), tf.constant(upstream)
    layer(point)

    @tf.function
    def forward() -> tf.Tensor:
        return layer(point)

    @tf.function
    def both() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(point)
            output = layer(point)
        sources = [point, *tape.watched_variables()]
        return tape.gradient(output, sources, output_gradients=weight)

    return forward, both


def convolution(images: int, side: int, inputs: int, outputs: int, window: int) -> Runs:
    """2-D convolution, padding "same": (images, side, side, inputs) to (..., outputs)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(images, side, side, inputs)).astype(np.float32)
    upstream = rng.normal(size=(images, side, side, outputs)).astype(np.float32)
    ours = Convolution(inputs, outputs, window, rng, padding="same", dtype=np.float32)
    theirs = keras.layers.Conv2D(outputs, window, padding="same")

    def both() -> None:
        ours.forward(x)
        ours.backward(upstream)

    return lambda: ours.forward(x), both, *keras_runs(theirs, x, upstream)


def attention(sequences: int, length: int, width: int, heads: int) -> Runs:
    """Multi-head self-attention: (sequences, length, width)."""
    rng = np.random.default_rng(0)
    x, upstream = rng.normal(size=(2, sequences, length, width)).astype(np.float32)
    ours = SelfAttention(width, heads, rng, dtype=np.float32)
    theirs = keras.layers.MultiHeadAttention(heads, width // heads)

    def both() -> None:
        ours.forward(x)
        ours.backward(upstream)

    return lambda: ours.forward(x), both, *keras_runs(lambda x: theirs(x, x), x, upstream)


def lstm(sequences: int, length: int, inputs: int, units: int) -> Runs:
    """LSTM that returns its outputs at all steps: (sequences, length, inputs) to (..., units)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(sequences, length, inputs)).astype(np.float32)
    upstream = rng.normal(size=(sequences, length, units)).astype(np.float32)
    ours = LSTM(inputs, units, rng, return_sequences=True, dtype=np.float32)
    theirs = keras.layers.LSTM(units, return_sequences=True)

    def both() -> None:
        ours.forward(x)
        ours.backward(upstream)

    return lambda: ours.forward(x), both, *keras_runs(theirs, x, upstream)


@dataclass(frozen=True)
class Case:
    """What is timed, for which sizes, and how many times slower than Keras each part may be.

    The parts are "forward", "backward" and "both".
    """

    build: Callable[..., Runs]
    sizes: tuple[tuple[int, ...], ...]
    limits: dict[str, float]


CASES = {
    "convolution": Case(
        convolution,
        (
            (64, 28, 32, 64, 3),
            (16, 28, 32, 64, 3),
            (64, 14, 32, 64, 3),
            (64, 28, 64, 64, 3),
            (64, 28, 32, 64, 5),
        ),
        {"forward": 3.0, "backward": 4.0},
    ),
    "attention": Case(
        attention,
        ((32, 128, 256, 8), (32, 64, 256, 8), (32, 256, 256, 8), (32, 128, 512, 8)),
        {"both": 2.0},
    ),
    "lstm": Case(
        lstm,
        ((64, 100, 128, 128), (64, 50, 128, 128), (64, 200, 128, 128), (64, 100, 128, 256)),
        {"both": 4.0},
    ),
}


def medians(functions: Runs, runs: int) -> list[float]:
    """Run the functions in turn; return the median milliseconds of each."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(WARM_UP + runs):
        for taken, function in zip(times, functions, strict=True):
            start = time.perf_counter()
            function()
            taken.append(1000 * (time.perf_counter() - start))
    return [statistics.median(taken[WARM_UP:]) for taken in times]


def measured(size: tuple[int, ...], times: list[float]) -> dict[str, Any]:
    """Return the milliseconds of forward, both and backward, ours and Keras's, and the ratios."""
    forward, both, their_forward, their_both = times
    parts = {
        "forward": (forward, their_forward),
        "both": (both, their_both),
        "backward": (both - forward, their_both - their_forward),
    }
    return {
        "size": size,
        "milliseconds": {part: round(ours, 2) for part, (ours, _) in parts.items()},
        "milliseconds_keras": {part: round(theirs, 2) for part, (_, theirs) in parts.items()},
        "ratio": {part: round(ours / theirs, 2) for part, (ours, theirs) in parts.items()},
    }


def run(name: str, runs: int) -> dict[str, Any]:
    """Time a case at all its sizes, print a line for each, and return what the results say."""
    case, rows = CASES[name], []
    for size in case.sizes:
        rows.append(row := measured(size, medians(case.build(*size), runs)))
        for key in ("milliseconds", "milliseconds_keras"):
            row[key.replace("milliseconds", "growth")] = round(
                row[key]["both"] / rows[0][key]["both"], 2
            )
        print(f"{name + ' ' + 'x'.join(map(str, size)):30}", end="")
        for part, ratio in row["ratio"].items():
            times = f"{row['milliseconds'][part]:.1f}/{row['milliseconds_keras'][part]:.1f}"
            print(f"{times:>15}{ratio:6.2f}", end="")
        print(f"{row['growth']:9.2f}/{row['growth_keras']:.2f}", flush=True)
    kept = {part: rows[0]["ratio"][part] <= limit for part, limit in case.limits.items()}
    print(f"{'':30}limits {case.limits}, kept: {kept}", flush=True)
    return {"name": name, "limits": case.limits, "kept": kept, "sizes": rows}


def main() -> None:
    """Time the cases, print a line for each size, and save the results if they are whole."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of each function")
    options = parser.parse_args()
    if options.runs < 1:
        raise ValueError(f"--runs must be at least 1, got {options.runs}")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    print(f"{'case and size':30}", end="")
    print("".join(f"{part + ': ms/Keras':>15} ratio" for part in ("forward", "both", "backward")))
    cases = [run(name, options.runs) for name in options.cases]
    if options.cases == list(CASES) and options.runs >= RUNS:
        results = {"method": METHOD, "machine": machine(), "runs": options.runs, "cases": cases}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

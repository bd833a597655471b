"""What a second process brings: data-parallel training on one and on two, and sums over a ring.

Each process has one processor core to itself. The method is in METHOD and is written into the
results.

    python benchmarks/data_parallel.py
    python benchmarks/data_parallel.py --rounds 1     (prints, saves nothing)
"""

import argparse
import json
import statistics
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from mnist_time_to_99 import machine

from coursepkg.hardware.distributed import checkpoints
from coursepkg.hardware.distributed.launcher import WORKER, WorkerFailed, launch
from coursepkg.scratch.collectives import fit_latency_and_bandwidth
from coursepkg.scratch.scaling import fit_step_time

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "data_parallel.json"
RING = "coursepkg.hardware.distributed.ring"
TENSOR = "coursepkg.hardware.distributed.tensor"
ROUNDS = 3
WIDTH, STEPS, BATCHES = 512, 12, (64, 128, 256, 512, 1024, 2048, 4096)
SIZES = tuple(4**k for k in range(5, 13))
REPEATS = 30
METHOD = (
    f"MLP 784-{WIDTH}-10 with ReLU on the 12,000 training images of MNIST in the package. Tools: "
    "'ring' is NumPy in float64 with the all-reduce over sockets of coursepkg.hardware.distributed"
    ".ring; 'keras' is Keras on JAX with keras.distribution.DataParallel, float32, and Gloo. Every "
    "process is pinned to a core of its own and multiplies matrices on one thread. For each number "
    f"of processes and examples of a step (all processes together): {STEPS} steps, of which the "
    "first two do not count; the time of a step is the median over the others on worker 0, and of "
    f"that the median over {ROUNDS} rounds. Strong efficiency: time on one process over twice the "
    "time on two, at the same number of examples. Weak efficiency: time on one process over the "
    "time on two with twice the examples. The ring: medians of "
    f"{REPEATS} all-reduces a size of float32 over two processes, and over the rounds; latency and "
    "bandwidth by a fit of relative deviations to 2 (n - 1) (latency + size / (n bandwidth)). "
    "Proofs: largest absolute differences of losses and weights after 20 steps with momentum, of "
    "two processes to one (batch 65, so shards of 33 and 32), of a run that was killed at step 12 "
    "and taken up by one process from the checkpoint of step 10 to one that was not, and, after 5 "
    "steps, of a network cut over four simulated devices to one device; the same in NumPy after 20 "
    "steps on one and two processes (batch 97); and the seconds from the death of a worker until "
    "the launcher reported it. Losses: those of the Keras runs."
)


def step_seconds(tool: str, workers: int, batch: int) -> float:
    """Train a few steps in fresh processes; return the median time of a step."""
    with tempfile.TemporaryDirectory() as folder:
        common = ["--steps", str(STEPS), "--batch", str(batch), "--width", str(WIDTH)]
        result = Path(folder) / "result.npz"
        if tool == "ring":
            launch(workers, ["--output", str(result), *common], module=RING, pin=True)
        else:
            arguments = ["--folder", folder, "--every", str(10 * STEPS), *common]
            launch(workers, arguments, module=WORKER, pin=True)
        with np.load(result) as arrays:
            if tool == "ring":
                seconds = arrays["compute"] + arrays["communicate"]
            else:
                seconds = arrays["seconds"]
        return float(np.median(seconds[2:]))


def all_reduce_seconds() -> list[float]:
    """Time sums over two processes; return the median for each size."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.npz"
        sizes = ",".join(map(str, SIZES))
        arguments = ["--output", str(result), "--sizes", sizes, "--repeats", str(REPEATS)]
        launch(2, arguments, module=RING, pin=True)
        with np.load(result) as arrays:
            return [float(value) for value in np.median(arrays["seconds"], axis=1)]


def efficiency(times: dict[tuple[int, int], float]) -> dict[str, dict[str, float]]:
    """Return strong and weak efficiency by the number of examples on one process."""
    strong = {b: times[1, b] / (2 * times[2, b]) for b in BATCHES}
    weak = {b: times[1, b] / times[2, 2 * b] for b in BATCHES[:-1]}
    return {
        name: {str(batch): round(value, 3) for batch, value in values.items()}
        for name, values in (("strong", strong), ("weak", weak))
    }


def measure(tool: str, rounds: int) -> dict[str, Any]:
    """Time one tool for all numbers of processes and examples."""
    keys = [(workers, batch) for workers in (1, 2) for batch in BATCHES]
    times = {
        key: statistics.median(step_seconds(tool, *key) for _ in range(rounds)) for key in keys
    }
    serial, slope, exchange = fit_step_time(
        [workers for workers, _ in keys], [batch for _, batch in keys], [times[k] for k in keys]
    )
    return {
        "tool": tool,
        "steps": [
            {"workers": workers, "batch": batch, "seconds": round(times[workers, batch], 6)}
            for workers, batch in keys
        ],
        "serial_seconds": round(serial, 6),
        "seconds_per_example": round(slope, 9),
        "exchange_seconds": round(exchange, 6),
        "efficiency": efficiency(times),
    }


def difference(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> float:
    """Return the largest difference of weights, and of the losses of the steps that both have."""
    pairs = [(some[key], others[key]) for key in some if key.startswith("weight")]
    pairs.append((some["losses"], others["losses"][-len(some["losses"]) :]))
    return float(max(np.abs(one - other).max() for one, other in pairs))


def proofs() -> dict[str, Any]:
    """Compare runs that should be equal; tell what the launcher said of one that was killed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        common = ["--batch", "65"]

        def trained(workers: int, run: str, *more: str) -> dict[str, np.ndarray]:
            launch(workers, ["--folder", str(folder / run), *common, *more])
            with np.load(folder / run / "result.npz") as arrays:
                return dict(arrays)

        def trained_in_numpy(workers: int) -> dict[str, np.ndarray]:
            output = folder / "numpy.npz"
            arguments = ["--output", str(output), "--batch", "97", "--steps", "20"]
            launch(workers, arguments, module=RING)
            with np.load(output) as arrays:
                return dict(arrays)

        ring = difference(trained_in_numpy(1), trained_in_numpy(2))
        one, two = trained(1, "one"), trained(2, "two")
        try:
            trained(2, "killed", "--kill", "1:12")
            raise RuntimeError("the worker that was to be killed went on")
        except WorkerFailed as failure:
            killed = {
                "message": str(failure).splitlines()[0],
                "checkpoint": checkpoints.latest(folder / "killed")[0],
                "noticed_after_seconds": round(failure.seconds, 2),
            }
        again = trained(1, "killed")
        launch(1, ["--output", str(folder / "cut.npz")], module=TENSOR)
        with np.load(folder / "cut.npz") as arrays:
            devices = dict(arrays)
    names = [key.partition("_")[2] for key in devices if key.startswith("whole_")]
    cut = [
        np.abs(devices[f"cut_{key}"] - devices[f"whole_{key}"]).max()
        for key in names
        if "shape" not in key
    ]
    largest = {
        "two_processes_in_numpy": ring,
        "two_processes": difference(one, two),
        "taken_up": difference(again, two),
        "four_devices": float(max(cut)),
    }
    runs = {"one process": one, "two processes": two, "taken up": again}
    losses = {
        run: [round(float(loss), 4) for loss in found["losses"]] for run, found in runs.items()
    }
    shapes = [devices[f"cut_shape_{k}"].tolist() for k in range(4)]
    return {"proofs": largest, "killed": killed, "device_shapes": shapes, "losses": losses}


def main() -> None:
    """Measure, print, and save the results if all rounds were run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    if rounds < 1:
        raise ValueError(f"--rounds must be at least 1, got {rounds}")
    runs = [all_reduce_seconds() for _ in range(rounds)]
    seconds = [statistics.median(times) for times in zip(*runs, strict=True)]
    latency, bandwidth = fit_latency_and_bandwidth(2, SIZES, seconds)
    all_reduce = {
        "workers": 2,
        "sizes": list(SIZES),
        "seconds": [round(value, 7) for value in seconds],
        "latency": round(latency, 7),
        "bandwidth": round(bandwidth),
    }
    print(json.dumps(all_reduce), flush=True)
    cases = []
    for tool in ("ring", "keras"):
        cases.append(measure(tool, rounds))
        print(json.dumps(cases[-1]), flush=True)
    compared = proofs()
    print(json.dumps(compared), flush=True)
    if rounds == ROUNDS:
        record = {
            "method": METHOD,
            "machine": machine() | {"jax": version("jax")},
            "rounds": rounds,
            "all_reduce": all_reduce,
            "cases": cases,
            **compared,
        }
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

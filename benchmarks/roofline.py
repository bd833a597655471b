"""What the roofline predicts for a dozen real layers, against the time that they take.

python benchmarks/roofline.py
python benchmarks/roofline.py --rounds 1     (prints, saves nothing)
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from mnist_time_to_99 import machine

from coursepkg.hardware import backend
from coursepkg.hardware.layer_times import layer_times
from coursepkg.hardware.peak import (
    bandwidth,
    call_overhead,
    device_bandwidth,
    moving_seconds,
    peak,
)
from coursepkg.hardware.roofline import Roofline, seconds_by_size

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "roofline.json"
ROUNDS = 5
METHOD = (
    "Twelve layers of Keras in float32 (coursepkg.hardware.layer_times.LAYERS), each compiled and "
    "run forward on the default device, its weights as inputs of the program. Measured: the "
    "fastest of 7 repeats and of the rounds, in each of which all layers run once; the limits are "
    "fastest runs, too, measured anew in each round. The error is |predicted / measured - 1|. "
    "Operations F and bytes Q are those of coursepkg.hardware.cost. Prediction 'memory': overhead "
    "+ max(F / peak, Q / bandwidth), with the peak of the matrix product in float32, the bandwidth "
    "of STREAM's sum in memory (on a processor with the bytes of write-allocate left out) and, as "
    "the overhead, the time of a compiled program that adds 1 to one number. Prediction 'moving': "
    "max(overhead + F / peak, t(Q)), where t(Q) is the time of a compiled program that adds 1 to "
    "an array of so many bytes read and written, interpolated between powers of two; it holds the "
    "caches and the waking of threads. Of the rounds' predictions the shortest counts."
)
SIZES = [2**power for power in range(14, 29)]  # bytes
KINDS = ("memory", "moving")


def limits() -> Roofline:
    """Measure the roofline of the default device."""
    found = peak("float32", 3.0)
    if found is None:
        raise RuntimeError("the backend multiplies no matrices of float32")
    moved = device_bandwidth() if backend.accelerator() else bandwidth().rate
    return Roofline(found.rate, moved, call_overhead())


def one_round() -> list[dict[str, Any]]:
    """Measure the limits and then every layer."""
    roof, moving = limits(), moving_seconds(SIZES)
    rows = []
    for layer in layer_times(roof, repeats=7):
        by_size = seconds_by_size(roof, SIZES, moving, layer.operations, layer.moved)
        rows.append(
            {
                "name": layer.name,
                "intensity": round(layer.intensity, 3),
                "limit": layer.limit,
                "measured": layer.measured,
                "memory": layer.predicted,
                "moving": by_size,
            }
        )
    return rows


def measure(rounds: int) -> dict[str, Any]:
    """Return the layers with predicted and measured seconds, and the median errors."""
    layers = []
    for same in zip(*(one_round() for _ in range(rounds)), strict=True):
        row = dict(same[0])
        for kind in ("measured", *KINDS):
            row[kind] = min(one[kind] for one in same)
        for kind in KINDS:
            row[f"error_{kind}"] = round(abs(row[kind] / row["measured"] - 1), 3)
        layers.append(row)
    errors = {
        f"median_error_{kind}": statistics.median(row[f"error_{kind}"] for row in layers)
        for kind in KINDS
    }
    return {"layers": layers, **errors}


def main() -> None:
    """Measure, print, and save the results if all rounds were run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measurements of each")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        raise ValueError(f"--rounds must be at least 1, got {rounds}")
    results = measure(rounds)
    print(json.dumps(results, indent=1))
    if rounds == ROUNDS:
        record = {"method": METHOD, "machine": machine(), "rounds": rounds, **results}
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

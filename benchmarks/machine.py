"""Record what this machine can do, to be shown in the chapter beside the reader's own.

It runs on any backend of Keras, with or without a graphics processor:

    KERAS_BACKEND=jax python benchmarks/machine.py my-machine
    KERAS_BACKEND=torch python benchmarks/machine.py my-machine --seconds 2 --print

The file is coursepkg/recorded/machines/my-machine.json.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from coursepkg.hardware import backend, ladder
from coursepkg.hardware.machine import this_machine
from coursepkg.hardware.peak import (
    TYPES,
    bandwidth,
    call_overhead,
    device_bandwidth,
    numpy_peak,
    peak,
)

FOLDER = Path(__file__).parents[1] / "coursepkg" / "recorded" / "machines"
METHOD = (
    "Operations a second of the backend's default device, by type: matrix products of growing "
    "size, as single calls and compiled, 2 n^3 operations each; the fastest run (coursepkg."
    "hardware.peak.peak). The same with NumPy's BLAS on the processor. Bandwidth of the "
    "processor's memory: STREAM's sum in float64, 24 bytes for each entry, all threads, the "
    "fastest of 5 runs; of the device's memory: the compiled sum in float32, 12 bytes for each "
    "entry. Ladders: one matrix product and one convolution, from a loop in Python to the "
    "accelerator (coursepkg.hardware.ladder); the median of 5 repeats, operations a second. "
    "Every time is taken after warm-up and ends when the result is there."
)


def survey(seconds: float) -> dict[str, Any]:
    """Measure everything; `seconds` is the budget for each type of number."""
    found = {dtype: peak(dtype, seconds) for dtype in TYPES}
    blas = {dtype: numpy_peak(dtype, None, seconds).rate for dtype in ("float32", "float64")}
    memory = bandwidth()
    return {
        "method": METHOD,
        "machine": this_machine().as_json(),
        "device": backend.accelerator() or "cpu:0",
        "peak": {dtype: one.rate if one else None for dtype, one in found.items()},
        "numpy_peak": blas,
        "bandwidth": memory.rate,
        "device_bandwidth": device_bandwidth() if backend.accelerator() else memory.rate,
        "overhead": call_overhead(),
        "product": ladder.climb(ladder.product_rungs(), ladder.product_problem, 5),
        "convolution": ladder.climb(ladder.convolution_rungs(), ladder.convolution_problem, 5),
    }


def main() -> None:
    """Measure, and write the file or print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of the file: letters, digits, - and _")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each type of number")
    parser.add_argument("--print", action="store_true", help="print the record, write no file")
    arguments = parser.parse_args()
    if not re.fullmatch(r"[\w-]+", arguments.name):
        raise ValueError(f"expected a name of letters, digits, - and _, got {arguments.name!r}")
    record = json.dumps(survey(arguments.seconds), indent=1) + "\n"
    if arguments.print:
        print(record)
        return
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{arguments.name}.json").write_text(record, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The measured peak of the backend's matrix product, against that of the BLAS behind NumPy.

python benchmarks/peak.py
python benchmarks/peak.py --rounds 1     (prints, saves nothing)
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from mnist_time_to_99 import machine

from coursepkg.hardware.machine import required, usable_threads
from coursepkg.hardware.peak import bandwidth, numpy_peak, peak

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "peak.json"
ROUNDS = 5
SIZES = (512, 1024, 2048, 4096)
METHOD = (
    "Matrix products of n by n numbers, 2 n^3 operations each; for each n the fastest run of all "
    "rounds counts, 5 timed runs a round after a warm-up, all threads. The backend of Keras runs "
    "as single calls and as a compiled program, the faster counts; NumPy runs its BLAS. The two "
    "take turns at every n. The ratio is that of the highest rates over all n; above 1 the backend "
    "is faster. Bandwidth: STREAM's sum a = b + c in float64, 24 bytes for each entry, all "
    "threads, arrays four times as large as the last cache; the fastest of all rounds."
)


def rates(dtype: str, rounds: int) -> dict[str, dict[int, float]]:
    """Return the highest rates of the backend and of NumPy for each n, in operations a second."""
    best = {"backend": dict.fromkeys(SIZES, 0.0), "numpy": dict.fromkeys(SIZES, 0.0)}
    for _ in range(rounds):
        for size in SIZES:
            mine = peak(dtype, math.inf, "cpu:0", (size,))
            if mine is None:
                raise RuntimeError(f"the backend multiplies no matrices of {dtype}")
            blas = numpy_peak(dtype, None, math.inf, (size,))
            best["backend"][size] = max(best["backend"][size], mine.rate)
            best["numpy"][size] = max(best["numpy"][size], blas.rate)
    return best


def measure(rounds: int) -> dict[str, Any]:
    """Return the highest rates of float32 and float64 and their ratios, and the bandwidth."""
    libraries = required("threadpoolctl").threadpool_info()
    blas_threads = [one["num_threads"] for one in libraries if one["user_api"] == "blas"]
    result: dict[str, Any] = {"usable_threads": usable_threads(), "blas_threads": blas_threads}
    for dtype in ("float32", "float64"):
        best = rates(dtype, rounds)
        highest = {library: max(by_size.values()) for library, by_size in best.items()}
        result[dtype] = {
            "backend_gflops": round(highest["backend"] / 1e9, 1),
            "numpy_gflops": round(highest["numpy"] / 1e9, 1),
            "ratio": round(highest["backend"] / highest["numpy"], 3),
            "gflops_by_size": {
                library: {size: round(rate / 1e9, 1) for size, rate in by_size.items()}
                for library, by_size in best.items()
            },
        }
    found = max((bandwidth() for _ in range(rounds)), key=lambda one: one.rate)
    result["bandwidth_gb_s"] = round(found.rate / 1e9, 2)
    result["with_write_allocate_gb_s"] = round(found.with_write_allocate / 1e9, 2)
    return result


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

"""The two limits of a machine, measured: operations a second, and bytes a second."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from coursepkg.hardware import backend
from coursepkg.hardware.machine import caches, required, usable_threads
from coursepkg.hardware.timing import Clock, measure

TYPES = ("float64", "float32", "bfloat16", "float16", "int8")
SIZES = (256, 512, 1024, 2048, 4096, 8192, 16384)
ENTRY_BYTES = 24  # of a sum in float64: b and c read, a written
WRITE_ALLOCATE = 8  # and a read, by processors that fetch a line before they write to it


@dataclass(frozen=True)
class Peak:
    """The highest rate that was reached.

    Attributes
    ----------
    dtype : str
        Type of the numbers that are multiplied.
    rate : float
        Operations a second.
    size : int
        n, for which it was reached.
    """

    dtype: str
    rate: float
    size: int


@dataclass(frozen=True)
class Bandwidth:
    """How fast the memory is.

    Attributes
    ----------
    rate : float
        Bytes a second that the program asked for: the count of the STREAM benchmark.
    with_write_allocate : float
        The same with the bytes that a processor reads because it is going to overwrite them. This
        is nearer to what the memory does, if the processor works so; most do.
    array_bytes : int
        Of each of the three arrays.
    threads : int
    """

    rate: float
    with_write_allocate: float
    array_bytes: int
    threads: int


def highest_rate(
    multiply: Callable[[int], Callable[[], Any]],
    dtype: str,
    budget: float = 1.0,
    sizes: tuple[int, ...] = SIZES,
    clock: Clock = time.perf_counter,
) -> Peak:
    """Multiply larger and larger matrices until the time is used up; keep the highest rate.

    Parameters
    ----------
    multiply : callable
        Takes n and returns a function without arguments that does the product of two n by n
        matrices.
    dtype : str
        Written into the result.
    budget : float
        Seconds of measured runs, all sizes together; compilers are not counted. A size is left out
        if seven runs of it would last longer than what remains, to judge by the last size and the
        8-fold work; the first size always runs. ``math.inf``: all sizes run.
    sizes : tuple of int
        The n to try, in order.
    clock : callable
        Returns seconds.

    Returns
    -------
    Peak

    Raises
    ------
    ValueError
        If the budget is not positive or there is no size.
    """
    if budget <= 0 or not sizes:
        raise ValueError(f"expected a positive budget and some sizes, got {budget} and {sizes}")
    best = Peak(dtype, 0.0, sizes[0])
    seconds = 0.0
    for before, size in zip((sizes[0], *sizes), sizes, strict=False):
        if 7 * seconds * (size / before) ** 3 > budget:
            break
        timing = measure(multiply(size), repeats=5, at_least=0.002, warm_up=1, clock=clock)
        budget -= timing.calls * sum(timing.seconds)
        seconds = timing.best
        best = max(best, Peak(dtype, 2 * size**3 / seconds, size), key=lambda peak: peak.rate)
    return best


def peak(
    dtype: str,
    budget: float = 1.0,
    device: str | None = None,
    sizes: tuple[int, ...] = SIZES,
    clock: Clock = time.perf_counter,
) -> Peak | None:
    """Measure how many operations a second the backend reaches with numbers of a type.

    The matrix product runs as single calls and as a compiled program, half of the budget each; the
    faster of the two counts. The product of int8 sums in int32.

    Parameters
    ----------
    dtype : str
        One of `TYPES`.
    budget, sizes : float, tuple of int
        As in `highest_rate`.
    device : str, optional
        Such as "cpu:0"; None: the backend's default.
    clock : callable
        Returns seconds.

    Returns
    -------
    Peak or None
        None if the backend cannot multiply such matrices on this device.

    Raises
    ------
    ValueError
        If the type is another one.
    """
    if dtype not in TYPES:
        raise ValueError(f"expected a type of {TYPES}, got {dtype!r}")
    found = []
    with backend.wide_types():
        for function in (keras.ops.matmul, backend.compiled(keras.ops.matmul)):
            try:
                multiply = _products(function, dtype, device)
                found.append(highest_rate(multiply, dtype, budget / 2, sizes, clock))
            except Exception as error:
                if not _is_refusal(error):
                    raise
    return max(found, key=lambda one: one.rate, default=None)


def _is_refusal(error: Exception) -> bool:
    """Tell whether a backend refuses a type, by an error of its own or of Python's kinds."""
    home = type(error).__module__.partition(".")[0]
    return home in {"tensorflow", "jax", "jaxlib", "torch"} or isinstance(
        error, TypeError | NotImplementedError | RuntimeError
    )


def _products(
    function: Callable[..., Any], dtype: str, device: str | None
) -> Callable[[int], Callable[[], Any]]:
    def multiply(size: int) -> Callable[[], Any]:
        rng = np.random.default_rng(0)
        a, b = (
            backend.tensor(rng.integers(-3, 4, size=(size, size)), dtype, device) for _ in range(2)
        )

        def run() -> Any:
            if device is None:
                return function(a, b)
            with keras.device(device):
                return function(a, b)

        return run

    return multiply


def numpy_peak(
    dtype: str = "float32",
    threads: int | None = None,
    budget: float = 1.0,
    sizes: tuple[int, ...] = SIZES,
    clock: Clock = time.perf_counter,
) -> Peak:
    """Measure the same with NumPy, whose matrix product is that of a BLAS library.

    Parameters
    ----------
    dtype : str
        "float64" or "float32": a BLAS library has no other real types.
    threads : int, optional
        None: as many as the library takes.
    budget, sizes : float, tuple of int
        As in `highest_rate`.
    clock : callable
        Returns seconds.

    Returns
    -------
    Peak

    Raises
    ------
    ValueError
        If the type is another one.
    """
    if dtype not in ("float64", "float32"):
        raise ValueError(f"expected float64 or float32, got {dtype!r}")

    def multiply(size: int) -> Callable[[], np.ndarray]:
        a, b = np.random.default_rng(0).normal(size=(2, size, size)).astype(dtype)
        result = np.empty_like(a)
        return lambda: np.matmul(a, b, out=result)

    with blas_threads(threads):
        return highest_rate(multiply, dtype, budget, sizes, clock)


def blas_threads(threads: int | None) -> Any:
    """Return a context in which BLAS libraries use so many threads; None changes nothing.

    Raises
    ------
    ImportError
        If threadpoolctl is not installed.
    """
    return required("threadpoolctl").threadpool_limits(limits=threads, user_api="blas")


def stream_sum(a: np.ndarray, b: np.ndarray, c: np.ndarray, threads: int = 1) -> None:
    """Compute a = b + c in one pass through the memory: the kernel "Add" of the STREAM benchmark.

    Each thread has a piece of the arrays; NumPy lets other threads run while it computes.

    Parameters
    ----------
    a, b, c : ndarray
        One axis, equal lengths.
    threads : int

    Raises
    ------
    ValueError
        If the shapes differ or `threads` is less than 1.
    """
    if not a.shape == b.shape == c.shape == (a.size,) or threads < 1:
        raise ValueError(
            "expected three arrays of one axis and equal lengths and at least 1 thread, got "
            f"{a.shape}, {b.shape}, {c.shape} and {threads}"
        )
    if threads == 1:
        np.add(b, c, out=a)
        return
    ends = np.linspace(0, len(a), threads + 1).astype(int)
    pieces = [slice(start, end) for start, end in pairwise(ends)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda here: np.add(b[here], c[here], out=a[here]), pieces))


def bandwidth(
    threads: int | None = None,
    array_bytes: int | None = None,
    repeats: int = 5,
    clock: Clock = time.perf_counter,
) -> Bandwidth:
    """Measure how fast the processor's memory is, by STREAM's sum a = b + c.

    The rule of STREAM: each array is at least four times as large as the last cache, so that
    nothing is found there; the arrays are touched once before; the fastest run counts.

    Parameters
    ----------
    threads : int, optional
        None: as many as the program may use.
    array_bytes : int, optional
        Of each array; None: four times the last cache, 64 MiB at least, and at most a sixteenth
        of the free memory.
    repeats : int
        Runs.
    clock : callable
        Returns seconds.

    Returns
    -------
    Bandwidth

    Raises
    ------
    ValueError
        If an array would have less than one entry.
    """
    threads = usable_threads() if threads is None else threads
    size = default_array_bytes() if array_bytes is None else array_bytes
    if size < 8:
        raise ValueError(f"expected arrays of at least 8 bytes, got {size}")
    count = size // 8
    a, b, c = np.zeros(count), np.ones(count), np.full(count, 2.0)
    timing = measure(lambda: stream_sum(a, b, c, threads), repeats, 0.0, 1, clock)
    entries = count / timing.best
    return Bandwidth(
        entries * ENTRY_BYTES, entries * (ENTRY_BYTES + WRITE_ALLOCATE), 8 * count, threads
    )


def bandwidth_curve(
    sizes: Sequence[int], repeats: int = 5, clock: Clock = time.perf_counter
) -> list[float]:
    """Measure the bandwidth of one thread for arrays that fit into one cache or another.

    The sum of `stream_sum`. NumPy needs about half a microsecond to start it, which holds the rate
    of the smallest sizes down.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of the three arrays together.
    repeats : int
        Times each is measured; the median counts.
    clock : callable
        Returns seconds.

    Returns
    -------
    list of float
        Bytes a second, counted as by STREAM, one for each size.

    Raises
    ------
    ValueError
        If a size is less than 24 bytes.
    """
    if min(sizes) < ENTRY_BYTES:
        raise ValueError(f"expected sizes of at least {ENTRY_BYTES} bytes, got {min(sizes)}")
    rates = []
    for size in sizes:
        count = size // ENTRY_BYTES
        a, b, c = np.zeros(count), np.ones(count), np.full(count, 2.0)
        timing = measure(lambda a=a, b=b, c=c: stream_sum(a, b, c), repeats, 0.001, 2, clock)
        rates.append(count * ENTRY_BYTES / timing.median)
    return rates


def default_array_bytes() -> int:
    """Return the bytes of an array that no cache holds a good part of."""
    wanted = max(4 * max(caches().values(), default=0), 64 * 2**20)
    return int(min(wanted, required("psutil").virtual_memory().available // 16))


def device_bandwidth(
    array_bytes: int = 2**28,
    repeats: int = 5,
    clock: Clock = time.perf_counter,
) -> float:
    """Measure the bandwidth of the memory of the backend's device, in bytes a second.

    The sum of two arrays of float32 as a compiled program: 12 bytes for each entry. Meant for
    accelerators: a processor would count the time to fetch fresh memory for each result.

    Parameters
    ----------
    array_bytes : int
        Of each array; choose it larger than the device's cache.
    repeats : int
        Runs; the fastest counts.
    clock : callable
        Returns seconds.

    Returns
    -------
    float
    """
    count = array_bytes // 4
    b, c = (backend.tensor(np.full(count, v, "float32"), "float32") for v in (1.0, 2.0))
    run = backend.compiled(lambda b, c: b + c)
    return 12 * count / measure(lambda: run(b, c), repeats, 0.0, 2, clock).best


def call_overhead(repeats: int = 9, clock: Clock = time.perf_counter) -> float:
    """Measure how long a compiled program takes that adds 1 to a single number, in seconds."""
    return moving_seconds([8], repeats, clock)[0]


def moving_seconds(
    sizes: Sequence[int], repeats: int = 5, clock: Clock = time.perf_counter
) -> list[float]:
    """Measure how long the simplest compiled program takes to move so many bytes.

    The program adds 1 to an array of float32 on the backend's default device: 4 bytes read and 4
    written for each number. Its time holds what no bandwidth tells: the call, the waking of
    threads, and the level of memory that the bytes fit into. Fewer bytes cannot take longer: where
    a disturbed measurement says so, the time of the larger size holds for the smaller, too.

    Parameters
    ----------
    sizes : sequence of int
        Bytes read and written together, ascending.
    repeats : int
        Times each is measured; the fastest counts, as for the other limits.
    clock : callable
        Returns seconds.

    Returns
    -------
    list of float
        Seconds, one for each size.

    Raises
    ------
    ValueError
        If the sizes do not ascend from at least 8 bytes.
    """
    if min(sizes) < 8 or list(sizes) != sorted(sizes):
        raise ValueError(f"expected ascending sizes of at least 8 bytes, got {list(sizes)}")
    run = backend.compiled(lambda x: x + 1)
    seconds = []
    for size in sizes:
        x = backend.tensor(np.ones(size // 8, "float32"), "float32")
        seconds.append(measure(lambda x=x: run(x), repeats, 0.002, 2, clock).best)
    return np.minimum.accumulate(seconds[::-1])[::-1].tolist()

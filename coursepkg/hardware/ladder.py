"""One matrix product and one convolution, from a loop in Python to an accelerator.

Each rung takes NumPy arrays (for a compiled rung: tensors) and gives the same numbers; only the
time differs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from coursepkg.hardware import backend
from coursepkg.hardware.peak import blas_threads
from coursepkg.hardware.timing import measure


def product_in_loops(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) and (K, N) with three loops in Python over lists of numbers."""
    rows, columns = a.tolist(), b.T.tolist()
    result = []
    for row in rows:
        sums = []
        for column in columns:
            total = 0.0
            for left, right in zip(row, column, strict=True):
                total += left * right
            sums.append(total)
        result.append(sums)
    return np.array(result, dtype=a.dtype)


def product_by_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply with two loops in Python; NumPy adds one scaled row at a time."""
    result = np.zeros((len(a), b.shape[1]), dtype=a.dtype)
    for i in range(len(a)):
        for k in range(len(b)):
            result[i] += a[i, k] * b[k]
    return result


def product_in_numpy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply in NumPy's own compiled loops, without a BLAS library."""
    return np.einsum("ik,kj->ij", a, b, optimize=False)


def product_by_blas(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply with the BLAS library behind NumPy."""
    return a @ b


def convolution_in_loops(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Slide windows (k, k', C, C') over images (N, r, s, C), no padding, all loops in Python."""
    image, weights = x.tolist(), kernel.tolist()
    window_rows, window_columns, channels, filters = kernel.shape
    shape = (len(x), x.shape[1] - window_rows + 1, x.shape[2] - window_columns + 1, filters)
    result = np.empty(shape, dtype=x.dtype)
    for n, r, s, f in np.ndindex(*shape):
        total = 0.0
        for i in range(window_rows):
            for j in range(window_columns):
                for c in range(channels):
                    total += image[n][r + i][s + j][c] * weights[i][j][c][f]
        result[n, r, s, f] = total
    return result


def convolution_by_places(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Loop over the places of the window in Python; NumPy multiplies and adds at each."""
    rows, columns = (x.shape[1 + axis] - kernel.shape[axis] + 1 for axis in (0, 1))
    result = np.empty((len(x), rows, columns, kernel.shape[3]), dtype=x.dtype)
    for r, s in np.ndindex(rows, columns):
        window = x[:, r : r + kernel.shape[0], s : s + kernel.shape[1], :, np.newaxis]
        result[:, r, s] = (window * kernel).sum(axis=(1, 2, 3))
    return result


def convolution_in_numpy(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve in NumPy's own compiled loops, without a BLAS library."""
    windows = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nrscij,ijcf->nrsf", windows, kernel, optimize=False)


def convolution_by_blas(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Lay every window out as a row, and multiply matrices."""
    windows = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))  # (N, r, s, C, k, k')
    rows = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kernel[..., 0].size)
    result = rows @ kernel.reshape(-1, kernel.shape[-1])
    return result.reshape(*windows.shape[:3], -1)


def convolution_of_backend(x: Any, kernel: Any) -> Any:
    """Convolve with the backend's own operation."""
    return keras.ops.conv(x, kernel, padding="valid", data_format="channels_last")


@dataclass(frozen=True)
class Rung:
    """One way to compute the same thing.

    Attributes
    ----------
    name : str
    function : callable
        Of two NumPy arrays or, if `device` is set, of two tensors.
    size : int
        How large the problem is: n of the matrices, or images in the batch.
    threads : int or None
        Of the BLAS library; None: as it likes.
    device : str or None
        If set, the function is compiled and runs there.
    dtype : str
    """

    name: str
    function: Callable[[Any, Any], Any]
    size: int
    threads: int | None = 1
    device: str | None = None
    dtype: str = "float32"


def product_rungs(size: int = 1024) -> list[Rung]:
    """List the ways to multiply matrices; slow ones get smaller matrices, since rates count.

    Parameters
    ----------
    size : int
        n of the fast ones.

    Returns
    -------
    list of Rung
    """
    small = [
        Rung("loops in Python", product_in_loops, size // 16),
        Rung("NumPy, a row at a time", product_by_rows, size // 8),
        Rung("NumPy, its own loops", product_in_numpy, size // 4),
        Rung("BLAS, one thread", product_by_blas, size),
        Rung("BLAS, all threads", product_by_blas, size, threads=None),
    ]
    return small + _compiled_rungs(keras.ops.matmul, size, 4 * size)


def convolution_rungs(images: int = 64) -> list[Rung]:
    """List the ways to convolve; slow ones get fewer images.

    Parameters
    ----------
    images : int
        In the batch of the fast ones.

    Returns
    -------
    list of Rung
    """
    few = max(1, images // 32)
    small = [
        Rung("loops in Python", convolution_in_loops, 1),
        Rung("NumPy, a place at a time", convolution_by_places, few),
        Rung("NumPy, its own loops", convolution_in_numpy, few),
        Rung("windows as rows, BLAS, one thread", convolution_by_blas, images),
        Rung("windows as rows, BLAS, all threads", convolution_by_blas, images, threads=None),
    ]
    return small + _compiled_rungs(convolution_of_backend, images, 4 * images)


def _compiled_rungs(function: Callable[[Any, Any], Any], size: int, large: int) -> list[Rung]:
    rungs = [Rung("compiled, processor", function, size, None, "cpu:0")]
    if device := backend.accelerator():
        rungs += [
            Rung(f"compiled, accelerator, {dtype}", function, large, None, device, dtype)
            for dtype in ("float32", "bfloat16")
        ]
    return rungs


def product_problem(size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Make two n by n matrices, and count the operations of their product."""
    a, b = np.random.default_rng(0).normal(size=(2, size, size)).astype(np.float32)
    return a, b, 2.0 * size**3


def convolution_problem(
    images: int, side: int = 16, channels: int = 16, filters: int = 32, window: int = 3
) -> tuple[np.ndarray, np.ndarray, float]:
    """Make a batch of images and a kernel, and count the operations of their convolution."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(images, side, side, channels)).astype(np.float32)
    kernel = rng.normal(size=(window, window, channels, filters)).astype(np.float32)
    return x, kernel, 2.0 * images * (side - window + 1) ** 2 * kernel.size


def prepared(rung: Rung, first: np.ndarray, second: np.ndarray) -> Callable[[], Any]:
    """Return a function without arguments that runs the rung on its device."""
    if rung.device is None:
        return lambda: rung.function(first, second)
    function = backend.compiled(rung.function)
    x, y = (backend.tensor(one, rung.dtype, rung.device) for one in (first, second))

    def run() -> Any:
        with keras.device(rung.device):
            return function(x, y)

    return run


def climb(
    rungs: list[Rung],
    problem: Callable[[int], tuple[np.ndarray, np.ndarray, float]],
    repeats: int = 3,
) -> list[dict[str, Any]]:
    """Measure every rung.

    Parameters
    ----------
    rungs : list of Rung
    problem : callable
        Takes the size of a rung; returns two arrays and the number of operations.
    repeats : int
        Times each is measured; the median counts.

    Returns
    -------
    list of dict
        With ``name``, ``size``, ``seconds``, ``rate`` (operations a second) and ``spread``.
    """
    rows = []
    for rung in rungs:
        first, second, operations = problem(rung.size)
        with blas_threads(rung.threads):
            timing = measure(prepared(rung, first, second), repeats, 0.005, 1)
        rows.append(
            {
                "name": rung.name,
                "size": rung.size,
                "seconds": timing.median,
                "rate": operations / timing.median,
                "spread": timing.spread,
            }
        )
    return rows

r"""Sums over workers: the ring all-reduce message by message, its rival, and what both cost.

An **all-reduce** starts with one array on each of n workers and ends with the sum of all arrays on
every worker. A message of S bytes takes :math:`\alpha + S / B` seconds: :math:`\alpha` is the
latency, B the bandwidth of a link in one direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Message:
    """One chunk on its way from a worker to another.

    Attributes
    ----------
    step : int
        Messages of one step travel at the same time.
    source, target : int
        The ranks of the two workers.
    chunk : int
        The number of the chunk.
    adds : bool
        Whether the target adds the chunk to its own, or replaces its own by it.
    """

    step: int
    source: int
    target: int
    chunk: int
    adds: bool


def ring_schedule(workers: int) -> list[Message]:
    """List the messages of a ring all-reduce in order.

    Every array is cut into n chunks. In the first n - 1 steps, worker r sends chunk r - step to its
    right neighbour, which adds it: then worker r holds the full sum of chunk r + 1. In the other
    n - 1 steps the full sums travel once round the ring.

    Parameters
    ----------
    workers : int
        The number n of workers.

    Returns
    -------
    list of Message
        2 n (n - 1) messages in 2 (n - 1) steps.

    Raises
    ------
    ValueError
        If there is no worker.

    References
    ----------
    P. Patarasuk and X. Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
    workstations", Journal of Parallel and Distributed Computing 69(2), 2009.
    """
    _expect_workers(workers)
    return [
        Message(
            step=step,
            source=rank,
            target=(rank + 1) % workers,
            chunk=(rank - step) % workers,
            adds=step < workers - 1,
        )
        for step in range(2 * (workers - 1))
        for rank in range(workers)
    ]


def central_schedule(workers: int) -> list[Message]:
    """List the messages of the obvious all-reduce: all send to worker 0, which sends back the sum.

    Worker 0 has one link, so its messages queue: each is a step of its own.

    Parameters
    ----------
    workers : int
        The number n of workers.

    Returns
    -------
    list of Message
        2 (n - 1) messages in as many steps, each of the whole array (chunk 0 of 1).

    Raises
    ------
    ValueError
        If there is no worker.
    """
    _expect_workers(workers)
    gather = [Message(rank - 1, rank, 0, 0, True) for rank in range(1, workers)]
    return gather + [Message(workers - 2 + rank, 0, rank, 0, False) for rank in range(1, workers)]


def all_reduce(
    arrays: Sequence[np.ndarray], schedule: Sequence[Message], chunks: int
) -> tuple[list[np.ndarray], list[int]]:
    """Carry out a schedule of messages on copies of the workers' arrays.

    Parameters
    ----------
    arrays : sequence of ndarray
        One array for each worker, all of the same shape.
    schedule : sequence of Message
        What is sent, in order of the steps.
    chunks : int
        Into how many chunks, as equal as possible, the flattened arrays are cut.

    Returns
    -------
    results : list of ndarray
        What each worker holds in the end.
    sent : list of int
        How many entries each worker has sent.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if len({array.shape for array in arrays}) != 1:
        raise ValueError(f"expected arrays of one shape, got {[a.shape for a in arrays]}")
    results = [array.copy() for array in arrays]
    parts = [np.array_split(result.reshape(-1), chunks) for result in results]
    sent = [0] * len(arrays)
    for step in sorted({message.step for message in schedule}):
        now = [message for message in schedule if message.step == step]
        travelling = [parts[message.source][message.chunk].copy() for message in now]
        for message, content in zip(now, travelling, strict=True):
            own = parts[message.target][message.chunk]
            own[:] = own + content if message.adds else content
            sent[message.source] += content.size
    return results, sent


def ring_all_reduce(arrays: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """Sum arrays over a ring of workers; see `all_reduce` and `ring_schedule`."""
    return all_reduce(arrays, ring_schedule(len(arrays)), len(arrays))


def central_all_reduce(arrays: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """Sum arrays at worker 0 and send the sum back; see `all_reduce` and `central_schedule`."""
    return all_reduce(arrays, central_schedule(len(arrays)), 1)


def message_seconds(size: float, latency: float, bandwidth: float) -> float:
    r"""Return the time of one message, :math:`\alpha + S / B`.

    Parameters
    ----------
    size : float
        S in bytes.
    latency : float
        :math:`\alpha` in seconds.
    bandwidth : float
        B in bytes per second.
    """
    return latency + size / bandwidth


def ring_seconds(workers: int, size: float, latency: float, bandwidth: float) -> float:
    r"""Return the time of a ring all-reduce of S bytes.

    Each of the :math:`2(n-1)` steps sends :math:`S/n` bytes over every link at once:

    .. math:: T = 2 (n - 1) \left(\alpha + \frac{S}{n B}\right)

    Parameters
    ----------
    workers : int
        The number n of workers.
    size, latency, bandwidth : float
        As in `message_seconds`.

    Raises
    ------
    ValueError
        If there is no worker.
    """
    _expect_workers(workers)
    return 2 * (workers - 1) * message_seconds(size / workers, latency, bandwidth)


def central_seconds(workers: int, size: float, latency: float, bandwidth: float) -> float:
    r"""Return the time of the all-reduce by way of worker 0, :math:`2 (n-1) (\alpha + S/B)`.

    Parameters
    ----------
    workers : int
        The number n of workers.
    size, latency, bandwidth : float
        As in `message_seconds`.

    Raises
    ------
    ValueError
        If there is no worker.
    """
    _expect_workers(workers)
    return 2 * (workers - 1) * message_seconds(size, latency, bandwidth)


def fit_latency_and_bandwidth(
    workers: int, sizes: Sequence[float], seconds: Sequence[float]
) -> tuple[float, float]:
    r"""Fit latency and bandwidth to measured times of ring all-reduces.

    The model of `ring_seconds` is linear in :math:`\alpha` and :math:`1/B`. The sizes span powers
    of ten, so the fit minimises the squares of the *relative* deviations: each row of the system
    is divided by its measured time.

    Parameters
    ----------
    workers : int
        The number n of workers, at least 2.
    sizes : sequence of float
        In bytes, at least two different ones.
    seconds : sequence of float
        The time measured for each.

    Returns
    -------
    latency : float
        :math:`\alpha` in seconds.
    bandwidth : float
        B in bytes per second.

    Raises
    ------
    ValueError
        If nothing can be fitted: fewer than two workers or sizes, or times that do not grow.
    """
    if workers < 2:
        raise ValueError(f"expected at least 2 workers, got {workers}")
    if len(set(sizes)) < 2 or len(sizes) != len(seconds):
        raise ValueError(
            f"expected two or more sizes and as many times, got {len(sizes)} and {len(seconds)}"
        )
    size, time = np.asarray(sizes, float), np.asarray(seconds, float)
    system = 2 * (workers - 1) * np.stack([np.ones_like(size), size / workers], axis=1)
    latency, per_byte = np.linalg.lstsq(system / time[:, None], np.ones(len(time)), rcond=None)[0]
    if per_byte <= 0:
        raise ValueError("expected times that grow with the size, got a bandwidth below 0")
    return max(float(latency), 0.0), float(1 / per_byte)


def _expect_workers(workers: int) -> None:
    if workers < 1:
        raise ValueError(f"expected at least 1 worker, got {workers}")

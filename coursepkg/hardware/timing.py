"""How long a computation takes: warmed up, synchronised, repeated, with its spread."""

import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Clock = Callable[[], float]


@dataclass(frozen=True)
class Timing:
    """Seconds that one call took, measured several times.

    Attributes
    ----------
    seconds : tuple of float
        One entry a repeat, sorted: the mean over the calls of that repeat.
    calls : int
        Calls in one repeat.
    """

    seconds: tuple[float, ...]
    calls: int

    @property
    def best(self) -> float:
        """The shortest time: what the machine can do when nothing disturbs it."""
        return self.seconds[0]

    @property
    def median(self) -> float:
        """The time in the middle: what you can expect."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Distance of the quartiles, as a share of the median; 0 for a single repeat."""
        if len(self.seconds) == 1:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / self.median


def measure(
    function: Callable[[], Any],
    repeats: int = 7,
    at_least: float = 0.01,
    warm_up: int = 2,
    clock: Clock = time.perf_counter,
) -> Timing:
    """Time a function.

    First it runs `warm_up` times and the results are thrown away: the first call traces and
    compiles, fills the caches and wakes the cores. One more call decides how many calls make a
    repeat, so that each repeat lasts at least `at_least` seconds, long against the resolution of
    the clock. The clock stops only when the result is there (`wait_for`).

    Parameters
    ----------
    function : callable
        Takes nothing and returns its result.
    repeats : int
        Times to measure.
    at_least : float
        Seconds that one repeat should last.
    warm_up : int
        Calls that do not count.
    clock : callable
        Returns seconds.

    Returns
    -------
    Timing

    Raises
    ------
    ValueError
        If `repeats` is less than 1 or another number is negative.
    """
    if repeats < 1 or warm_up < 0 or at_least < 0:
        raise ValueError(
            "expected at least 1 repeat, and warm_up and at_least not negative; got "
            f"repeats={repeats}, warm_up={warm_up}, at_least={at_least}"
        )
    for _ in range(warm_up):
        wait_for(function())
    once = _seconds(function, 1, clock)
    calls = max(1, math.ceil(at_least / once)) if once > 0 else 1
    return Timing(tuple(sorted(_seconds(function, calls, clock) for _ in range(repeats))), calls)


def _seconds(function: Callable[[], Any], calls: int, clock: Clock) -> float:
    before = clock()
    for _ in range(calls):
        wait_for(function())
    return (clock() - before) / calls


def wait_for(result: Any) -> Any:
    """Wait until a result is computed, and return it.

    JAX always, and TensorFlow and PyTorch on an accelerator, return at once and compute later:
    the object that you hold is a promise. NumPy's arrays are there when you get them.

    Parameters
    ----------
    result : array or tensor, or nested tuples, lists and mappings of them
        Of NumPy or of any of Keras's backends.

    Returns
    -------
    object
        The same `result`.
    """
    for one in _leaves(result):
        library = type(one).__module__.partition(".")[0]
        if hasattr(one, "block_until_ready"):
            one.block_until_ready()
        elif library == "torch" and one.is_cuda:
            sys.modules["torch"].cuda.synchronize()
        elif library == "tensorflow" and "GPU" in one.device:
            sys.modules["tensorflow"].test.experimental.sync_devices()
    return result


def _leaves(result: Any) -> Iterator[Any]:
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, tuple | list):
        for one in result:
            yield from _leaves(one)
    else:
        yield result

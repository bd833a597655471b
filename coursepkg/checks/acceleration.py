"""Checkers of the exercises in ``hardware/acceleration``."""

import math
from collections.abc import Callable
from typing import Any

from coursepkg.checks.verdict import Wrong, as_number, call, checker
from coursepkg.scratch.systolic import cycles


@checker("acceleration.intensity")
def intensity(answer: object) -> str:
    """Check the function that gives the arithmetic intensity of a dense layer without a bias."""
    for batch, inputs, outputs, size in [(1, 300, 200, 4), (64, 128, 256, 2)]:
        got = as_number(call(answer, batch, inputs, outputs, size), "operations for each byte")
        products = batch * inputs * outputs
        numbers = batch * inputs + inputs * outputs + batch * outputs
        if math.isclose(got, 2 * products / (size * numbers), rel_tol=1e-9):
            continue
        if math.isclose(got, products / (size * numbers), rel_tol=1e-9):
            raise Wrong("a multiplication and an addition are two operations.")
        if math.isclose(got, 2 * products / numbers, rel_tol=1e-9):
            raise Wrong("that is operations for each number. How many bytes does one have?")
        if math.isclose(got, 2 * products / (size * inputs * outputs), rel_tol=1e-9):
            raise Wrong("the inputs and the outputs cross the wires, too.")
        weights_often = batch * (inputs + inputs * outputs + outputs)
        if math.isclose(got, 2 * products / (size * weights_often), rel_tol=1e-9):
            raise Wrong("you read the weights once for every example. The batch shares them.")
        raise Wrong(
            f"not right for a batch of {batch}, {inputs} inputs, {outputs} outputs and {size} "
            "bytes. Divide the operations by the bytes of inputs, weights and outputs."
        )
    return "right: the intensity grows with the batch."


@checker("acceleration.batch")
def batch(answer: object) -> str:
    """Check the function that finds the smallest batch at which a dense layer is compute-bound."""
    for inputs, outputs, ridge in [(512, 512, 50.0), (1000, 250, 20.0), (64, 64, 100.0)]:
        got = call(answer, inputs, outputs, ridge)
        possible = 2 * inputs * outputs > 4 * ridge * (inputs + outputs)
        exact = (
            4 * ridge * inputs * outputs / (2 * inputs * outputs - 4 * ridge * (inputs + outputs))
            if possible
            else math.inf
        )
        right = math.ceil(exact) if possible else math.inf
        number = math.inf if got == math.inf else as_number(got, "a batch size")
        if number == right:
            continue
        if right == math.inf:
            raise Wrong(
                "for some layers no batch is large enough: let N grow without end and look at what "
                "the intensity tends to. Return math.inf there."
            )
        if math.isclose(number, exact, rel_tol=1e-9):
            raise Wrong("a batch is a whole number of examples. Round to the safe side.")
        if number == math.ceil(2 * ridge):
            raise Wrong("that leaves out the bytes of inputs and outputs. They grow with N.")
        if number == math.floor(exact):
            raise Wrong("one example short: at that batch the memory is still the limit.")
        raise Wrong(
            f"not right for {inputs} inputs, {outputs} outputs and a ridge at {ridge:g} operations "
            "a byte. Set the intensity equal to the ridge and solve for N."
        )
    return "right, the hopeless case included."


class _Laboratory:
    """A clock and a computation whose result is there only when one has waited."""

    def __init__(self, first: float, later: tuple[float, ...]):
        self.now, self.calls, self._durations = 0.0, 0, [first, *later]
        self._pending = 0.0

    def clock(self) -> float:
        return self.now

    def run(self) -> "_Laboratory":
        index = min(self.calls, len(self._durations) - 1)
        self.calls += 1
        self.now += 0.001  # the call returns at once
        self._pending += self._durations[index]
        return self

    def wait(self, result: Any) -> None:
        if result is not self:
            raise Wrong("wait(...) must get what run() has returned.")
        self.now += self._pending
        self._pending = 0.0


@checker("acceleration.timing")
def timing(answer: object) -> str:
    """Check the learner's stopwatch on a machine that computes later."""
    later = (1.0, 5.0, 2.0, 1.5, 9.0)
    lab = _Laboratory(100.0, later)
    got = as_number(call(answer, lab.run, lab.wait, lab.clock, 5), "seconds")
    times = sorted(duration + 0.001 for duration in later)
    if math.isclose(got, times[2], abs_tol=1e-9):
        if lab.calls != 6:
            raise Wrong(f"expected one warm-up and 5 measured runs, got {lab.calls} runs.")
        return "right: warmed up, waited for, and the middle one taken."
    if got < 0.01:
        raise Wrong("you stopped the clock before the result was there.")
    if got > 90:
        raise Wrong("the first run compiles; it must not count.")
    if math.isclose(got, sum(times) / 5, abs_tol=1e-9):
        raise Wrong("that is the mean: one disturbed run pulls it up. Take the median.")
    if math.isclose(got, times[0], abs_tol=1e-9):
        raise Wrong("that is the shortest time. The exercise asks for what one can expect.")
    if lab.calls < 6:
        raise Wrong(f"too few runs: {lab.calls}. One warms up, then come as many as asked for.")
    raise Wrong("not the median of the runs after the first. Does the clock start anew each time?")


@checker("acceleration.attention")
def attention(answer: object) -> str:
    """Check the function that counts the operations of self-attention."""
    for examples, steps, width, heads in [(2, 10, 64, 4), (1, 100, 32, 8)]:
        got = as_number(call(answer, examples, steps, width, heads), "operations")
        projections = 8 * examples * steps * width**2
        mixing = 4 * examples * steps**2 * width
        if got == projections + mixing:
            continue
        if got * 2 == projections + mixing:
            raise Wrong("those are multiply-adds. Each is two operations.")
        if got == projections * 3 // 4 + mixing:
            raise Wrong("query, key and value are there. What happens after the heads?")
        if got == projections + mixing // 2:
            raise Wrong("scores and weighted sums are two products of the same size.")
        if got in (projections + heads * mixing, heads * (projections + mixing)):
            raise Wrong("the heads share the width: each has a part of it.")
        if got == projections:
            raise Wrong("those are the projections. The part that grows with T squared is missing.")
        raise Wrong(
            f"not right for N = {examples}, T = {steps}, d = {width}, {heads} heads. Write down "
            "the shapes of the six matrix products."
        )
    return "right; note that the number of heads does not matter."


@checker("acceleration.systolic")
def systolic(answer: object) -> str:
    """Check the utilisation of an array whose cells have one register for weights."""
    cases = [(100, 30, 20, 16, 8), (5, 16, 8, 16, 8), (64, 100, 100, 32, 32)]
    for case in cases:
        got = as_number(call(answer, *case), "a share between 0 and 1")
        if not _matches(got, case, _one_register):
            raise Wrong(_systolic_mistake(got, case))
    return "right: without the second register, every tile waits for its weights."


Count = Callable[[int, int, int, int, int], float]


def _tiles(depth: int, width: int, rows: int, columns: int) -> int:
    return math.ceil(depth / rows) * math.ceil(width / columns)


def _one_register(m: int, k: int, n: int, r: int, c: int) -> float:
    return _tiles(k, n, r, c) * (r + m + r + c - 2)


def _matches(got: float, case: tuple[int, int, int, int, int], count: Count) -> bool:
    m, k, n, r, c = case
    return math.isclose(got, m * k * n / (count(*case) * r * c), rel_tol=1e-9)


def _systolic_mistake(got: float, case: tuple[int, int, int, int, int]) -> str:
    mistakes: list[tuple[Count, str]] = [
        (cycles, "that array has two registers in each cell: its loads hide behind the work."),
        (
            lambda m, k, n, r, c: _tiles(k, n, r, c) * (m + r + c - 2),
            "the weights get in for free. How many cycles does the load of a tile take?",
        ),
        (
            lambda m, k, n, r, c: _tiles(k, n, r, c) * (r + m),
            "the last sum has not left the array when the last activation enters.",
        ),
        (
            lambda m, k, n, r, c: k * n / (r * c) * (r + m + r + c - 2),
            "a tile that is only partly used takes as long as a full one: round up.",
        ),
    ]
    for count, message in mistakes:
        if _matches(got, case, count):
            return message
    return (
        f"not right for (M, K, N, R, C) = {case}. Count the cycles of one tile: load, stream, "
        "drain; multiply by the tiles; divide the useful multiply-adds by all possible ones."
    )

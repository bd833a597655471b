import numpy as np
import pytest

from coursepkg.hardware.timing import Timing, measure, wait_for


class FakeClock:
    """A clock that only moves when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def worker(clock, seconds):
    """Return a function whose calls last as long as listed; the last entry repeats."""
    remaining = list(seconds)
    calls = []

    def work():
        calls.append(clock.now)
        clock.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

    return work, calls


def test_the_warm_up_does_not_count():
    clock = FakeClock()
    work, calls = worker(clock, [100.0, 50.0, 1.0])
    timing = measure(work, repeats=5, at_least=0, warm_up=2, clock=clock)
    assert timing == Timing((1.0,) * 5, 1)
    assert len(calls) == 2 + 1 + 5


def test_short_functions_run_many_times_in_a_repeat():
    clock = FakeClock()
    work, calls = worker(clock, [0.001])
    timing = measure(work, repeats=3, at_least=0.0095, warm_up=0, clock=clock)
    assert timing.calls == 10
    assert timing.median == pytest.approx(0.001)
    assert len(calls) == 1 + 3 * 10


def test_median_best_and_spread():
    clock = FakeClock()
    work, _ = worker(clock, [1, 1, 4.0, 2.0, 3.0, 1.0, 9.0])
    timing = measure(work, repeats=5, at_least=0, warm_up=1, clock=clock)
    assert timing.seconds == (1.0, 2.0, 3.0, 4.0, 9.0)
    assert (timing.best, timing.median) == (1.0, 3.0)
    assert timing.spread == pytest.approx(2 / 3)


def test_one_repeat_has_no_spread():
    assert Timing((2.0,), 1).spread == 0


def test_a_clock_that_stands_still_is_survived():
    assert measure(lambda: None, repeats=2, clock=lambda: 5.0) == Timing((0.0, 0.0), 1)


class Promise:
    """A result that takes a second of the fake clock to be there."""

    def __init__(self, clock):
        self.clock = clock

    def block_until_ready(self):
        self.clock.now += 1


def test_the_clock_stops_when_the_result_is_there():
    clock = FakeClock()
    timing = measure(lambda: Promise(clock), repeats=3, at_least=0, clock=clock)
    assert timing.median == 1


def test_nested_results_are_all_waited_for():
    clock = FakeClock()
    nested = {"a": [Promise(clock), (Promise(clock),)], "b": np.ones(3)}
    assert wait_for(nested) is nested
    assert clock.now == 2


def test_tensors_of_the_backend_can_be_waited_for():
    import keras

    x = keras.ops.ones(3)
    assert wait_for(x) is x


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"warm_up": -1}, {"at_least": -0.1}])
def test_bad_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="expected at least 1 repeat"):
        measure(lambda: None, **wrong)

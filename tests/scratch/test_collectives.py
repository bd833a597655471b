import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch.collectives import (
    Message,
    all_reduce,
    central_all_reduce,
    central_schedule,
    central_seconds,
    fit_latency_and_bandwidth,
    message_seconds,
    ring_all_reduce,
    ring_schedule,
    ring_seconds,
)


def arrays_of(workers, entries, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(-50, 50, entries).astype(float) for _ in range(workers)]


@given(workers=st.integers(1, 9), entries=st.integers(1, 40), seed=st.integers(0, 99))
def test_both_leave_the_sum_on_every_worker(workers, entries, seed):
    arrays = arrays_of(workers, entries, seed)
    for method in (ring_all_reduce, central_all_reduce):
        results, _ = method(arrays)
        for result in results:
            np.testing.assert_array_equal(result, sum(arrays))


@pytest.mark.parametrize("workers", [2, 3, 4, 8])
def test_the_ring_sends_the_fewest_entries_and_from_all_alike(workers):
    arrays = arrays_of(workers, 24 * workers)
    _, sent = ring_all_reduce(arrays)
    assert sent == [2 * (workers - 1) * 24] * workers
    _, central = central_all_reduce(arrays)
    assert central[0] == (workers - 1) * 24 * workers
    assert sum(central) == sum(sent)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_schedules_have_as_many_messages_and_steps_as_said(workers):
    ring, central = ring_schedule(workers), central_schedule(workers)
    assert len(ring) == 2 * workers * (workers - 1)
    assert len({message.step for message in ring}) == 2 * (workers - 1)
    assert len(central) == len({message.step for message in central}) == 2 * (workers - 1)


def test_nobody_sends_or_gets_two_messages_in_a_step_of_the_ring():
    schedule = ring_schedule(5)
    for step in range(8):
        now = [message for message in schedule if message.step == step]
        assert len({m.source for m in now}) == len({m.target for m in now}) == len(now) == 5


def test_the_arrays_that_come_in_stay_as_they_are():
    arrays = arrays_of(3, 7)
    before = [array.copy() for array in arrays]
    ring_all_reduce(arrays)
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)


def broken_ring(change):
    def method(arrays):
        schedule = [change(message, len(arrays)) for message in ring_schedule(len(arrays))]
        return all_reduce(arrays, schedule, len(arrays))

    return method


def replaced(message, **values):
    return Message(**{**message.__dict__, **values})


BROKEN = {
    "never adds": lambda m, n: replaced(m, adds=False),
    "adds for one step too many": lambda m, n: replaced(m, adds=m.step <= n - 1),
    "sends the same chunk all the time": lambda m, n: replaced(m, chunk=m.source),
    "chunks move the wrong way": lambda m, n: replaced(m, chunk=(m.source + m.step) % n),
    "runs the ring backwards": lambda m, n: replaced(m, target=(m.source - 1) % n),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_ring_is_seen(name):
    arrays = arrays_of(4, 16)
    results, _ = broken_ring(BROKEN[name])(arrays)
    assert any(not np.array_equal(result, sum(arrays)) for result in results)


def simulated_seconds(schedule, chunks, size, latency, bandwidth):
    """Add up the steps of a schedule, each as long as its messages of equal size."""
    steps = len({message.step for message in schedule})
    return steps * message_seconds(size / chunks, latency, bandwidth)


@given(workers=st.integers(1, 12), size=st.floats(1e2, 1e9))
def test_the_cost_models_are_those_of_the_schedules(workers, size):
    expected = simulated_seconds(ring_schedule(workers), workers, size, 1e-5, 1e9)
    assert ring_seconds(workers, size, 1e-5, 1e9) == pytest.approx(expected)
    expected = simulated_seconds(central_schedule(workers), 1, size, 1e-5, 1e9)
    assert central_seconds(workers, size, 1e-5, 1e9) == pytest.approx(expected)


def test_the_ring_s_time_for_large_arrays_hardly_depends_on_the_workers():
    many, two = ring_seconds(1000, 1e12, 1e-5, 1e9), ring_seconds(2, 1e12, 1e-5, 1e9)
    assert 1.99 < many / two < 2
    assert central_seconds(1000, 1e12, 1e-5, 1e9) / two > 1000


@given(
    workers=st.integers(2, 16),
    latency=st.floats(1e-6, 1e-3),
    bandwidth=st.floats(1e8, 1e12),
)
def test_the_fit_finds_latency_and_bandwidth_again(workers, latency, bandwidth):
    turn = latency * bandwidth * workers  # where both terms weigh alike
    sizes = [turn * factor for factor in (0.01, 0.1, 1, 10, 100)]
    seconds = [ring_seconds(workers, size, latency, bandwidth) for size in sizes]
    found = fit_latency_and_bandwidth(workers, sizes, seconds)
    assert found == (pytest.approx(latency, rel=1e-6), pytest.approx(bandwidth, rel=1e-6))


def test_the_fit_minimises_relative_deviations():
    sizes = [1e3, 1e4, 1e5, 1e6, 1e7]
    seconds = [ring_seconds(4, size, 1e-4, 1e9) for size in sizes]
    seconds[-1] *= 1.2
    latency, _ = fit_latency_and_bandwidth(4, sizes, seconds)
    assert latency == pytest.approx(1e-4, rel=0.05)


def test_a_fitted_latency_is_never_negative():
    seconds = [ring_seconds(2, size, 0, 1e9) - 1e-7 for size in (1e3, 1e6, 1e7)]
    assert fit_latency_and_bandwidth(2, [1e3, 1e6, 1e7], seconds)[0] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ring_schedule(0), "at least 1 worker, got 0"),
        (lambda: central_schedule(0), "at least 1 worker, got 0"),
        (lambda: ring_seconds(0, 1, 1, 1), "at least 1 worker, got 0"),
        (lambda: ring_all_reduce([np.zeros(2), np.zeros(3)]), "arrays of one shape"),
        (lambda: fit_latency_and_bandwidth(1, [1, 2], [1, 2]), "at least 2 workers, got 1"),
        (lambda: fit_latency_and_bandwidth(2, [5, 5], [1, 2]), "two or more sizes"),
        (lambda: fit_latency_and_bandwidth(2, [1, 2], [1]), "as many times"),
        (lambda: fit_latency_and_bandwidth(2, [1e3, 1e6], [1, 0.5]), "times that grow"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

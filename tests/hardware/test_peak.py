import keras
import numpy as np
import pytest

from coursepkg.hardware import peak
from coursepkg.hardware.timing import Timing


class Machine:
    """A machine that multiplies at a rate that depends on the size, by its own clock."""

    def __init__(self, rates):
        self.now, self.rates, self.tried = 0.0, rates, []

    def clock(self):
        return self.now

    def multiply(self, size):
        self.tried.append(size)

        def run():
            self.now += 2 * size**3 / self.rates[size]

        return run


def test_compiling_does_not_use_up_the_budget():
    machine = Machine(dict.fromkeys((128, 256), 1e9))
    compiled = set()

    def multiply(size):
        run = machine.multiply(size)

        def slow_at_first():
            if size not in compiled:
                compiled.add(size)
                machine.now += 60.0
            run()

        return slow_at_first

    peak.highest_rate(multiply, "t", 1.0, (128, 256), machine.clock)
    assert machine.tried == [128, 256]


def test_the_highest_rate_over_the_sizes_is_kept():
    machine = Machine({128: 1e9, 256: 5e9, 512: 4e9})
    found = peak.highest_rate(machine.multiply, "t", 1e3, (128, 256, 512), machine.clock)
    assert found.size == 256
    assert found.rate == pytest.approx(5e9)
    assert machine.tried == [128, 256, 512]


def test_the_budget_leaves_out_sizes_that_would_take_too_long():
    machine = Machine(dict.fromkeys((128, 256, 512), 1e9))
    peak.highest_rate(machine.multiply, "t", 0.25, (128, 256, 512), machine.clock)
    assert machine.tried == [128]  # seven runs of 256 take 0.235 s, and 0.021 s are gone
    assert machine.now < 0.25


def test_the_first_size_runs_however_slow():
    machine = Machine({128: 1.0})
    found = peak.highest_rate(machine.multiply, "t", 1.0, (128,), machine.clock)
    assert found.rate == pytest.approx(1)


@pytest.mark.parametrize(("budget", "sizes"), [(0, (1,)), (1, ())])
def test_no_budget_and_no_sizes_are_refused(budget, sizes):
    with pytest.raises(ValueError, match="positive budget and some sizes"):
        peak.highest_rate(lambda n: lambda: None, "t", budget, sizes)


@pytest.mark.parametrize("dtype", peak.TYPES)
def test_every_type_has_a_rate_or_is_not_offered(dtype):
    found = peak.peak(dtype, budget=0.02)
    assert found is None or (found.rate > 1e6 and found.dtype == dtype)


def test_float32_is_offered_everywhere():
    assert peak.peak("float32", budget=0.02) is not None


def test_the_products_are_of_the_type_asked_for():
    for dtype in ("float64", "float32", "bfloat16"):
        with peak.backend.wide_types():
            result = peak._products(keras.ops.matmul, dtype, "cpu:0")(8)()
        assert keras.backend.standardize_dtype(result.dtype) == dtype


def test_a_type_that_is_refused_gives_none(monkeypatch):
    def refuse(a, b):
        raise NotImplementedError("not on this device")

    monkeypatch.setattr(keras.ops, "matmul", refuse)
    monkeypatch.setattr(peak.backend, "compiled", lambda function: function)
    assert peak.peak("int8", budget=0.02) is None


def test_a_mistake_is_no_refusal(monkeypatch):
    def mistake(a, b):
        raise KeyError("a")

    monkeypatch.setattr(keras.ops, "matmul", mistake)
    with pytest.raises(KeyError):
        peak.peak("float32", budget=0.02)


@pytest.mark.parametrize("threads", [1, None])
def test_numpy_has_a_rate(threads):
    assert peak.numpy_peak("float32", threads, budget=0.02).rate > 1e7


@pytest.mark.parametrize(("function", "dtype"), [(peak.peak, "int4"), (peak.numpy_peak, "int8")])
def test_other_types_are_refused(function, dtype):
    with pytest.raises(ValueError, match=f"got '{dtype}'"):
        function(dtype)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 5, 1000])
def test_the_sum_is_right_whatever_the_threads(threads, count):
    rng = np.random.default_rng(0)
    a, b, c = np.full(count, np.nan), *rng.normal(size=(2, count))
    peak.stream_sum(a, b, c, threads)
    np.testing.assert_array_equal(a, b + c)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"got \(2,\), \(3,\), \(3,\) and 1"):
        peak.stream_sum(np.zeros(2), np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="and 0"):
        peak.stream_sum(np.zeros(2), np.zeros(2), np.zeros(2), 0)


def test_bytes_are_counted_as_by_stream(monkeypatch):
    now = [0.0]

    def slow_sum(a, b, c, threads):
        now[0] += 2.0

    monkeypatch.setattr(peak, "stream_sum", slow_sum)
    found = peak.bandwidth(threads=3, array_bytes=8000, repeats=2, clock=lambda: now[0])
    assert found == peak.Bandwidth(1000 * 24 / 2, 1000 * 32 / 2, 8000, 3)


def test_the_real_sum_has_a_bandwidth():
    assert peak.bandwidth(threads=1, array_bytes=2**16, repeats=1).rate > 1e6
    assert peak.device_bandwidth(array_bytes=2**16, repeats=1) > 1e6
    assert 0 < peak.call_overhead(repeats=1) < 10


def test_the_device_s_sum_moves_twelve_bytes_an_entry():
    ticks = iter(range(100))
    assert peak.device_bandwidth(4000, repeats=2, clock=lambda: next(ticks)) == 12 * 1000


def test_arrays_are_larger_than_every_cache(monkeypatch):
    monkeypatch.setattr(peak, "caches", lambda: {"L1": 2**15, "L3": 2**25})
    size = peak.default_array_bytes()
    assert size == min(2**27, size)
    monkeypatch.setattr(peak, "caches", dict)
    assert peak.default_array_bytes() <= 2**26


def test_arrays_without_an_entry_are_refused():
    with pytest.raises(ValueError, match="at least 8 bytes, got 7"):
        peak.bandwidth(array_bytes=7)


def test_the_curve_has_a_rate_for_each_size(monkeypatch):
    now = [0.0]

    def slow_sum(a, b, c):
        now[0] += len(a) ** 2 * 1e-6

    monkeypatch.setattr(peak, "stream_sum", slow_sum)
    rates = peak.bandwidth_curve([2400, 4800], repeats=1, clock=lambda: now[0])
    assert rates == pytest.approx([2400 / 0.01, 4800 / 0.04])
    with pytest.raises(ValueError, match="at least 24 bytes, got 23"):
        peak.bandwidth_curve([100, 23])


def test_moving_more_bytes_has_a_time_for_each_size():
    few, many = peak.moving_seconds([8, 2**24], repeats=3)
    assert 0 < few <= many < 10


@pytest.mark.parametrize("wrong", [[7, 100], [100, 50]])
def test_sizes_that_do_not_ascend_are_refused(wrong):
    with pytest.raises(ValueError, match="ascending sizes of at least 8 bytes"):
        peak.moving_seconds(wrong)


def test_fewer_bytes_never_take_longer(monkeypatch):
    times = iter([3.0, 9.0, 4.0])

    def disturbed(*_):
        return Timing((next(times),), 1)

    monkeypatch.setattr(peak, "measure", disturbed)
    assert peak.moving_seconds([8, 16, 32]) == [3.0, 4.0, 4.0]


@pytest.mark.parametrize("found", [peak.peak, peak.numpy_peak])
def test_the_sizes_can_be_chosen(found):
    assert found("float32", budget=1.0, sizes=(32,)).size == 32

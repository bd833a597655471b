import numpy as np
import pytest

from coursepkg.recorded import load_recorded
from coursepkg.scratch.collectives import fit_latency_and_bandwidth
from coursepkg.scratch.scaling import fit_step_time

RECORD = load_recorded("data_parallel")
cases = pytest.mark.parametrize("case", RECORD["cases"], ids=lambda case: case["tool"])


@pytest.mark.parametrize("name", ["two_processes", "taken_up", "four_devices"])
def test_the_recorded_runs_that_should_be_equal_are(name):
    assert 0 <= RECORD["proofs"][name] < 1e-5


def test_the_recorded_runs_in_numpy_are_equal_to_rounding():
    assert 0 <= RECORD["proofs"]["two_processes_in_numpy"] < 1e-12


def test_the_recorded_failure_was_noticed_within_seconds():
    killed = RECORD["killed"]
    assert 0 < killed["noticed_after_seconds"] < 10
    assert killed["message"] == "worker 1 of 2 was killed by signal 9 (SIGKILL)."
    assert killed["checkpoint"] + len(RECORD["losses"]["taken up"]) == 20


def test_a_recorded_device_held_a_quarter_of_the_kernels():
    assert RECORD["device_shapes"] == [[784, 8], [8], [8, 10], [10]]


def test_the_recorded_losses_are_those_of_one_training():
    one, two, late = (
        np.array(RECORD["losses"][run]) for run in ("one process", "two processes", "taken up")
    )
    assert len(one) == len(two) == 20
    np.testing.assert_allclose(one, two, atol=2e-4)  # they are rounded to four digits
    np.testing.assert_allclose(late, two[10:], atol=2e-4)
    assert two[-5:].mean() < 0.6 * two[:5].mean()


@cases
def test_the_recorded_parts_of_a_step_follow_from_the_recorded_times(case):
    steps = case["steps"]
    found = fit_step_time(
        [step["workers"] for step in steps],
        [step["batch"] for step in steps],
        [step["seconds"] for step in steps],
    )
    parts = [case[name] for name in ("serial_seconds", "seconds_per_example", "exchange_seconds")]
    assert found == tuple(pytest.approx(part, rel=0.01, abs=2e-6) for part in parts)


@cases
def test_the_recorded_efficiencies_follow_from_the_recorded_times(case):
    times = {(step["workers"], step["batch"]): step["seconds"] for step in case["steps"]}
    strong, weak = case["efficiency"]["strong"], case["efficiency"]["weak"]
    assert len(times) == 2 * len(strong) == 2 * (len(weak) + 1)
    for batch, value in strong.items():
        share = times[1, int(batch)] / (2 * times[2, int(batch)])
        assert value == pytest.approx(share, abs=2e-3)
    for batch, value in weak.items():
        share = times[1, int(batch)] / times[2, 2 * int(batch)]
        assert value == pytest.approx(share, abs=2e-3)


def test_the_recorded_latency_and_bandwidth_follow_from_the_recorded_times():
    sums = RECORD["all_reduce"]
    found = fit_latency_and_bandwidth(sums["workers"], sums["sizes"], sums["seconds"])
    assert found == (
        pytest.approx(sums["latency"], rel=0.01),
        pytest.approx(sums["bandwidth"], rel=0.01),
    )


def test_the_record_says_how_and_where_it_was_made():
    assert {"cpu", "cores", "date", "jax", "keras"} <= RECORD["machine"].keys()
    assert f"over {RECORD['rounds']} rounds" in RECORD["method"]


def test_the_faster_program_scales_worse():
    ring, keras = RECORD["cases"]
    assert keras["seconds_per_example"] < 0.5 * ring["seconds_per_example"]
    assert keras["exchange_seconds"] > 3 * ring["exchange_seconds"]
    weak = ring["efficiency"]["weak"], keras["efficiency"]["weak"]
    assert all(weak[1][size] < weak[0][size] for size in weak[0])

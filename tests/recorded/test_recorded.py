import json
import statistics

import pytest

from coursepkg.hardware.machine import recorded_machines
from coursepkg.recorded import load_recorded
from tools.sources import ROOT

NAMES = sorted(path.stem for path in (ROOT / "coursepkg" / "recorded").glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_says_how_and_on_what_it_was_measured(name):
    record = load_recorded(name)
    assert (ROOT / "benchmarks" / f"{name}.py").is_file()
    assert len(record["method"]) > 200
    assert {"cpu", "cores", "backend", "python", "keras", "numpy", "date"} <= set(record["machine"])


def test_training_from_scratch_is_no_slower_than_keras():
    for case in load_recorded("mlp_epoch")["cases"]:
        assert case["ratio"] >= 1, json.dumps(case)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_measured_peak_is_that_of_the_blas_library_within_a_tenth(dtype):
    rates = load_recorded("peak")[dtype]
    assert rates["ratio"] == pytest.approx(
        rates["backend_gflops"] / rates["numpy_gflops"], abs=2e-3
    )
    assert rates["ratio"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", ["memory", "moving"])
def test_the_roofline_s_median_error_follows_from_its_layers(kind):
    record = load_recorded("roofline")
    errors = [abs(one[kind] / one["measured"] - 1) for one in record["layers"]]
    assert len(errors) == 12
    assert record[f"median_error_{kind}"] == pytest.approx(statistics.median(errors), abs=2e-3)
    assert record[f"median_error_{kind}"] < 0.5


def test_recorded_machines_say_how_they_were_measured():
    machines = recorded_machines()
    assert machines
    for record in machines.values():
        assert len(record["method"]) > 200
        assert {"processor", "date", "backend", "versions"} <= set(record["machine"])
        assert record["peak"]["float32"] > 1e9
        assert record["device_bandwidth"] > 1e9


def test_an_unknown_record_is_refused():
    with pytest.raises(ValueError, match=r"'nothing'; expected one of \["):
        load_recorded("nothing")

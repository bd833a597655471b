import json

import pytest

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


def test_an_unknown_record_is_refused():
    with pytest.raises(ValueError, match=r"'nothing'; expected one of \["):
        load_recorded("nothing")

import pytest

from coursepkg.recorded import load_recorded


def test_a_record_says_how_and_on_what_it_was_measured():
    record = load_recorded("mnist_time_to_99")
    assert len(record["method"]) > 200
    assert {"cpu", "cores", "backend", "python", "keras", "numpy", "date"} <= set(record["machine"])


def test_an_unknown_record_is_refused():
    with pytest.raises(ValueError, match=r"'nothing'; expected one of \['mnist_time_to_99'"):
        load_recorded("nothing")

"""What the recorded table of compressed networks says, against what can be counted again."""

import keras
import pytest

from coursepkg.models import compression
from coursepkg.models.images import convnet_32
from coursepkg.recorded import load_recorded

RECORD = load_recorded("compressed_models")
CASES = {case["name"]: case for case in RECORD["cases"]}
MODELS = {
    "float32": convnet_32,
    "trained on": convnet_32,
    "units": lambda: compression.thin_convnet(8, 32),
    "rank": lambda: compression.factorised_convnet(16),
    "student": lambda: compression.thin_convnet(8, 16, 2),
    "distilled": lambda: compression.thin_convnet(8, 16, 2),
    "early exit": compression.early_exit_convnet,
}
CONVOLUTION = 26 * 26 * 32 * 9
ACCURACY = {name: sum(c["correct"]) / 3 / RECORD["test_images"] for name, c in CASES.items()}
TIMES = {name: case["seconds"]["256"][1] for name, case in CASES.items()}


def test_every_form_was_trained_three_times():
    assert set(CASES) == {*MODELS, "int8", "int4", "pruned"}
    for case in CASES.values():
        assert len(case["correct"]) == 3
        assert all(0 <= count <= RECORD["test_images"] for count in case["correct"])


@pytest.mark.parametrize("name", MODELS)
def test_bytes_of_float_networks_are_four_a_parameter(name):
    assert CASES[name]["bytes"] == 4 * MODELS[name]().count_params()


def test_bytes_of_compressed_weights():
    floats = 4 * (320 + 128 + 10)  # convolution and biases
    dense = 5408 * 128 + 128 * 10
    assert CASES["int8"]["bytes"] == floats + dense + 4 * (128 + 10)
    pruned = floats + 4 * 1280 + 6 * (5408 * 128 - round(0.95 * 5408 * 128)) + 4 * 5409
    assert CASES["pruned"]["bytes"] == pytest.approx(pruned, abs=60)  # weights that became 0
    assert CASES["int8"]["bytes"] > CASES["int4"]["bytes"] > dense / 2


@pytest.mark.parametrize(("name", "work"), [
    ("float32", CONVOLUTION + 5408 * 128 + 1280),
    ("int8", CONVOLUTION + 5408 * 128 + 1280),
    ("pruned", CONVOLUTION + 5408 * 128 + 1280),
    ("units", CONVOLUTION // 4 + 1352 * 32 + 320),
    ("rank", CONVOLUTION + 16 * (5408 + 128) + 1280),
    ("student", 13 * 13 * 8 * 9 + 288 * 16 + 160),
])  # fmt: skip
def test_work_by_hand(name, work):
    assert CASES[name]["multiply_adds"] == work


def test_the_early_exit_does_less_work_than_both_heads():
    first = CONVOLUTION + 5120
    assert first < CASES["early exit"]["multiply_adds"] < first + 5408 * 128 + 1280


def test_times_are_quartiles_and_ratios_those_of_the_medians():
    base = CASES["float32"]["seconds"]["256"][1]
    for case in CASES.values():
        for quartiles in case["seconds"].values():
            assert 0 < quartiles[0] <= quartiles[1] <= quartiles[2]
        assert case["ratio"] == pytest.approx(base / case["seconds"]["256"][1], abs=0.006)
    for one in RECORD["products"]:
        seconds = one["seconds"]
        assert one["ratio"] == pytest.approx(seconds["float32"] / seconds["int8"], abs=0.02)


def test_what_the_page_says_of_accuracy():
    for name in ("int8", "int4", "pruned"):
        assert ACCURACY["trained on"] - ACCURACY[name] < 0.005
    assert 0.005 < ACCURACY["trained on"] - ACCURACY["units"] < 0.015
    assert abs(ACCURACY["student"] - ACCURACY["distilled"]) < 0.015
    assert max(ACCURACY["student"], ACCURACY["distilled"]) < ACCURACY["units"]


def test_what_the_page_says_of_bytes():
    sizes = {name: case["bytes"] for name, case in CASES.items()}
    front = {
        name
        for name in sizes
        if not any(sizes[n] <= sizes[name] and ACCURACY[n] > ACCURACY[name] for n in sizes)
    }
    assert front - {"student", "distilled"} == {"units", "pruned"}
    assert {"student", "distilled"} == set(sorted(sizes, key=sizes.get)[:2])


def test_what_the_page_says_of_time():
    base = TIMES["float32"]
    for name in ("int8", "int4", "pruned", "early exit"):
        assert TIMES[name] > 0.8 * base
    assert TIMES["units"] < 0.7 * base
    one = {name: case["seconds"]["1"][1] for name, case in CASES.items()}
    for name in ("int8", "int4", "early exit"):
        assert one[name] > 1.2 * one["float32"]
    assert TIMES["early exit"] > 1.1 * base
    assert TIMES["rank"] < base
    assert {"student", "distilled"} == set(sorted(TIMES, key=TIMES.get)[:2])


def test_what_the_page_says_of_int8_kernels():
    assert [one["batch"] for one in RECORD["products"]] == [1, 16, 256]
    assert all(one["ratio"] > 2 for one in RECORD["products"][1:])


def test_the_record_is_of_this_major_version_of_keras():
    assert RECORD["machine"]["keras"].split(".")[0] == keras.__version__.split(".")[0]

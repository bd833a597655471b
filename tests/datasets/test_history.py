"""The data of the history of computing: complete, plausible, and each with its source."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from coursepkg.datasets import (
    DamagedDataError,
    _bundled,
    graphics_processors,
    imagenet_results,
    processors,
    supercomputers,
    training_runs,
)
from coursepkg.datasets._table import read_table

ROOT = Path(__file__).resolve().parents[2]
CHIPS = processors.load_data()
CARDS = graphics_processors.load_data()
MACHINES = supercomputers.load_data()
RUNS = training_runs.load_data()
IMAGENET = imagenet_results.load_data()


def keys_of_the_bibliography() -> set[str]:
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    return set(re.findall(r"^@\w+\{([^,]+),", text, flags=re.MULTILINE))


@pytest.mark.parametrize("table", [CHIPS, CARDS, MACHINES, RUNS, IMAGENET])
def test_the_columns_of_a_table_have_one_length(table):
    assert len({len(column) for column in table.values()}) == 1


@pytest.mark.parametrize("table", [CHIPS, MACHINES, IMAGENET])
def test_every_typed_fact_names_its_page(table):
    for source in table["source"]:
        assert re.fullmatch(r"https?://[^\s]+", source)


@pytest.mark.parametrize("table", [RUNS, IMAGENET])
def test_every_work_is_in_the_bibliography(table):
    assert set(table["work"]) - {""} <= keys_of_the_bibliography()


def test_processors_are_listed_once_from_1971_to_2024():
    assert len(CHIPS["name"]) == len(set(CHIPS["name"])) == 44
    assert (CHIPS["year"].min(), CHIPS["year"].max()) == (1971.87, 2024.35)
    assert {"Intel", "AMD", "Apple", "NVIDIA"} <= set(CHIPS["maker"])
    assert dict(zip(CHIPS["name"], CHIPS["transistors"], strict=True))["Intel 8086"] == 29_000
    assert np.isnan(CHIPS["price_usd"]).sum() == 42


def test_each_processor_is_near_the_trend_that_another_collector_found():
    years, counts = processors.load_trends()["transistors"]
    expected = np.polyval(np.polyfit(years, np.log10(counts), 1), CHIPS["year"])
    assert np.abs(np.log10(CHIPS["transistors"]) - expected).max() < 1.3


def test_processes_shrink_and_have_sensible_units():
    known = np.isfinite(CHIPS["process_nm"])
    order = np.argsort(CHIPS["year"][known], kind="stable")
    sizes = CHIPS["process_nm"][known][order]
    assert sizes[0] == 10_000
    assert np.median(sizes[:5]) > 500 * np.median(sizes[-5:])


@pytest.mark.parametrize(
    ("quantity", "count", "low", "high"),
    [
        ("transistors", 99, 2e3, 6e10),
        ("clock_mhz", 101, 0.5, 5000),
        ("power_w", 101, 0.4, 500),
    ],
)
def test_trends_are_complete_and_in_their_units(quantity, count, low, high):
    years, values = processors.load_trends()[quantity]
    assert years.shape == values.shape == (count,)
    assert (np.diff(years) >= 0).all()
    assert years[0] == 1971.88
    assert values.min() >= low
    assert values.max() <= high


def test_graphics_processors_are_in_order_and_listed_once():
    assert len(CARDS["name"]) == 2832
    names = list(zip(CARDS["manufacturer"], CARDS["name"], strict=True))
    assert len(set(names)) == 2832
    assert (np.diff(CARDS["year"]) >= 0).all()
    assert (int(CARDS["year"][0]), int(CARDS["year"][-1])) == (1986, 2025)


def test_known_graphics_processors_have_their_published_numbers():
    row = list(CARDS["name"]).index("GeForce RTX 4090")
    assert int(CARDS["year"][row]) == 2022
    assert CARDS["transistors"][row] == pytest.approx(76.3e9)
    assert CARDS["gflops"][row] == pytest.approx(82_580)
    assert (CARDS["power_w"][row], CARDS["process_nm"][row]) == (450, 5)


@pytest.mark.parametrize(
    "column", ["transistors", "process_nm", "gflops", "power_w", "bandwidth_gb_s"]
)
def test_numbers_of_graphics_processors_are_positive_or_unknown(column):
    known = CARDS[column][np.isfinite(CARDS[column])]
    assert (known > 0).all()
    assert known.size > 1900


def test_the_fastest_computers_became_faster_from_list_to_list():
    fastest = MACHINES["list"] != "Green500"
    assert fastest.sum() == 15
    assert (np.diff(MACHINES["year"][fastest]) > 0).all()
    assert (np.diff(MACHINES["gflops"][fastest]) > 0).all()


def test_speed_and_power_of_the_same_computer_make_sense():
    both = np.isfinite(MACHINES["gflops"] + MACHINES["gflops_per_watt"])
    megawatts = MACHINES["gflops"][both] / MACHINES["gflops_per_watt"][both] / 1e6
    assert both.sum() == 5
    assert ((megawatts > 8) & (megawatts < 31)).all()


def test_runs_are_in_order_and_listed_once():
    assert len(RUNS["system"]) == len(set(RUNS["system"])) == 518
    assert (np.diff(RUNS["date"]) >= np.timedelta64(0)).all()
    assert (RUNS["system"][0], RUNS["system"][-1]) == ("Theseus", "K-EXAONE")


def test_the_year_of_a_run_is_its_date_as_a_number():
    assert RUNS["year"][-1] == pytest.approx(2025 + 364 / 365)
    assert RUNS["year"][list(RUNS["system"]).index("Perceptron Mark I")] == 1957
    leap_year = list(RUNS["system"]).index("Llama 3.1-405B")  # 23 July 2024, the 205th day
    assert RUNS["year"][leap_year] == pytest.approx(2024 + 204 / 366)


def test_known_runs_have_their_published_numbers():
    flop = dict(zip(RUNS["system"], RUNS["flop"], strict=True))
    assert flop["AlexNet"] == 4.7e17
    assert flop["GPT-3 175B (davinci)"] == 3.14e23
    assert flop["LeNet-5"] == pytest.approx(2.8e12, rel=0.01)
    assert np.isfinite(RUNS["flop_2023"]).sum() == 81


def test_most_estimates_changed_little_between_the_two_editions():
    ratio = RUNS["flop"] / RUNS["flop_2023"]
    assert np.nanmedian(ratio) == pytest.approx(1, abs=0.01)
    assert np.nanmean(np.abs(np.log2(ratio)) > 1) < 0.25


def test_imagenet_errors_fell_every_year():
    assert IMAGENET["year"].tolist() == list(range(2010, 2018))
    assert (np.diff(IMAGENET["top5_error"]) < 0).all()
    assert IMAGENET["top5_error"][2] == 16.422
    assert (IMAGENET["method"] == "convolutional network").tolist() == [False] * 2 + [True] * 6


def test_a_licence_lies_beside_every_table_that_others_compiled():
    for name in ("training_runs", "processor_trends"):
        text = (ROOT / f"coursepkg/datasets/data/{name}.LICENSE.txt").read_text(encoding="utf-8")
        assert "Creative Commons Attribution 4.0" in text
        assert text.startswith(f"{name}.csv: ")


# Reading


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Give an empty folder in place of the data of the package."""
    monkeypatch.setattr(_bundled, "DATA", tmp_path)
    return tmp_path


def test_a_table_is_read_by_columns(folder):
    (folder / "fruit.csv").write_text('name,mass\n"pear, green",1.5\nplum,\n')
    table = read_table("fruit", ("mass",))
    assert table["name"].tolist() == ["pear, green", "plum"]
    np.testing.assert_array_equal(table["mass"], [1.5, np.nan])


@pytest.mark.parametrize(
    "content", [None, "", "name\npear\n", "name,mass\npear,heavy\n", "name,mass\npear\n"]
)
def test_a_damaged_table_is_reported(folder, content):
    if content is not None:
        (folder / "fruit.csv").write_text(content)
    with pytest.raises(DamagedDataError, match=r"fruit.csv cannot be read .*Install the package"):
        read_table("fruit", ("mass",))


def test_the_bundled_specifications_are_those_of_the_listed_checksum():
    line = next(
        line
        for line in (ROOT / "coursepkg/datasets/data/CHECKSUMS").read_text().splitlines()
        if line.endswith("graphics_processors.npz")
    )
    content = (ROOT / "coursepkg/datasets/data/graphics_processors.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == line.split()[0]

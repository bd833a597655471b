"""What learners install: a wheel with all data in it, and nothing of the authors' tools."""

import subprocess
import sys
import zipfile

import pytest

from tools.sources import ROOT

LIMIT_BYTES = 8 * 2**20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of what is tracked or new, as `pip install` would."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    for path in (ROOT / "coursepkg").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, copy]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size <= LIMIT_BYTES


def test_the_wheel_holds_every_module_and_every_data_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "coursepkg"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected <= names
    assert {name.split("/")[0] for name in names - expected} == {
        name.split("/")[0] for name in names if ".dist-info/" in name
    }


def test_the_wheel_asks_for_three_packages_only(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    needs = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert sorted(need.split()[1].split(">=")[0] for need in needs) == [
        "keras", "matplotlib", "numpy",
    ]  # fmt: skip
    assert all(">=" in need and "==" not in need and "<" not in need for need in needs)

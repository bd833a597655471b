import json
import sys

import numpy as np
import pytest

from coursepkg.hardware import machine


def test_this_machine_is_described():
    found = machine.this_machine()
    assert found.processor
    assert 1 <= found.cores <= found.threads
    assert 1 <= found.usable <= found.threads
    assert found.memory > 2**28
    assert found.devices
    assert found.versions["numpy"] == np.__version__
    assert json.loads(json.dumps(found.as_json())) == found.as_json()


def test_sizes_of_caches_are_read_from_files(tmp_path):
    entries = [("Data", 1, "32K"), ("Instruction", 1, "64K"), ("Unified", 2, "1M")]
    for number, entry in enumerate(entries):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, value in zip(("type", "level", "size"), entry, strict=True):
            (folder / name).write_text(f"{value}\n")
    (tmp_path / "index3").mkdir()  # a cache about which nothing is said
    assert machine.caches(tmp_path) == {"L1": 32 * 2**10, "L2": 2**20}
    assert machine.caches(tmp_path / "nowhere") == {}


def _driver(folder, monkeypatch, lines, status=0):
    program = folder / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nprint({lines!r})\nraise SystemExit({status})\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_graphics_processors_are_listed(tmp_path, monkeypatch):
    _driver(tmp_path, monkeypatch, "Big, fast GPU, 81559, 700.00\nOld GPU, 1024, [N/A]")
    assert machine.accelerators() == (
        machine.Accelerator("Big, fast GPU", 81559 * 2**20, 700.0),
        machine.Accelerator("Old GPU", 2**30, None),
    )


def test_a_driver_that_fails_lists_none(tmp_path, monkeypatch):
    _driver(tmp_path, monkeypatch, "no devices were found", status=6)
    assert machine.accelerators() == ()


def test_without_a_driver_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.accelerators() == ()


def test_a_missing_library_says_how_to_install_it():
    with pytest.raises(ImportError, match=r"pip install \"coursepkg\[chapters\]\""):
        machine.required("no_such_library_here")


def test_records_of_other_machines(tmp_path):
    assert machine.recorded_machines(tmp_path / "none") == {}
    (tmp_path / "a.json").write_text('{"x": 1}')
    (tmp_path / "note.txt").write_text("no record")
    assert machine.recorded_machines(tmp_path) == {"a": {"x": 1}}
    assert "amd-epyc-2-cores" in machine.recorded_machines()

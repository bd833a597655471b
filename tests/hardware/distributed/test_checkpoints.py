import os

import numpy as np
import pytest

from coursepkg.hardware.distributed import checkpoints


def test_what_was_saved_comes_back(tmp_path):
    arrays = {"w": np.arange(6.0).reshape(2, 3), "step": np.array(7)}
    checkpoints.save(tmp_path / "new", 7, arrays)
    step, found = checkpoints.latest(tmp_path / "new")
    assert step == 7
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_without_a_checkpoint_training_starts_at_0(tmp_path):
    assert checkpoints.latest(tmp_path) == (0, {})
    assert checkpoints.latest(tmp_path / "missing") == (0, {})


def test_the_last_two_stay(tmp_path):
    for step in (5, 10, 100, 15_000):
        checkpoints.save(tmp_path, step, {"w": np.full(2, step)})
    assert len(list(tmp_path.iterdir())) == 2
    step, arrays = checkpoints.latest(tmp_path)
    assert step == 15_000
    assert arrays["w"][0] == 15_000


def test_a_crash_while_writing_leaves_the_last_whole_one(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 5, {"w": np.zeros(3)})

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(tmp_path, 10, {"w": np.ones(3)})
    step, arrays = checkpoints.latest(tmp_path)
    assert step == 5
    assert not arrays["w"].any()

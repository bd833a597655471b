"""Checkpoints: files from which training goes on as if nothing had happened."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

_KEEP = 2


def save(folder: Path, step: int, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write a checkpoint so that a crash at any moment leaves a whole one behind.

    The arrays go to a temporary file, which is forced to disk and then renamed; renaming is a
    single act of the file system. Of older checkpoints one stays.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    step : int
        How many steps are done.
    arrays : mapping of str to ndarray
        Weights, the optimiser's state, and whatever else the next step depends on.

    Returns
    -------
    Path
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, temporary = folder / f"step-{step:08d}.npz", folder / "unfinished"
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    for old in sorted(folder.glob("step-*.npz"))[:-_KEEP]:
        old.unlink()
    return target


def latest(folder: Path) -> tuple[int, dict[str, np.ndarray]]:
    """Read the last checkpoint.

    Parameters
    ----------
    folder : Path
        Where `save` put it.

    Returns
    -------
    step : int
        How many steps it has behind it; 0 if there is none.
    arrays : dict of str to ndarray
        What was saved; empty if there is none.
    """
    files = sorted(folder.glob("step-*.npz"))
    if not files:
        return 0, {}
    with np.load(files[-1], allow_pickle=False) as content:
        return int(files[-1].stem.removeprefix("step-")), dict(content)

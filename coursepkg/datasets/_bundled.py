"""The data that travel inside the package: files in ``data/``, listed in ``data/CHECKSUMS``."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from coursepkg.datasets._content import Arrays, DamagedDataError, read_npz

DATA = files("coursepkg.datasets") / "data"


def _read(file: str) -> bytes:
    try:
        return (DATA / file).read_bytes()
    except OSError as error:
        raise DamagedDataError(
            f"this installation of coursepkg is damaged: it has no {file} ({error}). "
            "Install the package again."
        ) from error


def _checksums() -> dict[str, str]:
    """Return the sha256 of every bundled file, by file name; ``sha256sum -c`` reads it too."""
    lines = _read("CHECKSUMS").decode("ascii").splitlines()
    return {name: sha256 for sha256, name in (line.split("  ") for line in lines)}


def load_bundled(name: str) -> Arrays:
    """Return the arrays of one bundled dataset, by name.

    Parameters
    ----------
    name
        The name of its file in ``data/``, without ``.npz``.

    Raises
    ------
    ValueError
        If the package has no such dataset.
    DamagedDataError
        If the file is not the one that the package was made with.
    """
    checksums = _checksums()
    file = f"{name}.npz"
    if file not in checksums:
        raise ValueError(f"expected the name of a bundled file, {sorted(checksums)}; got {file!r}")
    data = _read(file)
    if (actual := hashlib.sha256(data).hexdigest()) != checksums[file]:
        raise DamagedDataError(
            f"this installation of coursepkg is damaged: {file} should have sha256 "
            f"{checksums[file]} but has {actual} ({len(data)} bytes). Install the package again."
        )
    return read_npz(data)

"""Results that were measured once, on a machine that each file describes, and are shown as such."""

import json
from importlib.resources import files
from typing import Any


def load_recorded(name: str) -> dict[str, Any]:
    """Return a recorded result.

    Parameters
    ----------
    name : str
        The benchmark's name, such as ``"mnist_time_to_99"``.

    Returns
    -------
    dict
        What the script ``benchmarks/<name>.py`` wrote, its method and machine included.

    Raises
    ------
    ValueError
        If nothing of that name was recorded.
    """
    folder = files("coursepkg.recorded")
    known = sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.suffix == ".json")
    if name not in known:
        raise ValueError(f"nothing is recorded as {name!r}; expected one of {known}")
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))

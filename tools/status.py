"""The status page: which versions built the book, and how long each chapter took."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import version

from tools.sources import Source

MARKER = "% status"
_PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "matplotlib", "jupyter-book")


def filled_in(text: str, pages: Iterable[Source], executed: dict) -> str:
    """Replace the line ``% status`` of a page by the tables of versions and times."""
    if MARKER not in text:
        return text
    return text.replace(MARKER, f"{_times(pages, executed)}\n\n{_versions()}")


def _times(pages: Iterable[Source], executed: dict) -> str:
    rows = [
        "| chapter | seconds to run | run on | Python | backend | device |",
        "|---|--:|---|---|---|---|",
    ]
    for page in pages:
        if page.is_notebook:
            run = executed[page.name].metadata["executed"]
            rows.append(
                f"| [](../{page.name}.md) | {run['seconds']:.0f} | {run['date']} "
                f"| {run['python']} | {run['backend']} | {run['device']} |"
            )
    return "\n".join(rows)


def _versions() -> str:
    rows = ["| package | version |", "|---|---|"]
    for package in _PACKAGES:
        try:
            rows.append(f"| {package} | {version(package)} |")
        except ModuleNotFoundError:
            continue
    rows.append(f"| processor cores of the machine | {os.cpu_count()} |")
    return "\n".join(rows)

"""What stands once in ``_config.yml`` and ``pyproject.toml``, and what follows from it."""

from __future__ import annotations

import tomllib

import yaml

from tools.sources import ROOT


def settings() -> dict:
    """Return the contents of ``_config.yml``."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def version() -> str:
    """Return the package's version as ``pyproject.toml`` states it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["version"]


def git_ref() -> str:
    """Return the tag of the package's version, or the branch while that version is in the making.

    Colab opens the notebook, and installs the package, from this one reference: so they fit.
    """
    current = version()
    return settings()["repository"]["branch"] if ".dev" in current else f"v{current}"

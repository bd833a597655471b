"""What stands once in ``_config.yml`` and ``pyproject.toml``, and what follows from it."""

from __future__ import annotations

import tomllib
from urllib.parse import urlsplit

import yaml

from tools.sources import ROOT


def settings() -> dict:
    """Return the contents of ``_config.yml``, with the address of the published book.

    GitHub serves the pages of the repository ``github.com/OWNER/NAME`` at ``OWNER.github.io/NAME``.
    """
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    owner, name = urlsplit(config["repository"]["url"]).path.strip("/").split("/")
    config["html"]["baseurl"] = f"https://{owner}.github.io/{name}/"
    return config


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

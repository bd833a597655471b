"""What must stand once, and what must not stand at all."""

import re
import subprocess

from tools.settings import settings
from tools.sources import ROOT

GENERATED = ("notebooks/",)


def tracked_text():
    """Give the name and text of every tracked or new file that people write."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        path = ROOT / name
        if path.is_file() and path.suffix not in {".npz", ".png"}:
            yield name, path.read_text(encoding="utf-8")


def test_the_address_of_the_repository_stands_once():
    url = settings()["repository"]["url"]
    owner = url.removeprefix("https://github.com/")
    places = [name for name, text in tracked_text() if owner in text]
    assert [name for name in places if not name.startswith(GENERATED)] == ["_config.yml"]


def test_the_version_stands_once():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    places = [name for name, text in tracked_text() if version.group(1) in text]
    assert places == ["pyproject.toml"]


def test_ci_runs_the_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()

"""Who may import whom (see the README), and what the import of the package costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "coursepkg"
STANDARD = sys.stdlib_module_names
BACKENDS = {"tensorflow", "jax", "jaxlib", "torch"}
ALLOWED = {
    "background": {"numpy"},
    "scratch": {"numpy"},
    "models": {"keras"},
    "hardware": {"numpy", "keras", "psutil", "cpuinfo", "threadpoolctl"},
    "figures": {"numpy", "matplotlib", "cycler"},
    "checks": {"numpy"},
    "datasets": {"numpy"},
    "recorded": set(),
}
ALLOWED_INSIDE = {"checks": {"background", "scratch"}, "hardware": {"datasets", "scratch"}}


def imports(path):
    """List the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def broken_walls(files, room):
    """Name the imports of a room's files that its walls do not allow."""
    own = {room, *ALLOWED_INSIDE.get(room, ())}
    for path in files:
        for module in imports(path):
            first, *rest = module.split(".")
            if first == "coursepkg":
                allowed = rest and rest[0] in own
            else:
                allowed = first in STANDARD or first in ALLOWED[room]
            if not allowed:
                yield f"{path.name} imports {module}"


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_rooms_import_only_what_they_may(room):
    assert list(broken_walls((PACKAGE / room).rglob("*.py"), room)) == []


def test_every_room_has_walls():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(ALLOWED)


@pytest.mark.parametrize(
    "line", ["import keras", "from coursepkg.models import images", "import tensorflow as tf"]
)
def test_a_broken_wall_is_seen(tmp_path, line):
    path = tmp_path / "module.py"
    path.write_text(f"import numpy as np\n\n\ndef late():\n    {line}\n")
    assert len(list(broken_walls([path], "scratch"))) == 1


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_nothing_imports_tools_or_a_backend(path):
    firsts = {module.split(".")[0] for module in imports(path)}
    assert not firsts & (BACKENDS | {"tools", "tests"})


def test_importing_the_package_imports_neither_keras_nor_matplotlib():
    code = "import sys, coursepkg; print([m for m in ('keras', 'matplotlib') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"

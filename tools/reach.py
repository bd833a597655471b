"""Which files of ``coursepkg`` a page's code can run: those it imports, and what these import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = "coursepkg"
_CHECKED = re.compile(r"""check\(\s*["']([A-Za-z_]\w*)\.""")


def reached(cells: Iterable[str], root: Path) -> set[Path]:
    """List the Python files of the package whose code the cells can run.

    ``check("chapter.exercise", ...)`` reaches the chapter's module of checkers, which is imported
    by its name.

    Parameters
    ----------
    cells : iterable of str
        The code cells of a page. A cell that is no plain Python reaches the whole package.
    root : Path
        The folder that holds the package.
    """
    cells = list(cells)
    modules = {f"{PACKAGE}.checks.{chapter}" for c in cells for chapter in _CHECKED.findall(c)}
    try:
        for cell in cells:
            modules |= set(_imported(cell))
    except SyntaxError:
        return set((root / PACKAGE).rglob("*.py"))
    found: set[Path] = set()
    waiting = [path for module in modules for path in _files(module, root)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            source = path.read_text(encoding="utf-8")
            waiting += [p for module in _imported(source) for p in _files(module, root)]
    return found


def _imported(source: str) -> Iterator[str]:
    """Name what a source imports; of ``from a import b`` both ``a`` and ``a.b``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(module: str, root: Path) -> Iterator[Path]:
    """Give the files that run when a module of the package is imported, its parents included."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return
    for count in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:count])
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if path.is_file():
                yield path

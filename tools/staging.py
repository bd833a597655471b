"""A folder of generated files, rewritten file by file."""

from __future__ import annotations

from pathlib import Path


class Staging:
    """A folder in which a file that did not change keeps its time stamp.

    Parameters
    ----------
    folder : Path
        The folder; it is made when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: set[Path] = set()

    def write(self, name: str, content: bytes) -> None:
        """Write one file below the folder, unless it holds just that already."""
        path = self.folder / name
        self._written.add(path)
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def drop_the_rest(self, pattern: str = "*") -> None:
        """Remove the files that match the pattern and were not written this time."""
        for path in self.folder.rglob(pattern):
            if path.is_file() and path not in self._written:
                path.unlink()

"""Prove that the course runs beside Colab's packages: ``python -m tools.colab``.

In a fresh environment with the versions that Colab has (``tools/colab.txt``), it installs the
wheel, checks that no other version moved, and runs every notebook from an empty folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.sources import NOTEBOOKS, ROOT

VERSIONS = ROOT / "tools" / "colab.txt"
RUN_NOTEBOOK = """\
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
"""


def call(*command: str | Path, folder: Path, **environment: str) -> str:
    """Run a command in a folder and return what it prints; raise if it fails."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(f"FAILED: {' '.join(map(str, command))}\n{result.stdout}")
    return result.stdout


def main() -> None:
    """Build the environment and the wheel, and run the notebooks."""
    interpreter = shutil.which(os.environ.get("COLAB_PYTHON", "python3.13"))
    if interpreter is None:
        raise SystemExit("Colab has Python 3.13; set COLAB_PYTHON to such an interpreter.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("Installing Colab's versions.", flush=True)
        call(interpreter, "-m", "venv", "venv", folder=folder)
        python = folder / "venv" / "bin" / "python"
        call(python, "-m", "pip", "install", "-q", "-r", VERSIONS, folder=folder)
        before = call(python, "-m", "pip", "freeze", folder=folder)

        call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, folder=folder)
        (wheel,) = folder.glob("*.whl")
        print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB", flush=True)
        call(python, "-m", "pip", "install", "-q", f"{wheel}[chapters]", folder=folder)
        after = call(python, "-m", "pip", "freeze", folder=folder)
        if moved := set(before.splitlines()) - set(after.splitlines()):
            raise SystemExit(f"FAILED: the package changed Colab's versions: {sorted(moved)}")

        empty = folder / "empty"
        for notebook in sorted(NOTEBOOKS.rglob("*.ipynb")):
            empty.mkdir()
            call(python, "-c", RUN_NOTEBOOK, notebook, folder=empty, COURSEPKG_QUIET="1")
            shutil.rmtree(empty)
            print(f"runs: {notebook.relative_to(NOTEBOOKS)}", flush=True)


if __name__ == "__main__":
    main()

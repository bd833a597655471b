"""Running the notebooks: once each, in parallel, and never twice for the same inputs."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tools.reach import reached
from tools.sources import BUILD, ROOT, Source

CELL_TIMEOUT_S = 600
_KEPT_PER_PAGE = 5
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class ExecutionFailed(Exception):
    """At least one notebook raised; the message says which, and where its report lies."""


def _digest(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def _backend() -> str:
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def _device() -> str:
    return os.environ.get("DEVICE", "cpu")


def _workers() -> int:
    return 1 if _device() == "gpu" else os.cpu_count() or 1


def package_digest(cells: Iterable[str], root: Path = ROOT) -> str:
    """Digest what the cells can reach of ``coursepkg``, names included: modules, and all data."""
    package = root / "coursepkg"
    data = {p for p in package.rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc"}}
    return _digest(
        part
        for p in sorted(data | reached(cells, root))
        for part in (p.relative_to(package).as_posix().encode(), p.read_bytes())
    )


def execution_key(page: Source, root: Path = ROOT) -> str:
    """Digest all that a page's outputs depend on.

    That is: its code cells and their tags, the modules of ``coursepkg`` that they reach and its
    data, the lock file, the Keras backend, the device, and the Python version. Prose is not part
    of it.
    """
    cells = [c for c in page.notebook().cells if c.cell_type == "code"]
    code = (f"{sorted(c.metadata.get('tags', []))}\n{c.source}".encode() for c in cells)
    environment = (
        package_digest((c.source for c in cells), root),
        _backend(),
        _device(),
        f"{sys.version_info.major}.{sys.version_info.minor}",
    )
    lock = (root / "requirements.txt").read_bytes()
    return _digest([*code, lock, *(value.encode() for value in environment)])[:20]


@dataclass(frozen=True)
class Cache:
    """Executed notebooks on disk, one file for each page and key."""

    folder: Path = BUILD / "executed"

    def path(self, page: Source, key: str) -> Path:
        """Return where the executed notebook of a page lies, or will lie."""
        return self.folder / page.name / f"{key}.ipynb"

    def store(self, page: Source, key: str, notebook: nbformat.NotebookNode) -> None:
        """Write an executed notebook in one step, and drop the oldest of the same page."""
        path = self.path(page, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        nbformat.write(notebook, partial)
        partial.replace(path)
        entries = sorted(path.parent.glob("*.ipynb"), key=lambda p: p.stat().st_mtime)
        for old in entries[:-_KEPT_PER_PAGE]:
            old.unlink()

    def load(self, page: Source, key: str) -> nbformat.NotebookNode:
        """Read an executed notebook."""
        return nbformat.read(self.path(page, key), as_version=4)


def run_notebook(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Run all cells in a fresh kernel, in an empty folder, and note when, how long and on what.

    Raises
    ------
    CellExecutionError
        If a cell raises.
    """
    started = time.monotonic()
    os.environ["COURSEPKG_QUIET"] = "1"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # pages run side by side, one for each core
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    notebook.metadata["executed"] = {
        "seconds": round(time.monotonic() - started, 1),
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "backend": _backend(),
        "device": _device(),
    }
    return notebook


def _run_and_store(page: Source, key: str, cache: Cache) -> float:
    notebook = run_notebook(page.notebook())
    cache.store(page, key, notebook)
    return notebook.metadata["executed"]["seconds"]


def _write_report(page: Source, error: BaseException, reports: Path) -> Path:
    path = reports / f"{page.name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_ANSI.sub("", str(error)), encoding="utf-8")
    return path


def _last_line(error: BaseException) -> str:
    lines = [line for line in _ANSI.sub("", str(error)).splitlines() if line.strip()]
    return lines[-1] if lines else repr(error)


def execute(
    pages: Iterable[Source],
    cache: Cache | None = None,
    reports: Path = BUILD / "reports",
    workers: int | None = None,
    root: Path = ROOT,
) -> dict[str, nbformat.NotebookNode]:
    """Give the executed notebook of every page, running only those not run before.

    Parameters
    ----------
    pages : iterable of Source
        The pages, each the full source with every solution.
    cache : Cache, optional
        Where executed notebooks are kept.
    reports : Path
        Where the report of a failed notebook goes.
    workers : int, optional
        How many notebooks run at once; by default one for each core, and one on a GPU.
    root : Path
        The folder with ``coursepkg`` and the lock file.

    Returns
    -------
    dict
        From page name to executed notebook.

    Raises
    ------
    ExecutionFailed
        If a notebook raised. The others are run to their end and kept.
    """
    cache = cache or Cache()
    keys = {page: execution_key(page, root) for page in pages if page.is_notebook}
    waiting = [page for page, key in keys.items() if not cache.path(page, key).exists()]
    if waiting:
        _execute_all(waiting, keys, cache, reports, workers or _workers())
    return {page.name: cache.load(page, key) for page, key in keys.items()}


def _leave_interrupts_to_the_parent() -> None:
    """Let Ctrl-C reach only the main process, which ends the workers and their kernels."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _execute_all(
    waiting: list[Source], keys: dict[Source, str], cache: Cache, reports: Path, workers: int
) -> None:
    print(f"Executing {len(waiting)} of {len(keys)} notebooks, {workers} at a time.", flush=True)
    failures: list[str] = []
    pool = ProcessPoolExecutor(workers, initializer=_leave_interrupts_to_the_parent)
    try:
        futures: dict[Future, Source] = {
            pool.submit(_run_and_store, page, keys[page], cache): page for page in waiting
        }
        for done, future in enumerate(as_completed(futures), start=1):
            page, error = futures[future], future.exception()
            place = f"  [{done}/{len(waiting)}] {page.name}"
            if error is None:
                print(f"{place}: {future.result():.0f} s", flush=True)
            else:
                report = _write_report(page, error, reports)
                kind = "a cell raised" if isinstance(error, CellExecutionError) else "failed"
                print(f"{place}: {kind}: {_last_line(error)}\n    report: {report}", flush=True)
                failures.append(page.name)
    except KeyboardInterrupt:
        for child in psutil.Process().children(recursive=True):
            child.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if failures:
        raise ExecutionFailed(
            f"{len(failures)} of {len(waiting)} notebooks failed: {', '.join(failures)}. "
            f"Their reports lie in {reports}."
        )

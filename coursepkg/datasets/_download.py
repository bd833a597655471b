"""Full datasets: fetched once from an ordered list of mirrors, verified, kept in a folder.

What is verified is the content, the arrays themselves, so it does not matter which mirror, or which
person, brought the files, nor how they were compressed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursepkg.datasets._content import Arrays, DamagedDataError, npz_bytes, read_npz
from coursepkg.datasets._idx import checked

ATTEMPTS = 3
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 20.0
STALE_SECONDS = 3600.0
_CHUNK_BYTES = 1 << 18
_PASSING_HTTP_ERRORS = {408, 416, 429, 500, 502, 503, 504}


class DownloadError(ConnectionError):
    """A full dataset could not be fetched; the message says why and what one can do."""


@dataclass(frozen=True)
class Mirror:
    """A place on the web that has a full dataset, in one file or several.

    Attributes
    ----------
    base_url
        What stands before each file's name.
    files
        The names of the files.
    decode
        Makes the arrays from the files' bytes, given in the same order; raises DamagedDataError.
    """

    base_url: str
    files: tuple[str, ...]
    decode: Callable[[Sequence[bytes]], Arrays]


@dataclass(frozen=True)
class FullSet:
    """A full dataset: what it contains, and where it can be had.

    Attributes
    ----------
    name
        The name of its folder in the cache.
    sha256
        The arrays' names, each with its `coursepkg.datasets._idx.idx_sha256`.
    mirrors
        Tried in this order.
    by_hand
        Which files a person without network can put into the folder, said in words that fit
        between "put" and "into".
    """

    name: str
    sha256: Mapping[str, str]
    mirrors: tuple[Mirror, ...]
    by_hand: str


def read_one_npz(files: Sequence[bytes]) -> Arrays:
    """Return the arrays of a dataset that is one ``.npz`` file: the `Mirror.decode` for it."""
    (data,) = files
    return read_npz(data)


def cache_folder() -> Path:
    """Return the folder for full datasets: ``$COURSEPKG_DATA``, else ``~/.cache/coursepkg``."""
    return Path(os.environ.get("COURSEPKG_DATA") or "~/.cache/coursepkg").expanduser()


def load_full(full_set: FullSet) -> Arrays:
    """Return the arrays of a full dataset, from the cache folder or else from a mirror.

    Files in the folder are used, verified, whether this function or a person put them there. What
    a mirror gives is stored there for the next time; a folder that cannot be written to costs a
    warning, not the data.

    Raises
    ------
    DownloadError
        If neither the folder nor any mirror has the true content.
    """
    folder = cache_folder() / full_set.name
    problems: list[str] = []
    arrays = _from_folder(full_set, folder, problems)
    if arrays is not None:
        return arrays
    arrays = _from_mirrors(full_set, problems)
    if arrays is None:
        raise DownloadError(_advice(full_set, folder, problems))
    try:
        store(full_set, arrays, folder)
    except OSError as error:
        warnings.warn(
            f"the full {full_set.name} was fetched but cannot be kept in {folder} ({error}); it "
            "will be fetched again next time. COURSEPKG_DATA can name another folder.",
            stacklevel=4,
        )
    return arrays


def _from_folder(full_set: FullSet, folder: Path, problems: list[str]) -> Arrays | None:
    layouts = {(f"{full_set.name}.npz",): read_one_npz}
    layouts |= {mirror.files: mirror.decode for mirror in full_set.mirrors}
    for files, decode in layouts.items():
        try:
            if contents := _read_all(folder, files):
                return checked(decode(contents), full_set.sha256)
        except (OSError, DamagedDataError) as error:
            problems.append(f"{folder}: {error}")
    return None


def _read_all(folder: Path, files: Sequence[str]) -> list[bytes]:
    """Return the contents of files, gzipped or not; or nothing, if none of them is there."""
    plain = [folder / file.removesuffix(".gz") for file in files]
    paths = [
        path if path.is_file() else path.with_name(file)
        for path, file in zip(plain, files, strict=True)
    ]
    missing = [path.name for path in paths if not path.is_file()]
    if len(missing) == len(files):
        return []
    if missing:
        raise FileNotFoundError(f"there is no {', '.join(missing)}")
    return [path.read_bytes() for path in paths]


def _from_mirrors(full_set: FullSet, problems: list[str]) -> Arrays | None:
    for mirror in full_set.mirrors:
        try:
            files = [download(mirror.base_url + file) for file in mirror.files]
            return checked(mirror.decode(files), full_set.sha256)
        except DownloadError as error:
            problems.append(str(error))
        except DamagedDataError as error:
            problems.append(f"{mirror.base_url}: {error}")
    return None


def _advice(full_set: FullSet, folder: Path, problems: Sequence[str]) -> str:
    tried = "".join(f"\n  - {problem}" for problem in problems)
    return (
        f"the full {full_set.name} could not be fetched. Tried:{tried}\n"
        f"Without network: put {full_set.by_hand} into {folder} and call again; "
        "the files are verified. The variable COURSEPKG_DATA can name another folder.\n"
        "load_data() without full=True needs no network: its data are inside the package."
    )


def download(url: str) -> bytes:
    """Return the bytes at a web address.

    A transfer that breaks is taken up where it stopped, if the server can do that, or begun again,
    at most `ATTEMPTS` times in all. A server that cannot be reached is not tried again.

    Raises
    ------
    DownloadError
        If the bytes could not be had.
    """
    received = bytearray()
    problem = ""
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * PAUSE_SECONDS)
        try:
            _receive(url, received)
            return bytes(received)
        except urllib.error.HTTPError as error:
            error.close()
            problem = f"the server answered {error.code} {error.reason}"
            if error.code not in _PASSING_HTTP_ERRORS:
                break
            received.clear()
        except urllib.error.URLError as error:
            problem = f"{error.reason}"
            break
        except (OSError, http.client.HTTPException) as error:
            problem = f"the transfer broke {attempt + 1} times, at last with: {error}"
    raise DownloadError(f"{url}: {problem}")


def _receive(url: str, received: bytearray) -> None:
    """Append to `received` what it lacks of the bytes at `url`."""
    headers = {"User-Agent": "coursepkg"}
    if received:
        headers["Range"] = f"bytes={len(received)}-"
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if response.headers.get_content_type() == "text/html":
            raise urllib.error.URLError("a web page came instead of the file (a login page?)")
        _keep_only_what_is_continued(response, received)
        total = None if response.length is None else len(received) + response.length
        while chunk := response.read(_CHUNK_BYTES):
            received += chunk
            _show_progress(url, len(received), total)
        if total is not None and len(received) < total:
            raise ConnectionError(f"only {len(received)} of {total} bytes came")


def _keep_only_what_is_continued(response: http.client.HTTPResponse, received: bytearray) -> None:
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        received.clear()
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {len(received)}-"):
        received.clear()
        raise ConnectionError("the server went on from another place than asked")


def _show_progress(url: str, received: int, total: int | None) -> None:
    if sys.stderr.isatty():
        whole = f" of {total / 1e6:.1f}" if total else ""
        end = "\n" if received == total else ""
        print(f"\r{url} {received / 1e6:.1f}{whole} MB", end=end, file=sys.stderr, flush=True)


def store(full_set: FullSet, arrays: Arrays, folder: Path) -> Path:
    """Write the arrays where `load_full` looks first, and return the file's path.

    Raises
    ------
    OSError
        If the folder cannot be made or written to; then nothing is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_stale_temporaries(folder)
    path = folder / f"{full_set.name}.npz"
    write_atomically(path, npz_bytes(arrays))
    return path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that at every moment is either absent, as it was before, or complete."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _remove_stale_temporaries(folder: Path) -> None:
    """Remove what a process killed while writing left behind, but nothing that is still young."""
    for temporary in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - temporary.stat().st_mtime > STALE_SECONDS:
                temporary.unlink()

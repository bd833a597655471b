"""Fetching, verifying and keeping full sets, against a web server on this machine."""

import errno
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from coursepkg.datasets import DownloadError, _download, mnist
from coursepkg.datasets._content import npz_bytes
from coursepkg.datasets._download import (
    FullSet,
    Mirror,
    cache_folder,
    download,
    load_full,
    read_one_npz,
    write_atomically,
)
from coursepkg.datasets._idx import GZIPPED_IDX_FILES, idx_sha256, read_idx_files

ROOT = Path(__file__).parents[2]
BODY = bytes(range(256)) * 40
Answer = Callable[[BaseHTTPRequestHandler], None]

random = np.random.RandomState(0)
ARRAYS = {
    "x_train": random.randint(0, 256, (20, 28, 28)).astype(np.uint8),
    "y_train": random.randint(0, 10, 20).astype(np.uint8),
    "x_test": random.randint(0, 256, (10, 28, 28)).astype(np.uint8),
    "y_test": random.randint(0, 10, 10).astype(np.uint8),
}
SHA256 = {name: idx_sha256(array) for name, array in ARRAYS.items()}
NPZ = npz_bytes(ARRAYS)
CHANGED_NPZ = npz_bytes(ARRAYS | {"y_test": ARRAYS["y_test"][::-1]})


def idx(array: np.ndarray) -> bytes:
    """Write an IDX file, independently of the code under test."""
    lengths = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


GZIPPED = dict(
    zip(GZIPPED_IDX_FILES, (gzip.compress(idx(a)) for a in ARRAYS.values()), strict=True)
)
PLAIN = {name.removesuffix(".gz"): gzip.decompress(data) for name, data in GZIPPED.items()}


class Server(ThreadingHTTPServer):
    """A web server that gives the answers a test lays down, and notes what it was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []

    def handle_error(self, request, client_address):
        """Be silent about clients that hang up: some tests make them."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        self.server.asked.append((self.path[1:], self.headers["Range"]))
        self.server.answers.get(self.path[1:], refuses(404))(self)

    def log_message(self, *_):
        pass


def sends(body: bytes, *, breaks_at: tuple[int, ...] = (), ranges: bool = True) -> Answer:
    """Send a file; but hang up after so many bytes of it, the first times."""
    breaks = list(breaks_at)

    def answer(handler):
        start = 0
        if ranges and (asked := handler.headers["Range"]):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.send_header("Content-Type", "application/octet-stream")
        handler.end_headers()
        handler.wfile.write(body[start : breaks.pop(0) if breaks else None])

    return answer


def refuses(*codes: int, then: Answer | None = None) -> Answer:
    """Answer with these error codes in turn, and then otherwise (or with the last for ever)."""
    left = list(codes)

    def answer(handler):
        if not left and then:
            then(handler)
        else:
            handler.send_error(left.pop(0) if left else codes[-1])

    return answer


def sends_web_page(handler):
    page = b"<html>Please log in to use this network.</html>"
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.send_header("Content-Length", str(len(page)))
    handler.end_headers()
    handler.wfile.write(page)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Give every test a cache folder of its own, and short pauses; return the set's folder."""
    monkeypatch.setenv("COURSEPKG_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(_download, "PAUSE_SECONDS", 0.0)
    return tmp_path / "cache" / "digits"


def digits(*mirrors: Mirror) -> FullSet:
    return FullSet("digits", SHA256, mirrors, "the digits by hand")


def npz_mirror(url: str) -> Mirror:
    return Mirror(url, ("digits.npz",), read_one_npz)


def idx_mirror(url: str) -> Mirror:
    return Mirror(url, GZIPPED_IDX_FILES, read_idx_files)


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def assert_true_content(arrays):
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].flags.writeable


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# One file from one address


def test_a_file_is_downloaded(server):
    server.answers["file"] = sends(BODY)
    assert download(f"{server.url}file") == BODY


def test_a_broken_transfer_goes_on_where_it_stopped(server):
    server.answers["file"] = sends(BODY, breaks_at=(4000, 9000))
    assert download(f"{server.url}file") == BODY
    assert server.asked == [("file", None), ("file", "bytes=4000-"), ("file", "bytes=9000-")]


def test_a_broken_transfer_begins_again_if_the_server_cannot_go_on(server):
    server.answers["file"] = sends(BODY, breaks_at=(4000,), ranges=False)
    assert download(f"{server.url}file") == BODY


def test_a_server_that_goes_on_from_another_place_is_asked_from_the_beginning(server):
    def answer(handler):
        if handler.headers["Range"]:
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes 17-{len(BODY) - 1}/{len(BODY)}")
            handler.end_headers()
            handler.wfile.write(BODY[17:])
        else:
            sending(handler)

    sending = sends(BODY, breaks_at=(4000,))
    server.answers["file"] = answer
    assert download(f"{server.url}file") == BODY
    assert [asked for _, asked in server.asked] == [None, "bytes=4000-", None]


def test_a_transfer_that_always_breaks_is_given_up(server):
    server.answers["file"] = sends(BODY, breaks_at=(100, 200, 300, 400))
    with pytest.raises(DownloadError, match=r"broke 3 times.*only 300 of 10240 bytes came"):
        download(f"{server.url}file")
    assert len(server.asked) == 3


def test_a_server_need_not_say_how_long_the_file_is(server):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(BODY)

    server.answers["file"] = answer
    assert download(f"{server.url}file") == BODY


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(_download, "TIMEOUT_SECONDS", 0.1)
    done = threading.Event()
    server.answers["file"] = lambda handler: done.wait(1)
    with pytest.raises(DownloadError, match=r"broke 3 times.*timed out"):
        download(f"{server.url}file")
    done.set()


def test_passing_errors_of_the_server_are_waited_out(server):
    server.answers["file"] = refuses(503, 429, then=sends(BODY))
    assert download(f"{server.url}file") == BODY


def test_a_range_that_is_refused_leads_to_a_new_beginning(server):
    broken, refused = sends(BODY, breaks_at=(4000,)), refuses(416)
    server.answers["file"] = lambda handler: (refused if handler.headers["Range"] else broken)(
        handler
    )
    assert download(f"{server.url}file") == BODY


def test_lasting_errors_of_the_server_are_not_tried_again(server):
    with pytest.raises(DownloadError, match=f"{server.url}nowhere: the server answered 404"):
        download(f"{server.url}nowhere")
    assert len(server.asked) == 1


def test_a_web_page_instead_of_the_file_is_refused(server):
    server.answers["file"] = sends_web_page
    with pytest.raises(DownloadError, match="a web page came instead of the file"):
        download(f"{server.url}file")


@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_shown_only_to_a_person(server, monkeypatch, capsys, watched):
    server.answers["file"] = sends(BODY)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    download(f"{server.url}file")
    shown = f"\r{server.url}file 0.0 of 0.0 MB\n" if watched else ""
    assert capsys.readouterr().err == shown


# A full set from mirrors


def test_a_full_set_is_fetched_once_and_kept(server, folder):
    server.answers["digits.npz"] = sends(NPZ)
    full_set = digits(npz_mirror(server.url))
    assert_true_content(load_full(full_set))
    assert files_in(folder) == ["digits.npz"]
    assert_true_content(load_full(full_set))
    assert len(server.asked) == 1


def test_a_mirror_may_have_several_files(server, folder):
    server.answers = {name: sends(data) for name, data in GZIPPED.items()}
    full_set = digits(idx_mirror(server.url))
    assert_true_content(load_full(full_set))
    assert [name for name, _ in server.asked] == list(GZIPPED_IDX_FILES)
    assert files_in(folder) == ["digits.npz"]
    assert_true_content(load_full(full_set))


BAD_ANSWERS = {
    "changed": sends(CHANGED_NPZ),
    "truncated": sends(NPZ[:-100]),
    "corrupt": sends(NPZ[:300] + b"\xff" * 99 + NPZ[399:]),
    "empty": sends(b""),
    "another dataset": sends(npz_bytes({"x": ARRAYS["x_test"]})),
    "web page": sends_web_page,
    "missing": refuses(404),
    "always breaking": sends(NPZ, breaks_at=(9, 10, 11, 12, 13, 14)),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_mirror_is_passed_over(server, folder, bad):
    server.answers = {"bad/digits.npz": bad, "good/digits.npz": sends(NPZ)}
    full_set = digits(npz_mirror(f"{server.url}bad/"), npz_mirror(f"{server.url}good/"))
    assert_true_content(load_full(full_set))
    assert_true_content(load_full(digits()))
    assert files_in(folder) == ["digits.npz"]


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_nothing_is_kept_of_a_bad_mirror(server, folder, bad):
    server.answers = {"digits.npz": bad}
    with pytest.raises(DownloadError, match=server.url):
        load_full(digits(npz_mirror(server.url)))
    assert files_in(folder) == []


def test_one_wrong_file_of_several_condemns_a_mirror(server, folder):
    server.answers = {name: sends(data) for name, data in GZIPPED.items()}
    server.answers[GZIPPED_IDX_FILES[1]] = sends(gzip.compress(b"\0\0\x08\x01\0\0\0\x01\x05"))
    with pytest.raises(DownloadError, match="y_train is not the original: expected sha256"):
        load_full(digits(idx_mirror(server.url)))
    assert files_in(folder) == []


def test_the_error_says_what_was_tried_and_what_to_do(server, folder):
    nobody = closed_port()
    server.answers["digits.npz"] = sends(CHANGED_NPZ)
    with pytest.raises(DownloadError) as raised:
        load_full(digits(npz_mirror(nobody), idx_mirror(server.url), npz_mirror(server.url)))
    message = str(raised.value)
    assert f"{nobody}digits.npz: [Errno {errno.ECONNREFUSED}]" in message
    assert f"{server.url}{GZIPPED_IDX_FILES[0]}: the server answered 404 Not Found" in message
    assert f"{server.url}: y_test is not the original" in message
    assert f"put the digits by hand into {folder}" in message
    assert "COURSEPKG_DATA" in message
    assert "load_data() without full=True needs no network" in message
    assert isinstance(raised.value, OSError)


def test_load_data_gives_the_full_set(server, folder, monkeypatch):
    server.answers["digits.npz"] = sends(NPZ)
    monkeypatch.setattr(mnist, "FULL_SET", digits(npz_mirror(server.url)))
    (x_train, y_train), (x_test, y_test) = mnist.load_data(full=True)
    assert_true_content(
        {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    )


# Files that a person put into the folder


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


MIXED = dict([*PLAIN.items()][:2] + [*GZIPPED.items()][2:])


@pytest.mark.parametrize(
    "files", [{"digits.npz": NPZ}, PLAIN, GZIPPED, MIXED], ids=["npz", "plain", "gzipped", "mixed"]
)
def test_files_put_there_by_hand_are_used_without_network(folder, files):
    put(folder, files)
    assert_true_content(load_full(digits(idx_mirror(closed_port()))))
    assert files_in(folder) == sorted(files)


def test_the_files_put_there_by_hand_are_verified(folder):
    put(folder, PLAIN | {"train-labels-idx1-ubyte": b"\0\0\x08\x01\0\0\0\x01\x05"})
    with pytest.raises(DownloadError, match=f"{folder}: y_train is not the original"):
        load_full(digits(idx_mirror(closed_port())))


def test_a_forgotten_file_is_named(folder):
    put(folder, {name: data for name, data in PLAIN.items() if name != "t10k-labels-idx1-ubyte"})
    with pytest.raises(DownloadError, match=f"{folder}: there is no t10k-labels-idx1-ubyte.gz"):
        load_full(digits(idx_mirror(closed_port())))


@pytest.mark.parametrize("bad", [CHANGED_NPZ, NPZ[:-100], b""], ids=["changed", "cut", "empty"])
def test_a_damaged_file_in_the_folder_is_replaced(server, folder, bad):
    put(folder, {"digits.npz": bad})
    server.answers["digits.npz"] = sends(NPZ)
    assert_true_content(load_full(digits(npz_mirror(server.url))))
    assert (folder / "digits.npz").read_bytes() == NPZ


# Keeping it: full disks, read-only folders, interruptions, two at once


def test_a_failing_disk_costs_a_warning_and_leaves_nothing(server, folder, monkeypatch):
    def full_disk(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    server.answers["digits.npz"] = sends(NPZ)
    monkeypatch.setattr(mnist, "FULL_SET", digits(npz_mirror(server.url)))
    with pytest.warns(UserWarning, match="No space left on device.*COURSEPKG_DATA") as warned:
        (x_train, _), _ = mnist.load_data(full=True)
    assert warned[0].filename == __file__
    np.testing.assert_array_equal(x_train, ARRAYS["x_train"])
    assert files_in(folder) == []


@pytest.fixture
def read_only_folder(monkeypatch) -> Iterator[Path]:
    """Give a cache folder that we may not write to, even if the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    monkeypatch.setenv("COURSEPKG_DATA", str(folder))
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    shutil.rmtree(folder)


def test_a_read_only_folder_costs_a_warning(server, read_only_folder):
    server.answers["digits.npz"] = sends(NPZ)
    with pytest.warns(UserWarning, match=f"cannot be kept in {read_only_folder}/digits.*denied"):
        assert_true_content(load_full(digits(npz_mirror(server.url))))
    assert files_in(read_only_folder) == []


def test_a_folder_that_may_not_be_read_is_no_obstacle(server, read_only_folder):
    user = os.geteuid()
    os.seteuid(os.getuid())
    read_only_folder.chmod(0)
    os.seteuid(user)
    server.answers["digits.npz"] = sends(NPZ)
    with pytest.warns(UserWarning, match="denied"):
        assert_true_content(load_full(digits(npz_mirror(server.url))))


def test_a_file_in_the_place_of_the_folder_costs_a_warning(server, folder):
    folder.parent.write_bytes(b"")
    server.answers["digits.npz"] = sends(NPZ)
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert_true_content(load_full(digits(npz_mirror(server.url))))


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch, failure):
    def interrupted(_):
        raise failure

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(failure):
        write_atomically(path, b"new")
    assert files_in(tmp_path) == ["file"]
    assert path.read_bytes() == b"old"


def test_two_writers_do_not_meet(tmp_path, monkeypatch):
    def another_writes_meanwhile(_):
        monkeypatch.undo()
        write_atomically(path, b"second")

    path = tmp_path / "file"
    monkeypatch.setattr(os, "fsync", another_writes_meanwhile)
    write_atomically(path, b"first")
    assert path.read_bytes() == b"first"
    assert files_in(tmp_path) == ["file"]


def test_only_old_temporary_files_are_removed(server, folder):
    put(folder, {".digits.npz.1.tmp": b"dead", ".digits.npz.2.tmp": b"being written"})
    os.utime(folder / ".digits.npz.1.tmp", (time.time() - 86_400,) * 2)
    server.answers["digits.npz"] = sends(NPZ)
    load_full(digits(npz_mirror(server.url)))
    assert files_in(folder) == [".digits.npz.2.tmp", "digits.npz"]


PROGRAM = f"""
import json, os, resource, signal, sys
from coursepkg.datasets import _download
from coursepkg.datasets._download import FullSet, Mirror, load_full, read_one_npz
url, misfortune = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
if misfortune == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
if misfortune == "killed":
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
mirrors = (Mirror(url, ("digits.npz",), read_one_npz),)
arrays = load_full(FullSet("digits", {SHA256}, mirrors, "digits.npz"))
print(json.dumps([int(array.sum()) for array in arrays.values()]))
"""
SUMS = [int(array.sum()) for array in ARRAYS.values()]


def start(server: Server, misfortune: str = "none") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.url, misfortune],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_process_that_may_write_no_more_leaves_nothing(server, folder):
    server.answers["digits.npz"] = sends(NPZ)
    output, errors = start(server, "full").communicate(timeout=20)
    assert json.loads(output) == SUMS
    assert "File too large" in errors
    assert files_in(folder) == []


def test_a_process_killed_while_writing_leaves_nothing_under_the_final_name(server, folder):
    server.answers["digits.npz"] = sends(NPZ)
    process = start(server, "killed")
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL
    (left,) = files_in(folder)
    assert left.endswith(".tmp")

    os.utime(folder / left, (time.time() - 86_400,) * 2)
    assert_true_content(load_full(digits(npz_mirror(server.url))))
    assert files_in(folder) == ["digits.npz"]


def test_a_process_interrupted_while_downloading_leaves_nothing(server, folder):
    half_sent, finished = threading.Event(), threading.Event()

    def answer(handler):
        sends(NPZ, breaks_at=(len(NPZ) // 2,))(handler)
        half_sent.set()
        finished.wait(20)

    server.answers["digits.npz"] = answer
    process = start(server)
    assert half_sent.wait(20)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    finished.set()
    assert "KeyboardInterrupt" in errors
    assert files_in(folder) == []


def test_two_processes_may_download_at_once(server, folder):
    both = threading.Barrier(2)

    def answer(handler):
        both.wait(20)
        sends(NPZ)(handler)

    server.answers["digits.npz"] = answer
    for process in [start(server), start(server)]:
        output, errors = process.communicate(timeout=20)
        assert json.loads(output) == SUMS
        assert errors == ""
    assert files_in(folder) == ["digits.npz"]
    assert_true_content(load_full(digits()))


# The folder


def test_the_folder_can_be_chosen(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("COURSEPKG_DATA", "~/data")
    assert cache_folder() == Path("/home/ada/data")


@pytest.mark.parametrize("value", ["", None])
def test_the_default_folder_is_in_the_users_cache(monkeypatch, value):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("COURSEPKG_DATA", value or "")
    if value is None:
        monkeypatch.delenv("COURSEPKG_DATA")
    assert cache_folder() == Path("/home/ada/.cache/coursepkg")

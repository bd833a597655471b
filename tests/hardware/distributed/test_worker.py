import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from coursepkg.hardware.distributed import checkpoints, jax_backend
from coursepkg.hardware.distributed.cluster import Cluster, free_port
from coursepkg.hardware.distributed.launcher import WORKER, WorkerFailed, launch
from coursepkg.hardware.distributed.worker import Settings, read_arguments

needs_jax = pytest.mark.skipif(not jax_backend.available(), reason="needs JAX")
BATCH = 65  # shards of 33 and 32


def trained(workers, folder, *arguments, **options):
    launch(workers, ["--folder", str(folder), "--batch", str(BATCH), *arguments], **options)
    with np.load(folder / "result.npz") as result:
        return dict(result)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return trained(1, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return trained(2, tmp_path_factory.mktemp("two"))


@needs_jax
def test_two_processes_train_what_one_does_with_unequal_shards(one, two):
    assert len(one["losses"]) == 20
    assert one["losses"][-5:].mean() < 0.5 * one["losses"][0]
    for name in one:
        if name != "seconds":
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-5)


@needs_jax
def test_a_killed_worker_ends_the_run_clearly_and_the_run_can_be_taken_up(two, tmp_path):
    with pytest.raises(WorkerFailed) as failure:
        trained(2, tmp_path, "--kill", "1:12", grace=20)
    assert failure.value.rank == 1
    assert failure.value.seconds < 10
    message = str(failure.value)
    assert "worker 1 of 2 was killed by signal 9 (SIGKILL)" in message
    assert "worker 0: another worker is gone" in message
    assert "The last checkpoint is that of step 10" in message
    assert checkpoints.latest(tmp_path)[0] == 10
    again = trained(2, tmp_path)
    assert len(again["losses"]) == 10
    np.testing.assert_allclose(again["losses"], two["losses"][10:], rtol=0, atol=1e-6)
    for name in two:
        if name.startswith("weight"):
            np.testing.assert_allclose(again[name], two[name], rtol=0, atol=1e-6)


@needs_jax
def test_the_death_of_worker_0_is_seen_too(tmp_path):
    with pytest.raises(WorkerFailed, match=r"worker 0 of 2 was killed by signal 9") as failure:
        trained(2, tmp_path, "--kill", "0:2", grace=20)
    assert failure.value.rank == 0
    assert failure.value.seconds < 10


@needs_jax
def test_workers_started_by_hand_wait_for_a_straggler(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", WORKER, "--folder", str(tmp_path), "--steps", "6"]
    command += ["--slow", "1:0.2", "--workers", "2", "--address", address, "--rank"]
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    workers = [subprocess.Popen([*command, str(rank)], env=environment) for rank in (0, 1)]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    with np.load(tmp_path / "result.npz") as result:
        assert result["seconds"][1:].sum() > 0.5 * 5 * 0.2


@needs_jax
def test_an_address_in_use_is_named_within_seconds(tmp_path):
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        begin = time.monotonic()
        with pytest.raises(WorkerFailed, match=f"port {port} is in use.*choose another port"):
            launch(2, ["--folder", str(tmp_path)], port=port, grace=0.5)
        assert time.monotonic() - begin < 50  # worker 1 would wait for a minute


def test_the_cluster_comes_from_the_arguments_or_the_environment(monkeypatch):
    arguments = ["--folder", "run", "--kill", "1:3", "--slow", "0:0.5", "--steps", "7"]
    for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"):
        monkeypatch.delenv(f"KERAS_DISTRIBUTION_{name}", raising=False)
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    cluster, settings = read_arguments(arguments)
    assert cluster == Cluster()
    assert settings == Settings(Path("run"), steps=7, kill=(1, 3), slow=(0, 0.5))
    there = ["--address", "h:5", "--workers", "4", "--rank", "2"]
    assert read_arguments(there + arguments)[0] == Cluster("h:5", 4, 2)


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("UNKNOWN: Gloo AllGather failed: Read error: Connection reset by peer", True),
        ("Gloo AllReduce failed: Connection closed by peer", True),
        ("UNAVAILABLE: Task 1 heartbeat timeout", True),
        ("dot_general requires contracting dimensions to have the same shape", False),
    ],
)
def test_errors_of_lost_workers_are_told_from_others(text, lost):
    assert jax_backend.lost_contact(RuntimeError(text)) is lost


def test_without_jax_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    assert not jax_backend.available()
    with pytest.raises(ImportError, match=r"pip install 'coursepkg\[chapters\]'"):
        jax_backend.load_jax()


@pytest.mark.parametrize("module", [WORKER, "coursepkg.hardware.distributed.tensor"])
def test_without_jax_the_workers_say_so_too(tmp_path, module):
    code = f"""
import runpy, sys
sys.modules["jax"] = None
sys.argv = ["worker", {'"--folder"' if module == WORKER else '"--output"'}, "unused"]
runpy.run_module({module!r}, run_name="__main__")
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 1
    assert "ImportError: this needs JAX; install it with" in result.stderr
    assert not list(tmp_path.iterdir())

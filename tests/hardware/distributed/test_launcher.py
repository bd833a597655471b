import os
import subprocess
import sys

import pytest

from coursepkg.hardware.distributed.launcher import LOST_CONTACT, WorkerFailed, launch

HEADER = """
import os, signal, sys, time
rank = int(os.environ["KERAS_DISTRIBUTION_PROCESS_ID"])
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Launch a module that consists of a few lines."""

    def start(workers, code, *arguments, **options):
        (tmp_path / "job.py").write_text(HEADER + code)
        path = {"PYTHONPATH": f"{tmp_path}:{':'.join(filter(None, sys.path))}"}
        return launch(workers, arguments, module="job", environment=path, **options)

    return start


def test_every_worker_knows_its_rank_and_what_it_printed_comes_back(run):
    logs = run(3, "print(rank, os.environ['KERAS_DISTRIBUTION_NUM_PROCESSES'], sys.argv[1])", "x")
    assert logs == ["0 3 x\n", "1 3 x\n", "2 3 x\n"]


def test_all_workers_get_one_address_with_a_free_port(run):
    logs = run(2, "print(os.environ['KERAS_DISTRIBUTION_JOB_ADDRESSES'])")
    assert logs[0] == logs[1]
    assert logs[0].startswith("127.0.0.1:")
    (log,) = run(1, "print(os.environ['KERAS_DISTRIBUTION_JOB_ADDRESSES'])", port=4711)
    assert log == "127.0.0.1:4711\n"


def test_a_killed_worker_ends_the_job_within_seconds_and_is_named(run, tmp_path):
    code = """
print("at work", rank)
open(os.path.join(sys.argv[1], str(rank)), "w").close()
while rank == 1:
    if len(os.listdir(sys.argv[1])) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
time.sleep(60)
"""
    here = tmp_path / "here"
    here.mkdir()
    with pytest.raises(WorkerFailed) as failure:
        run(3, code, str(here), grace=0.5)
    assert failure.value.rank == 1
    assert failure.value.seconds < 10
    assert "worker 1 of 3 was killed by signal 9 (SIGKILL)" in str(failure.value)
    assert "at work 0" in str(failure.value)


def test_the_cause_is_named_and_not_a_worker_that_only_noticed(run):
    code = f"""
if rank == 0:
    sys.exit({LOST_CONTACT})
time.sleep(0.2)
raise ValueError("the cause")
"""
    with pytest.raises(WorkerFailed, match=r"worker 1 of 2 ended with status 1") as failure:
        run(2, code, grace=30)
    assert "ValueError: the cause" in str(failure.value)


def test_a_job_that_hangs_is_ended(run):
    with pytest.raises(WorkerFailed, match=r"worker 0 was not done after 1 seconds. It last"):
        run(1, "time.sleep(60)", seconds=1)


@pytest.mark.skipif(sys.platform != "linux", reason="cores can be chosen on Linux only")
def test_a_core_is_named_if_workers_are_pinned(run):
    logs = run(2, "print(os.environ['COURSEPKG_CORE'])", pin=True)
    cores = sorted(os.sched_getaffinity(0))
    assert [int(log) for log in logs] == [cores[0], cores[1 % len(cores)]]
    (log,) = run(1, "print('COURSEPKG_CORE' in os.environ)")
    assert log == "False\n"


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="at least 1 worker, got 0"):
        launch(0)


def test_the_command_line_says_what_went_wrong():
    result = subprocess.run(
        [
            *(sys.executable, "-m", "coursepkg.hardware.distributed.launcher", "--workers", "1"),
            *("--", "--folder", "unused", "--steps", "many"),
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "worker 0 of 1 ended with status 2" in result.stderr
    assert "invalid int value: 'many'" in result.stderr

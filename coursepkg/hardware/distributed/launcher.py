"""Start the workers of a job on this machine, watch them, and say what went wrong.

One command trains on two processes:

    python -m coursepkg.hardware.distributed.launcher --workers 2 -- --steps 100 --folder run
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from coursepkg.hardware.distributed.cluster import free_port

WORKER = "coursepkg.hardware.distributed.worker"
LOST_CONTACT = 75
"""Exit status of a worker that ends because another one is gone."""

_LINES = 15


class WorkerFailed(RuntimeError):
    """Raised when a worker ends badly.

    Attributes
    ----------
    rank : int
        The worker that failed first.
    seconds : float
        From its end until all others were ended too.
    """

    def __init__(self, message: str, rank: int, seconds: float) -> None:
        super().__init__(message)
        self.rank, self.seconds = rank, seconds


def launch(
    workers: int,
    arguments: Sequence[str] = (),
    *,
    module: str = WORKER,
    port: int | None = None,
    seconds: float = 300,
    grace: float = 5,
    pin: bool = False,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Run a module in several processes of this machine, until all are done.

    Each process finds rank, number and address in Keras's environment variables. If one ends badly,
    the others get a moment to notice, and are then ended.

    Parameters
    ----------
    workers : int
        How many processes.
    arguments : sequence of str
        The module's command line.
    module : str
        What ``python -m`` runs.
    port : int, optional
        Where worker 0 waits for the others; by default a free one.
    seconds : float
        When to give up.
    grace : float
        How long the others may go on after one has failed.
    pin : bool
        Whether each worker is bound to one processor core (where the system can do that: Linux).
    environment : mapping, optional
        Variables to add for the workers.

    Returns
    -------
    list of str
        What each worker printed.

    Raises
    ------
    ValueError
        If there is no worker.
    WorkerFailed
        If a worker ends with an error or by a signal, or if time is up.
    """
    if workers < 1:
        raise ValueError(f"expected at least 1 worker, got {workers}")
    address = f"127.0.0.1:{free_port() if port is None else port}"
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{rank}.log" for rank in range(workers)]
        processes = []
        try:
            for rank, log in enumerate(logs):
                variables = _variables(address, workers, rank, pin) | dict(environment or {})
                with log.open("wb") as file:
                    processes.append(
                        subprocess.Popen(
                            [sys.executable, "-P", "-u", "-m", module, *arguments],
                            stdout=file,
                            stderr=subprocess.STDOUT,
                            env=os.environ | variables,
                        )
                    )
            _watch(processes, logs, seconds, grace)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        return [log.read_text(errors="replace") for log in logs]


def _variables(address: str, workers: int, rank: int, pin: bool) -> dict[str, str]:
    variables = {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(workers),
        "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
    }
    if pin and hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        variables["COURSEPKG_CORE"] = str(cores[rank % len(cores)])
    return variables


def _watch(
    processes: Sequence[subprocess.Popen], logs: Sequence[Path], seconds: float, grace: float
) -> None:
    """Wait until all are done, or one has failed and the others have had their grace."""
    begin, failed_at = time.monotonic(), None
    while True:
        states = [process.poll() for process in processes]
        now = time.monotonic()
        if all(state == 0 for state in states):
            return
        if failed_at is None and any(states):
            failed_at = now
        if failed_at is not None and (None not in states or now - failed_at > grace):
            raise _failure(states, logs, now - failed_at)
        if failed_at is None and now - begin > seconds:
            slow = states.index(None)
            raise WorkerFailed(
                f"worker {slow} was not done after {seconds:g} seconds. It last printed:\n"
                + _tail(logs[slow]),
                slow,
                0.0,
            )
        time.sleep(0.02)


def _failure(states: Sequence[int | None], logs: Sequence[Path], seconds: float) -> WorkerFailed:
    """Name the worker that failed by itself, and what the others said."""
    failed = [rank for rank, state in enumerate(states) if state]
    rank = next((r for r in failed if states[r] not in (LOST_CONTACT, -signal.SIGABRT)), failed[0])
    how = (
        f"was killed by signal {-states[rank]} ({signal.Signals(-states[rank]).name})"
        if states[rank] < 0
        else f"ended with status {states[rank]}"
    )
    said = "".join(
        f"\nworker {other} last printed:\n{_tail(log)}" for other, log in enumerate(logs)
    )
    return WorkerFailed(f"worker {rank} of {len(states)} {how}.{said}", rank, seconds)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_LINES:]
    return "\n".join(f"  {line}" for line in lines) or "  (nothing)"


def main() -> None:
    """Read the command line, launch, and print what worker 0 printed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--port", type=int)
    parser.add_argument("--seconds", type=float, default=3600, help="when to give up")
    parser.add_argument("arguments", nargs="*", help="of the worker, after --")
    given = parser.parse_args()
    try:
        print(launch(given.workers, given.arguments, port=given.port, seconds=given.seconds)[0])
    except WorkerFailed as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()

"""Who am I, and where are the others? The same script learns it on one machine and on a cluster."""

import random
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

_PORT_BASE, _PORTS = 61_440, 4096
_LOCAL_PORTS = range(20_000, 30_000)


@dataclass(frozen=True)
class Cluster:
    """One process's view of all.

    Attributes
    ----------
    address : str
        ``host:port`` at which worker 0 waits for the others.
    workers : int
        How many processes there are.
    rank : int
        The number of this one, from 0.

    Raises
    ------
    ValueError
        If rank and number do not fit together, or the address has no port.
    """

    address: str = "127.0.0.1:0"
    workers: int = 1
    rank: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.workers:
            raise ValueError(
                f"expected a rank from 0 to {self.workers - 1} for {self.workers} workers, "
                f"got {self.rank}"
            )
        if not re.fullmatch(r".+:\d+", self.address):
            raise ValueError(f"expected an address host:port, got {self.address!r}")

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The address in two parts."""
        host, _, port = self.address.rpartition(":")
        return host, int(port)


def find_cluster(environment: Mapping[str, str]) -> Cluster:
    """Read rank, number and address of the processes from environment variables.

    ``KERAS_DISTRIBUTION_JOB_ADDRESSES``, ``_NUM_PROCESSES`` and ``_PROCESS_ID`` are Keras's own,
    and win. Under SLURM, ``srun`` numbers the tasks; worker 0 is on the first node of the step,
    and its port follows from the job's number. Without either, there is one worker.

    Parameters
    ----------
    environment : mapping
        Such as ``os.environ``.

    Returns
    -------
    Cluster

    Raises
    ------
    ValueError
        If only some of Keras's three variables are set, or something in them is impossible.
    """
    names = [
        f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
    ]
    given = [environment.get(name) for name in names]
    if all(given):
        addresses, workers, rank = given
        return Cluster(addresses.partition(",")[0], int(workers), int(rank))
    if any(given):
        missing = [name for name, value in zip(names, given, strict=True) if not value]
        raise ValueError(f"expected all three of Keras's variables or none; missing: {missing}")
    if "SLURM_PROCID" in environment:
        host = first_host(environment["SLURM_STEP_NODELIST"])
        port = _PORT_BASE + int(environment["SLURM_JOB_ID"]) % _PORTS
        return Cluster(
            f"{host}:{port}", int(environment["SLURM_NTASKS"]), int(environment["SLURM_PROCID"])
        )
    return Cluster()


def first_host(nodes: str) -> str:
    """Return the first host of a list of nodes as SLURM writes it, such as ``gpu[07-09,12],big1``.

    Raises
    ------
    ValueError
        If the list is empty.
    """
    match = re.match(r"([^\[,]+)(?:\[([^\]\-,]+))?", nodes)
    if not match:
        raise ValueError(f"expected a list of nodes, got {nodes!r}")
    return match[1] + (match[2] or "")


def free_port() -> int:
    """Return a port of this machine that nobody uses right now.

    It lies outside the range from which the operating system takes ports for programs that name
    none, so that it is still free when worker 0 has started and asks for it.

    Raises
    ------
    OSError
        If all that were tried are in use.
    """
    for port in random.SystemRandom().sample(_LOCAL_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError("expected a free port between 20,000 and 30,000, but 100 of them are in use")


def expect_free(cluster: Cluster) -> None:
    """Check, on worker 0, that its port is free.

    Raises
    ------
    OSError
        If another program listens there; the message says what to do.
    """
    port = cluster.host_and_port[1]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise OSError(
                f"port {port} is in use on this machine: another run still waits there, or "
                "another program took it. End that run, or choose another port."
            ) from error

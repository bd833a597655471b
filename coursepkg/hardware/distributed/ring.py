"""A ring all-reduce between real processes, over sockets: what Gloo and NCCL do, in small.

Each process runs ``python -m coursepkg.hardware.distributed.ring`` (the launcher starts it) and
does one of two tasks: it times all-reduces of several sizes, or it trains a network in NumPy, of
which each process computes the gradients of its examples.
"""

import argparse
import json
import os
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coursepkg.hardware.distributed.cluster import Cluster, expect_free, find_cluster
from coursepkg.hardware.distributed.launcher import LOST_CONTACT
from coursepkg.hardware.distributed.shards import batch_rows
from coursepkg.scratch.collectives import ring_schedule
from coursepkg.scratch.layers import Activation, Dense, Sequential
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits_backward,
    one_hot,
)

_SECONDS = 60


class LostNeighbour(ConnectionError):
    """Raised when a neighbour in the ring is gone or silent."""


class Ring:
    """A process's two links: to its right neighbour, and from its left one.

    Worker 0 listens at the cluster's address until every other has told where it listens itself;
    then it sends the list to all, and each connects to its right neighbour.

    Parameters
    ----------
    cluster : Cluster
        Rank, number and address.

    Raises
    ------
    OSError
        If worker 0's port is in use, or the others do not come.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.rank, self.workers = cluster.rank, cluster.workers
        if self.workers == 1:
            return
        own = socket.create_server(("", 0))
        own.settimeout(_SECONDS)
        table = _exchange_addresses(cluster, own.getsockname()[1])
        self._right = _connect(table[(self.rank + 1) % self.workers])
        self._left, _ = own.accept()
        for link in (self._right, self._left):
            link.settimeout(_SECONDS)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def all_reduce(self, array: np.ndarray) -> None:
        """Replace the array by the sum of all workers' arrays, chunk by chunk as in the schedule.

        Raises
        ------
        LostNeighbour
            If a neighbour is gone.
        """
        parts = np.array_split(array.reshape(-1), self.workers)
        for message in ring_schedule(self.workers):
            if message.source != self.rank:
                continue
            arriving = parts[(message.chunk - 1) % self.workers]
            content = self._swap(parts[message.chunk], arriving.size)
            arriving[:] = arriving + content if message.adds else content

    def _swap(self, outgoing: np.ndarray, size: int) -> np.ndarray:
        """Send to the right while receiving from the left."""
        failure: list[OSError] = []

        def send() -> None:
            try:
                self._right.sendall(outgoing.tobytes())
            except OSError as error:
                failure.append(error)

        sender = threading.Thread(target=send)
        sender.start()
        content = np.empty(size, outgoing.dtype)
        try:
            _receive(self._left, memoryview(content).cast("B"))
        except OSError as error:
            failure.append(error)
        sender.join()
        if failure:
            left, right = (self.rank - 1) % self.workers, (self.rank + 1) % self.workers
            raise LostNeighbour(
                f"worker {self.rank} lost contact with worker {left} or {right}: {failure[0]}"
            )
        return content


def _exchange_addresses(cluster: Cluster, port: int) -> list[tuple[str, int]]:
    """Tell worker 0 where this process listens, and get the list of all."""
    if cluster.rank:
        with _connect(cluster.host_and_port) as link:
            _send_json(link, [cluster.rank, port])
            return _receive_json(link)
    expect_free(cluster)
    host, here = cluster.host_and_port
    table, links = {0: (host, port)}, []
    with socket.create_server(("", here)) as server:
        server.settimeout(_SECONDS)
        while len(table) < cluster.workers:
            link, (other, _) = server.accept()
            rank, its_port = _receive_json(link)
            table[rank] = (other, its_port)
            links.append(link)
        for link in links:
            _send_json(link, [table[rank] for rank in range(cluster.workers)])
            link.close()
    return [table[rank] for rank in range(cluster.workers)]


def _connect(address: tuple[str, int]) -> socket.socket:
    """Connect to a process that may not listen yet."""
    give_up = time.monotonic() + _SECONDS
    while True:
        try:
            return socket.create_connection(tuple(address), timeout=_SECONDS)
        except ConnectionRefusedError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _receive(link: socket.socket, target: memoryview) -> None:
    """Fill the target from a link."""
    while target.nbytes:
        count = link.recv_into(target)
        if not count:
            raise ConnectionError("it closed the connection")
        target = target[count:]


def _send_json(link: socket.socket, value: object) -> None:
    content = json.dumps(value).encode()
    link.sendall(struct.pack("!I", len(content)) + content)


def _receive_json(link: socket.socket) -> list:
    length = bytearray(4)
    _receive(link, memoryview(length))
    content = bytearray(struct.unpack("!I", length)[0])
    _receive(link, memoryview(content))
    return json.loads(content)


@dataclass(frozen=True)
class Settings:
    """What the processes do.

    Attributes
    ----------
    output : Path
        Where worker 0 writes its result.
    sizes : tuple of int
        Bytes of the all-reduces to time; if empty, train.
    repeats : int
        How often each size is timed.
    steps, batch, width : int
        Of the training: steps, examples of a step (all workers together), hidden units.
    slow : tuple of (int, float), optional
        (rank, seconds): this worker sleeps so long in each step.
    kill : tuple of int, optional
        (rank, step): this worker ends without a word before that step.
    """

    output: Path
    sizes: tuple[int, ...] = ()
    repeats: int = 20
    steps: int = 10
    batch: int = 96
    width: int = 32
    slow: tuple[int, float] | None = None
    kill: tuple[int, int] | None = None


def measure(ring: Ring, settings: Settings) -> dict[str, np.ndarray]:
    """Time all-reduces: (sizes, repeats) seconds on this worker, after one that does not count."""
    seconds = np.empty((len(settings.sizes), settings.repeats + 1))
    for row, size in enumerate(settings.sizes):
        array = np.ones(size // 4, np.float32)
        for column in range(settings.repeats + 1):
            begin = time.perf_counter()
            ring.all_reduce(array)
            seconds[row, column] = time.perf_counter() - begin
            array[:] = 1
    return {"sizes": np.array(settings.sizes), "seconds": seconds[:, 1:]}


def train(ring: Ring, settings: Settings) -> dict[str, np.ndarray]:
    """Train on digits: every worker its examples, one all-reduce a step, the same update for all.

    The workers sum gradients *and* numbers of examples and divide after that, so shards of
    different sizes do no harm: a mean of means would weigh an example of a short shard more.
    """
    from coursepkg.datasets import mnist

    (images, labels), _ = mnist.load_data()
    x, y = images.reshape(-1, 784).astype(np.float64) / 255, one_hot(labels, 10)
    rng = np.random.default_rng(0)
    model = Sequential(
        [Dense(784, settings.width, rng), Activation("relu"), Dense(settings.width, 10, rng)]
    )
    losses, compute, communicate = [], [], []
    for step in range(settings.steps):
        if settings.kill == (ring.rank, step):
            os._exit(1)
        begin = time.perf_counter()
        if settings.slow and settings.slow[0] == ring.rank:
            time.sleep(settings.slow[1])
        rows = np.array_split(batch_rows(len(x), settings.batch, step), ring.workers)[ring.rank]
        logits = model.forward(x[rows])
        model.backward(categorical_cross_entropy_from_logits_backward(logits, y[rows]))
        loss = categorical_cross_entropy_from_logits(logits, y[rows])
        means = np.concatenate([[loss], *[g.reshape(-1) for g in model.gradients]])
        total = np.concatenate([means * len(rows), [len(rows)]])
        between = time.perf_counter()
        if ring.workers > 1:
            ring.all_reduce(total)
        communicate.append(time.perf_counter() - between)
        means = total[:-1] / total[-1]
        losses.append(means[0])
        ends = np.cumsum([g.size for g in model.gradients])[:-1]
        for parameter, gradient in zip(model.parameters, np.split(means[1:], ends), strict=True):
            parameter -= 0.1 * gradient.reshape(parameter.shape)
        compute.append(time.perf_counter() - begin - communicate[-1])
    weights = {f"weight_{k}": weight for k, weight in enumerate(model.parameters)}
    return weights | {
        "losses": np.array(losses),
        "compute": np.array(compute),
        "communicate": np.array(communicate),
    }


def main() -> None:
    """Read the command line, connect, do the task; worker 0 writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sizes", type=lambda text: tuple(map(int, text.split(","))), default=())
    for name in ("repeats", "steps", "batch", "width"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    parser.add_argument("--slow", help="RANK:SECONDS, to see a straggler")
    parser.add_argument("--kill", help="RANK:STEP, to see a failure")
    given = parser.parse_args()
    slow = kill = None
    if given.slow:
        rank, _, pause = given.slow.partition(":")
        slow = (int(rank), float(pause))
    if given.kill:
        kill = tuple(map(int, given.kill.split(":")))
    settings = Settings(
        given.output, given.sizes, given.repeats, given.steps, given.batch, given.width, slow, kill
    )
    if core := os.environ.get("COURSEPKG_CORE"):
        os.sched_setaffinity(0, {int(core)})
    ring = Ring(find_cluster(os.environ))
    try:
        result = measure(ring, settings) if settings.sizes else train(ring, settings)
    except LostNeighbour as error:
        print(error)
        sys.exit(LOST_CONTACT)
    if ring.rank == 0:
        np.savez(settings.output, **result)


if __name__ == "__main__":
    main()

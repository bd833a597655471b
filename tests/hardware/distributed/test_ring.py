import socket
import threading

import numpy as np
import pytest

from coursepkg.hardware.distributed.cluster import Cluster, free_port
from coursepkg.hardware.distributed.launcher import WorkerFailed, launch
from coursepkg.hardware.distributed.ring import Ring

RING = "coursepkg.hardware.distributed.ring"


def in_ring(workers, task):
    """Run a task in as many threads, each with its own Ring; return the results."""
    address = f"127.0.0.1:{free_port()}"
    results = [None] * workers

    def work(rank):
        results[rank] = task(Ring(Cluster(address, workers, rank)), rank)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("workers", [2, 3, 5])
@pytest.mark.parametrize("shape", [(7,), (30, 4), (2,)])
def test_the_sum_arrives_everywhere_over_real_sockets(workers, shape):
    def task(ring, rank):
        array = np.random.default_rng(rank).normal(size=shape)
        ring.all_reduce(array)
        return array

    expected = sum(np.random.default_rng(rank).normal(size=shape) for rank in range(workers))
    for result in in_ring(workers, task):
        np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


def trained(workers, folder, *arguments, **options):
    output = folder / f"{workers}.npz"
    launch(workers, ["--output", str(output), "--steps", "5", *arguments], module=RING, **options)
    with np.load(output) as result:
        return dict(result)


def test_training_on_several_processes_is_training_on_one_even_with_unequal_shards(tmp_path):
    one = trained(1, tmp_path, "--batch", "97")
    three = trained(3, tmp_path, "--batch", "97")  # shards of 33, 32 and 32
    assert len(one["losses"]) == 5
    assert one["losses"][-1] < one["losses"][0]
    for name in one:
        if name not in ("compute", "communicate"):
            np.testing.assert_allclose(three[name], one[name], rtol=0, atol=1e-12)


def test_all_wait_for_a_straggler(tmp_path):
    result = trained(2, tmp_path, "--slow", "1:0.2")
    assert (result["compute"] + result["communicate"])[1:].sum() > 0.5 * 4 * 0.2
    assert result["communicate"][1:].sum() > result["compute"][1:].sum()


def test_a_lost_worker_is_named_by_its_neighbours_within_seconds(tmp_path):
    with pytest.raises(WorkerFailed) as failure:
        trained(3, tmp_path, "--kill", "1:2", grace=20)
    assert failure.value.rank == 1
    assert failure.value.seconds < 10
    assert "worker 0 lost contact with worker 2 or 1" in str(failure.value)
    assert "worker 2 lost contact with worker 1 or 0" in str(failure.value)


def test_an_address_in_use_is_named(tmp_path):
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        arguments = ["--output", str(tmp_path / "unused")]
        with pytest.raises(WorkerFailed, match=f"port {port} is in use"):
            launch(2, arguments, module=RING, port=port, grace=0.5)


def test_sizes_are_timed(tmp_path):
    output = tmp_path / "times.npz"
    arguments = ["--output", str(output), "--sizes", "4000,8000", "--repeats", "3"]
    launch(2, arguments, module=RING)
    with np.load(output) as result:
        assert list(result["sizes"]) == [4000, 8000]
        assert result["seconds"].shape == (2, 3)
        assert (result["seconds"] > 0).all()

import socket

import pytest

from coursepkg.hardware.distributed import cluster
from coursepkg.hardware.distributed.cluster import (
    Cluster,
    expect_free,
    find_cluster,
    first_host,
    free_port,
)

KERAS = {
    "KERAS_DISTRIBUTION_JOB_ADDRESSES": "10.0.0.1:1234,10.0.0.2:2345",
    "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    "KERAS_DISTRIBUTION_PROCESS_ID": "1",
}
SLURM = {
    "SLURM_PROCID": "3",
    "SLURM_NTASKS": "8",
    "SLURM_JOB_ID": "70001",
    "SLURM_STEP_NODELIST": "gpu[07-09,12],big1",
}


def test_keras_s_variables_are_read_and_win():
    expected = Cluster("10.0.0.1:1234", 2, 1)
    assert find_cluster(KERAS) == find_cluster(SLURM | KERAS) == expected
    assert expected.host_and_port == ("10.0.0.1", 1234)


def test_slurm_s_variables_are_read():
    found = find_cluster(SLURM)
    assert found == Cluster(f"gpu07:{61_440 + 70_001 % 4096}", 8, 3)
    ports = {find_cluster(SLURM | {"SLURM_JOB_ID": str(job)}).host_and_port[1] for job in range(9)}
    assert len(ports) == 9
    assert max(ports) < 2**16


def test_without_variables_there_is_one_worker():
    assert find_cluster({"HOME": "/"}) == Cluster("127.0.0.1:0", 1, 0)


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("node3", "node3"),
        ("a,b", "a"),
        ("gpu[07-09,12]", "gpu07"),
        ("n[3,5]", "n3"),
        ("n[003-010]", "n003"),
    ],
)
def test_the_first_host_of_a_list(nodes, host):
    assert first_host(nodes) == host


def test_a_port_in_use_is_named_with_a_remedy():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match=rf"port {port} is in use.*choose another port"):
            expect_free(Cluster(f"127.0.0.1:{port}", 2, 0))
    expect_free(Cluster(f"127.0.0.1:{free_port()}", 2, 0))


def test_a_free_port_is_one_that_is_not_given_to_programs_that_name_none():
    ports = {free_port() for _ in range(5)}
    assert all(20_000 <= port < 30_000 for port in ports)
    assert len(ports) > 1


def test_used_ports_are_passed_over(monkeypatch):
    with socket.create_server(("", 0)) as server:
        used = server.getsockname()[1]
        monkeypatch.setattr(cluster, "_LOCAL_PORTS", [used] * 100)
        with pytest.raises(OSError, match="100 of them are in use"):
            free_port()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Cluster("a:1", 2, 2), "rank from 0 to 1 for 2 workers, got 2"),
        (lambda: Cluster("a:1", 2, -1), "rank from 0 to 1"),
        (lambda: Cluster("somewhere", 2, 0), "host:port, got 'somewhere'"),
        (lambda: first_host(""), "a list of nodes"),
        (
            lambda: find_cluster({"KERAS_DISTRIBUTION_PROCESS_ID": "0"}),
            "missing: .*JOB_ADDRESSES.*NUM_PROCESSES",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""What this package needs of JAX itself: to connect processes, and to tell their errors."""

import importlib
import importlib.util
from types import ModuleType

from coursepkg.hardware.distributed.cluster import Cluster

_CONNECT_SECONDS, _SILENCE_SECONDS = 60, 30
_SIGNS = ("gloo", "connection closed", "connection reset", "heartbeat", "coordination service")


def available() -> bool:
    """Say whether JAX is installed."""
    return importlib.util.find_spec("jax") is not None


def load_jax() -> ModuleType:
    """Return the module ``jax``.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to install it.
    """
    if not available():
        raise ImportError("this needs JAX; install it with: pip install 'coursepkg[chapters]'")
    return importlib.import_module("jax")


def connect(cluster: Cluster) -> None:
    """Connect this process with the others, before anything is computed.

    ``keras.distribution.initialize`` does the same, but waits 100 seconds before it takes a silent
    worker for dead, and five minutes for one that never comes.

    Parameters
    ----------
    cluster : Cluster
        Rank, number and address.

    Raises
    ------
    ImportError
        If JAX is missing.
    """
    load_jax().distributed.initialize(
        cluster.address,
        cluster.workers,
        cluster.rank,
        initialization_timeout=_CONNECT_SECONDS,
        heartbeat_timeout_seconds=_SILENCE_SECONDS,
    )


def lost_contact(error: Exception) -> bool:
    """Say whether an error means that another process is gone."""
    return any(sign in str(error).lower() for sign in _SIGNS)

"""One process of a data-parallel training with Keras on JAX; the same file on one machine or many.

On one machine, `coursepkg.hardware.distributed.launcher` starts it. On a cluster, the cluster does:

    srun python -m coursepkg.hardware.distributed.worker --steps 1000 --folder /shared/run

Every process trains the same network on its part of each batch; Keras and JAX sum the gradients.
"""

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coursepkg.hardware.distributed import checkpoints
from coursepkg.hardware.distributed.cluster import Cluster, expect_free, find_cluster
from coursepkg.hardware.distributed.jax_backend import connect, load_jax, lost_contact
from coursepkg.hardware.distributed.launcher import LOST_CONTACT
from coursepkg.hardware.distributed.shards import batch_rows, shard

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Settings:
    """What to train, and what is to go wrong.

    Attributes
    ----------
    folder : Path
        For checkpoints and for ``result.npz``.
    steps : int
        Until which step to train, those of the checkpoint included.
    batch : int
        Examples of a step, all workers together.
    width : int
        Units of the hidden layer.
    every : int
        Steps between two checkpoints.
    kill : tuple of int, optional
        (rank, step): this worker kills itself before that step.
    slow : tuple of (int, float), optional
        (rank, seconds): this worker sleeps so long in each step.
    """

    folder: Path
    steps: int = 20
    batch: int = 64
    width: int = 32
    every: int = 5
    kill: tuple[int, int] | None = None
    slow: tuple[int, float] | None = None


def build_model(width: int) -> "keras.Model":
    """Build a classifier of digits with momentum, whose loss is a mean over the weights not 0.

    NumPy draws the first weights: it needs no compiler, which takes a second to build a generator.
    """
    import keras

    def draw(shape: tuple[int, int], dtype: str | None = None) -> np.ndarray:
        spread = np.sqrt(2 / shape[0])
        return np.random.default_rng(0).normal(0, spread, shape).astype(dtype)

    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(width, "relu", kernel_initializer=draw),
            keras.layers.Dense(10, kernel_initializer=draw),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    model.optimizer.build(model.trainable_variables)
    return model


def train(cluster: Cluster, settings: Settings) -> None:
    """Train, from the last checkpoint if there is one; worker 0 writes checkpoints and result.

    ``result.npz`` holds the losses and the seconds of the steps of this run, and the weights.
    """
    import keras

    from coursepkg.datasets import mnist

    if cluster.workers > 1:
        distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(distribution)
    model = build_model(settings.width)
    state = model.variables + model.optimizer.variables
    first, saved = checkpoints.latest(settings.folder)
    for number, variable in enumerate(state if saved else []):
        variable.assign(saved[f"array_{number}"])

    (images, labels), _ = mnist.load_data()
    images = images.reshape(-1, 784).astype(np.float32) / 255
    losses, seconds = [], []
    for step in range(first, settings.steps):
        if settings.kill == (cluster.rank, step):
            os.kill(os.getpid(), signal.SIGKILL)
        begin = time.perf_counter()
        if settings.slow and settings.slow[0] == cluster.rank:
            time.sleep(settings.slow[1])
        rows = batch_rows(len(images), settings.batch, step)
        rows, weights = shard(rows, cluster.workers, cluster.rank)
        model.reset_metrics()
        loss = model.train_on_batch(images[rows], labels[rows], sample_weight=weights)
        losses.append(float(loss))
        seconds.append(time.perf_counter() - begin)
        if cluster.rank == 0 and (step + 1) % settings.every == 0:
            arrays = {f"array_{k}": np.asarray(variable) for k, variable in enumerate(state)}
            checkpoints.save(settings.folder, step + 1, arrays)
    if cluster.rank == 0:
        settings.folder.mkdir(parents=True, exist_ok=True)
        weights = {f"weight_{k}": weight for k, weight in enumerate(model.get_weights())}
        np.savez(settings.folder / "result.npz", losses=losses, seconds=seconds, **weights)
    print(f"worker {cluster.rank} of {cluster.workers}: steps {first} to {settings.steps} done")


def read_arguments(arguments: list[str] | None = None) -> tuple[Cluster, Settings]:
    """Read the command line; what it does not say about the cluster comes from the environment."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--address", help="host:port of worker 0")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--rank", type=int)
    parser.add_argument("--folder", type=Path, required=True)
    for name in ("steps", "batch", "width", "every"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    parser.add_argument("--kill", help="RANK:STEP, to see a failure")
    parser.add_argument("--slow", help="RANK:SECONDS, to see a straggler")
    given = parser.parse_args(arguments)
    if None in (given.address, given.workers, given.rank):
        cluster = find_cluster(os.environ)
    else:
        cluster = Cluster(given.address, given.workers, given.rank)
    kill = tuple(int(part) for part in given.kill.split(":")) if given.kill else None
    slow = None
    if given.slow:
        rank, _, pause = given.slow.partition(":")
        slow = (int(rank), float(pause))
    return cluster, Settings(
        given.folder, given.steps, given.batch, given.width, given.every, kill, slow
    )


def main() -> None:
    """Connect, train, and leave with a clear word if another worker is gone."""
    cluster, settings = read_arguments()
    load_jax()
    for unused in ("tensorflow", "matplotlib"):
        sys.modules[unused] = None  # Keras would load it, which takes seconds
    if core := os.environ.get("COURSEPKG_CORE"):
        os.sched_setaffinity(0, {int(core)})
    if cluster.workers > 1:
        if cluster.rank == 0:
            expect_free(cluster)
        connect(cluster)
    try:
        train(cluster, settings)
    except Exception as error:
        if not lost_contact(error):
            raise
        step, _ = checkpoints.latest(settings.folder)
        print(
            f"worker {cluster.rank}: another worker is gone, so no sum can be formed any more. "
            f"The last checkpoint is that of step {step}; start the same command again to go on "
            f"from there.\n  ({str(error).splitlines()[0][:200]})",
            flush=True,
        )
        os._exit(LOST_CONTACT)  # a tidy end would wait for the worker that is gone


if __name__ == "__main__":
    main()

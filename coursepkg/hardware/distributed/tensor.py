"""One layer shared by several workers: two dense layers cut by columns and by rows.

Run as ``python -m coursepkg.hardware.distributed.tensor --output FILE``, it trains one network
twice with Keras on JAX: on one device, and cut over four simulated devices of this machine.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coursepkg.hardware.distributed.jax_backend import load_jax
from coursepkg.scratch.activations import relu, relu_backward

DEVICES = 4


def cut_block(
    first: np.ndarray, bias: np.ndarray, second: np.ndarray, workers: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cut two layers over t workers: the first by columns, the second by rows.

    Parameters
    ----------
    first, bias, second : ndarray, shapes (n_0, n_1), (n_1,), (n_1, n_2)
        The two layers' weights, and the biases between them.
    workers : int
        t; it divides n_1.

    Returns
    -------
    list of (first, bias, second)
        For each worker, shapes (n_0, n_1 / t), (n_1 / t,), (n_1 / t, n_2).

    Raises
    ------
    ValueError
        If t does not divide n_1.
    """
    if first.shape[1] % workers:
        raise ValueError(f"expected a width that {workers} divides, got {first.shape[1]}")
    return list(
        zip(
            np.split(first, workers, axis=1),
            np.split(bias, workers),
            np.split(second, workers, axis=0),
            strict=True,
        )
    )


def block_forward(
    x: np.ndarray, pieces: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Return relu(X W_1 + b_1) W_2 (N, n_2): each worker its part, then one all-reduce."""
    parts = [relu(x @ first + bias) @ second for first, bias, second in pieces]
    return sum(parts)


def block_backward(
    x: np.ndarray,
    pieces: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    upstream: np.ndarray,
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Return the gradient of X, by one all-reduce, and each worker's gradients of its own pieces.

    Parameters
    ----------
    x, upstream : ndarray, shapes (N, n_0), (N, n_2)
        The input, and the gradient of the output; every worker has both.
    pieces : sequence of (first, bias, second)
        From `cut_block`.
    """
    of_x, of_pieces = [], []
    for first, bias, second in pieces:
        z = x @ first + bias
        delta = relu_backward(upstream @ second.T, z)
        of_x.append(delta @ first.T)
        of_pieces.append((x.T @ delta, delta.sum(axis=0), relu(z).T @ upstream))
    return sum(of_x), of_pieces


def train_cut_and_whole(steps: int = 5) -> dict[str, np.ndarray]:
    """Train one Keras network on one device and cut over four; return losses, weights and shapes.

    Needs JAX with four devices. The first kernel is cut by columns, the second by rows, as in
    `cut_block`; XLA finds out by itself that one all-reduce is needed.

    Raises
    ------
    RuntimeError
        If there are not four devices.
    """
    import keras

    from coursepkg.datasets import mnist

    devices = keras.distribution.list_devices()
    if len(devices) != DEVICES:
        raise RuntimeError(f"expected {DEVICES} devices, got {devices}")
    (images, labels), _ = mnist.load_data()
    x = images.reshape(-1, 784).astype(np.float32) / 255
    mesh = keras.distribution.DeviceMesh((1, DEVICES), ("batch", "model"), devices)
    layout = keras.distribution.LayoutMap(mesh)  # its keys must match whole paths
    layout[".*first/kernel"] = (None, "model")
    layout[".*first/bias"] = ("model",)
    layout[".*second/kernel"] = ("model", None)
    result = {}
    for name in ("whole", "cut"):
        distribution = None
        if name == "cut":
            distribution = keras.distribution.ModelParallel(
                layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
            )
        keras.distribution.set_distribution(distribution)
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((784,)),
                keras.layers.Dense(32, "relu", name="first"),
                keras.layers.Dense(10, name="second"),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
        losses = []
        for step in range(steps):
            rows = slice(64 * step, 64 * (step + 1))
            model.reset_metrics()
            equal = np.ones(64)  # Keras 3.13 cannot do without weights here
            losses.append(float(model.train_on_batch(x[rows], labels[rows], equal)))
        result[f"{name}_losses"] = np.array(losses)
        for k, weight in enumerate(model.weights):
            result[f"{name}_weight_{k}"] = np.asarray(weight)
            shards = weight.value.addressable_shards
            result[f"{name}_shape_{k}"] = np.array(shards[0].data.shape)
    return result


def main() -> None:
    """Ask for four devices, train, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    for unused in ("tensorflow", "matplotlib"):
        sys.modules[unused] = None  # as in worker.py
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"
    load_jax()
    np.savez(output, **train_cut_and_whole())


if __name__ == "__main__":
    main()

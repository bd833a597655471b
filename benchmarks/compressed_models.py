"""What each way of compressing a digit network costs and brings: accuracy, bytes, work, latency.

The network is ``convnet_32`` of coursepkg.models.images. The method is in METHOD and is written
into the results.

    KERAS_BACKEND=tensorflow python benchmarks/compressed_models.py
    python benchmarks/compressed_models.py --seeds 1 --rounds 1     (prints, saves nothing)

It needs PyTorch beside Keras's backend, for a product with int8 kernels. Run it on a machine that
does nothing else; on two cores it takes about 5 minutes.
"""

import argparse
import importlib.util
import json
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from mnist_time_to_99 import machine

from coursepkg.datasets import mnist
from coursepkg.hardware.backend import compiled
from coursepkg.hardware.timing import measure
from coursepkg.models import compression as compressed
from coursepkg.models.images import convnet_32
from coursepkg.scratch.early_exit import choose_exits, entropy
from coursepkg.scratch.low_rank import factorise
from coursepkg.scratch.pruning import keep_units, magnitude_mask, to_sparse, unit_scores

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "compressed_models.json"
SEEDS, ROUNDS = 3, 15
EPOCHS, TUNING_EPOCHS, STUDENT_EPOCHS, BATCH = 3, 1, 12, 64
BATCHES = (1, 256)
SPARSITY, RANK, FILTERS, HIDDEN = 0.95, 16, 8, 32
TEMPERATURE, SHARE, LEAVING = 4.0, 0.9, 0.5
METHOD = (
    "convnet_32 (693,962 parameters), and what each compression makes of it, on the 12,000 "
    "training and 2,000 test images of MNIST in the package. Adam, learning rate 0.001, batches of "
    f"{BATCH}. The original trains for {EPOCHS} epochs; what is pruned or factorised starts from "
    f"its weights and trains for {TUNING_EPOCHS} more, and so does trained on, which is not "
    "compressed, for a fair comparison; both students start from one set of random weights and "
    f"train for {STUDENT_EPOCHS}. The students' epochs and the share of early exits were set on "
    "the last 2,000 training images, with networks that had not seen them; no choice was made on "
    "the test images. "
    "int8 and int4 are Keras's own quantize(), which quantises the dense layers alone; int8 also "
    "quantises their inputs on the way. pruned: the "
    f"{SPARSITY:.0%} smallest weights of the large dense layer are 0; its bytes are those of "
    "compressed sparse rows, its work and its time those of the dense product that Keras does. "
    f"units: the {FILTERS} filters and {HIDDEN} units with the largest bounds stay. rank: the "
    f"large dense layer as two, with a width of {RANK} between. student: 8 filters with a stride "
    "of 2 and 16 units, by labels; distilled: the same, by the original's logits (temperature "
    f"{TEMPERATURE:g}, share {SHARE:g}). early exit: an image leaves at the first head if its "
    f"entropy is below that of {LEAVING:.0%} of the training images. bytes: all weights as stored. "
    "multiply_adds: those that are carried out for an image, biases and activations left out; a "
    "mean for the early exit. correct: right answers among the 2,000 test images, one number a "
    "seed. Latency: seconds for a batch, compiled as a whole by the backend, the first seed's "
    "networks, in turn in every round, each round the median of 3 repeats after a warm-up; "
    "quartiles over the rounds. The time of the early exit contains the choice of the images that "
    "stay; for a single image, it is the mean of one that leaves and one that stays, weighted by "
    "their shares. ratio: how many times faster than float32 a batch is. products: the large "
    "layer's product alone, with PyTorch on one thread, in float32 and with its int8 kernels; the "
    "int8 time contains quantising the inputs."
)

Data = tuple[np.ndarray, np.ndarray]


@dataclass
class Variant:
    """A compressed network: how to run it, and its sizes."""

    run: Callable[[np.ndarray], np.ndarray]
    calls: dict[int, list[tuple[float, Callable[[], Any]]]]
    stored: int
    work: float


def multiply_adds(model: keras.Model) -> int:
    """Count the multiply-adds of all dense layers and convolutions for one image."""
    counted = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            places = int(np.prod(layer.output.shape[1:-1]))
            inputs = layer.input.shape[-1]
            window = int(np.prod(getattr(layer, "kernel_size", ())))
            counted += places * window * inputs * layer.output.shape[-1]
    return counted


def stored_bytes(model: keras.Model) -> int:
    """Add up the bytes of all weights in the types in which they are stored."""
    return sum(keras.ops.convert_to_numpy(w.value).nbytes for w in model.weights)


def trained(model: keras.Model, data: Data, epochs: int, loss: Any = None) -> keras.Model:
    """Train a network on images and targets."""
    own = {} if isinstance(model, compressed.Distiller) else {"loss": loss or cross_entropy()}
    model.compile(keras.optimizers.Adam(0.001), **own)
    model.fit(*data, epochs=epochs, batch_size=BATCH, verbose=0)
    return model


def cross_entropy() -> keras.losses.Loss:
    """Build the loss of labels and logits."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def logits_of(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Run a network in batches of 250."""
    return np.concatenate([model.predict_on_batch(x[i : i + 250]) for i in range(0, len(x), 250)])


def plain(model: keras.Model, x: np.ndarray, stored: int | None = None) -> Variant:
    """Describe a network that does the same for every image."""
    run = compiled(lambda images: model(images, training=False))
    calls = {}
    for batch in BATCHES:
        images = keras.ops.convert_to_tensor(x[:batch])
        calls[batch] = [(1.0, lambda images=images: run(images))]
    size = stored_bytes(model) if stored is None else stored
    return Variant(lambda images: logits_of(model, images), calls, size, multiply_adds(model))


def both_logits(model: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """Run a network with two heads in batches of 250."""
    parts = [model.predict_on_batch(x[i : i + 250]) for i in range(0, len(x), 250)]
    return [np.concatenate([part[name] for part in parts]) for name in ("early", "final")]


def early_exit(data: Data, x: np.ndarray) -> Variant:
    """Train both heads together and describe the network that stops when it is sure."""
    model = compressed.early_exit_convnet()
    targets = {"early": data[1], "final": data[1]}
    trained(model, (data[0], targets), EPOCHS, {n: cross_entropy() for n in targets})
    first, second = compressed.split_at_exit(model)
    limit = float(np.quantile(entropy(both_logits(model, data[0])[0]), LEAVING))
    both = both_logits(model, x)
    exits = choose_exits(both, [limit])
    chosen = np.stack(both)[exits, np.arange(len(x))]
    stay = float(exits.mean())
    run_first = compiled(lambda images: first(images, training=False))
    run_second = compiled(lambda features: second(features, training=False))

    def answer(images: Any) -> list[Any]:
        begun = run_first(images)
        unsure = np.flatnonzero(entropy(keras.ops.convert_to_numpy(begun["early"])) > limit)
        if not unsure.size:
            return [begun["early"]]
        return [begun["early"], run_second(keras.ops.take(begun["trunk"], unsure, axis=0))]

    shares_and_starts = {batch: [(1.0, 0)] for batch in BATCHES}
    shares_and_starts[1] = [(1 - stay, int(exits.argmin())), (stay, int(exits.argmax()))]
    calls = {}
    for batch, parts in shares_and_starts.items():
        tensors = [(s, keras.ops.convert_to_tensor(x[i : i + batch])) for s, i in parts]
        calls[batch] = [(s, partial(answer, images)) for s, images in tensors]
    begun = multiply_adds(first)
    work = begun + stay * (multiply_adds(model) - begun)
    return Variant(lambda _: chosen, calls, stored_bytes(model), work)


def variants(seed: int, data: Data, x: np.ndarray) -> dict[str, Variant]:
    """Train the original and every compressed form of it with one seed."""
    keras.utils.set_random_seed(seed)
    original = trained(convnet_32(), data, EPOCHS)
    kernel, bias, w, b, v, c = original.get_weights()
    made = {"float32": plain(original, x)}
    model = convnet_32()
    model.set_weights(original.get_weights())
    made["trained on"] = plain(trained(model, data, TUNING_EPOCHS), x)
    for mode in ("int8", "int4"):
        model = convnet_32()
        model.set_weights(original.get_weights())
        with warnings.catch_warnings():  # one for each layer that has no weights to quantise
            warnings.simplefilter("ignore")
            model.quantize(mode)
        made[mode] = plain(model, x)

    mask = magnitude_mask(w, SPARSITY)
    model = convnet_32()
    model.set_weights([kernel, bias, w * mask, b, v, c])
    model.get_layer("hidden").kernel.constraint = compressed.KeepZeros(mask)
    trained(model, data, TUNING_EPOCHS)
    sparse = to_sparse(keras.ops.convert_to_numpy(model.get_layer("hidden").kernel))
    made["pruned"] = plain(model, x, stored_bytes(model) - w.nbytes + sparse.nbytes)

    model = compressed.thin_convnet(FILTERS, HIDDEN)
    places = len(w) // kernel.shape[-1]
    by_channel = w.reshape(places, kernel.shape[-1], -1).transpose(1, 0, 2)  # (filters, p, 128)
    flat = by_channel.reshape(len(by_channel), -1)
    kept = np.sort(np.argsort(unit_scores(kernel, bias, flat))[-FILTERS:])
    kernel_kept, bias_kept, flat_kept = keep_units(kernel, bias, flat, kept)
    rows = flat_kept.reshape(FILTERS, places, -1).transpose(1, 0, 2).reshape(places * FILTERS, -1)
    best = np.sort(np.argsort(unit_scores(rows, b, v))[-HIDDEN:])
    model.set_weights([kernel_kept, bias_kept, *keep_units(rows, b, v, best), c])
    made["units"] = plain(trained(model, data, TUNING_EPOCHS), x)

    model = compressed.factorised_convnet(RANK)
    model.set_weights([kernel, bias, *factorise(w, RANK), b, v, c])
    made["rank"] = plain(trained(model, data, TUNING_EPOCHS), x)

    keras.utils.set_random_seed(seed)
    student = trained(compressed.thin_convnet(8, 16, 2), data, STUDENT_EPOCHS)
    made["student"] = plain(student, x)
    targets = {"labels": data[1], "teacher": logits_of(original, data[0])}
    keras.utils.set_random_seed(seed)
    pupil = compressed.thin_convnet(8, 16, 2)
    trained(compressed.Distiller(pupil, TEMPERATURE, SHARE), (data[0], targets), STUDENT_EPOCHS)
    made["distilled"] = plain(pupil, x)
    made["early exit"] = early_exit(data, x)
    return made


def latencies(made: dict[str, Variant], rounds: int) -> dict[str, dict[str, Any]]:
    """Time every variant in turn; return median and quartiles in seconds for every batch."""
    seconds: dict[str, dict[int, list[float]]] = {n: {b: [] for b in BATCHES} for n in made}
    for number in range(rounds):
        for name in list(made)[:: -1 if number % 2 else 1]:
            for batch in BATCHES:
                parts = made[name].calls[batch]
                medians = [(share, measure(f, repeats=3).median) for share, f in parts]
                seconds[name][batch].append(sum(share * median for share, median in medians))
    return {
        name: {
            str(batch): [float(f"{q:.4g}") for q in np.percentile(times, [25, 50, 75])]
            for batch, times in batches.items()
        }
        for name, batches in seconds.items()
    }


def products(rounds: int) -> list[dict[str, Any]]:
    """Time the large layer's product in float32 and with PyTorch's int8 kernels, if it is there."""
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    torch.set_num_threads(1)
    float_layer = torch.nn.Linear(5408, 128)
    with warnings.catch_warnings():  # PyTorch announces that this interface will move
        warnings.simplefilter("ignore")
        int8_layer = torch.ao.quantization.quantize_dynamic(
            torch.nn.Sequential(float_layer), {torch.nn.Linear}, dtype=torch.qint8
        )
    measured = []
    for batch in (1, 16, 256):
        x = torch.rand(batch, 5408)
        times: dict[str, list[float]] = {"float32": [], "int8": []}
        with torch.inference_mode():
            for _ in range(rounds):
                for name, layer in [("float32", float_layer), ("int8", int8_layer)]:
                    times[name].append(measure(partial(layer, x), repeats=3).median)
        medians = {name: statistics.median(values) for name, values in times.items()}
        measured.append(
            {
                "batch": batch,
                "seconds": {name: float(f"{value:.4g}") for name, value in medians.items()},
                "ratio": round(medians["float32"] / medians["int8"], 2),
                "torch": torch.__version__,
                "engine": torch.backends.quantized.engine,
            }
        )
    return measured


def main() -> None:
    """Train, count, time, print, and save the results if nothing was left out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="networks of each kind")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="times that each is timed")
    options = parser.parse_args()
    if options.seeds < 1 or options.rounds < 1:
        raise ValueError(
            f"expected at least 1 seed and 1 round, got {options.seeds} and {options.rounds}"
        )
    (images, labels), (test_images, test_labels) = mnist.load_data()
    x, x_test = (i[..., np.newaxis].astype("float32") / 255 for i in (images, test_images))
    correct: dict[str, list[int]] = {}
    work: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        made = variants(seed, (x, labels), x_test)
        if seed == 0:
            first = made
        for name, variant in made.items():
            right = int((variant.run(x_test).argmax(axis=1) == test_labels).sum())
            correct.setdefault(name, []).append(right)
            work.setdefault(name, []).append(variant.work)
        print(seed, {name: counts[-1] for name, counts in correct.items()}, flush=True)
    seconds = latencies(first, options.rounds)
    cases = [
        {
            "name": name,
            "correct": correct[name],
            "bytes": variant.stored,
            "multiply_adds": round(statistics.mean(work[name])),
            "seconds": seconds[name],
            "ratio": round(seconds["float32"]["256"][1] / seconds[name]["256"][1], 2),
        }
        for name, variant in first.items()
    ]
    results = {
        "method": METHOD,
        "machine": machine(),
        "rounds": options.rounds,
        "test_images": len(test_labels),
        "cases": cases,
        "products": products(options.rounds),
    }
    for case in cases + results["products"]:
        print(json.dumps(case), flush=True)
    if (options.seeds, options.rounds) == (SEEDS, ROUNDS) and results["products"]:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

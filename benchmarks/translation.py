"""Translate verses from English to Spanish, with attention and without.

    python benchmarks/translation.py --processes 2

Each process computes on one core.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

# Before TensorFlow is imported: each process computes on one core.
os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")

import keras
import numpy as np
import sacrebleu
from mnist_time_to_99 import machine

from coursepkg.datasets import english_spanish
from coursepkg.models.translation import RecurrentTranslator
from coursepkg.scratch.subwords import Subwords

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "translation.json"
PADDING, START, END, RESERVED = 0, 1, 2, 3
MERGES, WIDTH, UNITS = 2000, 64, 128
RATE, WARM_UP, BATCH, EPOCHS, SEEDS, MOST = 0.005, 100, 64, 6, 3, 60
VALIDATION, ALIGNED, FEW = 500, 50, 200
OVERFIT = 20, 40, 0.01
"""Pairs in a batch, epochs and rate for learning by heart."""
DEVIATIONS = (0.03, 1.0)
METHOD = (
    f"The bundled verses, in lower case, cut into pieces by byte-pair encoding, {MERGES} merges "
    f"in each language, learned from the training verses. {VALIDATION} of these were set aside to "
    "choose settings and are not trained on. One GRU reads in both directions, one writes, "
    f"{UNITS} units together and {UNITS}, rows of {WIDTH}; with attention, the writer's state is "
    "compared with the reader's by dot products, without, the reader's last states join each "
    f"step. Adam, warm-up for {WARM_UP} updates to a rate of {RATE}, then a cosine to 0, gradient "
    f"clipped to norm 1, {EPOCHS} epochs of batches of {BATCH} pairs of similar length, the same "
    "for both. Chosen on the validation part, with seed 0, attention and dropout: the rate, as "
    "0.01 was behind after two epochs. Two earlier runs, one of each network, on verses of at "
    "most 20 words that were split otherwise, led to dot products and one table for what is read "
    "and written in Spanish. The number of epochs is what the time allowed. The test verses were "
    "translated once, at the end, always taking the most probable piece. Before that, a check: "
    f"networks with attention learn {FEW} pairs of at most 15 words by heart "
    f"in {OVERFIT[1]} epochs of batches of {OVERFIT[0]} at a rate of {OVERFIT[2]}, from rows of "
    "tokens with either of two standard deviations."
)


def filled(rows: list[list[int]]) -> np.ndarray:
    """Fill rows up to one length."""
    table = np.full((len(rows), max(map(len, rows))), PADDING, "int32")
    for row, numbers in zip(table, rows, strict=True):
        row[: len(numbers)] = numbers
    return table


class Pairs:
    """Verses in two languages, as numbers of pieces."""

    def __init__(self, source: list[list[int]], target: list[list[int]]) -> None:
        self.source, self.target = source, target

    def arrays(self, rows: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return what the network gets for some rows, and what it shall say."""
        target = filled([[START, *self.target[n], END] for n in rows])
        return (filled([self.source[n] for n in rows]), target[:, :-1]), target[:, 1:]


class Batches(keras.utils.PyDataset):
    """Batches of pairs of similar length, mixed anew for each epoch."""

    def __init__(self, pairs: Pairs, size: int, seed: int) -> None:
        super().__init__()
        self.pairs, self.size, self.random = pairs, size, np.random.default_rng(seed)
        both = zip(pairs.source, pairs.target, strict=True)
        self.lengths = np.array([len(source) + len(target) for source, target in both])
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draw batches: nearly sorted by length, in random order."""
        nearly = self.lengths + self.random.uniform(-4, 4, len(self.lengths))
        ends = range(self.size, len(nearly), self.size)
        self.rows = np.split(np.argsort(nearly), ends)
        self.random.shuffle(self.rows)

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.lengths) // self.size)

    def __getitem__(self, number: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return a batch."""
        return self.pairs.arrays(self.rows[number])


def trained(
    network: keras.Model, pairs: Pairs, batch: int, epochs: int, peak: float, seed: int
) -> dict[str, Any]:
    """Train a network; return losses and seconds."""
    batches = Batches(pairs, batch, seed)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * len(batches) - WARM_UP, warmup_target=peak, warmup_steps=WARM_UP
    )
    network.compile(
        optimizer=keras.optimizers.Adam(rate, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PADDING),
        jit_compile=False,  # it would compile anew for each length
    )
    began = time.process_time()
    run = network.fit(batches, epochs=epochs, verbose=0, shuffle=False)
    losses = [round(value, 4) for value in run.history["loss"]]
    return {"seconds": round(time.process_time() - began, 1), "training_loss": losses}


def written(
    network: RecurrentTranslator, source: list[list[int]], size: int = 100
) -> list[list[int]]:
    """Translate sentences, those of similar length together."""
    order = np.argsort([len(row) for row in source], kind="stable")
    found: list[list[int]] = [[] for _ in source]
    for rows in np.split(order, range(size, len(order), size)):
        table = filled([source[n] for n in rows])
        for n, tokens in zip(rows, network.translate(table, START, END, MOST)[0], strict=True):
            found[n] = tokens
    return found


def alignments(
    network: RecurrentTranslator, source: list[list[int]], reads: Subwords, writes: Subwords
) -> list[dict[str, Any]]:
    """Translate sentences and keep the weights."""
    translations, looked = network.translate(filled(source), START, END, MOST)
    weights = np.stack([keras.ops.convert_to_numpy(step) for step in looked], axis=1)
    return [
        {
            "source": [reads.pieces[n] for n in row],
            "translation": [writes.pieces[n] for n in tokens],
            "percent": [
                " ".join(f"{100 * weight:.0f}" for weight in step[: len(row)])
                for step in seen[: len(tokens)]
            ],
        }
        for row, tokens, seen in zip(source, translations, weights, strict=True)
    ]


class Verses:
    """All verses as numbers."""

    def __init__(self) -> None:
        (english, spanish), (new_english, _) = english_spanish.load_data()
        english, spanish = ([verse.lower() for verse in part] for part in (english, spanish))
        self.reads, self.writes = (
            Subwords(part[VALIDATION:], MERGES, RESERVED) for part in (english, spanish)
        )
        source, target = [*map(self.reads.encode, english)], [*map(self.writes.encode, spanish)]
        self.train = Pairs(source[VALIDATION:], target[VALIDATION:])
        self.validation = Pairs(source[:VALIDATION], target[:VALIDATION])
        self.validation_references = spanish[:VALIDATION]
        self.new_source = [self.reads.encode(verse.lower()) for verse in new_english]
        short = [n for n, verse in enumerate(english) if len(verse.split()) <= 15]
        self.few = Pairs(*([part[n] for n in short[:FEW]] for part in (source, target)))

    def network(self, attention: bool, **settings: float) -> RecurrentTranslator:
        """Build a fresh network."""
        sizes = len(self.reads.pieces), len(self.writes.pieces)
        return RecurrentTranslator(*sizes, WIDTH, UNITS, attention, **settings)


@functools.cache
def all_verses() -> Verses:
    """Return the verses, cut once in each process."""
    return Verses()


def one_run(attention: bool, seed: int) -> dict[str, Any]:
    """Train on all verses and translate the test verses."""
    verses = all_verses()
    keras.utils.set_random_seed(seed)
    network = verses.network(attention)
    run = {"seed": seed, "parameters": network.count_params()}
    run |= trained(network, verses.train, BATCH, EPOCHS, RATE, seed)
    decode = verses.writes.decode
    said = [*map(decode, written(network, verses.validation.source))]
    run["validation_chrf"] = round(
        sacrebleu.corpus_chrf(said, [verses.validation_references]).score, 2
    )
    run["translations"] = [*map(decode, written(network, verses.new_source))]
    if attention:
        shown = verses.new_source[:ALIGNED]
        run["alignments"] = alignments(network, shown, verses.reads, verses.writes)
    print(attention, seed, run["seconds"], run["training_loss"], run["validation_chrf"], flush=True)
    return run


def by_heart(deviation: float, seed: int) -> dict[str, Any]:
    """Train on few verses, and count those that are then written without a fault."""
    verses = all_verses()
    keras.utils.set_random_seed(seed)
    network = verses.network(attention=True, scale=deviation * WIDTH**0.5)
    run = {"seed": seed}
    run |= trained(network, verses.few, *OVERFIT, seed)
    pairs = zip(written(network, verses.few.source), verses.few.target, strict=True)
    run["right"] = sum(said == wanted for said, wanted in pairs)
    print(deviation, seed, run["seconds"], run["training_loss"][-1], run["right"], flush=True)
    return run


def main() -> None:
    """Run all and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, context) as pool:
        seeds = range(SEEDS)
        runs = {
            name: [pool.submit(one_run, name == "with attention", seed) for seed in seeds]
            for name in ("with attention", "without")
        }
        checks = {
            f"{deviation:g}": [pool.submit(by_heart, deviation, seed) for seed in seeds]
            for deviation in DEVIATIONS
        }
        record = {
            "method": METHOD,
            "machine": machine(),
            "networks": {name: [run.result() for run in found] for name, found in runs.items()},
            "by_heart": {name: [run.result() for run in found] for name, found in checks.items()},
        }
    text = json.dumps(record, indent=1, ensure_ascii=False)
    arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Translate digits, word for word, with attention and without.

python benchmarks/translation_of_digits.py
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from translation import END, RESERVED, START  # first, for it sets the number of threads

# isort: split
import keras
from mnist_time_to_99 import machine

from coursepkg.models.translation import RecurrentTranslator

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "translation_of_digits.json"
DIGITS, LONGEST, WIDTH, UNITS = 10, 20, 16, 32
RATE, BATCH, UPDATES, SEEDS, TESTED = 0.01, 64, 1000, 3, 200
LENGTHS = (1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30)
METHOD = (
    "Sentences of random digits in words, such as 'three one four', are to become 'tres uno "
    f"cuatro'. Training draws {UPDATES} batches of {BATCH} new sentences, each batch of one length "
    f"from 1 to {LONGEST}. The networks are those of the benchmark of verses with rows of {WIDTH} "
    f"and {UNITS} units. Adam, the rate falls from {RATE} to 0 on a cosine, gradient clipped to "
    f"norm 1. Then {TESTED} new sentences of each length are translated, always taking the most "
    "probable word; recorded is the share of digits that are right in their place, and the share "
    "of sentences without a fault. The settings are the first that were tried, with 800 updates."
)


def sentences(random: np.random.Generator, count: int, length: int) -> np.ndarray:
    """Draw digits as tokens."""
    return random.integers(RESERVED, RESERVED + DIGITS, (count, length), dtype="int32")


class Drawn(keras.utils.PyDataset):
    """Batches of new sentences."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = np.random.default_rng(seed)

    def __len__(self) -> int:
        """Return the number of batches."""
        return UPDATES

    def __getitem__(self, number: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Draw a batch."""
        source = sentences(self.random, BATCH, int(self.random.integers(1, LONGEST + 1)))
        target = np.pad(source, ((0, 0), (1, 1)), constant_values=((0, 0), (START, END)))
        return (source, target[:, :-1]), target[:, 1:]


def one_run(attention: bool, seed: int) -> dict[str, Any]:
    """Train a network and test it on all lengths."""
    keras.utils.set_random_seed(seed)
    tokens = RESERVED + DIGITS
    network = RecurrentTranslator(tokens, tokens, WIDTH, UNITS, attention)
    network.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(RATE, UPDATES), global_clipnorm=1.0
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    began = time.process_time()
    network.fit(Drawn(seed), verbose=0)
    run = {"seed": seed, "seconds": round(time.process_time() - began, 1)}
    run |= {"parameters": network.count_params(), "digits": [], "sentences": []}
    for length in LENGTHS:
        source = sentences(np.random.default_rng(length), TESTED, length)
        rows, _ = network.translate(source, START, END, most=length + 1)
        written = np.zeros_like(source)
        for place, row in zip(written, rows, strict=True):
            place[: len(row)] = row[:length]
        whole = [row == wanted for row, wanted in zip(rows, source.tolist(), strict=True)]
        run["digits"].append(round(float((written == source).mean()), 4))
        run["sentences"].append(round(float(np.mean(whole)), 4))
    print(attention, run, flush=True)
    return run


def main() -> None:
    """Run all and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    output = parser.parse_args().output
    names = {"with attention": True, "without": False}
    networks = {
        name: [one_run(attention, seed) for seed in range(SEEDS)]
        for name, attention in names.items()
    }
    record = {
        "method": METHOD,
        "machine": machine(),
        "longest_trained": LONGEST,
        "lengths": LENGTHS,
        "networks": networks,
    }
    output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

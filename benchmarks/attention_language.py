"""A GPT and a GRU of equal size learn Shakespeare for equal processor time, and what else is slow.

Beside it, an encoder learns to fill in hidden characters for the same time, and generating with
and without a key-value cache is timed for several lengths.

Run it on one thread, so that processor time means the same for both networks:

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python benchmarks/attention_language.py

The first seed's GPT and encoder are kept with the results, their weights rounded to 16 bits.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from mnist_time_to_99 import machine

from coursepkg.datasets import shakespeare
from coursepkg.models.attention import bert, generate, gpt, masked_language_model

RESULTS = Path(__file__).parents[1] / "coursepkg" / "recorded" / "attention_language.json"
LENGTH, BATCH, RATE, SEEDS, SECONDS, EVERY = 64, 32, 0.003, 3, 60.0, 50
SETTINGS = {"width": 64, "heads": 4, "hidden": 256, "blocks": 2}
UNITS = 148
MASKED = {"length": 16, "width": 64, "heads": 2, "hidden": 128, "blocks": 1, "dropout": 0.0}
MASKED_BATCH, SHARE = 64, 0.15
CACHE = {"width": 256, "heads": 4, "hidden": 1024, "blocks": 4}
CACHE_LENGTHS, WRITTEN, REPEATS = (64, 128, 256, 512, 1024), 16, 3
METHOD = (
    f"Characters of the bundled plays, windows of {LENGTH}, {BATCH} at a time, drawn at random "
    f"from the eight training plays; Adam with a rate of {RATE}, the gradient clipped to norm 1. "
    f"The GPT has {SETTINGS}; the GRU an embedding of 64 and {UNITS} units. Each run ends when "
    f"train_on_batch, after one warm-up call, has used {SECONDS:g} seconds of processor time on "
    "one thread. Bits per character are the mean over all characters of the first 512 windows of "
    "the test play, each window read from a fresh start. Seeds take turns. The settings were not "
    "tuned."
)
MASKED_METHOD = (
    f"An encoder with {MASKED} reads windows of {MASKED['length']} characters, {MASKED_BATCH} at a "
    f"time; {SHARE:.0%} of the characters are hidden as in BERT, and only they count. Adam with a "
    f"rate of {RATE}, the gradient clipped to norm 1, {SECONDS:g} seconds of processor time. Bits "
    f"are those of character {MASKED['length'] // 2 + 1} of each of the first 2,000 windows of the "
    "test play, hidden alone. The rate was chosen from 0.003 and 0.01 by these bits."
)
CACHE_METHOD = (
    f"An untrained GPT with {CACHE} writes {WRITTEN} characters after one, the best of {REPEATS} "
    "tries, after one that compiles; processor time on one thread."
)


def gru(tokens: int) -> keras.Model:
    """Build the recurrent language model."""
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(tokens, 64),
            layers.GRU(UNITS, return_sequences=True),
            layers.Dense(tokens),
        ]
    )


def numbers(text: str) -> np.ndarray:
    """Turn characters into their numbers."""
    table = np.zeros(128, "int32")
    table[[ord(c) for c in shakespeare.CHARACTERS]] = np.arange(len(shakespeare.CHARACTERS))
    return table[np.frombuffer(text.encode(), "uint8")]


def bits(network: keras.Model, windows: np.ndarray) -> float:
    """Give the bits per character of windows (N, LENGTH + 1)."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits = [network.predict_on_batch(w[:, :-1]) for w in np.split(windows, 8)]
    return float(loss(windows[:, 1:], np.concatenate(logits))) / math.log(2)


def trained(
    network: keras.Model, step: Callable[[], None], measure: Callable[[], float], seed: int
) -> dict:
    """Train a compiled network until its time is up."""
    step()
    curve, used, steps = [], 0.0, 1
    while used < SECONDS:
        began = time.process_time()
        for _ in range(EVERY):
            step()
        used, steps = used + time.process_time() - began, steps + EVERY
        curve.append([steps, round(used, 2), round(measure(), 4)])
    print(seed, network.name, network.count_params(), curve[-1], flush=True)
    return {"seed": seed, "curve": curve}


def compiled(network: keras.Model) -> keras.Model:
    """Compile a network that gives logits of tokens."""
    network.compile(
        optimizer=keras.optimizers.Adam(RATE, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return network


def next_characters(build: Callable, seed: int, train: np.ndarray, windows: np.ndarray) -> tuple:
    """Train a language model."""
    keras.utils.set_random_seed(seed)
    network, rng = compiled(build()), np.random.default_rng(seed)

    def step() -> None:
        starts = rng.integers(0, len(train) - LENGTH, BATCH)
        rows = train[starts[:, None] + np.arange(LENGTH + 1)]
        network.train_on_batch(rows[:, :-1], rows[:, 1:])

    return network, trained(network, step, lambda: bits(network, windows), seed)


def hidden_characters(seed: int, train: np.ndarray, test: np.ndarray) -> tuple:
    """Train an encoder to fill in what is hidden."""
    keras.utils.set_random_seed(seed)
    mask, length = len(shakespeare.CHARACTERS), MASKED["length"]
    network = compiled(masked_language_model(bert(tokens=mask + 1, **MASKED)))
    rng = np.random.default_rng(seed)
    asked, place = test[: 2000 * length].reshape(-1, length).copy(), length // 2
    answers = asked[:, place].copy()
    asked[:, place] = mask

    def step() -> None:
        starts = rng.integers(0, len(train) - length, MASKED_BATCH)
        texts = train[starts[:, None] + np.arange(length)]
        chosen, lot = rng.random(texts.shape) < SHARE, rng.random(texts.shape)
        others = rng.integers(0, mask, texts.shape)
        replacement = np.where(lot < 0.8, mask, np.where(lot < 0.9, others, texts))
        shown = np.where(chosen, replacement, texts)
        network.train_on_batch(shown, texts, sample_weight=chosen.astype("float32"))

    def measure() -> float:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return float(loss(answers, network.predict_on_batch(asked)[:, place])) / math.log(2)

    return network, trained(network, step, measure, seed)


def in_16_bits(network: keras.Model) -> str:
    """Write the weights as text."""
    flat = np.concatenate([np.ravel(w) for w in network.get_weights()])
    return base64.b64encode(flat.astype("<f2").tobytes()).decode()


def cache_times() -> list[dict[str, float]]:
    """Time generation with and without a cache."""
    times = []
    for length in CACHE_LENGTHS:
        network = gpt(len(shakespeare.CHARACTERS), length, **CACHE)
        row: dict[str, float] = {"length": length}
        for name, one_step in {"cached": network.one_step(), "whole": None}.items():
            generate(network, [1], 1, one_step)
            tries = []
            for _ in range(REPEATS):
                began = time.process_time()
                generate(network, [1], WRITTEN, one_step)
                tries.append(time.process_time() - began)
            row[name] = round(1000 * min(tries) / WRITTEN, 3)
        print(row, flush=True)
        times.append(row)
    return times


def language(train: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """Compare the two language models."""
    tokens = len(shakespeare.CHARACTERS)
    windows = test[: 512 * LENGTH + 1]
    windows = windows[np.arange(512)[:, None] * LENGTH + np.arange(LENGTH + 1)]
    networks = {"gpt": lambda: gpt(tokens, LENGTH, **SETTINGS), "gru": lambda: gru(tokens)}
    found: dict[str, Any] = {name: {"runs": []} for name in networks}
    for seed in range(SEEDS):
        for name, build in networks.items():
            network, run = next_characters(build, seed, train, windows)
            found[name]["parameters"] = network.count_params()
            found[name]["runs"].append(run)
            if (name, seed) == ("gpt", 0):
                kept = in_16_bits(network)
                found[name]["settings"] = {"tokens": tokens, "length": LENGTH, **SETTINGS}
    counts = np.bincount(train, minlength=tokens) + 1
    baseline = -np.log2(counts / counts.sum())[windows[:, 1:]].mean()
    return {
        "method": METHOD,
        "unigram_bits": round(float(baseline), 4),
        "networks": found,
        "weights": kept,
    }


def masked(train: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """Train the encoder with every seed."""
    runs = []
    for seed in range(SEEDS):
        network, run = hidden_characters(seed, train, test)
        runs.append(run)
        if seed == 0:
            kept = in_16_bits(network)
    return {
        "method": MASKED_METHOD,
        "settings": {"tokens": len(shakespeare.CHARACTERS) + 1, **MASKED},
        "parameters": network.count_params(),
        "runs": runs,
        "weights": kept,
    }


def main() -> None:
    """Run all and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    output = parser.parse_args().output
    train, test = (numbers(text) for text in shakespeare.load_data())
    record = {
        "machine": machine(),
        **language(train, test),
        "masked": masked(train, test),
        "cache": {"method": CACHE_METHOD, "settings": CACHE, "milliseconds": cache_times()},
    }
    output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

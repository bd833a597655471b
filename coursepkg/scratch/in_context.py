"""Learning in context: tasks to train on, prompts, and a Transformer's forward pass in NumPy.

The network itself is built and trained with Keras (`coursepkg.models.in_context`). Here are the
parts that need no training: how an image becomes numbers, how random tasks are made, how examples
and questions become tokens, and the forward pass with weights that were trained before.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from importlib.resources import files

import numpy as np

SQUARES = 7
"""An image is described by the mean of 7 by 7 squares."""

FEATURES = SQUARES**2
CLASSES = 10
EPSILON = 1e-3
"""What Keras's layer normalisation adds to the variance."""


def describe(images: np.ndarray) -> np.ndarray:
    """Describe each image by 49 numbers with mean 0 and standard deviation 1.

    The image is cut into 7 by 7 squares of 4 by 4 pixels. The numbers are the squares' mean greys,
    minus their mean, divided by their standard deviation; so neither the amount of ink nor its
    darkness matters.

    Parameters
    ----------
    images : ndarray, shape (N, 28, 28)
        Greys.

    Returns
    -------
    ndarray of float32, shape (N, 49)

    Raises
    ------
    ValueError
        If the images are not 28 by 28 pixels.
    """
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise ValueError(f"expected images of shape (N, 28, 28), got {images.shape}")
    means = images.reshape(-1, SQUARES, 4, SQUARES, 4).mean(axis=(2, 4)).reshape(-1, FEATURES)
    centred = means - means.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    return (centred / np.maximum(spread, 1e-6)).astype(np.float32)


def random_tasks(
    described: np.ndarray,
    labels: np.ndarray,
    tasks: int,
    examples: int,
    rng: np.random.Generator,
    fewest: int = 2,
    most: int = CLASSES,
) -> tuple[np.ndarray, np.ndarray]:
    """Make tasks that no weights can know: only the examples of a task say what is asked.

    Each task draws a number of classes from `fewest` to `most`, gives each a random label, draws
    images of them, puts the 49 squares into a random order and turns some of them into their
    negative. All images of one task share that order.

    Parameters
    ----------
    described : ndarray, shape (N, 49)
        What `describe` gives.
    labels : ndarray of int, shape (N,)
        The classes, 0 to 9.
    tasks, examples : int
        How many tasks, and images in each.
    rng : numpy.random.Generator
        The source of all draws.
    fewest, most : int
        Bounds of the number of classes; the labels of a task are below `most`.

    Returns
    -------
    ndarray of float32, shape (tasks, examples, 49)
        The images.
    ndarray of int, shape (tasks, examples)
        Their labels in the task.

    Raises
    ------
    ValueError
        If the bounds are not in order.
    """
    if not 1 <= fewest <= most <= CLASSES:
        raise ValueError(f"expected 1 <= fewest <= most <= {CLASSES}, got {fewest} and {most}")
    rows_of = [np.flatnonzero(labels == kind) for kind in range(CLASSES)]
    images = np.empty((tasks, examples, FEATURES), np.float32)
    answers = np.empty((tasks, examples), int)
    for task in range(tasks):
        count = rng.integers(fewest, most + 1)
        kinds, names = rng.permutation(CLASSES)[:count], rng.permutation(most)[:count]
        drawn = rng.integers(count, size=examples)
        rows = [rng.choice(rows_of[kinds[index]]) for index in drawn]
        signs = rng.choice([-1, 1], FEATURES)
        images[task] = (described[rows] * signs)[:, rng.permutation(FEATURES)]
        answers[task] = names[drawn]
    return images, answers


def tokens_of(images: np.ndarray, labels: np.ndarray | None, classes: int) -> np.ndarray:
    """Write images as tokens: their numbers, then their label as a one-hot row, or zeros.

    Parameters
    ----------
    images : ndarray, shape (..., n, 49)
        Described images.
    labels : ndarray of int, shape (..., n), or None
        None for questions.
    classes : int
        Labels that there are.

    Returns
    -------
    ndarray of float32, shape (..., n, 49 + classes)
    """
    shown = np.zeros((*images.shape[:-1], classes)) if labels is None else np.eye(classes)[labels]
    return np.concatenate([images, shown], axis=-1).astype(np.float32)


def lesson(images: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Make what the network is trained on: every image of a task is an example and a question.

    Parameters
    ----------
    images : ndarray, shape (B, n, 49)
        The images of B tasks.
    labels : ndarray of int, shape (B, n)
        Their labels.
    classes : int
        Labels that there are.

    Returns
    -------
    ndarray of float32, shape (B, 2n, 49 + classes)
        First the n examples, then the same images as questions.
    ndarray of bool, shape (B, 2n, 2n)
        The mask: question i sees the examples before example i, and itself.
    """
    n = images.shape[1]
    tokens = [tokens_of(images, labels, classes), tokens_of(images, None, classes)]
    return np.concatenate(tokens, axis=1), np.repeat(
        mask_of(n, np.arange(n))[np.newaxis], len(images), axis=0
    )


def mask_of(examples: int, given: Sequence[int]) -> np.ndarray:
    """Say which token sees which.

    Parameters
    ----------
    examples : int
        How many examples there are, n.
    given : sequence of int, length m
        How many of the examples each question is given.

    Returns
    -------
    ndarray of bool, shape (n + m, n + m)
        True where the token of the row sees that of the column.
    """
    total = examples + len(given)
    seen = np.concatenate([np.arange(examples) + 1, given])  # examples before a token, or its own
    places = np.arange(total)
    return ((places < seen[:, np.newaxis]) & (places < examples)) | np.eye(total, dtype=bool)


def normalise(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Normalise each row of x (T, d) to mean 0 and variance 1, then scale and shift (d,)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return scale * centred / np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON) + shift


def looks(x: np.ndarray, mask: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """Compute how much each token looks at each other one.

    Parameters
    ----------
    x : ndarray, shape (T, d)
        The normalised tokens.
    mask : ndarray of bool, shape (T, T)
        Which token sees which.
    weights : sequence of ndarray
        The arrays of Keras's attention layer; the first four are those of queries and keys.

    Returns
    -------
    ndarray, shape (heads, T, T)
        The shares of a row sum to 1.
    """
    to_query, query_bias, to_key, key_bias = weights[:4]
    query = np.einsum("td,dhk->htk", x, to_query) + query_bias[:, np.newaxis]
    key = np.einsum("td,dhk->htk", x, to_key) + key_bias[:, np.newaxis]
    scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1])
    scores = np.where(mask, scores, -np.inf)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def attend(x: np.ndarray, mask: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """Let all rows of x (T, d) take over what they find where they look, as `looks` says."""
    to_value, value_bias, to_output, output_bias = weights[4:]
    value = np.einsum("td,dhk->htk", x, to_value) + value_bias[:, np.newaxis]
    return np.einsum("htk,hkd->td", looks(x, mask, weights) @ value, to_output) + output_bias


def forward(tokens: np.ndarray, mask: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """Compute in NumPy what `coursepkg.models.in_context.in_context_transformer` computes.

    Parameters
    ----------
    tokens : ndarray, shape (T, 49 + classes)
        One context.
    mask : ndarray of bool, shape (T, T)
        Which token sees which.
    weights : sequence of ndarray
        In Keras's order: 2 arrays of the embedding, 16 for each block, 4 at the end.

    Returns
    -------
    ndarray, shape (T, classes)
        Logits.
    """
    x = tokens @ weights[0] + weights[1]
    for first in range(2, len(weights) - 4, 16):
        block = weights[first : first + 16]
        x = x + attend(normalise(x, *block[:2]), mask, block[2:10])
        hidden = np.maximum(normalise(x, *block[10:12]) @ block[12] + block[13], 0)
        x = x + hidden @ block[14] + block[15]
    return normalise(x, *weights[-4:-2]) @ weights[-2] + weights[-1]


def answer(
    weights: Sequence[np.ndarray],
    examples: np.ndarray,
    labels: np.ndarray,
    questions: np.ndarray,
    at_once: int = 250,
) -> np.ndarray:
    """Answer questions by a prompt of labelled examples.

    Parameters
    ----------
    weights : sequence of ndarray
        Of the network, as for `forward`.
    examples : ndarray, shape (n, 49)
        The described images in the prompt.
    labels : ndarray of int, shape (n,)
        Their labels.
    questions : ndarray, shape (m, 49)
        The described images to label. Each is answered for itself.
    at_once : int
        Questions in one forward pass; it changes the memory that is needed, not the answers.

    Returns
    -------
    ndarray of int, shape (m,)
        The likeliest labels.
    """
    classes = len(weights[-1])
    prompt, n = tokens_of(examples, labels, classes), len(examples)
    answers = []
    for first in range(0, len(questions), at_once):
        asked = tokens_of(questions[first : first + at_once], None, classes)
        mask = mask_of(n, [n] * len(asked))
        logits = forward(np.concatenate([prompt, asked]), mask, weights)
        answers.append(logits[n:].argmax(axis=1))
    return np.concatenate(answers)


def load_trained() -> list[list[np.ndarray]]:
    """Return the weights that ``benchmarks/in_context.py`` trained, one list for each seed.

    Raises
    ------
    ValueError
        If the file is not the one that was recorded.
    """
    folder = files("coursepkg.recorded")
    data = (folder / "in_context.npz").read_bytes()
    expected = json.loads((folder / "in_context.json").read_text(encoding="utf-8"))["sha256"]
    if (actual := hashlib.sha256(data).hexdigest()) != expected:
        raise ValueError(
            f"expected in_context.npz with sha256 {expected}, got {actual}. Install again."
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        seeds = sorted({name.split("_")[0] for name in arrays})
        count = len(arrays.files) // len(seeds)
        return [
            [arrays[f"{seed}_{index:02d}"].astype(np.float32) for index in range(count)]
            for seed in seeds
        ]

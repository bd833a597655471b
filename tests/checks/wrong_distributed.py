"""Prepared wrong answers: for each exercise, answers and a part of the message each must get."""

import numpy as np


def _ring_with_all_gather(arrays, send):
    n = len(arrays)
    parts = [np.array_split(array, n) for array in arrays]
    for step in range(n - 1):
        moving = [send(parts[r][(r - step - 1) % n]) for r in range(n)]
        for r in range(n):
            parts[(r + 1) % n][(r - step - 1) % n] += moving[r]
    for r in range(n):
        for other in range(n):
            if other != r:
                send(parts[r][r])
    return [parts[r][r] for r in range(n)]


def _ring_that_stops_early(arrays, send):
    n = len(arrays)
    parts = [np.array_split(array, n) for array in arrays]
    for step in range(n - 2):
        moving = [send(parts[r][(r - step - 1) % n]) for r in range(n)]
        for r in range(n):
            parts[(r + 1) % n][(r - step - 1) % n] += moving[r]
    return [parts[r][r] for r in range(n)]


def _without_messages(arrays, send):
    return np.split(sum(arrays), len(arrays))


def _one_further(arrays, send):
    chunks = np.split(sum(arrays), len(arrays))
    for array in arrays:
        send(array)
    return chunks[1:] + chunks[:1]


WRONG = {
    "distributed.serial-share": [
        (0.05, "expected a function"),
        (lambda n, speed_up: 1 / speed_up, "n is missing"),
        (lambda n, speed_up: 1 - speed_up / n, "one minus the efficiency"),
        (lambda n, speed_up: (n - speed_up) / (n - 1), "Gustafson's law"),
        (lambda n, speed_up: 0.05, "you should get the speed-up back"),
    ],
    "distributed.mean-gradient": [
        (lambda means, sizes: sum(means) / len(means), "a short shard weighs more"),
        (lambda means, sizes: sum(means), "the sum of the means"),
        (
            lambda means, sizes: sum(m * s for m, s in zip(means, sizes, strict=True)),
            "the sum over all examples",
        ),
        (lambda means, sizes: 0.0, "expected an array of shape (2, 3)"),
        (lambda means, sizes: means[0] * 2, "How many examples stand behind each mean"),
    ],
    "distributed.pipeline-stages": [
        (lambda m, share: 1 + int(m * share + 1e-9), "not with the whole time"),
        (lambda m, share: 2 + int(m * share / (1 - share) + 1e-9), "one stage too many"),
        (lambda m, share: int(m * share / (1 - share) + 1e-9), "one stage more would still do"),
        (lambda m, share: m, "not the largest number of stages"),
    ],
    "distributed.reduce-scatter": [
        (lambda arrays, send: sum(arrays), "expected a list of 2 chunks"),
        (lambda arrays, send: [sum(arrays) for _ in arrays], "expected 3 numbers on each worker"),
        (_without_messages, "nothing went through"),
        (_one_further, "worker r is to hold chunk r"),
        (_ring_that_stops_early, "does not hold the sum of all"),
        (_ring_with_all_gather, "too much is sent"),
    ],
    "distributed.plan": [
        ((8, 64), "a tuple of 3 numbers"),
        ((0, 8, 64), "at least 1"),
        ((8, 8, 16), "must be the number of accelerators, 512"),
        ((1, 32, 16), "80 layers do not divide"),
        ((16, 1, 32), "do not fit into one node"),
        ((8, 1, 64), "it does not fit: an accelerator would need more"),
        ((1, 16, 32), "faster fits too"),
    ],
}

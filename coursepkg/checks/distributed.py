"""Checkers of the exercises in ``hardware/distributed``."""

import math
from collections.abc import Sequence

import numpy as np

from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker
from coursepkg.scratch.scaling import Machine, Model, Plan, memory_bytes, tokens_per_second


@checker("distributed.serial-share")
def serial_share(answer: object) -> str:
    """Check the function that finds Amdahl's serial share from a measured speed-up."""
    for workers, serial in [(8, 0.05), (64, 0.01), (2, 0.4)]:
        speed_up = 1 / (serial + (1 - serial) / workers)
        got = as_number(call(answer, workers, speed_up), "a serial share")
        if math.isclose(got, serial, rel_tol=1e-6):
            continue
        if math.isclose(got, 1 / speed_up, rel_tol=1e-6):
            raise Wrong("that is the limit for a share of which nothing is split: n is missing.")
        if math.isclose(got, 1 - speed_up / workers, rel_tol=1e-6):
            raise Wrong("that is one minus the efficiency. Solve Amdahl's formula for s instead.")
        if math.isclose(got, (workers - speed_up) / (workers - 1), rel_tol=1e-6):
            raise Wrong("that solves Gustafson's law, whose share is of the time on n workers.")
        raise Wrong(
            f"not right for {workers} workers and a speed-up of {speed_up:.4g}. Put your share "
            "into Amdahl's formula: you should get the speed-up back."
        )
    return "right."


@checker("distributed.mean-gradient")
def mean_gradient(answer: object) -> str:
    """Check the function that joins the mean gradients of shards of different sizes."""
    rng = np.random.default_rng(5)
    for sizes in ([4, 4], [5, 4, 1], [1, 7]):
        means = [rng.normal(size=(2, 3)) for _ in sizes]
        got = call(answer, [mean.copy() for mean in means], list(sizes))
        expected = sum(m * size for m, size in zip(means, sizes, strict=True)) / sum(sizes)
        if not isinstance(got, np.ndarray) or got.shape != expected.shape:
            raise Wrong(f"expected an array of shape {expected.shape}, that of one gradient.")
        if np.allclose(got, expected, atol=1e-9):
            continue
        if np.allclose(got, sum(means) / len(means), atol=1e-9):
            raise Wrong("an example of a short shard weighs more in your mean than others.")
        if np.allclose(got, sum(means), atol=1e-9):
            raise Wrong("that is the sum of the means. By what must it be divided, and when?")
        if np.allclose(got, expected * sum(sizes), atol=1e-9):
            raise Wrong("that is the sum over all examples; the loss is a mean.")
        raise Wrong(
            f"not the gradient of the mean loss over shards of {sizes} examples. How many examples "
            "stand behind each mean?"
        )
    return "right: equal shards hide the mistake, unequal ones show it."


@checker("distributed.pipeline-stages")
def pipeline_stages(answer: object) -> str:
    """Check the function that counts how many stages a bubble of a given size allows."""
    for microbatches, share in [(32, 0.1), (8, 0.5), (100, 0.07), (4, 0.05)]:
        got = as_number(call(answer, microbatches, share), "a number of stages")
        exact = max(p for p in range(1, 1000) if (p - 1) / (microbatches + p - 1) <= share + 1e-12)
        if got == exact:
            continue
        overhead = max(p for p in range(1, 1000) if (p - 1) / microbatches <= share + 1e-12)
        if got == overhead:
            raise Wrong("you compare the bubble with the work, not with the whole time.")
        if got == exact + 1:
            raise Wrong("one stage too many: with it, the idle share is above the limit.")
        if got == exact - 1:
            raise Wrong("one stage more would still do. How many stages idle with p stages?")
        raise Wrong(
            f"not the largest number of stages for {microbatches} microbatches and an idle share "
            f"of at most {share}."
        )
    return "right."


@checker("distributed.reduce-scatter")
def reduce_scatter(answer: object) -> str:
    """Check the function that leaves each worker with one chunk of the sum."""
    rng = np.random.default_rng(3)
    for workers, width in [(2, 3), (4, 2), (5, 1)]:
        arrays = [rng.normal(size=workers * width) for _ in range(workers)]
        sent: list[int] = []

        def send(chunk: np.ndarray, sent: list[int] = sent) -> np.ndarray:
            sent.append(np.asarray(chunk).size)
            return np.array(chunk)

        got = call(answer, [array.copy() for array in arrays], send)
        chunks = np.split(sum(arrays), workers)
        if not isinstance(got, Sequence) or len(got) != workers:
            raise Wrong(f"expected a list of {workers} chunks, one for each worker.")
        for rank, chunk in enumerate(got):
            chunk = np.asarray(chunk)
            if chunk.shape != (width,):
                raise Wrong(
                    f"expected {width} numbers on each worker, got an array of shape {chunk.shape}."
                )
            if np.allclose(chunk, chunks[rank]):
                continue
            if any(np.allclose(chunk, other) for other in chunks):
                raise Wrong("a full sum, but on another worker: worker r is to hold chunk r.")
            raise Wrong(
                f"worker {rank} does not hold the sum of all {workers} workers' chunk {rank}. Let "
                "each chunk travel once round the ring, and count who has added to it."
            )
        if sum(sent) == 0:
            raise Wrong("right numbers, but nothing went through `send`.")
        if sum(sent) > workers * (workers - 1) * width:
            raise Wrong(
                "right sums, but too much is sent: half of what an all-reduce over the ring sends "
                "is enough."
            )
    return "right, with as few numbers sent as possible."


@checker("distributed.plan")
def plan(answer: object) -> str:
    """Check a layout of a large model: whether it fits, and is about as fast as any."""
    tensor, pipeline, data = (
        int(number) for number in as_numbers(answer, 3, "t, p and d, in this order")
    )
    if min(tensor, pipeline, data) < 1:
        raise Wrong("each of the three numbers is at least 1.")
    if tensor * pipeline * data != 512:
        raise Wrong("t times p times d must be the number of accelerators, 512.")
    if 512 % data:
        raise Wrong("the batch of 512 sequences does not divide evenly among your copies.")
    model = Model(70e9, 80, 8192, 64, 128, 2048)
    machine = Machine(312e12, 80e9, 2039e9, 8, 300e9, 25e9)
    layout = Plan(tensor, pipeline, data, batch=512, recompute=True)
    if model.layers % pipeline:
        raise Wrong("80 layers do not divide evenly among your stages.")
    if tensor > machine.group:
        raise Wrong("the workers that share a layer do not fit into one node of eight.")
    if memory_bytes(model, layout) > machine.memory:
        raise Wrong("it does not fit: an accelerator would need more than its 80 GB.")
    best = max(
        tokens_per_second(model, Plan(t, p, 512 // (t * p), 512, recompute=True), machine)
        for t in (1, 2, 4, 8)
        for p in (1, 2, 4, 8, 16)
        if memory_bytes(model, Plan(t, p, 512 // (t * p), 512, recompute=True)) <= machine.memory
    )
    speed = tokens_per_second(model, layout, machine)
    if speed < 0.97 * best:
        raise Wrong(
            f"it fits, but a layout that is {best / speed - 1:.0%} faster fits too. Which part of "
            "the step takes the time that is lost?"
        )
    return "right: it fits, and no layout is much faster."

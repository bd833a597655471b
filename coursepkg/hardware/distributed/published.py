"""Published training runs of large language models, to compare the model of `scaling` with.

Where a paper leaves a setting open, one rule holds for all runs. A microbatch is one sequence, or,
if the copies are sharded and there is no pipeline, a copy's whole share of the batch. If the paper
interleaves the stages, each holds the fewest chunks above one that divide its layers, else one.
What else the paper allows stands in `Run.alternatives`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from coursepkg.scratch.scaling import Machine, Model, Plan

A100 = Machine(flops=312e12, memory=80e9, memory_bandwidth=2039e9, group=8, fast=300e9, slow=25e9)
"""NVIDIA A100 with 80 GB, eight in a node (NVLink, 300 GB/s each way), 200 Gbit/s each between."""

H100 = Machine(flops=989.4e12, memory=80e9, memory_bandwidth=3350e9, group=8, fast=450e9, slow=50e9)
"""NVIDIA H100 with 80 GB, eight in a node (NVLink, 450 GB/s each way), 400 Gbit/s each between."""

TPU_V4 = Machine(
    flops=275e12,
    memory=32 * 2**30,
    memory_bandwidth=1200e9,
    group=3072,
    fast=1.1e15 / 4096,
    slow=81e12 / 8 / 3072,
)
"""Google TPU v4, 3,072 in a pod, with its share of a pod's published bandwidth for all-reduces;
between the two pods of the PaLM run, its share of the 81 Tbit/s that the paper reports."""


@dataclass(frozen=True)
class Run:
    """A training run, as far as it was published.

    Attributes
    ----------
    name : str
        Model and number of accelerators.
    source : str
        The key of the paper in the course's bibliography.
    model, plan, machine : Model, Plan, Machine
        What was trained, how it was laid out, on what.
    tokens_per_second : float
        The throughput that the paper reports, all accelerators together.
    left_open : str
        What the paper does not say; empty if nothing.
    alternatives : tuple of Plan
        Other layouts that it does not rule out.
    """

    name: str
    source: str
    model: Model
    plan: Plan
    machine: Machine
    tokens_per_second: float
    left_open: str = ""
    alternatives: tuple[Plan, ...] = ()


_TABLE_1 = [
    (1.7, 24, 2304, 24, 1, 1, 32, 512, 137),
    (3.6, 32, 3072, 30, 2, 1, 64, 512, 138),
    (7.5, 32, 4096, 36, 4, 1, 128, 512, 142),
    (18.4, 48, 6144, 40, 8, 1, 256, 1024, 135),
    (39.1, 64, 8192, 48, 8, 2, 512, 1536, 138),
    (76.1, 80, 10240, 60, 8, 4, 1024, 1792, 140),
    (145.6, 96, 12288, 80, 8, 8, 1536, 2304, 148),
    (310.1, 128, 16384, 96, 8, 16, 1920, 2160, 155),
    (529.6, 128, 20480, 105, 8, 35, 2520, 2520, 163),
    (1008.0, 160, 25600, 128, 8, 64, 3072, 3072, 163),
]
"""Parameters (10^9), heads, width, layers, t, p, GPUs, batch, TFLOP/s a GPU."""

_TABLE_2 = [
    (174.6, 96, 12288, 96, 8, 12, 384, 1536, 153),
    (174.6, 96, 12288, 96, 8, 12, 768, 1536, 149),
    (174.6, 96, 12288, 96, 8, 12, 1536, 1536, 141),
    (529.6, 128, 20480, 105, 8, 35, 560, 2240, 171),
    (529.6, 128, 20480, 105, 8, 35, 1120, 2240, 167),
    (529.6, 128, 20480, 105, 8, 35, 2240, 2240, 159),
]
"""The same columns, for two models on more and more GPUs."""

_VOCABULARY, _SEQUENCE = 51_200, 2048


def _megatron(row: tuple[float, ...]) -> Run:
    """Turn a row into a run; the paper's equation 3 turns FLOP/s into tokens per second."""
    billions, heads, width, layers, tensor, pipeline, gpus, batch, teraflops = row
    data = gpus // (tensor * pipeline)
    possible = _chunks(layers // pipeline) if pipeline > 1 else [1]
    plan = Plan(tensor, pipeline, data, batch, chunks=possible[0], recompute=True)
    per_token = (
        96 * layers * width**2 * (1 + _SEQUENCE / (6 * width) + _VOCABULARY / (16 * layers * width))
    )
    return Run(
        name=f"GPT {billions:g}B, {gpus:,} A100",
        source="narayanan2021",
        model=Model(billions * 1e9, layers, width, heads, width // heads, _SEQUENCE),
        plan=plan,
        machine=A100,
        tokens_per_second=gpus * teraflops * 1e12 / per_token,
        left_open="chunks, microbatch" if pipeline > 1 else "microbatch",
        alternatives=_variants(plan, chunks=possible, microbatches=(1, 2)),
    )


def _chunks(layers: int) -> list[int]:
    """List into how many equal chunks, at least two, the layers of a stage can be cut."""
    return [chunks for chunks in range(2, layers + 1) if layers % chunks == 0]


def _variants(plan: Plan, chunks: Iterable[int], microbatches: Iterable[int]) -> tuple[Plan, ...]:
    """List the plan with other numbers of chunks and of sequences in a microbatch."""
    return tuple(
        replace(plan, chunks=v, microbatch=size)
        for v in chunks
        for size in microbatches
        if (v, size) != (plan.chunks, plan.microbatch)
    )


CALIBRATION = [_megatron(row) for row in _TABLE_1]
"""Table 1 of Narayanan et al. (2021): models that grow with the number of A100 GPUs."""

_LLAMA = Plan(8, 1, 256, batch=2048, microbatch=8, sharded=True, spread=True)
_PALM = Plan(12, 1, 512, batch=2048, microbatch=4, recompute=True, sharded=True, spread=True)
_MT_NLG = Plan(tensor=8, pipeline=35, data=8, batch=1920, recompute=True)
_LLAMA_3 = Model(405e9, 126, 16384, 128, 128, 8192, fused_attention=True)


def _llama_3(copies: int, teraflops: float) -> Run:
    """Turn two columns of table 4 into a run; its 126 layers are 8 a stage but for the ends."""
    plan = Plan(8, 16, copies, batch=2048, chunks=2, sharded=True, spread=True)
    per_token = 6 * 405e9 + 12 * 126 * 16384 * 8192
    return Run(
        name=f"Llama 3 405B, {plan.accelerators:,} H100",
        source="grattafiori2024",
        model=_LLAMA_3,
        plan=plan,
        machine=H100,
        tokens_per_second=plan.accelerators * teraflops * 1e12 / per_token,
        left_open="chunks",
        alternatives=_variants(plan, chunks=_chunks(8), microbatches=(1,)),
    )


OTHERS = [
    *[_megatron(row) for row in _TABLE_2],
    Run(
        name="LLaMA 65B, 2,048 A100",
        source="touvron2023",
        model=Model(65.2e9, 80, 8192, 64, 128, 2048, fused_attention=True),
        plan=_LLAMA,
        machine=A100,
        tokens_per_second=380 * 2048,
        left_open="t, microbatch, how much is recomputed",
        alternatives=(
            replace(_LLAMA, tensor=4, data=512, microbatch=4),
            replace(_LLAMA, recompute=True),
            *_variants(_LLAMA, chunks=(1,), microbatches=(2, 4)),
        ),
    ),
    Run(
        name="PaLM 540B, 6,144 TPU v4",
        source="chowdhery2023",
        model=Model(540.35e9, 118, 18432, 48, 256, 2048, sums=1),
        plan=_PALM,
        machine=TPU_V4,
        tokens_per_second=238.3e3,
        left_open="microbatch",
        alternatives=_variants(_PALM, chunks=(1,), microbatches=(1, 2)),
    ),
    Run(
        name="MT-NLG 530B, 2,240 A100",
        source="chowdhery2023",
        model=Model(530e9, 105, 20480, 128, 160, 2048),
        plan=_MT_NLG,
        machine=A100,
        tokens_per_second=65.43e3,
        left_open="chunks, microbatch",
        alternatives=_variants(_MT_NLG, chunks=(1, 3), microbatches=(1, 2, 4)),
    ),
    _llama_3(copies=64, teraflops=430),
    _llama_3(copies=128, teraflops=400),
]
"""Runs that had no part in the fit of the model's one constant."""

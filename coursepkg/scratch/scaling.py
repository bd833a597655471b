r"""What more workers bring, on paper: speed-up laws, pipelines, and training on thousands of chips.

Letters: n workers; s the serial share of the work; p pipeline stages, m microbatches, v chunks of
layers on each stage; t workers that share every layer; d copies of the model. A model has N
parameters, and L layers of width h with a attention heads; it reads sequences of S tokens.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coursepkg.scratch.collectives import message_seconds, ring_seconds


def amdahl(workers: float, serial: float) -> float:
    r"""Return the speed-up of a job of fixed size, :math:`1 / (s + (1 - s) / n)`.

    Parameters
    ----------
    workers : float
        The number n of workers, at least 1.
    serial : float
        The share s of the one-worker time that cannot be split, from 0 to 1.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    G. M. Amdahl, "Validity of the single processor approach to achieving large scale computing
    capabilities", AFIPS Spring Joint Computer Conference, 1967.
    """
    _expect_workers_and_share(workers, serial)
    return 1 / (serial + (1 - serial) / workers)


def gustafson(workers: float, serial: float) -> float:
    r"""Return the speed-up of a job that grows with the workers, :math:`s + (1 - s) n`.

    Here s is the serial share of the time on n workers: the parallel part grows so that this time
    stays as it is, and one worker would need s + (1 - s) n times as long.

    Parameters
    ----------
    workers : float
        The number n of workers, at least 1.
    serial : float
        The share s of the n-worker time that cannot be split, from 0 to 1.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    J. L. Gustafson, "Reevaluating Amdahl's law", Communications of the ACM 31(5), 1988.
    """
    _expect_workers_and_share(workers, serial)
    return serial + (1 - serial) * workers


def fit_step_time(
    workers: Sequence[int], examples: Sequence[int], seconds: Sequence[float]
) -> tuple[float, float, float]:
    r"""Fit :math:`T = A + B E / n + C [n > 1]` to times of a step with E examples on n workers.

    A is the serial part, B the time of one example, and C what the workers need to exchange their
    results. The serial share of a step of E examples on one worker is A / (A + B E): it belongs to
    the size of the job, not to the program. The fit minimises the squares of the relative
    deviations.

    Parameters
    ----------
    workers, examples : sequence of int
        n and E of each measurement; the quotients E / n must not all be the same.
    seconds : sequence of float
        T of each measurement.

    Returns
    -------
    serial_seconds, seconds_per_example, exchange_seconds : float
        A, B and C; A and C are not below 0.

    Raises
    ------
    ValueError
        If all measurements have the same number of examples a worker, or the times do not grow
        with it.
    """
    count, time = np.asarray(workers, float), np.asarray(seconds, float)
    share = np.asarray(examples, float) / count
    if len(set(share.tolist())) < 2 or share.shape != time.shape:
        raise ValueError(
            f"expected times for at least two different numbers of examples a worker, got {share}"
        )
    system = np.stack([np.ones_like(share), share, count > 1], axis=1) / time[:, None]
    serial, slope, exchange = np.linalg.lstsq(system, np.ones(len(time)), rcond=None)[0]
    if slope <= 0:
        raise ValueError(f"expected times that grow with the examples a worker, got {seconds}")
    return max(float(serial), 0.0), float(slope), max(float(exchange), 0.0)


@dataclass(frozen=True)
class Slot:
    """A microbatch on a stage of a pipeline.

    Attributes
    ----------
    stage, microbatch : int
        Both count from 0.
    forward : bool
        The forward or the backward pass.
    start, end : float
        In units of one forward pass on one stage.
    """

    stage: int
    microbatch: int
    forward: bool
    start: float
    end: float


Order = list[tuple[int, bool]]
"""What a stage does one after the other: pairs of a microbatch and whether it goes forward."""


def gpipe_orders(stages: int, microbatches: int) -> list[Order]:
    """Give each stage its order: all microbatches forward, then all backward.

    Parameters
    ----------
    stages, microbatches : int
        p and m, at least 1.

    Returns
    -------
    list of Order
        One for each stage.

    Raises
    ------
    ValueError
        If a number is below 1.

    References
    ----------
    Y. Huang et al., "GPipe: Efficient Training of Giant Neural Networks using Pipeline
    Parallelism", NeurIPS 2019.
    """
    _expect_at_least_one(stages=stages, microbatches=microbatches)
    return [[(k, forward) for forward in (True, False) for k in range(microbatches)]] * stages


def one_forward_one_backward_orders(stages: int, microbatches: int) -> list[Order]:
    """Give each stage its order: a few forward to fill the pipeline, then in turn one each.

    Stage k (from 0) keeps at most p - k microbatches in flight, whatever m is.

    Parameters
    ----------
    stages, microbatches : int
        p and m, at least 1.

    Returns
    -------
    list of Order
        One for each stage.

    Raises
    ------
    ValueError
        If a number is below 1.

    References
    ----------
    D. Narayanan et al., "Efficient Large-Scale Language Model Training on GPU Clusters Using
    Megatron-LM", SC 2021, section 2.2.
    """
    _expect_at_least_one(stages=stages, microbatches=microbatches)
    orders = []
    for stage in range(stages):
        ahead = min(stages - stage - 1, microbatches)
        order = [(k, True) for k in range(ahead)]
        for k in range(ahead, microbatches):
            order += [(k, True), (k - ahead, False)]
        order += [(k, False) for k in range(microbatches - ahead, microbatches)]
        orders.append(order)
    return orders


def simulate(orders: Sequence[Order], forward: float = 1.0, backward: float = 2.0) -> list[Slot]:
    """Find out when each stage of a pipeline does what, if every pass starts as soon as it can.

    A forward pass waits for the same microbatch's on the stage before; a backward pass for that of
    the stage after; and every pass for the one before it in its stage's order.

    Parameters
    ----------
    orders : sequence of Order
        One for each stage.
    forward, backward : float
        How long a pass takes on one stage.

    Returns
    -------
    list of Slot
        In order of their start.

    Raises
    ------
    ValueError
        If the stages wait for each other for ever.
    """
    ends: dict[tuple[int, int, bool], float] = {}
    slots, done, free = [], [0] * len(orders), [0.0] * len(orders)
    while any(done[stage] < len(order) for stage, order in enumerate(orders)):
        moved = False
        for stage, order in enumerate(orders):
            while done[stage] < len(order):
                k, goes_forward = order[done[stage]]
                needed = _needed(stage, k, goes_forward, len(orders))
                if needed is not None and needed not in ends:
                    break
                start = max(free[stage], 0.0 if needed is None else ends[needed])
                free[stage] = start + (forward if goes_forward else backward)
                ends[stage, k, goes_forward] = free[stage]
                slots.append(Slot(stage, k, goes_forward, start, free[stage]))
                done[stage] += 1
                moved = True
        if not moved:
            raise ValueError("expected orders that can be carried out; here the stages wait")
    return sorted(slots, key=lambda slot: (slot.start, slot.stage))


def _needed(stage: int, k: int, forward: bool, stages: int) -> tuple[int, int, bool] | None:
    """Name the pass on another stage, or the forward pass on the last, that must come first."""
    if forward:
        return (stage - 1, k, True) if stage else None
    return (stage + 1, k, False) if stage + 1 < stages else (stage, k, True)


def idle_share(slots: Sequence[Slot]) -> float:
    """Return the share of all stages' time, first start to last end, in which nothing is done."""
    stages = 1 + max(slot.stage for slot in slots)
    busy = sum(slot.end - slot.start for slot in slots)
    return 1 - busy / (stages * max(slot.end for slot in slots))


def most_in_flight(slots: Sequence[Slot], stage: int) -> int:
    """Count how many microbatches a stage must remember at most: forward done, backward not yet."""
    own = sorted((s for s in slots if s.stage == stage), key=lambda slot: slot.start)
    return int(np.cumsum([1 if slot.forward else -1 for slot in own]).max())


def bubble_share(stages: int, microbatches: int) -> float:
    r"""Return the idle share of a pipeline, :math:`(p - 1) / (m + p - 1)`.

    Every stage is busy for m of m + p - 1 equal turns: the other p - 1 pass while the pipeline
    fills and empties. It holds for both orders above and any ratio of backward to forward time.

    Parameters
    ----------
    stages, microbatches : int
        p and m, at least 1.

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    _expect_at_least_one(stages=stages, microbatches=microbatches)
    return (stages - 1) / (microbatches + stages - 1)


@dataclass(frozen=True)
class Machine:
    """A cluster of equal accelerators, by its data sheet.

    Attributes
    ----------
    flops : float
        Peak FLOP/s of one accelerator, matrix products in 16 bits.
    memory : float
        Its memory in bytes.
    memory_bandwidth : float
        Bytes per second between the accelerator and its memory.
    group : int
        How many accelerators share the fast network.
    fast, slow : float
        Bandwidth of an accelerator in one direction, in bytes per second, inside its group and to
        other groups.
    latency : float
        Of a message, in seconds.
    """

    flops: float
    memory: float
    memory_bandwidth: float
    group: int
    fast: float
    slow: float
    latency: float = 5e-6


@dataclass(frozen=True)
class Model:
    """A transformer, as far as its cost goes.

    Attributes
    ----------
    parameters : float
        N.
    layers, width, heads : int
        L, h and a.
    head_width : int
        Of one attention head; heads times head_width is h in most models.
    sequence : int
        S, in tokens.
    fused_attention : bool
        Whether the S by S attention weights are computed piece by piece and never written to
        memory.
    sums : int
        All-reduces of a layer's output in one pass if t workers share it: 2, or 1 where attention
        and feed-forward network work side by side.
    """

    parameters: float
    layers: int
    width: int
    heads: int
    head_width: int
    sequence: int
    fused_attention: bool = False
    sums: int = 2


@dataclass(frozen=True)
class Plan:
    """How a model is laid out over n = t p d accelerators.

    Attributes
    ----------
    tensor, pipeline, data : int
        t, p and d.
    batch : int
        Sequences of one step, all workers together.
    microbatch : int
        Sequences that go through the pipeline at once.
    chunks : int
        v, pieces of the model on each stage: more of them shorten the bubble.
    recompute : bool
        Whether only the layers' inputs are kept for the backward pass, and the rest computed again.
    sharded : bool
        Whether parameters, gradients and optimiser state are spread over the d copies, and what a
        layer needs is gathered while the layer before is computed: without a pipeline for each
        microbatch anew, forward and backward; with one once a step, since its microbatches
        alternate.
    spread : bool
        Whether the t workers that share a layer also split, by tokens, what lies between its
        matrix products (sequence parallelism); else each keeps all of that.
    """

    tensor: int
    pipeline: int
    data: int
    batch: int
    microbatch: int = 1
    chunks: int = 1
    recompute: bool = False
    sharded: bool = False
    spread: bool = False

    @property
    def accelerators(self) -> int:
        """N = t p d, the number of accelerators."""
        return self.tensor * self.pipeline * self.data

    @property
    def microbatches(self) -> float:
        """M, how many microbatches each pipeline gets in a step."""
        return self.batch / (self.data * self.microbatch)


EFFICIENCY = 0.62
"""Share of the peak that large matrix products reach: the only fitted number of this model.

It is what `fit_efficiency` finds for the ten runs of table 1 of Narayanan et al. (2021), which
`coursepkg.hardware.distributed.published` lists.
"""

_PASSES = 5
"""How often each stored activation crosses the memory's bus: written and read in the forward pass,
read in the backward pass, and its gradient written and read there."""


def flops_per_token(model: Model) -> float:
    r"""Return the operations of a training step for one token, :math:`6 N + 12 L a_w S`.

    Two for each parameter in the forward pass (a product and a sum), four in the backward pass;
    and the products of queries with keys and of weights with values, :math:`a_w` wide in all heads
    together.

    References
    ----------
    A. Chowdhery et al., "PaLM: Scaling Language Modeling with Pathways", JMLR 24, 2023, appendix B.
    """
    attention_width = model.heads * model.head_width
    return 6 * model.parameters + 12 * model.layers * attention_width * model.sequence


def activation_bytes(model: Model, plan: Plan) -> float:
    r"""Return what a layer keeps of one sequence, :math:`S h (10 + 24/t + 5 a S / (h t))` bytes.

    The 10 is what lies between the matrix products, and is divided by t too if the plan spreads it.
    The last term is that of the attention weights; it is 0 if these are never stored.

    References
    ----------
    V. A. Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models",
    MLSys 2023, section 4.
    """
    weights = 0 if model.fused_attention else 5 * model.heads * model.sequence / model.width
    between = 10 / plan.tensor if plan.spread else 10
    return model.sequence * model.width * (between + (24 + weights) / plan.tensor)


def memory_bytes(model: Model, plan: Plan) -> float:
    """Return the memory that the fullest accelerator needs, in bytes.

    Of every parameter: 2 bytes for itself, 2 for its gradient, and 12 for the optimiser's copy and
    two averages in 32 bits. Of the activations: those of the microbatches in flight, at most p.
    """
    own = model.parameters / (plan.tensor * plan.pipeline)
    whole = 16 if not plan.sharded else 2 if plan.pipeline > 1 else 0
    state = own * (whole + (16 - whole) / plan.data)
    layers = model.layers / plan.pipeline
    in_flight = min(plan.pipeline, plan.microbatches)
    kept = activation_bytes(model, plan)
    if plan.recompute:
        inputs = 2 * model.sequence * model.width / (plan.tensor if plan.spread else 1)
        return state + plan.microbatch * (in_flight * layers * inputs + kept)
    return state + plan.microbatch * in_flight * layers * kept


def step_seconds(
    model: Model, plan: Plan, machine: Machine, efficiency: float = EFFICIENCY
) -> dict[str, float]:
    """Predict the time of one training step, part by part.

    Parameters
    ----------
    model : Model
        What is trained.
    plan : Plan
        How it is laid out.
    machine : Machine
        On what.
    efficiency : float
        Share of the peak that matrix products reach.

    Returns
    -------
    dict
        Seconds, in "compute", "memory", "tensor" (sums inside a layer), "bubble", "pipeline"
        (activations from stage to stage) and "data" (gradients, or gathering what is sharded).
        Their sum is the time of the step.
    """
    m, layers = plan.microbatches, model.layers / plan.pipeline
    again = 4 / 3 if plan.recompute else 1
    tokens = plan.batch * model.sequence
    compute = again * flops_per_token(model) * tokens / (plan.accelerators * machine.flops)
    kept = activation_bytes(model, plan) * plan.microbatch
    passes = _PASSES + (2 if plan.recompute else 0)
    activation = 2 * plan.microbatch * model.sequence * model.width
    rounds = model.sums * (3 if plan.recompute else 2)
    parts = {
        "compute": compute / efficiency,
        "memory": m * layers * passes * kept / machine.memory_bandwidth,
        "tensor": m * layers * rounds * _sum_seconds(plan.tensor, 1, activation, machine),
    }
    work = sum(parts.values())
    hop = message_seconds(activation / plan.tensor, machine.latency, machine.slow)
    sends = 2 * plan.chunks * m if plan.pipeline > 1 else 0
    gradients = 2 * model.parameters / (plan.tensor * plan.pipeline)
    exchange = _sum_seconds(plan.data, plan.tensor, gradients, machine)
    gathered = (m if plan.pipeline == 1 else 0.5) * exchange
    return parts | {
        "bubble": work * (plan.pipeline - 1) / (plan.chunks * m),
        "pipeline": sends * hop,
        "data": max(0.0, gathered + 0.5 * exchange - work) if plan.sharded else exchange,
    }


def _sum_seconds(workers: int, apart: int, size: float, machine: Machine) -> float:
    """Return the time of an all-reduce in two levels, first inside the groups, then between them.

    Neighbours among the workers lie `apart` accelerators from each other, so that a group holds
    `inside` of them. Each of these then exchanges its part of the group's sum with other groups.
    """
    inside = min(workers, max(1, machine.group // apart))
    groups = math.ceil(workers / inside)
    return ring_seconds(inside, size, machine.latency, machine.fast) + ring_seconds(
        groups, size / inside, machine.latency, machine.slow
    )


def tokens_per_second(
    model: Model, plan: Plan, machine: Machine, efficiency: float = EFFICIENCY
) -> float:
    """Predict how many tokens all accelerators train on in a second; see `step_seconds`."""
    seconds = sum(step_seconds(model, plan, machine, efficiency).values())
    return plan.batch * model.sequence / seconds


def fit_efficiency(runs: Sequence[tuple[Model, Plan, Machine, float]]) -> float:
    """Return the efficiency, to two digits, whose predictions are nearest to measured runs.

    Nearest: with the least sum of squares of the logarithms of predicted over measured.

    Parameters
    ----------
    runs : sequence of (Model, Plan, Machine, float)
        The last is the number of tokens per second that was measured.

    Raises
    ------
    ValueError
        If there is no run.
    """
    if not runs:
        raise ValueError("expected at least one run, got none")

    def deviation(efficiency: float) -> float:
        return sum(
            math.log(tokens_per_second(model, plan, machine, efficiency) / measured) ** 2
            for model, plan, machine, measured in runs
        )

    return min((percent / 100 for percent in range(10, 101)), key=deviation)


def plans(model: Model, machine: Machine, accelerators: int, batch: int) -> Iterator[Plan]:
    """List the ways to lay out a model: powers of two for t inside a group, p and microbatches.

    Parameters
    ----------
    model : Model
        What is trained.
    machine : Machine
        On what.
    accelerators : int
        n.
    batch : int
        Sequences of a step.

    Yields
    ------
    Plan
        With every accelerator in use, equal stages, and equally many sequences for each copy.
    """
    powers = [2**k for k in range(int(math.log2(accelerators)) + 1)]
    for tensor in (t for t in powers if t <= machine.group):
        for pipeline in (p for p in powers if model.layers % p == 0):
            data, rest = divmod(accelerators, tensor * pipeline)
            if rest or not data or batch % data:
                continue
            sizes = [size for size in (1, 2, 4, 8) if (batch // data) % size == 0]
            for size, recompute in itertools.product(sizes, (False, True)):
                plan = Plan(tensor, pipeline, data, batch, size, recompute=recompute)
                yield plan
                if data > 1:
                    yield replace(plan, sharded=True)


def best_plan(model: Model, machine: Machine, accelerators: int, batch: int) -> Plan | None:
    """Return the fastest plan whose memory suffices, or None; see `plans` for the arguments."""
    fitting = [
        plan
        for plan in plans(model, machine, accelerators, batch)
        if memory_bytes(model, plan) <= machine.memory
    ]
    return max(fitting, key=lambda plan: tokens_per_second(model, plan, machine), default=None)


def data_break_even(machine: Machine, bandwidth: float) -> float:
    r"""Return for how many tokens a step the computing takes as long as summing the gradients.

    Each token costs 6 N operations, each parameter 2 bytes that cross the ring twice, so N cancels:

    .. math:: \frac{6 N k}{e P} = \frac{4 N}{\beta} \quad\Rightarrow\quad k = \frac{2 e P}{3 \beta}

    with k tokens on each accelerator, P its peak and e the share that it reaches.

    Parameters
    ----------
    machine : Machine
        Gives P.
    bandwidth : float
        :math:`\beta`, of the network between the copies.
    """
    return 2 * EFFICIENCY * machine.flops / (3 * bandwidth)


def tensor_break_even(machine: Machine, bandwidth: float) -> float:
    r"""Return for which width a worker the computing takes as long as the sums inside a layer.

    Of a layer with :math:`12 h^2` parameters, each token costs :math:`72 h^2 / t` operations on
    each of t workers and four all-reduces of 2 h bytes, each of which crosses the ring twice:

    .. math:: \frac{72 h^2}{t e P} = \frac{16 h}{\beta} \quad\Rightarrow\quad
        \frac{h}{t} = \frac{2 e P}{9 \beta}

    Parameters
    ----------
    machine : Machine
        Gives P.
    bandwidth : float
        :math:`\beta`, of the network between the workers that share a layer.
    """
    return 2 * EFFICIENCY * machine.flops / (9 * bandwidth)


def pipeline_break_even(stages: int, share: float) -> float:
    r"""Return how many microbatches keep the idle share of p stages at most at a given value.

    From `bubble_share`: :math:`m = (p - 1) (1 - q) / q` for the share q.

    Parameters
    ----------
    stages : int
        p.
    share : float
        q, between 0 and 1.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    _expect_at_least_one(stages=stages)
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1, got {share}")
    return (stages - 1) * (1 - share) / share


def checkpoint_interval(write_seconds: float, failure_seconds: float) -> float:
    r"""Return how long to train between checkpoints, :math:`\sqrt{2 \delta M}`.

    A checkpoint takes :math:`\delta` and comes once in :math:`\tau`; a failure comes once in M and
    costs half an interval on average. The lost share :math:`\delta/\tau + \tau/(2M)` is least
    where its derivative is 0.

    Parameters
    ----------
    write_seconds : float
        :math:`\delta`, what a checkpoint takes.
    failure_seconds : float
        M, the mean time between failures of the whole job.

    Raises
    ------
    ValueError
        If a time is not positive.

    References
    ----------
    J. W. Young, "A first order approximation to the optimum checkpoint interval", Communications
    of the ACM 17(9), 1974.
    """
    if write_seconds <= 0 or failure_seconds <= 0:
        raise ValueError(
            f"expected positive times, got {write_seconds} and {failure_seconds} seconds"
        )
    return math.sqrt(2 * write_seconds * failure_seconds)


def _expect_workers_and_share(workers: float, serial: float) -> None:
    if workers < 1 or not 0 <= serial <= 1:
        raise ValueError(
            f"expected at least 1 worker and a serial share from 0 to 1, got {workers} and {serial}"
        )


def _expect_at_least_one(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")

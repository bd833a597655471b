import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.hardware.distributed.published import A100, CALIBRATION, H100, OTHERS
from coursepkg.scratch.scaling import (
    EFFICIENCY,
    Model,
    Plan,
    Slot,
    activation_bytes,
    amdahl,
    best_plan,
    bubble_share,
    checkpoint_interval,
    data_break_even,
    fit_efficiency,
    fit_step_time,
    flops_per_token,
    gpipe_orders,
    gustafson,
    idle_share,
    memory_bytes,
    most_in_flight,
    one_forward_one_backward_orders,
    pipeline_break_even,
    plans,
    simulate,
    step_seconds,
    tensor_break_even,
    tokens_per_second,
)

SMALL = Model(1.3e9, 24, 2048, 16, 128, 2048)
ORDERS = {"GPipe": gpipe_orders, "1F1B": one_forward_one_backward_orders}


@given(workers=st.integers(1, 10_000), serial=st.floats(0, 1))
def test_amdahl_and_gustafson_are_one_law_seen_from_two_sides(workers, serial):
    time_on_many = serial + (1 - serial)
    time_on_one = serial + (1 - serial) * workers
    assert gustafson(workers, serial) == pytest.approx(time_on_one / time_on_many)
    assert amdahl(workers, serial / time_on_one) == pytest.approx(gustafson(workers, serial))


def test_the_laws_give_the_numbers_of_the_errata():
    assert [round(amdahl(n, 0.05), 2) for n in (8, 64, 1000)] == [5.93, 15.42, 19.63]
    assert amdahl(1e12, 0.05) == pytest.approx(20)


@given(serial=st.floats(0, 1), slope=st.floats(1e-6, 1), exchange=st.floats(0, 1))
def test_the_fit_finds_the_three_parts_again(serial, slope, exchange):
    workers, examples = [1, 1, 2, 2, 4], [32, 256, 32, 256, 1024]
    seconds = [
        serial + slope * e / n + exchange * (n > 1) for n, e in zip(workers, examples, strict=True)
    ]
    found = fit_step_time(workers, examples, seconds)
    expected = (serial, slope, exchange)
    assert found == tuple(pytest.approx(value, rel=1e-4, abs=1e-6) for value in expected)


def test_parts_below_0_are_none():
    serial, slope, exchange = fit_step_time([1, 1, 2, 2], [10, 20, 10, 20], [0.9, 2, 0.3, 0.8])
    assert serial == exchange == 0
    assert slope > 0


@pytest.mark.parametrize("name", ORDERS)
@given(stages=st.integers(1, 8), microbatches=st.integers(1, 20), backward=st.floats(0.5, 3))
def test_the_simulated_bubble_is_that_of_the_formula(name, stages, microbatches, backward):
    slots = simulate(ORDERS[name](stages, microbatches), 1.0, backward)
    assert len(slots) == 2 * stages * microbatches
    assert idle_share(slots) == pytest.approx(bubble_share(stages, microbatches), abs=1e-9)


@pytest.mark.parametrize("name", ORDERS)
def test_every_pass_waits_for_what_it_needs_and_for_its_stage(name):
    slots = simulate(ORDERS[name](4, 6))
    end = {(s.stage, s.microbatch, s.forward): s.end for s in slots}
    for slot in slots:
        if slot.forward and slot.stage:
            assert slot.start >= end[slot.stage - 1, slot.microbatch, True]
        if not slot.forward:
            assert slot.start >= end[slot.stage, slot.microbatch, True]
            if slot.stage < 3:
                assert slot.start >= end[slot.stage + 1, slot.microbatch, False]
    for stage in range(4):
        own = [slot for slot in slots if slot.stage == stage]
        for first, second in pairwise(own):
            assert second.start >= first.end


@given(stages=st.integers(1, 8), microbatches=st.integers(1, 20))
def test_gpipe_remembers_all_microbatches_and_1f1b_few(stages, microbatches):
    all_of_them = simulate(gpipe_orders(stages, microbatches))
    few = simulate(one_forward_one_backward_orders(stages, microbatches))
    for stage in range(stages):
        assert most_in_flight(all_of_them, stage) == microbatches
        assert most_in_flight(few, stage) == min(stages - stage, microbatches)


def test_stages_that_wait_for_each_other_are_seen():
    with pytest.raises(ValueError, match="can be carried out"):
        simulate([[(0, False), (0, True)]])


def test_idle_share_by_hand():
    slots = [Slot(0, 0, True, 0, 1), Slot(1, 0, True, 1, 2)]
    assert idle_share(slots) == 0.5


def test_operations_and_activations_by_hand():
    assert flops_per_token(SMALL) == 6 * 1.3e9 + 12 * 24 * 2048 * 2048
    plan = Plan(1, 1, 1, 1)
    assert activation_bytes(SMALL, plan) == 2048 * 2048 * (34 + 5 * 16 * 2048 / 2048)
    assert activation_bytes(replace(SMALL, fused_attention=True), plan) == 34 * 2048 * 2048
    shared = replace(plan, tensor=4)
    assert activation_bytes(SMALL, shared) == 2048 * 2048 * (10 + (24 + 80) / 4)
    spread = replace(shared, spread=True)
    assert activation_bytes(SMALL, spread) == activation_bytes(SMALL, plan) / 4


def test_palm_s_own_numbers_come_out():
    palm = next(run for run in OTHERS if run.name.startswith("PaLM"))
    used = palm.tokens_per_second * flops_per_token(palm.model)
    share = used / (palm.plan.accelerators * palm.machine.flops)
    assert share == pytest.approx(0.462, abs=0.0006)


def test_megatron_s_own_tokens_per_second_come_out():
    run = next(run for run in OTHERS if run.name == "GPT 174.6B, 1,536 A100")
    days = 300e9 / run.tokens_per_second / 86_400
    assert days == pytest.approx(23, abs=0.5)


def test_memory_by_hand():
    plan = Plan(tensor=2, pipeline=4, data=8, batch=64)
    state = 16 * 1.3e9 / 8
    layer = activation_bytes(SMALL, plan)
    assert memory_bytes(SMALL, plan) == pytest.approx(state + 4 * 6 * layer)
    assert memory_bytes(SMALL, replace(plan, sharded=True)) == pytest.approx(
        state * (2 + 14 / 8) / 16 + 4 * 6 * layer
    )
    flat = Plan(tensor=2, pipeline=1, data=8, batch=64, sharded=True)
    assert memory_bytes(SMALL, flat) == pytest.approx(16 * 1.3e9 / 2 / 8 + 24 * layer)
    inputs = 2 * 2048 * 2048
    assert memory_bytes(SMALL, replace(plan, recompute=True)) == pytest.approx(
        state + 4 * 6 * inputs + layer
    )


def test_the_parts_of_a_step_by_hand():
    plan = Plan(tensor=1, pipeline=1, data=1, batch=8)
    parts = step_seconds(SMALL, plan, A100, 0.5)
    assert parts["compute"] == pytest.approx(flops_per_token(SMALL) * 8 * 2048 / (0.5 * 312e12))
    assert parts["memory"] == pytest.approx(8 * 24 * 5 * activation_bytes(SMALL, plan) / 2039e9)
    assert all(parts[name] == 0 for name in ("tensor", "bubble", "pipeline", "data"))

    two = step_seconds(SMALL, replace(plan, data=2), A100, 0.5)
    assert two["compute"] == pytest.approx(parts["compute"] / 2)
    assert two["data"] == pytest.approx(2 * (5e-6 + 1.3e9 / 300e9))
    sixteen = step_seconds(SMALL, replace(plan, data=16, batch=16), A100, 0.5)
    assert sixteen["data"] == pytest.approx(
        14 * (5e-6 + 2 * 1.3e9 / 8 / 300e9) + 2 * (5e-6 + 2 * 1.3e9 / 16 / 25e9)
    )
    cut = step_seconds(SMALL, replace(plan, tensor=2), A100, 0.5)
    assert cut["tensor"] == pytest.approx(8 * 24 * 4 * 2 * (5e-6 + 2048 * 2048 / 300e9))
    assert cut["data"] == 0
    staged = step_seconds(SMALL, replace(plan, pipeline=4), A100, 0.5)
    work = staged["compute"] + staged["memory"]
    assert staged["bubble"] / (work + staged["bubble"]) == pytest.approx(bubble_share(4, 8))
    assert staged["pipeline"] == pytest.approx(16 * (5e-6 + 2 * 2048 * 2048 / 25e9))


def test_recomputing_costs_a_third_of_the_operations_and_saves_memory():
    plan = Plan(1, 1, 1, 8)
    again = replace(plan, recompute=True)
    one, other = step_seconds(SMALL, plan, A100), step_seconds(SMALL, again, A100)
    assert other["compute"] == pytest.approx(4 / 3 * one["compute"])
    assert other["memory"] == pytest.approx(7 / 5 * one["memory"])
    assert memory_bytes(SMALL, again) < memory_bytes(SMALL, plan)


def test_gathering_hides_behind_computing_until_it_takes_longer():
    plan = Plan(1, 1, 64, 64 * 64, microbatch=8, sharded=True)
    assert step_seconds(SMALL, plan, A100)["data"] == 0
    short, small = replace(SMALL, sequence=64), replace(plan, batch=64, microbatch=1)
    assert step_seconds(short, small, A100)["data"] > 0


def test_what_is_gathered_for_each_microbatch_costs_more_the_more_there_are():
    short = replace(SMALL, sequence=64)

    def parts(pipeline, microbatch, sharded):
        plan = Plan(1, pipeline, 64, 64 * 8, microbatch, sharded=sharded)
        return step_seconds(short, plan, A100)

    whole = parts(1, 8, False)["data"]
    for size in (1, 2, 4, 8):
        found = parts(1, size, True)
        work = sum(found.values()) - found["data"]
        assert found["data"] == pytest.approx((8 / size + 0.5) * whole - work)
    found = parts(4, 1, True)
    work = found["compute"] + found["memory"] + found["tensor"]
    assert found["data"] == pytest.approx(parts(4, 1, False)["data"] - work)


def test_one_constant_fits_ten_published_runs_and_the_record_says_so():
    runs = [(run.model, run.plan, run.machine, run.tokens_per_second) for run in CALIBRATION]
    assert fit_efficiency(runs) == EFFICIENCY
    assert all(abs(error(run)) < 0.06 for run in CALIBRATION)


def error(run):
    return tokens_per_second(run.model, run.plan, run.machine) / run.tokens_per_second - 1


LIMITS = {"GPT": 0.06, "LLaMA": 0.10, "PaLM": 0.08, "Llama 3": 0.10, "MT-NLG": 0.20}


@pytest.mark.parametrize("run", OTHERS, ids=lambda run: run.name)
def test_runs_that_had_no_part_in_the_fit_are_predicted(run):
    limit = next(value for name, value in LIMITS.items() if run.name.startswith(name))
    assert abs(error(run)) < limit


@pytest.mark.parametrize("run", CALIBRATION + OTHERS, ids=lambda run: run.name)
def test_every_published_run_fits_into_its_machine(run):
    assert memory_bytes(run.model, run.plan) < run.machine.memory


@pytest.mark.parametrize("run", CALIBRATION + OTHERS, ids=lambda run: run.name)
def test_what_a_paper_leaves_open_is_varied_and_nothing_else(run):
    assert run.left_open
    assert run.alternatives
    assert run.plan not in run.alternatives
    for plan in (run.plan, *run.alternatives):
        assert plan.accelerators == run.plan.accelerators
        assert (plan.batch, plan.pipeline) == (run.plan.batch, run.plan.pipeline)
        assert plan.microbatches == int(plan.microbatches) >= 1
        assert memory_bytes(run.model, plan) < run.machine.memory


def test_without_recomputing_the_largest_run_would_not_fit():
    run = CALIBRATION[-1]
    assert memory_bytes(run.model, replace(run.plan, recompute=False)) > run.machine.memory


def test_plans_use_every_accelerator_and_no_more_copies_than_sequences():
    found = list(plans(SMALL, A100, 48, 96))
    assert found
    assert all(plan.accelerators == 48 and 1 <= plan.data <= 96 for plan in found)
    assert {plan.tensor for plan in found} == {1, 2, 4, 8}
    assert {plan.pipeline for plan in found} == {1, 2, 4, 8}
    assert all(plan.microbatches == int(plan.microbatches) for plan in found)
    assert len(set(found)) == len(found)


def test_the_best_plan_is_the_fastest_that_fits():
    big = Model(175e9, 96, 12288, 96, 128, 2048)
    best = best_plan(big, A100, 1024, 1536)
    speed = tokens_per_second(big, best, A100)
    for plan in plans(big, A100, 1024, 1536):
        if memory_bytes(big, plan) <= A100.memory:
            assert tokens_per_second(big, plan, A100) <= speed
    assert best_plan(big, A100, 8, 1536) is None


def test_the_break_evens_are_where_two_parts_are_equal():
    many = 2**14
    plan = Plan(1, 1, many, many)
    link = 25e9
    machine = replace(A100, group=1, slow=link, latency=0.0)
    model = replace(SMALL, sequence=1, heads=0, parameters=1e12)
    tokens = data_break_even(machine, link)
    parts = step_seconds(model, replace(plan, batch=round(tokens) * many), machine)
    assert parts["data"] == pytest.approx(parts["compute"], rel=1e-3)

    width = 8192 * tensor_break_even(A100, 300e9) / 1024  # h = 8 h / t
    wide = Model(12 * width**2, 1, width, 0, 1, 1)
    parts = step_seconds(wide, Plan(8, 1, 1, 1), replace(A100, latency=0.0))
    assert parts["tensor"] == pytest.approx(parts["compute"] * 7 / 8, rel=1e-6)

    count = pipeline_break_even(5, 0.2)
    assert bubble_share(5, round(count)) == pytest.approx(0.2)
    assert data_break_even(H100, 50e9) / data_break_even(A100, 25e9) == pytest.approx(
        989.4 / 312 / 2
    )


def test_the_checkpoint_interval_is_where_the_least_is_lost():
    write, failure = 60.0, 4 * 3600.0
    grid = np.linspace(60, 6000, 100_000)
    lost = write / grid + grid / (2 * failure)
    assert checkpoint_interval(write, failure) == pytest.approx(grid[lost.argmin()], rel=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: amdahl(0.5, 0.1), "at least 1 worker"),
        (lambda: amdahl(2, 1.5), "share from 0 to 1"),
        (lambda: gustafson(2, -0.1), "share from 0 to 1"),
        (lambda: fit_step_time([1, 2], [8, 16], [1, 1]), "two different numbers of examples"),
        (lambda: fit_step_time([1, 1], [8, 16], [2, 1]), "times that grow"),
        (lambda: gpipe_orders(0, 3), "stages must be at least 1, got 0"),
        (lambda: one_forward_one_backward_orders(2, 0), "microbatches must be at least 1, got 0"),
        (lambda: bubble_share(2, 0), "microbatches must be at least 1"),
        (lambda: pipeline_break_even(4, 0), "share between 0 and 1, got 0"),
        (lambda: checkpoint_interval(0, 1), "positive times"),
        (lambda: fit_efficiency([]), "at least one run"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


BROKEN_BUBBLES = {
    "the overhead instead of the share": lambda p, m: (p - 1) / m,
    "all stages idle once": lambda p, m: p / (m + p),
    "forgets that filling takes time": lambda p, m: (p - 1) / (m + 1),
}


@pytest.mark.parametrize("name", BROKEN_BUBBLES)
def test_a_wrong_bubble_formula_is_seen(name):
    slots = simulate(gpipe_orders(4, 8))
    assert not math.isclose(idle_share(slots), BROKEN_BUBBLES[name](4, 8), rel_tol=1e-6)

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursepkg.hardware.distributed import pipeline
from coursepkg.hardware.distributed.pipeline import cut, run_pipeline
from coursepkg.scratch.layers import Activation, Dense, Sequential
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits_backward,
    one_hot,
)
from coursepkg.scratch.scaling import gpipe_orders, one_forward_one_backward_orders

ORDERS = {"GPipe": gpipe_orders, "1F1B": one_forward_one_backward_orders}


def network():
    rng = np.random.default_rng(0)
    widths = [6, 9, 7, 8, 4]
    layers = []
    for inputs, outputs in pairwise(widths):
        layers += [Dense(inputs, outputs, rng), Activation("tanh")]
    return Sequential(layers[:-1])


def batch(examples):
    rng = np.random.default_rng(1)
    return rng.normal(size=(examples, 6)), one_hot(rng.integers(0, 4, examples), 4)


def in_stages(orders_of, stages, microbatches, x, y):
    parts = cut(network(), [2, 4, 6][: stages - 1])
    run_pipeline(
        parts,
        orders_of(stages, microbatches),
        x,
        y,
        categorical_cross_entropy_from_logits_backward,
    )
    return parts


@pytest.mark.parametrize("name", ORDERS)
@settings(deadline=None, max_examples=15)
@given(stages=st.integers(1, 4), microbatches=st.integers(1, 7), examples=st.integers(7, 20))
def test_the_gradients_are_those_of_the_whole_network(name, stages, microbatches, examples):
    x, y = batch(examples)
    whole = network()
    whole.backward(categorical_cross_entropy_from_logits_backward(whole.forward(x), y))
    parts = in_stages(ORDERS[name], stages, microbatches, x, y)
    gradients = [gradient for part in parts for gradient in part.gradients]
    for one, other in zip(gradients, whole.gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_the_stages_keep_as_many_inputs_as_the_simulation_says():
    x, y = batch(16)
    assert [part.most_kept for part in in_stages(gpipe_orders, 4, 8, x, y)] == [8] * 4
    few = in_stages(one_forward_one_backward_orders, 4, 8, x, y)
    assert [part.most_kept for part in few] == [4, 3, 2, 1]


def test_equal_weights_for_unequal_microbatches_would_be_wrong():
    x, y = batch(7)
    parts = in_stages(gpipe_orders, 2, 3, x, y)
    naive = cut(network(), [2])
    for k, (some_x, some_y) in enumerate(
        zip(np.array_split(x, 3), np.array_split(y, 3), strict=True)
    ):
        output = naive[1].forward(k, naive[0].forward(k, some_x))
        gradient = categorical_cross_entropy_from_logits_backward(output, some_y) / 3
        naive[0].backward(k, naive[1].backward(k, gradient))
    difference = np.abs(naive[0].gradients[0] - parts[0].gradients[0]).max()
    assert difference > 1e-4


def test_a_failing_stage_is_reported_and_the_others_end(monkeypatch):
    monkeypatch.setattr(pipeline, "_SECONDS", 2)
    x, y = batch(8)
    with pytest.raises(RuntimeError, match=r"a stage failed: ValueError\('expected an input"):
        in_stages(gpipe_orders, 3, 2, x[:, :5], y)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"cuts between 1 and 6 in rising order, got \[4, 2\]"):
        cut(network(), [4, 2])
    for cuts in ([2, 2], [0], [7]):
        with pytest.raises(ValueError, match="in rising order, got"):
            cut(network(), cuts)
    with pytest.raises(ValueError, match="as many orders as stages"):
        run_pipeline(cut(network(), [2]), gpipe_orders(3, 2), *batch(4), None)

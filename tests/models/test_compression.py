import inspect
from functools import partial

import keras
import numpy as np
import pytest

from coursepkg.models.compression import (
    Distiller,
    KeepZeros,
    early_exit_convnet,
    factorised_convnet,
    kernel_codes,
    quantised_copy,
    split_at_exit,
    thin_convnet,
)
from coursepkg.models.images import convnet_32
from coursepkg.scratch import distillation, low_rank
from coursepkg.scratch.losses import one_hot
from coursepkg.scratch.quantisation import quantise_symmetric

RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 28, 28, 1), dtype=np.float32)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(("build", "count"), [
    (early_exit_convnet, 320 + 5_130 + 692_352 + 1_290),
    (partial(thin_convnet, 32, 128), 693_962),
    (partial(thin_convnet, 8, 16, 2), 4_874),
    (partial(factorised_convnet, 16), 320 + 5_408 * 16 + 17 * 128 + 1_290),
])  # fmt: skip
def test_parameters(build, count):
    model = build()
    assert model.count_params() == count
    logits = model(IMAGES)
    shapes = [z.shape for z in (logits.values() if isinstance(logits, dict) else [logits])]
    assert all(tuple(shape) == (4, 10) for shape in shapes)


@pytest.mark.parametrize(
    ("build", "arguments"), [(early_exit_convnet, ()), (thin_convnet, (8, 16, 2))]
)
def test_the_docstring_states_each_layer(build, arguments):
    lines = inspect.getdoc(build).splitlines()
    model = build(*arguments)
    assert f"{model.count_params():,} parameters" in inspect.getdoc(build)
    for layer in model.layers:
        if layer.name != "flatten_early" and not isinstance(layer, keras.layers.InputLayer):
            row = next(line for line in lines if line.startswith(f"{layer.name} ") and "(" in line)
            assert str(tuple(layer.output.shape[1:])) in row
            assert f"= {layer.count_params():,}" in row or layer.count_params() == 0


def test_full_widths_are_the_original_network():
    thin, full = thin_convnet(32, 128), convnet_32()
    thin.set_weights(full.get_weights())
    assert np.array_equal(numbers(thin(IMAGES)), numbers(full(IMAGES)))


def test_the_full_rank_is_the_original_network():
    full, thin = convnet_32(), factorised_convnet(128)
    kernel, bias, w, b, v, c = full.get_weights()
    thin.set_weights([kernel, bias, *low_rank.factorise(w, 128), b, v, c])
    assert np.abs(numbers(thin(IMAGES)) - numbers(full(IMAGES))).max() <= 1e-5


def test_the_two_parts_are_the_whole():
    model = early_exit_convnet()
    first, second = split_at_exit(model)
    whole, begun = model(IMAGES), first(IMAGES)
    assert np.array_equal(numbers(begun["early"]), numbers(whole["early"]))
    assert np.array_equal(numbers(second(begun["trunk"])), numbers(whole["final"]))
    assert second.count_params() == 692_352 + 1_290


def test_both_heads_learn():
    keras.utils.set_random_seed(0)
    model = early_exit_convnet()
    before = model.get_weights()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss={"early": loss, "final": loss})
    labels = np.arange(4)
    model.fit(IMAGES, {"early": labels, "final": labels}, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert all(moved)


def test_zeros_are_kept_while_the_others_learn():
    keras.utils.set_random_seed(0)
    mask = RNG.random((6, 3)) < 0.5
    layer = keras.layers.Dense(3, kernel_constraint=KeepZeros(mask))
    model = keras.Sequential([keras.Input((6,)), layer])
    layer.kernel.assign(layer.kernel * mask)
    before = numbers(layer.kernel)
    model.compile("adam", "mse")
    model.fit(RNG.random((8, 6)), RNG.random((8, 3)), epochs=2, verbose=0)
    after = numbers(layer.kernel)
    assert not after[~mask].any()
    assert (after[mask] != before[mask]).all()
    again = KeepZeros.from_config(layer.kernel_constraint.get_config())
    assert np.array_equal(numbers(again(np.ones((6, 3), np.float32))), mask)


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 1.0), (4.0, 0.7), (2.0, 0.0)])
def test_the_distillers_loss_and_its_step_are_those_from_scratch(temperature, share):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    x = RNG.normal(size=(6, 5)).astype(np.float32)
    teacher = 3 * RNG.normal(size=(6, 3)).astype(np.float32)
    labels = np.array([0, 1, 2, 2, 1, 0])
    before, student = numbers(network.layers[0].kernel), numbers(network(x))
    model = Distiller(network, temperature, share)
    model.compile(keras.optimizers.SGD(1.0))
    run = model.fit(x, {"labels": labels, "teacher": teacher}, batch_size=6, verbose=0)
    settings = student, teacher, one_hot(labels, 3), temperature, share
    expected = distillation.distillation_loss(*settings)
    assert run.history["loss"][0] == pytest.approx(expected, rel=1e-5)
    gradient = x.T @ distillation.distillation_loss_backward(*settings)
    assert np.abs(before - numbers(network.layers[0].kernel) - gradient).max() <= 1e-5


@pytest.mark.parametrize(("mode", "bits"), [("int8", 8), ("int4", 4)])
def test_a_quantised_copy_stores_the_codes_of_the_course_s_own_rule(mode, bits):
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(6, name="dense")])
    before = model.get_weights()[0]
    codes, stored = kernel_codes(quantised_copy(model, mode).get_layer("dense"))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(codes), quantise_symmetric(before, bits, channel=1).codes
    )
    assert stored == 20 * 6 * bits // 8
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_other_modes_and_unquantised_layers_are_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"expected a mode of \['int4', 'int8'\], got 'int2'"):
        quantised_copy(model, "int2")
    with pytest.raises(ValueError, match="expected a layer quantised to int8 or int4"):
        kernel_codes(model.layers[-1])

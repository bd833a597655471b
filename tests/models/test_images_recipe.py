"""The fast network, its schedule, and what the benchmark's results say of them."""

import dataclasses
import importlib.util
import inspect
import itertools
import json
import statistics
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from coursepkg.datasets import mnist
from coursepkg.models.images import convnet_32_64_64
from coursepkg.models.images_recipe import OneCycle, fast_convnet

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    path = BENCHMARKS / "mnist_time_to_99.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:  # dataclasses look their module up by name
        patch.setitem(sys.modules, path.stem, module)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def results(benchmark):
    return json.loads(benchmark.RESULTS.read_text())


def test_parameters_and_shapes():
    model = fast_convnet()
    counts = {layer.name: layer.count_params() for layer in model.layers}
    assert model.count_params() == 45_402
    assert {name: count for name, count in counts.items() if count} == {
        "conv_1": 208,
        "conv_2": 6_400,
        "norm_2": 128,
        "conv_3": 36_864,
        "norm_3": 512,
        "logits": 1_290,
    }
    assert model.output_shape == (None, 10)
    assert fast_convnet(crop=0, from_bytes=False).count_params() == 45_402 + 3 * 128 * 10


def test_the_docstring_states_each_layer():
    lines = inspect.getdoc(fast_convnet).splitlines()
    for layer in fast_convnet().layers:
        row = next(line for line in lines if line.startswith(f"{layer.name} ") and "(" in line)
        assert str(tuple(layer.output.shape[1:])) in row


def test_bytes_and_unit_pixels_meet_behind_the_scale():
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), dtype="uint8")
    scaled = keras.ops.convert_to_numpy(fast_convnet().get_layer("scale")(images))
    np.testing.assert_allclose(scaled, (images / 255 - 0.1307) / 0.3081, atol=1e-5)


@pytest.mark.parametrize("crop", [-1, 5, 1.5])
def test_a_crop_that_cuts_digits_is_refused(crop):
    with pytest.raises(ValueError, match="crop"):
        fast_convnet(crop=crop)


def test_relu_and_pooling_commute(benchmark):
    early, late = benchmark.pool_before_relu(), convnet_32_64_64()
    early.set_weights(late.get_weights())
    images = np.random.default_rng(0).random((8, 28, 28, 1), dtype="float32")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(early(images)),
        keras.ops.convert_to_numpy(late(images)),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.0002), (10, 0.008), (25, 0.02), (40, 0.016), (70, 0.008), (100, 0.0002), (130, 0.0002)],
)
def test_the_cycle_goes_up_down_and_stays_at_the_floor(step, rate):
    schedule = OneCycle(peak=0.02, steps=100, warmup=0.25)
    assert float(schedule(step)) == pytest.approx(rate, rel=1e-5)


def test_the_optimizer_follows_the_cycle():
    model = fast_convnet()
    schedule = OneCycle(0.01, steps=20)
    model.compile(keras.optimizers.Adam(schedule), "mse")
    images, wanted = np.zeros((2, 28, 28, 1), "uint8"), np.zeros((2, 10), "float32")
    for step in range(5):
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        assert rate == pytest.approx(float(schedule(step)))
        model.train_on_batch(images, wanted)


def test_the_cycle_can_be_saved():
    schedule = OneCycle(peak=0.02, steps=100, warmup=0.3)
    optimizer = keras.optimizers.Adam(schedule)
    config = keras.saving.serialize_keras_object(optimizer)
    twin = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    again = OneCycle.from_config(schedule.get_config())
    assert again.get_config() == {"peak": 0.02, "steps": 100, "warmup": 0.3}
    assert int(twin.iterations) == 0
    assert float(twin.learning_rate) == pytest.approx(float(schedule(0)))


@pytest.mark.parametrize(
    "wrong", [{"peak": 0}, {"steps": 0}, {"warmup": 0}, {"warmup": 1}, {"peak": -1.0}]
)
def test_wrong_cycles_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        OneCycle(**({"peak": 0.1, "steps": 10, "warmup": 0.5} | wrong))


def test_the_recipe_learns_from_the_bundled_digits():
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    model = fast_convnet()
    model.compile(
        keras.optimizers.Adam(OneCycle(0.01, steps=2 * 94)),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05),
    )
    wanted = keras.utils.to_categorical(y_train, 10)
    model.fit(x_train[..., None], wanted, batch_size=128, epochs=2, verbose=0)
    digits = model.predict(x_test[..., None], verbose=0).argmax(axis=1)
    assert (digits == y_test).mean() > 0.95


def test_every_step_changes_the_one_before(benchmark):
    steps = benchmark.ladder()
    for before, after in itertools.pairwise(steps):
        fields = [field.name for field in dataclasses.fields(after)]
        changed = {f for f in fields if getattr(before, f) != getattr(after, f)}
        changed -= {"name", "change", "network"}
        assert len(changed) <= (2 if after.name == "one_cycle" else 1), after.name


def test_multiplications_by_hand(benchmark):
    by_hand = 26**2 * 9 * 32 + 11**2 * 288 * 64 + 3**2 * 576 * 64 + 576 * 64 + 64 * 10
    assert benchmark.multiplications(convnet_32_64_64()) == by_hand
    assert benchmark.multiplications(fast_convnet()) == 20_000 + 230_400 + 36_864 + 1_280


def test_warm_up_leaves_no_trace(benchmark):
    step = benchmark.ladder()[-1]
    images = np.random.default_rng(0).integers(0, 256, (2000, 28, 28, 1), dtype="uint8")
    labels = np.arange(2000) % 10
    model = benchmark.compiled(step, 2000)
    before = [keras.ops.convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]
    assert benchmark.warm_up(model, step, *benchmark.prepare(step, images, labels)) > 0
    after = [keras.ops.convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_saved_results_belong_to_this_ladder(benchmark, results):
    steps = benchmark.ladder()
    assert [rung["name"] for rung in results["ladder"]] == [step.name for step in steps]
    for rung, step in zip(results["ladder"], steps, strict=True):
        assert rung["change"] == step.change
        assert rung["parameters"] == step.network().count_params()
        assert rung["multiplications_per_image"] == benchmark.multiplications(step.network())
    assert results["method"] == benchmark.METHOD


def test_saved_ratio_can_be_computed_again(benchmark, results):
    seeds = results["seeds"]
    first, last = (results["ladder"][i]["runs"][:seeds] for i in (0, -1))
    ratio = statistics.median(r["seconds"] for r in first) / statistics.median(
        r["seconds"] for r in last
    )
    assert seeds >= 3
    assert results["ratio"] == pytest.approx(ratio, abs=0.01)
    assert results["ratio"] >= 8
    assert benchmark.ratios(results["ladder"], seeds)["ratio"] == results["ratio"]


def test_saved_recipe_is_reliable(results):
    runs = results["ladder"][-1]["runs"]
    assert len(runs) >= 10
    assert all(run["reached"] and run["accuracy"] >= results["target"] for run in runs)


def test_saved_results_name_no_machine(results):
    text = json.dumps(results)
    assert "/" not in text
    assert set(results["machine"]) >= {"cpu", "cores", "backend", "keras", "numpy", "date"}

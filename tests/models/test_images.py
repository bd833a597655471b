"""The five digit classifiers: sizes, shapes, gradients, and parity with PyTorch."""

import keras
import numpy as np
import pytest

from coursepkg.models.images import MODELS

PARAMETERS = {
    "perceptron_128": 101_770,
    "perceptron_128_64": 109_386,
    "convnet_6_16": 60_074,
    "convnet_32": 693_962,
    "convnet_32_64_64": 93_322,
}
SHAPES = {
    "perceptron_128": [(784,), (128,), (10,)],
    "perceptron_128_64": [(784,), (128,), (64,), (10,)],
    "convnet_6_16": [
        (26, 26, 6),
        (13, 13, 6),
        (11, 11, 16),
        (5, 5, 16),
        (400,),
        (120,),
        (84,),
        (10,),
    ],
    "convnet_32": [(26, 26, 32), (13, 13, 32), (5408,), (128,), (10,)],
    "convnet_32_64_64": [
        (26, 26, 32),
        (13, 13, 32),
        (11, 11, 64),
        (5, 5, 64),
        (3, 3, 64),
        (576,),
        (64,),
        (10,),
    ],
}
LAYER_PARAMETERS = {
    "perceptron_128": [100_480, 1_290],
    "perceptron_128_64": [100_480, 8_256, 650],
    "convnet_6_16": [60, 880, 48_120, 10_164, 850],
    "convnet_32": [320, 692_352, 1_290],
    "convnet_32_64_64": [320, 18_496, 36_928, 36_928, 650],
}


def test_the_models_come_in_the_order_of_the_course():
    assert list(MODELS) == list(PARAMETERS)


@pytest.mark.parametrize("name", MODELS)
def test_parameter_counts(name):
    model = MODELS[name]()
    assert model.name == name
    assert model.count_params() == PARAMETERS[name]
    assert [n for n in (la.count_params() for la in model.layers) if n] == LAYER_PARAMETERS[name]


@pytest.mark.parametrize("name", MODELS)
def test_layer_shapes(name):
    model = MODELS[name]()
    assert model.input_shape == (None, 28, 28, 1)
    assert [layer.output.shape[1:] for layer in model.layers] == SHAPES[name]


@pytest.mark.parametrize("name", MODELS)
def test_the_docstring_states_each_layer(name):
    doc = MODELS[name].__doc__
    assert f"{PARAMETERS[name]:,} parameters" in doc
    for layer in MODELS[name]().layers:
        row = next(line for line in doc.splitlines() if line.split()[:1] == [layer.name])
        assert str(tuple(layer.output.shape[1:])) in row
        assert row.endswith(f"{layer.count_params():,}")


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_logits(name):
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).random((5, 28, 28, 1), dtype="float32")
    logits = keras.ops.convert_to_numpy(MODELS[name]()(images))
    assert logits.shape == (5, 10)
    assert logits.min() < 0, "a softmax would give no negative number"
    assert not np.allclose(logits.sum(axis=1), 1)


@pytest.mark.parametrize("name", MODELS)
def test_one_step_changes_every_weight_array(name):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    images = rng.random((32, 28, 28, 1), dtype="float32")
    labels = rng.integers(0, 10, 32)
    model = MODELS[name]()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.get_weights()
    model.train_on_batch(images, labels)
    for variable, old, new in zip(model.weights, before, model.get_weights(), strict=True):
        assert np.any(old != new), f"{variable.path} did not move"


def test_convnet_6_16_equals_pytorch():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    twin = nn.Sequential(
        *[nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(6, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()],
        *[nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)],
    )
    weights = [p.detach().numpy() for p in twin.parameters()]
    weights[4] = weights[4].reshape(120, 16, 5, 5).transpose(0, 2, 3, 1).reshape(120, 400)
    weights = [w.transpose(2, 3, 1, 0) if w.ndim == 4 else w.T for w in weights]
    model = MODELS["convnet_6_16"]()
    model.set_weights(weights)
    images = np.random.default_rng(0).random((8, 28, 28, 1), dtype="float32")
    with torch.no_grad():
        expected = twin(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    actual = keras.ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(actual, expected, atol=1e-5)

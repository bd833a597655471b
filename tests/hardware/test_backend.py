import keras
import numpy as np
import pytest

from coursepkg.hardware import backend


def test_a_compiled_function_gives_the_same_numbers():
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    run = backend.compiled(lambda x: keras.ops.tanh(x) @ keras.ops.transpose(x))
    got = keras.ops.convert_to_numpy(run(backend.tensor(x, "float32")))
    np.testing.assert_allclose(got, np.tanh(x) @ x.T, rtol=1e-5, atol=1e-6)


def test_a_compiled_model_gives_the_same_numbers():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh")])
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    run = backend.compiled_model(model)
    got = keras.ops.convert_to_numpy(run(backend.tensor(x, "float32")))
    weights, bias = (keras.ops.convert_to_numpy(one.value) for one in model.weights)
    np.testing.assert_allclose(got, np.tanh(x @ weights + bias), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "int8"])
@pytest.mark.parametrize("device", [None, "cpu:0"])
def test_tensors_have_the_type_asked_for(dtype, device):
    found = backend.tensor(np.arange(6.0).reshape(2, 3), dtype, device)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    assert tuple(found.shape) == (2, 3)


def test_there_is_a_device():
    assert backend.devices()
    found = backend.accelerator()
    assert found is None or not found.startswith("cpu")


def test_a_backend_without_devices_has_a_processor(monkeypatch):
    def refuse():
        raise NotImplementedError

    monkeypatch.setattr(keras.distribution, "list_devices", refuse)
    monkeypatch.setattr(keras.backend, "backend", lambda: "other")
    assert backend.devices() == ("cpu:0",)
    with pytest.raises(ValueError, match="tensorflow, jax or torch, got other"):
        backend.compiled(abs)


def test_the_first_device_that_is_no_processor(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0", "gpu:0", "gpu:1"])
    assert backend.accelerator() == "gpu:0"

"""Gradients that Keras's backend computes, to compare the package's own with."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import keras
import numpy as np


def keras_gradient(function: Callable, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value of `function` at `point` and the gradient of the value's sum, in the point's dtype."""
    with keras_precision(point.dtype):
        value, gradient = _GRADIENTS[keras.backend.backend()](function, point)
        return keras.ops.convert_to_numpy(value), keras.ops.convert_to_numpy(gradient)


def keras_precision(dtype: np.dtype) -> AbstractContextManager:
    """Let JAX compute in float64 if that is asked for; the other backends do it anyway."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return jax.enable_x64(dtype == np.float64)


def _by_tensorflow(function, point):
    import tensorflow as tf

    variable = tf.convert_to_tensor(point)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = function(variable)
    return value, tape.gradient(value, variable, unconnected_gradients="zero")


def _by_jax(function, point):
    import jax

    value, backward = jax.vjp(function, jax.numpy.asarray(point))
    return value, backward(jax.numpy.ones_like(value))[0]


def _by_torch(function, point):
    import torch

    variable = torch.tensor(point, requires_grad=True)
    value = function(variable)
    value.sum().backward()
    return value.detach(), variable.grad


_GRADIENTS = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}

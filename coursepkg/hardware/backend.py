"""What only Keras's backend can do: compile a function, count its operations, name its devices.

The backend's own module is looked up when a function here is called, never imported by name, so
that the package runs with any one of TensorFlow, JAX and PyTorch.
"""

import contextlib
import importlib
import logging
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import keras
import numpy as np


def _module() -> ModuleType:
    return importlib.import_module(keras.backend.backend())


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a function of tensors into one that the backend compiles as a whole at its first call.

    TensorFlow and JAX use XLA (``tf.function(jit_compile=True)``, ``jax.jit``), PyTorch its own
    compiler (``torch.compile``).

    Parameters
    ----------
    function : callable
        Takes tensors, calls ``keras.ops`` and returns tensors.

    Returns
    -------
    callable
        The same function, compiled anew for each combination of shapes and types.

    Raises
    ------
    ValueError
        If Keras runs on another backend.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _module().function(function, jit_compile=True)
    if backend == "jax":
        return _module().jit(function)
    if backend == "torch":
        return _module().compile(function)
    raise ValueError(f"expected the backend tensorflow, jax or torch, got {backend}")


def compiled_model(model: keras.Model) -> Callable[[Any], Any]:
    """Compile the forward pass of a model, with its weights as inputs of the program.

    Compiled by `compiled`, JAX would take the weights for constants and might compute with them
    while it compiles; then the program would do less than the layer has to.

    Parameters
    ----------
    model : keras.Model
        Built.

    Returns
    -------
    callable
        Takes one batch.
    """
    if keras.backend.backend() != "jax":
        return compiled(lambda x: model(x, training=False))
    run = compiled(_stateless(model))
    trained, other = _weights(model)
    return lambda x: run(trained, other, x)


def _stateless(model: keras.Model) -> Callable[[Any, Any, Any], Any]:
    return lambda trained, other, x: model.stateless_call(trained, other, x, training=False)[0]


def _weights(model: keras.Model) -> tuple[list[Any], list[Any]]:
    """Return the values of the trainable and of the other variables."""
    kinds = model.trainable_variables, model.non_trainable_variables
    trained, other = ([variable.value for variable in kind] for kind in kinds)
    return trained, other


def tensor(array: np.ndarray, dtype: str, device: str | None = None) -> Any:
    """Make a tensor of a type on a device; JAX is told to keep 64 bits if they are asked for.

    Parameters
    ----------
    array : ndarray
        The numbers.
    dtype : str
        Such as "bfloat16".
    device : str, optional
        Such as "cpu:0", as in ``keras.device``; None: the backend's default.

    Returns
    -------
    tensor
    """
    with wide_types():
        if device is None:
            return keras.ops.cast(keras.ops.convert_to_tensor(array), dtype)
        with keras.device(device):
            return keras.ops.cast(keras.ops.convert_to_tensor(array), dtype)


def wide_types() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which the backend keeps numbers of 64 bits; JAX drops them otherwise."""
    if keras.backend.backend() == "jax":
        return _module().enable_x64(True)
    return contextlib.nullcontext()


def devices() -> tuple[str, ...]:
    """Name the devices that the backend computes on, such as "gpu:0"; "cpu:0" if it does not say.

    Returns
    -------
    tuple of str
    """
    try:
        return tuple(keras.distribution.list_devices())
    except (AttributeError, NotImplementedError, RuntimeError):
        if keras.backend.backend() == "torch" and _module().cuda.is_available():
            return tuple(f"cuda:{i}" for i in range(_module().cuda.device_count()))
        return ("cpu:0",)


def accelerator() -> str | None:
    """Name the first device that is no processor, or None."""
    return next((name for name in devices() if not name.startswith("cpu")), None)


def compiler_operations(model: keras.Model, *inputs: np.ndarray) -> float | None:
    """Ask the backend how many operations one forward pass takes, by its own count.

    JAX: the cost analysis of the compiled program (additions and multiplications, and its
    "transcendentals" such as exponentials); products with the zeros of a padding are left out, and
    the body of a loop counts once however often it runs, so a recurrent layer must be unrolled.
    TensorFlow: the profiler's count of floating-point operations in the graph; padding counts, and
    operations without a registered count, such as the exponential, do not. PyTorch counts matrix
    products and convolutions alone, so it is not asked.

    Parameters
    ----------
    model : keras.Model
        Built.
    *inputs : ndarray
        One for each input of the model, (batch, ...).

    Returns
    -------
    float or None
        None if the backend offers no count.
    """
    one = inputs[0] if len(inputs) == 1 else list(inputs)
    backend, module = keras.backend.backend(), _module()
    if backend == "jax":
        program = module.jit(_stateless(model)).lower(*_weights(model), one).compile()
        cost = program.cost_analysis()
        return (cost.get("flops") or 0) + (cost.get("transcendentals") or 0)
    if backend == "tensorflow":
        graph = module.function(lambda x: model(x, training=False)).get_concrete_function(one).graph
        profiler = module.compat.v1.profiler
        builder = profiler.ProfileOptionBuilder
        options = builder(builder.float_operation()).with_empty_output().build()
        with _quiet("tensorflow"):  # it calls parts of itself that it has deprecated
            counted = profiler.profile(graph=graph, cmd="scope", options=options)
        return float(counted.total_float_ops)
    return None


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Let a logger pass errors only."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)

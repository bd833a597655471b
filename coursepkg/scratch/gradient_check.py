"""Checking a gradient against finite differences."""

from collections.abc import Callable, Mapping

import numpy as np


class GradientError(AssertionError):
    """A gradient that differs from what finite differences give."""


def numerical_gradient(
    loss: Callable[[], float], array: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    r"""Gradient of a loss by one array, from central differences.

    .. math:: \frac{\partial J}{\partial x_i} \approx \frac{J(x_i + h) - J(x_i - h)}{2h}

    Each entry is moved in place, and put back even if the loss raises.

    Parameters
    ----------
    loss : callable without arguments
        Computes the loss from the present entries of `array`.
    array : ndarray of float64
        What the loss depends on.
    step : float
        The step h, above 0.

    Returns
    -------
    ndarray of float64, shape of `array`

    Raises
    ------
    ValueError
        If the array is not float64, the step not positive, or the loss not one finite number.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.float64:
        raise ValueError(f"expected an array of float64, got {_kind(array)}")
    if not step > 0:
        raise ValueError(f"the step must be above 0, got {step}")
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        here = array[index]
        above, below = here + step, here - step
        try:
            array[index] = above
            loss_above = _finite(loss(), index)
            array[index] = below
            loss_below = _finite(loss(), index)
        finally:
            array[index] = here
        gradient[index] = (loss_above - loss_below) / (above - below)
    return gradient


def gradient_check(
    loss: Callable[[], float],
    inputs: Mapping[str, np.ndarray],
    gradients: Mapping[str, np.ndarray],
    *,
    step: float = 1e-5,
    floor: float = 1e-2,
    tolerance: float = 1e-6,
) -> float:
    r"""Compare gradients with central differences, and return the largest relative error.

    .. math:: \text{error} = \frac{|\text{got} - \text{expected}|}
        {\max(|\text{got}|, |\text{expected}|, \text{floor})}

    A central difference is wrong by about :math:`h^2 |J'''| / 6`, because it cuts the Taylor
    series, and by about :math:`10^{-16} |J| / h`, because the loss is rounded. With
    :math:`h = 10^{-5}` both are below :math:`10^{-8}` for losses and third derivatives up to a few
    hundred, and :math:`10^{-8}` is the tolerance times the floor. Entries smaller than the
    floor are therefore compared absolutely, to :math:`10^{-8}`.

    The loss must be smooth within one step of the point: stay away from the kinks of ReLU.

    Parameters
    ----------
    loss : callable without arguments
        Computes the loss from the present entries of the arrays in `inputs`.
    inputs : mapping from name to ndarray of float64
        The arrays by which the loss was differentiated. They are moved in place and restored.
    gradients : mapping from name to ndarray of float64
        The gradients to judge, with the names and shapes of `inputs`.
    step : float
        The step h, above 0.
    floor : float
        The size below which entries are compared absolutely, above 0.
    tolerance : float
        The largest relative error that passes.

    Returns
    -------
    float
        The largest relative error over all entries.

    Raises
    ------
    GradientError
        If an error is above the tolerance. The message shows the worst entry.
    ValueError
        If names, shapes or types do not fit, or the loss is not one finite number.
    """
    _demand_a_gradient_for_each_input(inputs, gradients)
    if not floor > 0:
        raise ValueError(f"the floor must be above 0, got {floor}")
    largest = 0.0
    for name, array in inputs.items():
        got, expected = gradients[name], numerical_gradient(loss, array, step)
        size = np.maximum(np.maximum(np.abs(got), np.abs(expected)), floor)
        with np.errstate(invalid="ignore"):
            errors = np.nan_to_num(np.abs(got - expected) / size, nan=np.inf)
        if (errors > tolerance).any():
            raise GradientError(_message(name, got, expected, errors, tolerance))
        largest = max(largest, float(errors.max(initial=0)))
    return largest


def _demand_a_gradient_for_each_input(
    inputs: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray]
) -> None:
    if not inputs or inputs.keys() != gradients.keys():
        raise ValueError(
            f"expected a gradient for each input, got inputs {sorted(inputs)} "
            f"and gradients {sorted(gradients)}"
        )
    for name, array in inputs.items():
        gradient = gradients[name]
        for role, one in [("input", array), ("gradient of", gradient)]:
            if not isinstance(one, np.ndarray) or one.dtype != np.float64:
                raise ValueError(f"{role} '{name}': expected an array of float64, got {_kind(one)}")
        if gradient.shape != array.shape:
            raise ValueError(
                f"gradient of '{name}': expected shape {array.shape}, got {gradient.shape}"
            )


def _message(
    name: str, got: np.ndarray, expected: np.ndarray, errors: np.ndarray, tolerance: float
) -> str:
    worst = tuple(int(i) for i in np.unravel_index(errors.argmax(), errors.shape))
    return (
        f"gradient of '{name}' at index {worst}: got {got[worst]:.9g}, "
        f"expected {expected[worst]:.9g} from finite differences; "
        f"relative error {errors[worst]:.3g} is above {tolerance:.3g} "
        f"({(errors > tolerance).sum()} of {errors.size} entries are wrong)"
    )


def _finite(value: float, index: tuple[int, ...]) -> float:
    if np.ndim(value) != 0 or not np.isfinite(value):
        raise ValueError(
            f"expected the loss to be one finite number, got {value!r} with entry {index} moved"
        )
    return float(value)


def _kind(thing: object) -> str:
    return str(thing.dtype) if isinstance(thing, np.ndarray) else type(thing).__name__

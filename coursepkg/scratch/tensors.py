"""Automatic differentiation in reverse mode, array by array: the engine of `Value` for arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coursepkg.scratch.backpropagation import topological_order

Operand = "Tensor | np.ndarray | float"
PullBack = Callable[[np.ndarray], np.ndarray]


class Tensor:
    """An array of floats that remembers how it was computed; it broadcasts as in NumPy.

    In an expression, plain arrays and numbers are constants: they get no gradient.

    Attributes
    ----------
    value, gradient : ndarray of one shape
        The numbers (an array of floats is kept, not copied; whole numbers become float64), and
        the derivative of the last output with respect to each of them (see `backward`).
    operation, label : str
        What made the array ("" for an input), and its name in a picture.
    parents : tuple of Tensor
        What the operation was applied to, constants left out.
    pull_backs : tuple of callable
        For each parent, the map from the gradient g of this array to the parent's share of it:
        the transpose of the operation's Jacobian, applied but never stored.
    """

    __array_ufunc__ = None  # lets NumPy's arrays leave the operators to this class

    def __init__(self, value: np.typing.ArrayLike, label: str = "") -> None:
        value = np.asarray(value)
        if value.dtype.kind not in "iuf":
            raise ValueError(f"expected an array of real numbers, got dtype {value.dtype}")
        self.value = value if value.dtype.kind == "f" else value.astype(float)
        self.gradient, self.label = np.zeros_like(self.value), label
        self.operation, self.parents, self.pull_backs = "", (), ()

    def __repr__(self) -> str:
        return f"Tensor(shape={self.value.shape}, dtype={self.value.dtype})"

    @staticmethod
    def _result(value: np.ndarray, operation: str, *edges: tuple[Operand, PullBack]) -> Tensor:
        """Make the result of an operation: its value, and each operand with its pull-back."""
        result = Tensor(value)
        edges = [edge for edge in edges if isinstance(edge[0], Tensor)]
        result.operation = operation
        result.parents = tuple(operand for operand, _ in edges)
        result.pull_backs = tuple(pull_back for _, pull_back in edges)
        return result

    def __add__(self, other: Operand) -> Tensor:
        value = self.value + plain(other)
        return self._result(value, "+", (self, lambda g: g), (other, lambda g: g))

    def __sub__(self, other: Operand) -> Tensor:
        value = self.value - plain(other)
        return self._result(value, "−", (self, lambda g: g), (other, lambda g: -g))

    def __mul__(self, other: Operand) -> Tensor:
        a, b = self.value, plain(other)
        return self._result(a * b, "×", (self, lambda g: g * b), (other, lambda g: g * a))

    def __truediv__(self, other: Operand) -> Tensor:
        b = plain(other)
        q = self.value / b
        return self._result(q, "÷", (self, lambda g: g / b), (other, lambda g: -g * q / b))

    def __matmul__(self, other: Operand) -> Tensor:
        a, b = self.value, matrices(self, other)[1]
        return self._result(a @ b, "@", (self, lambda g: g @ b.T), (other, lambda g: a.T @ g))

    def __rmatmul__(self, other: np.ndarray) -> Tensor:
        a, b = matrices(other, self)
        return self._result(a @ b, "@", (self, lambda g: a.T @ g))

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: np.ndarray | float) -> Tensor:
        return -self + other

    def __rtruediv__(self, other: np.ndarray | float) -> Tensor:
        return self**-1.0 * other

    def __neg__(self) -> Tensor:
        return self._result(-self.value, "−", (self, lambda g: -g))

    def __pow__(self, exponent: float) -> Tensor:
        if not isinstance(exponent, int | float):
            return NotImplemented
        x, n = self.value, exponent
        if (n % 1 and (x < 0).any()) or (0 != n < 1 and (x == 0).any()):
            raise ValueError(f"x ** {n} has no derivative at some x from {x.min()} to {x.max()}")
        slope = n * x ** (n - 1) if n else np.zeros_like(x)
        return self._result(x**n, f"^{n:g}", (self, lambda g: g * slope))

    def exp(self) -> Tensor:
        """Return e to the power of each entry."""
        e = np.exp(self.value)
        return self._result(e, "exp", (self, lambda g: g * e))

    def log(self) -> Tensor:
        """Return the natural logarithms; an entry that is not above 0 is a ValueError."""
        if not (self.value > 0).all():
            raise ValueError(f"log needs numbers above 0, got {self.value.min()}")
        return self._result(np.log(self.value), "log", (self, lambda g: g / self.value))

    def tanh(self) -> Tensor:
        """Return the hyperbolic tangents."""
        t = np.tanh(self.value)
        return self._result(t, "tanh", (self, lambda g: g * (1 - t**2)))

    def sigmoid(self) -> Tensor:
        """Return 1 / (1 + exp(-x)) of each entry x."""
        small = np.exp(-np.abs(self.value))
        value = np.where(self.value >= 0, 1, small) / (1 + small)
        return self._result(value, "σ", (self, lambda g: g * small / (1 + small) ** 2))

    def relu(self) -> Tensor:
        """Return each entry if it is above 0, else 0; the slope at 0 is taken to be 0."""
        value = np.maximum(self.value, 0)
        return self._result(value, "relu", (self, lambda g: g * (value > 0)))

    def log_softmax(self) -> Tensor:
        """Return the logarithm of softmax along the last axis."""
        shifted = self.value - self.value.max(axis=-1, keepdims=True)
        value = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        p = np.exp(value)
        return self._result(value, "log p", (self, lambda g: g - p * g.sum(-1, keepdims=True)))

    def sum(self, axis: int | tuple[int, ...] | None = None) -> Tensor:
        """Return the sum over one axis, several or all."""
        kept = self.value.sum(axis, keepdims=True)  # backward's += repeats g along the axis
        return self._result(kept.squeeze(axis), "sum", (self, lambda g: g.reshape(kept.shape)))

    def mean(self, axis: int | tuple[int, ...] | None = None) -> Tensor:
        """Return the mean over one axis, several or all."""
        total = self.sum(axis)
        return total / (self.value.size / total.value.size)

    def reshape(self, *shape: int) -> Tensor:
        """Return the entries in another shape."""
        value = self.value.reshape(shape)
        return self._result(value, "reshape", (self, lambda g: g.reshape(self.value.shape)))

    @property
    def T(self) -> Tensor:
        """All axes in reverse order."""
        return self._result(self.value.T, "T", (self, lambda g: g.T))

    def backward(self) -> None:
        """Set the gradient, afresh, of every tensor that this single number was computed from."""
        if self.value.size != 1:
            raise ValueError(f"expected a single number, got shape {self.value.shape}")
        order = topological_order(self)
        for node in order:
            node.gradient = np.zeros_like(node.value)
        self.gradient[...] = 1
        for node in reversed(order):
            for parent, pull_back in zip(node.parents, node.pull_backs, strict=True):
                parent.gradient += sum_to_shape(pull_back(node.gradient), parent.value.shape)


def plain(operand: Operand) -> np.ndarray | float:
    """Give the array of a tensor; an array or a number is returned as it is."""
    return getattr(operand, "value", operand)


def matrices(left: Operand, right: Operand) -> tuple[np.ndarray, np.ndarray]:
    """Give the two factors of a matrix product as arrays, and see that they fit."""
    a, b = plain(left), plain(right)
    if np.ndim(a) != 2 or np.ndim(b) != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"expected (n, k) @ (k, m), got {np.shape(a)} @ {np.shape(b)}")
    return a, b


def sum_to_shape(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Undo broadcasting: sum over the axes along which an operand of that shape was repeated."""
    extra = tuple(range(gradient.ndim - len(shape)))
    gradient = gradient.sum(axis=extra) if extra else gradient
    repeated = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] > 1)
    return gradient.sum(axis=repeated, keepdims=True) if repeated else gradient


def cross_entropy(logits: Tensor, targets: np.ndarray) -> Tensor:
    r"""Mean over the rows of :math:`-\sum_k y_k \log p_k`, with p the softmax of the logits.

    Parameters
    ----------
    logits : Tensor, shape (N, K)
        One row of scores for each example.
    targets : ndarray, shape (N, K)
        One-hot rows, or rows of probabilities.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if logits.value.shape != np.shape(targets):
        raise ValueError(
            f"expected targets of the logits' shape {logits.value.shape}, got {np.shape(targets)}"
        )
    return (logits.log_softmax() * targets).sum() * (-1 / len(targets))

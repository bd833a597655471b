"""Automatic differentiation in reverse mode, number by number, in the spirit of micrograd."""

from __future__ import annotations

import math
from typing import Any


class Value:
    """A number that remembers how it was computed.

    Attributes
    ----------
    value, gradient : float
        The number, and the derivative of the last output with respect to it (see `backward`).
    operation, label : str
        What made the number ("" for an input), and its name in a picture.
    parents : tuple of Value
        What the operation was applied to.
    slopes : tuple of float
        The local derivatives: of this number with respect to each parent, all else fixed.
    """

    __array_ufunc__ = None  # lets NumPy's numbers leave the operators to this class

    def __init__(self, value: float, operation="", parents=(), slopes=(), label="") -> None:
        if not isinstance(value, int | float):
            raise TypeError(f"expected a number, got {type(value).__name__}")
        self.value, self.gradient, self.label = float(value), 0.0, label
        self.operation, self.parents, self.slopes = operation, parents, slopes

    def __repr__(self) -> str:
        return f"Value({self.value:.6g}, gradient={self.gradient:.6g})"

    def __add__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.value + other.value, "+", (self, other), (1.0, 1.0))

    def __sub__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.value - other.value, "−", (self, other), (1.0, -1.0))

    def __mul__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.value * other.value, "×", (self, other), (other.value, self.value))

    def __truediv__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        ratio = self.value / other.value
        return Value(ratio, "÷", (self, other), (1 / other.value, -ratio / other.value))

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: float) -> Value:
        return Value(other) - self

    def __rtruediv__(self, other: float) -> Value:
        return Value(other) / self

    def __neg__(self) -> Value:
        return Value(-self.value, "−", (self,), (-1.0,))

    def __pow__(self, exponent: float) -> Value:
        if not isinstance(exponent, int | float):
            return NotImplemented
        x = self.value
        if (x < 0 and exponent % 1) or (x == 0 and 0 != exponent < 1):
            raise ValueError(f"x ** {exponent} has no derivative at x = {x}")
        slope = exponent * x ** (exponent - 1) if exponent else 0.0
        return Value(x**exponent, f"^{exponent:g}", (self,), (slope,))

    def exp(self) -> Value:
        """Return e to the power of this number."""
        e = math.exp(self.value)
        return Value(e, "exp", (self,), (e,))

    def log(self) -> Value:
        """Return the natural logarithm; a number that is not above 0 is a ValueError."""
        if self.value <= 0:
            raise ValueError(f"log needs a number above 0, got {self.value}")
        return Value(math.log(self.value), "log", (self,), (1 / self.value,))

    def tanh(self) -> Value:
        """Return the hyperbolic tangent."""
        t = math.tanh(self.value)
        return Value(t, "tanh", (self,), (1 - t * t,))

    def sigmoid(self) -> Value:
        """Return 1 / (1 + exp(-x))."""
        small = math.exp(-abs(self.value))  # at most 1: cannot overflow
        s = (1.0 if self.value >= 0 else small) / (1 + small)
        return Value(s, "σ", (self,), (small / (1 + small) ** 2,))

    def relu(self) -> Value:
        """Return the number if it is above 0, else 0; the slope at 0 is taken to be 0."""
        return Value(max(self.value, 0.0), "relu", (self,), (float(self.value > 0),))

    def backward(self) -> None:
        """Set the gradient, afresh, of every node that this output was computed from."""
        order = topological_order(self)
        for node in order:
            node.gradient = 0.0
        self.gradient = 1.0
        for node in reversed(order):
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                parent.gradient += slope * node.gradient


def topological_order(output: Any) -> list[Any]:
    """List each node that `output` was computed from once, parents first, without recursion."""
    order, seen, stack = [], set(), [(output, False)]
    while stack:
        node, parents_listed = stack.pop()
        if parents_listed:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack += [(node, True), *((parent, False) for parent in node.parents)]
    return order

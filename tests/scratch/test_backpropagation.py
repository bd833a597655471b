import cmath
import gc
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch import backpropagation
from coursepkg.scratch.backpropagation import Value, topological_order
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from tests.scratch.broken import broken

POSITIVE, ANY, NOT_ZERO = (0.2, 3.0), (-3.0, 3.0), (0.3, 3.0)
OPERATIONS = {
    "add": (lambda a, b: a + b, ANY),
    "add a number": (lambda a, b: 2.5 + a + 1 + b, ANY),
    "subtract": (lambda a, b: a - b, ANY),
    "subtract from a number": (lambda a, b: 2.5 - a - 1 - b, ANY),
    "negate": (lambda a, b: -a * b, ANY),
    "multiply": (lambda a, b: a * b, ANY),
    "multiply by a number": (lambda a, b: 2.5 * a * 3 * b, ANY),
    "divide": (lambda a, b: a / b, POSITIVE),
    "divide a number": (lambda a, b: 2.5 / a / 3 / b, POSITIVE),
    "square": (lambda a, b: a**2 + b**1, ANY),
    "cube": (lambda a, b: a**3 * b**0, ANY),
    "root": (lambda a, b: a**0.5 * b**-1.5, POSITIVE),
    "reciprocal": (lambda a, b: a**-1 + b**-2, POSITIVE),
    "exp": (lambda a, b: a.exp() * b, ANY),
    "log": (lambda a, b: a.log() * b, POSITIVE),
    "tanh": (lambda a, b: a.tanh() * b, ANY),
    "sigmoid": (lambda a, b: a.sigmoid() * b, ANY),
    "relu": (lambda a, b: a.relu() * b, NOT_ZERO),
    "relu below zero": (lambda a, b: (-a).relu() * b + a, NOT_ZERO),
    "a number used twice": (lambda a, b: a * a + a.tanh() * b, ANY),
    "a result used twice": (lambda a, b: (lambda c: c * c.exp())(a * b), (-1.5, 1.5)),
}
BROKEN = [
    ("add", "(self, other), (1.0, 1.0)", "(self, other), (1.0, 0.0)"),
    ("add", "(self, other), (1.0, 1.0)", "(self, other), (1.0, -1.0)"),
    ("add a number", "__radd__, __rmul__ = __add__, __mul__", "__radd__ = __rmul__ = __mul__"),
    (
        "multiply by a number",
        "__radd__, __rmul__ = __add__, __mul__",
        "__radd__ = __rmul__ = __add__",
    ),
    ("subtract", "(self, other), (1.0, -1.0)", "(self, other), (1.0, 1.0)"),
    ("subtract", "(self, other), (1.0, -1.0)", "(self, other), (-1.0, 1.0)"),
    ("subtract from a number", "Value(other) - self", "self - Value(other)"),
    ("negate", "(self,), (-1.0,)", "(self,), (1.0,)"),
    ("negate", "(self,), (-1.0,)", "(self,), (self.value,)"),
    ("multiply", "(other.value, self.value)", "(self.value, other.value)"),
    ("multiply", "(other.value, self.value)", "(other.value, 1.0)"),
    ("divide", "-ratio / other.value", "ratio / other.value"),
    ("divide", "-ratio / other.value", "-ratio"),
    ("divide", "(1 / other.value,", "(1.0,"),
    ("divide a number", "Value(other) / self", "self / Value(other)"),
    ("square", "exponent * x ** (exponent - 1)", "x ** (exponent - 1)"),
    ("square", "exponent * x ** (exponent - 1)", "exponent * x ** exponent"),
    ("cube", "(exponent - 1) if exponent else 0.0", "(exponent - 1) if exponent else 1.0"),
    ("root", "exponent * x ** (exponent - 1)", "(exponent - 1) * x ** (exponent - 1)"),
    ("exp", '"exp", (self,), (e,)', '"exp", (self,), (1.0,)'),
    ("exp", '"exp", (self,), (e,)', '"exp", (self,), (self.value,)'),
    ("log", "(1 / self.value,)", "(self.value,)"),
    ("log", "(1 / self.value,)", "(-1 / self.value,)"),
    ("tanh", "(1 - t * t,)", "(1 - t,)"),
    ("tanh", "(1 - t * t,)", "(t * t - 1,)"),
    ("sigmoid", "(small / (1 + small) ** 2,)", "(small / (1 + small),)"),
    ("sigmoid", "(small / (1 + small) ** 2,)", "(s,)"),
    ("relu", "float(self.value > 0)", "float(self.value < 0)"),
    ("relu below zero", "float(self.value > 0)", "1.0"),
    ("a number used twice", "parent.gradient += slope", "parent.gradient = slope"),
    ("a number used twice", "slope * node.gradient", "slope"),
    ("a result used twice", "in reversed(order)", "in order"),
    ("a result used twice", "parent.gradient += slope", "parent.gradient = slope"),
]


def checked(operation, numbers, engine=Value):
    """Compare the gradients of an engine with finite differences of the real one's values."""
    inputs = {"ab": np.array(numbers)}
    a, b = (engine(float(number)) for number in numbers)
    operation(a, b).backward()
    gradients = {"ab": np.array([a.gradient, b.gradient])}
    return gradient_check(lambda: operation(*map(Value, inputs["ab"])).value, inputs, gradients)


@pytest.mark.parametrize("name", OPERATIONS)
@given(data=st.data())
def test_each_operation_has_the_right_gradient(name, data):
    operation, (low, high) = OPERATIONS[name]
    numbers = data.draw(st.tuples(st.floats(low, high), st.floats(low, high)))
    assert checked(operation, numbers) <= 1e-6


@pytest.mark.parametrize(("name", "old", "new"), BROKEN)
def test_a_broken_backward_pass_is_caught(name, old, new):
    operation, _ = OPERATIONS[name]
    numbers = (1.3, 0.7)
    assert checked(operation, numbers) <= 1e-6
    with pytest.raises((GradientError, ValueError)):
        checked(operation, numbers, broken(Value, old, new))


def test_every_operation_has_two_broken_variants():
    families = ["add", "subtract", "multiply", "divide", "exp", "log", "tanh", "sigmoid", "relu"]
    for family in families:
        assert sum(name.startswith(family) for name, *_ in BROKEN) >= 2, family


def sigmoid(x):
    return 1 / (1 + cmath.exp(-x))


TWO = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / (b * b + 1),
}
ONE = {
    "exp": (lambda v: v.exp(), cmath.exp),
    "tanh": (lambda v: v.tanh(), cmath.tanh),
    "sigmoid": (lambda v: v.sigmoid(), sigmoid),
    "log": (lambda v: (v * v + 0.5).log(), lambda v: cmath.log(v * v + 0.5)),
    "relu": (lambda v: v.relu(), lambda v: v if v.real > 0 else 0 * v),
    "power": (lambda v: (v * v + 0.5) ** 1.5, lambda v: (v * v + 0.5) ** 1.5),
}
STEPS = st.lists(
    st.tuples(st.sampled_from([*TWO, *ONE]), st.integers(0, 10**6), st.integers(0, 10**6)),
    min_size=1,
    max_size=25,
)


def evaluated(inputs, steps, tracked):
    """Run a drawn program; every result is squashed by tanh, so that numbers stay small."""
    pool = list(inputs)
    for name, i, j in steps:
        a, b = pool[i % len(pool)], pool[j % len(pool)]
        result = TWO[name](a, b) if name in TWO else ONE[name][0 if tracked else 1](a)
        pool.append(result.tanh() if tracked else cmath.tanh(result))
    return sum(pool[3:], pool[2])


@given(inputs=st.tuples(*[st.floats(-2, 2)] * 3), steps=STEPS)
def test_drawn_expressions_agree_with_the_complex_step(inputs, steps):
    """The imaginary part of f(x + ih) / h is the derivative, without cancellation."""
    values = [Value(number) for number in inputs]
    output = evaluated(values, steps, tracked=True)
    output.backward()
    assert output.value == pytest.approx(evaluated(inputs, steps, tracked=False).real, rel=1e-12)
    tiny = 1e-30
    for place, value in enumerate(values):
        moved = [complex(n, tiny * (i == place)) for i, n in enumerate(inputs)]
        exact = evaluated(moved, steps, tracked=False).imag / tiny
        assert value.gradient == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_a_node_used_twice_gets_the_sum():
    x = Value(3.0)
    (x + x).backward()
    assert x.gradient == 2
    y = x * x
    (y * y).backward()
    assert x.gradient == pytest.approx(4 * 3.0**3)
    assert y.gradient == pytest.approx(2 * 9)


def test_backward_twice_gives_the_same_gradients():
    a, b = Value(2.0), Value(-3.0)
    output = (a * b).tanh() + a
    output.backward()
    first = a.gradient, b.gradient, output.gradient
    output.backward()
    assert (a.gradient, b.gradient, output.gradient) == first
    (a * 5).backward()
    assert a.gradient == 5
    assert b.gradient == first[1]  # no part of the second graph


def test_backward_from_the_middle_leaves_later_nodes_alone():
    a = Value(2.0)
    middle = a * 3
    output = middle * 4
    output.backward()
    middle.backward()
    assert (a.gradient, middle.gradient, output.gradient) == (3, 1, 1)


@pytest.mark.parametrize("depth", [10_000, 200_000])
def test_deep_graphs_need_no_recursion(depth):
    x = Value(1.0)
    output = x
    for _ in range(depth):
        output = output + x
    output.backward()
    assert x.gradient == depth + 1
    assert len(topological_order(output)) == depth + 1
    del output  # the graph is freed without recursion, too
    gc.collect()


def test_a_graph_with_many_paths_is_visited_once():
    x = Value(1.0)
    output = x
    for _ in range(60):  # 2 ** 60 paths
        output = output + output
    output.backward()
    assert x.gradient == 2.0**60
    assert len(topological_order(output)) == 61


@given(steps=STEPS)
def test_the_order_lists_parents_first_and_each_node_once(steps):
    output = evaluated([Value(0.5), Value(-1.0), Value(2.0)], steps, tracked=True)
    order = topological_order(output)
    place = {node: index for index, node in enumerate(order)}
    assert len(place) == len(order)
    assert order[-1] is output
    assert all(place[parent] < place[node] for node in order for parent in node.parents)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (7 - Value(2), 5),
        (7 + Value(2), 9),
        (7 * Value(2), 14),
        (7 / Value(2), 3.5),
        (-Value(2), -2),
        (Value(2) ** 3, 8),
        (Value(-2) ** -1, -0.5),
        (Value(0) ** 0, 1),
        (Value(4) ** 0.5, 2),
        (Value(math.e).log(), 1),
        (Value(-1).relu(), 0),
        (Value(0).sigmoid(), 0.5),
    ],
)
def test_values_are_those_of_arithmetic(output, expected):
    assert output.value == pytest.approx(expected, rel=1e-15)


def test_inputs_may_be_any_real_number():
    x = Value(np.float64(2.0))
    for output in (np.float64(3.0) * x, np.float64(3.0) + x, x * np.float64(3.0), 3 / x, True - x):
        assert isinstance(output, Value)
        assert type(output.value) is float
    assert (Value(2) ** np.float64(0.5)).value == pytest.approx(math.sqrt(2))


def test_values_work_inside_arrays():
    w = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
    z = w @ np.array([1.0, 2.0])
    z.sum().backward()
    assert [entry.value for entry in z] == [5, 11]
    assert [[entry.gradient for entry in row] for row in w] == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        (lambda x: Value("2"), TypeError, "expected a number, got str"),
        (lambda x: Value(2j), TypeError, "expected a number, got complex"),
        (lambda x: x + "1", TypeError, "expected a number, got str"),
        (lambda x: x * np.ones(2), TypeError, "expected a number, got ndarray"),
        (lambda x: 2**x, TypeError, "unsupported operand"),
        (lambda x: x**x, TypeError, "unsupported operand"),
        (lambda x: (x - 2).log(), ValueError, "log needs a number above 0, got 0.0"),
        (lambda x: (-x).log(), ValueError, "log needs a number above 0, got -2.0"),
        (lambda x: (-x) ** 0.5, ValueError, r"x \*\* 0.5 has no derivative at x = -2.0"),
        (lambda x: (x - 2) ** 0.5, ValueError, r"x \*\* 0.5 has no derivative at x = 0.0"),
        (lambda x: (x - 2) ** -1, ValueError, r"x \*\* -1 has no derivative at x = 0.0"),
        (lambda x: x / 0, ZeroDivisionError, "division by zero"),
        (lambda x: 1 / (x - 2), ZeroDivisionError, "division by zero"),
    ],
)
def test_errors_say_what_was_expected(expression, error, message):
    with pytest.raises(error, match=message):
        expression(Value(2.0))


@pytest.mark.parametrize("x", [-1e4, -750.0, 0.0, 750.0, 1e4])
def test_functions_that_saturate_stay_finite(x):
    for name in ("tanh", "sigmoid", "relu"):
        value = Value(x)
        output = getattr(value, name)()
        output.backward()
        assert math.isfinite(output.value)
        assert math.isfinite(value.gradient)
    assert Value(x).sigmoid().value + Value(-x).sigmoid().value == pytest.approx(1)


def test_the_text_of_a_value_shows_number_and_gradient():
    assert repr(Value(2)) == "Value(2, gradient=0)"


def test_the_engine_is_shorter_than_120_lines():
    source = Path(backpropagation.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 120


def test_gradients_agree_with_keras_and_its_backend():
    tf = pytest.importorskip("tensorflow")
    numbers = [0.3, -1.2, 2.0]

    def expression(a, b, c, sigmoid, tanh, log, relu):
        return log(sigmoid(a * b + c)) / (c - 0.5) + tanh(b) * relu(c - a) ** 1.5

    values = [Value(number) for number in numbers]
    expression(
        *values,
        *(lambda v, name=name: getattr(v, name)() for name in ("sigmoid", "tanh", "log", "relu")),
    ).backward()
    variables = [tf.Variable(number, dtype="float64") for number in numbers]
    with tf.GradientTape() as tape:
        output = expression(*variables, tf.sigmoid, tf.tanh, tf.math.log, tf.nn.relu)
    expected = [float(gradient) for gradient in tape.gradient(output, variables)]
    assert [value.gradient for value in values] == pytest.approx(expected, rel=1e-12)

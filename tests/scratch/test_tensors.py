from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch import losses, tensors
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.tensors import Tensor, cross_entropy, sum_to_shape
from tests.scratch.broken import broken

PAIRS = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (4,)),
    ((2, 3), ()),
    ((1,), (2, 1)),
]
MATRICES = [((2, 3), (3, 4)), ((1, 1), (1, 1)), ((4, 2), (2, 1)), ((1, 3), (3, 2))]
SINGLE = [((2, 3),), ((4,),), ((),), ((2, 1, 3),)]
WEIGHTS = np.cos(np.arange(1000.0)) + 0.2


def scalar(tensor):
    """Weight the entries of a result differently, and add them up to one number."""
    weights = WEIGHTS[: tensor.value.size].reshape(tensor.value.shape)
    return (tensor * weights).sum()


CONSTANT = np.array([[0.5], [-1.5]])
OPERATIONS = {  # name: (operation, possible shapes of its operands, lowest and highest entry)
    "add": (lambda a, b: a + b, PAIRS, -2, 2),
    "add a number": (lambda a: 1.5 + a + 2, SINGLE, -2, 2),
    "subtract": (lambda a, b: a - b, PAIRS, -2, 2),
    "subtract from an array": (lambda a: CONSTANT - a - CONSTANT, [((2, 3),), ((3,),)], -2, 2),
    "negate": (lambda a: -a * a, SINGLE, -2, 2),
    "multiply": (lambda a, b: a * b, PAIRS, -2, 2),
    "multiply by an array": (lambda a: CONSTANT * a * CONSTANT, [((2, 3),), ((3,),)], -2, 2),
    "divide": (lambda a, b: a / b, PAIRS, 0.5, 2),
    "divide a number": (lambda a: 1.5 / a / 3, SINGLE, 0.5, 2),
    "matrix product": (lambda a, b: a @ b, MATRICES, -2, 2),
    "product with a matrix": (lambda a: CONSTANT @ a @ CONSTANT.T, [((1, 1),), ((1, 1),)], -2, 2),
    "power": (lambda a: a**3 + a**2 + a**1 + a**0, SINGLE, -2, 2),
    "root": (lambda a: a**0.5 + a**-1.5, SINGLE, 0.5, 2),
    "exp": (lambda a: a.exp(), SINGLE, -2, 2),
    "log": (lambda a: a.log(), SINGLE, 0.3, 3),
    "tanh": (lambda a: a.tanh(), SINGLE, -2, 2),
    "sigmoid": (lambda a: a.sigmoid(), SINGLE, -2, 2),
    "relu": (lambda a: a.relu() - (-a).relu() * 3, SINGLE, 0.1, 2),
    "log softmax": (lambda a: a.log_softmax(), [((2, 3),), ((4,),), ((2, 1, 3),)], -2, 2),
    "sum": (lambda a: a.sum(), SINGLE, -2, 2),
    "sum over rows": (lambda a: a.sum(0) * a, [((2, 3),), ((3, 1),)], -2, 2),
    "sum over columns": (lambda a: a.sum(-1), [((2, 3),), ((3, 1),)], -2, 2),
    "sum over two axes": (lambda a: a.sum((0, 2)), [((2, 3, 2),), ((1, 2, 1),)], -2, 2),
    "mean": (lambda a: a.mean() * a.mean(), SINGLE, -2, 2),
    "mean over rows": (lambda a: a.mean(axis=0), [((2, 3),), ((4, 1),)], -2, 2),
    "reshape": (lambda a: a.reshape(3, 2) @ a, [((2, 3),), ((2, 3),)], -2, 2),
    "transpose": (lambda a: a @ a.T, [((2, 3),), ((1, 3),)], -2, 2),
    "used twice": (lambda a: a * a + a.tanh() * a, SINGLE, -2, 2),
    "cross-entropy": (
        lambda a: cross_entropy(a, np.array([[0, 1, 0], [0.2, 0.3, 0.5]])), [((2, 3),)], -2, 2
    ),
}  # fmt: skip
BROKEN = [
    ("add", '"+", (self, lambda g: g)', '"+", (self, lambda g: -g)'),
    ("add", '"+", (self, lambda g: g), (other, lambda g: g)', '"+", (self, lambda g: g)'),
    ("subtract", '"−", (self, lambda g: g), (other, lambda g: -g)', '"−", (other, lambda g: -g)'),
    ("subtract", "(other, lambda g: -g))", "(other, lambda g: g))"),
    ("subtract from an array", "return -self + other", "return self - other"),
    ("negate", '-self.value, "−", (self, lambda g: -g)', '-self.value, "−", (self, lambda g: g)'),
    ("negate", '-self.value, "−", (self, lambda g: -g)', '-self.value, "−"'),
    ("multiply", "(self, lambda g: g * b)", "(self, lambda g: g * a)"),
    ("multiply", "(other, lambda g: g * a)", "(other, lambda g: g)"),
    ("multiply by an array", "(self, lambda g: g * b)", "(self, lambda g: g)"),
    ("divide", "(other, lambda g: -g * q / b)", "(other, lambda g: g * q / b)"),
    ("divide", "(other, lambda g: -g * q / b)", "(other, lambda g: -g * q)"),
    ("divide", "(self, lambda g: g / b)", "(self, lambda g: g * b)"),
    ("divide a number", "self**-1.0 * other", "self**-1.0 / other"),
    ("matrix product", "(self, lambda g: g @ b.T)", "(self, lambda g: g @ b)"),
    ("matrix product", "(other, lambda g: a.T @ g))", "(other, lambda g: a @ g))"),
    ("matrix product", "(other, lambda g: a.T @ g))", "(other, lambda g: b.T @ g))"),
    ("product with a matrix", "(self, lambda g: a.T @ g)", "(self, lambda g: a @ g)"),
    ("product with a matrix", "(self, lambda g: a.T @ g)", "(self, lambda g: -(a.T @ g))"),
    ("power", "slope = n * x ** (n - 1)", "slope = x ** (n - 1)"),
    ("power", "slope = n * x ** (n - 1)", "slope = n * x**n"),
    ("power", "else np.zeros_like(x)", "else np.ones_like(x)"),
    ("root", "slope = n * x ** (n - 1)", "slope = (n - 1) * x ** (n - 1)"),
    ("exp", '"exp", (self, lambda g: g * e)', '"exp", (self, lambda g: g)'),
    ("exp", '"exp", (self, lambda g: g * e)', '"exp", (self, lambda g: e)'),
    ("log", "(self, lambda g: g / self.value)", "(self, lambda g: g * self.value)"),
    ("log", "(self, lambda g: g / self.value)", "(self, lambda g: -g / self.value)"),
    ("tanh", "(self, lambda g: g * (1 - t**2))", "(self, lambda g: g * (1 - t))"),
    ("tanh", "(self, lambda g: g * (1 - t**2))", "(self, lambda g: 1 - t**2)"),
    ("sigmoid", "g * small / (1 + small) ** 2", "g * small / (1 + small)"),
    ("sigmoid", "g * small / (1 + small) ** 2", "g * value"),
    ("relu", "(self, lambda g: g * (value > 0))", "(self, lambda g: (g > 0) * 1.0)"),
    ("relu", "(self, lambda g: g * (value > 0))", "(self, lambda g: g)"),
    ("log softmax", "g - p * g.sum(-1, keepdims=True)", "g - p * g"),
    ("log softmax", "g - p * g.sum(-1, keepdims=True)", "g - p"),
    ("log softmax", "g.sum(-1, keepdims=True)", "g.sum()"),
    ("sum", "lambda g: g.reshape(kept.shape)", "lambda g: g.reshape(kept.shape) / 2"),
    ("sum over rows", "lambda g: g.reshape(kept.shape)", "lambda g: g.reshape(kept.shape) ** 2"),
    ("sum over columns", "lambda g: g.reshape(kept.shape)", "lambda g: g"),
    ("mean", "total / (self.value.size / total.value.size)", "total"),
    ("mean over rows", "(self.value.size / total.value.size)", "self.value.size"),
    ("reshape", "g.reshape(self.value.shape)", "g.T"),
    ("reshape", "g.reshape(self.value.shape)", "-g.reshape(self.value.shape)"),
    ("transpose", '"T", (self, lambda g: g.T)', '"T", (self, lambda g: g)'),
    ("transpose", '"T", (self, lambda g: g.T)', '"T", (self, lambda g: -g.T)'),
    ("used twice", "parent.gradient += sum_to_shape", "parent.gradient = sum_to_shape"),
    ("used twice", "in reversed(order)", "in order"),
]  # fmt: skip
BROKEN_SUMS = [
    ("axis=extra) if extra", "axis=extra) * 2 if extra"),
    ("gradient.sum(axis=extra) if extra else", "gradient[0] if extra else"),
    ("gradient.sum(axis=repeated, keepdims=True)", "gradient.max(axis=repeated, keepdims=True)"),
    ("gradient.sum(axis=repeated, keepdims=True)", "-gradient.sum(axis=repeated, keepdims=True)"),
]


def entries(rng_seed, shapes, low, high):
    rng = np.random.default_rng(rng_seed)
    return [rng.uniform(low, high, size=shape) for shape in shapes]


def checked(operation, arrays, engine=Tensor):
    """Compare the gradients of an engine with finite differences of the real one's values."""
    inputs = {f"operand {i}": array for i, array in enumerate(arrays)}
    operands = [engine(array) for array in arrays]
    scalar(operation(*operands)).backward()
    gradients = {name: operand.gradient for name, operand in zip(inputs, operands, strict=True)}

    def loss():
        return float(scalar(operation(*map(Tensor, arrays))).value)

    return gradient_check(loss, inputs, gradients)


@pytest.mark.parametrize("name", OPERATIONS)
@given(data=st.data())
def test_each_operation_has_the_right_gradient(name, data):
    operation, shapes, low, high = OPERATIONS[name]
    chosen = data.draw(st.sampled_from(shapes))
    arrays = entries(data.draw(st.integers(0, 10**6)), chosen, low, high)
    assert checked(operation, arrays) <= 1e-6


@pytest.mark.parametrize(("name", "old", "new"), BROKEN)
def test_a_broken_backward_pass_is_caught(name, old, new):
    operation, shapes, low, high = OPERATIONS[name]
    arrays = entries(0, shapes[0], low, high)
    assert checked(operation, arrays) <= 1e-6
    with pytest.raises((GradientError, ValueError)):
        checked(operation, arrays, broken(Tensor, old, new))


def test_every_operation_has_two_broken_variants():
    families = ["add", "subtract", "negate", "multiply", "divide", "matrix product", "power", "exp"]
    families += ["log", "tanh", "sigmoid", "relu", "log softmax", "sum", "mean", "reshape"]
    families += ["product with a matrix", "transpose"]
    for family in families:
        assert sum(name.startswith(family) for name, *_ in BROKEN) >= 2, family


@pytest.mark.parametrize(("old", "new"), BROKEN_SUMS)
def test_a_broken_sum_over_broadcast_axes_is_caught(old, new, monkeypatch):
    arrays = entries(0, [(4, 2, 3), (1, 3)], -1, 1)
    assert checked(lambda a, b: a * b, arrays) <= 1e-6
    monkeypatch.setattr(tensors, "sum_to_shape", broken(sum_to_shape, old, new))
    with pytest.raises((GradientError, ValueError)):
        checked(lambda a, b: a * b, arrays)


@given(data=st.data())
def test_broadcasting_is_undone(data):
    shape = data.draw(st.lists(st.integers(1, 3), max_size=4).map(tuple))
    operand = tuple(data.draw(st.sampled_from([n, 1])) for n in shape)
    operand = operand[data.draw(st.integers(0, len(operand))) :]
    gradient = np.random.default_rng(0).normal(size=shape)
    summed = sum_to_shape(gradient, operand)
    assert summed.shape == operand
    probe = np.random.default_rng(1).normal(size=operand)  # <sum g, x> = <g, broadcast x>
    assert (summed * probe).sum() == pytest.approx((gradient * np.broadcast_to(probe, shape)).sum())


TWO = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
ONE = {
    "tanh": lambda a: a.tanh(),
    "sigmoid": lambda a: a.sigmoid(),
    "exp": lambda a: a.exp(),
    "log softmax": lambda a: a.log_softmax(),
    "square": lambda a: a**2,
    "mean": lambda a: a.mean(0),
    "reciprocal": lambda a: 1 / (a * a + 1),
}
STEPS = st.lists(
    st.tuples(st.sampled_from([*TWO, *ONE]), st.integers(0, 99), st.integers(0, 99)),
    min_size=1,
    max_size=12,
)


@given(steps=STEPS, seed=st.integers(0, 10**6))
def test_drawn_expressions_have_the_right_gradient(steps, seed):
    def program(*operands):
        pool = list(operands)
        for name, i, j in steps:
            a, b = pool[i % len(pool)], pool[j % len(pool)]
            result = TWO[name](a, b) if name in TWO else ONE[name](a)
            pool.append(result.tanh())  # keeps the numbers small
        return sum((one.mean() for one in pool[3:]), pool[0].mean())

    assert checked(program, entries(seed, [(2, 3), (3,), (2, 1)], -1, 1)) <= 1e-6


def network(x, targets, w1, b1, w2, b2):
    return cross_entropy((x @ w1 + b1).tanh() @ w2 + b2, targets)


def test_a_two_layer_network_has_the_right_gradient():
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(5, 4)), np.eye(3)[[0, 2, 1, 1, 0]]
    arrays = [rng.normal(size=shape) for shape in [(4, 6), (6,), (6, 3), (3,)]]
    assert checked(lambda *parameters: network(x, targets, *parameters), arrays) <= 1e-6


def test_values_agree_with_numpy():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, -2.0])
    s, t = Tensor(a), Tensor(b)
    for tensor, expected in [
        (s + t, a + b), (1 - s, 1 - a), (b - s, b - a), (s / t, a / b), (2 / s, 2 / a), (-s, -a),
        (s @ a, a @ a), (a @ s, a @ a), (s**1.5, a**1.5), (s.exp(), np.exp(a)), (-t, -b),
        (t.tanh(), np.tanh(b)), (t.relu(), np.maximum(b, 0)), (s.sum(0), a.sum(0)), (b * s, b * a),
        (s.mean((0, 1)), a.mean()), (s.mean(1), a.mean(1)), (s.reshape(4), a.ravel()), (s.T, a.T),
        (t.sigmoid(), 1 / (1 + np.exp(-b))), (s.sum(), a.sum()), (s.log(), np.log(a)),
        (s.reshape(-1, 1), a.reshape(4, 1)),
        (s.log_softmax(), a - np.log(np.exp(a).sum(axis=1, keepdims=True))),
    ]:  # fmt: skip
        assert isinstance(tensor, Tensor)
        np.testing.assert_allclose(tensor.value, expected, rtol=1e-14)


def test_the_cross_entropy_is_that_of_the_losses():
    logits, labels = np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 1, 2, 3, 3, 0])
    ours = cross_entropy(Tensor(logits), np.eye(4)[labels]).value
    assert ours == pytest.approx(losses.cross_entropy(logits, labels).mean(), rel=1e-14)


def test_plain_arrays_are_constants():
    x = Tensor(np.ones((2, 3)))
    result = np.ones((4, 2)) @ x * 2 + np.ones(3) - 1
    assert all(len(node.parents) <= 1 for node in tensors.topological_order(result))
    y = Tensor(np.ones(3))
    assert (x + y).parents == (x, y)


def test_backward_twice_gives_the_same_gradients():
    x = Tensor([1.0, -2.0])
    output = (x * x + x.exp()).sum()
    output.backward()
    first = x.gradient.copy()
    output.backward()
    np.testing.assert_array_equal(x.gradient, first)
    assert output.gradient == 1


def test_deep_graphs_need_no_recursion():
    x = Tensor(np.ones(2))
    output = x
    for _ in range(10_000):
        output = output + x
    output = output.sum()
    output.backward()
    np.testing.assert_array_equal(x.gradient, [10_001, 10_001])


def test_types_are_kept():
    x = Tensor(np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3))
    targets = np.eye(3, dtype=np.float32)[:2]
    for name in ("exp", "tanh", "sigmoid", "relu", "log_softmax", "sum", "mean"):
        result = getattr(x, name)()
        assert result.value.dtype == np.float32, name
    for result in (x + 1, 2 * x, 1 - x, 3 / (x + 2), x / 2, (x + 2) ** 0.5, x @ targets.T):
        assert result.value.dtype == np.float32
    loss = cross_entropy(x * 2 + 1, targets)
    loss.backward()
    assert loss.value.dtype == x.gradient.dtype == np.float32
    assert Tensor([1, 2]).value.dtype == np.float64


def test_an_array_of_floats_is_kept_and_can_be_updated():
    array = np.ones(3)
    x = Tensor(array, label="x")
    (x * x).sum().backward()
    x.value -= 0.1 * x.gradient
    np.testing.assert_allclose(array, 0.8)
    assert x.label == "x"


def test_log_softmax_and_sigmoid_do_not_overflow():
    x = Tensor([[1e4, -1e4, 0.0]])
    loss = cross_entropy(x, np.array([[0.0, 1.0, 0.0]]))
    loss.backward()
    assert loss.value == 2e4
    np.testing.assert_array_equal(x.gradient, [[1, -1, 0]])
    x.sigmoid().sum().backward()
    np.testing.assert_array_equal(x.gradient, [[0, 0, 0.25]])


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        (lambda x: Tensor(["a"]), ValueError, "expected an array of real numbers, got dtype <U1"),
        (
            lambda x: Tensor([1j]),
            ValueError,
            "expected an array of real numbers, got dtype complex",
        ),
        (lambda x: x.backward(), ValueError, r"expected a single number, got shape \(2, 3\)"),
        (lambda x: x @ x, ValueError, r"expected \(n, k\) @ \(k, m\), got \(2, 3\) @ \(2, 3\)"),
        (lambda x: x @ np.ones(3), ValueError, r"got \(2, 3\) @ \(3,\)"),
        (lambda x: np.ones((2, 3)) @ x, ValueError, r"got \(2, 3\) @ \(2, 3\)"),
        (lambda x: x + np.ones(4), ValueError, "could not be broadcast"),
        (lambda x: x.log(), ValueError, "log needs numbers above 0, got -1.0"),
        (lambda x: x**0.5, ValueError, r"x \*\* 0.5 has no derivative"),
        (lambda x: (x + 1) ** 0.5, ValueError, r"no derivative at some x from 0.0 to 2.0"),
        (lambda x: 1 / (x + 1), ValueError, r"x \*\* -1.0 has no derivative"),
        (lambda x: x**x, TypeError, "unsupported operand"),
        (lambda x: 2**x, TypeError, "unsupported operand"),
        (lambda x: cross_entropy(x, np.ones((2, 2))), ValueError, r"shape \(2, 3\), got \(2, 2\)"),
    ],
)
def test_errors_say_what_was_expected(expression, error, message):
    x = Tensor(np.linspace(-1, 1, 6).reshape(2, 3))
    with pytest.raises(error, match=message):
        expression(x)


def test_the_text_of_a_tensor_shows_shape_and_type():
    assert repr(Tensor(np.ones((2, 3)))) == "Tensor(shape=(2, 3), dtype=float64)"


def test_the_engine_fits_in_some_200_lines():
    source = Path(tensors.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 220


def test_gradients_of_a_network_agree_with_the_backend_of_keras():
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(5, 4)), np.eye(3)[[0, 2, 1, 1, 0]]
    arrays = [rng.normal(size=shape) for shape in [(4, 6), (6,), (6, 3), (3,)]]
    parameters = [Tensor(array) for array in arrays]
    network(x, targets, *parameters).backward()
    variables = [tf.Variable(array) for array in arrays]
    with tf.GradientTape() as tape:
        w1, b1, w2, b2 = variables
        logits = tf.tanh(x @ w1 + b1) @ w2 + b2
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
    for ours, theirs in zip(parameters, tape.gradient(loss, variables), strict=True):
        np.testing.assert_allclose(ours.gradient, theirs.numpy(), rtol=1e-10, atol=1e-14)

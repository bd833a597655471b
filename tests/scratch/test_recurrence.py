"""Recurrent layers: gradients through time, mistakes that must be found, and Keras."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coursepkg.scratch import recurrence
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.initialisation import orthogonal
from coursepkg.scratch.layers import Dense, Sequential
from coursepkg.scratch.recurrence import (
    GRU,
    LSTM,
    Bidirectional,
    Recurrent,
    SimpleRNN,
    in_windows,
    spectral_radius,
    state_jacobians,
    truncated_gradients,
)
from tests.scratch.broken import broken
from tests.scratch.keras_gradient import keras_gradient, keras_precision
from tests.scratch.parity import assert_parity

Values = Callable[[tuple[int, ...]], np.ndarray]
SEQUENCES = pytest.mark.parametrize("return_sequences", [True, False], ids=["all", "last"])
RNG = np.random.default_rng


def one(name: str, kind: type[Recurrent], inputs: int, units: int, every: bool, **options):
    """Build the layer of a case; `kind` may be a broken copy of its class."""
    if name.startswith("GRU"):
        options["reset_after"] = name == "GRU after"
    return kind(inputs, units, RNG(7), every, **options)


KINDS: dict[str, type[Recurrent]] = {
    "SimpleRNN": SimpleRNN,
    "LSTM": LSTM,
    "GRU after": GRU,
    "GRU before": GRU,
}


def two(name: str, kind: type[Bidirectional], inputs: int, units: int, every: bool, **options):
    onward, returning = (
        one(name, KINDS[name], inputs, width, every, **options) for width in (units, units + 1)
    )
    return kind(onward, returning)


def values_from(rng: np.random.Generator) -> Values:
    return lambda shape: rng.normal(size=shape)


def set_parameters(layer, values: Values) -> None:
    for parameter in layer.parameters:
        parameter[:] = values(parameter.shape)


def check_recurrent(layer: Recurrent, x, mask, initial, values: Values) -> float:
    """Check the gradients by x, the initial state and every parameter.

    The loss weighs all outputs, and all parts of the final state.
    """
    output = layer.forward(x, mask=mask, initial_state=initial)
    upstream, final_upstream = values(output.shape), values(initial.shape)

    def loss() -> float:
        output = layer.forward(x, mask=mask, initial_state=initial)
        return float((output * upstream).sum() + (layer.final_state * final_upstream).sum())

    got = {"x": layer.backward(upstream, final_upstream)}
    got["initial state"] = layer.state_gradients[:, 0]
    got |= {f"parameter {i}": gradient for i, gradient in enumerate(layer.gradients)}
    moved = {"x": x, "initial state": initial}
    moved |= {f"parameter {i}": array for i, array in enumerate(layer.parameters)}
    return gradient_check(loss, moved, got)


def check_layer(layer, x: np.ndarray, values: Values, **masks: Any) -> float:
    """Check the gradients by x and every parameter, for layers without an initial state."""
    upstream = values(layer.forward(x, **masks).shape)
    got = {"x": layer.backward(upstream)}
    got |= {f"parameter {i}": gradient for i, gradient in enumerate(layer.gradients)}
    moved = {"x": x} | {f"parameter {i}": array for i, array in enumerate(layer.parameters)}
    return gradient_check(lambda: float((layer.forward(x, **masks) * upstream).sum()), moved, got)


def drawn_values(data: st.DataObject) -> Values:
    return lambda shape: data.draw(arrays(np.float64, shape, elements=st.floats(-2, 2)))


def drawn_sizes(data: st.DataObject) -> tuple[int, ...]:
    return tuple(data.draw(st.integers(1, most)) for most in (3, 4, 2, 2))


def drawn_mask(data: st.DataObject, batch: int, steps: int) -> np.ndarray | None:
    return data.draw(st.none() | arrays(np.bool_, (batch, steps)))


@SEQUENCES
@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=40)
@given(data=st.data())
def test_gradients_are_those_of_finite_differences(name, return_sequences, data):
    values = drawn_values(data)
    batch, steps, inputs, units = drawn_sizes(data)
    layer = one(name, KINDS[name], inputs, units, return_sequences)
    set_parameters(layer, values)
    mask = drawn_mask(data, batch, steps)
    initial = values((layer.parts, batch, units))
    check_recurrent(layer, values((batch, steps, inputs)), mask, initial, values)


@SEQUENCES
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM"])
@settings(max_examples=15)
@given(data=st.data())
def test_gradients_of_two_directions(name, return_sequences, data):
    values = drawn_values(data)
    batch, steps, inputs, units = drawn_sizes(data)
    layer = two(name, Bidirectional, inputs, units, return_sequences)
    set_parameters(layer, values)
    mask = drawn_mask(data, batch, steps)
    check_layer(layer, values((batch, steps, inputs)), values, mask=mask)


@settings(max_examples=10)
@given(data=st.data())
def test_gradients_of_a_stack(data):
    values = drawn_values(data)
    batch, steps, inputs, units = drawn_sizes(data)
    turned = two("SimpleRNN", Bidirectional, units, units, True)
    stack = Sequential(
        [
            one("GRU after", GRU, inputs, units, True),
            turned,
            one("LSTM", LSTM, 2 * units + 1, units, False),
            Dense(units, 1, RNG(7)),
        ]
    )
    set_parameters(stack, values)
    check_layer(stack, values((batch, steps, inputs)), values)


def within(kind: type[Recurrent], old: str, new: str) -> type[Recurrent]:
    """Give a layer the shared backward pass with one piece of text replaced."""
    wrong = broken(Recurrent, old, new)
    return type(kind.__name__, (kind,), {"backward": wrong.backward})


def shared_sum(kind: type[Recurrent], old: str, new: str) -> type[Recurrent]:
    wrong = broken(Recurrent, old, new)
    return type(kind.__name__, (kind,), {"recurrent_gradients": wrong.recurrent_gradients})


OWN = broken
# what is wrong, the case, how the wrong class is made, the text, what replaces it
BROKEN: list[tuple[str, str, Callable, str, str]] = [
    ("sign", "SimpleRNN", OWN, "delta = upstream[0]", "delta = -upstream[0]"),
    ("no derivative", "SimpleRNN", OWN, "upstream[0] * (1 - h * h)", "upstream[0] * (1 + 0 * h)"),
    ("derivative of the state before", "SimpleRNN", OWN, "h = memory", "h = state[0]"),
    (
        "no transpose",
        "SimpleRNN",
        OWN,
        "delta @ self.recurrent_kernel.T",
        "delta @ self.recurrent_kernel",
    ),
    ("no recurrent kernel", "SimpleRNN", OWN, "(delta @ self.recurrent_kernel.T,)", "(delta,)"),
    ("no chain through time", "SimpleRNN", within, "by_state[part, t] += gradient", "pass"),
    (
        "chain replaces upstream",
        "SimpleRNN",
        within,
        "by_state[part, t] += g",
        "by_state[part, t] = g",
    ),
    ("forward order", "SimpleRNN", within, "t in reversed(range(steps))", "t in range(steps)"),
    ("state after the step", "SimpleRNN", shared_sum, "self.states[0, :-1]", "self.states[0, 1:]"),
    ("bias: last step only", "SimpleRNN", shared_sum, "delta.sum(axis=0)", "delta[-1]"),
    ("bias: mean", "LSTM", shared_sum, "delta.sum(axis=0)", "delta.mean(axis=0)"),
    (
        "recurrent kernel: transposed",
        "SimpleRNN",
        shared_sum,
        "before.T @ delta",
        "delta.T @ before",
    ),
    ("kernel: transposed", "SimpleRNN", within, "rows.T @ delta", "delta.T @ rows"),
    ("input: no transpose", "SimpleRNN", within, "delta @ self.kernel.T", "delta @ self.kernel"),
    ("input: batch and steps", "SimpleRNN", within, "swapaxes(0, 1)\n\n", "copy()\n\n"),
    ("final upstream ignored", "LSTM", within, "by_state[:, -1] += final_upstream", "pass"),
    (
        "final upstream: first part only",
        "LSTM",
        within,
        "+= final_upstream",
        "+= final_upstream[:1]",
    ),
    ("mask: no copy", "GRU after", within, "by_state[:, t] += past - into", "pass"),
    ("mask: all past the step", "GRU before", within, "+= past - into", "+= past"),
    ("mask: all into the step", "LSTM", within, "into = into * mask[:, t, None]", "pass"),
    (
        "mask of the step before",
        "LSTM",
        within,
        "into * mask[:, t, None]",
        "into * mask[:, t - 1, None]",
    ),
    (
        "cell: not through the output",
        "LSTM",
        OWN,
        "by_c + by_h * o * (1 - squashed * squashed)",
        "by_c",
    ),
    ("cell: not from the next step", "LSTM", OWN, "by_c + by_h * o *", "by_h * o *"),
    ("cell: no output gate", "LSTM", OWN, "by_c + by_h * o *", "by_c + by_h *"),
    ("cell: no tanh", "LSTM", OWN, "by_h * o * (1 - squashed * squashed)", "by_h * o"),
    ("input gate: no candidate", "LSTM", OWN, "e * g * i * (1 - i)", "e * i * (1 - i)"),
    (
        "forget gate: cell after",
        "LSTM",
        OWN,
        "e * c * f * (1 - f)",
        "e * (f * c + i * g) * f * (1 - f)",
    ),
    ("forget gate: no derivative", "LSTM", OWN, "e * c * f * (1 - f)", "e * c"),
    ("candidate: derivative of sigmoid", "LSTM", OWN, "e * i * (1 - g * g)", "e * i * g * (1 - g)"),
    ("output gate: no tanh", "LSTM", OWN, "by_h * squashed * o", "by_h * (f * c + i * g) * o"),
    ("output gate: sign", "LSTM", OWN, "by_h * squashed * o", "-by_h * squashed * o"),
    (
        "order of gates",
        "LSTM",
        OWN,
        "delta_i, delta_f, delta_c, delta_o =",
        "delta_i, delta_f, delta_o, delta_c =",
    ),
    ("cell before: no forget gate", "LSTM", OWN, "T, e * f)", "T, e)"),
    ("cell before: upstream only", "LSTM", OWN, "T, e * f)", "T, by_c * f)"),
    ("update gate: sign", "GRU after", OWN, "by_h * (h - g) * z", "by_h * (g - h) * z"),
    (
        "update gate turned round",
        "GRU after",
        OWN,
        "by_h * (1 - z) * (1 - g * g)",
        "by_h * z * (1 - g * g)",
    ),
    (
        "state before: no update gate",
        "GRU after",
        OWN,
        "by_h * z + np.hstack([delta_z, delta_r, delta_h * r])",
        "np.hstack([delta_z, delta_r, delta_h * r])",
    ),
    (
        "after: no reset on the way back",
        "GRU after",
        OWN,
        "delta_r, delta_h * r]) @ u.T",
        "delta_r, delta_h]) @ u.T",
    ),
    (
        "after: reset as before",
        "GRU after",
        OWN,
        "delta_h * inner * r * (1 - r)",
        "delta_h * h * r * (1 - r)",
    ),
    ("after: kernel without reset", "GRU after", OWN, "rho[:, two:] *= np", "np"),
    ("after: one bias twice", "GRU after", OWN, "rho.sum(axis=0)])]", "delta.sum(axis=0)])]"),
    (
        "before: no reset in the gradient",
        "GRU before",
        OWN,
        "by_h * z + e * r + np",
        "by_h * z + e + np",
    ),
    ("before: reset left out", "GRU before", OWN, "by_h * z + e * r + np", "by_h * z + np"),
    ("before: gate without kernel", "GRU before", OWN, "delta_r = e * h", "delta_r = delta_h * h"),
    (
        "before: kernel without reset",
        "GRU before",
        OWN,
        "inner.T @ delta[:, two:]",
        "before.T @ delta[:, two:]",
    ),
    ("before: update gate left out", "GRU before", OWN, "by_h * z + e * r", "by_h + e * r"),
]


def example(name: str, kind: type[Recurrent], return_sequences: bool) -> float:
    """Check one fixed example, square so that a missing transpose changes no shape."""
    rng = RNG(0)
    layer = one(name, kind, 3, 3, return_sequences)
    set_parameters(layer, values_from(rng))
    x, initial = rng.normal(size=(3, 3, 3)), rng.normal(size=(layer.parts, 3, 3))
    mask = np.array([[True, True, True], [True, False, True], [True, True, False]])
    return check_recurrent(layer, x, mask, initial, values_from(rng))


@pytest.mark.parametrize("row", BROKEN, ids=[f"{row[1]}: {row[0]}" for row in BROKEN])
def test_the_check_finds_mistakes(row):
    _, name, make, old, new = row
    with pytest.raises(GradientError):
        example(name, make(KINDS[name], old, new), True)


@SEQUENCES
@pytest.mark.parametrize("name", KINDS)
def test_the_example_is_right_where_nothing_is_broken(name, return_sequences):
    assert example(name, KINDS[name], return_sequences) <= 1e-6


def test_a_mistake_in_the_gradient_of_the_last_output_is_found():
    wrong = within(LSTM, "by_state[0, -1] = upstream", "by_state[0, 1:] = upstream")
    with pytest.raises(GradientError):
        example("LSTM", wrong, False)
    wrong = within(LSTM, "by_state[0, -1] = upstream", "by_state[-1, -1] = upstream")
    with pytest.raises(GradientError):
        example("LSTM", wrong, False)


BROKEN_DIRECTIONS = [
    ("input of one direction only", "+ self.returning.b", "+ 0 * self.returning.b"),
    ("input not turned back", "backward(other)[:, ::-1]", "backward(other)"),
    ("upstream not turned", "other = other[:, ::-1]\n        by_x", "pass\n        by_x"),
    ("halves exchanged", "one, other = np.split(", "other, one = np.split("),
    (
        "gradients exchanged",
        "*self.onward.gradients, *self.r",
        "*self.returning.gradients, *self.r",
    ),
    ("no mask", "upstream = upstream * mask[:, :, None]", "pass"),
]


def directions(kind: type[Bidirectional]) -> float:
    rng = RNG(0)
    layer = kind(*(one("SimpleRNN", SimpleRNN, 3, 3, True) for _ in range(2)))
    set_parameters(layer, values_from(rng))
    mask = np.array([[True, True, True], [False, True, True], [True, False, False]])
    return check_layer(layer, rng.normal(size=(3, 3, 3)), values_from(rng), mask=mask)


@pytest.mark.parametrize("row", BROKEN_DIRECTIONS, ids=[row[0] for row in BROKEN_DIRECTIONS])
def test_the_check_finds_mistakes_in_two_directions(row):
    assert directions(Bidirectional) <= 1e-6
    with pytest.raises(GradientError):
        directions(broken(Bidirectional, *row[1:]))


@pytest.mark.parametrize("name", KINDS)
def test_state_gradients_are_those_of_the_rest_of_the_sequence(name):
    """The gradient by a state in the middle is that by the initial state of what comes after it."""
    rng = RNG(1)
    layer = one(name, KINDS[name], 3, 4, True)
    x, upstream = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 7, 4))
    layer.forward(x)
    layer.backward(upstream)
    states, gradients = layer.states, layer.state_gradients
    assert states.shape == gradients.shape == (layer.parts, 8, 2, 4)
    for t in range(1, 7):
        layer.forward(x[:, t:], initial_state=states[:, t])
        layer.backward(upstream[:, t:])
        own = layer.state_gradients[:, 0].copy()
        own[0] += upstream[:, t - 1]
        np.testing.assert_allclose(gradients[:, t], own, rtol=1e-12, atol=1e-14)


@SEQUENCES
@pytest.mark.parametrize("name", KINDS)
def test_padding_changes_nothing(name, return_sequences):
    """A padded sequence ends in the state of the sequence itself, whatever the padding is."""
    rng = RNG(2)
    layer = one(name, KINDS[name], 3, 4, return_sequences)
    x = rng.normal(size=(2, 9, 3))
    mask = np.ones((2, 9), dtype=bool)
    mask[:, [2, 7, 8]] = False
    output = layer.forward(x, mask=mask)
    padded = layer.final_state
    by_x = layer.backward(rng.normal(size=output.shape))
    assert (by_x[~mask] == 0).all()
    assert (by_x[mask] != 0).all()
    layer.forward(x[:, mask[0]])
    np.testing.assert_allclose(padded, layer.final_state, rtol=1e-12, atol=1e-14)
    assert (layer.forward(np.where(mask[..., None], x, 99.0), mask=mask) == output).all()


def test_a_mask_that_is_true_everywhere_is_none():
    rng = RNG(3)
    layer = one("GRU after", GRU, 3, 4, True)
    x = rng.normal(size=(2, 5, 3))
    assert (layer.forward(x) == layer.forward(x, mask=np.ones((2, 5), dtype=bool))).all()


@pytest.mark.parametrize("name", KINDS)
def test_outputs_are_the_states_and_a_copy_of_them(name):
    rng = RNG(4)
    layer = one(name, KINDS[name], 3, 4, True)
    x = rng.normal(size=(2, 5, 3))
    output = layer.forward(x)
    assert (output == layer.states[0, 1:].swapaxes(0, 1)).all()
    assert (layer.states[:, 0] == 0).all()
    assert (layer.final_state == layer.states[:, -1]).all()
    output[:] = 0
    assert (layer.states[0, 1:] != 0).all()
    layer.return_sequences = False
    assert (layer.forward(x) == layer.states[0, -1]).all()


def test_one_step_by_hand():
    layer = SimpleRNN(1, 1, RNG(0))
    set_parameters(layer, lambda shape: np.full(shape, 0.5))
    output = layer.forward(np.array([[[1.0], [2.0]]]))
    first = np.tanh(0.5 * 1 + 0.5)
    assert output == pytest.approx(np.tanh(0.5 * 2 + 0.5 * first + 0.5))


def test_an_lstm_with_its_gates_forced_open_adds_up():
    """Forget and input gate at 1: the cell is the sum of the candidates."""
    layer = LSTM(1, 1, RNG(0))
    layer.kernel[:] = [[0, 0, 1, 0]]
    layer.recurrent_kernel[:] = 0
    layer.bias[:] = [50, 50, 0, 50]
    x = np.array([[[0.3], [-0.2], [0.7]]])
    output = layer.forward(x)
    assert layer.states[1, -1] == pytest.approx(np.tanh(x).sum())
    assert output == pytest.approx(np.tanh(np.tanh(x).sum()))


WINDOW_LOSS = 5


def window_example(name: str, window: int, run: Callable = truncated_gradients) -> float:
    """Check the truncated gradients: the loss with the carried states held fixed."""
    rng = RNG(5)
    layer = one(name, KINDS[name], 2, 3, True)
    set_parameters(layer, values_from(rng))
    x, initial = rng.normal(size=(2, 7, 2)), rng.normal(size=(layer.parts, 2, 3))
    upstream = rng.normal(size=(2, 7, 3))
    layer.forward(x, initial_state=initial)
    carried = layer.states.copy()

    def loss() -> float:
        total = 0.0
        for t in range(0, 7, window):
            output = layer.forward(x[:, t : t + window], initial_state=carried[:, t])
            total += float((output * upstream[:, t : t + window]).sum())
        return total

    got = run(layer, x, lambda _, steps: upstream[:, steps], window, initial)
    named = {f"parameter {i}": gradient for i, gradient in enumerate(got)}
    moved = {f"parameter {i}": array for i, array in enumerate(layer.parameters)}
    return gradient_check(loss, moved, named)


@pytest.mark.parametrize("window", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("name", KINDS)
def test_truncated_gradients_are_those_with_the_carried_states_fixed(name, window):
    assert window_example(name, window) <= 1e-6


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sum_so_far += gradient", "sum_so_far[:] = gradient"),
        ("loss_backward(output, steps)", "loss_backward(output, slice(0, len(output[0])))"),
        ("in_windows(layer, x, window, initial_state)", "in_windows(layer, x, window)"),
    ],
    ids=["last window only", "first window's upstream", "no initial state"],
)
def test_mistakes_in_the_truncated_gradients_are_found(old, new):
    with pytest.raises(GradientError):
        window_example("LSTM", 3, broken(truncated_gradients, old, new))


@pytest.mark.parametrize("state", ["None", "initial_state", "layer.states[:, 0]"])
def test_a_state_that_is_not_carried_is_found(monkeypatch, state):
    old = "state = layer.final_state"
    wrong = broken(in_windows, old, f"state = {state}")
    monkeypatch.setattr(recurrence, "in_windows", wrong)
    with pytest.raises(GradientError):
        window_example("LSTM", 3)


@pytest.mark.parametrize("name", KINDS)
def test_a_window_over_everything_gives_the_whole_gradient(name):
    rng = RNG(6)
    layer = one(name, KINDS[name], 3, 4, True)
    x, upstream = rng.normal(size=(2, 9, 3)), rng.normal(size=(2, 9, 4))
    layer.forward(x)
    layer.backward(upstream)
    whole = layer.gradients

    def by_windows(window: int) -> list[np.ndarray]:
        return truncated_gradients(layer, x, lambda _, steps: upstream[:, steps], window)

    for window in (9, 10):
        assert all((a == b).all() for a, b in zip(by_windows(window), whole, strict=True))
    far = [np.abs(a - b).max() for a, b in zip(by_windows(3), whole, strict=True)]
    assert min(far) > 1e-3


@pytest.mark.parametrize("window", [1, 4, 9, 30])
@pytest.mark.parametrize("name", KINDS)
def test_windows_give_the_outputs_of_the_whole(name, window):
    rng = RNG(7)
    layer = one(name, KINDS[name], 3, 4, True)
    x = rng.normal(size=(2, 9, 3))
    whole = layer.forward(x)
    parts = list(in_windows(layer, x, window))
    seen = [t for steps, _ in parts for t in range(steps.start, steps.stop)]
    assert seen == list(range(9))
    for steps, output in parts:
        np.testing.assert_allclose(output, whole[:, steps], rtol=1e-12, atol=1e-14)


def test_weights_may_change_between_windows():
    layer = one("SimpleRNN", SimpleRNN, 1, 1, True)
    outputs = []
    for _, output in in_windows(layer, np.ones((1, 4, 1)), 2):
        outputs.append(output)
        layer.kernel[:], layer.recurrent_kernel[:] = 0, 1
    assert outputs[1][0, 0, 0] == pytest.approx(np.tanh(outputs[0][0, -1, 0]))


def test_spectral_radius():
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    assert spectral_radius(0.5 * turn) == pytest.approx(0.5)
    assert spectral_radius(np.array([[0.0, 100.0], [0.0, 0.0]])) == pytest.approx(0)
    assert spectral_radius(np.array([[-0.9, 100.0], [0.0, 0.5]])) == pytest.approx(0.9)
    u = RNG(0).normal(size=(8, 8))
    power = np.linalg.norm(np.linalg.matrix_power(u, 400), 2) ** (1 / 400)
    assert spectral_radius(u) == pytest.approx(power, rel=0.01)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("radius", [0.9, 1.0, 1.1])
def test_gradients_of_a_linear_recurrence_follow_the_spectral_radius(radius, seed):
    """Around the state 0, tanh has the slope 1: the recurrence is that of U alone."""
    layer = SimpleRNN(1, 6, RNG(seed))
    u = RNG(seed).normal(size=(6, 6))
    layer.recurrent_kernel[:] = radius * u / spectral_radius(u)
    jacobians = state_jacobians(layer, np.zeros((200, 1)))
    for t in (0, 100, 190, 199, 200):
        expected = np.linalg.matrix_power(layer.recurrent_kernel, 200 - t)
        np.testing.assert_allclose(jacobians[t], expected, rtol=1e-9, atol=1e-12 * radius**200)
    sizes = np.linalg.norm(jacobians, ord=2, axis=(1, 2))
    assert (sizes[0] / sizes[100]) ** (1 / 100) == pytest.approx(radius, rel=0.02)


def test_gradients_of_an_orthogonal_recurrence_keep_their_size():
    layer = SimpleRNN(1, 6, RNG(0))
    sizes = np.linalg.norm(state_jacobians(layer, np.zeros((200, 1))), ord=2, axis=(1, 2))
    assert sizes == pytest.approx(1, rel=1e-9)


def jacobian_by_differences(layer: Recurrent, x: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Move one entry of a state at a time, and run the rest of the sequence."""
    start, step = states.reshape(1, -1), 1e-5

    def last(entries: np.ndarray) -> np.ndarray:
        initial = entries.reshape(len(entries), layer.parts, layer.units).swapaxes(0, 1)
        layer.forward(np.repeat(x[None], len(entries), axis=0), initial_state=initial)
        return layer.final_state.swapaxes(0, 1).reshape(len(entries), -1)

    moves = step * np.eye(start.size)
    return (last(start + moves) - last(start - moves)) / (2 * step)


def assert_jacobians(name: str, function: Callable = state_jacobians) -> None:
    rng = RNG(8)
    layer = one(name, KINDS[name], 2, 3, name == "LSTM")
    set_parameters(layer, values_from(rng))
    x = rng.normal(size=(4, 2))
    layer.forward(x[None])
    states = layer.states[:, :, 0].copy()
    jacobians = function(layer, x)
    for t in range(4):
        expected = jacobian_by_differences(layer, x[t:], states[:, t])
        np.testing.assert_allclose(jacobians[t], expected, atol=1e-8)
    assert (jacobians[4] == np.eye(layer.parts * 3)).all()


@pytest.mark.parametrize("name", KINDS)
def test_state_jacobians_are_those_of_finite_differences(name):
    assert_jacobians(name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("transpose(1, 0, 3, 2)", "transpose(1, 2, 0, 3)"),
        ("last.swapaxes(0, 1)", "last.reshape(layer.parts, width, layer.units)"),
    ],
    ids=["transposed", "parts mixed up"],
)
def test_mistakes_in_the_jacobians_are_found(old, new):
    with pytest.raises(AssertionError):
        assert_jacobians("LSTM", broken(state_jacobians, old, new))


@pytest.mark.parametrize("name", KINDS)
def test_first_weights_are_laid_out_and_drawn_as_in_keras(name):
    layer = one(name, KINDS[name], 5, 8, False)
    twin = in_keras(name, 8, False, np.float64)
    twin.build((None, 4, 5))
    theirs = twin.get_weights()
    assert [p.shape for p in layer.parameters] == [w.shape for w in theirs]
    assert (layer.bias == theirs[2]).all()
    limit = np.sqrt(6 / sum(layer.kernel.shape))
    for kernel in (layer.kernel, theirs[0]):
        assert 0.9 * limit < np.abs(kernel).max() <= limit
    for recurrent_kernel in (layer.recurrent_kernel, theirs[1]):
        assert recurrent_kernel @ recurrent_kernel.T == pytest.approx(np.eye(8), abs=1e-5)


def test_weights_come_from_the_generator():
    rng = RNG(3)
    layer = SimpleRNN(4, 5, RNG(3), dtype=np.float32)
    kernel = recurrence.glorot_uniform((4, 5), rng).astype(np.float32)
    assert (layer.kernel == kernel).all()
    assert (layer.recurrent_kernel == orthogonal((5, 5), rng).astype(np.float32)).all()


@SEQUENCES
@pytest.mark.parametrize("name", KINDS)
def test_float32_stays_float32(name, return_sequences):
    layer = one(name, KINDS[name], 3, 4, return_sequences, dtype=np.float32)
    turned = two(name, Bidirectional, 3, 4, return_sequences, dtype=np.float32)
    x = RNG(0).normal(size=(2, 5, 3)).astype(np.float32)
    mask = np.array([[True] * 5, [True] * 3 + [False] * 2])
    for one_or_two in (layer, turned):
        output = one_or_two.forward(x, mask=mask)
        made = [output, one_or_two.backward(output), *one_or_two.gradients]
        assert {array.dtype for array in [*made, *one_or_two.parameters]} == {np.dtype("float32")}
    assert layer.states.dtype == layer.state_gradients.dtype == np.float32


def ready(return_sequences: bool = True, kind: type[Recurrent] = LSTM) -> Recurrent:
    return kind(3, 2, RNG(0), return_sequences)


X = np.ones((4, 5, 3))


@pytest.mark.parametrize(
    "build", [ready, lambda: Bidirectional(ready(), ready())], ids=["LSTM", "Bidirectional"]
)
def test_backward_needs_a_forward_pass_and_its_shape(build):
    layer = build()
    with pytest.raises(RuntimeError, match="call forward before backward"):
        layer.backward(np.ones((4, 5, 2)))
    layer.forward(X)
    with pytest.raises(ValueError, match=r"expected an upstream gradient \(4, 5, \d\), got \(4,"):
        layer.backward(np.ones((4, 1)))


def back_with(final: list[np.ndarray]) -> None:
    layer = ready()
    layer.forward(X)
    layer.backward(np.ones((4, 5, 2)), final)


PART = np.ones((4, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LSTM(0, 2, RNG(0)), "inputs must be at least 1, got 0"),
        (lambda: GRU(2, -1, RNG(0)), "units must be at least 1, got -1"),
        (lambda: ready().forward(np.ones((4, 3))), r"shape \(N, T, 3\), got \(4, 3\)"),
        (lambda: ready().forward(np.ones((4, 5, 2))), r"\(N, T, 3\), got \(4, 5, 2\)"),
        (lambda: ready().forward(np.ones((4, 0, 3))), r"\(N, T, 3\), got \(4, 0, 3\)"),
        (
            lambda: ready().forward(X, mask=np.ones((4, 5))),
            r"mask of bool of shape \(4, 5\), got float64 of \(4, 5\)",
        ),
        (
            lambda: ready().forward(X, mask=np.ones((5, 4), dtype=bool)),
            r"mask of bool of shape \(4, 5\), got bool of \(5, 4\)",
        ),
        (
            lambda: ready().forward(X, initial_state=[PART]),
            r"LSTM: expected an initial state of 2 x \(4, 2\), got \[\(4, 2\)\]",
        ),
        (
            lambda: ready(kind=GRU).forward(X, initial_state=[np.ones((4, 3))]),
            r"GRU: expected an initial state of 1 x \(4, 2\), got \[\(4, 3\)\]",
        ),
        (lambda: back_with([PART]), r"a final upstream of 2 x \(4, 2\), got \[\(4, 2\)\]"),
        (
            lambda: Bidirectional(ready(), ready()).forward(X, mask=np.ones((4, 5))),
            r"mask of bool of shape \(4, 5\), got float64",
        ),
        (lambda: Bidirectional(*[ready()] * 2), "got one layer twice"),
        (
            lambda: Bidirectional(ready(), ready(return_sequences=False)),
            "the same return_sequences, got True and False",
        ),
        (
            lambda: Bidirectional(ready(), LSTM(4, 2, RNG(0), True)),
            "the same inputs, got 3 and 4",
        ),
        (lambda: list(in_windows(ready(), X, 0)), "window must be at least 1, got 0"),
        (lambda: list(in_windows(ready(False), X, 2)), "with return_sequences=True"),
        (lambda: spectral_radius(np.ones((2, 3))), r"square matrix, got shape \(2, 3\)"),
        (lambda: spectral_radius(np.ones(4)), r"square matrix, got shape \(4,\)"),
        (lambda: state_jacobians(ready(), X), r"one sequence of shape \(T, inputs\), got \(4, 5, "),
        (lambda: state_jacobians(ready(), np.ones((5, 2))), r"\(N, T, 3\), got \(4, 5, 2\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def in_keras(name: str, units: int, return_sequences: bool, dtype: type) -> keras.Layer:
    """Keras's layer of a case, returning its final states too."""
    options = {
        "return_sequences": return_sequences,
        "return_state": True,
        "dtype": np.dtype(dtype).name,
    }
    if name == "SimpleRNN":
        return keras.layers.SimpleRNN(units, **options)
    if name == "LSTM":
        return keras.layers.LSTM(units, **options)
    return keras.layers.GRU(units, reset_after=name == "GRU after", **options)


def keras_gradients(layer, x, weights, **call) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs and states, and the gradients of their weighted sum by x and every variable."""
    point = [x, *(keras.ops.convert_to_numpy(v) for v in layer.trainable_variables)]
    ends = np.cumsum([array.size for array in point]).tolist()

    def parts(flat):
        for array, end in zip(point, ends, strict=True):
            yield keras.ops.reshape(flat[end - array.size : end], array.shape)

    def loss(flat):
        x, *trainable = parts(flat)
        made, _ = layer.stateless_call(trainable, layer.non_trainable_variables, x, **call)
        return sum(keras.ops.sum(m * w) for m, w in zip(made, weights, strict=True))

    _, gradient = keras_gradient(loss, np.concatenate([array.ravel() for array in point]))
    made = [keras.ops.convert_to_numpy(output) for output in layer(x, **call)]
    return made, [keras.ops.convert_to_numpy(part) for part in parts(gradient)]


STEPS = np.arange(6)
MASKS: dict[str, np.ndarray | None] = {
    "no mask": None,
    "right padding": np.array([[6], [4], [1], [3]]) > STEPS,
    "left padding": np.array([[0], [2], [5], [3]]) <= STEPS,
    "gaps": np.array(
        [[1, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 0, 1]], dtype=bool
    ),
}
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


def twins(ours, theirs, rng: np.random.Generator) -> None:
    """Give both layers the same random weights."""
    for parameter in ours.parameters:
        parameter[:] = rng.normal(size=parameter.shape) / 2
    theirs.build((None, 6, 3))
    theirs.set_weights([parameter.copy() for parameter in ours.parameters])


@DTYPES
@SEQUENCES
@pytest.mark.parametrize("pattern", MASKS)
@pytest.mark.parametrize("name", KINDS)
def test_values_states_and_gradients_are_those_of_keras(name, pattern, return_sequences, dtype):
    rng, mask = RNG(9), MASKS[pattern]
    with keras_precision(np.dtype(dtype)):
        layer = one(name, KINDS[name], 3, 5, return_sequences, dtype=dtype)
        twin = in_keras(name, 5, return_sequences, dtype)
        twins(layer, twin, rng)
        x = rng.normal(size=(4, 6, 3)).astype(dtype)
        initial = rng.normal(size=(layer.parts, 4, 5)).astype(dtype)
        if pattern == "left padding":
            initial[:] = 0
        output = layer.forward(x, mask=mask, initial_state=initial)
        upstream = rng.normal(size=output.shape).astype(dtype)
        final = rng.normal(size=initial.shape).astype(dtype)
        gradients = [layer.backward(upstream, final), *layer.gradients]
        made, expected = keras_gradients(
            twin, x, [upstream, *final], mask=mask, initial_state=list(initial)
        )
        for own, other in zip([output, *layer.final_state], made, strict=True):
            assert_parity(own, other)
        for own, other in zip(gradients, expected, strict=True):
            assert_parity(own, other)


@DTYPES
@SEQUENCES
@pytest.mark.parametrize("pattern", ["no mask", "right padding", "gaps"])
@pytest.mark.parametrize("name", KINDS)
def test_two_directions_are_those_of_keras(name, pattern, return_sequences, dtype):
    rng, mask = RNG(10), MASKS[pattern]
    with keras_precision(np.dtype(dtype)):
        halves = (one(name, KINDS[name], 3, 5, return_sequences, dtype=dtype) for _ in range(2))
        layer = Bidirectional(*halves)
        twin = keras.layers.Bidirectional(
            in_keras(name, 5, return_sequences, dtype), dtype=np.dtype(dtype).name
        )
        twins(layer, twin, rng)
        x = rng.normal(size=(4, 6, 3)).astype(dtype)
        output = layer.forward(x, mask=mask)
        states = [*layer.onward.final_state, *layer.returning.final_state]
        upstream = rng.normal(size=output.shape).astype(dtype)
        weights = [upstream, *(0 * state for state in states)]
        gradients = [layer.backward(upstream), *layer.gradients]
        made, expected = keras_gradients(twin, x, weights, mask=mask)
        for own, other in zip([output, *states, *gradients], [*made, *expected], strict=True):
            assert_parity(own, other)


def test_a_stack_is_that_of_keras():
    rng = RNG(11)
    ours = Sequential(
        [
            Bidirectional(*(GRU(3, 4, rng, True, dtype=np.float32) for _ in range(2))),
            LSTM(8, 5, rng, dtype=np.float32),
        ]
    )
    theirs = keras.Sequential(
        [
            keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True)),
            keras.layers.LSTM(5),
        ]
    )
    twins(ours, theirs, rng)
    x = rng.normal(size=(4, 6, 3)).astype(np.float32)
    assert_parity(ours.forward(x), keras.ops.convert_to_numpy(theirs(x)))

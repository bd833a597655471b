import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coursepkg.scratch.activations import ACTIVATIONS, linear, relu, step
from coursepkg.scratch.neurons import (
    Perceptron,
    count_pieces,
    forward,
    gaussian_mean_square,
    mistake_bound,
    relu_interpolant,
    sawtooth,
)

CORNERS = np.array(list(itertools.product((0.0, 1.0), repeat=2)))
SAME_EACH_RUN = settings(deadline=None, max_examples=25, derandomize=True)
SMALL = st.floats(-3, 3, allow_nan=False, width=32)


def separable(rng, count, inputs, margin):
    """Draw examples whose distance from a drawn plane through the lifted origin is >= margin."""
    plane = rng.normal(size=inputs + 1)
    plane /= np.linalg.norm(plane)
    x = rng.uniform(-1, 1, (20 * count, inputs))
    distance = x @ plane[:-1] + plane[-1]
    keep = np.flatnonzero(np.abs(distance) >= margin)[:count]
    return x[keep], (distance[keep] > 0).astype(int), plane


@SAME_EACH_RUN
@given(
    st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 6), st.sampled_from([0.02, 0.1, 0.3])
)
def test_mistakes_stay_below_novikoffs_bound(seed, count, inputs, margin):
    x, labels, plane = separable(np.random.default_rng(seed), count, inputs, margin)
    assume(len(x) > 0)
    bound = mistake_bound(x, labels, plane[:-1], plane[-1])
    assert bound <= (np.sqrt(inputs + 1) / margin) ** 2 + 1e-9
    neuron = Perceptron(inputs)
    mistakes = neuron.fit(x, labels, passes=int(bound) + 1)
    assert mistakes[-1] == 0
    assert sum(mistakes) <= bound
    assert (neuron.predict(x) == labels).all()


def test_the_bound_is_a_formula_of_radius_and_margin():
    x, labels = np.array([[3.0], [-1.0]]), np.array([1, 0])
    # lifted: (3, 1) and (-1, 1); weights (1, 0): margin 1, radius sqrt(10)
    assert mistake_bound(x, labels, np.array([1.0]), 0.0) == pytest.approx(10)
    assert mistake_bound(x, labels, np.array([5.0]), 0.0) == pytest.approx(10)
    # weights (1, -1) / sqrt(2): margins 2 / sqrt(2) and 2 / sqrt(2)
    assert mistake_bound(x, labels, np.array([1.0]), -1.0) == pytest.approx(5)


@pytest.mark.parametrize(("weight", "bias"), [(-1.0, 0.0), (1.0, 1.0), (0.0, 0.0)])
def test_the_bound_needs_separating_weights(weight, bias):
    x, labels = np.array([[3.0], [-1.0]]), np.array([1, 0])
    with pytest.raises(ValueError, match="separate the classes"):
        mistake_bound(x, labels, np.array([weight]), bias)


def test_rosenblatts_rule_by_hand():
    """AND, one pass from zeros: three corners are answered 1 at first, and two get corrected."""
    neuron = Perceptron(2)
    assert neuron.one_pass(CORNERS, np.array([0, 0, 0, 1])) == 2
    # (0,0): says 1 -> b = -1; (0,1), (1,0): -1 < 0, right; (1,1): says 0 -> w = (1, 1), b = 0
    assert neuron.weights.tolist() == [1, 1]
    assert neuron.bias == 0


def test_unsigned_labels_do_not_wrap_around():
    """0 - 1 is 255 in uint8, the type of MNIST's labels."""
    neuron = Perceptron(2)
    neuron.fit(CORNERS, np.array([0, 0, 0, 1], dtype=np.uint8), passes=20)
    assert neuron.predict(CORNERS).tolist() == [0, 0, 0, 1]


def test_one_neuron_learns_14_of_the_16_functions_of_two_inputs():
    failed = []
    for table in itertools.product((0, 1), repeat=4):
        if Perceptron(2).fit(CORNERS, np.array(table), passes=50)[-1] > 0:
            failed.append(table)
    assert failed == [(0, 1, 1, 0), (1, 0, 0, 1)]


def test_xor_never_ends():
    """Once the weights at the start of a pass come back, everything repeats for ever."""
    neuron, seen = Perceptron(2), []
    while (state := (*neuron.weights, neuron.bias)) not in seen:
        seen.append(state)
        assert neuron.one_pass(CORNERS, np.array([0, 1, 1, 0])) > 0
        assert len(seen) < 100
    assert len(Perceptron(2).fit(CORNERS, np.array([0, 1, 1, 0]), passes=300)) == 300


def test_fit_stops_after_the_first_clean_pass():
    mistakes = Perceptron(2).fit(CORNERS, np.array([0, 1, 1, 1]), passes=100)
    assert mistakes[-1] == 0
    assert min(mistakes[:-1]) > 0


@pytest.mark.parametrize(
    ("inputs", "x", "labels", "passes", "message"),
    [
        (0, CORNERS, np.zeros(4), 1, "at least 1 input, got 0"),
        (3, CORNERS, np.zeros(4), 1, r"x \(N, 3\).*got \(4, 2\)"),
        (2, CORNERS[0], np.zeros(2), 1, r"got \(2,\)"),
        (2, CORNERS, np.zeros(3), 1, r"and \(3,\)"),
        (2, CORNERS, np.array([-1, 1, 1, -1]), 1, r"0 or 1, got \[-1  1\]"),
        (2, CORNERS, np.zeros(4), 0, "at least 1 pass, got 0"),
    ],
)
def test_bad_input_is_refused(inputs, x, labels, passes, message):
    with pytest.raises(ValueError, match=message):
        Perceptron(inputs).fit(x, labels, passes)


@SAME_EACH_RUN
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 1000))
def test_a_batch_is_the_loop_over_its_rows_and_units(batch, inputs, units, seed):
    rng = np.random.default_rng(seed)
    x, bias = rng.normal(size=(batch, inputs)), rng.normal(size=units)
    weights = rng.normal(size=(inputs, units))
    second = (rng.normal(size=(units, 2)), rng.normal(size=2), linear)
    kept, hidden, output = forward(x, [(weights, bias, np.tanh), second])
    assert kept is x
    for n, j in itertools.product(range(batch), range(units)):
        total = sum(x[n, i] * weights[i, j] for i in range(inputs)) + bias[j]
        assert hidden[n, j] == pytest.approx(np.tanh(total))
    np.testing.assert_allclose(output, hidden @ second[0] + second[1])


def test_float32_stays_float32():
    x = np.ones((2, 3), np.float32)
    layers = [(np.ones((3, 4), np.float32), np.zeros(4, np.float32), relu)]
    assert forward(x, layers)[-1].dtype == np.float32


@pytest.mark.parametrize(
    ("weights", "bias"),
    [(np.ones((2, 4)), np.ones(4)), (np.ones((3, 4)), np.ones(3)), (np.ones(3), np.ones(1))],
)
def test_forward_says_which_layer_does_not_fit(weights, bias):
    first = (np.ones((5, 3)), np.zeros(3), relu)
    with pytest.raises(ValueError, match=r"layer 2: expected weights \(3, units\)"):
        forward(np.ones((1, 5)), [first, (weights, bias, relu)])


@SAME_EACH_RUN
@given(st.data(), st.integers(1, 12))
def test_relu_interpolant_is_linear_interpolation(data, pieces):
    gaps = data.draw(arrays(float, pieces, elements=st.floats(0.1, 2)))
    knots = np.concatenate([[-1.0], -1.0 + np.cumsum(gaps)])
    values = data.draw(arrays(float, pieces + 1, elements=SMALL))
    x = np.linspace(knots[0] - 2, knots[-1], 301)  # left of the knots too
    _, hidden, output = forward(x[:, None], relu_interpolant(knots, values))
    assert hidden.shape == (301, pieces)
    np.testing.assert_allclose(output[:, 0], np.interp(x, knots, values), atol=1e-9)


def test_the_interpolant_goes_on_with_its_last_slope():
    layers = relu_interpolant(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 1.0]))
    assert forward(np.array([[5.0]]), layers)[-1].item() == pytest.approx(0.0)


def test_four_times_fewer_errors_for_twice_the_units():
    """The largest error between knots is h**2 / 8 times the largest second derivative."""
    x = np.linspace(0, 1, 4001)
    errors = []
    for pieces in (16, 32, 64, 128):
        knots = np.linspace(0, 1, pieces + 1)
        layers = relu_interpolant(knots, np.sin(2 * np.pi * knots))
        errors.append(np.abs(forward(x[:, None], layers)[-1][:, 0] - np.sin(2 * np.pi * x)).max())
        assert errors[-1] <= (2 * np.pi) ** 2 / (8 * pieces**2)
    ratios = np.array(errors[:-1]) / errors[1:]
    np.testing.assert_allclose(ratios, 4, rtol=0.03)


@pytest.mark.parametrize(
    ("knots", "values", "message"),
    [
        (np.array([0.0, 0.0, 1.0]), np.zeros(3), "increase"),
        (np.array([0.0, 2.0, 1.0]), np.zeros(3), "increase"),
        (np.array([0.0]), np.zeros(1), "one shape"),
        (np.array([0.0, 1.0]), np.zeros(3), r"got \(2,\) and \(3,\)"),
    ],
)
def test_bad_knots_are_refused(knots, values, message):
    with pytest.raises(ValueError, match=message):
        relu_interpolant(knots, values)


@pytest.mark.parametrize("depth", range(1, 9))
def test_each_layer_doubles_the_teeth(depth):
    middles = ((np.arange(8 * 2**depth) + 0.5) / (8 * 2**depth))[:, None]
    *hidden, output = forward(middles, sawtooth(depth))[1:]
    assert count_pieces(hidden) == 2**depth
    tent = middles[:, 0]
    for _ in range(depth):
        tent = np.minimum(2 * tent, 2 - 2 * tent)
    np.testing.assert_array_equal(output[:, 0], tent)


def test_the_sawtooth_is_two_units_wide():
    assert [weights.shape for weights, _, _ in sawtooth(3)] == [(1, 2), (2, 2), (2, 2), (2, 1)]
    with pytest.raises(ValueError, match="at least 1 hidden layer, got 0"):
        sawtooth(0)


def test_pieces_of_the_interpolant():
    knots = np.array([0.0, 0.25, 0.5, 1.0])
    layers = relu_interpolant(knots, np.array([0.0, 1.0, 0.0, 3.0]))
    x = (np.linspace(0, 1, 1000) + 1e-4)[:, None]
    assert count_pieces(forward(x, layers)[1:-1]) == 3
    with pytest.raises(ValueError, match="at least one hidden layer"):
        count_pieces([])


@pytest.mark.parametrize(
    ("function", "variance", "exact"),
    [
        (linear, 2.0, 2.0),
        (relu, 3.0, 1.5),
        (step, 5.0, 0.5),
        (np.square, 2.0, 12.0),  # E z**4 = 3 q**2
        (np.exp, 0.5, np.exp(1.0)),  # E e**(2 z) = e**(2 q)
        (np.cos, 1.0, (1 + np.exp(-2.0)) / 2),
        (np.tanh, 0.0, 0.0),
    ],
)
def test_gaussian_averages_known_in_closed_form(function, variance, exact):
    assert gaussian_mean_square(function, variance) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu", "gelu", "silu", "softplus"])
def test_gaussian_averages_against_simulation(name):
    function = ACTIVATIONS[name][0]
    squares = function(np.random.default_rng(0).normal(0, 1.3, 100_000)) ** 2
    standard_error = squares.std() / np.sqrt(len(squares))
    assert abs(squares.mean() - gaussian_mean_square(function, 1.3**2)) < 5 * standard_error


def test_a_variance_is_not_negative():
    with pytest.raises(ValueError, match=r"not negative, got -1"):
        gaussian_mean_square(relu, -1)

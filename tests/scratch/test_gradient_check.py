import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursepkg.scratch.gradient_check import GradientError, gradient_check, numerical_gradient


def squares(x):
    return lambda: float((x**2).sum())


def test_numerical_gradient_of_squares():
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    assert numerical_gradient(squares(x), x) == pytest.approx(2 * x)


def test_numerical_gradient_by_a_transposed_view_and_by_a_single_number():
    x = np.arange(6.0).reshape(2, 3)
    assert numerical_gradient(squares(x), x.T) == pytest.approx(2 * x.T)
    one = np.array(3.0)
    assert numerical_gradient(squares(one), one) == pytest.approx(6)


def test_the_step_is_the_step_asked_for():
    """A central difference of x**3 is wrong by exactly h**2."""
    x = np.array([2.0])
    cube = lambda: float(x[0] ** 3)  # noqa: E731
    assert numerical_gradient(cube, x, step=0.5) == pytest.approx(12.25)
    with pytest.raises(GradientError):
        gradient_check(cube, {"x": x}, {"x": np.array([12.0])}, step=0.5)


@given(
    st.floats(1, 100),
    st.floats(0.1, 2),
    st.integers(1, 20),
    st.integers(0, 10_000),
)
@settings(max_examples=200)
def test_right_gradients_of_losses_up_to_a_hundred_pass(size, frequency, entries, seed):
    """Some slopes are nearly 0 beside a loss of 100: there the rounding of the loss is felt."""
    rng = np.random.default_rng(seed)
    x, shares = rng.normal(size=entries) * 3, rng.dirichlet(np.ones(entries))
    error = gradient_check(
        lambda: size * (shares * np.sin(frequency * x)).sum() + size / 2,
        {"x": x},
        {"x": size * shares * frequency * np.cos(frequency * x)},
    )
    assert error < 1e-6


@given(st.integers(0, 10_000), st.sampled_from([1.00001, 0.99999, -1.0, 0.0, 2.0]))
@settings(max_examples=50)
def test_wrong_factors_are_caught(seed, factor):
    x = np.random.default_rng(seed).uniform(0.1, 3, size=5)
    with pytest.raises(GradientError):
        gradient_check(squares(x), {"x": x}, {"x": factor * 2 * x})


def test_the_largest_relative_error_is_returned():
    x, y = np.array([1.0, 2.0]), np.array([3.0])
    loss = lambda: float((x**2).sum() + (y**2).sum())  # noqa: E731
    found = gradient_check(
        loss, {"x": x, "y": y}, {"x": 2 * x, "y": np.array([6.6])}, tolerance=0.2
    )
    assert found == pytest.approx(0.6 / 6.6)


def test_small_entries_are_compared_with_the_floor():
    x = np.array([0.0])
    found = gradient_check(squares(x), {"x": x}, {"x": np.array([1e-3])}, floor=0.1, tolerance=0.5)
    assert found == pytest.approx(1e-2)


def test_the_message_shows_the_worst_entry():
    weights, bias = np.ones((2, 3)), np.zeros(3)
    wrong = 2 * weights
    wrong[1, 2], wrong[0, 1] = -3.5, 2.25
    with pytest.raises(GradientError) as caught:
        gradient_check(
            squares(weights),
            {"bias": bias, "weights": weights},
            {"bias": np.zeros(3), "weights": wrong},
        )
    message = str(caught.value)
    for part in ["'weights'", "(1, 2)", "got -3.5", "expected 2", "error 1.57", "2 of 6 entries"]:
        assert part in message
    assert "bias" not in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_wrong(value):
    x = np.array([1.0, 2.0])
    with pytest.raises(GradientError, match=r"at index \(1,\)"):
        gradient_check(squares(x), {"x": x}, {"x": np.array([2.0, value])})


def test_the_error_is_an_assertion():
    assert issubclass(GradientError, AssertionError)


def test_an_input_without_entries_has_no_error():
    x, empty = np.array([1.0]), np.zeros((0, 3))
    inputs, gradients = {"x": x, "empty": empty}, {"x": 2 * x, "empty": empty}
    assert gradient_check(squares(x), inputs, gradients) < 1e-9


@pytest.mark.parametrize("failing_call", [1, 2, 5])
def test_inputs_are_restored_whatever_happens(failing_call):
    x = np.array([0.1, 0.2, 0.3])
    before = x.copy()
    calls = []

    def loss():
        calls.append(x.copy())
        if len(calls) == failing_call:
            raise RuntimeError("broken loss")
        return float((x**2).sum())

    with pytest.raises(RuntimeError, match="broken loss"):
        gradient_check(loss, {"x": x}, {"x": 2 * x})
    assert not np.array_equal(calls[-1], before)
    np.testing.assert_array_equal(x, before)


def test_inputs_are_restored_after_success_and_after_an_error():
    x = np.array([0.1, 0.2, 0.3])
    before = x.copy()
    gradient_check(squares(x), {"x": x}, {"x": 2 * x})
    np.testing.assert_array_equal(x, before)
    with pytest.raises(GradientError):
        gradient_check(squares(x), {"x": x}, {"x": x.copy()})
    np.testing.assert_array_equal(x, before)


X = np.ones(2)
SINGLE = np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("inputs", "gradients", "options", "message"),
    [
        ({}, {}, {}, r"inputs \[\]"),
        ({"x": X}, {"y": X}, {}, r"inputs \['x'\] and gradients \['y'\]"),
        ({"x": X}, {"x": X, "y": X}, {}, r"gradients \['x', 'y'\]"),
        ({"x": SINGLE}, {"x": X}, {}, "input 'x': expected an array of float64, got float32"),
        ({"x": [1.0]}, {"x": X}, {}, "input 'x': expected an array of float64, got list"),
        ({"x": X}, {"x": SINGLE}, {}, "gradient of 'x': expected an array of float64, got float32"),
        ({"x": X}, {"x": 2.0}, {}, "gradient of 'x': expected an array of float64, got float"),
        ({"x": X}, {"x": np.ones((2, 1))}, {}, r"expected shape \(2,\), got \(2, 1\)"),
        ({"x": X}, {"x": X}, {"step": 0.0}, "step must be above 0, got 0.0"),
        ({"x": X}, {"x": X}, {"step": np.nan}, "step must be above 0, got nan"),
        ({"x": X}, {"x": X}, {"floor": 0.0}, "floor must be above 0, got 0.0"),
    ],
)
def test_bad_input_is_refused(inputs, gradients, options, message):
    with pytest.raises(ValueError, match=message):
        gradient_check(lambda: 1.0, inputs, gradients, **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, np.ones(2), np.ones((1, 1))])
def test_a_loss_that_is_not_one_finite_number_is_refused(value):
    x = np.ones((2, 2))
    with pytest.raises(ValueError, match=r"one finite number, got .* with entry \(0, 0\) moved"):
        gradient_check(lambda: value, {"x": x}, {"x": x.copy()})
    np.testing.assert_array_equal(x, np.ones((2, 2)))


@pytest.mark.parametrize("array", [SINGLE, [1.0]])
def test_numerical_gradient_refuses_other_types(array):
    with pytest.raises(ValueError, match="expected an array of float64"):
        numerical_gradient(lambda: 1.0, array)

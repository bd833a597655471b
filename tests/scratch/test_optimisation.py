from functools import cache, partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursepkg.scratch import optimisation
from coursepkg.scratch.optimisation import (
    Adadelta,
    AdaGrad,
    Adam,
    AdamW,
    GradientDescent,
    Momentum,
    Nesterov,
    Optimiser,
    RMSprop,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    minibatches,
)
from tests.scratch.broken import broken
from tests.scratch.test_schedules import PAIRS

STEPS = 10
TOLERANCE = {"float64": 1e-6, "float32": 1e-5}

KERAS = {
    GradientDescent: keras.optimizers.SGD,
    Momentum: partial(keras.optimizers.SGD, momentum=0.9),
    Nesterov: partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
    AdaGrad: keras.optimizers.Adagrad,
    Adadelta: keras.optimizers.Adadelta,
    RMSprop: keras.optimizers.RMSprop,
    Adam: keras.optimizers.Adam,
    AdamW: keras.optimizers.AdamW,
}

# Keras passes beta_1 and beta_2 through float32 even where all variables are float64, which bends
# Adam's bias correction by 1e-5 of a step. These two pass unchanged.
EXACT = {"beta_1": 1 - 2**-3, "beta_2": 1 - 2**-10}
OPTIONS = {Adam: EXACT, AdamW: EXACT}

CONSTANT = 0.1

# optimiser, what is wrong, text, its replacement
BROKEN = [
    (GradientDescent, "sign", "parameter -= rate", "parameter += rate"),
    (GradientDescent, "no rate", "rate * gradient", "gradient"),
    (
        GradientDescent,
        "not in place",
        "parameter -= rate * gradient",
        "parameter = parameter - rate * gradient",
    ),
    (Momentum, "sign", "velocity -= rate", "velocity += rate"),
    (Momentum, "forgets the velocity", "velocity *= self.momentum", "velocity *= 0"),
    (Momentum, "keeps all the velocity", "velocity *= self.momentum", "pass"),
    (Momentum, "averages", "rate * gradient", "rate * (1 - self.momentum) * gradient"),
    (Nesterov, "plain momentum", "self.momentum * velocity - change", "velocity"),
    (
        Nesterov,
        "looks back",
        "self.momentum * velocity - change",
        "self.momentum * velocity + change",
    ),
    (Nesterov, "momentum missing", "self.momentum * velocity - change", "velocity - change"),
    (AdaGrad, "square root missing", "np.sqrt(squares + self.epsilon)", "(squares + self.epsilon)"),
    (AdaGrad, "square missing", "gradient**2", "np.abs(gradient)"),
    (AdaGrad, "no sum", "squares += gradient", "squares[...] = gradient"),
    (
        AdaGrad,
        "starts at the paper's 0",
        "super().__init__(learning_rate, initial_sum)",
        "super().__init__(learning_rate, 0.0)",
    ),
    (AdaGrad, "epsilon too large", "squares + self.epsilon", "squares + 1e-3"),
    (Adadelta, "square root missing", "-np.sqrt(", "-("),
    (
        Adadelta,
        "averages swapped",
        "(squared_changes + self.epsilon) / (squares + self.epsilon)",
        "(squares + self.epsilon) / (squared_changes + self.epsilon)",
    ),
    (Adadelta, "remembers the scaled change", "change**2", "(rate * change) ** 2"),
    (Adadelta, "sign", "change = -np", "change = np"),
    (RMSprop, "square root missing", "np.sqrt(squares + self.epsilon)", "(squares + self.epsilon)"),
    (RMSprop, "sums as AdaGrad does", "(1 - self.rho) * gradient**2", "gradient**2"),
    (
        RMSprop,
        "epsilon outside the root",
        "np.sqrt(squares + self.epsilon)",
        "(np.sqrt(squares) + self.epsilon)",
    ),
    (Adam, "bias correction missing", "rate * correction * mean", "rate * mean"),
    (Adam, "bias correction of the first step for ever", "t = self.updates + 1", "t = 1"),
    (Adam, "only the mean corrected", "(1 - self.beta_2**t) ** 0.5 / ", "1 / "),
    (Adam, "root of the correction missing", "(1 - self.beta_2**t) ** 0.5", "(1 - self.beta_2**t)"),
    (Adam, "square root missing", "(np.sqrt(squares) + self.epsilon)", "(squares + self.epsilon)"),
    (Adam, "averages share one decay", "squares *= self.beta_2", "squares *= self.beta_1"),
    (
        Adam,
        "epsilon under the root",
        "np.sqrt(squares) + self.epsilon",
        "np.sqrt(squares + self.epsilon)",
    ),
    (
        AdamW,
        "decay inside the moments",
        "parameter *= 1 - rate * self.weight_decay",
        "gradient = gradient + self.weight_decay * parameter",
    ),
    (AdamW, "decay without the rate", "1 - rate * self.weight_decay", "1 - self.weight_decay"),
    (AdamW, "grows", "1 - rate * self.weight_decay", "1 + rate * self.weight_decay"),
]


class Problem:
    """Noisy slopes of bowls of many widths; one array so flat that its slopes feel epsilon."""

    def __init__(self, dtype):
        rng = np.random.default_rng(7)
        shapes, scales = [(4, 3), (5,), (1, 2, 2)], [1.0, 1e-4, 10.0]
        self.starts = [rng.normal(size=shape).astype(dtype) for shape in shapes]
        self.curvatures = [
            (scale * rng.uniform(0.1, 1, size=shape)).astype(dtype)
            for scale, shape in zip(scales, shapes, strict=True)
        ]
        self.noise = [
            [
                (scale * rng.normal(size=shape)).astype(dtype)
                for scale, shape in zip(scales, shapes, strict=True)
            ]
            for _ in range(STEPS)
        ]

    def gradients(self, parameters, t):
        return [
            curvature * parameter + noise
            for curvature, parameter, noise in zip(
                self.curvatures, parameters, self.noise[t], strict=True
            )
        ]


def our_path(optimiser, problem):
    parameters = [start.copy() for start in problem.starts]
    path = []
    for t in range(STEPS):
        optimiser.step(parameters, problem.gradients(parameters, t))
        path.append([parameter.copy() for parameter in parameters])
    return path


def keras_path(optimiser, problem):
    variables = [keras.Variable(start, dtype=start.dtype.name) for start in problem.starts]
    optimiser.build(variables)
    values = [variable.numpy().copy() for variable in variables]
    path = []
    for t in range(STEPS):
        gradients = problem.gradients(values, t)
        optimiser.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
        values = [variable.numpy().copy() for variable in variables]
        path.append(values)
    return path


def deviation(path, other):
    """The largest difference of two paths, or infinity if one left the numbers."""
    largest = max(
        np.abs(a - b).max()
        for arrays, others in zip(path, other, strict=True)
        for a, b in zip(arrays, others, strict=True)
    )
    return largest if np.isfinite(largest) else np.inf


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    if request.param == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is asked for before it starts")
    before = keras.config.floatx()
    keras.config.set_floatx(request.param)
    yield request.param
    keras.config.set_floatx(before)


@cache
def keras_path_at_a_constant_rate(optimiser, dtype):
    rule = KERAS[optimiser](CONSTANT, **OPTIONS.get(optimiser, {}))
    return keras_path(rule, Problem(dtype))


@pytest.mark.parametrize("optimiser", list(KERAS), ids=lambda one: one.__name__)
def test_ten_steps_with_all_defaults_are_keras_s(optimiser, dtype):
    problem = Problem(dtype)
    path = our_path(optimiser(), problem)
    assert deviation(path, keras_path(KERAS[optimiser](), problem)) <= TOLERANCE[dtype]
    assert all(array.dtype == dtype for arrays in path for array in arrays)


@pytest.mark.parametrize("optimiser", list(KERAS), ids=lambda one: one.__name__)
def test_ten_steps_at_a_constant_rate_are_keras_s(optimiser, dtype):
    path = our_path(optimiser(CONSTANT, **OPTIONS.get(optimiser, {})), Problem(dtype))
    assert deviation(path, keras_path_at_a_constant_rate(optimiser, dtype)) <= TOLERANCE[dtype]


@pytest.mark.parametrize("schedule", list(PAIRS))
@pytest.mark.parametrize("optimiser", list(KERAS), ids=lambda one: one.__name__)
def test_ten_steps_on_a_schedule_are_keras_s(optimiser, schedule, dtype):
    function, arguments, build = PAIRS[schedule]
    options, problem = OPTIONS.get(optimiser, {}), Problem(dtype)
    path = our_path(optimiser(function(*arguments), **options), problem)
    other = keras_path(KERAS[optimiser](build(), **options), problem)
    assert deviation(path, other) <= TOLERANCE[dtype]


@pytest.mark.parametrize(
    ("optimiser", "fault", "old", "new"),
    BROKEN,
    ids=[f"{b[0].__name__}: {b[1]}" for b in BROKEN],
)
def test_parity_catches_a_broken_step(optimiser, fault, old, new, dtype):
    wrong = broken(optimiser, old, new)(CONSTANT, **OPTIONS.get(optimiser, {}))
    distance = deviation(
        our_path(wrong, Problem(dtype)), keras_path_at_a_constant_rate(optimiser, dtype)
    )
    assert distance > 10 * TOLERANCE[dtype]


def test_every_optimiser_has_two_broken_variants():
    for optimiser in KERAS:
        assert sum(one is optimiser for one, *_ in BROKEN) >= 2


# rates with which 600 updates bring each to the bottom of the bowl below
CONVERGES = {
    GradientDescent: 0.18,
    Momentum: 0.05,
    Nesterov: 0.05,
    AdaGrad: 1.0,
    Adadelta: 20.0,
    RMSprop: lambda t: 0.1 * 0.97**t,
    Adam: 0.05,
    AdamW: 0.05,
}


@pytest.mark.parametrize("optimiser", list(CONVERGES), ids=lambda one: one.__name__)
def test_it_finds_the_minimum_of_a_quadratic(optimiser):
    curvature, goal = np.array([10.0, 0.5]), np.array([1.0, -2.0])
    theta = np.zeros(2)
    # AdamW looks for a point nearer to zero, so its decay is switched off
    options = {"weight_decay": 0.0} if optimiser is AdamW else {}
    rule = optimiser(CONVERGES[optimiser], **options)
    for _ in range(600):
        rule.step([theta], [curvature * (theta - goal)])
    assert np.linalg.norm(theta - goal) < 1e-2


def test_nesterov_takes_the_gradient_ahead_of_the_original_s_parameters():
    rate, momentum = 0.02, 0.8
    curvature = np.array([10.0, 0.5])
    theta, rule = np.array([1.0, -2.0]), Nesterov(rate, momentum)
    phi, velocity = theta.copy(), np.zeros(2)
    for _ in range(20):
        rule.step([theta], [curvature * theta])
        ahead = phi + momentum * velocity
        velocity = momentum * velocity - rate * curvature * ahead
        phi = phi + velocity
        assert theta == pytest.approx(phi + momentum * velocity, rel=1e-12)


@given(st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3))
def test_adam_s_first_step_has_the_length_of_the_rate_whatever_the_gradient(gradient):
    theta = np.zeros(1)
    Adam(0.01).step([theta], [np.array([gradient])])
    assert theta[0] == pytest.approx(-0.01 * np.sign(gradient), rel=0.01)


def test_decoupled_decay_shrinks_where_the_gradient_is_zero():
    theta, still = np.array([2.0]), np.zeros(1)
    rule = AdamW(0.1, weight_decay=0.5)
    for _ in range(3):
        rule.step([theta], [still])
    assert theta[0] == pytest.approx(2 * 0.95**3)


def test_a_schedule_is_asked_for_the_number_of_each_update():
    asked = []
    rule = GradientDescent(lambda t: asked.append(t) or 0.1)
    for _ in range(3):
        rule.step([np.zeros(2)], [np.ones(2)])
    assert asked == [0, 1, 2]
    assert rule.updates == 3


def test_a_schedule_in_float64_does_not_widen_float32_parameters():
    theta = np.ones(2, np.float32)
    for optimiser in KERAS:
        optimiser(lambda t: np.float64(0.1)).step([theta], [np.ones(2, np.float32)])
    assert theta.dtype == np.float32


def test_the_base_class_has_no_rule():
    with pytest.raises(NotImplementedError):
        Optimiser(0.1).step([np.zeros(1)], [np.zeros(1)])


@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 2**32 - 1))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_an_epoch_of_minibatches_holds_every_example_once(count, size, seed):
    batches = list(minibatches(count, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert 1 <= len(batches[-1]) <= size


def test_each_epoch_of_minibatches_has_its_own_order():
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(minibatches(100, 10, rng))) for _ in range(2))
    assert (first != np.arange(100)).any()
    assert (first != second).any()


CLIPS = [
    (clip_by_value, "clipvalue"),
    (clip_by_norm, "clipnorm"),
    (clip_by_global_norm, "global_clipnorm"),
]


def some_gradients(dtype="float64"):
    rng = np.random.default_rng(3)
    return [
        rng.normal(size=(4, 3)).astype(dtype),
        0.01 * rng.normal(size=5).astype(dtype),
        np.zeros(2, dtype),
    ]


@pytest.mark.parametrize("limit", [0.02, 0.5, 3.0, 100.0])
@pytest.mark.parametrize(("clip", "option"), CLIPS, ids=[option for _, option in CLIPS])
def test_clipping_is_keras_s(clip, option, limit, dtype):
    gradients = some_gradients(dtype)
    variables = [keras.Variable(np.zeros(g.shape), dtype=dtype) for g in gradients]
    optimiser = keras.optimizers.SGD(1.0, **{option: limit})
    optimiser.build(variables)
    optimiser.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
    for ours, variable, gradient in zip(clip(gradients, limit), variables, gradients, strict=True):
        theirs = -variable.numpy()
        assert ours == pytest.approx(theirs, abs=TOLERANCE[dtype])
        assert ours.dtype == gradient.dtype
        assert ours is not gradient


@pytest.mark.parametrize("limit", [0.02, 0.5, 30.0])
def test_norms_after_clipping(limit):
    gradients = some_gradients()
    norm = np.linalg.norm
    for before, after in zip(gradients, clip_by_norm(gradients, limit), strict=True):
        assert norm(after) == pytest.approx(min(norm(before), limit))
    whole = np.concatenate([g.ravel() for g in gradients])
    clipped = np.concatenate([g.ravel() for g in clip_by_global_norm(gradients, limit)])
    assert norm(clipped) == pytest.approx(min(norm(whole), limit))
    assert clipped @ whole == pytest.approx(norm(clipped) * norm(whole))  # same direction
    assert max(np.abs(g).max() for g in clip_by_value(gradients, limit)) <= limit


@pytest.mark.parametrize(
    ("old", "new", "limit"),
    [
        ("limit / max(norm, limit)", "limit / norm", 30.0),
        ("limit / max(norm, limit)", "limit", 0.5),
        ("np.sqrt(sum(", "(sum(", 0.5),
    ],
    ids=["lengthens short ones", "norm missing", "square root missing"],
)
def test_the_norms_catch_a_broken_clipping(monkeypatch, old, new, limit):
    wrong = broken(clip_by_global_norm, old, new)
    monkeypatch.setitem(globals(), "clip_by_global_norm", wrong)
    with pytest.raises(AssertionError):
        test_norms_after_clipping(limit)


SHAPE = np.zeros((2, 3))
BAD = [
    (lambda: GradientDescent(0), "learning_rate must be positive, got 0"),
    (lambda: Adam(-0.1), "learning_rate must be positive, got -0.1"),
    (lambda: Momentum(0.1, 1.0), r"momentum must be from 0 to 1 \(excluded\), got 1.0"),
    (lambda: Nesterov(0.1, -0.1), "momentum must be from 0 to 1"),
    (lambda: AdaGrad(0.1, initial_sum=-1), "initial_sum must not be negative, got -1"),
    (lambda: AdaGrad(0.1, epsilon=0), "epsilon must be positive, got 0"),
    (lambda: Adadelta(0.1, rho=1), "rho must be from 0 to 1"),
    (lambda: Adadelta(0.1, epsilon=0), "epsilon must be positive"),
    (lambda: RMSprop(0.1, rho=2), "rho must be from 0 to 1"),
    (lambda: RMSprop(0.1, epsilon=-1), "epsilon must be positive"),
    (lambda: Adam(beta_1=1), "beta_1 must be from 0 to 1"),
    (lambda: Adam(beta_2=-1), "beta_2 must be from 0 to 1"),
    (lambda: Adam(epsilon=0), "epsilon must be positive"),
    (lambda: AdamW(weight_decay=-1), "weight_decay must not be negative, got -1"),
    (lambda: GradientDescent().step([SHAPE], []), "expected 1 gradients, .* got 0"),
    (lambda: GradientDescent().step([SHAPE], [SHAPE.T]), r"shape \(2, 3\), got \(3, 2\)"),
    (
        lambda: GradientDescent().step([np.zeros(2, int)], [np.zeros(2)]),
        "floating-point dtype, got int",
    ),
    (lambda: minibatches(0, 3, np.random.default_rng(0)), "count must be at least 1, got 0"),
    (lambda: minibatches(3, 0, np.random.default_rng(0)), "size must be at least 1, got 0"),
    (lambda: clip_by_value([SHAPE], 0), "limit must be positive, got 0"),
    (lambda: clip_by_norm([SHAPE], -1), "limit must be positive, got -1"),
    (lambda: clip_by_global_norm([SHAPE], 0), "limit must be positive, got 0"),
    (lambda: clip_by_global_norm([np.array([np.inf])], 1), "must be finite, got inf"),
    (lambda: clip_by_norm([np.array([np.nan])], 1), "must be finite, got nan"),
]


@pytest.mark.parametrize(("attempt", "message"), BAD)
def test_bad_input_is_refused(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt()


def test_other_parameters_than_at_the_first_step_are_refused():
    rule = Momentum()
    rule.step([SHAPE.copy()], [SHAPE])
    with pytest.raises(ValueError, match="expected 1 arrays as at the first step, got 2"):
        rule.step([SHAPE.copy()] * 2, [SHAPE] * 2)


def test_the_module_has_exactly_these_optimisers():
    rules = {
        one
        for one in vars(optimisation).values()
        if isinstance(one, type) and issubclass(one, Optimiser) and one is not Optimiser
    }
    assert rules == set(KERAS)

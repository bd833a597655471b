import keras
import pytest

from coursepkg.models.images_recipe import OneCycle
from coursepkg.scratch.schedules import (
    cosine_decay,
    exponential_decay,
    one_cycle,
    step_decay,
    warm_up,
)
from tests.scratch.broken import broken

theirs = keras.optimizers.schedules

# name: function, its arguments, the same schedule in Keras
PAIRS = {
    "step": (
        step_decay,
        (0.1, 0.5, 3),
        lambda: theirs.ExponentialDecay(0.1, 3, 0.5, staircase=True),
    ),
    "step, as a list of values": (
        step_decay,
        (0.1, 0.5, 3),
        lambda: theirs.PiecewiseConstantDecay([2, 5, 8, 11], [0.1 / 2**k for k in range(5)]),
    ),
    "exponential": (
        exponential_decay,
        (0.1, 0.5, 3),
        lambda: theirs.ExponentialDecay(0.1, 3, 0.5),
    ),
    "cosine": (cosine_decay, (0.1, 7, 0.2), lambda: theirs.CosineDecay(0.1, 7, alpha=0.2)),
    "warm-up and cosine": (
        warm_up,
        (4, cosine_decay(0.1, 7, 0.2), 0.01),
        lambda: theirs.CosineDecay(0.01, 7, alpha=0.2, warmup_target=0.1, warmup_steps=4),
    ),
    "one cycle": (one_cycle, (0.1, 11), lambda: OneCycle(0.1, 11)),
}

# name, what is wrong, text, its replacement
BROKEN = [
    ("step", "no blocks", "t // every", "t / every"),
    ("step", "one update late", "(t // every)", "((t - 1) // every)"),
    ("exponential", "blocks", "t / every)", "t // every)"),
    ("exponential", "a line", "factor ** (t / every)", "(1 - factor * t / every)"),
    ("cosine", "rises again", "min(t, total)", "t"),
    ("cosine", "a full period", "math.pi * min", "2 * math.pi * min"),
    ("cosine", "floor on top", "(1 - final_share) * fallen", "fallen"),
    ("warm-up and cosine", "falls too soon", "after(t - steps)", "after(t)"),
    ("warm-up and cosine", "start forgotten", "return start + (", "return ("),
    ("one cycle", "falls too steeply", "(1 - done) / (1 - warm_share)", "(1 - done) / warm_share"),
    ("one cycle", "no floor", "max(floor_share, line)", "line"),
]


def deviation(ours, schedule):
    """The largest difference of two schedules, as a share of the largest rate."""
    return max(abs(ours(t) - float(schedule(t))) for t in range(15)) / 0.1


@pytest.fixture(params=["float32", "float64"])
def floatx(request):
    before = keras.config.floatx()
    keras.config.set_floatx(request.param)
    yield request.param
    keras.config.set_floatx(before)


@pytest.mark.parametrize("name", list(PAIRS))
def test_parity_with_keras(name, floatx):
    function, arguments, build = PAIRS[name]
    assert deviation(function(*arguments), build()) <= 1e-6


@pytest.mark.parametrize(("name", "fault", "old", "new"), BROKEN, ids=[b[1] for b in BROKEN])
def test_parity_catches_a_broken_schedule(name, fault, old, new):
    function, arguments, build = PAIRS[name]
    assert deviation(broken(function, old, new)(*arguments), build()) > 1e-3


def test_every_schedule_has_two_broken_variants():
    broken_ones = [PAIRS[name][0] for name, *_ in BROKEN]
    for function in (step_decay, exponential_decay, cosine_decay, warm_up, one_cycle):
        assert broken_ones.count(function) >= 2


def test_warm_up_to_a_constant_rate():
    rate = warm_up(4, 0.2)
    assert [rate(t) for t in range(6)] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.2])


def test_warm_up_is_continuous_where_the_next_schedule_starts():
    for then in (cosine_decay(0.3, 9), exponential_decay(0.3, 0.5, 2), one_cycle(0.3, 9)):
        assert warm_up(5, then)(5) == then(0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: step_decay(0, 0.5, 3), "initial must be positive, got 0"),
        (lambda: step_decay(0.1, 1.5, 3), r"factor must be from 0 \(excluded\) to 1, got 1.5"),
        (lambda: step_decay(0.1, 0.5, 0), "every must be positive, got 0"),
        (lambda: exponential_decay(0.1, 0, 3), "factor must be"),
        (lambda: exponential_decay(0.1, 0.5, -1), "every must be positive, got -1"),
        (lambda: exponential_decay(float("nan"), 0.5, 1), "initial must be positive, got nan"),
        (lambda: cosine_decay(0.1, 0), "total must be positive"),
        (lambda: cosine_decay(0.1, 9, 1.1), "final_share must be from 0 to 1, got 1.1"),
        (lambda: warm_up(0, 0.1), "steps must be positive"),
        (lambda: warm_up(3, -0.1), "then must be positive, got -0.1"),
        (lambda: warm_up(3, 0.1, start=-1), "start must not be negative, got -1"),
        (lambda: one_cycle(0, 9), "peak must be positive"),
        (lambda: one_cycle(0.1, 9, 1), "warm_share must be between 0 and 1"),
        (lambda: one_cycle(0.1, 9, 0.5, -0.1), "floor_share must be from 0 to 1"),
    ],
)
def test_bad_input_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()

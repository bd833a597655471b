import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coursepkg.scratch.early_exit import EarlyExitNetwork, choose_exits, entropy
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.layers import Activation, Dense, Sequential
from tests.scratch.broken import broken

SEEDS = st.integers(0, 10**6)
LIMITS = st.floats(-0.1, 1.2)

BROKEN_NETWORKS = [
    ("nothing from the next stage", "head.backward(upstream) + below", "head.backward(upstream)"),
    ("nothing from the head", "head.backward(upstream) + below",
     "0 * head.backward(upstream) + below"),
    ("taken off", "head.backward(upstream) + below", "head.backward(upstream) - below"),
    ("upstreams doubled", "for stage, head, upstream in reversed(pairs)",
     "for stage, head, upstream in reversed([(s, h, 2 * u) for s, h, u in pairs])"),
]  # fmt: skip

BROKEN_ANSWERS = [
    ("leaves when unsure", "entropy(scores) <= limit", "entropy(scores) > limit"),
    ("nobody leaves early", "leave = entropy(scores) <= limit",
     "leave = entropy(scores) <= (limit if limit == np.inf else -1)"),
    ("places mixed up", "answers[rest[leave]], exits[rest[leave]] = scores[leave], number",
     "answers[np.flatnonzero(leave)], exits[rest[leave]] = scores[leave], number"),
    ("exits counted from 1", "scores[leave], number", "scores[leave], number + 1"),
]  # fmt: skip


def new_network(kind, seed):
    rng = np.random.default_rng(seed)
    stages = [
        Sequential([Dense(a, b, rng), Activation("tanh")]) for a, b in [(4, 5), (5, 3), (3, 6)]
    ]
    network = kind(stages, [Dense(width, 3, rng) for width in (5, 3, 6)])
    for array in network.parameters:
        array += rng.normal(size=array.shape) / 2
    return network, rng


def network_error(kind, seed):
    network, rng = new_network(kind, seed)
    x, upstreams = rng.normal(size=(2, 4)), rng.normal(size=(3, 2, 3))

    def loss():
        return sum(float((u * z).sum()) for u, z in zip(upstreams, network.forward(x), strict=True))

    loss()
    inputs = {"x": x, **{str(i): array for i, array in enumerate(network.parameters)}}
    below = network.backward(list(upstreams))
    gradients = dict(zip(inputs, [below, *network.gradients], strict=True))
    return gradient_check(loss, inputs, gradients)


@given(SEEDS)
def test_gradients_agree_with_finite_differences(seed):
    assert network_error(EarlyExitNetwork, seed) <= 1e-6


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_NETWORKS]
)
def test_a_broken_network_is_caught(old, new):
    with pytest.raises(GradientError):
        network_error(broken(EarlyExitNetwork, old, new), 0)


def answers_agree(kind, seed, limits):
    """Say whether stopping early gives what choosing among all answers gives."""
    network, rng = new_network(EarlyExitNetwork, seed)
    x = 2 * rng.normal(size=(12, 4))
    every = network.forward(x)
    chosen = choose_exits(every, limits)
    expected = np.stack(every)[chosen, np.arange(12)]
    scores, exits = kind(network.stages, network.heads).answer(x, limits)
    return np.array_equal(exits, chosen) and np.allclose(scores, expected)


@given(SEEDS, LIMITS, LIMITS)
def test_stopping_early_is_choosing_among_all_answers(seed, first, second):
    assert answers_agree(EarlyExitNetwork, seed, [first, second])


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_ANSWERS]
)
def test_a_broken_answer_is_caught(old, new):
    wrong = broken(EarlyExitNetwork, old, new)
    results = []
    for seed in range(5):
        assert answers_agree(EarlyExitNetwork, seed, [0.7, 0.7])
        try:
            results.append(answers_agree(wrong, seed, [0.7, 0.7]))
        except (IndexError, ValueError):
            results.append(False)
    assert not all(results)


def test_later_stages_see_only_the_unsure():
    network, rng = new_network(EarlyExitNetwork, 0)
    x = 2 * rng.normal(size=(40, 4))
    _, exits = network.answer(x, [0.6, 0.9])
    counts = [int((exits >= number).sum()) for number in range(3)]
    assert counts[0] == 40 > counts[1] > counts[2] > 0
    for number, head in enumerate(network.heads):
        assert head.backward(np.zeros((counts[number], 3))).shape[0] == counts[number]


@given(arrays(np.float64, (3, 4), elements=st.floats(-20, 20)))
def test_entropy_lies_between_certainty_and_ignorance(logits):
    values = entropy(logits)
    assert ((values >= -1e-12) & (values <= np.log(4) + 1e-12)).all()


def test_entropy_by_hand():
    got = entropy(np.array([[7.0, 7, 7, 7], [np.log(3), 0, -800, -800], [900, 0, 0, 0]]))
    expected = [np.log(4), 0.75 * np.log(4 / 3) + 0.25 * np.log(4), 0]
    assert np.allclose(got, expected)


def test_exits_by_hand():
    sure, unsure = np.array([9.0, 0]), np.array([0.0, 0])
    logits = [np.array([sure, unsure, unsure]), np.array([unsure, sure, unsure]), np.zeros((3, 2))]
    exits = choose_exits(logits, [0.1, 0.1])
    assert exits.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("function", "message"), [
    (lambda: entropy(np.zeros(3)), r"shape \(N, K\), got \(3,\)"),
    (lambda: choose_exits([np.zeros((2, 3))] * 3, [0.1]), "2 thresholds for 3 exits, got 1"),
    (lambda: EarlyExitNetwork([], []), "got 0 and 0"),
    (lambda: new_network(EarlyExitNetwork, 0)[0].answer(np.zeros((2, 4)), [0.1]),
     "2 thresholds for 3 exits, got 1"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(function, message):
    with pytest.raises(ValueError, match=message):
        function()


def test_an_example_leaves_at_an_entropy_of_exactly_the_limit():
    logits = [np.zeros((1, 4)), np.ones((1, 4))]
    limit = entropy(logits[0])[0]
    assert choose_exits(logits, [limit])[0] == 0
    assert choose_exits(logits, [np.nextafter(limit, 0)])[0] == 1

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coursepkg.scratch.activations import softmax
from coursepkg.scratch.distillation import distillation_loss, distillation_loss_backward, soften
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.losses import categorical_cross_entropy_from_logits, one_hot
from tests.scratch.broken import broken

SCORES = arrays(np.float64, (3, 4), elements=st.floats(-5, 5))
TEMPERATURES = st.floats(0.5, 20)
SHARES = st.floats(0, 1)
LABELS = one_hot(np.array([0, 2, 3]), 4)

BROKEN_GRADIENTS = [
    ("temperature squared", "share * temperature *", "share * temperature**2 *"),
    ("temperature forgotten", "share * temperature * difference", "share * difference"),
    ("teacher minus student", "soften(student, temperature) - soften(teacher, temperature)",
     "soften(teacher, temperature) - soften(student, temperature)"),
    ("teacher at temperature 1", "- soften(teacher, temperature)", "- soften(teacher, 1)"),
    ("student at temperature 1", "= soften(student, temperature)", "= soften(student, 1)"),
    ("not divided by N", "difference / len(student)", "difference"),
    ("shares exchanged", "(1 - share) * labels", "share * labels"),
]  # fmt: skip

BROKEN_LOSSES = [
    ("temperature not squared", "temperature**2 * divergence", "temperature * divergence"),
    ("divergence the other way", "np.exp(log_p) * (log_p - log_q)",
     "np.exp(log_q) * (log_q - log_p)"),
    ("labels at the temperature", "labels = categorical_cross_entropy_from_logits(student",
     "labels = categorical_cross_entropy_from_logits(student / temperature"),
]  # fmt: skip


def gradient_error(loss, backward, student, teacher, temperature, share):
    gradient = backward(student, teacher, LABELS, temperature, share)
    return gradient_check(
        lambda: loss(student, teacher, LABELS, temperature, share),
        {"student": student},
        {"student": gradient},
    )


@given(SCORES, SCORES, TEMPERATURES, SHARES)
def test_gradients_agree_with_finite_differences(student, teacher, temperature, share):
    functions = distillation_loss, distillation_loss_backward
    assert gradient_error(*functions, student, teacher, temperature, share) <= 1e-6


def draw():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 4)), 3 * rng.normal(size=(3, 4)), 2.5, 0.3


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_GRADIENTS]
)
def test_a_broken_gradient_is_caught(old, new):
    wrong = broken(distillation_loss_backward, old, new)
    with pytest.raises(GradientError):
        gradient_error(distillation_loss, wrong, *draw())


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_LOSSES]
)
def test_a_broken_loss_is_caught(old, new):
    wrong = broken(distillation_loss, old, new)
    with pytest.raises(GradientError):
        gradient_error(wrong, distillation_loss_backward, *draw())


@given(SCORES, SCORES, TEMPERATURES)
def test_the_divergence_is_zero_only_at_the_teacher(student, teacher, temperature):
    assert distillation_loss(teacher, teacher, LABELS, temperature, 1) == pytest.approx(0, abs=1e-9)
    loss = distillation_loss(student, teacher, LABELS, temperature, 1)
    assert loss >= -1e-9
    apart = np.abs(soften(student, temperature) - soften(teacher, temperature)).max()
    assert loss >= temperature**2 * apart**2 / 2 / 3 - 1e-9  # Pinsker, mean over 3 rows


@given(SCORES, SCORES)
def test_without_the_teacher_it_is_the_cross_entropy(student, teacher):
    got = distillation_loss(student, teacher, LABELS, 3.0, 0)
    assert got == pytest.approx(categorical_cross_entropy_from_logits(student, LABELS))


@given(SCORES, SCORES)
def test_at_a_high_temperature_the_scores_are_matched(student, teacher):
    """Equation 4 of the paper, for rows of scores with mean 0."""
    z, v = (s - s.mean(axis=1, keepdims=True) for s in (student, teacher))
    got = distillation_loss_backward(z, v, LABELS, 1e5, 1) * len(z)
    assert np.allclose(got, (z - v) / 4, atol=1e-3)


@given(SCORES, st.floats(1, 50))
def test_a_higher_temperature_makes_probabilities_more_equal(scores, temperature):
    soft, hard = soften(scores, temperature), softmax(scores)
    assert np.allclose(soft.sum(axis=1), 1)
    assert (soft.max(axis=1) <= hard.max(axis=1) + 1e-12).all()
    assert (soft.min(axis=1) >= hard.min(axis=1) - 1e-12).all()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_divergence_is_that_of_keras(temperature):
    student, teacher, _, _ = draw()
    p, q = soften(teacher, temperature), soften(student, temperature)
    theirs = float(keras.losses.KLDivergence()(p.astype("float32"), q.astype("float32")))
    ours = distillation_loss(student, teacher, LABELS, temperature, 1) / temperature**2
    assert ours == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("function", [distillation_loss, distillation_loss_backward])
def test_what_does_not_fit_is_refused(function):
    z = np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"\(3, 4\) from the student and \(3, 3\)"):
        function(z, z[:, :3], LABELS, 1.0, 0.5)
    with pytest.raises(ValueError, match="a share from 0 to 1, got 2"):
        function(z, z, LABELS, 1.0, 2)
    for temperature in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match=f"a temperature above 0, got {temperature}"):
            function(z, z, LABELS, temperature, 0.5)

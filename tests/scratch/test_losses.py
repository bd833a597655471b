import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coursepkg.scratch.activations import softmax
from coursepkg.scratch.losses import cross_entropy

LOGITS = arrays(np.float64, (4, 5), elements=st.floats(-1e4, 1e4))


@given(LOGITS)
def test_softmax_is_a_distribution_whatever_the_scores(logits):
    probabilities = softmax(logits)
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=-1) == pytest.approx(np.ones(4))


@given(arrays(np.float64, (4, 5), elements=st.floats(-20, 20)))
@settings(deadline=None)
def test_parity_with_keras(logits):
    labels = np.array([0, 4, 2, 2])
    theirs = keras.losses.sparse_categorical_crossentropy(
        labels, keras.ops.convert_to_tensor(logits, "float32"), from_logits=True
    )
    assert cross_entropy(logits, labels) == pytest.approx(np.asarray(theirs), abs=1e-4)
    assert softmax(logits) == pytest.approx(np.asarray(keras.ops.softmax(logits)), abs=1e-5)


@given(LOGITS)
def test_cross_entropy_is_finite_and_not_negative(logits):
    losses = cross_entropy(logits, np.array([0, 1, 2, 3]))
    assert np.isfinite(losses).all()
    assert (losses >= 0).all()


def test_cross_entropy_is_minus_the_log_of_the_right_probability():
    logits = np.random.default_rng(0).normal(size=(6, 3))
    labels = np.array([0, 1, 2, 0, 1, 2])
    expected = -np.log(softmax(logits)[np.arange(6), labels])
    assert cross_entropy(logits, labels) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros(3), np.zeros(3, int), "expected logits"),
        (np.zeros((2, 3)), np.zeros(3, int), "expected logits"),
        (np.zeros((2, 3)), np.array([0, 3]), "from 0 to 2, got values from 0 to 3"),
        (np.zeros((2, 3)), np.array([-1, 0]), "got values from -1 to 0"),
    ],
)
def test_bad_input_is_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        cross_entropy(logits, labels)

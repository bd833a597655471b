import numpy as np
import pytest

from coursepkg.scratch import activations
from coursepkg.scratch.gradient_check import GradientError
from tests.scratch.broken import broken


def test_the_copy_is_broken_and_the_original_is_not():
    z = np.array([-1.0, 2.0])
    wrong = broken(activations.relu, "np.maximum(z, 0)", "np.minimum(z, 0)")
    assert wrong(z).tolist() == [-1, 0]
    assert activations.relu(z).tolist() == [0, 2]


def test_a_class_can_be_broken():
    wrong = broken(GradientError, "AssertionError", "KeyError")
    assert issubclass(wrong, KeyError)
    assert not issubclass(GradientError, KeyError)


@pytest.mark.parametrize(("old", "count"), [("no such text", 0), ("upstream", 3)])
def test_text_that_does_not_occur_exactly_once_is_refused(old, count):
    with pytest.raises(AssertionError, match=f"occurs {count} times in relu_backward"):
        broken(activations.relu_backward, old, "")

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.hardware.distributed import jax_backend
from coursepkg.hardware.distributed.launcher import launch
from coursepkg.hardware.distributed.tensor import block_backward, block_forward, cut_block
from coursepkg.scratch.layers import Activation, Dense, Sequential

TENSOR = "coursepkg.hardware.distributed.tensor"


@given(workers=st.sampled_from([1, 2, 3, 6]), examples=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_pieces_compute_what_the_whole_block_does(workers, examples, seed):
    rng = np.random.default_rng(seed)
    one, two = Dense(4, 12, rng), Dense(12, 3, rng)
    one.bias[:] = rng.normal(size=12)
    whole = Sequential([one, Activation("relu"), two])
    x, upstream = rng.normal(size=(examples, 4)), rng.normal(size=(examples, 3))
    expected, of_x = whole.forward(x), whole.backward(upstream)
    pieces = cut_block(one.weights, one.bias, two.weights, workers)
    assert [piece.shape for piece in pieces[0]] == [
        (4, 12 // workers),
        (12 // workers,),
        (12 // workers, 3),
    ]
    np.testing.assert_allclose(block_forward(x, pieces), expected, rtol=0, atol=1e-12)
    got, of_pieces = block_backward(x, pieces, upstream)
    np.testing.assert_allclose(got, of_x, rtol=0, atol=1e-12)
    joined = [
        np.concatenate([p[0] for p in of_pieces], axis=1),
        np.concatenate([p[1] for p in of_pieces]),
        np.concatenate([p[2] for p in of_pieces], axis=0),
    ]
    for gradient, reference in zip(joined, whole.gradients[:3], strict=True):
        np.testing.assert_allclose(gradient, reference, rtol=0, atol=1e-12)


def test_a_width_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="a width that 4 divides, got 10"):
        cut_block(np.zeros((2, 10)), np.zeros(10), np.zeros((10, 2)), 4)


@pytest.mark.skipif(not jax_backend.available(), reason="needs JAX")
def test_keras_on_four_devices_trains_the_network_of_one(tmp_path):
    output = tmp_path / "result.npz"
    launch(1, ["--output", str(output)], module=TENSOR)
    with np.load(output) as file:
        result = dict(file)
    whole = [name for name in result if name.startswith("whole")]
    assert len(whole) == 9
    for name in whole:
        if "shape" not in name:
            other = result[name.replace("whole", "cut")]
            np.testing.assert_allclose(other, result[name], rtol=0, atol=1e-5)
    shapes = [tuple(result[f"cut_shape_{k}"]) for k in range(4)]
    assert shapes == [(784, 8), (8,), (8, 10), (10,)]
    assert tuple(result["whole_shape_0"]) == (784, 32)
    assert result["whole_losses"][-1] < result["whole_losses"][0]

import keras
import numpy as np
import pytest

from coursepkg.hardware import ladder
from coursepkg.scratch.convolution import cross_correlate


@pytest.mark.parametrize("rung", ladder.product_rungs(64), ids=lambda rung: rung.name)
def test_every_rung_multiplies_the_same_matrices(rung):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 5)).astype("f"), rng.normal(size=(5, 4)).astype("f")
    got = keras.ops.convert_to_numpy(ladder.prepared(rung, a, b)())
    tolerance = 1e-5 if rung.device in (None, "cpu:0") else 0.1
    np.testing.assert_allclose(got, a @ b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rung", ladder.convolution_rungs(32), ids=lambda rung: rung.name)
def test_every_rung_convolves_the_same_images(rung):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 6, 3)).astype("f")
    kernel = rng.normal(size=(3, 2, 3, 4)).astype("f")
    got = keras.ops.convert_to_numpy(ladder.prepared(rung, x, kernel)())
    expected = cross_correlate(x.astype(float), kernel.astype(float))
    tolerance = 1e-5 if rung.device in (None, "cpu:0") else 0.2
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_operations_of_the_two_problems():
    assert ladder.product_problem(4)[2] == 2 * 4**3
    x, kernel, operations = ladder.convolution_problem(2, 5, 3, 4, 3)
    assert (x.shape, kernel.shape) == ((2, 5, 5, 3), (3, 3, 3, 4))
    assert operations == 2 * 2 * 3 * 3 * 27 * 4


def test_slow_rungs_get_smaller_problems():
    assert [rung.size for rung in ladder.product_rungs(64)][:5] == [4, 8, 16, 64, 64]
    assert [rung.threads for rung in ladder.product_rungs(64)][:5] == [1, 1, 1, 1, None]


def test_a_climb_times_every_rung():
    rungs = ladder.product_rungs(32)
    rows = ladder.climb(rungs, ladder.product_problem, repeats=1)
    assert [row["name"] for row in rows] == [rung.name for rung in rungs]
    for rung, row in zip(rungs, rows, strict=True):
        assert row["rate"] == pytest.approx(2 * rung.size**3 / row["seconds"])

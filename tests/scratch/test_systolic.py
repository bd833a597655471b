import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursepkg.scratch import systolic

SIZE = st.integers(1, 7)


@settings(deadline=None, max_examples=60)
@given(SIZE, SIZE, SIZE, SIZE, SIZE, st.integers(0, 2**31))
def test_the_array_multiplies_matrices(length, depth, width, rows, columns, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, size=(length, depth))
    weights = rng.integers(-128, 128, size=(depth, width))
    run = systolic.systolic_product(x, weights, rows, columns)
    np.testing.assert_array_equal(run.product, x @ weights)
    assert run.cycles == systolic.cycles(length, depth, width, rows, columns)
    assert run.busy.sum() == length * depth * width
    assert run.busy.max() <= rows * columns
    share = run.busy.sum() / (run.cycles * rows * columns)
    assert share == pytest.approx(systolic.utilisation(length, depth, width, rows, columns))


def test_floats_are_summed_from_top_to_bottom():
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(5, 12)), rng.normal(size=(12, 9))
    run = systolic.systolic_product(x, weights, 4, 4)
    np.testing.assert_allclose(run.product, x @ weights, rtol=1e-12, atol=1e-12)


def test_one_cell_works_in_every_cycle_but_the_load():
    run = systolic.systolic_product(np.ones((6, 1)), np.ones((1, 1)), 1, 1)
    assert run.busy.tolist() == [0] + [1] * 6


def test_the_wave_enters_along_the_diagonals():
    run = systolic.systolic_product(np.ones((1, 3)), np.ones((3, 3)), 3, 3)
    assert run.busy.tolist() == [0, 0, 0, 1, 2, 3, 2, 1]


def test_a_short_batch_waits_for_the_weights():
    few, many = (systolic.cycles(m, 8 * 256, 256, 256, 256) for m in (1, 256))
    assert many - few == 255  # seven loads of 256 cycles hide behind either


def test_long_streams_fill_the_array():
    assert systolic.utilisation(10**6, 256, 256, 256, 256) > 0.999
    assert systolic.utilisation(1, 256, 256, 256, 256) < 0.002
    assert systolic.utilisation(10**6, 257, 256, 256, 256) == pytest.approx(257 / 512, rel=1e-3)


def test_the_first_tpu_did_92_tera_operations():
    assert round(systolic.peak_operations(256, 256, 700e6) / 1e12) == 92


@pytest.mark.parametrize(
    ("x", "weights"),
    [((2, 3), (4, 2)), ((3,), (3, 1)), ((0, 3), (3, 1)), ((2, 3), (3,))],
)
def test_shapes_that_do_not_fit_are_refused(x, weights):
    with pytest.raises(ValueError, match=r"\(M, K\) and \(K, N\)"):
        systolic.systolic_product(np.zeros(x), np.zeros(weights), 2, 2)


def test_sizes_and_clocks_must_be_positive():
    with pytest.raises(ValueError, match="rows of at least 1, got 0"):
        systolic.systolic_product(np.zeros((1, 1)), np.zeros((1, 1)), 0, 2)
    with pytest.raises(ValueError, match="length of at least 1, got 0"):
        systolic.cycles(0, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="positive clock"):
        systolic.peak_operations(2, 2, 0)

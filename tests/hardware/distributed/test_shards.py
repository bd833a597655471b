import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.hardware.distributed.shards import batch_rows, shard


def test_an_epoch_goes_through_all_examples_once_and_the_next_in_another_order():
    first = np.concatenate([batch_rows(20, 5, step) for step in range(4)])
    second = np.concatenate([batch_rows(20, 5, step) for step in range(4, 8)])
    assert sorted(first) == sorted(second) == list(range(20))
    assert list(first) != list(second)


def test_a_batch_depends_on_the_step_alone():
    np.testing.assert_array_equal(batch_rows(100, 8, 17), batch_rows(100, 8, 17))
    assert list(batch_rows(100, 8, 17)) != list(batch_rows(100, 8, 17, seed=1))


@given(batch=st.integers(1, 50), workers=st.integers(1, 12))
def test_the_shards_are_the_batch_and_equally_long(batch, workers):
    rows = np.arange(100, 100 + batch)
    if batch < workers:
        with pytest.raises(ValueError, match=f"at least {workers} examples, one a worker"):
            shard(rows, workers, 0)
        return
    parts = [shard(rows, workers, rank) for rank in range(workers)]
    assert {len(own) for own, _ in parts} == {-(-batch // workers)}
    kept = np.concatenate([own[weights == 1] for own, weights in parts])
    np.testing.assert_array_equal(kept, rows)


def test_the_weighted_mean_is_that_of_the_batch_and_the_mean_of_means_is_not():
    values = np.random.default_rng(0).normal(size=100)
    rows = np.arange(10)
    parts = [shard(rows, 4, rank) for rank in range(4)]
    total = sum((values[own] * weights).sum() for own, weights in parts)
    count = sum(weights.sum() for _, weights in parts)
    assert total / count == pytest.approx(values[:10].mean())
    naive = np.mean([values[own].mean() for own, _ in parts])
    assert naive != pytest.approx(values[:10].mean(), rel=1e-3)


@pytest.mark.parametrize("batch", [0, 21])
def test_an_impossible_batch_is_refused(batch):
    with pytest.raises(ValueError, match=f"1 to 20 examples, got {batch}"):
        batch_rows(20, batch, 0)

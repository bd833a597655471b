from collections import Counter

import pytest

from coursepkg.scratch import cache


def test_a_line_is_fetched_once_while_it_stays():
    assert cache.misses([0, 1, 2, 3, 4, 0], lines=2, line=4) == 2


def test_the_line_unused_for_longest_leaves():
    assert cache.misses([0, 1, 0, 2, 0, 1], lines=2, line=1) == 4


@pytest.mark.parametrize("order", cache.ORDERS)
@pytest.mark.parametrize("block", [None, 1, 2, 3, 5])
def test_every_order_does_the_same_multiply_adds(order, block):
    size = 5
    addresses = list(cache.product_addresses(size, order, block))
    steps = Counter(zip(addresses[::3], addresses[1::3], addresses[2::3], strict=True))
    expected = Counter(
        (i * size + k, 25 + k * size + j, 50 + i * size + j)
        for i in range(size)
        for j in range(size)
        for k in range(size)
    )
    assert steps == expected


@pytest.mark.parametrize("order", cache.ORDERS)
def test_a_cache_that_holds_everything_misses_each_line_once(order):
    assert cache.misses(cache.product_addresses(8, order), lines=1000, line=4) == 3 * 64 // 4


def test_a_walk_down_the_columns_misses_every_time():
    """With fewer lines than rows, ijk finds no line of B again."""
    size, line, lines = 24, 4, 16
    found = cache.misses(cache.product_addresses(size, "ijk"), lines, line)
    b = size**3
    a_and_c = 2 * size**2 // line
    assert b + a_and_c <= found <= b + size**3 // line + size**2


def test_along_the_rows_misses_once_a_line():
    size, line, lines = 24, 4, 4
    found = cache.misses(cache.product_addresses(size, "ikj"), lines, line)
    assert found == pytest.approx(2 * size**3 / line, rel=0.1)


def test_blocks_save_what_the_formula_says():
    size, block, line = 32, 8, 4
    lines = 5 * block * block // line  # three blocks, and the two that come next
    found = cache.misses(cache.product_addresses(size, "ijk", block), lines, line)
    assert found == pytest.approx(cache.blocked_traffic(size, block) / line, rel=0.05)
    assert found < 0.3 * cache.misses(cache.product_addresses(size, "ijk"), lines, line)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="at least 1 line of at least 1 place, got 0 of 4"):
        cache.misses([1], 0, 4)
    with pytest.raises(ValueError, match="'kij'"):
        list(cache.product_addresses(2, "kij"))
    with pytest.raises(ValueError, match="a size and a block of at least 1, got 4 and 0"):
        cache.blocked_traffic(4, 0)

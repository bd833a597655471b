import numpy as np
import pytest

from coursepkg.hardware.roofline import Roofline, seconds_by_size

ROOF = Roofline(peak=100.0, bandwidth=10.0, overhead=0.5)


def test_the_roof_is_the_lower_of_two_lines():
    np.testing.assert_allclose(ROOF.attainable(np.array([1.0, 10.0, 50.0])), [10, 100, 100])
    assert ROOF.ridge == 10


def test_the_slower_part_takes_the_time():
    assert ROOF.seconds(operations=200, moved=10) == 0.5 + 2
    assert ROOF.seconds(operations=1, moved=40) == 0.5 + 4


@pytest.mark.parametrize(
    ("operations", "moved", "limit"),
    [(1000, 1, "peak"), (1, 1000, "bandwidth"), (1, 1, "overhead")],
)
def test_it_says_what_limits(operations, moved, limit):
    assert ROOF.limit(operations, moved) == limit


@pytest.mark.parametrize(
    ("operations", "moved", "seconds"),
    [
        (0, 100, 1.0),  # the first size
        (0, 1000, 2.0),  # half of the way from 100 to 10,000 on a logarithmic scale
        (0, 10, 1.0),  # before the first
        (0, 20_000, 8.0),  # twice the last
        (300, 100, 3.5),  # computing takes longer
    ],
)
def test_measured_times_take_the_place_of_the_bandwidth(operations, moved, seconds):
    found = seconds_by_size(ROOF, [100, 10_000], [1.0, 4.0], operations, moved)
    assert found == pytest.approx(seconds)


def test_the_first_tpu_needs_1350_multiply_adds_for_each_byte_of_weights():
    """Published: 92e12 operations a second, 34e9 bytes a second of weights."""
    assert Roofline(92e12 / 2, 34e9).ridge == pytest.approx(1350, rel=0.01)


def test_impossible_limits_and_amounts_are_refused():
    with pytest.raises(ValueError, match="positive peak and bandwidth"):
        Roofline(0, 1)
    with pytest.raises(ValueError, match="overhead not negative, got 1, 1 and -1"):
        Roofline(1, 1, -1)
    with pytest.raises(ValueError, match="no negative amounts, got -1 and 2"):
        ROOF.seconds(-1, 2)

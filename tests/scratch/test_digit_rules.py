"""The features of drawn digits, the flood fill against a plain one, and the rules' accuracy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coursepkg.datasets import mnist
from coursepkg.scratch import digit_rules
from coursepkg.scratch.digit_rules import (
    RULES,
    SMALLEST_HOLE,
    features,
    find_holes,
    ink_of,
    read_by_rules,
    sees_ink,
    strokes,
)


def drawing(text):
    """Turn rows of # and . into an image of bytes, with a margin."""
    rows = [[255 * (mark == "#") for mark in row] for row in text.split()]
    return np.pad(np.array(rows, np.uint8), 3)


RING = "######## #......# #......# #......# #......# #......# #......# ########"
EIGHT = "###### #....# #....# #....# ###### #....# #....# #....# ######"
CUP = "#....# #....# #....# #....# #....# ######"
BAR = "## ## ## ## ## ## ## ## ## ##"
SIX = "#..... #..... #..... #..... #..... ###### #....# #....# ######"
NINE = "###### #....# #....# ###### .....# .....# .....# .....# .....#"


def plain_holes(ink):
    """Find the holes by painting all paper from outside, one pixel at a time."""
    padded = np.pad(ink, 1)
    free = {tuple(map(int, spot)) for spot in np.argwhere(~padded)}
    sizes = []
    while free:
        paint, size, outside = [min(free)], 0, False
        free.remove(paint[0])
        while paint:
            row, column = paint.pop()
            size += 1
            outside |= (row, column) == (0, 0)
            for spot in (
                (row + 1, column),
                (row - 1, column),
                (row, column + 1),
                (row, column - 1),
            ):
                if spot in free:
                    free.remove(spot)
                    paint.append(spot)
        if not outside and size >= SMALLEST_HOLE:
            sizes.append(size)
    return sorted(sizes, reverse=True)


def holes_of(ink):
    sides = sum(seen.astype(int) for seen in sees_ink(ink).values())
    return find_holes(ink, ~ink & (sides == 4))


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_holes_are_those_of_a_plain_flood_fill(ink):
    holes, looks = holes_of(ink)
    assert [hole.size for hole in holes] == plain_holes(ink)
    assert looks >= 4 * sum(hole.size for hole in holes)


@pytest.mark.parametrize("image", mnist.load_data()[0][0][:40])
def test_holes_of_real_digits(image):
    ink = ink_of(image)
    assert [hole.size for hole in holes_of(ink)[0]] == plain_holes(ink)


def test_the_middle_of_a_hole():
    assert features(drawing(RING)).holes == ((36, 0.5),)
    low, high = features(drawing(SIX)).holes[0], features(drawing(NINE)).holes[0]
    assert low.height == pytest.approx(7 / 9)
    assert high.height == pytest.approx(2 / 9)


def test_bays_open_on_one_side():
    for turns, side in enumerate(["top", "left", "bottom", "right"]):
        f = features(np.rot90(drawing(CUP), turns))
        found = {name for name in ("left", "right", "top", "bottom") if sum(getattr(f, name)) > 0}
        assert found == {side}
        assert sum(getattr(f, side)) == pytest.approx(20 / 36)


def test_a_bay_counts_in_its_half():
    upper, lower = features(drawing(CUP)).top
    assert (upper, lower) == pytest.approx((12 / 36, 8 / 36))


@pytest.mark.parametrize(
    ("line", "count"), [("....", 0), ("#...", 1), ("...#", 1), ("#.#.", 2), ("####", 1)]
)
def test_strokes(line, count):
    assert strokes(np.array([mark == "#" for mark in line])) == count


def test_widths_and_symmetry():
    f = features(drawing(SIX))
    assert (f.roof, f.base, f.width) == pytest.approx((1 / 6, 1, 6 / 9))
    assert features(drawing(RING)).symmetry == 1
    assert f.symmetry < 1


def test_the_running_time_depends_on_the_image():
    assert features(drawing(RING)).looks > features(drawing(BAR)).looks


@pytest.mark.parametrize(
    ("text", "digit"), [(RING, 0), (BAR, 1), (SIX, 6), (EIGHT, 8), (NINE, 9), (CUP, 4)]
)
def test_drawn_digits_are_read(text, digit):
    assert read_by_rules(features(drawing(text))) == digit


def test_a_later_rule_overrules_an_earlier_one():
    f = features(drawing(EIGHT))
    assert read_by_rules(f, RULES[:2]) is None
    assert read_by_rules(f, RULES[:3]) == 8
    assert read_by_rules(f, [*RULES, digit_rules.Rule(5, "always", lambda f: True)]) == 5


def test_accuracy_on_training_images():
    (images, labels), _ = mnist.load_data()
    measured = [features(image) for image in images[4000:6000]]

    def accuracy(rules):
        read = [read_by_rules(f, rules) for f in measured]
        return np.mean([one == label for one, label in zip(read, labels[4000:6000], strict=True)])

    assert 0.78 < accuracy(RULES) < 0.86
    assert accuracy(RULES[:5]) < 0.45


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((28, 28)), "image of bytes"),
        (np.zeros((1, 28, 28), np.uint8), "shape"),
        (np.full((28, 28), 127, np.uint8), "darkest is 127"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        ink_of(image)

"""Reading a handwritten digit by rules that a person wrote: no example is used when they run.

An image is cut down to the rectangle that holds its ink. Four kinds of features are then measured:
how wide the digit is, which holes it has, which bays it has (paper that ink encloses on three of
the four sides), and how often a straight line crosses ink. `RULES` turns them into a digit. The
numbers in the rules were typed by a person who looked at training images only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

DARK = 128
"""Pixels from this value on count as ink."""

SMALLEST_HOLE = 3
"""Holes of fewer pixels are taken for gaps of the pen."""


class Hole(NamedTuple):
    """A piece of paper with ink all around it.

    Attributes
    ----------
    size : int
        Its pixels.
    height : float
        Where its middle lies: 0 at the top of the digit, 1 at the bottom.
    """

    size: int
    height: float


class Features(NamedTuple):
    """What the rules know of one image.

    Attributes
    ----------
    width : float
        Width of the digit divided by its height.
    holes : tuple of Hole
        From the largest to the smallest.
    left, right, top, bottom : tuple of float
        Bays that are open on that side only, as shares of the rectangle: in the upper half of the
        digit, and in the lower half.
    crossings : tuple of int
        How often a level line crosses ink at 1/4, 1/2 and 3/4 of the height.
    roof, base : float
        Width of the ink in the highest and in the lowest fifth, as shares of the digit's width.
    symmetry : float
        Share of the ink whose mirror image, left for right, is ink too.
    looks : int
        How often a pixel was looked at; it differs between images. The threshold looks at each
        pixel of the image once, the lines of sight and the bays four times each at every pixel of
        the rectangle, and the paint at the four neighbours of every pixel that it fills.
    """

    width: float
    holes: tuple[Hole, ...]
    left: tuple[float, float]
    right: tuple[float, float]
    top: tuple[float, float]
    bottom: tuple[float, float]
    crossings: tuple[int, ...]
    roof: float
    base: float
    symmetry: float
    looks: int


def ink_of(image: np.ndarray) -> np.ndarray:
    """Return where the ink is, cut down to the rectangle that holds it.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
        0 is paper, 255 full ink.

    Returns
    -------
    ndarray of bool, shape (at most height, at most width)

    Raises
    ------
    ValueError
        If the image is no grid of bytes, or has no ink.
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(
            f"expected one image of bytes, shape (height, width); got {image.dtype} {image.shape}"
        )
    ink = image >= DARK
    if not ink.any():
        raise ValueError(f"expected a pixel of {DARK} or more; the darkest is {image.max()}")
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def sees_ink(ink: np.ndarray) -> dict[str, np.ndarray]:
    """Say for each pixel and direction whether there is ink that way.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)
        Where the ink is.

    Returns
    -------
    dict of ndarray of bool, shape (height, width)
        The keys are ``left``, ``right``, ``top`` and ``bottom``.
    """
    return {
        "left": np.logical_or.accumulate(ink, axis=1),
        "right": np.logical_or.accumulate(ink[:, ::-1], axis=1)[:, ::-1],
        "top": np.logical_or.accumulate(ink, axis=0),
        "bottom": np.logical_or.accumulate(ink[::-1], axis=0)[::-1],
    }


def find_holes(ink: np.ndarray, enclosed: np.ndarray) -> tuple[tuple[Hole, ...], int]:
    """Fill each enclosed region with paint; it is a hole if no paint runs out.

    Parameters
    ----------
    ink, enclosed : ndarray of bool, shape (height, width)
        Where the ink is, and the pixels of paper that see ink in all four directions.

    Returns
    -------
    tuple of Hole
        From the largest to the smallest.
    int
        How many pixels were looked at.
    """
    waiting = set(zip(*(axis.tolist() for axis in np.nonzero(enclosed)), strict=True))
    holes, looks = [], 0
    while waiting:
        paint, rows, leaks = [waiting.pop()], [], False
        while paint:
            row, column = paint.pop()
            rows.append(row)
            for spot in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                looks += 1
                if spot in waiting:
                    waiting.remove(spot)
                    paint.append(spot)
                elif not ink[spot] and not enclosed[spot]:
                    leaks = True
        if len(rows) >= SMALLEST_HOLE and not leaks:
            holes.append(Hole(len(rows), (sum(rows) / len(rows) + 0.5) / len(ink)))
    return tuple(sorted(holes, reverse=True)), looks


def strokes(line: np.ndarray) -> int:
    """Count the strokes that a line of pixels, shape (pixels,), runs through."""
    return int(line[0]) + int(np.count_nonzero(line[1:] & ~line[:-1]))


def reach(part: np.ndarray) -> float:
    """Return the width of the ink in some rows of a digit, as a share of the digit's width."""
    columns = np.flatnonzero(part.any(axis=0))
    return float(columns[-1] - columns[0] + 1) / part.shape[1] if len(columns) else 0.0


def features(image: np.ndarray) -> Features:
    """Measure an image, shape (height, width), for the rules."""
    ink = ink_of(image)
    height, width = ink.shape
    sees = sees_ink(ink)
    sides = sum(seen.astype(int) for seen in sees.values())
    holes, looks = find_holes(ink, ~ink & (sides == 4))
    bays = {}
    for side, seen in sees.items():
        bay = ~ink & ~seen & (sides == 3)
        halves = bay[: height // 2], bay[height // 2 :]
        bays[side] = tuple(float(half.sum()) / ink.size for half in halves)
    lines = tuple(strokes(ink[int(share * height)]) for share in (0.25, 0.5, 0.75))
    fifth = -(-height // 5)
    return Features(
        width / height,
        holes,
        **bays,
        crossings=lines,
        roof=reach(ink[:fifth]),
        base=reach(ink[-fifth:]),
        symmetry=float((ink & ink[:, ::-1]).sum() / ink.sum()),
        looks=image.size + 8 * ink.size + looks,
    )


class Rule(NamedTuple):
    """A digit, the sign by which to know it, and the test for that sign.

    Attributes
    ----------
    digit : int
        What to answer.
    sign : str
        The rule in words.
    holds : callable
        Takes the `Features` of an image and says whether the sign is there.
    """

    digit: int
    sign: str
    holds: Callable[[Features], bool]


def only_hole_at(f: Features, highest: float, lowest: float) -> bool:
    """Say whether there is one hole, with its middle between two heights."""
    return len(f.holes) == 1 and highest < f.holes[0].height < lowest


RULES = (
    Rule(1, "no hole", lambda f: not f.holes),
    Rule(0, "a hole", lambda f: len(f.holes) == 1),
    Rule(8, "two holes", lambda f: len(f.holes) >= 2),
    Rule(6, "the hole is low", lambda f: only_hole_at(f, 0.62, 1)),
    Rule(9, "the hole is high", lambda f: only_hole_at(f, 0, 0.42)),
    Rule(7, "wide above, narrow below", lambda f: not f.holes and f.roof > 1.4 * f.base),
    Rule(4, "open at the top", lambda f: not f.holes and f.top[0] > 0.02),
    Rule(
        3,
        "open to the left, twice",
        lambda f: not f.holes and f.left[0] > 0.02 and f.left[1] > 0.04 and f.base > 0.5,
    ),
    Rule(
        5,
        "open to the right above, to the left below",
        lambda f: not f.holes and f.right[0] > max(0.02, f.left[0]) and f.left[1] > 0.015,
    ),
    Rule(
        2,
        "open to the left above, to the right below",
        lambda f: (
            not f.holes
            and f.left[0] > 0.02
            and f.base > 0.5
            and (f.left[1] < 0.05 or f.right[1] > f.left[1])
        ),
    ),
    Rule(
        2, "a low loop, open to the left", lambda f: only_hole_at(f, 0.62, 1) and f.left[0] > 0.02
    ),
    Rule(
        8,
        "a low hole, two strokes above it",
        lambda f: only_hole_at(f, 0.62, 1) and f.crossings[0] >= 2,
    ),
    Rule(
        8,
        "a high hole, two strokes below it",
        lambda f: only_hole_at(f, 0, 0.42) and f.crossings[2] >= 2,
    ),
    Rule(1, "narrow", lambda f: not f.holes and f.width < 0.4),
    Rule(
        6,
        "a low hole that is not quite closed",
        lambda f: not f.holes and f.right[0] > 0.02 and f.left[1] < 0.015 and f.crossings[2] >= 2,
    ),
)
"""In the order in which they were written. A later rule overrules the earlier ones."""


def read_by_rules(f: Features, rules: Sequence[Rule] = RULES) -> int | None:
    """Return the digit of the last rule that holds, or None if none does.

    Parameters
    ----------
    f : Features
        Of one image.
    rules : sequence of Rule
        In the order in which they were written.
    """
    return next((rule.digit for rule in reversed(rules) if rule.holds(f)), None)

"""The entry to all checkers, and the tools that they share."""

from __future__ import annotations

import importlib
import importlib.util
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a checker found.

    Attributes
    ----------
    exercise : str
        The exercise's name.
    correct : bool
        Whether the answer is right.
    message : str
        What is wrong and how one could find it, or a word of confirmation.
    """

    exercise: str
    correct: bool
    message: str

    def __repr__(self) -> str:
        """Show a mark, the exercise and the message on one line."""
        return f"{'✓' if self.correct else '✗'} {self.exercise}: {self.message}"


class Wrong(Exception):
    """Raised by a checker: its message tells the learner what is wrong."""


def checker(exercise: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Register a function as the checker of an exercise.

    The function takes the answer, raises `Wrong` if it is not right, and otherwise returns a
    sentence of confirmation.
    """

    def register(function: Callable[[Any], str]) -> Callable[[Any], str]:
        CHECKERS[exercise] = function
        return function

    return register


CHECKERS: dict[str, Callable[[Any], str]] = {}


def check(exercise: str, answer: Any) -> Verdict:
    """Check the answer to an exercise.

    Parameters
    ----------
    exercise : str
        The exercise's name, ``"chapter.exercise"``.
    answer : object
        What the exercise asks for. None means: not answered yet.

    Returns
    -------
    Verdict
        Shown as one line at the end of a cell.

    Raises
    ------
    ValueError
        If there is no exercise of that name.
    """
    chapter = exercise.partition(".")[0]
    module = f"coursepkg.checks.{chapter}"
    if chapter.isidentifier() and importlib.util.find_spec(module):
        importlib.import_module(module)
    if exercise not in CHECKERS:
        known = sorted(name for name in CHECKERS if name.startswith(f"{chapter}."))
        raise ValueError(
            f"no exercise is called {exercise!r}; expected one of {known or 'chapter.exercise'}"
        )
    if answer is None:
        return Verdict(exercise, False, "no answer yet. Replace None by yours and run the cell.")
    try:
        return Verdict(exercise, True, CHECKERS[exercise](answer))
    except Wrong as reason:
        return Verdict(exercise, False, str(reason))


def as_number(answer: Any, what: str) -> float:
    """Return the answer as a float.

    Raises
    ------
    Wrong
        If it is no finite number.
    """
    is_number = isinstance(answer, numbers.Real) or (
        isinstance(answer, np.ndarray) and answer.shape == () and answer.dtype.kind in "iuf"
    )
    if isinstance(answer, bool) or not is_number:
        raise Wrong(f"expected a number, {what}; got {type(answer).__name__}.")
    if not math.isfinite(answer):
        raise Wrong(f"expected a finite number, {what}; got {answer}.")
    return float(answer)


def as_numbers(answer: Any, count: int, what: str) -> list[float]:
    """Return the answer, a sequence of so many numbers, as a list of floats.

    Raises
    ------
    Wrong
        If it is no sequence, has another length, or holds something else than numbers.
    """
    if not isinstance(answer, tuple | list | np.ndarray) or len(answer) != count:
        raise Wrong(f"expected a tuple of {count} numbers, {what}.")
    return [as_number(item, what) for item in answer]


def call(function: Any, *arguments: Any) -> Any:
    """Call the learner's function.

    Raises
    ------
    Wrong
        If it is no function, or if it raises.
    """
    if not callable(function):
        raise Wrong(f"expected a function (without parentheses); got {type(function).__name__}.")
    try:
        return function(*arguments)
    except Exception as error:
        raise Wrong(f"your function raised {type(error).__name__}: {error}") from error

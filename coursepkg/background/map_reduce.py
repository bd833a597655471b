"""Word count as map-reduce: pieces are worked on apart, and only pairs travel between machines.

The program is the example of J. Dean and S. Ghemawat, "MapReduce: simplified data processing on
large clusters", OSDI (2004). Here the machines are threads of one computer.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

Pairs = list[tuple[str, int]]

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


class Result(NamedTuple):
    """What a run gave.

    Attributes
    ----------
    values : dict
        The reduced value of each key.
    sent : int
        How many pairs went from the machines that map to those that reduce.
    attempts : int
        How often a piece was mapped, failures included.
    """

    values: dict[str, int]
    sent: int
    attempts: int


def word_pairs(piece: str) -> Pairs:
    """Map a piece of text to one pair (word, 1) for each word in it."""
    return [(word, 1) for word in _WORD.findall(piece.lower())]


def split_text(text: str, pieces: int) -> list[str]:
    """Cut a text into pieces of about the same length, between two lines.

    Raises
    ------
    ValueError
        If there are fewer lines than pieces, or `pieces` is not positive.
    """
    lines = text.splitlines(keepends=True)
    if not 1 <= pieces <= len(lines):
        raise ValueError(f"expected from 1 to {len(lines)} pieces, got {pieces}")
    edges = [round(index * len(lines) / pieces) for index in range(pieces + 1)]
    return ["".join(lines[a:b]) for a, b in itertools.pairwise(edges)]


def grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Collect the values of each key."""
    groups: dict[str, list[int]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def map_reduce(
    pieces: Sequence[str],
    mapper: Callable[[str], Pairs],
    reducer: Callable[[list[int]], int],
    reducers: int = 4,
    combine: bool = False,
    tries: int = 3,
) -> Result:
    """Map each piece, send each pair to the machine that is in charge of its key, and reduce.

    Parameters
    ----------
    pieces : sequence of str
        Each is mapped by itself; a piece whose mapper raises `ConnectionError` is mapped again.
    mapper : callable
        Takes a piece, returns pairs (key, value).
    reducer : callable
        Takes all the values of a key, returns one.
    reducers : int
        How many machines reduce.
    combine : bool
        Whether each machine reduces its own pairs before it sends them. That is right only if
        reducing parts and then their results gives the same.
    tries : int
        How often a piece is tried before the whole run fails.

    Raises
    ------
    ValueError
        If `reducers` or `tries` is not positive.
    ConnectionError
        If a piece fails in each of its tries.
    """
    if reducers < 1 or tries < 1:
        raise ValueError(f"expected at least one reducer and one try, got {reducers} and {tries}")

    def on_one_machine(piece: str) -> tuple[Pairs, int]:
        pairs, attempts = _with_tries(mapper, piece, tries)
        if combine:
            pairs = [(key, reducer(values)) for key, values in grouped(pairs).items()]
        return pairs, attempts

    with ThreadPoolExecutor() as machines:
        mapped = list(machines.map(on_one_machine, pieces))
    inboxes: list[Pairs] = [[] for _ in range(reducers)]
    for pairs, _ in mapped:
        for key, value in pairs:
            inboxes[zlib.crc32(key.encode()) % reducers].append((key, value))
    values = {
        key: reducer(group) for inbox in inboxes for key, group in sorted(grouped(inbox).items())
    }
    return Result(values, sum(map(len, inboxes)), sum(attempts for _, attempts in mapped))


def _with_tries(mapper: Callable[[str], Pairs], piece: str, tries: int) -> tuple[Pairs, int]:
    for attempt in range(1, tries):
        try:
            return mapper(piece), attempt
        except ConnectionError:
            continue
    return mapper(piece), tries

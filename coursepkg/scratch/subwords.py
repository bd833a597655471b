r"""Byte-pair encoding: words cut into pieces, frequent words whole and rare ones into several.

It starts from single characters. Again and again, the pair of neighbouring pieces that occurs most
often within the words of a text becomes one piece. Every word can then be written, also one that
the text did not have.

References
----------
R. Sennrich, B. Haddow and A. Birch, "Neural Machine Translation of Rare Words with Subword Units",
ACL 2016.
"""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

SPACE = "▁"
"""Stands for the space before a word, so that a sentence can be put together again."""


def cut_words(sentence: str) -> list[str]:
    """Cut a sentence into words and signs; those after a space begin with `SPACE`."""
    marked = SPACE + SPACE.join(sentence.split())
    return re.findall(rf"{SPACE}?[^\W{SPACE}]+|{SPACE}?[^\w\s]", marked)


def merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """Join a pair of neighbours wherever it occurs, from left to right."""
    joined: list[str] = []
    place = 0
    while place < len(pieces):
        found = tuple(pieces[place : place + 2]) == pair
        joined.append("".join(pair) if found else pieces[place])
        place += 2 if found else 1
    return joined


def learn_merges(sentences: Iterable[str], count: int) -> list[tuple[str, str]]:
    """Find the pairs to join, in this order.

    Parameters
    ----------
    sentences : iterable of str
        The text to learn from.
    count : int
        How many pairs to find; fewer if no pair occurs twice.

    Returns
    -------
    list of (str, str)

    Raises
    ------
    ValueError
        If the count is negative.
    """
    if count < 0:
        raise ValueError(f"expected a count of at least 0, got {count}")
    frequency = Counter(word for sentence in sentences for word in cut_words(sentence))
    cut = {word: [*word] for word in frequency}
    pairs: Counter[tuple[str, str]] = Counter()
    words_with = defaultdict(set)
    for word, pieces in cut.items():
        for pair in pairwise(pieces):
            pairs[pair] += frequency[word]
            words_with[pair].add(word)
    # A heap gives the most frequent pair without looking at all; outdated entries are skipped.
    heap = [(-number, pair) for pair, number in pairs.items()]
    heapq.heapify(heap)
    merges: list[tuple[str, str]] = []
    while len(merges) < count and heap:
        number, best = heapq.heappop(heap)
        if -number != pairs[best]:
            continue
        if -number < 2:
            break
        merges.append(best)
        changed = set()
        for word in words_with.pop(best):
            before, cut[word] = cut[word], merged(cut[word], best)
            for pair in pairwise(before):
                pairs[pair] -= frequency[word]
                changed.add(pair)
            for pair in pairwise(cut[word]):
                pairs[pair] += frequency[word]
                words_with[pair].add(word)
                changed.add(pair)
        for pair in changed:
            heapq.heappush(heap, (-pairs[pair], pair))
    return merges


class Subwords:
    """Pieces of words, numbered.

    Parameters
    ----------
    sentences : iterable of str
        The text to learn from.
    merges : int
        How many times to join a pair.
    reserved : int
        How many numbers to leave free, from 0; the first free one after them stands for any
        character that the text did not have.

    Attributes
    ----------
    pieces : list of str
        The piece of each number, empty for those that are no pieces.
    """

    def __init__(self, sentences: Iterable[str], merges: int, reserved: int) -> None:
        sentences = list(sentences)
        characters = {c for sentence in sentences for word in cut_words(sentence) for c in word}
        pairs = learn_merges(sentences, merges)
        self.unknown = reserved
        joined = dict.fromkeys(first + second for first, second in pairs)
        self.pieces = [*[""] * (reserved + 1), *sorted(characters), *joined]
        self._numbers = {piece: number for number, piece in enumerate(self.pieces) if piece}
        self._rank = {pair: rank for rank, pair in enumerate(pairs)}
        self._known: dict[str, list[int]] = {}

    def cut(self, word: str) -> list[str]:
        """Cut a word of `cut_words` into pieces, by the pairs in the order of learning."""
        pieces = [*word]
        while len(pieces) > 1:
            best = min(pairwise(pieces), key=lambda pair: self._rank.get(pair, len(self._rank)))
            if best not in self._rank:
                break
            pieces = merged(pieces, best)
        return pieces

    def encode(self, sentence: str) -> list[int]:
        """Return the numbers of a sentence's pieces."""
        numbers: list[int] = []
        for word in cut_words(sentence):
            if word not in self._known:
                cut = self.cut(word)
                self._known[word] = [self._numbers.get(piece, self.unknown) for piece in cut]
            numbers += self._known[word]
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        """Put a sentence together again."""
        return "".join(self.pieces[number] for number in numbers).replace(SPACE, " ").strip()

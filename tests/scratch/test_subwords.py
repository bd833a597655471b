"""Byte-pair encoding, against a plain search, and with the example of its authors."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch.subwords import Subwords, cut_words, learn_merges, merged

texts = st.lists(st.text("abc d", min_size=1, max_size=12), min_size=1, max_size=6)


def plainly(sentences, count):
    """Count all pairs anew for every merge."""
    words = Counter(word for sentence in sentences for word in cut_words(sentence))
    cut = {word: [*word] for word in words}
    found = []
    for _ in range(count):
        pairs = Counter()
        for word, pieces in cut.items():
            for pair in pairwise(pieces):
                pairs[pair] += words[word]
        number = max(pairs.values(), default=0)
        if number < 2:
            break
        found.append(min(pair for pair in pairs if pairs[pair] == number))
        cut = {word: merged(pieces, found[-1]) for word, pieces in cut.items()}
    return found


@given(texts, st.integers(0, 12))
def test_merges_are_those_of_a_plain_search(sentences, count):
    assert learn_merges(sentences, count) == plainly(sentences, count)


def test_the_example_of_the_paper():
    """Figure 1 there has low, lowest, newer and wider; here without its sign for a word's end."""
    text = ["low"] * 5 + ["lowest"] * 2 + ["newer"] * 6 + ["wider"] * 3
    assert learn_merges(text, 1) == [("e", "r")]
    subwords = Subwords(text, 100, reserved=3)
    assert subwords.cut("▁lower") == ["▁low", "er"]


@given(texts, st.text("abc d,.", max_size=15), st.integers(0, 10))
def test_what_is_encoded_can_be_decoded(sentences, new, merges):
    subwords = Subwords([*sentences, "a,. b c d"], merges, reserved=2)
    numbers = subwords.encode(new)
    assert all(number > 2 for number in numbers)
    tidy = " ".join(new.split())
    assert subwords.decode(numbers) == tidy
    assert len(subwords.pieces) == len(set(subwords.pieces)) + 2


def test_signs_are_no_part_of_a_word_and_unknown_characters_have_a_number():
    assert cut_words("¿Qué,  dijo él?") == ["▁¿", "Qué", ",", "▁dijo", "▁él", "?"]
    subwords = Subwords(["ab ab"], 5, reserved=3)
    assert subwords.pieces == ["", "", "", "", "a", "b", "▁", "ab", "▁ab"]
    assert subwords.encode("ab aXb") == [8, 6, 4, 3, 5]


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="at least 0, got -1"):
        learn_merges(["a"], -1)

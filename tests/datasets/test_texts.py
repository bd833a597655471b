"""The modules shakespeare and english_spanish, through their public functions."""

import re
from collections import Counter

import numpy as np
import pytest

from coursepkg.datasets import english_spanish, shakespeare

TRAIN, TEST = shakespeare.load_data()
PAIRS = english_spanish.load_data()


def test_the_texts_have_the_documented_lengths_and_characters():
    assert (len(TRAIN), len(TEST)) == (1_015_434, 92_183)
    assert "".join(sorted(set(TRAIN))) == shakespeare.CHARACTERS
    assert set(TEST) <= set(shakespeare.CHARACTERS)
    assert len(shakespeare.CHARACTERS) == 62


def test_the_test_play_is_not_trained_on():
    train, test = shakespeare.plays()
    assert len(train) == 8
    assert test == ["romances/the-tempest"]
    speeches = {s for s in TRAIN.split("\n\n") if len(s) > 80}
    assert not speeches & set(TEST.split("\n\n"))


def test_known_lines_are_there_and_no_markup():
    assert "HAMLET:\nTo be, or not to be: that is the question:\n" in TRAIN
    assert "We are such stuff\nAs dreams are made on" in TEST
    for text in (TRAIN, TEST):
        assert "\n\n\n" not in text
        assert "  " not in text
        assert " \n" not in text
        assert not re.search(r"\b(?:ACT|SCENE) [IVX]+\b", text)
        assert not re.search(r"^(?:Exeunt|Exit)\b", text, flags=re.MULTILINE)


def test_nearly_all_speeches_begin_with_their_speaker():
    for text in (TRAIN, TEST):
        speeches = text.split("\n\n")
        named = [s for s in speeches if re.match(r"[A-Za-z][A-Za-z ,.'-]*:\n", s)]
        assert len(named) > 0.85 * len(speeches)


@pytest.mark.parametrize(("part", "n"), [(0, 16_620), (1, 1000)])
def test_pairs_are_short_whole_and_different(part, n):
    for sentences in PAIRS[part]:
        assert len(sentences) == len(set(sentences)) == n
        for sentence in sentences:
            assert 1 <= len(sentence.split()) <= 25
            assert not re.search(r"[<>“”‘’\n\t]|  | [,.;:!?]", sentence)


def test_no_sentence_is_in_both_parts():
    for train, test in zip(*PAIRS, strict=True):
        assert not set(train) & set(test)


def test_the_languages_are_not_confused():
    for english, spanish in PAIRS:
        text = " ".join(english).lower().split()
        texto = " ".join(spanish).lower().split()
        assert Counter(text)["the"] > 100 * Counter(texto)["the"] + len(english) // 2
        assert Counter(texto)["de"] > 100 * Counter(text)["de"] + len(spanish) // 2


# Not one line may slip: "Moses" and "Moisés" stand in the same pairs, but for pronouns.
@pytest.mark.parametrize(
    ("name", "nombre"), [("Moses", "Moisés"), ("Solomon", "Salomón"), ("Egypt", "Egipto")]
)
def test_names_stand_in_the_same_pairs(name, nombre):
    ((english, spanish), _) = PAIRS
    one = np.array([name in sentence for sentence in english])
    other = np.array([nombre in sentence for sentence in spanish])
    assert one.sum() >= 15
    assert (one & other).sum() > 0.8 * (one | other).sum()
    assert (one & np.roll(other, 1)).sum() < 0.2 * one.sum()

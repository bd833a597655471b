from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.background.map_reduce import grouped, map_reduce, split_text, word_pairs

TEXT = "To be, or not to be:\nthat is the question.\nDon't ask!\n" * 5


def counted(pieces, **options):
    return map_reduce(pieces, word_pairs, sum, **options)


def test_words():
    assert word_pairs("Don't STOP: 'tis 3 o'clock.") == [
        ("don't", 1), ("stop", 1), ("tis", 1), ("o'clock", 1),
    ]  # fmt: skip


@given(st.text("ab \n"), st.integers(1, 6), st.integers(1, 5), st.booleans())
def test_the_counts_do_not_depend_on_how_the_work_is_divided(text, pieces, reducers, combine):
    text += "\n" * 6
    result = counted(split_text(text, pieces), reducers=reducers, combine=combine)
    assert result.values == Counter(text.split())


@given(st.integers(1, 15))
def test_pieces_are_the_text(pieces):
    parts = split_text(TEXT, pieces)
    assert len(parts) == pieces
    assert "".join(parts) == TEXT
    assert max(map(len, parts)) - min(map(len, parts)) < 60


def test_what_is_sent():
    pieces = split_text(TEXT, 5)
    assert counted(pieces).sent == len(word_pairs(TEXT))
    assert counted(pieces, combine=True).sent == sum(len(grouped(word_pairs(p))) for p in pieces)


def test_a_lost_machine_is_replaced():
    failed = []

    def fails_once(piece):
        if piece.startswith("To") and not failed:
            failed.append(piece)
            raise ConnectionError("gone")
        return word_pairs(piece)

    pieces = split_text(TEXT, 5)
    result = map_reduce(pieces, fails_once, sum)
    assert result.values == counted(pieces).values
    assert (result.attempts, counted(pieces).attempts) == (6, 5)


def test_after_the_last_try_the_run_fails():
    def fails(piece):
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        map_reduce(["a"], fails, sum, tries=2)


def test_a_mistake_in_the_mapper_is_not_tried_again():
    calls = []

    def broken(piece):
        calls.append(piece)
        raise KeyError(piece)

    with pytest.raises(KeyError):
        map_reduce(["a"], broken, sum)
    assert len(calls) == 1


@pytest.mark.parametrize("pieces", [0, -1, 16])
def test_a_text_is_cut_between_lines(pieces):
    with pytest.raises(ValueError, match=f"from 1 to 15 pieces, got {pieces}"):
        split_text(TEXT, pieces)


@pytest.mark.parametrize("options", [{"reducers": 0}, {"tries": 0}])
def test_there_is_a_reducer_and_a_try(options):
    with pytest.raises(ValueError, match="at least one reducer and one try"):
        counted(["a"], **options)

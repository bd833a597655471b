"""Counts of runs of tokens, against a count with dictionaries."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.scratch.ngrams import bits_per_token, next_token_probabilities

texts = st.integers(1, 4).flatmap(
    lambda kinds: st.tuples(
        st.just(kinds),
        *[st.lists(st.integers(0, kinds - 1), min_size=3, max_size=30).map(np.array)] * 2,
    )
)


def plain(train, context, token, kinds):
    """Apply the formula at the top of the module by recursion over contexts, with dictionaries."""
    if context is None:
        return 1 / kinds
    n = len(context)
    runs = Counter(tuple(train[i : i + n + 1]) for i in range(len(train) - n))
    followers = {run[-1]: count for run, count in runs.items() if run[:-1] == context}
    shorter = plain(train, context[1:] if n else None, token, kinds)
    if not followers:
        return shorter
    share = followers.get(token, 0) + len(followers) * shorter
    return share / (sum(followers.values()) + len(followers))


@given(texts, st.integers(1, 3))
def test_probabilities_are_those_of_a_plain_count(drawn, order):
    kinds, train, test = drawn
    rows = next_token_probabilities(train, test, order, kinds)
    assert rows.shape == (order + 1, len(test) - order + 1)
    for n in range(1, order + 1):
        for column, position in enumerate(range(order - 1, len(test))):
            context = tuple(test[position - n + 1 : position])
            expected = plain(train.tolist(), context, test[position], kinds)
            assert rows[n, column] == pytest.approx(expected, rel=1e-12)


@given(texts, st.integers(1, 3))
def test_probabilities_of_all_tokens_add_up_to_one(drawn, order):
    kinds, train, test = drawn
    context = test[: order - 1]
    total = sum(
        next_token_probabilities(train, np.append(context, token), order, kinds)[:, -1]
        for token in range(kinds)
    )
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_a_text_that_repeats_itself_is_predicted_by_its_last_token():
    text = np.tile([0, 1, 2, 3], 500)
    bits = bits_per_token(next_token_probabilities(text, text, 2, 4))
    np.testing.assert_allclose(bits[:2], 2, atol=1e-3)
    assert bits[2] < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0, 1], 0, 2), "order: expected 1 to 63 for 2 tokens, got 0"),
        (([0, 1], [0, 1], 11, 62), "order: expected 1 to 10 for 62 tokens, got 11"),
        (([0, 1], [0], 2, 2), r"test: expected 2 tokens or more, all of them 0\.\.1"),
        (([0, 2], [0, 1], 1, 2), r"train: expected 1 tokens or more, all of them 0\.\.1"),
        (([0, 1], [-1, 1], 1, 2), r"test: expected 1 tokens or more"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    train, test, order, kinds = arguments
    with pytest.raises(ValueError, match=message):
        next_token_probabilities(np.array(train), np.array(test), order, kinds)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match="expected probabilities above 0 and at most 1"):
        bits_per_token(np.array([0.5, p]))

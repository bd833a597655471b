"""Translators: what may depend on what, what attention adds, and that both learn."""

import keras
import numpy as np
import pytest

from coursepkg.models.translation import RecurrentTranslator

START, END = 1, 2


def as_numpy(x):
    return keras.ops.convert_to_numpy(x)


def small(attention, seed=0, **settings):
    keras.utils.set_random_seed(seed)
    return RecurrentTranslator(9, 8, width=4, units=6, attention=attention, **settings)


both = pytest.mark.parametrize("attention", [True, False])


@both
def test_padding_and_the_future_do_not_matter_but_the_source_does(attention):
    network = small(attention)
    source, target = np.array([[3, 4, 5]]), np.array([[1, 2, 3, 4]])
    logits = as_numpy(network([source, target]))
    assert logits.shape == (1, 4, 8)
    padded = as_numpy(network([np.array([[3, 4, 5, 0, 0]]), target]))
    np.testing.assert_allclose(padded, logits, atol=1e-5)
    ahead = as_numpy(network([source, np.array([[1, 2, 7, 7]])]))
    np.testing.assert_allclose(ahead[:, :2], logits[:, :2], atol=1e-5)
    assert np.abs(ahead - logits)[:, 2:].max() > 1e-3
    for other in ([[6, 4, 5]], [[3, 4, 6]]):
        assert np.abs(as_numpy(network([np.array(other), target])) - logits).max() > 1e-3


def test_attention_costs_no_parameters():
    assert small(True).count_params() == small(False).count_params()


def test_the_weights_are_a_softmax_of_products_of_states():
    network = small(True)
    source, target = np.array([[3, 4, 5, 0], [6, 7, 0, 0]]), np.array([[1, 2, 3], [1, 4, 5]])
    there, last = network.read(source)
    first = network.first_state(last)
    logits, _, weights = map(as_numpy, network.write(target, first, source, there, last))
    states, _ = network.writer(network.target_table(target), initial_state=first)
    scores = as_numpy(states) @ as_numpy(there).transpose(0, 2, 1)
    expected = np.exp(scores) * (source != 0)[:, None]
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    np.testing.assert_allclose(logits, as_numpy(network([source, target])), atol=1e-5)


@both
def test_translations_written_step_by_step_are_the_most_probable_ones(attention):
    """Each token must be the best one for the whole sentence so far, read at once."""
    network = small(attention, seed=3)
    for weight in network.weights:
        weight.assign(keras.random.normal(weight.shape) * 0.8)
    source = np.array([[3, 4, 5, 8, 0], [6, 7, 0, 0, 0], [5, 5, 3, 4, 8]])
    written, looked = network.translate(source, START, END, most=7)
    assert len(looked) == min(7, max(map(len, written)) + 1)
    assert len({*map(tuple, written)}) > 1
    for row, tokens in zip(source, written, strict=True):
        target = np.array([[START, *tokens]])
        best = as_numpy(network([row[None], target]))[0].argmax(axis=-1).tolist()
        assert best[:-1] == tokens
        assert len(tokens) == 7 or best[-1] == END
    for weights in looked:
        if attention:
            np.testing.assert_allclose(as_numpy(weights).sum(axis=-1), 1, atol=1e-5)
            assert (as_numpy(weights)[1, 2:] < 1e-6).all()
        else:
            assert weights is None


@both
def test_both_learn_to_reverse_two_tokens_and_to_end(attention):
    keras.utils.set_random_seed(0)
    network = RecurrentTranslator(6, 6, width=12, units=24, attention=attention)
    rng = np.random.default_rng(0)
    source = rng.integers(3, 6, (400, 2))
    target = np.pad(source[:, ::-1], ((0, 0), (1, 1)), constant_values=((0, 0), (START, END)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.Adam(0.03), loss=loss, jit_compile=False)
    network.fit([source, target[:, :-1]], target[:, 1:], batch_size=20, epochs=4, verbose=0)
    written, _ = network.translate(source[:50], START, END, most=4)
    right = [row == wanted[::-1].tolist() for row, wanted in zip(written, source, strict=False)]
    assert np.mean(right) > 0.95


def test_rows_read_at_first_have_a_standard_deviation_of_one():
    keras.utils.set_random_seed(0)
    network = RecurrentTranslator(500, 8, width=64, units=4, attention=False)
    assert as_numpy(network.source_table(np.arange(500)[None])).std() == pytest.approx(1, abs=0.05)


def test_an_odd_number_of_units_is_refused():
    with pytest.raises(ValueError, match="an even number of units, got 5"):
        RecurrentTranslator(9, 8, width=4, units=5, attention=True)

"""Transformers: sizes, what may depend on what, parity with the NumPy blocks, the cache."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursepkg.models import attention as models
from coursepkg.models.convolution import without_weights
from coursepkg.scratch import attention as scratch

GPT2_SMALL = {"tokens": 50_257, "length": 1024, "width": 768, "hidden": 3072, "blocks": 12}
BERT_BASE = {"tokens": 30_522, "length": 512, "width": 768, "hidden": 3072, "blocks": 12}
BASE = {"width": 512, "hidden": 2048, "blocks": 6}
BIG = {"width": 1024, "hidden": 4096, "blocks": 6}
SHARED_TOKENS = 37_000

sizes = st.fixed_dictionaries(
    {
        "tokens": st.integers(3, 30),
        "length": st.integers(2, 9),
        "heads": st.integers(1, 3),
        "head_width": st.sampled_from([2, 4]),
        "hidden": st.integers(1, 12),
        "blocks": st.integers(1, 3),
    }
)


def as_numpy(x):
    return keras.ops.convert_to_numpy(x)


def small_gpt(seed, tokens=11, length=14, blocks=2):
    """Build a network whose weights are large enough for its answers to differ."""
    keras.utils.set_random_seed(seed)
    network = models.gpt(tokens, length, width=8, heads=2, hidden=12, blocks=blocks)
    for weight in network.weights:
        weight.assign(keras.random.normal(weight.shape) * 0.8)
    network.positions.table.assign(keras.random.normal((length, 8)) * 4)
    return network


def test_published_parameter_counts():
    assert models.gpt_parameters(**GPT2_SMALL) == 124_439_808
    assert models.bert_parameters(**BERT_BASE) == 109_482_240


def test_the_transformers_of_the_paper():
    """Table 3 of the paper gives 65 and 213 million, and does not say what is counted."""
    base = models.transformer_parameters(SHARED_TOKENS, **BASE)
    big = models.transformer_parameters(SHARED_TOKENS, **BIG)
    assert (base, big) == (63_082_496, 214_245_376)
    assert base == pytest.approx(65e6, rel=0.03)
    assert big == pytest.approx(213e6, rel=0.01)


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (lambda: models.gpt(heads=12, **GPT2_SMALL), 124_439_808),
        (lambda: models.bert(heads=12, **BERT_BASE), 109_482_240),
        (lambda: models.transformer(SHARED_TOKENS), 63_082_496),
        (lambda: models.transformer(SHARED_TOKENS, heads=16, **BIG), 214_245_376),
    ],
    ids=["gpt-2 small", "bert-base", "transformer base", "transformer big"],
)
def test_the_networks_have_these_sizes_when_built_without_memory(build, count):
    with without_weights():
        assert build().count_params() == count


@settings(max_examples=8, deadline=None)
@given(sizes)
def test_formulas_count_as_keras_does(size):
    width = size["heads"] * size.pop("head_width")
    heads, tokens = size.pop("heads"), size["tokens"]
    gpt = models.gpt(heads=heads, width=width, **size)
    assert gpt.count_params() == models.gpt_parameters(width=width, **size)
    bert = models.bert(heads=heads, width=width, **size)
    assert bert.count_params() == models.bert_parameters(width=width, **size)
    del size["length"]
    whole = models.transformer(
        heads=heads,
        width=width,
        source_tokens=tokens,
        **{key: size[key] for key in ("hidden", "blocks")},
    )
    assert whole.count_params() == models.transformer_parameters(width=width, **size)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("kind", ["encoder", "decoder", "cross"])
def test_blocks_equal_those_in_numpy(norm, kind):
    rng = np.random.default_rng(0)
    x, other = rng.normal(size=(2, 3, 5, 6)).astype("float32")
    seen = keras.Input((5, 6))
    encoded = keras.Input((5, 6))
    if kind == "encoder":
        ours = scratch.EncoderBlock(6, 2, 7, rng, norm, dtype=np.float32)
        network = keras.Model(seen, models.encoder_block(seen, 2, 7, norm=norm, epsilon=1e-3))
        inputs = [x]
    else:
        cross = kind == "cross"
        ours = scratch.DecoderBlock(6, 2, 7, rng, cross, norm, dtype=np.float32)
        second = encoded if cross else None
        built = models.decoder_block(seen, 2, 7, encoded=second, norm=norm, epsilon=1e-3)
        network = keras.Model([seen, encoded] if cross else seen, built)
        inputs = [x, other] if cross else [x]
    values = [rng.normal(size=p.shape).astype("float32") for p in ours.parameters]
    for parameter, value in zip(ours.parameters, values, strict=True):
        parameter[...] = value
    for weight, value in zip(network.weights, values, strict=True):
        weight.assign(value)
    theirs = as_numpy(network(inputs if len(inputs) > 1 else inputs[0]))
    expected = ours.forward(x, encoded=other) if kind == "cross" else ours.forward(x)
    np.testing.assert_allclose(theirs, expected, rtol=1e-4, atol=2e-5)


def test_positions_are_those_in_numpy():
    x = np.zeros((1, 9, 6), "float32")
    ours = scratch.sinusoidal_positions(9, 6)
    np.testing.assert_allclose(as_numpy(models.SinusoidalPositions()(x))[0], ours, atol=1e-5)


def test_causal_attention_equals_that_of_keras():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 5, 6)).astype("float32")
    ours, theirs = models.CausalSelfAttention(6, 3), keras.layers.MultiHeadAttention(3, 2)
    ours.build(x.shape)
    theirs.build(x.shape, x.shape)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        value = rng.normal(size=mine.shape).astype("float32")
        mine.assign(value)
        other.assign(value.reshape(other.shape))
    found = as_numpy(theirs(x, x, use_causal_mask=True))
    np.testing.assert_allclose(as_numpy(ours(x)), found, rtol=1e-4, atol=1e-5)


def test_gpt_does_not_look_ahead():
    network = small_gpt(0)
    tokens = np.arange(1, 11)[None]
    changed = tokens.copy()
    changed[0, 6] = 0
    before, after = as_numpy(network(tokens)), as_numpy(network(changed))
    np.testing.assert_allclose(before[:, :6], after[:, :6], atol=1e-5)
    assert np.abs(before[:, 6:] - after[:, 6:]).max(axis=-1).min() > 1e-3


def test_gpt_reads_rows_of_any_length_up_to_its_own():
    network, tokens = small_gpt(1), np.arange(10)[None]
    whole = network.predict_on_batch(tokens)
    for length in (7, 3):
        part = network.predict_on_batch(tokens[:, :length])
        np.testing.assert_allclose(part, whole[:, :length], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_cache_changes_neither_tokens_nor_logits(seed):
    network = small_gpt(seed)
    prompt = [1, 4, 2]
    one_step, cache = network.one_step(), np.zeros((1, *network.cache_shape), "float32")
    cached = models.generate(network, prompt, 9, one_step)
    assert cached == models.generate(network, prompt, 9)
    assert len(set(cached)) > 1
    whole = as_numpy(network(np.array([prompt + cached])))
    for position, token in enumerate(prompt + cached):
        step = [np.array([[token]]), np.array([position]), cache]
        logits, cache = one_step.predict_on_batch(step)
        np.testing.assert_allclose(logits[0, 0], whole[0, position], rtol=1e-4, atol=1e-3)


def test_attention_maps_are_causal_weights():
    network = small_gpt(2)
    maps = network.attention_maps(np.arange(10)[None])
    assert len(maps) == 2
    for weights in map(as_numpy, maps):
        assert weights.shape == (1, 2, 10, 10)
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
        assert (weights[..., ~np.tri(10, dtype=bool)] == 0).all()


def test_a_gpt_learns_a_sequence_by_heart():
    tokens = np.array([[1, 5, 1, 3, 5, 2, 4, 3]])
    keras.utils.set_random_seed(0)
    network = models.gpt(6, 8, width=16, heads=2, hidden=32, blocks=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    rows = np.tile(tokens, (100, 1))
    network.fit(rows[:, :-1], rows[:, 1:], batch_size=1, verbose=0)
    assert models.generate(network, [1], 7) == tokens[0, 1:].tolist()


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_transformer_ignores_padding_and_the_future(norm):
    keras.utils.set_random_seed(0)
    network = models.transformer(9, 8, width=8, heads=2, hidden=12, blocks=2, norm=norm)
    source, target = np.array([[3, 4, 5]]), np.array([[1, 2, 3, 4]])
    logits = as_numpy(network([source, target]))
    assert logits.shape == (1, 4, 8)
    padded = as_numpy(network([np.array([[3, 4, 5, 0, 0]]), target]))
    np.testing.assert_allclose(padded, logits, atol=1e-5)
    ahead = as_numpy(network([source, np.array([[1, 2, 7, 7]])]))
    np.testing.assert_allclose(ahead[:, :2], logits[:, :2], atol=1e-5)
    other = as_numpy(network([np.array([[3, 4, 6]]), target]))
    assert np.abs(other - logits).max() > 1e-3


def test_bert_looks_both_ways_but_not_at_padding():
    keras.utils.set_random_seed(0)
    network = models.bert(9, 6, width=8, heads=2, hidden=12, blocks=2)
    tokens, kinds = np.array([[1, 2, 3, 4, 0, 0]]), np.zeros((1, 6), int)
    mask = tokens > 0
    rows, pooled = map(as_numpy, network([tokens, kinds, mask]))
    assert rows.shape == (1, 6, 8)
    assert pooled.shape == (1, 8)
    other, _ = map(as_numpy, network([np.array([[1, 2, 3, 4, 7, 7]]), kinds, mask]))
    np.testing.assert_allclose(other[:, :4], rows[:, :4], atol=1e-5)
    later, _ = map(as_numpy, network([np.array([[1, 2, 3, 5, 0, 0]]), kinds, mask]))
    assert np.abs(later[:, 0] - rows[:, 0]).max() > 1e-5
    second, _ = map(as_numpy, network([tokens, kinds + 1, mask]))
    assert np.abs(second - rows).max() > 1e-3


def test_masking_hides_the_shares_that_bert_hides():
    tokens = np.tile(np.arange(50), (400, 10))
    seed = keras.random.SeedGenerator(3)
    shown, weights = map(as_numpy, models.mask_tokens(tokens, 50, seed))
    chosen = weights == 1
    assert set(np.unique(weights)) == {0, 1}
    assert chosen.mean() == pytest.approx(0.15, abs=0.005)
    assert (shown[~chosen] == tokens[~chosen]).all()
    assert (shown[chosen] == 50).mean() == pytest.approx(0.8, abs=0.01)
    assert (shown[chosen] == tokens[chosen]).mean() == pytest.approx(0.1 + 0.1 / 50, abs=0.01)
    assert shown.max() == 50


def test_masked_training_uses_both_sides():
    """In rows that count up from a random start, a neighbour on either side gives a token away."""
    rng = np.random.default_rng(0)
    tokens = (rng.integers(0, 12, (600, 1)) + np.arange(8)) % 12
    keras.utils.set_random_seed(0)
    encoder = models.bert(13, 8, width=24, heads=2, hidden=48, blocks=1, dropout=0.0)
    network = models.masked_language_model(encoder)
    start = as_numpy(encoder.get_layer("tokens").table)
    shown, weights = models.mask_tokens(tokens, 12, keras.random.SeedGenerator(0))
    network.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    network.fit(shown, tokens, sample_weight=weights, batch_size=32, epochs=15, verbose=0)
    assert np.abs(as_numpy(encoder.get_layer("tokens").table) - start).max() > 0.01
    for hidden in (0, 4, 7):
        shown = tokens[:100].copy()
        shown[:, hidden] = 12
        guesses = as_numpy(network(shown))[:, hidden].argmax(axis=-1)
        assert (guesses == tokens[:100, hidden]).mean() > 0.6


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="heads that divide the width 8, got 3"):
        models.gpt(5, 4, width=8, heads=3, hidden=8, blocks=1)
    with pytest.raises(ValueError, match="heads that divide the width 8, got 3"):
        models.transformer(5, width=8, heads=3, hidden=8, blocks=1)
    with pytest.raises(ValueError, match="'pre' or 'post', got 'none'"):
        models.encoder_block(keras.Input((3, 8)), 2, 8, norm="none")
    with pytest.raises(ValueError, match="above 0 and at most 1, got 0"):
        models.mask_tokens(np.zeros((1, 2), int), 3, keras.random.SeedGenerator(0), share=0)
    with pytest.raises(ValueError, match="expected 1 to 5 tokens to add 9 to, got 6"):
        models.generate(small_gpt(0), [1] * 6, 9)
    with pytest.raises(ValueError, match="got 0"):
        models.generate(small_gpt(0), [], 2)

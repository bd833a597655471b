"""Recurrent networks: sizes, what may depend on what, one step at a time, parity with NumPy."""

import keras
import numpy as np
import pytest

from coursepkg.models import recurrence as models
from coursepkg.scratch import recurrence as scratch

TOKENS = 7
SCRATCH = {"simple": scratch.SimpleRNN, "lstm": scratch.LSTM, "gru": scratch.GRU}
CELLS = [*models.CELLS]


def as_numpy(x):
    return keras.ops.convert_to_numpy(x)


def tokens(*shape, lowest=0, seed=0):
    return np.random.default_rng(seed).integers(lowest, TOKENS, shape).astype("int32")


def character_model(cell, depth=2, seed=0):
    """Build a network whose weights are large enough for its answers to differ."""
    keras.utils.set_random_seed(seed)
    model = models.character_model(TOKENS, 4, 5, cell, depth)
    for weight in model.weights:
        weight.assign(keras.random.normal(weight.shape))
    return model


def recurrent_parameters(cell, inputs, units):
    gates, biases = {"simple": (1, 1), "lstm": (4, 1), "gru": (3, 2)}[cell]
    return gates * units * (inputs + units + biases)


@pytest.mark.parametrize("cell", CELLS)
def test_parameters_are_those_of_the_formula(cell):
    expected = (
        TOKENS * 4
        + recurrent_parameters(cell, 4, 5)
        + recurrent_parameters(cell, 5, 5)
        + 6 * TOKENS
    )
    assert models.character_model(TOKENS, 4, 5, cell, depth=2).count_params() == expected


def test_parameters_of_the_encoder_decoder():
    model = models.encoder_decoder(TOKENS, 9, width=4, units=5)
    assert model.count_params() == (
        TOKENS * 4 + 9 * 4 + 2 * recurrent_parameters("lstm", 4, 5) + 6 * 9
    )


@pytest.mark.parametrize("cell", CELLS)
def test_logits_are_those_of_the_numpy_layers(cell):
    model, x = character_model(cell), tokens(3, 6)
    rng = np.random.default_rng(0)
    values = as_numpy(model.get_layer("table").embeddings)[x].astype(float)
    for index, inputs in ((1, 4), (2, 5)):
        layer = SCRATCH[cell](inputs, 5, rng, return_sequences=True)
        weights = model.get_layer(f"recurrent_{index}").get_weights()
        for parameter, weight in zip(layer.parameters, weights, strict=True):
            parameter[:] = weight
        values = layer.forward(values)
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(as_numpy(model(x)), values @ kernel + bias, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_prediction_depends_on_all_tokens_so_far_and_on_no_later_one(cell):
    model, x = character_model(cell), tokens(1, 8)
    before = as_numpy(model(x))
    for position in range(8):
        changed = x.copy()
        changed[0, position] = (x[0, position] + 1) % TOKENS
        difference = np.abs(as_numpy(model(changed)) - before).max(axis=(0, 2))
        assert (difference[:position] == 0).all()
        assert (difference[position:] > 0).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("depth", [1, 2])
def test_windows_with_carried_states_give_the_logits_of_the_whole(cell, depth):
    model, x = character_model(cell, depth), keras.ops.convert_to_tensor(tokens(3, 6))
    network = models.with_states(model)
    states = [keras.ops.zeros((3, 5)) for _ in network.inputs[1:]]
    assert len(states) == depth * (2 if cell == "lstm" else 1)
    whole = as_numpy(model(x))
    for window in (slice(0, 1), slice(1, 4), slice(4, 6)):
        logits, *states = network([x[:, window], *states])
        np.testing.assert_allclose(as_numpy(logits), whole[:, window], atol=1e-5)


def test_the_network_with_states_shares_the_weights():
    model = character_model("gru", depth=1)
    network = models.with_states(model)
    model.get_layer("logits").bias.assign_add(np.full(TOKENS, 3.0))
    x = keras.ops.convert_to_tensor([[2, 5]])
    logits = as_numpy(network([x, keras.ops.zeros((1, 5))])[0])
    np.testing.assert_allclose(logits, as_numpy(model(x)), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_without_temperature_the_most_probable_token_is_taken(cell):
    model, start = character_model(cell), tokens(3, 2)
    text = start
    for _ in range(5):
        new = as_numpy(model(text))[:, -1].argmax(axis=-1)
        text = np.concatenate([text, new[:, None]], axis=1)
    np.testing.assert_array_equal(as_numpy(models.generate(model, start, 5, 0.0)), text)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_tokens_are_drawn_from_the_tempered_distribution(temperature):
    model = character_model("gru", depth=1)
    logits = as_numpy(model(np.array([[1, 4]])))[0, -1] / temperature
    p = np.exp(logits - logits.max())
    p /= p.sum()
    start = np.tile([[1, 4]], (20_000, 1))
    drawn = as_numpy(models.generate(model, start, 1, temperature, seed=1))
    np.testing.assert_array_equal(drawn[:, :2], start)
    shares = np.bincount(drawn[:, 2], minlength=TOKENS) / 20_000
    assert np.abs(shares - p).max() < 5 * 0.5 / np.sqrt(20_000)


def test_draws_follow_the_seed():
    model, start = character_model("simple"), tokens(4, 1)
    one, same, other = (as_numpy(models.generate(model, start, 12, seed=s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_classifier_does_not_read_padding(cell, bidirectional):
    model = models.sequence_classifier(TOKENS, 3, 4, 5, cell, bidirectional)
    x = tokens(4, 6, lowest=1)
    padded = np.pad(x, ((0, 0), (0, 3)))
    assert as_numpy(model(x)).shape == (4, 3)
    np.testing.assert_allclose(as_numpy(model(padded)), as_numpy(model(x)), atol=1e-6)
    shorter = np.where(np.arange(6) < 4, x, models.PADDING)
    assert np.abs(as_numpy(model(shorter)) - as_numpy(model(x))).max() > 1e-4


def test_only_the_second_direction_doubles_the_state():
    one, two = (models.sequence_classifier(TOKENS, 3, 4, 5, "gru", b) for b in (False, True))
    assert one.get_layer("logits").kernel.shape == (5, 3)
    assert two.get_layer("logits").kernel.shape == (10, 3)


def small_encoder_decoder():
    keras.utils.set_random_seed(0)
    model = models.encoder_decoder(TOKENS, TOKENS, width=4, units=5)
    for weight in model.weights:
        weight.assign(keras.random.normal(weight.shape))
    return model


def test_the_decoder_sees_all_of_the_source_and_the_target_so_far():
    model = small_encoder_decoder()
    source, target = tokens(1, 5, lowest=1), tokens(1, 6, lowest=1, seed=1)
    before = as_numpy(model([source, target]))
    for position in range(5):
        changed = source.copy()
        changed[0, position] = source[0, position] % (TOKENS - 1) + 1
        difference = np.abs(as_numpy(model([changed, target])) - before).max(axis=(0, 2))
        assert (difference > 0).all()
    for position in range(6):
        changed = target.copy()
        changed[0, position] = target[0, position] % (TOKENS - 1) + 1
        difference = np.abs(as_numpy(model([source, changed])) - before).max(axis=(0, 2))
        assert (difference[:position] == 0).all()
        assert (difference[position:] > 0).all()


def test_the_encoder_does_not_read_padding():
    model = small_encoder_decoder()
    source, target = tokens(3, 5, lowest=1), tokens(3, 4, lowest=1, seed=1)
    padded = np.pad(source, ((0, 0), (0, 2)))
    np.testing.assert_allclose(
        as_numpy(model([padded, target])), as_numpy(model([source, target])), atol=1e-5
    )


def test_the_decoder_reads_its_own_output():
    model, source = small_encoder_decoder(), tokens(3, 5, lowest=1)
    written = as_numpy(models.translate(model, source, begin=1, length=4))
    assert written.shape == (3, 4)
    read = np.concatenate([np.ones((3, 1), "int32"), written[:, :-1]], axis=1)
    np.testing.assert_array_equal(as_numpy(model([source, read])).argmax(axis=-1), written)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.character_model(9, cell="rnn"), "expected a cell among .*got 'rnn'"),
        (lambda: models.sequence_classifier(9, 2, cell="x"), "expected a cell among .*got 'x'"),
        (lambda: models.character_model(9, depth=0), "depth must be at least 1, got 0"),
        (
            lambda: models.generate(character_model("gru"), tokens(2, 1), 3, -1.0),
            "temperature must not be negative, got -1.0",
        ),
        (
            lambda: models.generate(character_model("gru"), np.zeros((2, 0), "int32"), 3),
            r"expected a start of shape \(N, S\) with S >= 1",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

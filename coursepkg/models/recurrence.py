r"""Recurrent networks: a model of characters, a classifier of sequences, an encoder and a decoder.

Sequences are batches of token numbers, shape (N, T). The parameters of a recurrent layer with
:math:`n` inputs and :math:`u` units are

.. math::

    u (n + u + 1) \quad\text{(simple)}, \qquad
    4 u (n + u + 1) \quad\text{(LSTM)}, \qquad
    3 u (n + u + 2) \quad\text{(GRU, with Keras's two biases)}.
"""

import keras
from keras import layers, ops

CELLS = {"simple": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
"""The kinds of recurrent layers."""

PADDING = 0
"""The token that fills a row up; a classifier and an encoder-decoder do not read it."""


def _layer_class(cell: str) -> type[layers.Layer]:
    if cell not in CELLS:
        raise ValueError(f"expected a cell among {[*CELLS]}, got {cell!r}")
    return CELLS[cell]


def character_model(
    tokens: int, width: int = 32, units: int = 128, cell: str = "gru", depth: int = 1
) -> keras.Model:
    """Build a network that predicts, at each position, the next token from all tokens so far.

    ===========  ===================  ============================
    layer        output               parameters
    ===========  ===================  ============================
    table        (T, width)           tokens * width
    recurrent_1  (T, units)           see the top of this module
    ...          (T, units)           the same, with units inputs
    logits       (T, tokens)          (units + 1) * tokens
    ===========  ===================  ============================

    Parameters
    ----------
    tokens : int
        How many different tokens (characters) there are.
    width : int
        The width of the table's rows.
    units : int
        The width of the state of each recurrent layer.
    cell : str
        ``"simple"``, ``"lstm"`` or ``"gru"``.
    depth : int
        The number of recurrent layers.

    Returns
    -------
    keras.Model
        Tokens (N, T) to logits (N, T, tokens). Row t depends on the tokens 0..t.

    Raises
    ------
    ValueError
        If there is no such cell, or if the depth is less than 1.
    """
    layer = _layer_class(cell)
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    inputs = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(tokens, width, name="table")(inputs)
    for index in range(depth):
        name = f"recurrent_{index + 1}"
        x, *_ = layer(units, return_sequences=True, return_state=True, name=name)(x)
    logits = layers.Dense(tokens, name="logits")(x)
    return keras.Model(inputs, logits, name=f"character_{cell}")


def with_states(model: keras.Model) -> keras.Model:
    """Build a network that takes and returns states, with the weights of a `character_model`.

    A long text can then be read in windows, or written token by token.

    Parameters
    ----------
    model : keras.Model
        From `character_model`. Its weights are shared, not copied.

    Returns
    -------
    keras.Model
        Maps a list of tokens (N, T) and of all states (N, units), layer by layer, to a list of
        logits (N, T, tokens) and of the states after the last token.
    """
    tokens = keras.Input((None,), dtype="int32")
    x = model.get_layer("table")(tokens)
    before, after = [], []
    for layer in model.layers:
        if isinstance(layer, layers.RNN):
            count = 2 if isinstance(layer, layers.LSTM) else 1
            states = [keras.Input((layer.units,)) for _ in range(count)]
            x, *new = layer(x, initial_state=states)
            before += states
            after += new
    logits = model.get_layer("logits")(x)
    return keras.Model([tokens, *before], [logits, *after], name=f"{model.name}_with_states")


def generate(
    model: keras.Model,
    start: keras.KerasTensor,
    count: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> keras.KerasTensor:
    r"""Continue texts, token by token, each drawn from the distribution that the model gives.

    The logits :math:`z_k` are divided by the temperature :math:`\tau`:

    .. math:: p_k = \frac{e^{z_k / \tau}}{\sum_j e^{z_j / \tau}} .

    The state is carried from token to token, so that each costs one step, however long the text.

    Parameters
    ----------
    model : keras.Model
        From `character_model`.
    start : tensor of int, shape (N, S), S >= 1
        The beginnings of N texts.
    count : int
        How many tokens to add.
    temperature : float
        1: as the model says. Smaller: more certain. 0: always the most probable token.
    seed : int
        Of the draws.

    Returns
    -------
    tensor of int, shape (N, S + count)

    Raises
    ------
    ValueError
        If the temperature is negative, or there is no token to begin with.
    """
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    text = ops.convert_to_tensor(start, dtype="int32")
    if len(text.shape) != 2 or text.shape[1] < 1:
        raise ValueError(f"expected a start of shape (N, S) with S >= 1, got {text.shape}")
    network, source = with_states(model), keras.random.SeedGenerator(seed)
    states = [ops.zeros((text.shape[0], state.shape[1])) for state in network.inputs[1:]]
    written, new = [text], text
    for _ in range(count):
        logits, *states = network([new, *states])
        last = logits[:, -1]
        if temperature == 0:
            new = ops.argmax(last, axis=-1)[:, None]
        else:
            new = keras.random.categorical(last / temperature, 1, seed=source)
        new = ops.cast(new, "int32")
        written.append(new)
    return ops.concatenate(written, axis=1)


def sequence_classifier(
    tokens: int,
    classes: int,
    width: int = 32,
    units: int = 64,
    cell: str = "lstm",
    bidirectional: bool = False,
) -> keras.Model:
    """Build a network that reads a sequence and names its class.

    Parameters
    ----------
    tokens : int
        How many different tokens there are; token `PADDING` is not read.
    classes : int
        The number of classes.
    width, units : int
        The width of the table's rows and of the state.
    cell : str
        ``"simple"``, ``"lstm"`` or ``"gru"``.
    bidirectional : bool
        Whether a second layer reads from the end to the beginning.

    Returns
    -------
    keras.Model
        Tokens (N, T) to logits (N, classes).

    Raises
    ------
    ValueError
        If there is no such cell.
    """
    recurrent = _layer_class(cell)(units)
    if bidirectional:
        recurrent = layers.Bidirectional(recurrent)
    inputs = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(tokens, width, mask_zero=True, name="table")(inputs)
    logits = layers.Dense(classes, name="logits")(recurrent(x))
    return keras.Model(inputs, logits, name="sequence_classifier")


def encoder_decoder(
    source_tokens: int, target_tokens: int, width: int = 32, units: int = 128
) -> keras.Model:
    """Build a network that reads one sequence and predicts another, token by token.

    The state of the encoder after the source is the first state of the decoder: all that the
    decoder knows about the source are these two rows of numbers.

    Parameters
    ----------
    source_tokens, target_tokens : int
        How many different tokens each language has; token `PADDING` is not read.
    width, units : int
        The width of the tables' rows and of the states.

    Returns
    -------
    keras.Model
        A list of the source (N, S) and the target so far (N, T) to logits (N, T, target_tokens).
        Row t depends on the whole source and on the target tokens 0..t; it predicts token t + 1.

    References
    ----------
    I. Sutskever, O. Vinyals and Q. V. Le, "Sequence to Sequence Learning with Neural Networks",
    NIPS 2014.
    """
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    x = layers.Embedding(source_tokens, width, mask_zero=True, name="source_table")(source)
    _, *state = layers.LSTM(units, return_state=True, name="encoder")(x)
    y = layers.Embedding(target_tokens, width, mask_zero=True, name="target_table")(target)
    y = layers.LSTM(units, return_sequences=True, name="decoder")(y, initial_state=state)
    logits = layers.Dense(target_tokens, name="logits")(y)
    return keras.Model([source, target], logits, name="encoder_decoder")


def translate(
    model: keras.Model, source: keras.KerasTensor, begin: int, length: int
) -> keras.KerasTensor:
    """Let a decoder read its own output: at each position it takes the most probable token.

    Parameters
    ----------
    model : keras.Model
        From `encoder_decoder`.
    source : tensor of int, shape (N, S)
    begin : int
        The token with which every target begins.
    length : int
        How many tokens to write.

    Returns
    -------
    tensor of int, shape (N, length)
        Without the first token.
    """
    source = ops.convert_to_tensor(source, dtype="int32")
    target = ops.full((source.shape[0], 1), begin, dtype="int32")
    for _ in range(length):
        logits = model([source, target])
        new = ops.cast(ops.argmax(logits[:, -1], axis=-1), "int32")
        target = ops.concatenate([target, new[:, None]], axis=1)
    return target[:, 1:]

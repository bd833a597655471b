r"""The Transformer and its two halves: an encoder such as BERT, a decoder such as GPT.

Sequences are batches of token numbers, shape (N, T). ``encoder_block`` and ``decoder_block`` add
layers to a network of Keras's functional kind; ``transformer``, ``bert`` and ``gpt`` are networks
made of them. Every table of tokens also serves, transposed, as the last matrix, which turns rows
of the width back into one logit for each token.

With a width of :math:`d` and :math:`m` units inside the position-wise network, the parts have

.. math::

    4 d^2 + 4 d \quad\text{(attention)}, \qquad
    2 d m + m + d \quad\text{(position-wise network)}, \qquad
    2 d \quad\text{(layer normalisation)}

parameters; an encoder block has one of the first two and two of the last, a decoder block with
cross-attention two, one and three. The number of heads does not matter.
"""

import keras
from keras import layers, ops

PADDING = 0
"""The token that fills a row up; a `transformer` does not look at it."""


class TokenTable(layers.Layer):
    """A table with a row for each token, read forwards (tokens to rows) and backwards (to logits).

    Parameters
    ----------
    tokens, width : int
        The number of rows and their length.
    scale : float
        Rows are multiplied by it when read forwards.

    References
    ----------
    O. Press and L. Wolf, "Using the Output Embedding to Improve Language Models", EACL 2017.
    """

    def __init__(self, tokens: int, width: int, scale: float = 1.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        start = keras.initializers.RandomNormal(stddev=0.02 if scale == 1 else width**-0.5)
        self.table = self.add_weight((tokens, width), initializer=start, name="table")

    def call(self, inputs: keras.KerasTensor, backwards: bool = False) -> keras.KerasTensor:
        """Map tokens (N, T) to rows (N, T, width), or backwards rows to logits (N, T, tokens)."""
        if not backwards:
            return ops.take(self.table, inputs, axis=0) * self.scale
        return ops.matmul(inputs, ops.transpose(self.table))


class LearnedPositions(layers.Layer):
    """A row for each position, added to the sequences.

    Parameters
    ----------
    length, width : int
        The number of rows and their length; sequences may be shorter.
    """

    def __init__(self, length: int, width: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.table = self.add_weight((length, width), initializer=start, name="table")

    def call(
        self, x: keras.KerasTensor, position: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Add the first T rows to x (N, T, width), or one position's row to x (N, 1, width)."""
        if position is None:
            return x + self.table[: ops.shape(x)[1]]
        return x + ops.take(self.table, position, axis=0)


class SinusoidalPositions(layers.Layer):
    """Sines and cosines of the position, added to the sequences.

    The same numbers as `coursepkg.scratch.attention.sinusoidal_positions`.
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Add the code of each position to x (N, T, width), the width even."""
        length, width = ops.shape(x)[1], x.shape[2]
        speeds = 10_000.0 ** (-ops.arange(0, width, 2, dtype="float32") / width)
        angles = ops.arange(length, dtype="float32")[:, None] * speeds
        code = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
        return x + ops.cast(ops.reshape(code, (length, width)), x.dtype)


def _residual(x, part, norm: str, dropout: float, epsilon: float):
    """Add a part to its input, with the normalisation before the part or after the sum."""
    if norm not in ("pre", "post"):
        raise ValueError(f"expected the norm 'pre' or 'post', got {norm!r}")
    normalise = layers.LayerNormalization(epsilon=epsilon)
    if norm == "pre":
        return x + layers.Dropout(dropout)(part(normalise(x)))
    return normalise(x + layers.Dropout(dropout)(part(x)))


def _attend(heads: int, width: int) -> layers.MultiHeadAttention:
    if width % heads:
        raise ValueError(f"expected heads that divide the width {width}, got {heads}")
    return layers.MultiHeadAttention(heads, width // heads)


def _position_wise(hidden: int, width: int, activation: str) -> keras.Sequential:
    return keras.Sequential([layers.Dense(hidden, activation), layers.Dense(width)])


def encoder_block(
    x: keras.KerasTensor,
    heads: int,
    hidden: int,
    mask: keras.KerasTensor | None = None,
    norm: str = "post",
    activation: str = "relu",
    dropout: float = 0.0,
    epsilon: float = 1e-6,
) -> keras.KerasTensor:
    """Add self-attention and a position-wise network.

    Parameters
    ----------
    x : KerasTensor, shape (N, T, width)
        The sequences.
    heads, hidden : int
        The number of heads, which divides the width, and the width inside the position-wise
        network.
    mask : KerasTensor of bool that broadcasts to (N, T, T), or None
        True where a position may look.
    norm : str
        "post" as in the paper, or "pre". A stack of "pre" blocks needs a normalisation at its end.
    activation : str
        Of the position-wise network.
    dropout : float
        The share dropped of each part's result.
    epsilon : float
        Of the normalisations.

    Returns
    -------
    KerasTensor, shape (N, T, width)

    Raises
    ------
    ValueError
        If the heads do not divide the width, or there is no such norm.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.1.
    """
    width = x.shape[-1]
    attention = _attend(heads, width)
    x = _residual(x, lambda h: attention(h, h, attention_mask=mask), norm, dropout, epsilon)
    return _residual(x, _position_wise(hidden, width, activation), norm, dropout, epsilon)


def decoder_block(
    x: keras.KerasTensor,
    heads: int,
    hidden: int,
    encoded: keras.KerasTensor | None = None,
    mask: keras.KerasTensor | None = None,
    norm: str = "post",
    activation: str = "relu",
    dropout: float = 0.0,
    epsilon: float = 1e-6,
) -> keras.KerasTensor:
    """Add causal self-attention, cross-attention if there is something to look at, and a network.

    Parameters
    ----------
    x : KerasTensor, shape (N, T, width)
        The sequences to continue.
    heads, hidden, norm, activation, dropout, epsilon
        As in `encoder_block`.
    encoded : KerasTensor, shape (N, T_k, width), or None
        The encoder's result. None leaves cross-attention out.
    mask : KerasTensor of bool that broadcasts to (N, T, T_k), or None
        True where a position may look at the encoder's result.

    Returns
    -------
    KerasTensor, shape (N, T, width)

    Raises
    ------
    ValueError
        If the heads do not divide the width, or there is no such norm.
    """
    width = x.shape[-1]
    attention = _attend(heads, width)
    x = _residual(x, lambda h: attention(h, h, use_causal_mask=True), norm, dropout, epsilon)
    if encoded is not None:
        cross = _attend(heads, width)
        x = _residual(x, lambda h: cross(h, encoded, attention_mask=mask), norm, dropout, epsilon)
    return _residual(x, _position_wise(hidden, width, activation), norm, dropout, epsilon)


def transformer(
    source_tokens: int,
    target_tokens: int | None = None,
    width: int = 512,
    heads: int = 8,
    hidden: int = 2048,
    blocks: int = 6,
    norm: str = "post",
    dropout: float = 0.1,
) -> keras.Model:
    """Build the Transformer: an encoder, and a decoder that looks at the encoder's result.

    The defaults are those of the paper's base model; its big one has ``width=1024, heads=16,
    hidden=4096, dropout=0.3``. The token 0 is padding.

    Parameters
    ----------
    source_tokens : int
        The number of tokens of the language to read.
    target_tokens : int or None
        The number of tokens of the language to write; None shares one table between both.
    width, heads, hidden, blocks : int
        As in `encoder_block`; `blocks` in the encoder and as many in the decoder.
    norm : str
        "post" as in the paper, or "pre", with a normalisation at the end of both stacks.
    dropout : float
        The share dropped of the embedded tokens and of each part's result.

    Returns
    -------
    keras.Model
        From [source (N, T_k), target (N, T)] to logits (N, T, tokens): at each position, for the
        token that comes next.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    reader = TokenTable(source_tokens, width, scale=width**0.5)
    writer = reader
    if target_tokens is not None:
        writer = TokenTable(target_tokens, width, scale=width**0.5)
    mask = ops.expand_dims(ops.not_equal(source, PADDING), 1)
    settings = {"norm": norm, "dropout": dropout}

    encoded = layers.Dropout(dropout)(SinusoidalPositions()(reader(source)))
    for _ in range(blocks):
        encoded = encoder_block(encoded, heads, hidden, mask, **settings)
    if norm == "pre":
        encoded = layers.LayerNormalization(epsilon=1e-6)(encoded)

    x = layers.Dropout(dropout)(SinusoidalPositions()(writer(target)))
    for _ in range(blocks):
        x = decoder_block(x, heads, hidden, encoded, mask, **settings)
    if norm == "pre":
        x = layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.Model([source, target], writer(x, backwards=True), name="transformer")


class CausalSelfAttention(layers.Layer):
    """Multi-head attention to what came before, for whole sequences or for one more token.

    Weights are those of four dense layers; head h owns the columns ``h * d`` to ``(h + 1) * d - 1``
    of the first three.

    Parameters
    ----------
    width, heads : int
        The width of the sequences and the number of heads, which divides it.

    Raises
    ------
    ValueError
        If the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(f"expected heads that divide the width {width}, got {heads}")
        self.width, self.heads = width, heads
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.query, self.key, self.value, self.output_projection = (
            layers.Dense(width, kernel_initializer=start, name=name)
            for name in ("query", "key", "value", "output")
        )

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        for dense in (self.query, self.key, self.value, self.output_projection):
            dense.build(shape)

    def _heads(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Cut rows (N, T, width) into heads (N, heads, T, d)."""
        n, length, _ = ops.shape(x)
        cut = ops.reshape(x, (n, length, self.heads, self.width // self.heads))
        return ops.transpose(cut, (0, 2, 1, 3))

    def weights_of(self, q, k, allowed):
        """Compare queries and keys, and turn what is allowed into weights (N, heads, T, T_k)."""
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * q.shape[-1] ** -0.5
        return ops.softmax(ops.where(allowed, scores, -1e9))

    def _merge(self, weights, v):
        found = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        n, length, *_ = ops.shape(found)
        return self.output_projection(ops.reshape(found, (n, length, self.width)))

    def attention_weights(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Give the weights (N, heads, T, T) for the sequences x (N, T, width)."""
        steps = ops.arange(ops.shape(x)[1])
        allowed = steps[:, None] >= steps
        return self.weights_of(self._heads(self.query(x)), self._heads(self.key(x)), allowed)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Map x (N, T, width) to the same shape."""
        return self._merge(self.attention_weights(x), self._heads(self.value(x)))

    def step(
        self, x: keras.KerasTensor, cache: keras.KerasTensor, position: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Map one more token.

        Parameters
        ----------
        x : tensor, shape (N, 1, width)
            The token's row.
        cache : tensor, shape (N, 2, heads, T, d)
            Keys and values of the tokens before, in their places.
        position : tensor of int, shape (1,)
            The token's place.

        Returns
        -------
        tuple of tensors
            The output (N, 1, width), and the cache with this token's key and value.
        """
        steps = ops.arange(cache.shape[3])
        new = ops.stack([self._heads(self.key(x)), self._heads(self.value(x))], axis=1)
        cache = ops.where((steps == position)[:, None], new, cache)
        weights = self.weights_of(self._heads(self.query(x)), cache[:, 0], steps <= position)
        return self._merge(weights, cache[:, 1]), cache


class GPTBlock(layers.Layer):
    """A pre-norm decoder block without cross-attention, that can also go one token at a time.

    Parameters
    ----------
    width, heads, hidden : int
        The width of the sequences, the number of heads, the width inside the position-wise network.
    dropout : float
        The share dropped of each part's result.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float = 0.0, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.attention_norm = layers.LayerNormalization(epsilon=1e-5)
        self.attention = CausalSelfAttention(width, heads)
        self.norm = layers.LayerNormalization(epsilon=1e-5)
        self.enlarge = layers.Dense(hidden, "gelu", kernel_initializer=start)
        self.reduce = layers.Dense(width, kernel_initializer=start)
        self.dropout = layers.Dropout(dropout)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        for layer in (self.attention_norm, self.attention, self.norm, self.enlarge):
            layer.build(shape)
        self.reduce.build((*shape[:-1], self.enlarge.units))

    def _position_wise(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x + self.dropout(self.reduce(self.enlarge(self.norm(x))))

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Map x (N, T, width) to the same shape."""
        return self._position_wise(x + self.dropout(self.attention(self.attention_norm(x))))

    def step(
        self, x: keras.KerasTensor, cache: keras.KerasTensor, position: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Map one more token; see `CausalSelfAttention.step`."""
        found, cache = self.attention.step(self.attention_norm(x), cache, position)
        return self._position_wise(x + found), cache


class GPT(keras.Model):
    """A decoder that says at each position which token comes next, built by `gpt`.

    Parameters
    ----------
    tokens, length, width, heads, hidden, blocks : int
        The number of tokens; the most positions it can look at; the settings of the blocks.
    dropout : float
        The share dropped of the embedded tokens and of each part's result.
    """

    def __init__(
        self,
        tokens: int,
        length: int,
        width: int,
        heads: int,
        hidden: int,
        blocks: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(name="gpt")
        self.length, self.cache_shape = length, (blocks, 2, heads, length, width // heads)
        self.table = TokenTable(tokens, width)
        self.positions = LearnedPositions(length, width)
        self.dropout = layers.Dropout(dropout)
        self.blocks = [GPTBlock(width, heads, hidden, dropout) for _ in range(blocks)]
        self.norm = layers.LayerNormalization(epsilon=1e-5)
        self.build((None, length))

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        rows = (*shape, self.table.table.shape[1])
        for layer in (*self.blocks, self.norm):
            layer.build(rows)
        self.built = True

    def call(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """Map tokens (N, T) to logits (N, T, tokens)."""
        x = self.dropout(self.positions(self.table(tokens)))
        for block in self.blocks:
            x = block(x)
        return self.table(self.norm(x), backwards=True)

    def attention_maps(self, tokens: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Give each block's attention weights (N, heads, T, T) for tokens (N, T)."""
        x, maps = self.positions(self.table(tokens)), []
        for block in self.blocks:
            maps.append(block.attention.attention_weights(block.attention_norm(x)))
            x = block(x)
        return maps

    def one_step(self) -> keras.Model:
        """Build the network that reads one more token and keeps what it needs of it.

        It shares all weights with this one.

        Returns
        -------
        keras.Model
            From [token (N, 1), position (1,), cache (N, blocks, 2, heads, length, d)] to
            [logits (N, 1, tokens), cache].
        """
        token = keras.Input((1,), dtype="int32")
        position = keras.Input(batch_shape=(1,), dtype="int32")
        cache = keras.Input(self.cache_shape)
        x, kept = OneStep(self)(token, position, cache)
        return keras.Model([token, position, cache], [x, kept])


class OneStep(layers.Layer):
    """What `GPT.one_step` computes, with the weights of a given `GPT`."""

    def __init__(self, network: GPT) -> None:
        super().__init__()
        self.network = network

    def call(
        self, token: keras.KerasTensor, position: keras.KerasTensor, cache: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Map the token to logits, and add its keys and values to the cache."""
        x = self.network.positions(self.network.table(token), position)
        kept = []
        for number, block in enumerate(self.network.blocks):
            x, new = block.step(x, cache[:, number], position)
            kept.append(new)
        return self.network.table(self.network.norm(x), backwards=True), ops.stack(kept, axis=1)


def gpt(
    tokens: int,
    length: int,
    width: int,
    heads: int,
    hidden: int,
    blocks: int,
    dropout: float = 0.0,
) -> GPT:
    """Build a language model from pre-norm decoder blocks, laid out as GPT-2.

    GPT-2 small is ``gpt(50257, 1024, 768, 12, 3072, 12, dropout=0.1)``: 124,439,808 parameters.

    Parameters
    ----------
    tokens : int
        How many there are.
    length : int
        The most positions that it can look at; positions are learned.
    width, heads, hidden, blocks : int
        The width of the sequences, the number of heads, the width inside the position-wise
        networks, the number of blocks.
    dropout : float
        The share dropped of the embedded tokens and of each part's result.

    Returns
    -------
    GPT
        From tokens (N, T), T at most `length`, to logits (N, T, tokens).

    Raises
    ------
    ValueError
        If the heads do not divide the width.

    References
    ----------
    A. Radford, J. Wu, R. Child, D. Luan, D. Amodei and I. Sutskever, "Language Models are
    Unsupervised Multitask Learners", 2019.
    """
    return GPT(tokens, length, width, heads, hidden, blocks, dropout)


def generate(
    network: GPT, prompt: list[int], count: int, one_step: keras.Model | None = None
) -> list[int]:
    """Continue a prompt, always by the most probable token.

    Parameters
    ----------
    network : GPT
        The language model.
    prompt : list of int
        The first tokens, at least one.
    count : int
        How many to add; prompt and addition fit into the network's length.
    one_step : keras.Model or None
        What `GPT.one_step` gave for this network: it keeps keys and values from step to step.
        With None, the network reads the whole row again for each token, filled up to its length;
        the causal mask hides the filling.

    Returns
    -------
    list of int
        The tokens that were added.

    Raises
    ------
    ValueError
        If the prompt is empty, or prompt and addition are too long.
    """
    if not prompt or len(prompt) + count > network.length:
        raise ValueError(
            f"expected 1 to {network.length - count} tokens to add {count} to, got {len(prompt)}"
        )
    tokens = list(prompt)
    if one_step is None:
        for _ in range(count):
            row = tokens + [PADDING] * (network.length - len(tokens))
            logits = network.predict_on_batch(ops.convert_to_tensor([row], "int32"))
            tokens.append(int(logits[0, len(tokens) - 1].argmax()))
        return tokens[len(prompt) :]
    cache = ops.zeros((1, *network.cache_shape))
    for position in range(len(prompt) + count - 1):
        token = ops.convert_to_tensor([[tokens[position]]], "int32")
        place = ops.convert_to_tensor([position], "int32")
        logits, cache = one_step.predict_on_batch([token, place, cache])
        if position + 1 == len(tokens):
            tokens.append(int(logits[0, 0].argmax()))
    return tokens[len(prompt) :]


def bert(
    tokens: int,
    length: int,
    width: int,
    heads: int,
    hidden: int,
    blocks: int,
    segments: int = 2,
    dropout: float = 0.1,
) -> keras.Model:
    """Build an encoder that sees the whole sequence, laid out as BERT.

    BERT-base is ``bert(30522, 512, 768, 12, 3072, 12)``: 109,482,240 parameters, the pooler
    included, the head that predicts masked tokens not.

    Parameters
    ----------
    tokens, length, segments : int
        The number of tokens, of positions, and of kinds of segments.
    width, heads, hidden, blocks : int
        As in `encoder_block`, and how many blocks.
    dropout : float
        The share dropped of the embedded tokens and of each part's result.

    Returns
    -------
    keras.Model
        From [tokens (N, length), segments (N, length), mask (N, length), True where there is a
        token] to [rows (N, length, width), one row for the whole sequence (N, width)].

    Raises
    ------
    ValueError
        If the heads do not divide the width.

    References
    ----------
    J. Devlin, M.-W. Chang, K. Lee and K. Toutanova, "BERT: Pre-training of Deep Bidirectional
    Transformers for Language Understanding", NAACL-HLT 2019.
    """
    words = keras.Input((length,), dtype="int32")
    kinds = keras.Input((length,), dtype="int32")
    mask = keras.Input((length,), dtype="bool")
    table = TokenTable(tokens, width, name="tokens")
    x = table(words) + TokenTable(segments, width, name="segments")(kinds)
    x = layers.LayerNormalization(epsilon=1e-12)(LearnedPositions(length, width)(x))
    x = layers.Dropout(dropout)(x)
    allowed = ops.expand_dims(mask, 1)
    for _ in range(blocks):
        x = encoder_block(
            x, heads, hidden, allowed, activation="gelu", dropout=dropout, epsilon=1e-12
        )
    pooled = layers.Dense(width, activation="tanh", name="pooler")(x[:, 0])
    return keras.Model([words, kinds, mask], [x, pooled], name="bert")


class MaskedTokenHead(layers.Layer):
    """What predicts masked tokens: a dense layer, a normalisation, and the tokens' own table.

    Parameters
    ----------
    table : TokenTable
        The table of the network below.
    """

    def __init__(self, table: TokenTable, **kwargs: object) -> None:
        super().__init__(**kwargs)
        tokens, width = table.table.shape
        self.token_table = table
        self.dense = layers.Dense(width, activation="gelu")
        self.norm = layers.LayerNormalization(epsilon=1e-12)
        self.bias = self.add_weight((tokens,), initializer="zeros", name="bias")

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        self.dense.build(shape)
        self.norm.build(shape)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Map rows (N, T, width) to logits (N, T, tokens)."""
        return self.token_table(self.norm(self.dense(x)), backwards=True) + self.bias


def masked_language_model(encoder: keras.Model) -> keras.Model:
    """Put the head that predicts tokens onto an encoder built by `bert`, for one kind of segment.

    Parameters
    ----------
    encoder : keras.Model
        The encoder. The new network shares and trains its weights, those of the pooler excepted.

    Returns
    -------
    keras.Model
        From tokens (N, length) to logits (N, length, tokens).
    """
    tokens = keras.Input(encoder.inputs[0].shape[1:], dtype="int32")
    without_pooler = keras.Model(encoder.inputs, encoder.outputs[0])
    rows = without_pooler([tokens, ops.zeros_like(tokens), ops.ones_like(tokens, dtype="bool")])
    logits = MaskedTokenHead(encoder.get_layer("tokens"))(rows)
    return keras.Model(tokens, logits, name="masked_language_model")


def mask_tokens(
    tokens: keras.KerasTensor,
    mask_token: int,
    seed: keras.random.SeedGenerator,
    share: float = 0.15,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Hide some tokens, as BERT's training does.

    Of the chosen tokens 80 % become the mask token, 10 % a random token below it, and 10 % stay.

    Parameters
    ----------
    tokens : tensor of int, shape (N, T)
        The true tokens, all below `mask_token`.
    mask_token : int
        The number of the token that hides others.
    seed : keras.random.SeedGenerator
        The source of chance.
    share : float
        The probability with which a token is chosen.

    Returns
    -------
    tuple of tensors, shape (N, T)
        The tokens to show, and weights: 1 where a token was chosen, which is where the loss counts.

    Raises
    ------
    ValueError
        If the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected a share above 0 and at most 1, got {share}")
    shape = ops.shape(tokens)
    chosen = keras.random.uniform(shape, seed=seed) < share
    lot = keras.random.uniform(shape, seed=seed)
    others = keras.random.randint(shape, 0, mask_token, seed=seed)
    replacement = ops.where(lot < 0.8, mask_token, ops.where(lot < 0.9, others, tokens))
    return ops.where(chosen, replacement, tokens), ops.cast(chosen, "float32")


def attention_parameters(width: int) -> int:
    """Count the weights and biases of multi-head attention, whatever the number of heads."""
    return 4 * width**2 + 4 * width


def position_wise_parameters(width: int, hidden: int) -> int:
    """Count the weights and biases of a position-wise network."""
    return 2 * width * hidden + hidden + width


def encoder_block_parameters(width: int, hidden: int) -> int:
    """Count an encoder block, or a decoder block without cross-attention."""
    return attention_parameters(width) + position_wise_parameters(width, hidden) + 2 * (2 * width)


def decoder_block_parameters(width: int, hidden: int) -> int:
    """Count a decoder block with cross-attention: one more attention and normalisation."""
    return encoder_block_parameters(width, hidden) + attention_parameters(width) + 2 * width


def transformer_parameters(tokens: int, width: int, hidden: int, blocks: int) -> int:
    """Count a post-norm `transformer` with one shared table, which is also its last matrix."""
    encoder, decoder = (
        count(width, hidden) for count in (encoder_block_parameters, decoder_block_parameters)
    )
    return tokens * width + blocks * (encoder + decoder)


def gpt_parameters(tokens: int, length: int, width: int, hidden: int, blocks: int) -> int:
    """Count a `gpt`: two tables, the blocks, the last normalisation."""
    return (tokens + length) * width + blocks * encoder_block_parameters(width, hidden) + 2 * width


def bert_parameters(
    tokens: int, length: int, width: int, hidden: int, blocks: int, segments: int = 2
) -> int:
    """Count a `bert`: three tables and a normalisation, the blocks, the pooler."""
    tables = (tokens + length + segments) * width + 2 * width
    pooler = width**2 + width
    return tables + blocks * encoder_block_parameters(width, hidden) + pooler

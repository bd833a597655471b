"""A small Transformer that learns a task from the labelled examples in its context.

A token is one image, written as numbers, with its label or without. The tokens with labels are
the *examples*, those without are the *questions*; a question's answer is read off the place where
the question stands. Which token sees which is said by a mask: an example sees itself and the
examples before it; a question sees itself and the examples it is given, and nobody sees a question.

After S. Garg, D. Tsipras, P. Liang and G. Valiant, "What Can Transformers Learn In-Context?",
NeurIPS 2022, and L. Kirsch, J. Harrison, J. Sohl-Dickstein and L. Metz, "General-Purpose
In-Context Learning by Meta-Learning Transformers", 2022. The blocks normalise before attention
and before the two dense layers, and there is no code of positions: the order of the examples says
nothing about the task.
"""

import keras
from keras import layers


def in_context_transformer(
    features: int, classes: int, width: int = 64, blocks: int = 2, heads: int = 2
) -> keras.Model:
    r"""Build the network, T tokens to T rows of logits.

    With :math:`f` features, :math:`c` classes, width :math:`d`, :math:`b` blocks and :math:`h`
    heads it has :math:`(f + c + 1) d + b (4 (h + 1) d^2 + (3h + 8) d) + 2 d + (d + 1) c`
    parameters.

    Parameters
    ----------
    features : int
        Numbers that describe an image.
    classes : int
        Labels that a task may have.
    width : int
        Numbers that describe a token inside the network, and in each head.
    blocks : int
        Attention layers, each followed by two dense layers of 2 `width` and `width` units.
    heads : int
        Attention heads in a block. Each has the full width: to compare images, it needs all of
        their numbers.

    Returns
    -------
    keras.Model
        From tokens ``(batch, T, features + classes)`` and a mask ``(batch, T, T)``, true where
        the token of the row sees that of the column, to logits ``(batch, T, classes)``.

    Notes
    -----
    The keys of a block start with the weights of its queries, so that from the first update on
    a token sees most of the tokens that are like it. Training then finds its way sooner.
    """
    tokens = keras.Input((None, features + classes), name="tokens")
    mask = keras.Input((None, None), dtype="bool", name="mask")
    x = layers.Dense(width, name="embedding")(tokens)
    for block in range(blocks):
        normal = layers.LayerNormalization(name=f"normalise_{block}_attention")(x)
        attention = layers.MultiHeadAttention(heads, width, name=f"attention_{block}")
        x = x + attention(normal, normal, attention_mask=mask)
        query, query_bias, _, *others = attention.get_weights()
        attention.set_weights([query, query_bias, query, *others])
        normal = layers.LayerNormalization(name=f"normalise_{block}_dense")(x)
        hidden = layers.Dense(2 * width, activation="relu", name=f"hidden_{block}")(normal)
        x = x + layers.Dense(width, name=f"output_{block}")(hidden)
    x = layers.LayerNormalization(name="normalise_logits")(x)
    logits = layers.Dense(classes, name="logits")(x)
    return keras.Model([tokens, mask], logits, name="in_context_transformer")


def learner(
    network: keras.Model, examples: int, steps: int, learning_rate: float = 0.003
) -> keras.Model:
    """Compile the network for lessons whose first tokens are examples, the others questions.

    Parameters
    ----------
    network : keras.Model
        What `in_context_transformer` returns; the two share their weights.
    examples : int
        How many tokens of a lesson are examples. Their logits count for nothing.
    steps : int
        Updates that there will be. The learning rate rises over the first twentieth of them and
        falls to zero along a cosine over the others.
    learning_rate : float
        The highest one.

    Returns
    -------
    keras.Model
        From tokens and mask to the questions' logits, compiled with Adam and cross-entropy.
    """
    warmup = max(1, steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
    )
    model = keras.Model(network.input, network.output[:, examples:], name="learner")
    model.compile(
        keras.optimizers.Adam(schedule, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model

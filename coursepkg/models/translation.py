"""Two recurrent networks that translate: one reads a sentence, the other writes, and may look.

Sequences are batches of token numbers, shape (N, T); the token 0 fills a row up. What is written
begins with a start token, and ends with an end token.
"""

import keras
from keras import layers, ops

from coursepkg.models.attention import PADDING, TokenTable


class RecurrentTranslator(keras.Model):
    """A reader and a writer of recurrent layers, with or without attention between them.

    The reader runs in both directions. Its last states, mixed by one dense layer, are the first
    state of the writer. At each step, the writer's state is joined by a vector that tells about
    the source, and from both comes the next token. With attention, the vector is a mean of the
    reader's states, weighted by the softmax of their products with the writer's state; without, it
    is the reader's last states, the same at every step. Nothing else differs, and both have the
    same parameters.

    Parameters
    ----------
    source_tokens, target_tokens : int
        The numbers of tokens of the two languages.
    width : int
        The width of the rows of tokens.
    units : int
        The width of states, even: half of it is read in each direction.
    attention : bool
        Whether there is attention.
    scale : float or None
        By which rows are multiplied when read: None, the square root of the width, so that their
        entries have a standard deviation of 1 before training.

    Raises
    ------
    ValueError
        If the number of units is odd.

    References
    ----------
    M.-T. Luong, H. Pham and C. D. Manning, "Effective Approaches to Attention-based Neural Machine
    Translation", EMNLP 2015: "global" attention with the score "dot".
    """

    def __init__(
        self,
        source_tokens: int,
        target_tokens: int,
        width: int,
        units: int,
        attention: bool,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        if units % 2:
            raise ValueError(f"expected an even number of units, got {units}")
        scale = width**0.5 if scale is None else scale
        self.source_table = TokenTable(source_tokens, width, scale)
        self.target_table = TokenTable(target_tokens, width, scale)
        one_way = layers.GRU(units // 2, return_sequences=True, return_state=True)
        self.reader = layers.Bidirectional(one_way)
        self.first_state = layers.Dense(units, "tanh")
        self.writer = layers.GRU(units, return_sequences=True, return_state=True)
        self.attention = layers.Attention() if attention else None
        self.mix = layers.Dense(width, "tanh")
        self([ops.zeros((1, 2), "int32")] * 2)

    def read(self, source: keras.KerasTensor) -> tuple[keras.KerasTensor, ...]:
        """Return the states at source (N, T_k), (N, T_k, units), and the last ones (N, units)."""
        mask = ops.not_equal(source, PADDING)
        states, *last = self.reader(self.source_table(source), mask=mask)
        return states, ops.concatenate(last, axis=-1)

    def write(
        self,
        target: keras.KerasTensor,
        state: keras.KerasTensor,
        source: keras.KerasTensor,
        there: keras.KerasTensor,
        last: keras.KerasTensor,
    ) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor | None]:
        """Predict the tokens after target (N, T) from a state and from what `read` returned.

        Returns
        -------
        logits (N, T, target_tokens), last state (N, units), weights (N, T, T_k) or None
        """
        states, state = self.writer(self.target_table(target), initial_state=state)
        if self.attention:
            mask = [None, ops.not_equal(source, PADDING)]
            found, weights = self.attention([states, there], mask, return_attention_scores=True)
        else:
            found, weights = ops.expand_dims(last, 1) + ops.zeros_like(states), None
        mixed = self.mix(ops.concatenate([states, found], axis=-1))
        return self.target_table(mixed, backwards=True), state, weights

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Map [source (N, T_k), target (N, T)] to logits (N, T, target_tokens).

        Those at a position are for the token that comes next.
        """
        source, target = inputs
        there, last = self.read(source)
        return self.write(target, self.first_state(last), source, there, last)[0]

    def translate(
        self, source: keras.KerasTensor, start: int, end: int, most: int
    ) -> tuple[list[list[int]], list[keras.KerasTensor | None]]:
        """Write translations, always taking the most probable token.

        Parameters
        ----------
        source : array of int, shape (N, T_k)
            The sentences, filled up with 0.
        start, end : int
            The tokens before the first and after the last of a translation.
        most : int
            The largest number of tokens to write.

        Returns
        -------
        list of N lists of int
            The tokens before the end.
        list of tensors, shape (N, T_k), or of None
            For each step, until all have ended, the weights with which the source was looked at.
        """
        source = ops.convert_to_tensor(source)
        there, last = self.read(source)
        state, token = self.first_state(last), ops.full((source.shape[0], 1), start, "int32")
        written, looked, ended = [], [], ops.equal(token, end)
        while len(written) < most and not ops.all(ended):
            logits, state, weights = self.write(token, state, source, there, last)
            token = ops.cast(ops.argmax(logits, axis=-1), "int32")
            ended = ops.logical_or(ended, ops.equal(token, end))
            written.append(token)
            looked.append(None if weights is None else weights[:, 0])
        rows = ops.convert_to_numpy(ops.concatenate(written, axis=1)).tolist()
        return [row[: row.index(end)] if end in row else row for row in rows], looked

r"""Attention and the parts of a Transformer, each with its way back.

A sequence is a matrix with one row for each position: (T, width), and a batch of N sequences an
array (N, T, width). Attention lets each of :math:`T_q` queries take a weighted mean of
:math:`T_k` values; the weights come from comparing the query with the :math:`T_k` keys.

A mask is an array of booleans that fits the scores (..., T_q, T_k): True where a query may look at
a key. What it may not look at gets the weight 0, exactly. A query that may look at nothing gets
the weights 0, hence the output 0 (before any output projection), and passes no gradient on.

The functions come in pairs `f`, `f_backward`; the layers follow `coursepkg.scratch.layers`, and a
layer with several inputs returns the gradient of each. A network that is made of layers is a
`Sequential`, which holds the parameters and gradients of its parts in their order.
"""

import numpy as np

from coursepkg.scratch.activations import softmax, softmax_backward
from coursepkg.scratch.initialisation import glorot_uniform
from coursepkg.scratch.layers import Activation, Dense, Layer, LayerNormalisation, Sequential

BASE = 10_000.0
"""How many times slower than the first a pair after the last would turn (see position_angles)."""


def causal_mask(length: int) -> np.ndarray:
    """Let each position look at itself and at what came before, never ahead.

    Parameters
    ----------
    length : int
        The number T of positions.

    Returns
    -------
    ndarray of bool, shape (T, T)
        True on and below the diagonal.

    Raises
    ------
    ValueError
        If the length is less than 1.
    """
    _expect_sizes(length=length)
    return np.tri(length, dtype=bool)


def padding_mask(tokens: np.ndarray, padding: int = 0) -> np.ndarray:
    """Let every position look at the real tokens, not at those that fill a row up.

    Combine it with others by ``&``: ``padding_mask(tokens) & causal_mask(T)`` is (N, T, T).

    Parameters
    ----------
    tokens : ndarray of int, shape (N, T)
        The numbers of the tokens that serve as keys.
    padding : int
        The number that stands for no token.

    Returns
    -------
    ndarray of bool, shape (N, 1, T)
        The same row for all queries of a sequence.

    Raises
    ------
    ValueError
        If `tokens` does not have two axes.
    """
    if tokens.ndim != 2:
        raise ValueError(f"expected tokens of shape (N, T), got {tokens.shape}")
    return (tokens != padding)[:, None, :]


def dot_product_scores(q: np.ndarray, k: np.ndarray) -> np.ndarray:
    r"""Compare each query with each key.

    .. math:: S_{ij} = \frac{1}{\sqrt d} \sum_{c=1}^{d} Q_{ic} K_{jc}, \qquad
        \mathbf{S} = \frac{\mathbf{Q} \mathbf{K}^T}{\sqrt d}

    If the entries are independent, with mean 0 and variance 1, each product has variance 1 and the
    sum of d has variance d. The factor :math:`1 / \sqrt d` makes it 1 for every d.

    Parameters
    ----------
    q : ndarray, shape (..., T_q, d)
        Queries.
    k : ndarray, shape (..., T_k, d)
        Keys.

    Returns
    -------
    ndarray, shape (..., T_q, T_k)

    Raises
    ------
    ValueError
        If queries and keys differ in width or in the leading axes.

    References
    ----------
    A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, L. Kaiser and
    I. Polosukhin, "Attention Is All You Need", NeurIPS 2017, section 3.2.1.
    """
    if q.ndim < 2 or q.ndim != k.ndim or q.shape[:-2] != k.shape[:-2] or q.shape[-1] != k.shape[-1]:
        raise ValueError(
            f"expected queries (..., T_q, d) and keys (..., T_k, d), got {q.shape} and {k.shape}"
        )
    return (q * q.shape[-1] ** -0.5) @ k.swapaxes(-1, -2)


def dot_product_scores_backward(
    upstream: np.ndarray, q: np.ndarray, k: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""Gradients by queries and keys.

    .. math::

        \frac{\partial J}{\partial \mathbf{Q}}
        = \frac{1}{\sqrt d} \frac{\partial J}{\partial \mathbf{S}} \mathbf{K}, \qquad
        \frac{\partial J}{\partial \mathbf{K}}
        = \frac{1}{\sqrt d} \Bigl(\frac{\partial J}{\partial \mathbf{S}}\Bigr)^T \mathbf{Q}

    Parameters
    ----------
    upstream : ndarray, shape (..., T_q, T_k)
        Gradient by the scores.
    q, k : ndarray, shapes (..., T_q, d) and (..., T_k, d)
        Queries and keys.

    Returns
    -------
    tuple of ndarray, shapes of q and k
    """
    scale = q.shape[-1] ** -0.5
    return (upstream @ k) * scale, (upstream.swapaxes(-1, -2) @ q) * scale


def masked_softmax(scores: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    r"""Turn each row of scores into weights that sum to 1, over the entries that the mask allows.

    .. math:: A_{ij} = \frac{M_{ij} e^{S_{ij}}}{\sum_l M_{il} e^{S_{il}}}

    with :math:`M_{ij}` 1 where the mask is True and else 0. A row with nothing allowed is 0, where
    the formula gives 0/0.

    Parameters
    ----------
    scores : ndarray, shape (..., T_q, T_k)
        Any real numbers.
    mask : ndarray of bool that broadcasts to the shape of the scores, or None
        True where a weight is allowed. None allows all.

    Returns
    -------
    ndarray, shape (..., T_q, T_k)

    Raises
    ------
    ValueError
        If the mask is not of booleans, or does not broadcast to the scores.
    """
    if mask is None:
        return softmax(scores)
    _expect_mask(mask, scores.shape)
    return softmax(_blocked(scores, mask)) * mask


def masked_softmax_backward(
    upstream: np.ndarray, scores: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    r"""Gradient by the scores: that of softmax, without the weights that the mask forbids.

    .. math:: \frac{\partial J}{\partial S_{ij}}
        = A_{ij} \Bigl(u_{ij} - \sum_l u_{il} A_{il}\Bigr), \qquad
        u_{ij} = M_{ij} \frac{\partial J}{\partial A_{ij}}

    Parameters
    ----------
    upstream, scores : ndarray, shape (..., T_q, T_k)
        Gradient by the weights, and the scores.
    mask : ndarray of bool that broadcasts to the shape of the scores, or None
        As in `masked_softmax`.
    """
    if mask is None:
        return softmax_backward(upstream, scores)
    _expect_mask(mask, scores.shape)
    return softmax_backward(upstream * mask, _blocked(scores, mask))


def scaled_dot_product(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    r"""Give each query a mean of the values, weighted by how well the keys fit the query.

    .. math:: \mathbf{O} = \mathbf{A} \mathbf{V}, \qquad
        \mathbf{A} = \operatorname{softmax}\Bigl(\frac{\mathbf{Q} \mathbf{K}^T}{\sqrt d}\Bigr)

    ``masked_softmax(dot_product_scores(q, k), mask)`` gives the weights :math:`\mathbf{A}` alone.

    Parameters
    ----------
    q, k : ndarray, shapes (..., T_q, d) and (..., T_k, d)
        Queries and keys.
    v : ndarray, shape (..., T_k, d_v)
        Values.
    mask : ndarray of bool that broadcasts to (..., T_q, T_k), or None
        True where a query may look at a key.

    Returns
    -------
    ndarray, shape (..., T_q, d_v)

    Raises
    ------
    ValueError
        If shapes do not fit, or the mask is not of booleans.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 1.
    """
    _expect_values(k, v)
    return masked_softmax(dot_product_scores(q, k), mask) @ v


def scaled_dot_product_backward(
    upstream: np.ndarray,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Gradients by queries, keys and values.

    .. math::

        \frac{\partial J}{\partial \mathbf{V}} = \mathbf{A}^T \mathbf{U}, \qquad
        \frac{\partial J}{\partial \mathbf{A}} = \mathbf{U} \mathbf{V}^T, \qquad
        \mathbf{U} = \frac{\partial J}{\partial \mathbf{O}},

    and from :math:`\mathbf{A}` on back through softmax and scores.

    Parameters
    ----------
    upstream : ndarray, shape (..., T_q, d_v)
        Gradient by the outputs.
    q, k, v, mask
        As in `scaled_dot_product`.

    Returns
    -------
    tuple of ndarray, shapes of q, k and v
    """
    scores = dot_product_scores(q, k)
    gradient_v = masked_softmax(scores, mask).swapaxes(-1, -2) @ upstream
    gradient_weights = upstream @ v.swapaxes(-1, -2)
    gradient_scores = masked_softmax_backward(gradient_weights, scores, mask)
    return *dot_product_scores_backward(gradient_scores, q, k), gradient_v


class AdditiveAttention(Layer):
    r"""Attention whose scores come from a small network with one hidden layer.

    .. math:: S_{ij} = \sum_{c=1}^{u} w_c \tanh Z_{ijc}, \qquad
        \mathbf{z}_{ij} = \mathbf{q}_i \mathbf{W} + \mathbf{k}_j \mathbf{U}, \qquad
        \mathbf{O} = \operatorname{softmax}(\mathbf{S}) \mathbf{V}

    With :math:`\delta_{ijc} = \partial J / \partial Z_{ijc}
    = (\partial J / \partial S_{ij}) \, w_c (1 - \tanh^2 Z_{ijc})`, a query occurs in the scores of
    all keys, and a key in those of all queries:

    .. math::

        \frac{\partial J}{\partial \mathbf{q}_i} = \sum_j \boldsymbol\delta_{ij} \mathbf{W}^T,
        \quad
        \frac{\partial J}{\partial \mathbf{k}_j} = \sum_i \boldsymbol\delta_{ij} \mathbf{U}^T,
        \quad
        \frac{\partial J}{\partial w_c}
        = \sum_{i,j} \frac{\partial J}{\partial S_{ij}} \tanh Z_{ijc}.

    Parameters
    ----------
    query_width, key_width : int
        The widths of queries and keys, which may differ.
    units : int
        The width u of the hidden layer.
    rng : numpy.random.Generator
        The source of the first weights.
    dtype : numpy dtype
        Of all weights.

    Attributes
    ----------
    query_kernel : ndarray, shape (query_width, units)
        The weights :math:`\mathbf{W}`.
    key_kernel : ndarray, shape (key_width, units)
        The weights :math:`\mathbf{U}`.
    scale : ndarray, shape (units,)
        The weights :math:`\mathbf{w}`, the only ones that Keras's layer of this name has.
    attention_weights : ndarray, shape (N, T_q, T_k)
        Those of the last forward pass.

    Raises
    ------
    ValueError
        If a size is less than 1; in `forward`, if shapes do not fit.

    References
    ----------
    D. Bahdanau, K. Cho and Y. Bengio, "Neural Machine Translation by Jointly Learning to Align and
    Translate", ICLR 2015.
    """

    def __init__(
        self,
        query_width: int,
        key_width: int,
        units: int,
        rng: np.random.Generator,
        dtype: type = np.float64,
    ) -> None:
        super().__init__()
        _expect_sizes(query_width=query_width, key_width=key_width, units=units)
        self.query_kernel = glorot_uniform((query_width, units), rng).astype(dtype)
        self.key_kernel = glorot_uniform((key_width, units), rng).astype(dtype)
        self.scale = glorot_uniform((units, 1), rng)[:, 0].astype(dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """The three arrays of weights."""
        return [self.query_kernel, self.key_kernel, self.scale]

    def forward(
        self, query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Map (N, T_q, query_width), (N, T_k, key_width), (N, T_k, d_v) to (N, T_q, d_v)."""
        _expect_sequences(query, len(self.query_kernel))
        _expect_sequences(key, len(self.key_kernel))
        _expect_values(key, value)
        _expect_same_batch(query, key)
        queries, keys = query @ self.query_kernel, key @ self.key_kernel
        hidden = np.tanh(queries[:, :, None, :] + keys[:, None, :, :])
        scores = hidden @ self.scale
        self.attention_weights = masked_softmax(scores, mask)
        memory = query, key, value, mask, hidden, scores
        return self._remember(self.attention_weights @ value, memory)

    def backward(self, upstream: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the gradients of query, key and value."""
        query, key, value, mask, hidden, scores = self._recall(upstream)
        gradient_value = self.attention_weights.swapaxes(1, 2) @ upstream
        gradient_weights = upstream @ value.swapaxes(1, 2)
        gradient_scores = masked_softmax_backward(gradient_weights, scores, mask)
        delta = gradient_scores[..., None] * (self.scale * (1 - hidden**2))
        of_queries, of_keys = delta.sum(axis=2), delta.sum(axis=1)
        self.gradients = [
            np.tensordot(query, of_queries, axes=([0, 1], [0, 1])),
            np.tensordot(key, of_keys, axes=([0, 1], [0, 1])),
            np.tensordot(gradient_scores, hidden, axes=3),
        ]
        return of_queries @ self.query_kernel.T, of_keys @ self.key_kernel.T, gradient_value


def project(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    r"""Multiply every row by a matrix and cut the result into heads.

    .. math:: Y_{nhti} = \sum_c X_{ntc} W_{chi} + b_{hi}

    Parameters
    ----------
    x : ndarray, shape (N, T, width)
        Sequences.
    kernel : ndarray, shape (width, heads, d)
        Side by side, the matrices of all heads: the result of head h is
        ``x @ kernel[:, h] + bias[h]``.
    bias : ndarray, shape (heads, d)
        Added at every position.

    Returns
    -------
    ndarray, shape (N, heads, T, d)
    """
    width, heads, d = kernel.shape
    rows = x.reshape(-1, width) @ kernel.reshape(width, heads * d)
    rows += bias.ravel()
    return rows.reshape(*x.shape[:2], heads, d).swapaxes(1, 2)


def project_backward(
    upstream: np.ndarray, x: np.ndarray, kernel: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Gradients by the sequences, the kernel and the bias of `project`.

    As for a dense layer, with (n, t) as the number of the example and (h, i) as that of the output:

    .. math::

        \frac{\partial J}{\partial X_{ntc}} = \sum_{h,i} \delta_{nhti} W_{chi}, \quad
        \frac{\partial J}{\partial W_{chi}} = \sum_{n,t} X_{ntc} \delta_{nhti}, \quad
        \frac{\partial J}{\partial b_{hi}} = \sum_{n,t} \delta_{nhti}

    Parameters
    ----------
    upstream : ndarray, shape (N, heads, T, d)
        Gradient :math:`\boldsymbol\delta` by the result.
    x : ndarray, shape (N, T, width)
        The sequences.
    kernel : ndarray, shape (width, heads, d)
        The weights.

    Returns
    -------
    tuple of ndarray, shapes (N, T, width), (width, heads, d) and (heads, d)
    """
    width, heads, d = kernel.shape
    rows = upstream.swapaxes(1, 2).reshape(-1, heads * d)
    gradient_x = (rows @ kernel.reshape(width, heads * d).T).reshape(x.shape)
    gradient_kernel = (x.reshape(-1, width).T @ rows).reshape(kernel.shape)
    return gradient_x, gradient_kernel, rows.sum(axis=0).reshape(heads, d)


def merge(heads: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    r"""Put the heads side by side and multiply every row by a matrix.

    .. math:: Y_{ntc} = \sum_{h,i} O_{nhti} W_{hic} + b_c

    Parameters
    ----------
    heads : ndarray, shape (N, heads, T, d)
        What each head found.
    kernel : ndarray, shape (heads, d, width)
        The weights.
    bias : ndarray, shape (width,)
        Added at every position.

    Returns
    -------
    ndarray, shape (N, T, width)
    """
    count, _, length, _ = heads.shape
    rows = heads.swapaxes(1, 2).reshape(count * length, -1)
    return (rows @ kernel.reshape(-1, len(bias)) + bias).reshape(count, length, -1)


def merge_backward(
    upstream: np.ndarray, heads: np.ndarray, kernel: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Gradients by the heads, the kernel and the bias of `merge`.

    .. math::

        \frac{\partial J}{\partial O_{nhti}} = \sum_c \delta_{ntc} W_{hic}, \quad
        \frac{\partial J}{\partial W_{hic}} = \sum_{n,t} O_{nhti} \delta_{ntc}, \quad
        \frac{\partial J}{\partial b_c} = \sum_{n,t} \delta_{ntc}

    Parameters
    ----------
    upstream : ndarray, shape (N, T, width)
        Gradient :math:`\boldsymbol\delta` by the result.
    heads : ndarray, shape (N, heads, T, d)
        What each head found.
    kernel : ndarray, shape (heads, d, width)
        The weights.

    Returns
    -------
    tuple of ndarray, shapes (N, heads, T, d), (heads, d, width) and (width,)
    """
    count, number, length, d = heads.shape
    rows = upstream.reshape(count * length, -1)
    merged = heads.swapaxes(1, 2).reshape(count * length, -1)
    gradient_heads = (rows @ kernel.reshape(number * d, -1).T).reshape(count, length, number, d)
    return gradient_heads.swapaxes(1, 2), (merged.T @ rows).reshape(kernel.shape), rows.sum(axis=0)


class MultiHeadAttention(Layer):
    r"""Several scaled dot-product attentions side by side, each in its own narrow projection.

    For each head h, with :math:`d = \text{width} / \text{heads}`,

    .. math::

        \mathbf{O}_h = \operatorname{softmax}\Bigl(\frac{\mathbf{Q}_h \mathbf{K}_h^T}{\sqrt d}\Bigr)
        \mathbf{V}_h, \qquad \mathbf{Q}_h = \mathbf{X}_q \mathbf{W}^Q_h + \mathbf{b}^Q_h, \quad
        \text{and so on}, \qquad
        \mathbf{Y} = \sum_h \mathbf{O}_h \mathbf{W}^O_h + \mathbf{b}^O

    (rows side by side times one tall matrix is the sum over the heads). Self-attention passes the
    same array three times; its gradient is then the sum of the three that `backward` returns.

    Parameters
    ----------
    width : int
        The width of queries, keys, values and outputs.
    heads : int
        Their number; it has to divide the width.
    rng : numpy.random.Generator
        The source of the first weights; biases start at 0.
    rotary_positions : bool
        Whether queries and keys are turned by `rotary` after their projection.
    dtype : numpy dtype
        Of all weights.

    Attributes
    ----------
    query_kernel, key_kernel, value_kernel : ndarray, shape (width, heads, d)
    query_bias, key_bias, value_bias : ndarray, shape (heads, d)
    output_kernel : ndarray, shape (heads, d, width)
    output_bias : ndarray, shape (width,)
        Shapes and order in `parameters` are those of ``keras.layers.MultiHeadAttention``.
    attention_weights : ndarray, shape (N, heads, T_q, T_k)
        Those of the last forward pass.

    Raises
    ------
    ValueError
        If the heads do not divide the width; in `forward`, if shapes do not fit.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2.2.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        rng: np.random.Generator,
        rotary_positions: bool = False,
        dtype: type = np.float64,
    ) -> None:
        super().__init__()
        _expect_sizes(width=width, heads=heads)
        if width % heads:
            raise ValueError(f"expected heads that divide the width {width}, got {heads}")
        self.rotary_positions = rotary_positions
        inner = heads, width // heads

        def kernel() -> np.ndarray:
            return glorot_uniform((width, width), rng).astype(dtype)

        self.query_kernel, self.query_bias = kernel().reshape(width, *inner), np.zeros(inner, dtype)
        self.key_kernel, self.key_bias = kernel().reshape(width, *inner), np.zeros(inner, dtype)
        self.value_kernel, self.value_bias = kernel().reshape(width, *inner), np.zeros(inner, dtype)
        self.output_kernel, self.output_bias = (
            kernel().reshape(*inner, width),
            np.zeros(width, dtype),
        )

    @property
    def parameters(self) -> list[np.ndarray]:
        """Kernel and bias of queries, keys, values and outputs."""
        return [
            *(self.query_kernel, self.query_bias, self.key_kernel, self.key_bias),
            *(self.value_kernel, self.value_bias, self.output_kernel, self.output_bias),
        ]

    def forward(
        self, query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Map (N, T_q, width) and twice (N, T_k, width) to (N, T_q, width).

        The mask broadcasts to (N, T_q, T_k) and holds for all heads.
        """
        for x in (query, key, value):
            _expect_sequences(x, len(self.query_kernel))
        _expect_same_batch(query, key)
        _expect_values(key, value)
        if mask is not None:
            shape = len(query), query.shape[1], key.shape[1]
            _expect_mask(mask, shape)
            mask = np.broadcast_to(mask, shape)[:, None]
        q = project(query, self.query_kernel, self.query_bias)
        k = project(key, self.key_kernel, self.key_bias)
        v = project(value, self.value_kernel, self.value_bias)
        if self.rotary_positions:
            q, k = rotary(q), rotary(k)
        scores = dot_product_scores(q, k)
        self.attention_weights = masked_softmax(scores, mask)
        found = self.attention_weights @ v
        output = merge(found, self.output_kernel, self.output_bias)
        return self._remember(output, (query, key, value, mask, q, k, v, scores, found))

    def backward(self, upstream: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the gradients of query, key and value."""
        query, key, value, mask, q, k, v, scores, found = self._recall(upstream)
        of_found, *of_output = merge_backward(upstream, found, self.output_kernel)
        of_v = self.attention_weights.swapaxes(-1, -2) @ of_found
        of_scores = masked_softmax_backward(of_found @ v.swapaxes(-1, -2), scores, mask)
        of_q, of_k = dot_product_scores_backward(of_scores, q, k)
        if self.rotary_positions:
            of_q, of_k = rotary_backward(of_q), rotary_backward(of_k)
        gradient_query, *of_query = project_backward(of_q, query, self.query_kernel)
        gradient_key, *of_key = project_backward(of_k, key, self.key_kernel)
        gradient_value, *of_value = project_backward(of_v, value, self.value_kernel)
        self.gradients = [*of_query, *of_key, *of_value, *of_output]
        return gradient_query, gradient_key, gradient_value


def position_angles(positions: np.ndarray, width: int) -> np.ndarray:
    r"""Angles by which the pairs of coordinates turn on the way to a position.

    .. math:: \theta_{ti} = t \cdot 10000^{-2i / \text{width}}, \qquad
        i = 0, \dots, \tfrac12 \text{width} - 1

    The first pair turns by one radian for each position; each later pair is slower by the same
    factor.

    Parameters
    ----------
    positions : ndarray, shape (T,)
        Positions t, counted from 0; differences of positions are allowed too.
    width : int
        The number of coordinates, even.

    Returns
    -------
    ndarray of float64, shape (T, width / 2)
        Radians.

    Raises
    ------
    ValueError
        If the width is not even and at least 2.
    """
    if width < 2 or width % 2:
        raise ValueError(f"expected an even width of at least 2, got {width}")
    return positions[:, None] * BASE ** (-np.arange(0, width, 2) / width)


def sinusoidal_positions(length: int, width: int) -> np.ndarray:
    r"""Code each position by the hands of clocks that run at different speeds.

    .. math:: P_{t,2i} = \sin\theta_{ti}, \qquad P_{t,2i+1} = \cos\theta_{ti}

    with the angles of `position_angles`. They are added to the embedded tokens, without weights.
    Going s positions on turns each pair by the angle :math:`\theta_{si}`, whatever t is.

    Parameters
    ----------
    length : int
        The number T of positions.
    width : int
        The number of coordinates, even.

    Returns
    -------
    ndarray of float64, shape (T, width)

    Raises
    ------
    ValueError
        If the length is less than 1 or the width not even.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.
    """
    _expect_sizes(length=length)
    angles = position_angles(np.arange(length), width)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, width)


def rotary(x: np.ndarray, positions: np.ndarray | None = None) -> np.ndarray:
    r"""Turn each pair of coordinates by an angle that grows with the position.

    .. math::

        y_{t,2i} = x_{t,2i} \cos\theta_{ti} - x_{t,2i+1} \sin\theta_{ti}, \qquad
        y_{t,2i+1} = x_{t,2i} \sin\theta_{ti} + x_{t,2i+1} \cos\theta_{ti}

    with the angles of `position_angles`. If queries and keys are both turned, the turns in their
    dot product cancel up to the difference of the angles, so scores depend on the positions only
    by their difference. Pairs are neighbours, as in the paper; some implementations pair
    coordinate i with i + d/2 instead, which is the same up to the order of the coordinates.

    Parameters
    ----------
    x : ndarray, shape (..., T, d)
        Queries or keys, d even.
    positions : ndarray, shape (T,), or None
        The position of each row; None for 0, 1, ..., T - 1.

    Returns
    -------
    ndarray, shape and dtype of x

    Raises
    ------
    ValueError
        If d is not even, or there is not one position for each row.

    References
    ----------
    J. Su, Y. Lu, S. Pan, A. Murtadha, B. Wen and Y. Liu, "RoFormer: Enhanced Transformer with
    Rotary Position Embedding", arXiv:2104.09864, 2021.
    """
    positions = np.arange(x.shape[-2]) if positions is None else positions
    if positions.shape != x.shape[-2:-1]:
        raise ValueError(f"expected {x.shape[-2]} positions, got shape {positions.shape}")
    angles = position_angles(positions, x.shape[-1])
    cosine, sine = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    first, second = x[..., 0::2], x[..., 1::2]
    turned = np.empty_like(x)
    turned[..., 0::2] = first * cosine - second * sine
    turned[..., 1::2] = first * sine + second * cosine
    return turned


def rotary_backward(upstream: np.ndarray, positions: np.ndarray | None = None) -> np.ndarray:
    """Turn the gradient back by the same angles: a rotation's transpose is its inverse.

    Parameters
    ----------
    upstream : ndarray, shape (..., T, d)
        Gradient by the turned rows.
    positions : ndarray, shape (T,), or None
        As in `rotary`.
    """
    positions = np.arange(upstream.shape[-2]) if positions is None else positions
    return rotary(upstream, -positions)


class Embedding(Layer):
    r"""A table with one row of numbers for each token.

    .. math:: \mathbf{y}_{nt} = \mathbf{E}_{x_{nt}}, \qquad
        \frac{\partial J}{\partial \mathbf{E}_v}
        = \sum_{n,t} [x_{nt} = v] \, \frac{\partial J}{\partial \mathbf{y}_{nt}}

    It is a dense layer without bias for one-hot rows, without the multiplications by 0.

    Parameters
    ----------
    tokens : int
        How many there are; their numbers are 0 to tokens - 1.
    width : int
        The length of a row.
    rng : numpy.random.Generator
        The source of the first rows, normal with mean 0.
    deviation : float
        Their standard deviation. Sinusoidal positions have entries of about 0.7, beside which
        0.02 is little: choose 1 there, or let the positions be learnt.
    dtype : numpy dtype
        Of the table.

    Attributes
    ----------
    table : ndarray, shape (tokens, width)

    Raises
    ------
    ValueError
        If a size is less than 1; in `forward`, if an entry is not the number of a token.
    """

    def __init__(
        self,
        tokens: int,
        width: int,
        rng: np.random.Generator,
        deviation: float = 0.02,
        dtype: type = np.float64,
    ) -> None:
        super().__init__()
        _expect_sizes(tokens=tokens, width=width)
        self.table = rng.normal(0, deviation, (tokens, width)).astype(dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """The table."""
        return [self.table]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map the numbers x (N, T) to rows (N, T, width)."""
        if x.ndim != 2 or not np.issubdtype(x.dtype, np.integer):
            raise ValueError(f"expected integers of shape (N, T), got {x.dtype} of {x.shape}")
        if x.size and not 0 <= x.min() <= x.max() < len(self.table):
            raise ValueError(
                f"expected tokens from 0 to {len(self.table) - 1}, got {x.min()} to {x.max()}"
            )
        return self._remember(self.table[x], x)

    def backward(self, upstream: np.ndarray) -> None:
        """Compute the gradient of the table; integers have none to return."""
        x = self._recall(upstream).ravel()
        rows = upstream.reshape(len(x), -1)
        order = np.argsort(x, kind="stable")
        present, starts = np.unique(x[order], return_index=True)
        gradient = np.zeros_like(self.table)
        if len(x):
            gradient[present] = np.add.reduceat(rows[order], starts, axis=0)
        self.gradients = [gradient]


class LearnedPositions(Layer):
    r"""A table with one row for each position, added to the sequences and learnt like weights.

    .. math:: \mathbf{Y}_n = \mathbf{X}_n + \mathbf{P}_{0 \dots T-1}, \qquad
        \frac{\partial J}{\partial \mathbf{P}_t}
        = \sum_n \frac{\partial J}{\partial \mathbf{y}_{nt}}

    Parameters
    ----------
    length : int
        The number of positions for which there is a row; longer sequences are refused.
    width : int
        The width of the sequences.
    rng : numpy.random.Generator
        The source of the first rows, normal with mean 0 and standard deviation 0.02.
    dtype : numpy dtype
        Of the table.

    Attributes
    ----------
    table : ndarray, shape (length, width)

    Raises
    ------
    ValueError
        If a size is less than 1; in `forward`, if a sequence is too long.
    """

    def __init__(
        self, length: int, width: int, rng: np.random.Generator, dtype: type = np.float64
    ) -> None:
        super().__init__()
        _expect_sizes(length=length, width=width)
        self.table = rng.normal(0, 0.02, (length, width)).astype(dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """The table."""
        return [self.table]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Add the first T rows to each of x (N, T, width)."""
        _expect_sequences(x, self.table.shape[1])
        if x.shape[1] > len(self.table):
            raise ValueError(f"expected at most {len(self.table)} positions, got {x.shape[1]}")
        return self._remember(x + self.table[: x.shape[1]], x.shape[1])

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Pass the gradient on; rows of the table that were not used get 0."""
        length = self._recall(upstream)
        gradient = np.zeros_like(self.table)
        gradient[:length] = upstream.sum(axis=0)
        self.gradients = [gradient]
        return upstream


class Positionwise(Sequential):
    r"""Layers that treat each position by itself, with the same weights for all.

    The positions of all sequences become the rows of one matrix, (N, T, width) to (N T, width), so
    values and gradients are those of the same layers with N T examples.

    Parameters
    ----------
    layers : sequence of layers
        Layers for matrices, such as `Dense`, in the order of the forward pass.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map x (N, T, inputs) to (N, T, outputs)."""
        if x.ndim != 3:
            raise ValueError(f"expected sequences of shape (N, T, inputs), got {x.shape}")
        rows = super().forward(x.reshape(-1, x.shape[2]), training)
        return rows.reshape(*x.shape[:2], rows.shape[1])

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs to that of the inputs."""
        rows = super().backward(upstream.reshape(-1, upstream.shape[2]))
        return rows.reshape(*upstream.shape[:2], rows.shape[1])


class FeedForward(Positionwise):
    r"""A dense layer, an activation and a dense layer back to the first width, at each position.

    .. math:: \mathbf{y}_{nt}
        = \phi(\mathbf{x}_{nt} \mathbf{W}_1 + \mathbf{b}_1) \mathbf{W}_2 + \mathbf{b}_2

    Parameters
    ----------
    width, hidden : int
        The widths of the sequences and of the layer between.
    rng : numpy.random.Generator
        The source of the first weights.
    activation : str
        The function :math:`\phi`, one of `coursepkg.scratch.activations.ACTIVATIONS`.
    dtype : numpy dtype
        Of all weights.

    Raises
    ------
    ValueError
        If a size is less than 1 or there is no such activation; in `forward`, if shapes do not fit.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 2 (with ReLU).
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        rng: np.random.Generator,
        activation: str = "relu",
        dtype: type = np.float64,
    ) -> None:
        first, last = Dense(width, hidden, rng, dtype=dtype), Dense(hidden, width, rng, dtype=dtype)
        super().__init__([first, Activation(activation), last])


class SelfAttention(MultiHeadAttention):
    """Multi-head attention of a sequence to itself: one input, used three times."""

    def forward(
        self, x: np.ndarray, training: bool = False, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Map x (N, T, width) to the same shape."""
        return super().forward(x, x, x, mask)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Return the sum of the gradients that x receives as query, key and value."""
        return sum(super().backward(upstream))


class CrossAttention(MultiHeadAttention):
    """Multi-head attention of a sequence to another, which serves as keys and as values.

    Attributes
    ----------
    gradient_encoded : ndarray, shape (N, T_k, width)
        The gradient of the other sequence, from the last backward pass.
    """

    def forward(
        self,
        x: np.ndarray,
        training: bool = False,
        encoded: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> np.ndarray:
        """Map x (N, T_q, width), with encoded (N, T_k, width), to the shape of x."""
        if encoded is None:
            raise ValueError("expected the encoded sequence to look at, got None")
        return super().forward(x, encoded, encoded, mask)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Return the gradient of x, and keep that of the other sequence."""
        of_x, of_key, of_value = super().backward(upstream)
        self.gradient_encoded = of_key + of_value
        return of_x


class Residual(Sequential):
    r"""A layer that adds to its input instead of replacing it, with a layer normalisation.

    .. math:: \mathbf{Y} = \operatorname{LN}(\mathbf{X} + f(\mathbf{X})) \quad (post), \qquad
        \mathbf{Y} = \mathbf{X} + f(\operatorname{LN}(\mathbf{X})) \quad (pre)

    The gradient of the sum goes both ways: to :math:`\mathbf{X}` as it is, and back through f.
    With the norm before f, the way along the sums alone is free of any layer.

    Parameters
    ----------
    sublayer : Layer
        The layer f, whose output has the shape of its input.
    width : int
        The width of the sequences.
    norm : str
        "post", as in the paper of the Transformer, or "pre".
    dtype : numpy dtype
        Of the normalisation's scale and shift.

    Raises
    ------
    ValueError
        If `norm` is neither.

    References
    ----------
    R. Xiong, Y. Yang, D. He, K. Zheng, S. Zheng, C. Xing, H. Zhang, Y. Lan, L. Wang and T.-Y. Liu,
    "On Layer Normalization in the Transformer Architecture", ICML 2020.
    """

    def __init__(
        self, sublayer: Layer | Sequential, width: int, norm: str, dtype: type = np.float64
    ) -> None:
        if norm not in ("pre", "post"):
            raise ValueError(f"expected the norm 'pre' or 'post', got {norm!r}")
        self.sublayer, self.norm = sublayer, LayerNormalisation(width, dtype=dtype)
        self.pre = norm == "pre"
        super().__init__([self.norm, self.sublayer] if self.pre else [self.sublayer, self.norm])

    def forward(
        self, x: np.ndarray, training: bool = False, **others: np.ndarray | None
    ) -> np.ndarray:
        """Map x (N, T, width) to the same shape; `others` are passed to the layer f."""
        if self.pre:
            return x + self.sublayer.forward(self.norm.forward(x), training, **others)
        return self.norm.forward(x + self.sublayer.forward(x, training, **others))

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Return the gradient of x."""
        if self.pre:
            return upstream + self.norm.backward(self.sublayer.backward(upstream))
        of_sum = self.norm.backward(upstream)
        return of_sum + self.sublayer.backward(of_sum)


class EncoderBlock(Sequential):
    r"""Self-attention, then a feed-forward network, each added to its input and normalised.

    Attention is where positions meet; everything else treats each position by itself. Dropout,
    which the paper applies to the output of both parts, is left out.

    Parameters
    ----------
    width, heads, hidden : int
        The width of the sequences, the number of heads, the width inside the feed-forward network.
    rng : numpy.random.Generator
        The source of the first weights.
    norm : str
        "post" or "pre", see `Residual`. A stack of "pre" blocks needs one more normalisation at
        its end.
    activation : str
        That of the feed-forward network.
    rotary_positions : bool
        Whether the attention turns queries and keys by their positions.
    dtype : numpy dtype
        Of all weights.

    Attributes
    ----------
    attention : SelfAttention
    feed_forward : FeedForward

    Raises
    ------
    ValueError
        If a setting is out of range; in `forward`, if shapes do not fit.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.1.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        rng: np.random.Generator,
        norm: str = "post",
        activation: str = "relu",
        rotary_positions: bool = False,
        dtype: type = np.float64,
    ) -> None:
        self.attention = SelfAttention(width, heads, rng, rotary_positions, dtype)
        self.feed_forward = FeedForward(width, hidden, rng, activation, dtype)
        parts = self.attention, self.feed_forward
        super().__init__([Residual(part, width, norm, dtype) for part in parts])

    def forward(
        self, x: np.ndarray, training: bool = False, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Map x (N, T, width) to the same shape; the mask broadcasts to (N, T, T)."""
        attention, feed_forward = self.layers
        return feed_forward.forward(attention.forward(x, training, mask=mask), training)


class DecoderBlock(Sequential):
    r"""An encoder block that cannot look ahead, and may look at a second, encoded sequence.

    Causal self-attention, then (if wanted) cross-attention with the encoded sequence as keys and
    values, then a feed-forward network, each added to its input and normalised. Without
    cross-attention it is the block of a GPT. Dropout is left out.

    Parameters
    ----------
    width, heads, hidden : int
        The width of the sequences, the number of heads, the width inside the feed-forward network.
    rng : numpy.random.Generator
        The source of the first weights.
    cross_attention : bool
        Whether there is a second sequence.
    norm, activation, rotary_positions, dtype
        As in `EncoderBlock`. Cross-attention is never rotary.

    Attributes
    ----------
    attention : SelfAttention
    cross : CrossAttention or None
    feed_forward : FeedForward

    Raises
    ------
    ValueError
        If a setting is out of range; in `forward`, if shapes do not fit, or an encoded sequence is
        missing or not wanted.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.1.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        rng: np.random.Generator,
        cross_attention: bool = False,
        norm: str = "post",
        activation: str = "relu",
        rotary_positions: bool = False,
        dtype: type = np.float64,
    ) -> None:
        self.attention = SelfAttention(width, heads, rng, rotary_positions, dtype)
        self.cross = CrossAttention(width, heads, rng, dtype=dtype) if cross_attention else None
        self.feed_forward = FeedForward(width, hidden, rng, activation, dtype)
        parts = self.attention, self.cross, self.feed_forward
        super().__init__([Residual(part, width, norm, dtype) for part in parts if part])

    def forward(
        self,
        x: np.ndarray,
        training: bool = False,
        mask: np.ndarray | None = None,
        encoded: np.ndarray | None = None,
        encoded_mask: np.ndarray | None = None,
    ) -> np.ndarray:
        """Map x (N, T, width), with encoded (N, T_k, width), to the shape of x.

        `mask` broadcasts to (N, T, T) and holds in addition to the causal one; `encoded_mask`
        broadcasts to (N, T, T_k).
        """
        if self.cross is None and encoded is not None:
            raise ValueError("this block has no cross-attention, but got an encoded sequence")
        _expect_sequences(x, len(self.attention.output_bias))
        causal = causal_mask(x.shape[1])
        attention, *cross, feed_forward = self.layers
        x = attention.forward(x, training, mask=causal if mask is None else causal & mask)
        for layer in cross:
            x = layer.forward(x, training, encoded=encoded, mask=encoded_mask)
        return feed_forward.forward(x, training)

    def backward(self, upstream: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Return the gradient of x, and with cross-attention also that of encoded."""
        of_x = super().backward(upstream)
        return of_x if self.cross is None else (of_x, self.cross.gradient_encoded)


def _blocked(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Put the lowest finite number where the mask is False: its power underflows to 0."""
    return np.where(mask, scores, np.finfo(scores.dtype).min)


def _expect_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


def _expect_sequences(x: np.ndarray, width: int) -> None:
    if x.ndim != 3 or x.shape[-1] != width:
        raise ValueError(f"expected sequences of shape (N, T, {width}), got {x.shape}")


def _expect_values(k: np.ndarray, v: np.ndarray) -> None:
    if v.ndim < 2 or k.shape[:-1] != v.shape[:-1]:
        raise ValueError(f"expected a value for each key, got keys {k.shape} and values {v.shape}")


def _expect_same_batch(query: np.ndarray, key: np.ndarray) -> None:
    if len(query) != len(key):
        raise ValueError(
            f"expected as many sequences of keys as of queries, {len(query)}, got {len(key)}"
        )


def _expect_mask(mask: np.ndarray, shape: tuple[int, ...]) -> None:
    if mask.dtype != bool:
        raise ValueError(f"expected a mask of booleans, True where allowed, got {mask.dtype}")
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"expected a mask that broadcasts to {tuple(shape)}, got {mask.shape}")

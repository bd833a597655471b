"""Attention: gradients against finite differences, mistakes that must be found, and Keras."""

import functools
import inspect
from collections.abc import Callable

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursepkg.scratch import attention
from coursepkg.scratch.attention import (
    AdditiveAttention,
    CrossAttention,
    DecoderBlock,
    Embedding,
    EncoderBlock,
    FeedForward,
    LearnedPositions,
    MultiHeadAttention,
    Positionwise,
    Residual,
    SelfAttention,
    causal_mask,
    dot_product_scores,
    masked_softmax,
    padding_mask,
    position_angles,
    rotary,
    scaled_dot_product,
    scaled_dot_product_backward,
    sinusoidal_positions,
)
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.initialisation import glorot_uniform
from coursepkg.scratch.layers import Activation, Dense, LayerNormalisation, Sequential
from coursepkg.scratch.losses import (
    categorical_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits_backward,
    one_hot,
)
from tests.scratch.broken import broken
from tests.scratch.keras_gradient import keras_gradient, keras_precision

SEEDS = (0, 1, 2)


def generator(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


class Sizes:
    """Sizes of one example, and a source of values that depends on nothing but the seed."""

    def __init__(self, seed=0, n=2, queries=3, keys=3, heads=2, d=2, mask="row of nothing") -> None:
        self.rng = generator(seed)
        self.n, self.queries, self.keys, self.heads, self.d = n, queries, keys, heads, d
        self.width = heads * d
        self.kind = mask

    def values(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(-2, 2, shape)

    def sequences(self, length: int) -> np.ndarray:
        """Entries of a row differ by about 1, so that layer normalisation meets no variance 0."""
        steps = np.arange(self.width) - self.width // 2
        return self.values(self.n, length, self.width) / 2 + steps

    def mask(self, keys: int | None = None) -> np.ndarray | None:
        """Draw a mask of the kind asked for; all but "causal" may forbid whole rows."""
        keys = self.keys if keys is None else keys
        if self.kind == "none":
            return None
        if self.kind == "keys":
            return self.rng.random((self.n, 1, keys)) < 0.6
        if self.kind == "causal":
            return np.tri(self.queries, keys, dtype=bool)
        some = self.rng.random((self.n, self.queries, keys)) < 0.6
        some[0, 0] &= self.kind == "some"
        return some

    def fill(self, layer):
        """Move all parameters, so that no bias is 0 and no scale 1."""
        for array in layer.parameters:
            array += self.values(*array.shape) / 4
        return layer


def function_qk(s: Sizes):
    return {"q": s.values(s.n, s.queries, s.d), "k": s.values(s.n, s.keys, s.d)}, {}


def function_softmax(s: Sizes):
    return {"scores": s.values(s.n, s.queries, s.keys)}, {"mask": s.mask()}


def function_attention(s: Sizes):
    inputs, _ = function_qk(s)
    return inputs | {"v": s.values(s.n, s.keys, s.heads)}, {"mask": s.mask()}


def function_project(s: Sizes):
    kernel = s.values(s.width, s.heads, s.d)
    x = s.values(s.n, s.queries, s.width)
    return {"x": x, "kernel": kernel, "bias": s.values(s.heads, s.d)}, {}


def function_merge(s: Sizes):
    kernel = s.values(s.heads, s.d, s.width)
    x = s.values(s.n, s.heads, s.queries, s.d)
    return {"heads": x, "kernel": kernel, "bias": s.values(s.width)}, {}


def function_rotary(s: Sizes):
    return {"x": s.values(s.n, s.queries, 2 * s.d)}, {}


def function_rotary_at(s: Sizes):
    return function_rotary(s)[0], {"positions": s.rng.integers(0, 50, s.queries)}


FUNCTIONS: dict[str, tuple[str, Callable]] = {
    "dot_product_scores": ("dot_product_scores", function_qk),
    "masked_softmax": ("masked_softmax", function_softmax),
    "scaled_dot_product": ("scaled_dot_product", function_attention),
    "project": ("project", function_project),
    "merge": ("merge", function_merge),
    "rotary": ("rotary", function_rotary),
    "rotary, positions given": ("rotary", function_rotary_at),
}


def check_function(case: str, backward: Callable, s: Sizes) -> None:
    """Check the gradients of the sum of upstream * output by every array that goes in."""
    name, build = FUNCTIONS[case]
    forward = getattr(attention, name)
    inputs, others = build(s)
    upstream = s.values(*forward(**inputs, **others).shape)
    taken = inspect.signature(backward).parameters
    got = backward(upstream, **{n: a for n, a in (inputs | others).items() if n in taken})
    got = got if isinstance(got, tuple) else (got,)
    gradient_check(
        lambda: float((forward(**inputs, **others) * upstream).sum()),
        inputs,
        dict(zip(inputs, got, strict=True)),
    )


def additive(kind, s: Sizes):
    layer = s.fill(kind(s.width, s.d, 3, s.rng))
    query, key = s.sequences(s.queries), s.values(s.n, s.keys, s.d)
    return (
        layer,
        {"query": query, "key": key, "value": s.values(s.n, s.keys, 2)},
        {"mask": s.mask()},
    )


def multi_head(rotary_positions, kind, s: Sizes):
    layer = s.fill(kind(s.width, s.heads, s.rng, rotary_positions))
    inputs = {"query": s.queries, "key": s.keys, "value": s.keys}
    return layer, {n: s.values(s.n, t, s.width) for n, t in inputs.items()}, {"mask": s.mask()}


def self_attention(kind, s: Sizes):
    layer = s.fill(kind(s.width, s.heads, s.rng))
    return layer, {"x": s.values(s.n, s.queries, s.width)}, {"mask": s.mask(s.queries)}


class CrossWithBoth(Sequential):
    """Returns both gradients of a `CrossAttention`, so that both are checked."""

    def forward(self, x, encoded, mask):
        return self.layers[0].forward(x, encoded=encoded, mask=mask)

    def backward(self, upstream):
        return super().backward(upstream), self.layers[0].gradient_encoded


def cross_attention(kind, s: Sizes):
    layer = s.fill(CrossWithBoth([kind(s.width, s.heads, s.rng)]))
    inputs = {"x": s.values(s.n, s.queries, s.width), "encoded": s.values(s.n, s.keys, s.width)}
    return layer, inputs, {"mask": s.mask()}


def embedding(kind, s: Sizes):
    layer = s.fill(kind(5, s.width, s.rng))
    return layer, {}, {"x": s.rng.integers(0, 5, (s.n, s.queries))}


def learned_positions(kind, s: Sizes):
    layer = s.fill(kind(s.queries + 1, s.width, s.rng))
    return layer, {"x": s.sequences(s.queries)}, {}


def positionwise(kind, s: Sizes):
    layers = [Dense(s.width, s.d, s.rng), Activation("tanh"), Dense(s.d, 3, s.rng)]
    return s.fill(kind(layers)), {"x": s.values(s.n, s.queries, s.width)}, {}


def residual(norm, kind, s: Sizes):
    inner = FeedForward(s.width, 3, s.rng, "tanh")
    return s.fill(kind(inner, s.width, norm)), {"x": s.sequences(s.queries)}, {}


def encoder(norm, rotary_positions, kind, s: Sizes):
    layer = s.fill(kind(s.width, s.heads, 3, s.rng, norm, "gelu", rotary_positions))
    return layer, {"x": s.sequences(s.queries)}, {"mask": s.mask(s.queries)}


def decoder(norm, cross, kind, s: Sizes):
    layer = s.fill(kind(s.width, s.heads, 3, s.rng, cross, norm, "gelu"))
    inputs, others = {"x": s.sequences(s.queries)}, {"mask": s.mask(s.queries)}
    if cross:
        inputs["encoded"], others["encoded_mask"] = s.sequences(s.keys), s.mask()
    return layer, inputs, others


LAYERS: dict[str, tuple[type, Callable]] = {
    "additive": (AdditiveAttention, additive),
    "multi-head": (MultiHeadAttention, functools.partial(multi_head, False)),
    "multi-head, rotary": (MultiHeadAttention, functools.partial(multi_head, True)),
    "self-attention": (SelfAttention, self_attention),
    "cross-attention": (CrossAttention, cross_attention),
    "embedding": (Embedding, embedding),
    "learned positions": (LearnedPositions, learned_positions),
    "positionwise": (Positionwise, positionwise),
    "residual, post": (Residual, functools.partial(residual, "post")),
    "residual, pre": (Residual, functools.partial(residual, "pre")),
    "encoder, post": (EncoderBlock, functools.partial(encoder, "post", False)),
    "encoder, pre, rotary": (EncoderBlock, functools.partial(encoder, "pre", True)),
    "decoder, post": (DecoderBlock, functools.partial(decoder, "post", False)),
    "decoder, pre": (DecoderBlock, functools.partial(decoder, "pre", False)),
    "decoder, post, cross": (DecoderBlock, functools.partial(decoder, "post", True)),
    "decoder, pre, cross": (DecoderBlock, functools.partial(decoder, "pre", True)),
}


def check_layer(case: str, kind: type, s: Sizes) -> None:
    """Check the gradients of the sum of upstream * output, by inputs and all parameters."""
    layer, inputs, others = LAYERS[case][1](kind, s)
    upstream = s.values(*layer.forward(**inputs, **others).shape) / 2
    got = layer.backward(upstream)
    got = () if got is None else got if isinstance(got, tuple) else (got,)
    gradients = dict(zip(inputs, got, strict=True))
    gradients |= {f"parameter {i}": gradient for i, gradient in enumerate(layer.gradients)}
    gradient_check(
        lambda: float((layer.forward(**inputs, **others) * upstream).sum()),
        inputs | {f"parameter {i}": array for i, array in enumerate(layer.parameters)},
        gradients,
    )


def sizes(fewest_heads: int) -> st.SearchStrategy[Sizes]:
    return st.builds(
        Sizes,
        seed=st.integers(0, 2**32 - 1),
        n=st.integers(1, 2),
        queries=st.integers(1, 4),
        keys=st.integers(1, 4),
        heads=st.integers(fewest_heads, 3),
        d=st.sampled_from([2, 4]),
        mask=st.sampled_from(["none", "keys", "causal", "some", "row of nothing"]),
    )


@pytest.mark.parametrize("case", FUNCTIONS)
@given(s=sizes(1))
def test_gradients_of_functions_are_those_of_finite_differences(case, s):
    check_function(case, getattr(attention, FUNCTIONS[case][0] + "_backward"), s)


@pytest.mark.parametrize("case", LAYERS)
@settings(max_examples=20)
@given(data=st.data())
def test_gradients_of_layers_are_those_of_finite_differences(case, data):
    """Blocks get at least 4 columns: normalised rows of 2 are nearly steps, with no smooth part."""
    fewest = 2 if "coder" in case else 1
    check_layer(case, LAYERS[case][0], data.draw(sizes(fewest)))


# the case, what is wrong, the text that is replaced, what replaces it
BROKEN: list[tuple[str, str, str, str]] = [
    ("dot_product_scores", "queries: no scale", "(upstream @ k) * scale", "(upstream @ k)"),
    ("dot_product_scores", "keys: no scale", "@ q) * scale", "@ q)"),
    ("dot_product_scores", "keys: no transpose", "upstream.swapaxes(-1, -2) @", "upstream @"),
    ("dot_product_scores", "scale 1/d", "** -0.5", "** -1.0"),
    ("masked_softmax", "mask ignored", "_blocked(scores, mask)", "scores"),
    ("masked_softmax", "rows of nothing", "upstream * mask", "upstream"),
    ("masked_softmax", "sign", "softmax_backward(upstream * mask", "-softmax_backward(upstream"),
    ("scaled_dot_product", "values: no transpose", "mask).swapaxes(-1, -2) @", "mask) @"),
    ("scaled_dot_product", "values: mask ignored", "(scores, mask).swap", "(scores).swap"),
    ("scaled_dot_product", "scores: mask ignored", "weights, scores, mask)", "weights, scores)"),
    ("scaled_dot_product", "softmax forgotten", "_backward(gradient_w", "_backward(0 * gradient_w"),
    ("project", "input: no transpose", "width, heads * d).T", "width, heads * d)"),
    ("project", "kernel: mean, not sum", "@ rows).reshape", "@ rows / len(x)).reshape"),
    ("project", "bias: no sum", "rows.sum(axis=0)", "rows[0]"),
    ("project", "heads and positions mixed", "upstream.swapaxes(1, 2)", "upstream"),
    ("merge", "heads: no transpose", "number * d, -1).T", "number * d, -1)"),
    ("merge", "heads and positions mixed", "merged = heads.swapaxes(1, 2)", "merged = heads"),
    ("merge", "bias: no sum", "rows.sum(axis=0)", "rows[0]"),
    ("merge", "kernel: sign", "(merged.T @ rows)", "(-merged.T @ rows)"),
    ("rotary", "turned on, not back", "-positions", "positions"),
    ("rotary", "not turned", "rotary(upstream, -positions)", "upstream"),
    ("rotary, positions given", "positions ignored", "is None else positions",
     "is None else np.arange(len(positions))"),
    ("additive", "queries: sum over queries", "delta.sum(axis=2),", "delta.sum(axis=1),"),
    ("additive", "keys: sum over keys", "delta.sum(axis=2), delta.sum(axis=1)",
     "delta.sum(axis=2), delta.sum(axis=2)"),
    ("additive", "no tanh'", "(self.scale * (1 - hidden**2))", "self.scale"),
    ("additive", "no v", "self.scale * (1 -", "(1 -"),
    ("additive", "v: before tanh", "np.tensordot(gradient_scores, hidden,", "np.tensordot("
     "gradient_scores, np.arctanh(hidden),"),
    ("additive", "mask ignored", "gradient_weights, scores, mask)", "gradient_weights, scores)"),
    ("additive", "values: sign", "gradient_value = self.", "gradient_value = -self."),
    ("additive", "query kernel: by keys", "tensordot(query, of_queries", "tensordot(key, of_keys"),
    ("multi-head", "mask ignored", "scores, mask)\n        of_q", "scores)\n        of_q"),
    ("multi-head", "values: no transpose", "weights.swapaxes(-1, -2) @ of", "weights @ of"),
    ("multi-head", "keys for values", "project_backward(of_v, value", "project_backward(of_v, key"),
    ("multi-head", "queries for keys", "project_backward(of_k,",
     "project_backward(of_q,"),
    ("multi-head", "order of gradients", "*of_query, *of_key, *of_v", "*of_key, *of_query, *of_v"),
    ("multi-head, rotary", "keys not turned", "rotary_backward(of_k)", "of_k"),
    ("multi-head, rotary", "turned on, not back", "rotary_backward(of_q)", "rotary(of_q)"),
    ("self-attention", "queries only", "sum(super().backward(upstream))", "super().backward("
     "upstream)[0]"),
    ("self-attention", "mean", "sum(super().backward(upstream))", "sum(super().backward("
     "upstream)) / 3"),
    ("cross-attention", "keys only", "of_key + of_value", "of_key"),
    ("cross-attention", "difference", "of_key + of_value", "of_key - of_value"),
    ("cross-attention", "queries for the rest", "return of_x", "return of_key"),
    ("embedding", "last wins", "np.add.reduceat(rows[order], starts, axis=0)",
     "rows[order][starts]"),
    ("embedding", "unsorted", "np.add.reduceat(rows[order]", "np.add.reduceat(rows"),
    ("embedding", "sign", "= np.add.reduceat(", "= -np.add.reduceat("),
    ("learned positions", "mean, not sum", "upstream.sum(axis=0)", "upstream.mean(axis=0)"),
    ("learned positions", "no sum", "upstream.sum(axis=0)", "upstream[0]"),
    ("learned positions", "input: nothing", "return upstream", "return 0 * upstream"),
    ("positionwise", "first position only",
     "return rows.reshape(*upstream.shape[:2], rows.shape[1])",
     "return rows.reshape(*upstream.shape[:2], rows.shape[1]) * (np.arange(4) == 0)[:, None]"),
    ("positionwise", "columns first", "upstream.reshape(-1, upstream.shape[2])",
     'upstream.reshape(-1, upstream.shape[2], order="F")'),
    ("residual, post", "sum forgotten", "return of_sum + self.sub", "return self.sub"),
    ("residual, post", "norm forgotten", "of_sum = self.norm.backward(upstream)", "of_sum = "
     "upstream"),
    ("residual, post", "layer forgotten", "of_sum + self.sublayer.backward(of_sum)", "of_sum + 0"),
    ("residual, pre", "sum forgotten", "return upstream + self.norm", "return self.norm"),
    ("residual, pre", "norm forgotten", "self.norm.backward(self.sublayer.backward(upstream))",
     "self.sublayer.backward(upstream)"),
    ("decoder, post, cross", "other order", "(of_x, self.cross.gradient_encoded)",
     "(self.cross.gradient_encoded, of_x)"),
    ("decoder, pre, cross", "encoded: nothing", "self.cross.gradient_encoded)",
     "0 * self.cross.gradient_encoded)"),
    ("decoder, pre, cross", "x: sign", "return of_x if self.cross is None else (of_x,",
     "return of_x if self.cross is None else (-of_x,"),
]  # fmt: skip


def broken_by(case: str) -> Callable:
    """What a case checks: the class, or the function."""
    return LAYERS[case][0] if case in LAYERS else getattr(attention, FUNCTIONS[case][0])


def fixed(case: str, old: str, new: str) -> None:
    """Check one example, square so that a missing transpose changes no shape."""
    s = Sizes(seed=5, n=2, queries=4, keys=4, heads=2, d=4)
    if case in LAYERS:
        check_layer(case, broken(LAYERS[case][0], old, new), s)
    else:
        backward = getattr(attention, FUNCTIONS[case][0] + "_backward")
        check_function(case, broken(backward, old, new), s)


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [(case, old, new) for case, _, old, new in BROKEN],
    ids=[f"{case}, {what}" for case, what, *_ in BROKEN],
)
def test_a_broken_backward_pass_is_found(case, old, new):
    fixed(case, old, old)
    with pytest.raises((GradientError, ValueError), match="gradient"):
        fixed(case, old, new)


def test_every_backward_pass_is_broken_twice():
    counts = {broken_by(case): 0 for case in [*FUNCTIONS, *LAYERS]}
    for case, *_ in BROKEN:
        counts[broken_by(case)] += 1
    own = {n: t for n, t in vars(attention).items() if inspect.getmodule(t) is attention}
    with_backward = {thing for name, thing in own.items() if name + "_backward" in own}
    with_backward |= {
        thing for thing in own.values() if "backward" in getattr(thing, "__dict__", {})
    }
    assert set(counts) - with_backward == {EncoderBlock}
    assert with_backward <= set(counts)
    assert min(counts[thing] for thing in with_backward) >= 2


@given(data=st.data())
@settings(max_examples=10)
def test_a_small_language_model_end_to_end(data):
    """Tokens in, cross-entropy out; every parameter against finite differences."""
    rng = generator(data.draw(st.integers(0, 1000)))
    norm = data.draw(st.sampled_from(["pre", "post"]))
    tokens, width = 4, 4
    model = Sequential(
        [
            Embedding(tokens, width, rng, deviation=1.0),
            LearnedPositions(3, width, rng),
            DecoderBlock(width, 2, 5, rng, norm=norm, activation="gelu"),
            LayerNormalisation(width),
            Positionwise([Dense(width, tokens, rng)]),
        ]
    )
    x = rng.integers(0, tokens, (2, 3))
    targets = one_hot(rng.integers(0, tokens, 6), tokens)

    def logits() -> np.ndarray:
        return model.forward(x).reshape(6, tokens)

    upstream = categorical_cross_entropy_from_logits_backward(logits(), targets)
    assert model.backward(upstream.reshape(2, 3, tokens)) is None
    gradient_check(
        lambda: categorical_cross_entropy_from_logits(logits(), targets),
        dict(enumerate(model.parameters)),
        dict(enumerate(model.gradients)),
    )


def test_weights_in_numbers():
    q, k = np.array([[2.0, 0.0]]), np.array([[0.0, 5.0], [np.sqrt(2) * np.log(3) / 2, 0.0]])
    assert dot_product_scores(q, k) == pytest.approx(np.array([[0, np.log(3)]]))
    assert scaled_dot_product(q, k, np.array([[4.0], [8.0]])) == pytest.approx(np.array([[7.0]]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_masked_weights_are_exactly_0_and_the_others_sum_to_1(dtype, size):
    rng = generator()
    scores = (size * rng.normal(size=(5, 6, 7))).astype(dtype)
    mask = rng.random(scores.shape) < 0.5
    mask[..., 3] = True
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        weights = masked_softmax(scores, mask)
    assert (weights[~mask] == 0).all()
    assert weights.sum(axis=-1) == pytest.approx(1, abs=1e-6)
    allowed = np.where(mask, scores, -np.inf)
    powers = np.exp(allowed - allowed.max(axis=-1, keepdims=True))
    assert weights == pytest.approx(powers / powers.sum(axis=-1, keepdims=True), abs=1e-6)


def test_a_query_that_may_look_at_nothing_gets_0_and_passes_no_gradient():
    rng = generator()
    q, k, v, upstream = (rng.normal(size=(2, 3, 4)) for _ in range(4))
    mask = np.ones((2, 3, 3), dtype=bool)
    mask[1, 2] = False
    assert (masked_softmax(dot_product_scores(q, k), mask)[1, 2] == 0).all()
    assert (scaled_dot_product(q, k, v, mask)[1, 2] == 0).all()
    of_q, *others = scaled_dot_product_backward(upstream, q, k, v, mask)
    assert (of_q[1, 2] == 0).all()
    upstream[1, 2] = 1e6
    assert (scaled_dot_product_backward(upstream, q, k, v, mask)[1] == others[0]).all()
    assert (scaled_dot_product_backward(upstream, q, k, v, mask)[2] == others[1]).all()
    layer = MultiHeadAttention(4, 2, rng)
    layer.output_bias[:] = 5.0
    assert (layer.forward(q, k, v, mask)[1, 2] == 5.0).all()


def test_masks_in_numbers():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True] * 3]
    tokens = np.array([[5, 6, 0], [7, 0, 0]])
    assert padding_mask(tokens).tolist() == [[[True, True, False]], [[True, False, False]]]
    assert (padding_mask(tokens, padding=7) == (tokens != 7)[:, None]).all()
    assert (padding_mask(tokens) & causal_mask(3))[1, 2].tolist() == [True, False, False]


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_decoder_block_does_not_look_ahead(norm):
    rng = generator()
    block = DecoderBlock(8, 2, 16, rng, norm=norm)
    x = rng.normal(size=(2, 6, 8))
    before = block.forward(x)
    assert (block.attention.attention_weights == np.tril(block.attention.attention_weights)).all()
    x[:, 4, 0] += 1
    after = block.forward(x)
    assert (after[:, :4] == before[:, :4]).all()
    assert (np.abs(after[:, 4:] - before[:, 4:]).max(axis=-1) > 1e-3).all()


def test_what_fills_a_row_up_does_not_matter():
    rng = generator()
    tokens = np.array([[3, 1, 2, 0, 0], [2, 2, 1, 3, 0]])
    encoder = EncoderBlock(8, 2, 16, rng)
    decoder = DecoderBlock(8, 2, 16, rng, cross_attention=True)
    x, y = rng.normal(size=(2, 2, 5, 8))
    changed = x + 9 * (tokens == 0)[..., None]
    mask = padding_mask(tokens)
    encoded = encoder.forward(x, mask=mask)
    differs = (encoded != encoder.forward(changed, mask=mask)).any(axis=-1)
    assert (differs == (tokens == 0)).all()
    for masked in (mask, None):
        pair = [decoder.forward(y, encoded=e, encoded_mask=masked) for e in (x, changed)]
        assert (pair[0] == pair[1]).all() == (masked is not None)


@pytest.mark.parametrize("rotary_positions", [False, True])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_without_positions_a_permutation_goes_straight_through(norm, rotary_positions):
    rng = generator()
    block = EncoderBlock(8, 2, 16, rng, norm, rotary_positions=rotary_positions)
    x, order = rng.normal(size=(3, 6, 8)), rng.permutation(6)
    deviation = np.abs(block.forward(x[:, order]) - block.forward(x)[:, order]).max()
    assert deviation > 1e-2 if rotary_positions else deviation < 1e-12
    positions = sinusoidal_positions(6, 8)
    moved = block.forward(x[:, order] + positions) - block.forward(x + positions)[:, order]
    assert np.abs(moved).max() > 1e-2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("d", [4, 16, 64, 256])
def test_products_have_variance_d_and_scores_variance_1(d, seed):
    """The margin of 10 % is over 6 standard errors of a variance from 20,000 draws."""
    q, k = generator(seed).normal(size=(2, 20_000, 1, d))
    assert (q * k).sum(axis=-1).var() == pytest.approx(d, rel=0.1)
    assert dot_product_scores(q, k).var() == pytest.approx(1, rel=0.1)


def test_sinusoidal_positions_are_those_of_the_paper():
    table = sinusoidal_positions(50, 6)
    for position in range(50):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            expected = [np.sin(angle), np.cos(angle)]
            assert table[position, 2 * i : 2 * i + 2] == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("shift", [1, 7, -3])
def test_a_shift_of_sinusoidal_positions_is_a_rotation(shift):
    table, width = sinusoidal_positions(40, 8), 8
    rotation = np.zeros((width, width))
    for i, angle in enumerate(position_angles(np.array([shift]), width)[0]):
        block = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        rotation[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = block
    assert rotation @ rotation.T == pytest.approx(np.eye(width))
    here = np.arange(5, 30)
    assert table[here + shift] == pytest.approx(table[here] @ rotation, abs=1e-12)
    products = (table[here + shift] * table[here]).sum(axis=-1)
    assert products == pytest.approx(products[0])


def test_rotary_multiplies_complex_numbers():
    x = generator().normal(size=(2, 5, 6))
    turns = np.exp(1j * np.arange(5)[:, None] * 10_000 ** (-np.arange(3) / 3))
    expected = (x[..., 0::2] + 1j * x[..., 1::2]) * turns
    turned = rotary(x)
    assert turned[..., 0::2] == pytest.approx(expected.real)
    assert turned[..., 1::2] == pytest.approx(expected.imag)
    assert (turned**2).sum(axis=-1) == pytest.approx((x**2).sum(axis=-1))


def test_rotary_scores_depend_on_relative_positions_only():
    q, k = generator().normal(size=(2, 10, 1, 8))
    key, query = np.array([3, 3, 50]), np.array([11, 12, 58])

    def score(i: int, shift: int) -> np.ndarray:
        return dot_product_scores(rotary(q, query[[i]] + shift), rotary(k, key[[i]] + shift))

    for shift in (1, 100, -2):
        assert score(0, shift) == pytest.approx(score(0, 0), abs=1e-10)
    assert score(2, 0) == pytest.approx(score(0, 0), abs=1e-10)
    assert np.abs(score(1, 0) - score(0, 0)).max() > 0.1


def test_an_embedding_is_a_dense_layer_of_one_hot_rows():
    rng = generator()
    layer, x = Embedding(6, 4, rng), rng.integers(0, 5, (3, 7))
    hot = one_hot(x.ravel(), 6)
    assert (layer.forward(x).reshape(21, 4) == hot @ layer.table).all()
    upstream = rng.normal(size=(3, 7, 4))
    layer.backward(upstream)
    assert layer.gradients[0] == pytest.approx(hot.T @ upstream.reshape(21, 4))
    assert (layer.gradients[0][5] == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_first_rows_of_the_tables_have_the_deviation_asked_for(seed):
    rng = generator(seed)
    for table, deviation in [
        (Embedding(200, 100, rng).table, 0.02),
        (Embedding(200, 100, rng, deviation=1.0).table, 1.0),
        (LearnedPositions(200, 100, rng).table, 0.02),
    ]:
        assert table.std() == pytest.approx(deviation, rel=0.05)
        assert abs(table.mean()) < 0.05 * deviation


def test_each_head_is_attention_in_its_own_projection():
    rng = generator()
    layer = MultiHeadAttention(6, 2, rng)
    query, key, value = rng.normal(size=(2, 4, 6)), *rng.normal(size=(2, 2, 5, 6))
    expected = layer.output_bias.copy()
    for h in range(2):
        projected = [
            x @ getattr(layer, f"{name}_kernel")[:, h] + getattr(layer, f"{name}_bias")[h]
            for name, x in [("query", query), ("key", key), ("value", value)]
        ]
        expected = expected + scaled_dot_product(*projected) @ layer.output_kernel[h]
    assert layer.forward(query, key, value) == pytest.approx(expected)
    assert layer.attention_weights.shape == (2, 2, 4, 5)
    assert layer.attention_weights.sum(axis=-1) == pytest.approx(1)


def test_first_weights_are_glorot_of_the_width():
    layer, rng = MultiHeadAttention(6, 2, generator()), generator()
    for kernel in layer.parameters[::2]:
        assert (kernel.reshape(6, 6) == glorot_uniform((6, 6), rng)).all()
    assert not any(bias.any() for bias in layer.parameters[1::2])


def test_counts_of_parameters():
    """Blocks of the Transformer's base model: width 512, 8 heads, 2048 units inside."""
    attention_, norm, dense = 4 * (512 * 512 + 512), 2 * 512, 2 * 512 * 2048 + 2048 + 512
    rng = generator()
    for block, expected in [
        (EncoderBlock(512, 8, 2048, rng), attention_ + dense + 2 * norm),
        (DecoderBlock(512, 8, 2048, rng), attention_ + dense + 2 * norm),
        (DecoderBlock(512, 8, 2048, rng, True), 2 * attention_ + dense + 3 * norm),
    ]:
        assert sum(array.size for array in block.parameters) == expected


@pytest.mark.parametrize("case", [c for c in LAYERS if not c.startswith(("residual", "position"))])
def test_float32_stays_float32(case):
    kind, build = LAYERS[case]
    layer, inputs, others = build(functools.partial(kind, dtype=np.float32), Sizes())
    inputs = {name: array.astype(np.float32) for name, array in inputs.items()}
    output = layer.forward(**inputs, **others)
    got = layer.backward(output)
    made = [output, *layer.gradients, *layer.parameters]
    made += [] if got is None else got if isinstance(got, tuple) else [got]
    assert {array.dtype for array in made} == {np.dtype(np.float32)}


@pytest.mark.parametrize("case", LAYERS)
def test_backward_needs_a_forward_pass_and_its_shape(case):
    kind, build = LAYERS[case]
    layer, inputs, others = build(kind, Sizes())
    with pytest.raises(RuntimeError, match="call forward before backward"):
        layer.backward(np.ones((2, 3, 4)))
    output = layer.forward(**inputs, **others)
    layer.backward(output)
    with pytest.raises(ValueError, match="expected an upstream gradient"):
        layer.backward(np.ones((*output.shape[:-1], output.shape[-1] + 1)))


ONES = np.ones


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: causal_mask(0), "length must be at least 1, got 0"),
        (lambda: padding_mask(ONES(3)), r"tokens of shape \(N, T\), got \(3,\)"),
        (lambda: dot_product_scores(ONES((2, 3)), ONES((2, 4))), r"got \(2, 3\) and \(2, 4\)"),
        (lambda: dot_product_scores(ONES((2, 2, 3)), ONES((1, 2, 3))), r"got \(2, 2, 3\) and"),
        (lambda: dot_product_scores(ONES(3), ONES(3)), r"got \(3,\) and"),
        (
            lambda: scaled_dot_product(ONES((2, 3)), ONES((4, 3)), ONES((3, 3))),
            r"a value for each key, got keys \(4, 3\) and values \(3, 3\)",
        ),
        (
            lambda: masked_softmax(ONES((2, 3)), ONES((2, 3))),
            "booleans, True where allowed, got float64",
        ),
        (
            lambda: masked_softmax(ONES((2, 3)), ONES((3, 2), bool)),
            r"broadcasts to \(2, 3\), got \(3, 2\)",
        ),
        (
            lambda: masked_softmax(ONES((2, 3)), ONES((5, 2, 3), bool)),
            r"broadcasts to \(2, 3\), got \(5, 2, 3\)",
        ),
        (lambda: AdditiveAttention(0, 2, 2, generator()), "query_width must be at least 1, got 0"),
        (lambda: AdditiveAttention(2, 2, 0, generator()), "units must be at least 1, got 0"),
        (
            lambda: AdditiveAttention(4, 3, 2, generator()).forward(*[ONES((2, 3, 4))] * 3),
            r"\(N, T, 3\), got \(2, 3, 4\)",
        ),
        (lambda: MultiHeadAttention(6, 4, generator()), "heads that divide the width 6, got 4"),
        (lambda: MultiHeadAttention(6, 0, generator()), "heads must be at least 1, got 0"),
        (
            lambda: MultiHeadAttention(6, 2, generator()).forward(*[ONES((2, 3, 5))] * 3),
            r"\(N, T, 6\), got \(2, 3, 5\)",
        ),
        (
            lambda: MultiHeadAttention(6, 2, generator()).forward(
                ONES((3, 3, 6)), *[ONES((2, 3, 6))] * 2
            ),
            "as many sequences of keys as of queries, 3, got 2",
        ),
        (
            lambda: MultiHeadAttention(6, 2, generator()).forward(
                *[ONES((2, 3, 6))] * 3, ONES((2, 2, 3, 3), bool)
            ),
            r"broadcasts to \(2, 3, 3\), got \(2, 2, 3, 3\)",
        ),
        (
            lambda: MultiHeadAttention(6, 2, generator(), True).forward(*[ONES((2, 3, 6))] * 3),
            "even width of at least 2, got 3",
        ),
        (lambda: sinusoidal_positions(5, 3), "even width of at least 2, got 3"),
        (lambda: sinusoidal_positions(0, 4), "length must be at least 1, got 0"),
        (lambda: rotary(ONES((5, 4)), np.arange(4)), r"expected 5 positions, got shape \(4,\)"),
        (lambda: Embedding(0, 2, generator()), "tokens must be at least 1, got 0"),
        (lambda: Embedding(3, 2, generator()).forward(ONES((2, 2))), "integers .* got float64"),
        (
            lambda: Embedding(3, 2, generator()).forward(np.array([[0, 3]])),
            "tokens from 0 to 2, got 0 to 3",
        ),
        (
            lambda: Embedding(3, 2, generator()).forward(np.array([[-1, 2]])),
            "tokens from 0 to 2, got -1 to 2",
        ),
        (lambda: LearnedPositions(0, 2, generator()), "length must be at least 1, got 0"),
        (
            lambda: LearnedPositions(3, 2, generator()).forward(ONES((1, 4, 2))),
            "at most 3 positions, got 4",
        ),
        (
            lambda: LearnedPositions(3, 2, generator()).forward(ONES((1, 3, 1))),
            r"\(N, T, 2\), got \(1, 3, 1\)",
        ),
        (lambda: Positionwise([]), "at least one layer"),
        (lambda: FeedForward(2, 3, generator()).forward(ONES((4, 2))), r"got \(4, 2\)"),
        (lambda: FeedForward(2, 0, generator()), "outputs must be at least 1, got 0"),
        (lambda: Residual(Activation("relu"), 2, "both"), "'pre' or 'post', got 'both'"),
        (lambda: EncoderBlock(6, 4, 3, generator()), "heads that divide the width 6, got 4"),
        (lambda: DecoderBlock(6, 2, 3, generator()).forward(ONES(6)), r"got \(6,\)"),
        (
            lambda: DecoderBlock(6, 2, 3, generator(), True).forward(ONES((1, 2, 6))),
            "expected the encoded sequence",
        ),
        (
            lambda: DecoderBlock(6, 2, 3, generator()).forward(
                ONES((1, 2, 6)), encoded=ONES((1, 2, 6))
            ),
            "no cross-attention",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-5)], ids=["float64", "float32"]
)
MASKS = ["none", "padding", "causal", "padding and causal", "some"]


def assert_alike(ours, theirs, tolerance: float) -> None:
    for own, other in zip(ours, theirs, strict=True):
        assert own.dtype == other.dtype
        np.testing.assert_allclose(own, other, rtol=tolerance, atol=tolerance)


def masks(kind: str, n: int, queries: int, keys: int) -> np.ndarray | None:
    """Masks that leave every query a key; for rows of nothing Keras's layers disagree."""
    real = np.arange(keys) < np.array([[keys], [keys - 2], [1]])[:n]
    some = generator(1).random((n, queries, keys)) < 0.5
    some[..., 0] = True
    return {
        "none": None,
        "padding": padding_mask(real.astype(int)),
        "causal": np.tri(queries, keys, dtype=bool),
        "padding and causal": padding_mask(real.astype(int)) & np.tri(queries, keys, dtype=bool),
        "some": some,
    }[kind]


def in_keras(call: Callable, arrays: list[np.ndarray], upstream: np.ndarray) -> list[np.ndarray]:
    """Value of `call` at the arrays, and gradients of the sum of upstream * value by each."""
    ends = np.cumsum([array.size for array in arrays]).tolist()

    def parts(flat):
        return [
            keras.ops.reshape(flat[end - array.size : end], array.shape)
            for array, end in zip(arrays, ends, strict=True)
        ]

    flat = np.concatenate([array.ravel() for array in arrays])
    _, gradient = keras_gradient(lambda flat: call(*parts(flat)) * upstream, flat)
    value = keras.ops.convert_to_numpy(call(*map(keras.ops.convert_to_tensor, arrays)))
    return [value, *(keras.ops.convert_to_numpy(part) for part in parts(gradient))]


class Twin(keras.Layer):
    """Keras's layers with the weights of ours, in the order of ours, and how they are joined."""

    def __init__(self, layers: list, join: Callable, dtype: type) -> None:
        super().__init__(dtype=np.dtype(dtype).name)
        self.parts, self.join = layers, join

    def call(self, inputs: list):
        return self.join(*inputs)


def assert_twins(layer, inputs, others, parts, join, dtype, tolerance) -> None:
    """Compare the outputs of both, and their gradients by inputs and all weights."""
    rng = generator(2)
    for array in layer.parameters:
        array += rng.normal(0, 0.1, array.shape).astype(dtype)
    inputs = {name: array.astype(dtype) for name, array in inputs.items()}
    ours = layer.forward(**inputs, **others)
    upstream = rng.normal(size=ours.shape).astype(dtype)
    of_inputs = layer.backward(upstream)
    of_inputs = of_inputs if isinstance(of_inputs, tuple) else (of_inputs,)

    twin = Twin(parts, join, dtype)
    twin([keras.ops.convert_to_tensor(array) for array in inputs.values()])
    twin.set_weights([array.copy() for array in layer.parameters])

    def call(*arrays):
        return twin.stateless_call(arrays[len(inputs) :], [], list(arrays[: len(inputs)]))[0]

    theirs = in_keras(call, [*inputs.values(), *layer.parameters], upstream)
    assert_alike([ours, *of_inputs, *layer.gradients], theirs, tolerance)


def sequences(dtype: type, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = generator(3)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


@PRECISIONS
@pytest.mark.parametrize("mask", MASKS)
def test_multi_head_attention_is_that_of_keras(mask, dtype, tolerance):
    with keras_precision(np.dtype(dtype)):
        query, key, value = sequences(dtype, (3, 5, 12), (3, 7, 12), (3, 7, 12))
        allowed = masks(mask, 3, 5, 7)
        theirs = keras.layers.MultiHeadAttention(4, 3, dtype=np.dtype(dtype).name)
        full = None if allowed is None else np.broadcast_to(allowed, (3, 5, 7))
        assert_twins(
            MultiHeadAttention(12, 4, generator(), dtype=dtype),
            {"query": query, "key": key, "value": value},
            {"mask": allowed},
            [theirs],
            lambda query, key, value: theirs(query, value, key, attention_mask=full),
            dtype,
            tolerance,
        )


@PRECISIONS
def test_causal_self_attention_and_its_weights_are_those_of_keras(dtype, tolerance):
    with keras_precision(np.dtype(dtype)):
        (x,) = sequences(dtype, (3, 6, 8))
        ours = SelfAttention(8, 2, generator(), dtype=dtype)
        theirs = keras.layers.MultiHeadAttention(2, 4, dtype=np.dtype(dtype).name)

        def join(x):
            return theirs(x, x, use_causal_mask=True)

        mask = {"mask": causal_mask(6)}
        assert_twins(ours, {"x": x}, mask, [theirs], join, dtype, tolerance)
        _, weights = theirs(x, x, use_causal_mask=True, return_attention_scores=True)
        weights = keras.ops.convert_to_numpy(weights)
        assert_alike([ours.attention_weights], [weights], tolerance)


def keras_attention(layer, mask: str, keys: int) -> Callable:
    """Keras's simple layers take the padding of the keys, and causality as a flag."""
    real = np.ones((3, keys), bool) if "padding" not in mask else masks("padding", 3, 5, keys)[:, 0]
    causal = "causal" in mask

    def call(query, key, value):
        return layer([query, value, key], mask=[None, real], use_causal_mask=causal)

    return call


@PRECISIONS
@pytest.mark.parametrize("mask", MASKS[:4])
def test_scaled_dot_product_is_the_attention_layer_of_keras(mask, dtype, tolerance):
    with keras_precision(np.dtype(dtype)):
        arrays = sequences(dtype, (3, 5, 4), (3, 7, 4), (3, 7, 6))
        theirs = keras.layers.Attention(use_scale=True, dtype=np.dtype(dtype).name)
        theirs.build([arrays[0].shape, arrays[2].shape, arrays[1].shape])
        theirs.set_weights([np.asarray(4**-0.5, dtype)])
        allowed = masks(mask, 3, 5, 7)
        ours = scaled_dot_product(*arrays, allowed)
        (upstream,) = sequences(dtype, ours.shape)
        gradients = scaled_dot_product_backward(upstream, *arrays, allowed)
        expected = in_keras(keras_attention(theirs, mask, 7), arrays, upstream)
        assert_alike([ours, *gradients], expected, tolerance)


@PRECISIONS
@pytest.mark.parametrize("use_scale", [True, False])
@pytest.mark.parametrize("mask", MASKS[:4])
def test_additive_attention_is_that_of_keras(mask, use_scale, dtype, tolerance):
    """Keras's layer has no matrices; with identities in their place ours computes the same."""
    with keras_precision(np.dtype(dtype)):
        arrays = sequences(dtype, (3, 5, 4), (3, 7, 4), (3, 7, 6))
        theirs = keras.layers.AdditiveAttention(use_scale, dtype=np.dtype(dtype).name)
        theirs.build([arrays[0].shape, arrays[2].shape, arrays[1].shape])
        ours = AdditiveAttention(4, 4, 4, generator(), dtype=dtype)
        ours.query_kernel[:] = ours.key_kernel[:] = np.eye(4)
        ours.scale[:] = [0.5, -1.5, 2.0, 1.0] if use_scale else 1.0
        scale = [ours.scale] if use_scale else []
        value = ours.forward(*arrays, masks(mask, 3, 5, 7))
        (upstream,) = sequences(dtype, value.shape)
        gradients = [value, *ours.backward(upstream), *(ours.gradients[2:] if use_scale else [])]
        attend = keras_attention(theirs, mask, 7)

        def call(query, key, value, *scale):
            pairs = zip(theirs.trainable_variables, scale, strict=True)
            with keras.StatelessScope(state_mapping=list(pairs)):
                return attend(query, key, value)

        assert_alike(gradients, in_keras(call, [*arrays, *scale], upstream), tolerance)


def keras_parts(dtype: type, width: int, heads: int, hidden: int) -> tuple[Callable, ...]:
    """Makers of Keras's attention, feed-forward network and layer normalisation."""
    name = np.dtype(dtype).name
    return (
        lambda: keras.layers.MultiHeadAttention(heads, width // heads, dtype=name),
        lambda: keras.Sequential(
            [
                keras.layers.Dense(hidden, activation="relu", dtype=name),
                keras.layers.Dense(width, dtype=name),
            ]
        ),
        lambda: keras.layers.LayerNormalization(dtype=name),
    )


@PRECISIONS
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("mask", ["none", "padding", "some"])
def test_an_encoder_block_is_that_of_keras(mask, norm, dtype, tolerance):
    with keras_precision(np.dtype(dtype)):
        attend, feed_forward, normalise = (make() for make in keras_parts(dtype, 8, 2, 16))
        normalise_again = keras.layers.LayerNormalization(dtype=np.dtype(dtype).name)
        allowed = masks(mask, 3, 5, 5)
        full = None if allowed is None else np.broadcast_to(allowed, (3, 5, 5))

        def post(x):
            x = normalise(x + attend(x, x, attention_mask=full))
            return normalise_again(x + feed_forward(x))

        def pre(x):
            normal = normalise(x)
            x = x + attend(normal, normal, attention_mask=full)
            return x + feed_forward(normalise_again(x))

        assert_twins(
            EncoderBlock(8, 2, 16, generator(), norm, dtype=dtype),
            {"x": sequences(dtype, (3, 5, 8))[0]},
            {"mask": allowed},
            [attend, normalise, feed_forward, normalise_again]
            if norm == "post"
            else [normalise, attend, normalise_again, feed_forward],
            post if norm == "post" else pre,
            dtype,
            tolerance,
        )


@PRECISIONS
@pytest.mark.parametrize("mask", ["none", "padding"])
def test_a_decoder_block_is_that_of_keras(mask, dtype, tolerance):
    with keras_precision(np.dtype(dtype)):
        makers = keras_parts(dtype, 8, 2, 16)
        attend, cross, feed_forward = makers[0](), makers[0](), makers[1]()
        norms = [makers[2]() for _ in range(3)]
        allowed, encoded_allowed = masks(mask, 3, 5, 5), masks(mask, 3, 5, 7)
        full = None if allowed is None else np.broadcast_to(allowed, (3, 5, 5))
        encoded_full = None if allowed is None else np.broadcast_to(encoded_allowed, (3, 5, 7))

        def join(x, encoded):
            x = norms[0](x + attend(x, x, attention_mask=full, use_causal_mask=True))
            x = norms[1](x + cross(x, encoded, attention_mask=encoded_full))
            return norms[2](x + feed_forward(x))

        x, encoded = sequences(dtype, (3, 5, 8), (3, 7, 8))
        assert_twins(
            DecoderBlock(8, 2, 16, generator(), cross_attention=True, dtype=dtype),
            {"x": x, "encoded": encoded},
            {"mask": allowed, "encoded_mask": encoded_allowed},
            [attend, norms[0], cross, norms[1], feed_forward, norms[2]],
            join,
            dtype,
            tolerance,
        )


def test_an_embedding_is_that_of_keras():
    tokens, ours = generator().integers(0, 9, (4, 6)), Embedding(9, 5, generator())
    theirs = keras.layers.Embedding(9, 5)
    theirs.build((None, 6))
    theirs.set_weights([ours.table])
    expected = keras.ops.convert_to_numpy(theirs(tokens))
    assert (ours.forward(tokens).astype(np.float32) == expected).all()

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from coursepkg.scratch.activations import relu
from coursepkg.scratch.gradient_check import GradientError, gradient_check
from coursepkg.scratch.optimisation import Adam
from coursepkg.scratch.pruning import (
    MaskedDense,
    SparseMatrix,
    block_mask,
    global_masks,
    keep_units,
    magnitude_mask,
    to_sparse,
    unit_scores,
)
from tests.scratch.broken import broken

SEEDS = st.integers(0, 10**6)
ENTRIES = st.integers(-3, 3).map(float)

BROKEN_MASKS = [
    ("keeps the smallest", "np.argsort(np.abs(weights), axis=None, kind=\"stable\")[:dropped]",
     "np.argsort(-np.abs(weights), axis=None, kind=\"stable\")[:dropped]"),
    ("by value, not by size", "np.argsort(np.abs(weights)", "np.argsort((weights)"),
    ("one too few", "[:dropped]", "[: max(dropped - 1, 0)]"),
    ("share of the kept", "[:dropped]", "[: weights.size - dropped]"),
]  # fmt: skip

BROKEN_LAYERS = [
    ("gradient not masked", "self.gradients[0] *= self.mask", "pass"),
    ("mask turned round", "self.gradients[0] *= self.mask", "self.gradients[0] *= ~self.mask"),
    ("bias masked away", "self.gradients[0] *= self.mask",
     "self.gradients[0] *= self.mask; self.gradients[1] *= 0"),
    ("nothing masked", "self.weights *= self.mask  # an", "pass  # an"),
]  # fmt: skip

BROKEN_SCORES = [
    ("incoming weights alone", "squares * (outgoing**2).sum(axis=1)", "squares"),
    ("outgoing weights alone", "squares * (outgoing**2).sum(axis=1)",
     "(outgoing**2).sum(axis=1)"),
    ("bias forgotten", "+ bias**2", ""),
    ("bias taken off", "+ bias**2", "- 0.9 * bias**2"),
]  # fmt: skip


def is_best_mask(mask_of, weights, sparsity):
    """Say whether the mask drops the right number, and no kept weight is below a dropped one."""
    mask = mask_of(weights, sparsity)
    dropped, kept = np.abs(weights[~mask]), np.abs(weights[mask])
    right_number = dropped.size == round(sparsity * weights.size)
    return right_number and dropped.max(initial=0) <= kept.min(initial=np.inf)


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=ENTRIES), st.floats(0, 1))
def test_the_smallest_weights_go(weights, sparsity):
    assert is_best_mask(magnitude_mask, weights, sparsity)
    assert magnitude_mask(weights, sparsity).shape == weights.shape


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_MASKS]
)
def test_a_broken_mask_is_caught(old, new):
    weights = np.random.default_rng(0).normal(size=(4, 5))
    assert is_best_mask(magnitude_mask, weights, 0.3)
    assert not is_best_mask(broken(magnitude_mask, old, new), weights, 0.3)


@given(SEEDS, st.floats(0, 1))
def test_layers_are_pruned_together(seed, sparsity):
    rng = np.random.default_rng(seed)
    arrays_ = [rng.normal(size=(3, 4)), 10 * rng.normal(size=(2, 2, 3)), rng.normal(size=5)]
    masks = global_masks(arrays_, sparsity)
    assert [mask.shape for mask in masks] == [array.shape for array in arrays_]
    flat = np.concatenate([array.ravel() for array in arrays_])
    joined = np.concatenate([mask.ravel() for mask in masks])
    assert np.array_equal(joined, magnitude_mask(flat, sparsity))


def test_a_layer_of_large_weights_loses_fewer():
    masks = global_masks([np.arange(1.0, 11), np.arange(5.0, 105, 10)], 0.5)
    assert [int(mask.sum()) for mask in masks] == [1, 9]


@given(arrays(np.float64, (8, 3), elements=ENTRIES), st.integers(0, 4))
def test_every_block_keeps_its_largest(weights, keep):
    mask = block_mask(weights, keep, 4)
    for start in (0, 4):
        block, kept = np.abs(weights[start : start + 4]), mask[start : start + 4]
        assert (kept.sum(axis=0) == keep).all()
        for column in range(3):
            inside, outside = block[kept[:, column], column], block[~kept[:, column], column]
            assert inside.min(initial=np.inf) >= outside.max(initial=0)


@pytest.mark.parametrize(("old", "new"), [
    ("np.abs(weights)", "(weights)"),
    ("order[:, : block - keep], False", "order[:, block - keep :], False"),
    ("order[:, : block - keep]", "order[:, : block - keep - 1]"),
])  # fmt: skip
def test_a_broken_block_mask_is_caught(old, new):
    weights = np.array([[-4.0], [1], [3], [-2]])
    assert block_mask(weights)[:, 0].tolist() == [True, False, True, False]
    assert broken(block_mask, old, new)(weights)[:, 0].tolist() != [True, False, True, False]


def masked_layer_error(kind, seed):
    """Check every gradient of a masked layer, with an optimiser's step in between."""
    rng = np.random.default_rng(seed)
    x, upstream = rng.normal(size=(3, 5)), rng.normal(size=(3, 4))
    weights, bias, mask = rng.normal(size=(5, 4)), rng.normal(size=4), rng.random((5, 4)) < 0.5
    layer = kind(weights, bias, mask)
    layer.weights += 0.1  # as an optimiser with momentum might
    layer.forward(x)
    dx = layer.backward(upstream)
    inputs = {"x": x, "weights": layer.weights, "bias": layer.bias}
    gradients = dict(zip(inputs, [dx, *layer.gradients], strict=True))
    plain = x @ (layer.weights * mask) + layer.bias
    if not np.allclose(layer.forward(x), plain):
        raise GradientError("a dropped weight takes part")
    return gradient_check(lambda: float((upstream * layer.forward(x)).sum()), inputs, gradients)


@given(SEEDS)
def test_gradients_of_a_masked_layer(seed):
    assert masked_layer_error(MaskedDense, seed) <= 1e-6


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_LAYERS]
)
def test_a_broken_masked_layer_is_caught(old, new):
    with pytest.raises(GradientError):
        masked_layer_error(broken(MaskedDense, old, new), 0)


def test_dropped_weights_stay_at_zero_under_adam():
    rng = np.random.default_rng(0)
    weights, mask = rng.normal(size=(6, 3)), rng.random((6, 3)) < 0.5
    layer, optimiser = MaskedDense(weights, np.zeros(3), mask), Adam(0.1)
    for _ in range(5):
        layer.forward(rng.normal(size=(4, 6)))
        layer.backward(rng.normal(size=(4, 3)))
        optimiser.step(layer.parameters, layer.gradients)
    assert not layer.weights[~mask].any()
    assert (layer.weights[mask] != weights[mask]).all()


def bound_is_kept(scores_of, seed):
    """Say whether no unit ever adds more than its score allows."""
    rng = np.random.default_rng(seed)
    incoming, bias, outgoing = rng.normal(size=(4, 6)), rng.normal(size=6), rng.normal(size=(6, 3))
    bias[0] = 5
    incoming[:, 1], outgoing[1] = 100 * incoming[:, 1], 0.01 * outgoing[1]
    outgoing[2] *= 50
    x = np.vstack([rng.normal(size=(200, 4)), incoming.T, np.zeros((1, 4))])
    hidden = relu(x @ incoming + bias)
    added = hidden * np.linalg.norm(outgoing, axis=1)
    allowed = np.sqrt((x**2).sum(axis=1, keepdims=True) + 1) * scores_of(incoming, bias, outgoing)
    return (added <= allowed + 1e-9).all()


@given(SEEDS)
def test_no_unit_adds_more_than_its_score_allows(seed):
    assert bound_is_kept(unit_scores, seed)


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(old, new, id=what) for what, old, new in BROKEN_SCORES]
)
def test_a_broken_score_is_caught(old, new):
    assert not bound_is_kept(broken(unit_scores, old, new), 0)


@given(SEEDS, st.floats(0.1, 10))
def test_a_score_does_not_change_when_the_network_does_not(seed, factor):
    rng = np.random.default_rng(seed)
    incoming, bias = rng.normal(size=(3, 3, 4)), rng.normal(size=4)
    outgoing = rng.normal(size=(4, 2))
    assert np.allclose(
        unit_scores(factor * incoming, factor * bias, outgoing / factor),
        unit_scores(incoming, bias, outgoing),
    )


@given(SEEDS, st.lists(st.integers(0, 7), min_size=1, max_size=8, unique=True))
def test_cutting_units_out_is_holding_them_at_zero(seed, kept):
    rng = np.random.default_rng(seed)
    x, incoming, bias = rng.normal(size=(5, 4)), rng.normal(size=(4, 8)), rng.normal(size=8)
    outgoing = rng.normal(size=(8, 3))
    mask = np.isin(np.arange(8), kept)
    held = relu(x @ (incoming * mask) + bias * mask) @ outgoing
    w, b, v = keep_units(incoming, bias, outgoing, np.array(kept))
    assert np.allclose(relu(x @ w + b) @ v, held)
    assert (w.shape, b.shape, v.shape) == ((4, len(kept)), (len(kept),), (len(kept), 3))


@given(arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=ENTRIES), SEEDS)
def test_a_sparse_matrix_is_the_same_matrix(matrix, seed):
    sparse = to_sparse(matrix)
    x = np.random.default_rng(seed).normal(size=(3, len(matrix)))
    assert np.array_equal(sparse.to_dense(), matrix)
    assert np.allclose(sparse.left_product(x), x @ matrix)
    assert sparse.values.size == np.count_nonzero(matrix)
    assert sparse.nbytes == sparse.values.size * (8 + 2) + 4 * (len(matrix) + 1)


@pytest.mark.parametrize(("old", "new"), [
    ("np.diff(self.starts.astype(np.int64))", "np.diff(self.starts.astype(np.int64))[::-1]"),
    ("product[:, self.columns[start:end]] +=", "product[:, self.columns[start:end]] ="),
    ("zip(self.starts[:-1], self.starts[1:], strict=True)",
     "zip(self.starts[:-1], self.starts[1:] - (self.starts[1:] > 0), strict=True)"),
])  # fmt: skip
def test_a_broken_sparse_matrix_is_caught(old, new):
    matrix = np.array([[0.0, 2, 1], [0, 0, 0], [5, 0, 1], [1, 1, 1]])
    good = to_sparse(matrix)
    wrong = broken(SparseMatrix, old, new)(good.values, good.columns, good.starts, good.width)
    same = np.array_equal(wrong.to_dense(), matrix)
    assert not (same and np.allclose(wrong.left_product(np.eye(4)), matrix))


def test_a_wide_matrix_needs_longer_columns():
    assert to_sparse(np.ones((1, 2**16))).columns.dtype == np.uint16
    assert to_sparse(np.ones((1, 2**16 + 1))).columns.dtype == np.uint32


W = np.ones((4, 3))


@pytest.mark.parametrize(("function", "message"), [
    (lambda: magnitude_mask(W, 1.1), "a share from 0 to 1, got 1.1"),
    (lambda: global_masks([], 0.5), "at least one array"),
    (lambda: block_mask(W, 5, 4), "to keep 0 to 4 of 4"),
    (lambda: block_mask(W[:3]), "got 2 and 3 rows"),
    (lambda: MaskedDense(W, np.ones(3), W[:2] > 0), r"\(4, 3\), \(2, 3\) and \(3,\)"),
    (lambda: unit_scores(W, np.ones(2), np.ones((3, 2))), r"a bias \(3,\)"),
    (lambda: keep_units(W, np.ones(3), np.ones((3, 2)), np.array([0, 0])), "from 0 to 2, got"),
    (lambda: keep_units(W, np.ones(3), np.ones((3, 2)), np.array([3])), "from 0 to 2, got"),
    (lambda: keep_units(W, np.ones(3), np.ones((3, 2)), np.array([], int)), "from 0 to 2, got"),
    (lambda: to_sparse(np.ones(3)), r"a matrix, got shape \(3,\)"),
    (lambda: to_sparse(W).left_product(W), r"x of shape \(N, 4\), got \(4, 3\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(function, message):
    with pytest.raises(ValueError, match=message):
        function()


def test_a_masked_layer_copies_what_it_is_given():
    weights, bias = np.ones((3, 2)), np.ones(2)
    layer = MaskedDense(weights, bias, np.ones((3, 2), bool))
    layer.weights += 1
    layer.bias += 1
    assert (weights == 1).all()
    assert (bias == 1).all()

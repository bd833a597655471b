r"""Weights, and whole units, that a network can do without.

References
----------
Y. LeCun, J. S. Denker and S. A. Solla, "Optimal Brain Damage", NIPS 2, 1989: the saliency.
S. Han, J. Pool, J. Tran and W. J. Dally, "Learning both Weights and Connections for Efficient
Neural Network", NIPS 28, 2015: prune the smallest weights, then train the others on.
H. Li, A. Kadav, I. Durdanovic, H. Samet and H. P. Graf, "Pruning Filters for Efficient ConvNets",
ICLR 2017: remove whole filters, and with them a channel of the next layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coursepkg.scratch.layers import Dense


def magnitude_mask(weights: np.ndarray, sparsity: float) -> np.ndarray:
    r"""Mark the largest weights.

    Without the weights in a set S the squared error of the matrix is
    :math:`\sum_{(i,j) \in S} W_{ij}^2`, which is least if S holds the smallest.

    Parameters
    ----------
    weights : ndarray, any shape
        The weights W.
    sparsity : float
        The share of weights to drop, from 0 to 1, rounded to a whole number of weights.

    Returns
    -------
    ndarray of bool, shape of `weights`
        True where a weight is kept. Of equal sizes the first are dropped.

    Raises
    ------
    ValueError
        If the share is out of range.
    """
    dropped = round(_share(sparsity) * weights.size)
    mask = np.ones(weights.size, bool)
    mask[np.argsort(np.abs(weights), axis=None, kind="stable")[:dropped]] = False
    return mask.reshape(weights.shape)


def global_masks(arrays: Sequence[np.ndarray], sparsity: float) -> list[np.ndarray]:
    """Mark the largest weights of several arrays together, so that each gives what it can.

    Parameters
    ----------
    arrays : sequence of ndarray
        The weights of several layers.
    sparsity : float
        The share of all their weights to drop, from 0 to 1.

    Returns
    -------
    list of ndarray of bool
        One mask for each array, of its shape.

    Raises
    ------
    ValueError
        If the share is out of range, or there is no array.
    """
    if not arrays:
        raise ValueError("expected at least one array, got none")
    together = magnitude_mask(np.concatenate([array.ravel() for array in arrays]), sparsity)
    ends = np.cumsum([array.size for array in arrays])
    pieces = np.split(together, ends[:-1])
    return [piece.reshape(array.shape) for piece, array in zip(pieces, arrays, strict=True)]


def block_mask(weights: np.ndarray, keep: int = 2, block: int = 4) -> np.ndarray:
    """Mark the `keep` largest of every `block` neighbouring weights along the first axis.

    Two of four is the pattern that the sparse matrix units of some graphics processors can use:
    every block has the same number of weights, so their places are known in advance.

    Parameters
    ----------
    weights : ndarray, shape (n, ...)
        The weights, with n a multiple of `block`.
    keep, block : int
        How many of how many to keep.

    Returns
    -------
    ndarray of bool, shape of `weights`

    Raises
    ------
    ValueError
        If the numbers do not fit.
    """
    if not 0 <= keep <= block or block < 1 or len(weights) % block:
        raise ValueError(
            f"expected to keep 0 to {block} of {block} and a multiple of {block} rows, "
            f"got {keep} and {len(weights)} rows"
        )
    blocks = np.abs(weights).reshape(len(weights) // block, block, -1)
    order = np.argsort(blocks, axis=1, kind="stable")
    mask = np.ones(blocks.shape, bool)
    np.put_along_axis(mask, order[:, : block - keep], False, axis=1)
    return mask.reshape(weights.shape)


class MaskedDense(Dense):
    r"""A dense layer that holds chosen weights at 0 while the others go on learning.

    .. math:: \mathbf{Z} = \mathbf{X} (\mathbf{W} \odot \mathbf{M}) + \mathbf{b}, \qquad
        \frac{\partial J}{\partial \mathbf{W}} = (\mathbf{X}^T \boldsymbol\delta) \odot \mathbf{M}

    Parameters
    ----------
    weights : ndarray, shape (inputs, outputs)
        The weights W, copied.
    bias : ndarray, shape (outputs,)
        The biases b, copied.
    mask : ndarray of bool, shape of `weights`
        The mask M, True where a weight is kept.

    Raises
    ------
    ValueError
        If the shapes do not fit; in `forward`, if `x` is not of shape (N, inputs).
    """

    def __init__(self, weights: np.ndarray, bias: np.ndarray, mask: np.ndarray) -> None:
        if weights.ndim != 2 or mask.shape != weights.shape or bias.shape != weights.shape[1:]:
            raise ValueError(
                "expected weights (inputs, outputs), a mask of that shape and a bias (outputs,), "
                f"got {weights.shape}, {mask.shape} and {bias.shape}"
            )
        super().__init__(*weights.shape, np.random.default_rng(0), dtype=weights.dtype.type)
        self.weights, self.bias, self.mask = weights * mask, bias.copy(), mask

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map x (N, inputs) to (N, outputs)."""
        self.weights *= self.mask  # an optimiser with a memory may have moved them
        return super().forward(x, training)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs to that of the inputs; dropped weights get 0."""
        below = super().backward(upstream)
        self.gradients[0] *= self.mask
        return below


def unit_scores(incoming: np.ndarray, bias: np.ndarray, outgoing: np.ndarray) -> np.ndarray:
    r"""Bound what each hidden unit adds to the next layer.

    A unit j with :math:`|\phi(z)| \le |z|`, such as ReLU, adds :math:`h_j` times row j of the
    outgoing weights. By the Cauchy-Schwarz inequality its size is, for an input
    :math:`\mathbf{x}`,

    .. math:: |h_j|\, \|\mathbf{w}^{out}_j\|
        \le \|(\mathbf{x}, 1)\| \; \|(\mathbf{w}^{in}_j, b_j)\| \; \|\mathbf{w}^{out}_j\|

    The score is the product of the last two. Making a ReLU unit's incoming weights and bias c times
    larger and its outgoing ones c times smaller changes neither the network nor the score.

    Parameters
    ----------
    incoming : ndarray, shape (..., n)
        The weights into n units: all axes but the last are summed over.
    bias : ndarray, shape (n,)
        Their biases.
    outgoing : ndarray, shape (n, m)
        The weights from them to the next layer.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    units = incoming.shape[-1]
    if bias.shape != (units,) or outgoing.ndim != 2 or len(outgoing) != units:
        raise ValueError(
            f"expected a bias ({units},) and outgoing weights ({units}, m), "
            f"got {bias.shape} and {outgoing.shape}"
        )
    squares = (incoming.reshape(-1, units) ** 2).sum(axis=0) + bias**2
    return np.sqrt(squares * (outgoing**2).sum(axis=1))


def keep_units(
    incoming: np.ndarray, bias: np.ndarray, outgoing: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut all but some hidden units out of two dense layers, which makes the matrices smaller.

    Parameters
    ----------
    incoming, bias, outgoing : ndarray, shapes (..., n), (n,) and (n, m)
        As in `unit_scores`.
    kept : ndarray of int, shape (k,)
        The units that stay.

    Returns
    -------
    tuple of ndarray, shapes (..., k), (k,) and (k, m)

    Raises
    ------
    ValueError
        If there is no unit left, or a unit does not exist or is named twice.
    """
    units = len(bias)
    if (
        not len(kept)
        or len(np.unique(kept)) != len(kept)
        or not 0 <= min(kept) <= max(kept) < units
    ):
        raise ValueError(f"expected different units from 0 to {units - 1}, got {kept}")
    return incoming[..., kept], bias[kept], outgoing[kept]


@dataclass(frozen=True)
class SparseMatrix:
    """A matrix without its zeros, stored row by row (compressed sparse rows).

    Attributes
    ----------
    values : ndarray, shape (z,)
        The z entries that are not 0, row by row.
    columns : ndarray of uint16 or uint32, shape (z,)
        The column of each.
    starts : ndarray of uint32, shape (m + 1,)
        Row i has the entries from ``starts[i]`` to ``starts[i + 1]``, the last excluded.
    width : int
        The number n of columns.
    """

    values: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    width: int

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return self.values.nbytes + self.columns.nbytes + self.starts.nbytes

    def to_dense(self) -> np.ndarray:
        """Return the matrix with its zeros, shape (m, n)."""
        rows = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts.astype(np.int64)))
        dense = np.zeros((len(self.starts) - 1, self.width), self.values.dtype)
        dense[rows, self.columns] = self.values
        return dense

    def left_product(self, x: np.ndarray) -> np.ndarray:
        """Return x times this matrix, (N, m) times (m, n), with one multiply-add an entry."""
        if x.ndim != 2 or x.shape[1] != len(self.starts) - 1:
            raise ValueError(f"expected x of shape (N, {len(self.starts) - 1}), got {x.shape}")
        product = np.zeros((len(x), self.width), np.result_type(x, self.values))
        for row, (start, end) in enumerate(zip(self.starts[:-1], self.starts[1:], strict=True)):
            product[:, self.columns[start:end]] += x[:, row, np.newaxis] * self.values[start:end]
        return product


def to_sparse(matrix: np.ndarray) -> SparseMatrix:
    """Store a matrix without its zeros.

    Parameters
    ----------
    matrix : ndarray, shape (m, n)
        The matrix.

    Returns
    -------
    SparseMatrix
        With columns of 16 bits if they suffice.

    Raises
    ------
    ValueError
        If it has another number of axes.
    """
    if matrix.ndim != 2:
        raise ValueError(f"expected a matrix, got shape {matrix.shape}")
    rows, columns = np.nonzero(matrix)
    index = np.uint16 if matrix.shape[1] <= 2**16 else np.uint32
    starts = np.zeros(len(matrix) + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(rows, minlength=len(matrix)))
    return SparseMatrix(matrix[rows, columns], columns.astype(index), starts, matrix.shape[1])


def _share(sparsity: float) -> float:
    if not 0 <= sparsity <= 1:
        raise ValueError(f"expected a share from 0 to 1, got {sparsity}")
    return sparsity

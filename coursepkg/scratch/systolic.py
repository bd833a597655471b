r"""A weight-stationary systolic array, cycle by cycle: the matrix unit of a TPU in NumPy.

The array is a grid of :math:`R` rows and :math:`C` columns of cells. Cell :math:`(r, c)` holds one
weight. In every cycle it takes an activation from its left neighbour and a partial sum from above,
multiplies, adds, and passes the activation to the right and the new sum down. So it computes
:math:`\mathbf{X} \mathbf{W}` for :math:`\mathbf{X}` of shape :math:`(M, K)` and
:math:`\mathbf{W}` of shape :math:`(K, N)` without a cell ever reading the memory for an operand.

If :math:`K > R` or :math:`N > C`, the weights are cut into
:math:`T = \lceil K / R \rceil \lceil N / C \rceil` tiles that take their turns.

References
----------
H. T. Kung, "Why systolic architectures?", Computer 15(1), 1982.
N. P. Jouppi et al., "In-datacenter performance analysis of a tensor processing unit", ISCA 2017.
"""

import math
from typing import NamedTuple

import numpy as np


class SystolicRun(NamedTuple):
    """What the simulation of one matrix product gives.

    Attributes
    ----------
    product : ndarray
        Shape (M, N).
    busy : ndarray of int
        For each cycle, the cells that did a multiply-add of the product, shape (cycles,).
    """

    product: np.ndarray
    busy: np.ndarray

    @property
    def cycles(self) -> int:
        """Cycles from the first weight that enters to the last sum that leaves."""
        return len(self.busy)


def systolic_product(x: np.ndarray, weights: np.ndarray, rows: int, columns: int) -> SystolicRun:
    r"""Simulate the product of two matrices, one cycle after the other.

    Loading a tile of weights takes R cycles, a row a cycle. Each cell has two registers for
    weights, so the next tile is loaded while the present one computes; the first load has nothing
    to hide behind. Row r of the array gets its activations r cycles after row 0, so that they meet
    the sums on their way down; an activation carries the number of its tile, and the cell takes the
    weight of that tile.

    Parameters
    ----------
    x : ndarray
        Activations, shape (M, K).
    weights : ndarray
        Shape (K, N).
    rows, columns : int
        Size of the array, R and C.

    Returns
    -------
    SystolicRun

    Raises
    ------
    ValueError
        If the shapes do not fit or a size is less than 1.
    """
    _expect_matrices(x, weights)
    _expect_sizes(rows=rows, columns=columns)
    tiles, down = _tiles(weights, rows, columns)
    useful = _tiles(np.ones(weights.shape, dtype=bool), rows, columns)[0]
    inputs = _padded(x, 1, down * rows).reshape(len(x), down, rows)
    apart = max(len(x), rows)  # cycles from the start of one tile to that of the next
    streaming = (len(tiles) - 2) * apart + len(x) + rows + columns - 2

    activation = np.zeros((rows, columns), dtype=np.result_type(x, weights))
    sums = np.zeros_like(activation)
    entry = np.full((rows, columns), -1)  # when the activation entered row 0; -1: no activation
    product = np.zeros((len(x), (len(tiles) - 1) // down * columns), dtype=sums.dtype)
    busy = np.zeros(rows + streaming, dtype=int)  # the first load comes first
    r, c = np.indices((rows, columns))
    for cycle in range(streaming):
        activation[:, 1:], entry[:, 1:] = activation[:, :-1], entry[:, :-1]
        activation[:, 0], entry[:, 0] = _entering(inputs, cycle, apart, len(tiles) - 1)
        sums[1:], sums[0] = sums[:-1], 0
        sums += activation * tiles[entry // apart, r, c]
        busy[rows + cycle] = useful[entry // apart, r, c].sum()
        done = np.flatnonzero(entry[-1] >= 0)
        tile, row = np.divmod(entry[-1, done], apart)
        product[row, tile // down * columns + done] += sums[-1, done]
    return SystolicRun(product[:, : weights.shape[1]], busy)


def _tiles(matrix: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, int]:
    """Cut a matrix into tiles, (T + 1, rows, columns), and count those below each other.

    Tiles below each other come one after the other. The last one is empty; it is tile -1, the tile
    of the cells that have no activation.
    """
    down, across = (math.ceil(n / m) for n, m in zip(matrix.shape, (rows, columns), strict=True))
    whole = _padded(_padded(matrix, 0, down * rows), 1, across * columns)
    cut = whole.reshape(down, rows, across, columns).transpose(2, 0, 1, 3)
    empty = np.zeros((1, rows, columns), dtype=matrix.dtype)
    return np.concatenate([cut.reshape(-1, rows, columns), empty]), down


def _padded(matrix: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Add zeros at the end of an axis."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = (0, size - matrix.shape[axis])
    return np.pad(matrix, widths)


def _entering(
    inputs: np.ndarray, cycle: int, apart: int, tiles: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the activations that enter in this cycle and when each one's row started, (R,)."""
    length, down, rows = inputs.shape
    started = cycle - np.arange(rows)
    tile, row = np.divmod(started, apart)
    valid = (started >= 0) & (tile < tiles) & (row < length)
    values = inputs[np.where(valid, row, 0), tile % down, np.arange(rows)]
    return np.where(valid, values, 0), np.where(valid, started, -1)


def cycles(length: int, depth: int, width: int, rows: int, columns: int) -> int:
    r"""Count the cycles of a product without simulating it.

    .. math:: R + (T - 1) \max(M, R) + M + R + C - 2

    The first load takes R cycles; a tile occupies the entrance for M cycles, or for R if the next
    one's load takes longer; the last activation then needs R + C - 2 cycles to cross the array.

    Parameters
    ----------
    length, depth, width : int
        M, K and N: the product of (M, K) and (K, N).
    rows, columns : int
        R and C.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If a size is less than 1.
    """
    _expect_sizes(length=length, depth=depth, width=width, rows=rows, columns=columns)
    tiles = math.ceil(depth / rows) * math.ceil(width / columns)
    return rows + (tiles - 1) * max(length, rows) + length + rows + columns - 2


def utilisation(length: int, depth: int, width: int, rows: int, columns: int) -> float:
    r"""Return the share of the array's multiply-adds that belong to the product.

    .. math:: \frac{M K N}{\text{cycles} \cdot R \, C}

    Parameters and errors are those of `cycles`.

    Returns
    -------
    float
        Between 0 and 1.
    """
    used = cycles(length, depth, width, rows, columns)
    return length * depth * width / (used * rows * columns)


def peak_operations(rows: int, columns: int, clock: float) -> float:
    """Return the operations a second of an array whose cells all work in every cycle.

    Parameters
    ----------
    rows, columns : int
        R and C.
    clock : float
        Cycles a second, in hertz.

    Returns
    -------
    float
        A multiplication and an addition count as two operations.

    Raises
    ------
    ValueError
        If a size is less than 1 or the clock is not positive.
    """
    _expect_sizes(rows=rows, columns=columns)
    if clock <= 0:
        raise ValueError(f"expected a positive clock in hertz, got {clock}")
    return 2 * rows * columns * clock


def _expect_matrices(x: np.ndarray, weights: np.ndarray) -> None:
    if x.ndim != 2 or weights.ndim != 2 or x.shape[1] != weights.shape[0] or 0 in x.shape:
        raise ValueError(
            f"expected matrices of shapes (M, K) and (K, N), none empty; got {x.shape} and "
            f"{weights.shape}"
        )


def _expect_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"expected {name} of at least 1, got {size}")

r"""A matrix as the product of two thin ones: to store it, and to change it.

A matrix :math:`\mathbf{W}` (m, n) of rank at most R is a product of :math:`\mathbf{A}` (m, R) and
:math:`\mathbf{B}` (R, n). The two have :math:`R (m + n)` entries in the place of :math:`m n`.
"""

from typing import Any

import numpy as np

from coursepkg.scratch.initialisation import he_uniform
from coursepkg.scratch.layers import Layer


def factorise(weights: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Find the two thin matrices whose product is nearest to a matrix.

    With the singular value decomposition :math:`\mathbf{W} = \mathbf{U S V}^T`, its singular values
    :math:`\sigma_1 \ge \sigma_2 \ge \dots \ge 0` on the diagonal of :math:`\mathbf{S}`, and the
    first R columns of each,

    .. math:: \mathbf{A} = \mathbf{U}_R \mathbf{S}_R^{1/2}, \qquad
        \mathbf{B} = \mathbf{S}_R^{1/2} \mathbf{V}_R^T, \qquad
        \min_{\operatorname{rank} \mathbf{C} \le R} \|\mathbf{W} - \mathbf{C}\|_F
        = \|\mathbf{W} - \mathbf{A B}\|_F = \Bigl(\sum_{i > R} \sigma_i^2\Bigr)^{1/2}

    Parameters
    ----------
    weights : ndarray of floating point, shape (m, n)
        The matrix W.
    rank : int
        The rank R, from 1 to the smaller of m and n.

    Returns
    -------
    tuple of ndarray, shapes (m, R) and (R, n)

    Raises
    ------
    ValueError
        If the matrix has another number of axes, or the rank is out of range.

    References
    ----------
    C. Eckart and G. Young, "The approximation of one matrix by another of lower rank",
    Psychometrika 1, 1936.
    """
    if weights.ndim != 2:
        raise ValueError(f"expected a matrix, got shape {weights.shape}")
    if not 1 <= rank <= min(weights.shape):
        raise ValueError(f"expected a rank from 1 to {min(weights.shape)}, got {rank}")
    u, singular, v = np.linalg.svd(weights, full_matrices=False)
    root = np.sqrt(singular[:rank])
    return u[:, :rank] * root, root[:, np.newaxis] * v[:rank]


def truncation_errors(weights: np.ndarray) -> np.ndarray:
    r"""Give the smallest possible error of every rank, relative to the matrix.

    .. math:: e_R = \Bigl(\sum_{i > R} \sigma_i^2 \Big/ \sum_i \sigma_i^2\Bigr)^{1/2}

    Parameters
    ----------
    weights : ndarray of floating point, shape (m, n)
        The matrix, not all 0.

    Returns
    -------
    ndarray, shape (min(m, n) + 1,)
        The entry R is :math:`e_R`: 1 for rank 0, 0 for the full rank.

    Raises
    ------
    ValueError
        If the matrix has another number of axes or is 0.
    """
    if weights.ndim != 2 or not weights.any():
        raise ValueError(f"expected a matrix that is not 0, got shape {weights.shape}")
    squares = np.linalg.svd(weights, compute_uv=False) ** 2
    left_over = np.append(np.cumsum(squares[::-1])[::-1], 0)
    return np.sqrt(left_over / left_over[0])


def break_even_rank(inputs: int, outputs: int) -> int:
    r"""Return the largest rank at which two thin matrices are smaller than the full one.

    .. math:: R (m + n) < m n

    Parameters
    ----------
    inputs, outputs : int
        The sizes m and n, at least 1.

    Returns
    -------
    int
        The rank, 0 if there is none.

    Raises
    ------
    ValueError
        If a size is less than 1.
    """
    if inputs < 1 or outputs < 1:
        raise ValueError(f"expected sizes of at least 1, got {inputs} and {outputs}")
    return (inputs * outputs - 1) // (inputs + outputs)


class LoRADense(Layer):
    r"""A dense layer that learns a change of low rank to weights that stay as they are.

    .. math:: \mathbf{Z} = \mathbf{X W} + c\, (\mathbf{X A}) \mathbf{B} + \mathbf{b}

    :math:`\mathbf{W}` and :math:`\mathbf{b}` are fixed; :math:`\mathbf{A}` (m, R) and
    :math:`\mathbf{B}` (R, n) learn. The paper writes :math:`c = \alpha / R`. The chain rule through
    the two products, with :math:`\boldsymbol\delta = \partial J / \partial \mathbf{Z}`:

    .. math::

        \frac{\partial J}{\partial \mathbf{B}} = c\, (\mathbf{X A})^T \boldsymbol\delta, \qquad
        \frac{\partial J}{\partial \mathbf{A}} = c\, \mathbf{X}^T (\boldsymbol\delta \mathbf{B}^T),
        \qquad
        \frac{\partial J}{\partial \mathbf{X}} = \boldsymbol\delta \mathbf{W}^T
        + c\, (\boldsymbol\delta \mathbf{B}^T) \mathbf{A}^T

    :math:`\mathbf{B}` starts at 0, so the layer starts as the dense layer that it changes;
    :math:`\mathbf{A}` starts at random, else both gradients would be 0 for ever.

    Parameters
    ----------
    weights : ndarray of floating point, shape (m, n)
        The fixed weights W.
    bias : ndarray, shape (n,)
        The fixed biases b.
    rank : int
        The rank R, from 1 to the smaller of m and n.
    rng : numpy.random.Generator
        The source of the first A.
    scale : float
        The factor c.

    Attributes
    ----------
    down : ndarray, shape (m, R)
        The factor A.
    up : ndarray, shape (R, n)
        The factor B.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the rank is out of range.

    References
    ----------
    E. J. Hu, Y. Shen, P. Wallis, Z. Allen-Zhu, Y. Li, S. Wang, L. Wang and W. Chen, "LoRA: Low-Rank
    Adaptation of Large Language Models", ICLR 2022, section 4.1 (there with columns for examples).
    """

    def __init__(
        self,
        weights: np.ndarray,
        bias: np.ndarray,
        rank: int,
        rng: np.random.Generator,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        if weights.ndim != 2 or bias.shape != weights.shape[1:]:
            raise ValueError(
                f"expected weights (m, n) and a bias (n,), got {weights.shape} and {bias.shape}"
            )
        if not 1 <= rank <= min(weights.shape):
            raise ValueError(f"expected a rank from 1 to {min(weights.shape)}, got {rank}")
        self.weights, self.bias, self.scale = weights, bias, scale
        self.down = he_uniform((len(weights), rank), rng).astype(weights.dtype)
        self.up = np.zeros((rank, weights.shape[1]), weights.dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """The two factors; the weights and the biases stay."""
        return [self.down, self.up]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map x (N, m) to (N, n)."""
        if x.ndim != 2 or x.shape[1] != len(self.weights):
            raise ValueError(f"expected an input of shape (N, {len(self.weights)}), got {x.shape}")
        thin = x @ self.down
        output = x @ self.weights + self.scale * (thin @ self.up) + self.bias
        return self._remember(output, (x, thin))

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs (N, n) to that of the inputs (N, m)."""
        x, thin = self._recall(upstream)
        scaled: Any = self.scale * upstream
        back = scaled @ self.up.T
        self.gradients = [x.T @ back, thin.T @ scaled]
        return upstream @ self.weights.T + back @ self.down.T

    def merged(self) -> np.ndarray:
        r"""Return :math:`\mathbf{W} + c \mathbf{A B}`: the same layer with one matrix."""
        return self.weights + self.scale * (self.down @ self.up)

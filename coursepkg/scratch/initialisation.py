r"""First values of weights, drawn so that signals neither die out nor blow up from layer to layer.

All seven rest on one sum. A unit computes :math:`z_j = \sum_{i=1}^{n} x_i W_{ij}`. If the weights
are independent of each other and of the inputs, and have mean 0, then

.. math:: \operatorname{Var}[z_j] = n \operatorname{Var}[W] \, \operatorname{E}[x_i^2],

where :math:`n`, the *fan-in*, counts the inputs of a unit. The *fan-out* counts the units that one
input feeds. The rules differ in what they want to keep, and in what they assume of the activation.
"""

import math
from collections.abc import Sequence

import numpy as np


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Count the inputs and the outputs of the units that share a weight array.

    Parameters
    ----------
    shape : sequence of int, at least 2 entries
        (inputs, outputs) of a dense layer, or (height, width, inputs, outputs) of a convolution:
        all axes before the last two are positions, and each counts on both sides.

    Returns
    -------
    tuple of int
        Fan-in and fan-out.

    Raises
    ------
    ValueError
        If the shape has fewer than 2 entries, or one of them is not positive.
    """
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError(f"expected a shape (..., inputs, outputs) of positive sizes, got {shape}")
    positions = math.prod(shape[:-2])
    return positions * shape[-2], positions * shape[-1]


def _uniform(shape: Sequence[int], variance: float, rng: np.random.Generator) -> np.ndarray:
    """Draw from the uniform distribution on (-limit, limit), whose variance is limit ** 2 / 3."""
    limit = math.sqrt(3 * variance)
    return rng.uniform(-limit, limit, shape)


def _normal(shape: Sequence[int], variance: float, rng: np.random.Generator) -> np.ndarray:
    """Draw from the normal distribution of mean 0, without cutting off its tails."""
    return rng.normal(0.0, math.sqrt(variance), shape)


def lecun_uniform(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    r"""Draw uniform weights of variance 1 / fan-in; see `lecun_normal` for the argument.

    .. math:: W_{ij} \sim U(-a, a), \qquad a = \sqrt{3 / n_\text{in}}

    Parameters
    ----------
    shape : sequence of int
        The shape of the weights, (..., inputs, outputs).
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    ndarray of float64
    """
    fan_in, _ = fans(shape)
    return _uniform(shape, 1 / fan_in, rng)


def lecun_normal(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    r"""Draw normal weights of variance 1 / fan-in: unit variance in, unit variance out.

    With inputs of mean 0 and variance 1, :math:`\operatorname{E}[x_i^2] = 1`, so
    :math:`\operatorname{Var}[z] = n_\text{in} \operatorname{Var}[W]`, and this is 1 for

    .. math:: W_{ij} \sim N(0, 1 / n_\text{in}).

    It carries over to the next layer as far as the activation keeps mean 0 and variance 1. Keras
    draws from a normal distribution cut off at two standard deviations, and widened so that the
    variance is the same; this function does not cut off.

    Parameters
    ----------
    shape : sequence of int
        The shape of the weights, (..., inputs, outputs).
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    ndarray of float64

    References
    ----------
    Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller, "Efficient BackProp", in Neural Networks:
    Tricks of the Trade, Springer 1998.
    """
    fan_in, _ = fans(shape)
    return _normal(shape, 1 / fan_in, rng)


def glorot_uniform(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    r"""Draw uniform weights of variance 2 / (fan-in + fan-out); see also `glorot_normal`.

    .. math:: W_{ij} \sim U(-a, a), \qquad a = \sqrt{\frac{6}{n_\text{in} + n_\text{out}}}

    Parameters
    ----------
    shape : sequence of int
        The shape of the weights, (..., inputs, outputs).
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    ndarray of float64
    """
    return _uniform(shape, 2 / sum(fans(shape)), rng)


def glorot_normal(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    r"""Draw normal weights of variance 2 / (fan-in + fan-out): forward and backward in balance.

    Near 0 an activation such as tanh is the identity. Signals then keep their variance on the way
    forward if :math:`n_\text{in} \operatorname{Var}[W] = 1`. On the way back
    :math:`\partial J / \partial x_i = \sum_j W_{ij} \, \partial J / \partial z_j` has
    :math:`n_\text{out}` terms, so gradients keep theirs if
    :math:`n_\text{out} \operatorname{Var}[W] = 1`. Both hold only where the two fans are equal;
    the compromise puts their average in the place of either:

    .. math:: W_{ij} \sim N\!\left(0, \frac{2}{n_\text{in} + n_\text{out}}\right)

    Keras cuts the tails off, with the same variance; see `lecun_normal`.

    Parameters
    ----------
    shape : sequence of int
        The shape of the weights, (..., inputs, outputs).
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    ndarray of float64

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.
    """
    return _normal(shape, 2 / sum(fans(shape)), rng)


def he_uniform(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    r"""Draw uniform weights of variance 2 / fan-in; see `he_normal` for the argument.

    .. math:: W_{ij} \sim U(-a, a), \qquad a = \sqrt{6 / n_\text{in}}

    Parameters
    ----------
    shape : sequence of int
        The shape of the weights, (..., inputs, outputs).
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    ndarray of float64
    """
    fan_in, _ = fans(shape)
    return _uniform(shape, 2 / fan_in, rng)


def he_normal(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    r"""Draw normal weights of variance 2 / fan-in, for layers whose inputs come out of a ReLU.

    If :math:`u` is symmetric about 0, :math:`x = \max(0, u)` keeps half of its square on average:
    :math:`\operatorname{E}[x^2] = \tfrac12 \operatorname{Var}[u]`. With such inputs
    :math:`\operatorname{Var}[z] = \tfrac12 n_\text{in} \operatorname{Var}[W]
    \operatorname{Var}[u]`, so the weighted sums :math:`z` have the variance of those of the layer
    before, :math:`u`, for

    .. math:: W_{ij} \sim N(0, 2 / n_\text{in}).

    Keras cuts the tails off, with the same variance; see `lecun_normal`.

    Parameters
    ----------
    shape : sequence of int
        The shape of the weights, (..., inputs, outputs).
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    ndarray of float64

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep into Rectifiers: Surpassing Human-Level
    Performance on ImageNet Classification", ICCV 2015.
    """
    fan_in, _ = fans(shape)
    return _normal(shape, 2 / fan_in, rng)


def orthogonal(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    r"""Draw weights whose columns (or rows, if there are fewer) are orthonormal.

    With at most as many outputs as inputs, :math:`\mathbf{W}^T \mathbf{W} = \mathbf{I}`; with more,
    :math:`\mathbf{W} \mathbf{W}^T = \mathbf{I}`. In the second case, and for square weights in
    both, :math:`\lVert \mathbf{x} \mathbf{W} \rVert = \lVert \mathbf{x} \rVert` for every row
    :math:`\mathbf{x}`, exactly and not only on average; in the first the same holds for gradients
    on their way back. A product of square ones is orthogonal again, so depth changes nothing.

    The columns are the :math:`Q` of the factors :math:`A = QR` of a matrix of independent normal
    numbers; giving :math:`R` a positive diagonal makes all directions equally likely.

    Parameters
    ----------
    shape : sequence of int
        The shape of the weights, (..., inputs, outputs); all axes but the last count as inputs.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    ndarray of float64

    References
    ----------
    A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", ICLR 2014.
    """
    fan_in, _ = fans(shape)
    wide = fan_in < shape[-1]
    tall = (shape[-1], fan_in) if wide else (fan_in, shape[-1])
    columns, factor = np.linalg.qr(rng.normal(size=tall))
    columns *= np.copysign(1.0, factor.diagonal())
    return (columns.T if wide else columns).reshape(shape)

r"""Functions applied to a layer's weighted sums, each with its way back.

Every function `f` takes weighted sums `z` of any shape and returns an array of the same shape and
floating-point type. Below it stands `f_backward(upstream, z)`: it takes :math:`\partial J/\partial
\mathbf{H}`, the gradient of a loss :math:`J` by the outputs :math:`\mathbf{H} = f(\mathbf{Z})`, and
returns :math:`\partial J/\partial\mathbf{Z}`. For a function of one entry that is the upstream
gradient times the local derivative; softmax and log-softmax, which mix the entries of a row, sum
over the row.

All are accurate for entries between -10,000 and 10,000, in float32 as well: no power overflows and
no difference of infinities arises.
"""

import math
from collections.abc import Callable

import numpy as np


def step(z: np.ndarray) -> np.ndarray:
    r"""Say whether the sum reaches the threshold.

    .. math:: h = 1 \text{ if } z \ge 0, \qquad h = 0 \text{ if } z < 0

    Parameters
    ----------
    z : ndarray
        Weighted sums.

    Returns
    -------
    ndarray, shape and dtype of z
        Zeros and ones.
    """
    return (z >= 0).astype(z.dtype)


def step_backward(upstream: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return zeros: the step is flat on both sides, so no gradient passes.

    At 0 itself the step has no derivative; 0 is taken there too.

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    """
    return upstream * np.zeros_like(z)


def linear(z: np.ndarray) -> np.ndarray:
    """Pass the sum on unchanged: h = z.

    Parameters
    ----------
    z : ndarray
        Weighted sums.
    """
    return z.copy()


def linear_backward(upstream: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Pass the upstream gradient on unchanged: the derivative is 1.

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    """
    return upstream * np.ones_like(z)


def sigmoid(z: np.ndarray) -> np.ndarray:
    r"""Squash a sum into the interval from 0 to 1.

    .. math:: \sigma(z) = \frac{1}{1 + e^{-z}} = \frac{e^{z}}{1 + e^{z}}

    The first form is used where :math:`z \ge 0` and the second where :math:`z < 0`, so that the
    power is never above 1.

    Parameters
    ----------
    z : ndarray
        Weighted sums.

    Returns
    -------
    ndarray, shape and dtype of z
        Numbers from 0 to 1.
    """
    power = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, power) / (1 + power)


def sigmoid_backward(upstream: np.ndarray, z: np.ndarray) -> np.ndarray:
    r"""Multiply by the sigmoid's derivative.

    .. math:: \sigma'(z) = \sigma(z)\,(1 - \sigma(z)) = \sigma(z)\,\sigma(-z)

    The last form does not subtract, so it keeps its digits where :math:`\sigma(z)` is close to 1.

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    """
    return upstream * sigmoid(z) * sigmoid(-z)


def tanh(z: np.ndarray) -> np.ndarray:
    r"""Squash a sum into the interval from -1 to 1.

    .. math:: \tanh z = \frac{e^{z} - e^{-z}}{e^{z} + e^{-z}} = 2\,\sigma(2z) - 1

    Parameters
    ----------
    z : ndarray
        Weighted sums.
    """
    return np.tanh(z)


def tanh_backward(upstream: np.ndarray, z: np.ndarray) -> np.ndarray:
    r"""Multiply by the derivative of tanh.

    .. math:: \tanh' z = 1 - \tanh^2 z

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    """
    return upstream * (1 - np.tanh(z) ** 2)


def relu(z: np.ndarray) -> np.ndarray:
    r"""Keep positive sums and replace the others by 0 (rectified linear unit).

    .. math:: h = \max(0, z)

    Parameters
    ----------
    z : ndarray
        Weighted sums.
    """
    return np.maximum(z, 0)


def relu_backward(upstream: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Pass the gradient where the sum is positive, block it elsewhere.

    At 0 the function has a kink and no derivative; 0 is taken there, as Keras does.

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    """
    return upstream * (z > 0)


def leaky_relu(z: np.ndarray, slope: float = 0.2) -> np.ndarray:
    r"""Keep positive sums and shrink negative ones.

    .. math:: h = z \text{ if } z > 0, \qquad h = a z \text{ if } z \le 0

    Parameters
    ----------
    z : ndarray
        Weighted sums.
    slope : float
        The slope a for negative sums. The default is that of Keras.

    References
    ----------
    A. L. Maas, A. Y. Hannun and A. Y. Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic
    Models", ICML 2013.
    """
    return np.where(z > 0, z, slope * z)


def leaky_relu_backward(upstream: np.ndarray, z: np.ndarray, slope: float = 0.2) -> np.ndarray:
    """Pass the gradient where the sum is positive, shrink it elsewhere.

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    slope : float
        The slope for negative sums; it is also taken at the kink at 0.
    """
    return np.where(z > 0, upstream, slope * upstream)


def elu(z: np.ndarray, scale: float = 1.0) -> np.ndarray:
    r"""Keep positive sums and bend negative ones towards -a (exponential linear unit).

    .. math:: h = z \text{ if } z > 0, \qquad h = a (e^{z} - 1) \text{ if } z \le 0

    The power is taken of :math:`\min(z, 0)` only, so the side that is not used cannot overflow.

    Parameters
    ----------
    z : ndarray
        Weighted sums.
    scale : float
        The scale a: the output tends to -a for very negative sums.

    References
    ----------
    D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and Accurate Deep Network Learning by
    Exponential Linear Units (ELUs)", ICLR 2016.
    """
    return np.where(z > 0, z, scale * np.expm1(np.minimum(z, 0)))


def elu_backward(upstream: np.ndarray, z: np.ndarray, scale: float = 1.0) -> np.ndarray:
    r"""Multiply by the derivative of ELU.

    .. math:: h' = 1 \text{ if } z > 0, \qquad h' = a e^{z} \text{ if } z \le 0

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    scale : float
        The scale a. With a = 1 the function has no kink at 0.
    """
    return np.where(z > 0, upstream, upstream * scale * np.exp(np.minimum(z, 0)))


def gaussian_distribution(z: np.ndarray) -> np.ndarray:
    r"""Probability that a standard normal variable is at most z.

    .. math:: \Phi(z) = \tfrac{1}{2} \operatorname{erfc}\!\left(-z / \sqrt{2}\right)

    NumPy has no error function, so Python's own is called for each entry. Its complement
    erfc keeps all digits for very negative `z`, where 1 + erf would lose them.

    Parameters
    ----------
    z : ndarray
        Any real numbers.
    """
    scaled = -z / math.sqrt(2)
    complement = np.vectorize(math.erfc, otypes=[scaled.dtype])
    return complement(scaled) / 2


def gelu(z: np.ndarray) -> np.ndarray:
    r"""Weigh a sum by the share of a normal distribution below it (Gaussian error linear unit).

    .. math:: h = z\,\Phi(z)

    This is the exact function, as `keras.activations.gelu` with ``approximate=False``.

    Parameters
    ----------
    z : ndarray
        Weighted sums.

    References
    ----------
    D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415, 2016.
    """
    return z * gaussian_distribution(z)


def gelu_backward(upstream: np.ndarray, z: np.ndarray) -> np.ndarray:
    r"""Multiply by the derivative of GELU.

    .. math:: h' = \Phi(z) + z\,\varphi(z), \qquad \varphi(z) = \frac{e^{-z^2/2}}{\sqrt{2\pi}}

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    """
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return upstream * (gaussian_distribution(z) + z * density)


def silu(z: np.ndarray) -> np.ndarray:
    r"""Weigh a sum by its own sigmoid (sigmoid linear unit, also called swish).

    .. math:: h = z\,\sigma(z)

    Parameters
    ----------
    z : ndarray
        Weighted sums.

    References
    ----------
    S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-Weighted Linear Units for Neural Network Function
    Approximation in Reinforcement Learning", Neural Networks 107, 2018.
    """
    return z * sigmoid(z)


def silu_backward(upstream: np.ndarray, z: np.ndarray) -> np.ndarray:
    r"""Multiply by the derivative of SiLU.

    .. math:: h' = \sigma(z)\,\bigl(1 + z\,\sigma(-z)\bigr)

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    """
    return upstream * sigmoid(z) * (1 + z * sigmoid(-z))


def softplus(z: np.ndarray) -> np.ndarray:
    r"""Round off the corner of ReLU.

    .. math:: h = \log(1 + e^{z}) = \max(z, 0) + \log\left(1 + e^{-|z|}\right)

    The second form never takes a power above 1.

    Parameters
    ----------
    z : ndarray
        Weighted sums.

    Returns
    -------
    ndarray, shape and dtype of z
        Numbers not below 0.
    """
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softplus_backward(upstream: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Multiply by the derivative of softplus, which is the sigmoid.

    Parameters
    ----------
    upstream, z : ndarray, same shape
        Gradient by the outputs, and the weighted sums.
    """
    return upstream * sigmoid(z)


def softmax(logits: np.ndarray) -> np.ndarray:
    r"""Turn scores into probabilities.

    .. math:: p_k = \frac{e^{z_k - m}}{\sum_{j=1}^{K} e^{z_j - m}}, \qquad m = \max_j z_j

    Subtracting :math:`m` changes nothing in exact arithmetic and keeps the powers from overflowing.

    Parameters
    ----------
    logits : ndarray, shape (..., K)
        One score for each of K classes, any real numbers.

    Returns
    -------
    ndarray, shape (..., K)
        Numbers between 0 and 1 that sum to 1 along the last axis.
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def softmax_backward(upstream: np.ndarray, logits: np.ndarray) -> np.ndarray:
    r"""Multiply by the transposed Jacobian of softmax.

    With :math:`\partial p_k / \partial z_j = p_k ([k = j] - p_j)` and the upstream gradient
    :math:`u_k = \partial J / \partial p_k`,

    .. math:: \frac{\partial J}{\partial z_j} = p_j \Bigl(u_j - \sum_{k=1}^{K} u_k p_k\Bigr)

    Parameters
    ----------
    upstream, logits : ndarray, shape (..., K)
        Gradient by the probabilities, and the scores.
    """
    probabilities = softmax(logits)
    average = (upstream * probabilities).sum(axis=-1, keepdims=True)
    return probabilities * (upstream - average)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    r"""Logarithms of the probabilities that softmax gives.

    .. math:: \log p_k = z_k - m - \log \sum_{j=1}^{K} e^{z_j - m}, \qquad m = \max_j z_j

    They stay finite where a probability is too small for a floating-point number and becomes 0.

    Parameters
    ----------
    logits : ndarray, shape (..., K)
        One score for each of K classes, any real numbers.

    Returns
    -------
    ndarray, shape (..., K)
        Numbers not above 0.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_backward(upstream: np.ndarray, logits: np.ndarray) -> np.ndarray:
    r"""Multiply by the transposed Jacobian of log-softmax.

    .. math:: \frac{\partial J}{\partial z_j} = u_j - p_j \sum_{k=1}^{K} u_k

    Parameters
    ----------
    upstream, logits : ndarray, shape (..., K)
        Gradient by the logarithms, and the scores.
    """
    return upstream - softmax(logits) * upstream.sum(axis=-1, keepdims=True)


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "step": (step, step_backward),
    "linear": (linear, linear_backward),
    "sigmoid": (sigmoid, sigmoid_backward),
    "tanh": (tanh, tanh_backward),
    "relu": (relu, relu_backward),
    "leaky_relu": (leaky_relu, leaky_relu_backward),
    "elu": (elu, elu_backward),
    "gelu": (gelu, gelu_backward),
    "silu": (silu, silu_backward),
    "softplus": (softplus, softplus_backward),
    "softmax": (softmax, softmax_backward),
    "log_softmax": (log_softmax, log_softmax_backward),
}

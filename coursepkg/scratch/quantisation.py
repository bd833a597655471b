r"""Whole numbers of a few bits in the place of floating-point numbers.

A real number x is stored as a code q, a whole number, and read back as :math:`\hat x`:

.. math:: q = \operatorname{clip}\Bigl(\operatorname{round}\frac{x}{\Delta} + q_0\Bigr), \qquad
    \hat x = \Delta\, (q - q_0)

:math:`\Delta` is the step, the distance of two neighbouring values, and :math:`q_0`, the zero
point, is the code of 0. Step and zero point are shared by all numbers of an array (per tensor), or
by all numbers of one channel (per channel): one column of a dense layer's weights, one filter of a
convolution. With b bits the codes go from :math:`-2^{b-1}` to :math:`2^{b-1} - 1`.

References
----------
B. Jacob, S. Kligys, B. Chen, M. Zhu, M. Tang, A. Howard, H. Adam and D. Kalenichenko, "Quantization
and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018:
equation 1 (the affine scheme), equations 2 to 8 (the integer product and the multiplier).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Quantised:
    r"""An array stored as codes.

    Attributes
    ----------
    codes : ndarray of int8
        The codes q.
    step : ndarray of floating point, broadcasts to `codes`
        The step :math:`\Delta`, with axes of length 1 where it is shared.
    zero : ndarray of int32, shape of `step`
        The zero point :math:`q_0`.
    bits : int
        The number b of bits of a code, from 2 to 8.
    """

    codes: np.ndarray
    step: np.ndarray
    zero: np.ndarray
    bits: int

    def dequantise(self) -> np.ndarray:
        r"""Read the codes back: :math:`\Delta (q - q_0)`, in the type of the step."""
        return self.step * (self.codes.astype(np.int32) - self.zero).astype(self.step.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of codes packed bit by bit, and of steps; zero points count if one is not 0."""
        packed = -(-self.codes.size * self.bits // 8)
        return packed + self.step.nbytes + (self.zero.size if self.zero.any() else 0)


def code_range(bits: int) -> tuple[int, int]:
    r"""Return the smallest and the largest code: :math:`-2^{b-1}` and :math:`2^{b-1} - 1`.

    Parameters
    ----------
    bits : int
        The number b of bits, from 2 to 8.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If the number of bits is out of range.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"expected from 2 to 8 bits, got {bits}")
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def quantise_symmetric(values: np.ndarray, bits: int = 8, channel: int | None = None) -> Quantised:
    r"""Quantise with the zero point 0, so that the largest size gets the largest code.

    .. math:: \Delta = \frac{\max_i |x_i|}{2^{b-1} - 1}, \qquad q_0 = 0

    No number is clipped, so each is moved by at most half a step:
    :math:`|\hat x_i - x_i| \le \Delta / 2`. The code :math:`-2^{b-1}` stays unused.

    Parameters
    ----------
    values : ndarray of floating point, not empty
        The numbers x.
    bits : int
        The number b of bits, from 2 to 8.
    channel : int, optional
        The axis along which each index has its own step; None for one step.

    Returns
    -------
    Quantised
        A channel of zeros gets the step 1.

    Raises
    ------
    ValueError
        If the numbers are empty, not finite or no floating-point numbers, the axis does not exist,
        or the number of bits is out of range.
    """
    highest = code_range(bits)[1]
    largest = np.abs(values).max(axis=_shared_axes(values, channel), keepdims=True)
    step = _positive(largest / highest)
    zero = np.zeros(step.shape, np.int32)
    return Quantised(_codes(values, step, zero, bits), step, zero, bits)


def quantise_affine(values: np.ndarray, bits: int = 8, channel: int | None = None) -> Quantised:
    r"""Quantise the range from the smallest to the largest number, stretched to hold 0.

    With :math:`l = \min(0, \min_i x_i)` and :math:`u = \max(0, \max_i x_i)`,

    .. math:: \Delta = \frac{u - l}{2^b - 1}, \qquad
        q_0 = -2^{b-1} - \operatorname{round}\frac{l}{\Delta}

    The code of l is then the smallest. That of u is the largest, or it is clipped to it from the
    next one, when u lies in the middle between the two. So here, too,
    :math:`|\hat x_i - x_i| \le \Delta / 2`; and 0 is exact, since its code is the whole number
    :math:`q_0`.

    Parameters
    ----------
    values, bits, channel
        As in `quantise_symmetric`.

    Returns
    -------
    Quantised
        A channel of zeros gets the step 1.

    Raises
    ------
    ValueError
        As in `quantise_symmetric`.
    """
    lowest, highest = code_range(bits)
    axes = _shared_axes(values, channel)
    low = np.minimum(values.min(axis=axes, keepdims=True), 0)
    high = np.maximum(values.max(axis=axes, keepdims=True), 0)
    step = _positive((high - low) / (highest - lowest))
    zero = lowest - np.round(low / step).astype(np.int32)
    return Quantised(_codes(values, step, zero, bits), step, zero, bits)


def _codes(values: np.ndarray, step: np.ndarray, zero: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(np.round(values / step) + zero, *code_range(bits)).astype(np.int8)


def _shared_axes(values: np.ndarray, channel: int | None) -> tuple[int, ...]:
    """Return the axes along which one step is shared, if the numbers can be quantised."""
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"expected floating-point numbers, got {values.dtype}")
    if not values.size or not np.isfinite(values).all():
        raise ValueError("expected an array of finite numbers that is not empty")
    if channel is None:
        return tuple(range(values.ndim))
    if not -values.ndim <= channel < values.ndim:
        raise ValueError(f"expected an axis of an array with {values.ndim} axes, got {channel}")
    return tuple(axis for axis in range(values.ndim) if axis != channel % values.ndim)


def _positive(step: np.ndarray) -> np.ndarray:
    return np.where(step > 0, step, step.dtype.type(1))


def pack_int4(codes: np.ndarray) -> np.ndarray:
    """Store two codes of 4 bits in each byte, along the last axis.

    The first code of a pair takes the lower four bits, in two's complement, as in Keras. A 0 is
    added if the last axis is odd.

    Parameters
    ----------
    codes : ndarray of int8, shape (..., n)
        Codes from -8 to 7.

    Returns
    -------
    ndarray of int8, shape (..., n / 2 rounded up)

    Raises
    ------
    ValueError
        If the codes are of another type or out of range.
    """
    if codes.dtype != np.int8 or codes.ndim == 0:
        raise ValueError(f"expected an array of int8, got {codes.dtype} of shape {codes.shape}")
    if codes.size and not -8 <= codes.min() <= codes.max() <= 7:
        raise ValueError(
            f"expected codes from -8 to 7, got some from {codes.min()} to {codes.max()}"
        )
    even = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, codes.shape[-1] % 2)])
    nibbles = even.view(np.uint8) & 0x0F
    return (nibbles[..., ::2] | nibbles[..., 1::2] << 4).view(np.int8)


def unpack_int4(packed: np.ndarray, length: int) -> np.ndarray:
    """Undo `pack_int4`.

    Parameters
    ----------
    packed : ndarray of int8, shape (..., n / 2 rounded up)
        What `pack_int4` returned.
    length : int
        The length n of the last axis before.

    Returns
    -------
    ndarray of int8, shape (..., n)

    Raises
    ------
    ValueError
        If the length does not fit.
    """
    if (length + 1) // 2 != packed.shape[-1]:
        raise ValueError(
            f"expected a length of {2 * packed.shape[-1] - 1} or {2 * packed.shape[-1]}, "
            f"got {length}"
        )
    nibbles = np.stack([packed & 0x0F, packed >> 4 & 0x0F], axis=-1)
    signed = nibbles - 16 * (nibbles >= 8).astype(np.int8)
    return signed.reshape(*packed.shape[:-1], -1)[..., :length]


def integer_product(x: Quantised, weights: Quantised) -> np.ndarray:
    r"""Multiply two quantised matrices by their codes alone.

    With the zero points :math:`a` of the rows of x and :math:`c` of the columns of the weights, and
    I inner indices,

    .. math:: \sum_{i=1}^{I} (q^x_{ni} - a_n) (q^w_{ij} - c_j) = \sum_i q^x_{ni} q^w_{ij}
        - c_j \sum_i q^x_{ni} - a_n \sum_i q^w_{ij} + I\, a_n c_j

    The first sum is the product of the codes; the sums over weights are known before any x comes.
    With :math:`a = c = 0` only the first is left.

    Parameters
    ----------
    x : Quantised, shape (N, I)
        One step for all, or one for each row.
    weights : Quantised, shape (I, n)
        One step for all, or one for each column.

    Returns
    -------
    ndarray of int32, shape (N, n)
        The product in units of :math:`\Delta^x_n \Delta^w_j`.

    Raises
    ------
    ValueError
        If the shapes do not fit, a step changes along the inner axis, or a sum may exceed 32 bits.
    """
    inner = x.codes.shape[-1]
    if x.codes.ndim != 2 or weights.codes.ndim != 2 or inner != len(weights.codes):
        raise ValueError(
            f"expected matrices (N, I) and (I, n), got {x.codes.shape} and {weights.codes.shape}"
        )
    if x.step.shape[1] != 1 or weights.step.shape[0] != 1:
        raise ValueError("expected steps that are shared along the inner axis")
    if inner * 255 * 255 >= 2**31:
        raise ValueError(f"the sum of {inner} products may not fit into 32 bits")
    q_x, q_w = x.codes.astype(np.int32), weights.codes.astype(np.int32)
    return (
        q_x @ q_w
        - q_x.sum(axis=1, keepdims=True, dtype=np.int32) * weights.zero
        - x.zero * q_w.sum(axis=0, keepdims=True, dtype=np.int32)
        + np.int32(inner) * x.zero * weights.zero
    )


def quantised_dense(x: np.ndarray, weights: Quantised, bias: np.ndarray) -> np.ndarray:
    r"""Apply a dense layer whose weights are codes to inputs that are quantised on the way.

    Each row of x gets its own symmetric step of 8 bits; the whole-number product is scaled back.

    .. math:: Z_{nj} = \Delta^x_n \Delta^w_j \sum_i q^x_{ni} (q^w_{ij} - c_j) + b_j

    Parameters
    ----------
    x : ndarray of floating point, shape (N, I)
        The inputs.
    weights : Quantised, shape (I, n)
        One step for all, or one for each column.
    bias : ndarray, shape (n,)
        The biases, not quantised.

    Returns
    -------
    ndarray, shape (N, n)

    Raises
    ------
    ValueError
        As in `quantise_symmetric` and `integer_product`.
    """
    codes = quantise_symmetric(x, channel=0)
    return codes.step * weights.step * integer_product(codes, weights) + bias


def fixed_point(multiplier: float) -> tuple[int, int]:
    r"""Write a factor as a whole number and a shift: :math:`M = M_0\, 2^{-k}`.

    :math:`M_0` has 31 bits, :math:`2^{30} \le M_0 < 2^{31}`, so the relative error of rounding it
    is at most :math:`2^{-31}`.

    Parameters
    ----------
    multiplier : float
        The factor M, above 0 and below 1.

    Returns
    -------
    tuple of int
        :math:`M_0` and :math:`k`, from 30 to 61.

    Raises
    ------
    ValueError
        If the factor is out of range.
    """
    if not 2.0**-31 <= multiplier < 1:
        raise ValueError(f"expected a factor from 2**-31 to less than 1, got {multiplier}")
    fraction, exponent = np.frexp(multiplier)  # multiplier = fraction * 2**exponent
    number, shift = round(float(fraction) * 2**31), 31 - int(exponent)
    return (number, shift) if number < 2**31 else (number // 2, shift - 1)


def requantise(sums: np.ndarray, multiplier: float, zero: int = 0, bits: int = 8) -> np.ndarray:
    r"""Turn the sums of a product into the codes of the next layer, with whole numbers alone.

    A sum stands for :math:`\Delta^x \Delta^w` times itself, a code of the output y for
    :math:`\Delta^y` times itself, so :math:`M = \Delta^x \Delta^w / \Delta^y` takes one to the
    other. The product :math:`M_0 \cdot \text{sum}` has at most 63 bits; adding :math:`2^{k-1}`
    before the shift by k rounds it to the nearest.

    Parameters
    ----------
    sums : ndarray of int32
        What `integer_product` returned.
    multiplier : float
        The factor M, above 0 and below 1.
    zero : int
        The zero point of the output.
    bits : int
        The number of bits of the output, from 2 to 8.

    Returns
    -------
    ndarray of int8, shape of `sums`

    Raises
    ------
    ValueError
        If the factor or the number of bits is out of range, or the sums are not int32.
    """
    if sums.dtype != np.int32:
        raise ValueError(f"expected sums of type int32, got {sums.dtype}")
    number, shift = fixed_point(multiplier)
    scaled = (sums.astype(np.int64) * number + (1 << (shift - 1))) >> shift
    return np.clip(scaled + zero, *code_range(bits)).astype(np.int8)

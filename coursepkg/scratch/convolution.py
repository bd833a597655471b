r"""Convolution and pooling of images, forward and backward.

Images are (N, rows, columns, channels), as in Keras; a kernel is (window rows, window columns,
channels that one output sees, channels out). All formulas below are for one example and count rows
:math:`r`, columns :math:`s` and offsets :math:`i, j` in the window from 0. Along one axis

- :math:`n` is the size of the input, :math:`o` that of the output,
- :math:`k` the size of the window,
- :math:`t` the stride: how far the window moves from one output to the next,
- :math:`d` the dilation: how far apart the entries of the window are,
- :math:`p, p'` the zeros added before and after the input (the padding).

References
----------
V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
arXiv:1603.07285, 2016: the sizes, and the transposed convolution.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from coursepkg.scratch.initialisation import glorot_uniform
from coursepkg.scratch.layers import Layer, _expect_sizes

Window = int | tuple[int, int]
BLOCK = 2**21  # numbers laid out as rows at a time: more would leave the processor's cache


def padding_amounts(
    size: int, window: int, stride: int = 1, padding: str = "valid", dilation: int = 1
) -> tuple[int, int]:
    r"""Count the zeros to add before and after one axis.

    With the reach :math:`q = d (k - 1) + 1`, the number of input entries from the first to the last
    that the window touches:

    - "valid": none, so the window stays inside the input.
    - "same": as few as give the output the size :math:`\lceil n / t \rceil`, which is :math:`n` for
      stride 1: together :math:`\max(0, t (\lceil n / t \rceil - 1) + q - n)`, the smaller half
      before.
    - "full": :math:`q - 1` on either side, so every entry meets every entry of the window.

    Parameters
    ----------
    size, window, stride, dilation : int
        The :math:`n, k, t, d` of the axis.
    padding : str
        "valid", "same" or "full".

    Returns
    -------
    tuple of int
        The amounts p before and p' after.

    Raises
    ------
    ValueError
        If a number is less than 1, or the padding has another name.
    """
    _expect_sizes(size=size, window=window, stride=stride, dilation=dilation)
    reach = dilation * (window - 1) + 1
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return reach - 1, reach - 1
    if padding != "same":
        raise ValueError(f"expected padding 'valid', 'same' or 'full', got {padding!r}")
    total = max(0, stride * (math.ceil(size / stride) - 1) + reach - size)
    return total // 2, total - total // 2


def output_size(
    size: int, window: int, stride: int = 1, padding: str = "valid", dilation: int = 1
) -> int:
    r"""Count the positions of a window along one axis.

    .. math:: o = \left\lfloor \frac{n + p + p' - d (k - 1) - 1}{t} \right\rfloor + 1

    (Dumoulin and Visin, relationships 6 and 15, where :math:`p = p'`.)

    Parameters
    ----------
    size, window, stride, padding, dilation
        As in `padding_amounts`.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If an argument is out of range, or the window does not fit into the padded input.
    """
    padded = size + sum(padding_amounts(size, window, stride, padding, dilation))
    reach = dilation * (window - 1) + 1
    if reach > padded:
        raise ValueError(f"a window that reaches over {reach} does not fit into a size of {padded}")
    return (padded - reach) // stride + 1


def receptive_field(layers: Sequence[Sequence[int]]) -> int:
    r"""Count the input entries along one axis on which one output of a stack of layers depends.

    .. math:: 1 + \sum_{l=1}^{L} d_l (k_l - 1) \prod_{m < l} t_m

    One output of layer l sees :math:`d_l (k_l - 1) + 1` entries of the layer below from first to
    last; two neighbours there are :math:`\prod_{m < l} t_m` input entries apart. (Araujo, Norris
    and Sim, "Computing receptive field size"; here with dilation.) Where layers pad, a part of the
    field may lie in the padding.

    Parameters
    ----------
    layers : sequence of (window, stride) or (window, stride, dilation)
        Convolutions and poolings in the order of the forward pass.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If an entry is not two or three numbers of at least 1.

    References
    ----------
    A. Araujo, W. Norris and J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
    Distill, 2019.
    """
    field, apart = 1, 1
    for layer in layers:
        if len(layer) not in (2, 3):
            raise ValueError(f"expected (window, stride) or with a dilation, got {tuple(layer)}")
        window, stride, dilation = (*layer, 1)[:3]
        _expect_sizes(window=window, stride=stride, dilation=dilation)
        field += dilation * (window - 1) * apart
        apart *= stride
    return field


def parameter_count(
    window: Window, inputs: int, outputs: int, groups: int = 1, bias: bool = True
) -> int:
    r"""Count the numbers that a convolution learns; the size of the image is not among them.

    .. math:: k \, k' \, \frac{C}{G} \, C' + C'

    for a window of :math:`k` times :math:`k'`, :math:`C` channels in, :math:`C'` out, :math:`G`
    groups. The last term is the biases. A depthwise convolution has :math:`G = C`.

    Parameters
    ----------
    window : int or pair of int
        Rows and columns of the window; one number stands for both.
    inputs, outputs : int
        Channels in and out.
    groups : int
        How many groups the channels fall into.
    bias : bool
        Whether each channel out has a bias.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If a number is less than 1, or the groups do not divide the channels.
    """
    _expect_divisible(groups, inputs=inputs, outputs=outputs)
    return math.prod(_pair(window)) * inputs // groups * outputs + (outputs if bias else 0)


def multiply_adds(
    size: tuple[int, int], window: Window, inputs: int, outputs: int, groups: int = 1
) -> int:
    r"""Count the multiplications, each followed by an addition, of a convolution of one image.

    .. math:: o \, o' \, k \, k' \, \frac{C}{G} \, C'

    Each of the :math:`o \, o' \, C'` outputs is a sum of :math:`k k' C / G` products; those with
    the zeros of the padding count too.

    Parameters
    ----------
    size : pair of int
        Rows and columns of the output.
    window, inputs, outputs, groups
        As in `parameter_count`.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        As in `parameter_count`, or if a size is less than 1.
    """
    rows, columns = size
    _expect_sizes(rows=rows, columns=columns)
    return rows * columns * parameter_count(window, inputs, outputs, groups, bias=False)


def _pair(window: Window) -> tuple[int, int]:
    rows, columns = (window, window) if isinstance(window, int) else window
    _expect_sizes(rows=rows, columns=columns)
    return rows, columns


def _expect_divisible(groups: int, **channels: int) -> None:
    _expect_sizes(groups=groups, **channels)
    for name, number in channels.items():
        if number % groups:
            raise ValueError(f"expected {name} divisible by {groups} groups, got {number}")


def _expect_images(x: np.ndarray, channels: int | None = None) -> None:
    if x.ndim != 4 or channels not in (None, x.shape[-1]):
        last = "channels" if channels is None else channels
        raise ValueError(f"expected images of shape (N, rows, columns, {last}), got {x.shape}")


def _expect_kernel(kernel: np.ndarray, groups: int) -> None:
    if kernel.ndim != 4 or 0 in kernel.shape:
        raise ValueError(
            "expected a kernel of shape (window rows, window columns, channels in / groups, "
            f"channels out), got {kernel.shape}"
        )
    _expect_divisible(groups, outputs=kernel.shape[-1])


def _expect_valid_or_same(padding: str) -> None:
    if padding not in ("valid", "same"):
        raise ValueError(f"expected padding 'valid' or 'same', got {padding!r}")


def _expect_upstream(upstream: np.ndarray, shape: tuple[int, ...]) -> None:
    if upstream.shape != shape:
        raise ValueError(f"expected an upstream gradient of shape {shape}, got {upstream.shape}")


class Grid:
    """Where the windows lie on images of some size: the padding, and the outputs' rows and columns.

    Parameters
    ----------
    size, window : pair of int
        Rows and columns of the images, and of the window.
    stride, padding, dilation
        The same for both axes; see `padding_amounts`.

    Attributes
    ----------
    input, padded, output : pair of int
        Rows and columns of the images, of the padded images, and of the output.
    amounts : list of two pairs
        The padding before and after, of rows and of columns.
    """

    def __init__(
        self,
        size: tuple[int, int],
        window: tuple[int, int],
        stride: int = 1,
        padding: str = "valid",
        dilation: int = 1,
    ) -> None:
        self.window, self.stride, self.dilation = window, stride, dilation
        self.input = size
        axes = list(zip(size, window, strict=True))
        self.amounts = [padding_amounts(n, k, stride, padding, dilation) for n, k in axes]
        self.padded = tuple(n + sum(added) for n, added in zip(size, self.amounts, strict=True))
        self.output = tuple(output_size(n, k, stride, padding, dilation) for n, k in axes)

    def pad(self, x: np.ndarray, value: float = 0.0) -> np.ndarray:
        """Add the padding to x (N, rows, columns, channels)."""
        if not any(map(any, self.amounts)):
            return x
        return np.pad(x, [(0, 0), *self.amounts, (0, 0)], constant_values=value)

    def crop(self, padded: np.ndarray) -> np.ndarray:
        """Take the padding off again."""
        (top, _), (left, _) = self.amounts
        rows, columns = self.input
        return padded[:, top : top + rows, left : left + columns]

    def windows(self, padded: np.ndarray) -> np.ndarray:
        """View images (N, ...) as the windows on them, (N, o, o', k, k', channels); no copy."""
        t, d = self.stride, self.dilation
        reach = [d * (k - 1) + 1 for k in self.window]
        every = sliding_window_view(padded, reach, axis=(1, 2))
        return every[:, ::t, ::t, :, ::d, ::d].transpose(0, 1, 2, 4, 5, 3)

    def shifts(self, padded: np.ndarray) -> Iterator[np.ndarray]:
        """View entry (i, j) of every window at once, (N, o, o', channels), for each i and j."""
        t, d = self.stride, self.dilation
        rows, columns = (t * (o - 1) + 1 for o in self.output)
        for i, j in np.ndindex(*self.window):
            yield padded[:, d * i : d * i + rows : t, d * j : d * j + columns : t]

    def blocks(self, images: int, channels: int) -> Iterator[slice]:
        """Cut a batch into slices whose windows together hold about `BLOCK` entries."""
        step = max(1, BLOCK // (math.prod(self.output) * math.prod(self.window) * channels))
        return (slice(first, first + step) for first in range(0, images, step))


def cross_correlate_loops(
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> np.ndarray:
    """Compute what `cross_correlate` does, one product at a time: to be read, and far slower."""
    grid = _correlation_grid(x, kernel, stride, padding, dilation, groups)
    padded = grid.pad(x)
    rows, columns, channels, outputs = kernel.shape
    z = np.zeros((len(x), *grid.output, outputs), np.result_type(x, kernel))
    for n, r, s, out in np.ndindex(z.shape):
        first = out // (outputs // groups) * channels
        for i, j, c in np.ndindex(rows, columns, channels):
            row, column = stride * r + dilation * i, stride * s + dilation * j
            z[n, r, s, out] += padded[n, row, column, first + c] * kernel[i, j, c, out]
    return z


def cross_correlate(
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> np.ndarray:
    r"""Slide a kernel over images; each output is the sum of the products under the window.

    .. math:: Z_{r s c'} = \sum_{i=0}^{k-1} \sum_{j=0}^{k'-1} \sum_c
        X_{t r + d i - p,\; t s + d j - q,\; c} \, W_{i j c c'}

    where entries of X outside the image are 0, and p and q are the padding above and to the left.
    With G groups, the channels in and the channels out are each cut into G equal runs, and outputs
    of the g-th run sum over the channels c of the g-th run only.

    This is what deep learning calls a convolution; `convolve` has the mathematicians'. All windows
    are laid out as the rows of a matrix (*im2col*), and then one matrix product does the sums.

    Parameters
    ----------
    x : ndarray, shape (N, rows, columns, C)
        The images.
    kernel : ndarray, shape (k, k', C / G, C')
        The weights.
    stride, padding, dilation
        See `padding_amounts`; the same for rows and columns.
    groups : int
        The number G, which divides C and C'.

    Returns
    -------
    ndarray, shape (N, o, o', C')
        With o and o' from `output_size`.

    Raises
    ------
    ValueError
        If shapes or settings do not fit.

    References
    ----------
    K. Chellapilla, S. Puri and P. Simard, "High Performance Convolutional Neural Networks for
    Document Processing", Tenth International Workshop on Frontiers in Handwriting Recognition,
    2006: the windows as rows of a matrix.
    """
    grid = _correlation_grid(x, kernel, stride, padding, dilation, groups)
    padded, weights = grid.pad(x), _as_matrices(kernel, groups)
    z = np.empty((len(x), *grid.output, kernel.shape[-1]), np.result_type(x, kernel))
    for block in grid.blocks(len(x), x.shape[-1]):
        products = _as_rows(grid.windows(padded[block]), groups) @ weights
        z[block] = products.transpose(1, 0, 2).reshape(z[block].shape)
    return z


def _correlation_grid(
    x: np.ndarray, kernel: np.ndarray, stride: int, padding: str, dilation: int, groups: int
) -> Grid:
    _expect_kernel(kernel, groups)
    _expect_images(x, groups * kernel.shape[2])
    return Grid(x.shape[1:3], kernel.shape[:2], stride, padding, dilation)


def _as_rows(windows: np.ndarray, groups: int) -> np.ndarray:
    """Lay out windows (N, o, o', ..., channels) as rows, (G, N o o', numbers of one window)."""
    channels = windows.shape[-1] // groups
    split = windows.reshape(*windows.shape[:-1], groups, channels)
    rows = math.prod(windows.shape[:3])
    numbers = math.prod(windows.shape[3:-1]) * channels
    return np.moveaxis(split, -2, 0).reshape(groups, rows, numbers)


def _as_matrices(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Lay out a kernel (k, k', C / G, C') as one matrix for each group, (G, k k' C / G, C' / G)."""
    numbers = math.prod(kernel.shape[:3])
    return kernel.reshape(numbers, groups, -1).transpose(1, 0, 2)


def cross_correlate_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Pull a gradient back through `cross_correlate`; see the two functions that do it.

    Parameters
    ----------
    upstream : ndarray, shape (N, o, o', C')
        The gradient of the loss with respect to the output.
    x, kernel, stride, padding, dilation, groups
        As in the forward pass.

    Returns
    -------
    tuple of ndarray
        The gradients with respect to `x` and `kernel`, in their shapes.

    Raises
    ------
    ValueError
        If shapes or settings do not fit.
    """
    grid = _correlation_grid(x, kernel, stride, padding, dilation, groups)
    _expect_upstream(upstream, (len(x), *grid.output, kernel.shape[-1]))
    by_inputs = gradient_by_inputs(upstream, kernel, grid, groups)
    return by_inputs, gradient_by_kernel(upstream, x, grid, groups)


def gradient_by_inputs(
    upstream: np.ndarray, kernel: np.ndarray, grid: Grid, groups: int = 1
) -> np.ndarray:
    r"""Send each output's gradient back to the inputs under its window.

    With :math:`\delta = \partial J / \partial Z`, input :math:`X_{u v c}` occurs in output
    :math:`(r, s)` with the factor :math:`W_{i j c c'}` where :math:`u = t r + d i - p` and
    :math:`v = t s + d j - q`. The chain rule sums over all of these:

    .. math:: \frac{\partial J}{\partial X_{u v c}}
        = \sum_{i, j, c'} \delta_{r s c'} W_{i j c c'}, \qquad
        r = \frac{u + p - d i}{t}, \quad s = \frac{v + q - d j}{t} \quad \text{where whole.}

    The offsets i and j have a minus here: as the input goes on, the kernel is read backwards. For
    stride 1 it is thus a cross-correlation of :math:`\delta`, fully padded, with the kernel flipped
    along rows and columns and its channels in and out exchanged, from which the padding of the
    forward pass is cut off; for a larger stride, :math:`t - 1` zeros first go between neighbours of
    :math:`\delta`. With groups, :math:`c'` runs over the channels out of the group of :math:`c`.

    The code does the same sum without these zeros: for each offset in the window it computes what
    all outputs send there, in one matrix product, and adds it where the windows lie.

    Parameters
    ----------
    upstream : ndarray, shape (N, o, o', C')
        The gradient :math:`\delta`.
    kernel : ndarray, shape (k, k', C / G, C')
    grid : Grid
        The windows of the forward pass.
    groups : int

    Returns
    -------
    ndarray, shape (N, rows, columns, C)
    """
    channels = groups * kernel.shape[2]
    turned = kernel.reshape(*kernel.shape[:3], groups, -1).transpose(0, 1, 3, 4, 2)
    padded = np.zeros((len(upstream), *grid.padded, channels), np.result_type(upstream, kernel))
    for block in grid.blocks(len(upstream), channels):
        delta = _as_rows(upstream[block], groups)
        offsets = np.ndindex(*grid.window)
        for offset, place in zip(offsets, grid.shifts(padded[block]), strict=True):
            place += (delta @ turned[offset]).transpose(1, 0, 2).reshape(place.shape)
    return grid.crop(padded)


def gradient_by_kernel(
    upstream: np.ndarray, x: np.ndarray, grid: Grid, groups: int = 1
) -> np.ndarray:
    r"""Sum over all positions of the window what it showed times the gradient of its output.

    .. math:: \frac{\partial J}{\partial W_{i j c c'}}
        = \sum_n \sum_{r, s} X_{n,\; t r + d i - p,\; t s + d j - q,\; c} \; \delta_{n r s c'}

    A weight is used at every position, so its gradient is a sum over all of them. With the windows
    as rows it is the formula of a dense layer, :math:`\mathbf{X}^T \boldsymbol\delta`.

    Parameters
    ----------
    upstream : ndarray, shape (N, o, o', C')
        The gradient :math:`\delta`.
    x : ndarray, shape (N, rows, columns, C)
    grid : Grid
        The windows of the forward pass.
    groups : int

    Returns
    -------
    ndarray, shape (k, k', C / G, C')
    """
    padded, channels = grid.pad(x), x.shape[-1] // groups
    numbers, outputs = math.prod(grid.window) * channels, upstream.shape[-1]
    total = np.zeros((groups, numbers, outputs // groups), np.result_type(upstream, x))
    for block in grid.blocks(len(x), x.shape[-1]):
        rows = _as_rows(grid.windows(padded[block]), groups)
        total += rows.transpose(0, 2, 1) @ _as_rows(upstream[block], groups)
    return total.transpose(1, 0, 2).reshape(*grid.window, channels, outputs)


def flip(kernel: np.ndarray) -> np.ndarray:
    """Turn a kernel (k, k', ...) by half a turn: the last row first, the last column first."""
    return kernel[::-1, ::-1]


def convolve(
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> np.ndarray:
    r"""Convolve in the sense of mathematics: cross-correlate with the flipped kernel.

    .. math:: Z_{r s} = \sum_{i, j} X_{r - i,\; s - j} \, W_{i j}

    is the sum for full padding, stride 1, dilation 1 and one channel. Because of the minus the
    operation commutes: W may change places with X. A network that learns W can do without the
    flip, as it would learn the flipped W. Takes x (N, rows, columns, C) and a kernel
    (k, k', C / G, C'), returns (N, o, o', C'); settings and errors are those of `cross_correlate`.
    """
    return cross_correlate(x, flip(kernel), stride, padding, dilation, groups)


def convolve_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Pull a gradient (N, o, o', C') back through `convolve`: to `x` and `kernel`, in their shapes.

    It is `cross_correlate_backward` between two flips.
    """
    by_inputs, by_flipped = cross_correlate_backward(
        upstream, x, flip(kernel), stride, padding, dilation, groups
    )
    return by_inputs, flip(by_flipped)


def depthwise(
    x: np.ndarray, kernel: np.ndarray, stride: int = 1, padding: str = "valid", dilation: int = 1
) -> np.ndarray:
    r"""Give each channel kernels of its own: a cross-correlation with as many groups as channels.

    .. math:: Z_{r s,\, m c + e} = \sum_{i, j} X_{t r + d i - p,\; t s + d j - q,\; c} \,
        W_{i j c e}

    for :math:`e = 0, \dots, m - 1`: channels do not mix, and each becomes :math:`m`. There is no
    sum over channels for a matrix product to do, so the code goes through the offsets instead.

    Parameters
    ----------
    x : ndarray, shape (N, rows, columns, C)
        The images.
    kernel : ndarray, shape (k, k', C, m)
        The weights, laid out as Keras does.
    stride, padding, dilation
        See `padding_amounts`.

    Returns
    -------
    ndarray, shape (N, o, o', C m)

    Raises
    ------
    ValueError
        If shapes or settings do not fit.
    """
    grid = _depthwise_grid(x, kernel, stride, padding, dilation)
    z = np.zeros((len(x), *grid.output, *kernel.shape[2:]), np.result_type(x, kernel))
    offsets = np.ndindex(*grid.window)
    for offset, entry in zip(offsets, grid.shifts(grid.pad(x)), strict=True):
        z += entry[..., None] * kernel[offset]
    return z.reshape(*z.shape[:3], -1)


def depthwise_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Pull a gradient (N, o, o', C m) back through `depthwise`: to `x` and `kernel`.

    .. math::

        \frac{\partial J}{\partial X_{u v c}}
        = \sum_{i, j, e} \delta_{r s,\, m c + e} W_{i j c e}, \qquad
        \frac{\partial J}{\partial W_{i j c e}}
        = \sum_n \sum_{r, s} X_{n,\; t r + d i - p,\; t s + d j - q,\; c} \;
        \delta_{n r s,\, m c + e}

    with the r and s of `gradient_by_inputs`.
    """
    grid = _depthwise_grid(x, kernel, stride, padding, dilation)
    _expect_upstream(upstream, (len(x), *grid.output, math.prod(kernel.shape[2:])))
    delta = upstream.reshape(*upstream.shape[:3], *kernel.shape[2:])
    padded = grid.pad(x)
    by_inputs = np.zeros(padded.shape, np.result_type(upstream, kernel))
    by_kernel = np.empty(kernel.shape, np.result_type(upstream, x))
    views = np.ndindex(*grid.window), grid.shifts(padded), grid.shifts(by_inputs)
    for offset, entry, place in zip(*views, strict=True):
        by_kernel[offset] = np.einsum("nrsc,nrsce->ce", entry, delta)
        place += np.einsum("nrsce,ce->nrsc", delta, kernel[offset])
    return grid.crop(by_inputs), by_kernel


def _depthwise_grid(
    x: np.ndarray, kernel: np.ndarray, stride: int, padding: str, dilation: int
) -> Grid:
    _expect_images(x)
    if kernel.ndim != 4 or kernel.shape[2] != x.shape[-1] or 0 in kernel.shape:
        raise ValueError(
            f"expected a kernel of shape (window rows, window columns, {x.shape[-1]}, multiplier), "
            f"got {kernel.shape}"
        )
    return Grid(x.shape[1:3], kernel.shape[:2], stride, padding, dilation)


def cross_correlate_1d(
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> np.ndarray:
    r"""Slide a kernel along sequences: images of one row, under a window of one row.

    .. math:: Z_{s c'} = \sum_{j, c} X_{t s + d j - p,\; c} \, W_{j c c'}

    Parameters
    ----------
    x : ndarray, shape (N, T, C)
        The sequences.
    kernel : ndarray, shape (k, C / G, C')
        The weights.
    stride, padding, dilation, groups
        As in `cross_correlate`.

    Returns
    -------
    ndarray, shape (N, o, C')

    Raises
    ------
    ValueError
        If shapes or settings do not fit.
    """
    _expect_sequences(x, kernel)
    return cross_correlate(x[:, None], kernel[None], stride, padding, dilation, groups)[:, 0]


def cross_correlate_1d_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Pull a gradient (N, o, C') back through `cross_correlate_1d`: to `x` and `kernel`."""
    _expect_sequences(x, kernel)
    by_inputs, by_kernel = cross_correlate_backward(
        upstream[:, None], x[:, None], kernel[None], stride, padding, dilation, groups
    )
    return by_inputs[:, 0], by_kernel[0]


def _expect_sequences(x: np.ndarray, kernel: np.ndarray) -> None:
    if x.ndim != 3 or kernel.ndim != 3:
        raise ValueError(
            "expected sequences (N, T, channels) and a kernel (window, channels in / groups, "
            f"channels out), got {x.shape} and {kernel.shape}"
        )


def transposed_loops(
    x: np.ndarray, kernel: np.ndarray, stride: int = 1, padding: str = "valid"
) -> np.ndarray:
    """Compute what `transposed` does, one stamp at a time: to be read, and far slower."""
    grid = _transposed_grid(x, kernel, stride, padding)
    rows, columns, outputs, _ = kernel.shape
    padded = np.zeros((len(x), *grid.padded, outputs), np.result_type(x, kernel))
    for n, r, s, c in np.ndindex(x.shape):
        top, left = stride * r, stride * s
        padded[n, top : top + rows, left : left + columns] += x[n, r, s, c] * kernel[..., c]
    return grid.crop(padded)


def transposed(
    x: np.ndarray, kernel: np.ndarray, stride: int = 1, padding: str = "valid"
) -> np.ndarray:
    r"""Stamp the kernel once for each input entry, as strongly as it is large; sum the stamps.

    .. math:: Y_{u v c'} = \sum_{i, j, c} X_{r s c} W_{i j c' c}, \qquad
        r = \frac{u + p - i}{t}, \quad s = \frac{v + q - j}{t} \quad \text{where whole.}

    A cross-correlation is linear in the images: written as vectors,
    :math:`\mathbf{z} = \mathbf{A} \mathbf{y}`. The transposed convolution is
    :math:`\mathbf{y} = \mathbf{A}^T \mathbf{x}`, the formula of `gradient_by_inputs`. It leads from
    the shape of the output back to that of the input, so a stride makes images larger. It does not
    undo the convolution: :math:`\mathbf{A}^T` is not :math:`\mathbf{A}^{-1}`. Several input sizes
    can lead to one output size; here, as in Keras, the output has

    .. math:: t n + \max(k - t, 0) \quad \text{("valid")}, \qquad t n \quad \text{("same")}

    rows for :math:`n` rows in. (Dumoulin and Visin, chapter 4.)

    Parameters
    ----------
    x : ndarray, shape (N, rows, columns, C)
        The images.
    kernel : ndarray, shape (k, k', C', C)
        The weights, laid out as Keras does: the kernel of the cross-correlation from C' channels to
        C of which this is the transpose.
    stride : int
    padding : str
        "valid" or "same".

    Returns
    -------
    ndarray, shape (N, o, o', C')

    Raises
    ------
    ValueError
        If shapes or settings do not fit.
    """
    return gradient_by_inputs(x, kernel, _transposed_grid(x, kernel, stride, padding))


def transposed_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    stride: int = 1,
    padding: str = "valid",
) -> tuple[np.ndarray, np.ndarray]:
    r"""Pull a gradient (N, o, o', C') back through `transposed`: to `x` and `kernel`.

    From :math:`\mathbf{y} = \mathbf{A}^T \mathbf{x}` follows
    :math:`\partial J / \partial \mathbf{x} = \mathbf{A} \, \partial J / \partial \mathbf{y}`, a
    cross-correlation of the upstream gradient. In the gradient of the kernel, `x` and the upstream
    gradient change the places which they have in `gradient_by_kernel`.
    """
    grid = _transposed_grid(x, kernel, stride, padding)
    _expect_upstream(upstream, (len(x), *grid.input, kernel.shape[2]))
    by_inputs = cross_correlate(upstream, kernel, stride, padding)
    return by_inputs, gradient_by_kernel(x, upstream, grid)


def _transposed_grid(x: np.ndarray, kernel: np.ndarray, stride: int, padding: str) -> Grid:
    """Build the grid of the cross-correlation that leads from the output's shape to that of x."""
    _expect_kernel(kernel, groups=1)
    _expect_images(x, kernel.shape[3])
    _expect_sizes(stride=stride)
    _expect_valid_or_same(padding)
    extra = [max(k - stride, 0) if padding == "valid" else 0 for k in kernel.shape[:2]]
    size = (stride * x.shape[1] + extra[0], stride * x.shape[2] + extra[1])
    return Grid(size, kernel.shape[:2], stride, padding)


def _pooling_grid(x: np.ndarray, window: Window, stride: int | None, padding: str) -> Grid:
    """Build the grid of a pooling, whose windows do not overlap if no stride is given."""
    _expect_images(x)
    rows, columns = _pair(window)
    if stride is None and rows != columns:
        raise ValueError(f"a window of {rows} by {columns} needs a stride, got None")
    _expect_valid_or_same(padding)
    return Grid(x.shape[1:3], (rows, columns), rows if stride is None else stride, padding)


def pool_loops(
    x: np.ndarray,
    window: Window,
    summary: Callable[..., np.ndarray],
    stride: int | None = None,
    padding: str = "valid",
) -> np.ndarray:
    """Compute `max_pool` (summary `numpy.max`) or `average_pool` (`numpy.mean`) window by window.

    The part of a window that lies outside the image is left out. `summary` takes the rest of it,
    (rows, columns, C), and ``axis=(0, 1)``.
    """
    grid = _pooling_grid(x, window, stride, padding)
    (rows, columns), ((above, _), (left, _)) = grid.window, grid.amounts
    y = np.empty((len(x), *grid.output, x.shape[-1]), x.dtype)
    for n, r, s in np.ndindex(y.shape[:3]):
        top, first = grid.stride * r - above, grid.stride * s - left
        seen = x[n, max(top, 0) : top + rows, max(first, 0) : first + columns]
        y[n, r, s] = summary(seen, axis=(0, 1))
    return y


def max_pool(
    x: np.ndarray, window: Window, stride: int | None = None, padding: str = "valid"
) -> np.ndarray:
    r"""Keep the largest entry of each window, channel by channel.

    .. math:: Y_{r s c} = \max_{i, j} X_{t r + i - p,\; t s + j - q,\; c}

    Padding never wins: it counts as minus infinity.

    Parameters
    ----------
    x : ndarray, shape (N, rows, columns, C)
        The images.
    window : int or pair of int
        Rows and columns of the window.
    stride : int, optional
        If None, the size of a square window, so that windows touch without overlap.
    padding : str
        "valid" or "same".

    Returns
    -------
    ndarray, shape (N, o, o', C)

    Raises
    ------
    ValueError
        If shapes or settings do not fit.
    """
    grid = _pooling_grid(x, window, stride, padding)
    return reduce(np.maximum, grid.shifts(grid.pad(x, -np.inf)))


def max_pool_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    window: Window,
    stride: int | None = None,
    padding: str = "valid",
) -> np.ndarray:
    r"""Pull a gradient (N, o, o', C) back through `max_pool`: it goes to the entry that won.

    .. math:: \frac{\partial J}{\partial X_{u v c}} = \sum_{r, s}
        [(u, v) \text{ wins window } (r, s) \text{ in channel } c] \, \delta_{r s c}

    If several entries of a window are equally large, the maximum has no derivative; the first of
    them, row by row, takes all.
    """
    grid = _pooling_grid(x, window, stride, padding)
    padded = grid.pad(x, -np.inf)
    largest = reduce(np.maximum, grid.shifts(padded))
    _expect_upstream(upstream, largest.shape)
    gradient = np.zeros(padded.shape, upstream.dtype)
    free = np.ones(largest.shape, bool)
    for entry, place in zip(grid.shifts(padded), grid.shifts(gradient), strict=True):
        wins = free & (entry == largest)
        place += wins * upstream
        free &= ~wins
    return grid.crop(gradient)


def average_pool(
    x: np.ndarray, window: Window, stride: int | None = None, padding: str = "valid"
) -> np.ndarray:
    r"""Average the entries of each window, channel by channel.

    .. math:: Y_{r s c} = \frac{1}{m_{r s}} \sum_{i, j} X_{t r + i - p,\; t s + j - q,\; c}

    where :math:`m_{r s}` counts the entries of the window that lie in the image; as in Keras,
    padding does not count. Arguments, result and errors are those of `max_pool`.
    """
    grid = _pooling_grid(x, window, stride, padding)
    return sum(grid.shifts(grid.pad(x))) / _counts(grid, x.dtype)


def average_pool_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    window: Window,
    stride: int | None = None,
    padding: str = "valid",
) -> np.ndarray:
    r"""Pull a gradient (N, o, o', C) back through `average_pool`: windows share it equally.

    .. math:: \frac{\partial J}{\partial X_{u v c}} = \sum_{(r, s) \text{ over } (u, v)}
        \frac{\delta_{r s c}}{m_{r s}}
    """
    grid = _pooling_grid(x, window, stride, padding)
    _expect_upstream(upstream, (len(x), *grid.output, x.shape[-1]))
    share = upstream / _counts(grid, x.dtype)
    gradient = grid.pad(np.zeros(x.shape, share.dtype))
    for place in grid.shifts(gradient):
        place += share
    return grid.crop(gradient)


def _counts(grid: Grid, dtype: np.dtype) -> np.ndarray:
    """Count the entries of each window that lie in the image, shape (1, o, o', 1)."""
    return sum(grid.shifts(grid.pad(np.ones((1, *grid.input, 1), dtype))))


def global_average_pool(x: np.ndarray) -> np.ndarray:
    r"""Average each channel over the whole image: (N, rows, columns, C) becomes (N, C).

    .. math:: Y_c = \frac{1}{n n'} \sum_{u, v} X_{u v c}

    for :math:`n` rows and :math:`n'` columns. A network that ends with it takes images of any size.

    Raises
    ------
    ValueError
        If `x` has another number of axes.

    References
    ----------
    M. Lin, Q. Chen and S. Yan, "Network In Network", ICLR 2014.
    """
    _expect_images(x)
    return x.mean(axis=(1, 2))


def global_average_pool_backward(upstream: np.ndarray, x: np.ndarray) -> np.ndarray:
    r"""Pull a gradient (N, C) back through `global_average_pool`, to the shape of x.

    .. math:: \frac{\partial J}{\partial X_{u v c}} = \frac{\delta_c}{n n'}
    """
    _expect_images(x)
    _expect_upstream(upstream, (len(x), x.shape[-1]))
    share = upstream / math.prod(x.shape[1:3])
    return np.broadcast_to(share[:, None, None], x.shape).copy()


class _KernelLayer(Layer):
    """What layers with a kernel share: an operation, its kernel, one bias for each channel out.

    The bias is added at every position, so its gradient sums over examples, rows and columns.

    Parameters
    ----------
    operation, operation_backward : callable
        The forward and the backward function, which take x and the kernel.
    kernel : ndarray
        The first weights.
    outputs : int
        The number of channels out.
    settings : dict
        The other arguments of both functions.
    """

    def __init__(
        self,
        operation: Callable[..., np.ndarray],
        operation_backward: Callable[..., tuple[np.ndarray, np.ndarray]],
        kernel: np.ndarray,
        outputs: int,
        settings: dict[str, Any],
    ) -> None:
        super().__init__()
        self.operation, self.operation_backward = operation, operation_backward
        self.kernel, self.settings = kernel, settings
        self.bias = np.zeros(outputs, kernel.dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """Kernel and biases."""
        return [self.kernel, self.bias]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map images (N, rows, columns, channels in) to (N, o, o', channels out)."""
        return self._remember(self.operation(x, self.kernel, **self.settings) + self.bias, x)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs to that of the inputs."""
        x = self._recall(upstream)
        by_inputs, by_kernel = self.operation_backward(upstream, x, self.kernel, **self.settings)
        self.gradients = [by_kernel, upstream.sum(axis=(0, 1, 2))]
        return by_inputs


class Convolution(_KernelLayer):
    r"""A layer of units that each see a window of the image, and share their weights.

    .. math:: \mathbf{Z} = \mathbf{X} \star \mathbf{W} + \mathbf{b}

    where :math:`\star` is `cross_correlate`.

    Parameters
    ----------
    inputs, outputs : int
        Channels before and after the layer.
    window : int or pair of int
        Rows and columns of the window.
    rng : numpy.random.Generator
        The source of the first weights; the biases start at 0.
    stride, padding, dilation, groups
        As in `cross_correlate`.
    initialise : callable
        Takes the shape and `rng`, returns the first weights.
    dtype : numpy dtype
        Of weights and biases.

    Attributes
    ----------
    kernel : ndarray, shape (k, k', inputs / groups, outputs)
    bias : ndarray, shape (outputs,)

    Raises
    ------
    ValueError
        If a setting is out of range; in `forward`, if `x` does not fit.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: Window,
        rng: np.random.Generator,
        stride: int = 1,
        padding: str = "valid",
        dilation: int = 1,
        groups: int = 1,
        initialise: Callable[[Sequence[int], np.random.Generator], np.ndarray] = glorot_uniform,
        dtype: type = np.float64,
    ) -> None:
        _expect_divisible(groups, inputs=inputs, outputs=outputs)
        settings = {"stride": stride, "padding": padding, "dilation": dilation}
        for k in _pair(window):
            padding_amounts(1, k, **settings)
        kernel = initialise((*_pair(window), inputs // groups, outputs), rng).astype(dtype)
        settings["groups"] = groups
        super().__init__(cross_correlate, cross_correlate_backward, kernel, outputs, settings)


class DepthwiseConvolution(_KernelLayer):
    """A layer that gives each channel `multiplier` kernels of its own; see `depthwise`.

    Followed by a `Convolution` with a window of 1, which mixes the channels, it is a *separable*
    convolution.

    Parameters
    ----------
    inputs : int
        Channels before the layer; ``inputs * multiplier`` come out.
    window, rng, stride, padding, dilation, initialise, dtype
        As in `Convolution`.
    multiplier : int
        Kernels for each channel.

    Attributes
    ----------
    kernel : ndarray, shape (k, k', inputs, multiplier)
    bias : ndarray, shape (inputs * multiplier,)

    Raises
    ------
    ValueError
        If a setting is out of range; in `forward`, if `x` does not fit.
    """

    def __init__(
        self,
        inputs: int,
        window: Window,
        rng: np.random.Generator,
        stride: int = 1,
        padding: str = "valid",
        dilation: int = 1,
        multiplier: int = 1,
        initialise: Callable[[Sequence[int], np.random.Generator], np.ndarray] = glorot_uniform,
        dtype: type = np.float64,
    ) -> None:
        _expect_sizes(inputs=inputs, multiplier=multiplier)
        settings = {"stride": stride, "padding": padding, "dilation": dilation}
        for k in _pair(window):
            padding_amounts(1, k, **settings)
        kernel = initialise((*_pair(window), inputs, multiplier), rng).astype(dtype)
        super().__init__(depthwise, depthwise_backward, kernel, inputs * multiplier, settings)


class TransposedConvolution(_KernelLayer):
    """A layer that makes images larger by a learned `transposed` convolution.

    Parameters
    ----------
    inputs, outputs, window, rng, initialise, dtype
        As in `Convolution`.
    stride : int
        How many times more rows and columns come out.
    padding : str
        "valid" or "same".

    Attributes
    ----------
    kernel : ndarray, shape (k, k', outputs, inputs)
    bias : ndarray, shape (outputs,)

    Raises
    ------
    ValueError
        If a setting is out of range; in `forward`, if `x` does not fit.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: Window,
        rng: np.random.Generator,
        stride: int = 1,
        padding: str = "valid",
        initialise: Callable[[Sequence[int], np.random.Generator], np.ndarray] = glorot_uniform,
        dtype: type = np.float64,
    ) -> None:
        _expect_sizes(inputs=inputs, outputs=outputs, stride=stride)
        kernel = initialise((*_pair(window), outputs, inputs), rng).astype(dtype)
        settings = {"stride": stride, "padding": padding}
        _expect_valid_or_same(padding)
        super().__init__(transposed, transposed_backward, kernel, outputs, settings)


class _PoolingLayer(Layer):
    """What `MaxPooling` and `AveragePooling` share: window, stride and padding, as in `max_pool`.

    Raises
    ------
    ValueError
        If a setting is out of range; in `forward`, if `x` does not fit.
    """

    operation: Callable[..., np.ndarray]
    operation_backward: Callable[..., np.ndarray]

    def __init__(self, window: Window, stride: int | None = None, padding: str = "valid") -> None:
        super().__init__()
        _pooling_grid(np.empty((0, *_pair(window), 1)), window, stride, padding)
        self.settings = {"window": window, "stride": stride, "padding": padding}

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map images (N, rows, columns, C) to (N, o, o', C)."""
        return self._remember(self.operation(x, **self.settings), x)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs to that of the inputs."""
        return self.operation_backward(upstream, self._recall(upstream), **self.settings)


class MaxPooling(_PoolingLayer):
    """A layer that keeps the largest entry of each window; arguments as in `max_pool`."""

    operation = staticmethod(max_pool)
    operation_backward = staticmethod(max_pool_backward)


class AveragePooling(_PoolingLayer):
    """A layer that averages each window; arguments as in `average_pool`."""

    operation = staticmethod(average_pool)
    operation_backward = staticmethod(average_pool_backward)


class GlobalAveragePooling(Layer):
    """A layer that averages each channel over the whole image; see `global_average_pool`."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map images (N, rows, columns, C) to (N, C)."""
        return self._remember(global_average_pool(x), x)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs (N, C) to that of the inputs."""
        return global_average_pool_backward(upstream, self._recall(upstream))

r"""Layers with a forward and a backward pass, and a network that chains them.

Every layer has ``forward(x, training=False)``, ``backward(upstream)``, and two lists in the same
order, ``parameters`` and ``gradients``. One example is one row. ``upstream`` is the gradient
:math:`\partial J / \partial \mathbf{Y}` of the loss with respect to what ``forward`` returned last;
``backward`` returns :math:`\partial J / \partial \mathbf{X}` and puts
:math:`\partial J / \partial \theta` of its parameters into ``gradients``. An optimiser changes the
arrays in ``parameters`` in place.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from coursepkg.scratch.activations import ACTIVATIONS
from coursepkg.scratch.initialisation import glorot_uniform


class Layer:
    """What all layers share: no parameters as yet, and a memory between the two passes."""

    def __init__(self) -> None:
        self.gradients: list[np.ndarray] = []
        self._memory: tuple[tuple[int, ...], Any] | None = None

    @property
    def parameters(self) -> list[np.ndarray]:
        """The arrays that training changes."""
        return []

    def _remember(self, output: np.ndarray, values: Any) -> np.ndarray:
        """Keep the values that the backward pass needs; return the output."""
        self._memory = output.shape, values
        return output

    def _recall(self, upstream: np.ndarray) -> Any:
        """Return the values kept by the last forward pass.

        Raises
        ------
        RuntimeError
            If there was no forward pass.
        ValueError
            If `upstream` has another shape than the output of that pass.
        """
        name = type(self).__name__
        if self._memory is None:
            raise RuntimeError(f"{name}: call forward before backward")
        shape, values = self._memory
        if upstream.shape != shape:
            raise ValueError(f"{name}: expected an upstream gradient {shape}, got {upstream.shape}")
        return values


def _expect_width(x: np.ndarray, width: int) -> None:
    if x.ndim < 2 or x.shape[-1] != width:
        raise ValueError(f"expected an input of shape (..., {width}), got {x.shape}")


def _expect_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


def _expect_positive(epsilon: float) -> None:
    if not epsilon > 0:
        raise ValueError(f"epsilon must be greater than 0, got {epsilon}")


class Dense(Layer):
    r"""A fully connected layer: each output is a weighted sum of all inputs, plus a bias.

    .. math:: \mathbf{Z} = \mathbf{X} \mathbf{W} + \mathbf{b}, \qquad
        Z_{nj} = \sum_i X_{ni} W_{ij} + b_j

    With :math:`\boldsymbol\delta = \partial J / \partial \mathbf{Z}`, the chain rule sums over
    every :math:`Z_{nj}` in which an entry occurs: :math:`W_{ij}` occurs once for each example,
    with the factor :math:`X_{ni}`; :math:`b_j` with the factor 1; :math:`X_{ni}` once for each
    output, with the factor :math:`W_{ij}`. So

    .. math::

        \frac{\partial J}{\partial W_{ij}} = \sum_n X_{ni} \delta_{nj}, \qquad
        \frac{\partial J}{\partial b_j} = \sum_n \delta_{nj}, \qquad
        \frac{\partial J}{\partial X_{ni}} = \sum_j \delta_{nj} W_{ij}

    or, as matrices, :math:`\mathbf{X}^T \boldsymbol\delta`, the column sums of
    :math:`\boldsymbol\delta`, and :math:`\boldsymbol\delta \mathbf{W}^T`.

    Parameters
    ----------
    inputs, outputs : int
        The widths before and after the layer.
    rng : numpy.random.Generator
        The source of the first weights; the biases start at 0.
    initialise : callable
        Takes the shape and `rng`, returns the first weights.
    dtype : numpy dtype
        Of weights and biases.

    Attributes
    ----------
    weights : ndarray, shape (inputs, outputs)
    bias : ndarray, shape (outputs,)

    Raises
    ------
    ValueError
        If a width is less than 1; in `forward`, if `x` is not of shape (N, inputs).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rng: np.random.Generator,
        initialise: Callable[[Sequence[int], np.random.Generator], np.ndarray] = glorot_uniform,
        dtype: type = np.float64,
    ) -> None:
        super().__init__()
        _expect_sizes(inputs=inputs, outputs=outputs)
        self.weights = initialise((inputs, outputs), rng).astype(dtype)
        self.bias = np.zeros(outputs, dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """Weights and biases."""
        return [self.weights, self.bias]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map x (N, inputs) to (N, outputs)."""
        if x.ndim != 2 or x.shape[1] != len(self.weights):
            raise ValueError(f"expected an input of shape (N, {len(self.weights)}), got {x.shape}")
        return self._remember(x @ self.weights + self.bias, x)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs (N, outputs) to that of the inputs (N, inputs)."""
        x = self._recall(upstream)
        self.gradients = [x.T @ upstream, upstream.sum(axis=0)]
        return upstream @ self.weights.T


class Activation(Layer):
    """An activation function applied to what comes in; the shape stays.

    Parameters
    ----------
    name : str
        One of the names in `coursepkg.scratch.activations.ACTIVATIONS`.

    Raises
    ------
    ValueError
        If there is no function of that name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in ACTIVATIONS:
            raise ValueError(f"expected one of {', '.join(ACTIVATIONS)}, got {name!r}")
        self.function, self.function_backward = ACTIVATIONS[name]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Apply the function."""
        return self._remember(self.function(x), x)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Multiply the upstream gradient by the function's derivative at the last input."""
        return self.function_backward(upstream, self._recall(upstream))


class Flatten(Layer):
    """Lay out each example as one row: (N, ...) becomes (N, D), D the number of its entries.

    No entry changes, so the backward pass only restores the shape.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Map x (N, ...) to (N, D)."""
        return self._remember(x.reshape(len(x), math.prod(x.shape[1:])), x.shape)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map (N, D) back to (N, ...)."""
        shape = self._recall(upstream)
        return upstream.reshape(shape)


class Dropout(Layer):
    r"""Set a random share of the entries to 0 while training, and enlarge the others.

    With the rate :math:`r` and independent :math:`M_{ni}`, which are 1 with probability
    :math:`1 - r` and else 0,

    .. math::

        Y_{ni} = \frac{M_{ni}}{1 - r} X_{ni}, \qquad
        \operatorname{E}[Y_{ni}] = \frac{1 - r}{1 - r} X_{ni} = X_{ni}, \qquad
        \frac{\partial J}{\partial X_{ni}} = \frac{M_{ni}}{1 - r} \frac{\partial J}{\partial Y_{ni}}

    Because the factor :math:`1 / (1 - r)` keeps the expectation, nothing is left to do after
    training: the layer is then the identity. (The paper has it the other way round: no factor while
    training, and the weights times the share that was kept afterwards.)

    Parameters
    ----------
    rate : float
        The share r of entries to drop, from 0 to less than 1.
    rng : numpy.random.Generator
        The source of the masks, a new one for each forward pass in training.

    Raises
    ------
    ValueError
        If the rate is out of range.

    References
    ----------
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: A Simple
    Way to Prevent Neural Networks from Overfitting", Journal of Machine Learning Research 15, 2014.
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"expected a rate from 0 to less than 1, got {rate}")
        self.rate, self.rng = rate, rng

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Drop and enlarge if training, else return x; the shape stays."""
        if not training:
            return self._remember(x, 1.0)
        kept = self.rng.random(x.shape) >= self.rate
        factor = kept.astype(x.dtype) / (1 - self.rate)
        return self._remember(x * factor, factor)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Let the gradient through where the entry was kept, enlarged by the same factor."""
        factor = self._recall(upstream)
        return upstream * factor


class BatchNormalisation(Layer):
    r"""Give each feature mean 0 and variance 1 over the batch, then scale and shift it.

    Over the N examples of a batch, for each of the D features apart,

    .. math::

        \mu = \frac1N \sum_n x_n, \quad \sigma^2 = \frac1N \sum_n (x_n - \mu)^2, \quad
        s = \sqrt{\sigma^2 + \epsilon}, \quad
        \hat x_n = \frac{x_n - \mu}{s}, \quad y_n = \gamma \hat x_n + \beta .

    Outside training, moving averages of :math:`\mu` and :math:`\sigma^2` take their place, so that
    an example's output does not depend on the others in its batch.

    Every :math:`x_n` moves every :math:`\hat x_m`, by way of :math:`\mu` and :math:`s`: from
    :math:`\partial \mu / \partial x_n = 1/N` and :math:`\partial s / \partial x_n = \hat x_n / N`
    follows

    .. math::

        \frac{\partial \hat x_m}{\partial x_n}
        = \frac1s \left( [m = n] - \frac1N - \frac{\hat x_m \hat x_n}{N} \right).

    With :math:`d_n = \partial J / \partial \hat x_n = \gamma \, \partial J / \partial y_n`, the
    chain rule, a sum over m, gives the formulas below; the paper reaches the same in its section 3
    by way of :math:`\partial J / \partial \mu` and :math:`\partial J / \partial \sigma^2`.

    .. math::

        \frac{\partial J}{\partial x_n}
        = \frac1s \Big( d_n - \frac1N \sum_m d_m - \hat x_n \frac1N \sum_m d_m \hat x_m \Big),
        \quad
        \frac{\partial J}{\partial \gamma} = \sum_n \frac{\partial J}{\partial y_n} \hat x_n,
        \quad
        \frac{\partial J}{\partial \beta} = \sum_n \frac{\partial J}{\partial y_n}.

    Outside training :math:`\mu` and :math:`s` are constants, and :math:`d_n / s` is all that
    remains of the first.

    Parameters
    ----------
    width : int
        The number D of features, the length of the last axis. All other axes count as examples.
    momentum : float
        How much of a moving average stays at an update, from 0 to 1.
    epsilon : float
        Added to the variance, against division by 0.
    dtype : numpy dtype
        Of all arrays of the layer.

    Attributes
    ----------
    scale, shift : ndarray, shape (width,)
        The parameters :math:`\gamma`, at first 1, and :math:`\beta`, at first 0.
    moving_mean, moving_variance : ndarray, shape (width,)
        At first 0 and 1; ``moving = momentum * moving + (1 - momentum) * batch`` at every forward
        pass in training. Like Keras, and unlike the paper, the variance that goes in is
        :math:`\sigma^2` as above, divided by N and not by N - 1.

    Raises
    ------
    ValueError
        If a setting is out of range; in `forward`, if the last axis has another length.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
    Internal Covariate Shift", ICML 2015.
    """

    def __init__(
        self, width: int, momentum: float = 0.99, epsilon: float = 1e-3, dtype: type = np.float64
    ) -> None:
        super().__init__()
        _expect_sizes(width=width)
        _expect_positive(epsilon)
        if not 0 <= momentum <= 1:
            raise ValueError(f"expected a momentum from 0 to 1, got {momentum}")
        self.momentum, self.epsilon = momentum, epsilon
        self.scale, self.shift = np.ones(width, dtype), np.zeros(width, dtype)
        self.moving_mean, self.moving_variance = np.zeros(width, dtype), np.ones(width, dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """Scale and shift."""
        return [self.scale, self.shift]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Normalise x (..., width) by the batch if training, else by the moving averages."""
        _expect_width(x, len(self.scale))
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            examples = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axis=examples), x.var(axis=examples)
            keep = self.momentum
            self.moving_mean[:] = keep * self.moving_mean + (1 - keep) * mean
            self.moving_variance[:] = keep * self.moving_variance + (1 - keep) * variance
        deviation = np.sqrt(variance + self.epsilon)
        normalised = (x - mean) / deviation
        output = self.scale * normalised + self.shift
        return self._remember(output, (normalised, deviation, training))

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs to that of the inputs, for the mode of the last pass."""
        normalised, deviation, training = self._recall(upstream)
        examples = tuple(range(upstream.ndim - 1))
        self.gradients = [(upstream * normalised).sum(axis=examples), upstream.sum(axis=examples)]
        d = upstream * self.scale
        if training:
            d = d - d.mean(axis=examples) - normalised * (d * normalised).mean(axis=examples)
        return d / deviation


class LayerNormalisation(Layer):
    r"""Give each example mean 0 and variance 1 over its features, then scale and shift them.

    The formulas are those of `BatchNormalisation` in training, with the sums over the D features i
    of one example in the place of those over the N examples of one feature:

    .. math::

        \hat x_i = \frac{x_i - \mu}{s}, \quad y_i = \gamma_i \hat x_i + \beta_i, \quad
        \frac{\partial J}{\partial x_i}
        = \frac1s \Big( d_i - \frac1D \sum_j d_j - \hat x_i \frac1D \sum_j d_j \hat x_j \Big),
        \quad d_i = \gamma_i \frac{\partial J}{\partial y_i},

    where :math:`\mu = \frac1D \sum_i x_i` and
    :math:`s^2 = \frac1D \sum_i (x_i - \mu)^2 + \epsilon`.
    The examples of a batch do not meet, so training and use are the same, and there are no moving
    averages. Scale and shift belong to the features, and their gradients sum over the examples.

    Parameters
    ----------
    width : int
        The number D of features, the length of the last axis.
    epsilon : float
        Added to the variance, against division by 0.
    dtype : numpy dtype
        Of scale and shift.

    Attributes
    ----------
    scale, shift : ndarray, shape (width,)
        The parameters :math:`\gamma`, at first 1, and :math:`\beta`, at first 0.

    Raises
    ------
    ValueError
        If a setting is out of range; in `forward`, if the last axis has another length.

    References
    ----------
    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", arXiv:1607.06450, 2016.
    """

    def __init__(self, width: int, epsilon: float = 1e-3, dtype: type = np.float64) -> None:
        super().__init__()
        _expect_sizes(width=width)
        _expect_positive(epsilon)
        self.epsilon = epsilon
        self.scale, self.shift = np.ones(width, dtype), np.zeros(width, dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """Scale and shift."""
        return [self.scale, self.shift]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Normalise each row of x (..., width)."""
        _expect_width(x, len(self.scale))
        mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        deviation = np.sqrt(variance + self.epsilon)
        normalised = (x - mean) / deviation
        return self._remember(self.scale * normalised + self.shift, (normalised, deviation))

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of the outputs to that of the inputs."""
        normalised, deviation = self._recall(upstream)
        examples = tuple(range(upstream.ndim - 1))
        self.gradients = [(upstream * normalised).sum(axis=examples), upstream.sum(axis=examples)]
        d = upstream * self.scale
        common = d.mean(axis=-1, keepdims=True)
        along = (d * normalised).mean(axis=-1, keepdims=True)
        return (d - common - normalised * along) / deviation


class Sequential:
    """A network of layers, each of which takes what the one before gives.

    Parameters
    ----------
    layers : sequence of layers
        In the order of the forward pass.

    Raises
    ------
    ValueError
        If there is no layer.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        if not layers:
            raise ValueError("expected at least one layer, got none")
        self.layers = list(layers)

    @property
    def parameters(self) -> list[np.ndarray]:
        """The parameters of all layers, in order."""
        return [array for layer in self.layers for array in layer.parameters]

    @property
    def gradients(self) -> list[np.ndarray]:
        """The gradients of all layers from the last backward pass, in the same order."""
        return [array for layer in self.layers for array in layer.gradients]

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Run the layers from first to last."""
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Run the chain rule from the last layer to the first."""
        for layer in reversed(self.layers):
            upstream = layer.backward(upstream)
        return upstream

"""One neuron and its learning rule, networks of given weights, and what they can represent."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from coursepkg.scratch.activations import linear, relu, step

Function = Callable[[np.ndarray], np.ndarray]
GivenLayer = tuple[np.ndarray, np.ndarray, Function]
"""Weights (inputs, units), bias (units,) and activation of one layer."""


class Perceptron:
    r"""One threshold neuron that learns from its mistakes.

    It answers :math:`\hat y = 1` if :math:`\mathbf{x} \cdot \mathbf{w} + b \ge 0`, else 0. After
    each example,

    .. math::

        \mathbf{w} \leftarrow \mathbf{w} + (y - \hat y)\, \mathbf{x}, \qquad
        b \leftarrow b + (y - \hat y),

    which changes nothing unless the answer was wrong.

    Parameters
    ----------
    inputs : int
        The number of inputs, n. Weights and bias begin at 0.

    Attributes
    ----------
    weights : ndarray, shape (n,)
    bias : float

    References
    ----------
    F. Rosenblatt, "Principles of Neurodynamics: Perceptrons and the Theory of Brain Mechanisms",
    Spartan Books, 1962.
    """

    def __init__(self, inputs: int):
        if inputs < 1:
            raise ValueError(f"expected at least 1 input, got {inputs}")
        self.weights = np.zeros(inputs)
        self.bias = 0.0

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Answer 0 or 1 for each row.

        Parameters
        ----------
        x : ndarray, shape (..., n)

        Returns
        -------
        ndarray of int, shape (...,)
        """
        return step(x @ self.weights + self.bias).astype(int)

    def one_pass(self, x: np.ndarray, labels: np.ndarray) -> int:
        """Learn from each example once, in the given order.

        Parameters
        ----------
        x : ndarray, shape (N, n)
        labels : ndarray, shape (N,)
            The right answers, 0 or 1.

        Returns
        -------
        int
            The number of mistakes, each counted before it was corrected.

        Raises
        ------
        ValueError
            If the shapes do not fit, or a label is neither 0 nor 1.
        """
        if x.ndim != 2 or x.shape[1] != len(self.weights) or labels.shape != x.shape[:1]:
            raise ValueError(
                f"expected x (N, {len(self.weights)}) and labels (N,), "
                f"got {x.shape} and {labels.shape}"
            )
        if not np.isin(labels, (0, 1)).all():
            raise ValueError(f"labels must be 0 or 1, got {np.unique(labels)}")
        mistakes = 0
        for row, label in zip(x, labels.astype(int), strict=True):
            error = int(label - self.predict(row))
            if error:
                self.weights += error * row
                self.bias += error
                mistakes += 1
        return mistakes

    def fit(self, x: np.ndarray, labels: np.ndarray, passes: int) -> list[int]:
        """Repeat `one_pass` until a pass is free of mistakes, or `passes` times.

        Parameters
        ----------
        x : ndarray, shape (N, n)
        labels : ndarray, shape (N,)
        passes : int
            The largest number of passes, at least 1.

        Returns
        -------
        list of int
            The mistakes of each pass. If the last is 0, the neuron answers all examples rightly.

        Raises
        ------
        ValueError
            If `passes` is less than 1.
        """
        if passes < 1:
            raise ValueError(f"expected at least 1 pass, got {passes}")
        mistakes: list[int] = []
        while len(mistakes) < passes and (not mistakes or mistakes[-1] > 0):
            mistakes.append(self.one_pass(x, labels))
        return mistakes


def mistake_bound(x: np.ndarray, labels: np.ndarray, weights: np.ndarray, bias: float) -> float:
    r"""How many mistakes a perceptron that begins at 0 can make at most, in all passes together.

    Append a 1 to every example and :math:`b` to :math:`\mathbf{w}`:
    :math:`\tilde{\mathbf{x}} = (\mathbf{x}, 1)`, :math:`\tilde{\mathbf{w}} = (\mathbf{w}, b)`. Then

    .. math::

        \text{mistakes} \le \left(\frac{R}{\gamma}\right)^2, \qquad
        R = \max_n \lVert \tilde{\mathbf{x}}_n \rVert, \qquad
        \gamma = \min_n \frac{(2 y_n - 1)\, \tilde{\mathbf{x}}_n \cdot \tilde{\mathbf{w}}}
        {\lVert \tilde{\mathbf{w}} \rVert}.

    Any weights that separate the examples give a bound; the widest margin gives the best one.

    Parameters
    ----------
    x : ndarray, shape (N, n)
    labels : ndarray, shape (N,)
        The right answers, 0 or 1.
    weights : ndarray, shape (n,)
    bias : float

    Raises
    ------
    ValueError
        If the weights do not separate the two classes.

    References
    ----------
    A. B. J. Novikoff, "On Convergence Proofs on Perceptrons", Proceedings of the Symposium on the
    Mathematical Theory of Automata 12, Polytechnic Institute of Brooklyn, 1962.
    """
    signs = 2 * labels.astype(int) - 1
    length = math.sqrt(weights @ weights + bias**2)
    margin = (signs * (x @ weights + bias)).min()
    if margin <= 0:
        raise ValueError(
            "expected weights that separate the classes, got some that leave an example on the "
            "wrong side or on the boundary"
        )
    radius = math.sqrt((x**2).sum(axis=1).max() + 1)
    return float((radius * length / margin) ** 2)


def forward(x: np.ndarray, layers: Sequence[GivenLayer]) -> list[np.ndarray]:
    r"""Run a batch through layers of given weights, and keep what every layer puts out.

    .. math::

        \mathbf{Z}_l = \mathbf{H}_{l-1} \mathbf{W}_l + \mathbf{b}_l, \qquad
        \mathbf{H}_l = \phi_l(\mathbf{Z}_l), \qquad \mathbf{H}_0 = \mathbf{X}

    Parameters
    ----------
    x : ndarray, shape (N, n_0)
        One example in each row.
    layers : sequence of tuple
        For each layer the weights, shape (n_{l-1}, n_l), the bias, shape (n_l,), and the
        activation, a function of arrays.

    Returns
    -------
    list of ndarray
        H_0 to H_L, of shapes (N, n_l).

    Raises
    ------
    ValueError
        If a layer does not fit what comes before it.
    """
    outputs = [x]
    for number, (weights, bias, activation) in enumerate(layers, 1):
        width = outputs[-1].shape[-1]
        if weights.ndim != 2 or weights.shape[0] != width or bias.shape != weights.shape[1:]:
            raise ValueError(
                f"layer {number}: expected weights ({width}, units) and bias (units,), "
                f"got {weights.shape} and {bias.shape}"
            )
        outputs.append(activation(outputs[-1] @ weights + bias))
    return outputs


def relu_interpolant(knots: np.ndarray, values: np.ndarray) -> list[GivenLayer]:
    r"""Build the network that draws straight lines through given points.

    With the slopes :math:`s_i = (v_{i+1} - v_i) / (k_{i+1} - k_i)` between the points
    :math:`(k_i, v_i)`, :math:`i = 0, \dots, m`,

    .. math::

        f(x) = v_0 + s_0 \operatorname{ReLU}(x - k_0)
        + \sum_{i=1}^{m-1} (s_i - s_{i-1}) \operatorname{ReLU}(x - k_i)

    Unit i is off left of its knot and adds the change of slope right of it. Outside the knots the
    function is constant on the left, and goes on with the last slope on the right.

    Parameters
    ----------
    knots : ndarray, shape (m + 1,)
        Increasing places.
    values : ndarray, shape (m + 1,)
        What the function shall be there.

    Returns
    -------
    list of tuple
        A hidden layer of m ReLU units and a linear output, for `forward`.

    Raises
    ------
    ValueError
        If there are fewer than two points, or the knots do not increase.
    """
    if knots.ndim != 1 or len(knots) < 2 or values.shape != knots.shape:
        raise ValueError(
            f"expected knots and values of one shape (m + 1,), m >= 1, "
            f"got {knots.shape} and {values.shape}"
        )
    if (np.diff(knots) <= 0).any():
        raise ValueError("the knots must increase")
    slopes = np.diff(values) / np.diff(knots)
    turns = np.diff(slopes, prepend=0.0)
    hidden = (np.ones((1, len(slopes))), -knots[:-1], relu)
    return [hidden, (turns[:, None], values[:1], linear)]


def sawtooth(depth: int) -> list[GivenLayer]:
    r"""Build a network of two units a layer whose output goes up and down 2 ** (depth - 1) times.

    One layer of two units makes the tent
    :math:`t(x) = 2 \operatorname{ReLU}(x) - 4 \operatorname{ReLU}(x - \tfrac{1}{2})`, which maps
    each half of [0, 1] onto the whole. Applied `depth` times it has 2 ** depth pieces.

    Parameters
    ----------
    depth : int
        The number of hidden layers, at least 1.

    Returns
    -------
    list of tuple
        `depth` hidden layers of two ReLU units and a linear output, for `forward`.

    Raises
    ------
    ValueError
        If `depth` is less than 1.

    References
    ----------
    M. Telgarsky, "Benefits of Depth in Neural Networks", COLT 2016.
    """
    if depth < 1:
        raise ValueError(f"expected at least 1 hidden layer, got {depth}")
    tent = np.array([[2.0], [-4.0]])
    shift = np.array([0.0, -0.5])
    first = (np.ones((1, 2)), shift, relu)
    next_tent = (np.hstack([tent, tent]), shift, relu)
    return [first, *[next_tent] * (depth - 1), (tent, np.zeros(1), linear)]


def count_pieces(hidden: Sequence[np.ndarray]) -> int:
    """Count the straight pieces of a ReLU network with one input, from its hidden outputs.

    Between two changes of which units are on, the network is one straight line.

    Parameters
    ----------
    hidden : sequence of ndarray, shapes (N, n_l)
        The outputs of all hidden layers for N increasing inputs. Changes that fall between the
        same two inputs are counted as one, so the inputs must be dense.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is no hidden layer.
    """
    if not hidden:
        raise ValueError("expected the outputs of at least one hidden layer")
    on = np.hstack([output > 0 for output in hidden])
    return 1 + int((on[1:] != on[:-1]).any(axis=1).sum())


def gaussian_mean_square(function: Function, variance: float) -> float:
    r"""Average the square of a function of a normal variable.

    .. math:: \operatorname{E}[\phi(z)^2], \qquad z \sim N(0, q)

    This is what a layer hands on of the variance q of its weighted sums. The integral is a sum over
    4000 cells between -10 and 10 standard deviations, none of which has a kink at 0 inside.

    Parameters
    ----------
    function : callable
        The function, of an array.
    variance : float
        q, not negative.

    Raises
    ------
    ValueError
        If the variance is negative.
    """
    if variance < 0:
        raise ValueError(f"expected a variance that is not negative, got {variance}")
    cells = 4000
    width = 20 / cells
    u = -10 + width * (np.arange(cells) + 0.5)
    density = np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
    return float((function(math.sqrt(variance) * u) ** 2 * density).sum() * width)

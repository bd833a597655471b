r"""Optimisers: rules that turn gradients into changes of the parameters.

Every optimiser has one method to call, ``step(parameters, gradients)``, which changes the arrays in
`parameters` in place. In the formulas, :math:`\boldsymbol\theta` is one of these arrays,
:math:`\mathbf g` its gradient, of the same shape, and :math:`\eta` the learning rate of this
update. All operations act on each entry by itself. Formulas and defaults are those of Keras 3;
where the paper has others, the docstring says so.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from coursepkg.scratch.schedules import Schedule


class Optimiser:
    """What all optimisers share: the learning rate, the count of updates, the memories.

    Parameters
    ----------
    learning_rate : float or callable
        The rate, positive; or a schedule: from the update number t = 0, 1, 2, ... to the rate.
    *starts : float
        The optimiser keeps an array of the parameters' shape for each: their first entries.

    Attributes
    ----------
    updates : int
        The number of updates done.

    Raises
    ------
    ValueError
        If the rate is not positive.
    """

    def __init__(self, learning_rate: float | Schedule, *starts: float) -> None:
        if not callable(learning_rate):
            _require(learning_rate > 0, "learning_rate must be positive", learning_rate)
        self.learning_rate = learning_rate
        self.updates = 0
        self._starts = starts
        self._memories: list[list[np.ndarray]] = []

    def step(self, parameters: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> None:
        """Change all parameters in place, by one update.

        Parameters
        ----------
        parameters : sequence of ndarray of float
            The same arrays in the same order at each call. Their dtype is kept.
        gradients : sequence of ndarray
            The gradient of each, of its shape.

        Raises
        ------
        ValueError
            If a number of arrays or a shape does not fit, or a parameter holds integers.
        """
        _require_arrays(parameters, gradients)
        if not self.updates:
            self._memories = [
                [np.full_like(array, start) for start in self._starts] for array in parameters
            ]
        _require(
            len(parameters) == len(self._memories),
            f"expected {len(self._memories)} arrays as at the first step",
            len(parameters),
        )
        schedule = self.learning_rate
        rate = float(schedule(self.updates) if callable(schedule) else schedule)
        for parameter, gradient, memory in zip(parameters, gradients, self._memories, strict=True):
            self.update(parameter, gradient, rate, *memory)
        self.updates += 1

    def update(
        self, parameter: np.ndarray, gradient: np.ndarray, rate: float, *memory: np.ndarray
    ) -> None:
        """Change one parameter array and its memories in place; each optimiser has its own way."""
        raise NotImplementedError


class GradientDescent(Optimiser):
    r"""Gradient descent: go against the gradient.

    .. math:: \boldsymbol\theta \leftarrow \boldsymbol\theta - \eta\, \mathbf g

    With the gradient of a random part of the examples it is stochastic gradient descent.
    Keras: ``SGD(learning_rate)``.

    Parameters
    ----------
    learning_rate : float or callable
        The rate :math:`\eta`, or its schedule.

    References
    ----------
    A. Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées", Comptes
    rendus 25, 1847. H. Robbins and S. Monro, "A Stochastic Approximation Method", Annals of
    Mathematical Statistics 22 (3), 1951.
    """

    def __init__(self, learning_rate: float | Schedule = 0.01) -> None:
        super().__init__(learning_rate)

    def update(self, parameter: np.ndarray, gradient: np.ndarray, rate: float) -> None:
        """Move the parameter against its gradient."""
        parameter -= rate * gradient


class Momentum(Optimiser):
    r"""Gradient descent with momentum, the heavy ball: keep part of the last step.

    .. math::

       \mathbf v \leftarrow \beta_1 \mathbf v - \eta\, \mathbf g, \qquad
       \boldsymbol\theta \leftarrow \boldsymbol\theta + \mathbf v

    The velocity :math:`\mathbf v` starts at 0. Keras: ``SGD(learning_rate, momentum=0.9)``. Some
    libraries put the rate outside, :math:`\mathbf v \leftarrow \beta_1 \mathbf v + \mathbf g` and
    :math:`\boldsymbol\theta \leftarrow \boldsymbol\theta - \eta \mathbf v`; that differs only where
    the rate changes.

    Parameters
    ----------
    learning_rate : float or callable
        The rate :math:`\eta`, or its schedule.
    momentum : float
        The part of the velocity that is kept, :math:`\beta_1`, from 0 to 1 (excluded).

    Raises
    ------
    ValueError
        If the rate is not positive or the momentum outside [0, 1).

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR
    Computational Mathematics and Mathematical Physics 4 (5), 1964.
    """

    def __init__(self, learning_rate: float | Schedule = 0.01, momentum: float = 0.9) -> None:
        super().__init__(learning_rate, 0.0)
        _require_share(momentum=momentum)
        self.momentum = momentum

    def update(
        self, parameter: np.ndarray, gradient: np.ndarray, rate: float, velocity: np.ndarray
    ) -> None:
        """Change the velocity by the gradient, and the parameter by the velocity."""
        velocity *= self.momentum
        velocity -= rate * gradient
        parameter += velocity


class Nesterov(Momentum):
    r"""Nesterov's momentum: take the gradient where the velocity is about to lead.

    .. math::

       \mathbf v \leftarrow \beta_1 \mathbf v - \eta\, \mathbf g, \qquad
       \boldsymbol\theta \leftarrow \boldsymbol\theta + \beta_1 \mathbf v - \eta\, \mathbf g

    Keras: ``SGD(learning_rate, momentum=0.9, nesterov=True)``. The original evaluates the gradient
    at the point :math:`\boldsymbol\phi + \beta_1 \mathbf v` ahead of the parameters
    :math:`\boldsymbol\phi`. The formula above is the same method with that point as the parameters,
    :math:`\boldsymbol\theta = \boldsymbol\phi + \beta_1 \mathbf v`, so that the gradient is taken
    where the parameters are.

    Parameters
    ----------
    learning_rate : float or callable
        The rate :math:`\eta`, or its schedule.
    momentum : float
        The part of the velocity that is kept, :math:`\beta_1`, from 0 to 1 (excluded).

    References
    ----------
    Y. Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)",
    Doklady Akademii Nauk SSSR 269 (3), 1983. I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On
    the importance of initialization and momentum in deep learning", ICML 2013.
    """

    def update(
        self, parameter: np.ndarray, gradient: np.ndarray, rate: float, velocity: np.ndarray
    ) -> None:
        """Change the velocity by the gradient, and the parameter by the velocity to come."""
        change = rate * gradient
        velocity *= self.momentum
        velocity -= change
        parameter += self.momentum * velocity - change


class AdaGrad(Optimiser):
    r"""AdaGrad: divide by the root of the sum of all squared gradients so far.

    .. math::

       \mathbf s \leftarrow \mathbf s + \mathbf g^2, \qquad
       \boldsymbol\theta \leftarrow \boldsymbol\theta
       - \eta\, \frac{\mathbf g}{\sqrt{\mathbf s + \epsilon}}

    Keras: ``Adagrad(learning_rate)``. There, as here, :math:`\mathbf s` starts at 0.1 and
    :math:`\epsilon` stands under the root; in the paper the sum starts at 0 and a small
    :math:`\delta` is added to the root.

    Parameters
    ----------
    learning_rate : float or callable
        The rate :math:`\eta`, or its schedule.
    initial_sum : float
        The first entries of :math:`\mathbf s`, not negative.
    epsilon : float
        The number against division by zero, :math:`\epsilon`, positive.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", Journal of Machine Learning Research 12, 2011.
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        initial_sum: float = 0.1,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate, initial_sum)
        _require(initial_sum >= 0, "initial_sum must not be negative", initial_sum)
        _require_epsilon(epsilon)
        self.epsilon = epsilon

    def update(
        self, parameter: np.ndarray, gradient: np.ndarray, rate: float, squares: np.ndarray
    ) -> None:
        """Add the squared gradient to the sum, and divide by its root."""
        squares += gradient**2
        parameter -= rate * gradient / np.sqrt(squares + self.epsilon)


class Adadelta(Optimiser):
    r"""Adadelta: measure the step in units of earlier steps.

    .. math::

       \mathbf s &\leftarrow \rho\, \mathbf s + (1 - \rho)\, \mathbf g^2 \\
       \mathbf d &= -\sqrt{\frac{\mathbf u + \epsilon}{\mathbf s + \epsilon}}\; \mathbf g \\
       \mathbf u &\leftarrow \rho\, \mathbf u + (1 - \rho)\, \mathbf d^2 \\
       \boldsymbol\theta &\leftarrow \boldsymbol\theta + \eta\, \mathbf d

    Both averages start at 0. Keras: ``Adadelta(learning_rate)``. The paper has no learning rate,
    that is :math:`\eta = 1`; the default of Keras, 0.001, is a thousand times smaller.

    Parameters
    ----------
    learning_rate : float or callable
        The rate :math:`\eta`, or its schedule.
    rho : float
        The part of the averages that is kept, :math:`\rho`, from 0 to 1 (excluded).
    epsilon : float
        The number that starts the first step, :math:`\epsilon`, positive.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    M. D. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701, 2012.
    """

    def __init__(
        self, learning_rate: float | Schedule = 0.001, rho: float = 0.95, epsilon: float = 1e-7
    ) -> None:
        super().__init__(learning_rate, 0.0, 0.0)
        _require_share(rho=rho)
        _require_epsilon(epsilon)
        self.rho, self.epsilon = rho, epsilon

    def update(
        self,
        parameter: np.ndarray,
        gradient: np.ndarray,
        rate: float,
        squares: np.ndarray,
        squared_changes: np.ndarray,
    ) -> None:
        """Scale the gradient by the size of earlier changes over the size of earlier gradients."""
        squares *= self.rho
        squares += (1 - self.rho) * gradient**2
        change = -np.sqrt((squared_changes + self.epsilon) / (squares + self.epsilon)) * gradient
        squared_changes *= self.rho
        squared_changes += (1 - self.rho) * change**2
        parameter += rate * change


class RMSprop(Optimiser):
    r"""RMSprop: divide by the root of a moving average of the squared gradients.

    .. math::

       \mathbf s \leftarrow \rho\, \mathbf s + (1 - \rho)\, \mathbf g^2, \qquad
       \boldsymbol\theta \leftarrow \boldsymbol\theta
       - \eta\, \frac{\mathbf g}{\sqrt{\mathbf s + \epsilon}}

    The average starts at 0, and nothing corrects that: the first step has the length
    :math:`\eta / \sqrt{1 - \rho}`. Keras: ``RMSprop(learning_rate)``, with :math:`\epsilon` under
    the root; the lecture that introduced the method has none.

    Parameters
    ----------
    learning_rate : float or callable
        The rate :math:`\eta`, or its schedule.
    rho : float
        The part of the average that is kept, :math:`\rho`, from 0 to 1 (excluded).
    epsilon : float
        The number against division by zero, :math:`\epsilon`, positive.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    T. Tieleman and G. Hinton, "Lecture 6.5 - RMSProp: Divide the gradient by a running average of
    its recent magnitude", Coursera: Neural Networks for Machine Learning, 2012.
    """

    def __init__(
        self, learning_rate: float | Schedule = 0.001, rho: float = 0.9, epsilon: float = 1e-7
    ) -> None:
        super().__init__(learning_rate, 0.0)
        _require_share(rho=rho)
        _require_epsilon(epsilon)
        self.rho, self.epsilon = rho, epsilon

    def update(
        self, parameter: np.ndarray, gradient: np.ndarray, rate: float, squares: np.ndarray
    ) -> None:
        """Update the average of the squared gradient, and divide by its root."""
        squares *= self.rho
        squares += (1 - self.rho) * gradient**2
        parameter -= rate * gradient / np.sqrt(squares + self.epsilon)


class Adam(Optimiser):
    r"""Adam: momentum, divided by the root of the average square, both corrected for their start.

    With :math:`t` the number of updates done before,

    .. math::

       \mathbf m &\leftarrow \beta_1 \mathbf m + (1 - \beta_1)\, \mathbf g \\
       \mathbf s &\leftarrow \beta_2 \mathbf s + (1 - \beta_2)\, \mathbf g^2 \\
       \boldsymbol\theta &\leftarrow \boldsymbol\theta
       - \eta\, \frac{\sqrt{1 - \beta_2^{t+1}}}{1 - \beta_1^{t+1}}\,
       \frac{\mathbf m}{\sqrt{\mathbf s} + \epsilon}

    Both averages start at 0, so after :math:`t + 1` updates their weights sum to
    :math:`1 - \beta^{t+1}` only; the fraction divides that out. Keras: ``Adam(learning_rate)``.
    The formula is the efficient one before Section 2.1 of the paper; its Algorithm 1 adds
    :math:`\epsilon` to the corrected root, which makes the same :math:`\epsilon` larger by
    :math:`1 / \sqrt{1 - \beta_2^{t+1}}`, and has the default 1e-8 where Keras has 1e-7.

    Parameters
    ----------
    learning_rate : float or callable
        The rate :math:`\eta`, or its schedule.
    beta_1, beta_2 : float
        The parts of the two averages that are kept, from 0 to 1 (excluded).
    epsilon : float
        The number against division by zero, :math:`\epsilon`, positive.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate, 0.0, 0.0)
        _require_share(beta_1=beta_1, beta_2=beta_2)
        _require_epsilon(epsilon)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update(
        self,
        parameter: np.ndarray,
        gradient: np.ndarray,
        rate: float,
        mean: np.ndarray,
        squares: np.ndarray,
    ) -> None:
        """Update both averages, and step by their corrected ratio."""
        mean *= self.beta_1
        mean += (1 - self.beta_1) * gradient
        squares *= self.beta_2
        squares += (1 - self.beta_2) * gradient**2
        t = self.updates + 1
        correction = (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        parameter -= rate * correction * mean / (np.sqrt(squares) + self.epsilon)


class AdamW(Adam):
    r"""Adam with decoupled weight decay: shrink the parameters beside the step, not through it.

    .. math::

       \boldsymbol\theta \leftarrow (1 - \eta \lambda)\, \boldsymbol\theta,
       \qquad \text{then a step of Adam}

    A penalty :math:`\frac{\lambda}{2} \lVert \boldsymbol\theta \rVert^2` in the loss would add
    :math:`\lambda \boldsymbol\theta` to the gradient, where Adam divides it by
    :math:`\sqrt{\mathbf s}`. Keras: ``AdamW(learning_rate, weight_decay=0.004)``, which decays all
    parameters, biases too. In the paper the decay is multiplied by the schedule alone, not by the
    rate :math:`\eta` itself: its :math:`\lambda` is this :math:`\eta \lambda`.

    Parameters
    ----------
    learning_rate : float or callable
        The rate :math:`\eta`, or its schedule.
    weight_decay : float
        The strength of the decay, :math:`\lambda`, not negative.
    beta_1, beta_2, epsilon : float
        As in `Adam`.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon)
        _require(weight_decay >= 0, "weight_decay must not be negative", weight_decay)
        self.weight_decay = weight_decay

    def update(
        self,
        parameter: np.ndarray,
        gradient: np.ndarray,
        rate: float,
        mean: np.ndarray,
        squares: np.ndarray,
    ) -> None:
        """Shrink the parameter, then step as Adam does."""
        parameter *= 1 - rate * self.weight_decay
        super().update(parameter, gradient, rate, mean, squares)


def minibatches(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut one epoch into minibatches: all examples once, in an order drawn anew.

    Parameters
    ----------
    count : int
        The number of examples, N.
    size : int
        The number of examples in a minibatch, B. The last one has the remaining 1 to B examples.
    rng : numpy.random.Generator
        Draws the order.

    Returns
    -------
    iterator of ndarray of int, shape (B,)
        The positions of each minibatch's examples.

    Raises
    ------
    ValueError
        If `count` or `size` is less than 1.
    """
    _require(count >= 1, "count must be at least 1", count)
    _require(size >= 1, "size must be at least 1", size)
    order = rng.permutation(count)
    return (order[start : start + size] for start in range(0, count, size))


def clip_by_value(gradients: Sequence[np.ndarray], limit: float) -> list[np.ndarray]:
    r"""Cut every entry to the range from -limit to limit. This can turn the direction.

    Keras: ``clipvalue=limit`` of any optimiser.

    Parameters
    ----------
    gradients : sequence of ndarray
        The gradients, of any shapes.
    limit : float
        The largest absolute value that stays, positive.

    Returns
    -------
    list of ndarray
        New arrays of the same shapes and dtypes.

    Raises
    ------
    ValueError
        If the limit is not positive.
    """
    _require(limit > 0, "limit must be positive", limit)
    return [np.clip(gradient, -limit, limit) for gradient in gradients]


def clip_by_norm(gradients: Sequence[np.ndarray], limit: float) -> list[np.ndarray]:
    r"""Shorten each array by itself to a Euclidean norm of at most limit.

    .. math:: \mathbf g \leftarrow \mathbf g \, \min(1,\; c / \lVert \mathbf g \rVert)

    Keras: ``clipnorm=limit`` of any optimiser.

    Parameters
    ----------
    gradients : sequence of ndarray
        The gradients, of any shapes.
    limit : float
        The largest norm that stays, :math:`c`, positive.

    Returns
    -------
    list of ndarray
        New arrays of the same shapes and dtypes.

    Raises
    ------
    ValueError
        If the limit is not positive, or a norm is infinite or not a number.
    """
    return [clip_by_global_norm([gradient], limit)[0] for gradient in gradients]


def clip_by_global_norm(gradients: Sequence[np.ndarray], limit: float) -> list[np.ndarray]:
    r"""Shorten all arrays by one factor, so that together they have a norm of at most limit.

    .. math::

       \mathbf g_i \leftarrow \mathbf g_i \, \min(1,\; c / n), \qquad
       n = \sqrt{\textstyle \sum_i \lVert \mathbf g_i \rVert^2}

    The direction of the whole gradient stays. Keras: ``global_clipnorm=limit`` of any optimiser.

    Parameters
    ----------
    gradients : sequence of ndarray
        The gradients, of any shapes.
    limit : float
        The largest norm that stays, :math:`c`, positive.

    Returns
    -------
    list of ndarray
        New arrays of the same shapes and dtypes.

    Raises
    ------
    ValueError
        If the limit is not positive, or the norm is infinite or not a number.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013.
    """
    _require(limit > 0, "limit must be positive", limit)
    norm = float(np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in gradients)))
    _require(np.isfinite(norm), "the norm of the gradients must be finite", norm)
    factor = float(limit / max(norm, limit))
    return [factor * gradient for gradient in gradients]


def _require(holds: bool, expected: str, got: object) -> None:
    if not holds:
        raise ValueError(f"{expected}, got {got}")


def _require_share(**values: float) -> None:
    for name, value in values.items():
        _require(0 <= value < 1, f"{name} must be from 0 to 1 (excluded)", value)


def _require_epsilon(epsilon: float) -> None:
    _require(epsilon > 0, "epsilon must be positive", epsilon)


def _require_arrays(parameters: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> None:
    _require(
        len(parameters) == len(gradients),
        f"expected {len(parameters)} gradients, one for each parameter",
        len(gradients),
    )
    for parameter, gradient in zip(parameters, gradients, strict=True):
        _require(
            np.issubdtype(parameter.dtype, np.floating),
            "expected parameters of a floating-point dtype",
            parameter.dtype,
        )
        _require(
            parameter.shape == gradient.shape,
            f"expected a gradient of its parameter's shape {parameter.shape}",
            gradient.shape,
        )

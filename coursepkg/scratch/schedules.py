"""Learning rates that change during training: functions of the update number t = 0, 1, 2, ..."""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def step_decay(initial: float, factor: float, every: int) -> Schedule:
    r"""Multiply the rate by a factor after each block of updates.

    .. math:: \eta(t) = \eta_0\, f^{\lfloor t / n \rfloor}

    It equals ``keras.optimizers.schedules.ExponentialDecay(initial, every, factor,
    staircase=True)``.

    Parameters
    ----------
    initial : float
        The first rate, :math:`\eta_0`.
    factor : float
        What the rate is multiplied by, :math:`f`, from 0 (excluded) to 1.
    every : int
        The number of updates in a block, :math:`n`.

    Returns
    -------
    callable
        From an update number to the rate of that update.

    Raises
    ------
    ValueError
        If `initial` or `every` is not positive, or `factor` outside (0, 1].
    """
    _require_positive(initial=initial, every=every)
    _require_factor(factor)

    def rate(t: int) -> float:
        return initial * factor ** (t // every)

    return rate


def exponential_decay(initial: float, factor: float, every: int) -> Schedule:
    r"""Let the rate fall smoothly, by the same factor in every block of updates.

    .. math:: \eta(t) = \eta_0\, f^{t / n}

    It equals ``keras.optimizers.schedules.ExponentialDecay(initial, every, factor)``.

    Parameters
    ----------
    initial : float
        The first rate, :math:`\eta_0`.
    factor : float
        What the rate is multiplied by in `every` updates, :math:`f`, from 0 (excluded) to 1.
    every : int
        The number of updates in a block, :math:`n`.

    Returns
    -------
    callable
        From an update number to the rate of that update.

    Raises
    ------
    ValueError
        If `initial` or `every` is not positive, or `factor` outside (0, 1].
    """
    _require_positive(initial=initial, every=every)
    _require_factor(factor)

    def rate(t: int) -> float:
        return initial * factor ** (t / every)

    return rate


def cosine_decay(initial: float, total: int, final_share: float = 0.0) -> Schedule:
    r"""Let the rate fall along half a period of the cosine, and stay at its end.

    .. math::

       \eta(t) = \eta_0 \Big( f + (1 - f)\,
                 \frac{1 + \cos(\pi \min(t, T) / T)}{2} \Big)

    It equals ``keras.optimizers.schedules.CosineDecay(initial, total, alpha=final_share)``.

    Parameters
    ----------
    initial : float
        The first rate, :math:`\eta_0`.
    total : int
        The number of updates in which the rate falls, :math:`T`.
    final_share : float
        The last rate as a share of the first, :math:`f`, from 0 to 1.

    Returns
    -------
    callable
        From an update number to the rate of that update.

    Raises
    ------
    ValueError
        If `initial` or `total` is not positive, or `final_share` outside [0, 1].

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017
    (there the cosine starts again and again; here it falls once).
    """
    _require_positive(initial=initial, total=total)
    if not 0 <= final_share <= 1:
        raise ValueError(f"final_share must be from 0 to 1, got {final_share}")

    def rate(t: int) -> float:
        fallen = (1 + math.cos(math.pi * min(t, total) / total)) / 2
        return initial * (final_share + (1 - final_share) * fallen)

    return rate


def warm_up(steps: int, then: float | Schedule, start: float = 0.0) -> Schedule:
    r"""Raise the rate in a line, then follow another schedule.

    With :math:`\eta_\text{then}` the schedule that follows and :math:`w` the number of updates in
    which the rate rises,

    .. math::

       \eta(t) = \begin{cases}
       \eta_\text{start} + (\eta_\text{then}(0) - \eta_\text{start})\, t / w & t < w \\
       \eta_\text{then}(t - w) & t \ge w
       \end{cases}

    With ``start=0`` the very first update has the rate 0 and changes nothing, as in Keras.
    ``warm_up(w, cosine_decay(peak, total))`` equals ``keras.optimizers.schedules.CosineDecay(0.0,
    total, warmup_target=peak, warmup_steps=w)``.

    Parameters
    ----------
    steps : int
        The number of updates in which the rate rises, :math:`w`.
    then : float or callable
        What follows: a constant rate, or a schedule that is told 0 when the rise is over.
    start : float
        The rate of the first update, :math:`\eta_\text{start}`, not negative.

    Returns
    -------
    callable
        From an update number to the rate of that update.

    Raises
    ------
    ValueError
        If `steps`, or `then` where it is a number, is not positive, or `start` is negative.

    References
    ----------
    P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
    arXiv:1706.02677, 2017.
    """
    _require_positive(steps=steps)
    if start < 0:
        raise ValueError(f"start must not be negative, got {start}")
    if callable(then):
        after = then
    else:
        _require_positive(then=then)

        def after(t: int) -> float:
            return then

    def rate(t: int) -> float:
        if t < steps:
            return start + (after(0) - start) * t / steps
        return after(t - steps)

    return rate


def one_cycle(
    peak: float, total: int, warm_share: float = 0.25, floor_share: float = 0.01
) -> Schedule:
    r"""Raise the rate in a line to its peak and lower it in a line to (nearly) zero.

    .. math::

       \eta(t) = \eta_\text{peak} \max\!\Big(f,\;
                 \min\!\Big(\frac{t}{w T},\; \frac{T - t}{(1 - w) T}\Big)\Big)

    The floor :math:`f` keeps the first update, and any after :math:`T`, from being lost.

    Parameters
    ----------
    peak : float
        The largest rate, :math:`\eta_\text{peak}`.
    total : int
        The number of all updates, :math:`T`.
    warm_share : float
        The share of them in which the rate rises, :math:`w`, between 0 and 1 (both excluded).
    floor_share : float
        The smallest rate as a share of the peak, :math:`f`, from 0 to 1.

    Returns
    -------
    callable
        From an update number to the rate of that update.

    Raises
    ------
    ValueError
        If `peak` or `total` is not positive, or a share is out of its range.

    References
    ----------
    L. N. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2019 (their cycle also moves the momentum; this one moves the rate alone).
    """
    _require_positive(peak=peak, total=total)
    if not 0 < warm_share < 1:
        raise ValueError(f"warm_share must be between 0 and 1, both excluded, got {warm_share}")
    if not 0 <= floor_share <= 1:
        raise ValueError(f"floor_share must be from 0 to 1, got {floor_share}")

    def rate(t: int) -> float:
        done = t / total
        line = min(done / warm_share, (1 - done) / (1 - warm_share))
        return peak * max(floor_share, line)

    return rate


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")


def _require_factor(factor: float) -> None:
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be from 0 (excluded) to 1, got {factor}")

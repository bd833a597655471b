"""The energy of a computation, from its time and a stated power."""

JOULES_PER_KILOWATT_HOUR = 3.6e6


def energy(seconds: float, watts: float) -> float:
    """Return the energy that a computation takes, in joules.

    Parameters
    ----------
    seconds : float
        How long it ran.
    watts : float
        Power of the machine. A maker's thermal design power is near the power under full load; it
        is a statement, not a measurement. Cooling and the rest of the building are not in it.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a number is negative.
    """
    if seconds < 0 or watts < 0:
        raise ValueError(f"expected seconds and watts not negative, got {seconds} and {watts}")
    return seconds * watts


def kilowatt_hours(joules: float) -> float:
    """Turn joules into kilowatt-hours."""
    return joules / JOULES_PER_KILOWATT_HOUR


def training_seconds(operations: float, peak: float, share: float) -> float:
    """Return how long a training run of so many operations takes.

    Parameters
    ----------
    operations : float
        Of the whole run.
    peak : float
        Operations a second of all devices together, at most.
    share : float
        Of the peak that the run reaches, above 0 and at most 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if operations < 0 or peak <= 0 or not 0 < share <= 1:
        raise ValueError(
            "expected operations not negative, a positive peak and a share above 0 and at most 1, "
            f"got {operations}, {peak} and {share}"
        )
    return operations / (peak * share)

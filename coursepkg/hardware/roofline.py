r"""The roofline: how fast a computation can run on a machine, and how long it will take.

A computation does :math:`F` operations and moves :math:`Q` bytes; its *arithmetic intensity* is
:math:`I = F / Q`. A machine does at most :math:`P` operations a second and moves at most :math:`B`
bytes a second. If both go on at the same time,

.. math:: \text{time} \geq \max\!\left(\frac{F}{P}, \frac{Q}{B}\right), \qquad
          \text{operations a second} \leq \min(P, I B).

References
----------
S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for
multicore architectures", Communications of the ACM 52(4), 2009.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Roofline:
    """Two limits of a machine.

    Attributes
    ----------
    peak : float
        Operations a second, P.
    bandwidth : float
        Bytes a second, B.
    overhead : float
        Seconds that it takes to start a computation, however small.
    """

    peak: float
    bandwidth: float
    overhead: float = 0.0

    def __post_init__(self) -> None:
        """Refuse limits that no machine has."""
        if self.peak <= 0 or self.bandwidth <= 0 or self.overhead < 0:
            raise ValueError(
                "expected a positive peak and bandwidth and an overhead not negative, got "
                f"{self.peak}, {self.bandwidth} and {self.overhead}"
            )

    @property
    def ridge(self) -> float:
        """The intensity in operations a byte at which both limits meet, P / B."""
        return self.peak / self.bandwidth

    def attainable(self, intensity: np.ndarray | float) -> np.ndarray | float:
        """Return the most operations a second at an intensity: min(P, I B)."""
        return np.minimum(self.peak, np.asarray(intensity) * self.bandwidth)

    def seconds(self, operations: float, moved: float) -> float:
        """Predict the time: the overhead, and the slower of computing and moving.

        Parameters
        ----------
        operations : float
            F.
        moved : float
            Bytes, Q.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If a number is negative.
        """
        if operations < 0 or moved < 0:
            raise ValueError(f"expected no negative amounts, got {operations} and {moved}")
        return self.overhead + max(operations / self.peak, moved / self.bandwidth)

    def limit(self, operations: float, moved: float) -> str:
        """Say what takes longest: "overhead", "bandwidth" or "peak"."""
        parts = {
            "overhead": self.overhead,
            "bandwidth": moved / self.bandwidth,
            "peak": operations / self.peak,
        }
        return max(parts, key=parts.__getitem__)


def seconds_by_size(
    roof: Roofline,
    sizes: Sequence[float],
    moving: Sequence[float],
    operations: float,
    moved: float,
) -> float:
    """Predict the time from the measured times of moving bytes, instead of one bandwidth.

    The slower of two: the overhead and the computing; the time that the simplest program needs for
    as many bytes (`coursepkg.hardware.peak.moving_seconds`), which knows caches and threads.

    Parameters
    ----------
    roof : Roofline
        Its peak and its overhead count.
    sizes, moving : sequence of float
        Bytes, ascending, and the seconds that they take. Between them the logarithms are
        interpolated; beyond the last, time grows in proportion; below the first, it stays.
    operations, moved : float
        F, and bytes Q.

    Returns
    -------
    float
    """
    most = max(sizes)
    inside = np.interp(np.log(min(moved, most)), np.log(sizes), np.log(moving))
    there = float(np.exp(inside)) * max(1.0, moved / most)
    return max(roof.overhead + operations / roof.peak, there)

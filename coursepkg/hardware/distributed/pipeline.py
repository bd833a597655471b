"""A network in stages that pass microbatches on: pipeline parallelism, run and not only drawn."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from coursepkg.scratch.layers import Sequential
from coursepkg.scratch.scaling import Order

_SECONDS = 30


@dataclass
class Stage:
    """A piece of the network, and what it has to remember of the microbatches in flight.

    Of each, only the input is kept; before the backward pass the stage computes the forward pass
    once more, as GPipe does.

    Attributes
    ----------
    layers : Sequential
        Its piece.
    gradients : list of ndarray
        The sums over the microbatches so far, one array a parameter.
    most_kept : int
        The largest number of inputs that it remembered at a time.
    """

    layers: Sequential
    gradients: list[np.ndarray] = field(default_factory=list)
    most_kept: int = 0
    _inputs: dict[int, np.ndarray] = field(default_factory=dict)

    def forward(self, microbatch: int, x: np.ndarray) -> np.ndarray:
        """Map a microbatch's input (b, n_in) to the output (b, n_out)."""
        self._inputs[microbatch] = x
        self.most_kept = max(self.most_kept, len(self._inputs))
        return self.layers.forward(x)

    def backward(self, microbatch: int, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient of a microbatch's output to that of its input; add up the gradients."""
        self.layers.forward(self._inputs.pop(microbatch))
        downstream = self.layers.backward(upstream)
        if not self.gradients:
            self.gradients = [np.zeros_like(g) for g in self.layers.gradients]
        for total, gradient in zip(self.gradients, self.layers.gradients, strict=True):
            total += gradient
        return downstream


def cut(network: Sequential, ends: Sequence[int]) -> list[Stage]:
    """Cut a network into stages.

    Parameters
    ----------
    network : Sequential
        Its layers are shared with the stages, not copied.
    ends : sequence of int
        Before which layers it is cut, in rising order.

    Returns
    -------
    list of Stage
        One more than cuts.

    Raises
    ------
    ValueError
        If a stage would have no layer.
    """
    edges = [0, *ends, len(network.layers)]
    if any(end <= begin for begin, end in pairwise(edges)):
        raise ValueError(
            f"expected cuts between 1 and {len(network.layers) - 1} in rising order, got {ends}"
        )
    return [Stage(Sequential(network.layers[begin:end])) for begin, end in pairwise(edges)]


def run_pipeline(
    stages: Sequence[Stage],
    orders: Sequence[Order],
    x: np.ndarray,
    y: np.ndarray,
    loss_gradient: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Send a batch through the stages, each a thread that works off its own order.

    Neighbours talk through queues, as workers on different machines would through the network. The
    gradients add up in the stages. `loss_gradient` is that of a mean, so each microbatch's is
    weighted by its share of the batch, and the sum is the gradient of the whole batch.

    Parameters
    ----------
    stages : sequence of Stage
        From input to output.
    orders : sequence of Order
        One for each stage; see `coursepkg.scratch.scaling`.
    x, y : ndarray, shapes (N, n_0) and (N, K)
        The batch; it is cut into as many microbatches as the orders name.
    loss_gradient : callable
        Takes outputs and targets of a microbatch, gives the gradient of their mean loss.

    Raises
    ------
    ValueError
        If stages and orders differ in number.
    RuntimeError
        If a stage fails, or waits for ever.
    """
    if len(stages) != len(orders):
        raise ValueError(f"expected as many orders as stages, got {len(orders)}, {len(stages)}")
    count = 1 + max(microbatch for microbatch, _ in orders[0])
    inputs, targets = np.array_split(x, count), np.array_split(y, count)
    down = [queue.Queue() for _ in stages]  # to stage k from the one before
    up = [queue.Queue() for _ in stages]  # to stage k from the one after
    for k in range(count):
        down[0].put(inputs[k])
    failures: list[Exception] = []

    def work(number: int) -> None:
        stage, last = stages[number], number == len(stages) - 1
        try:
            for k, forward in orders[number]:
                if forward:
                    output = stage.forward(k, down[number].get(timeout=_SECONDS))
                    if last:
                        share = len(targets[k]) / len(y)
                        up[number].put(share * loss_gradient(output, targets[k]))
                    else:
                        down[number + 1].put(output)
                else:
                    gradient = stage.backward(k, up[number].get(timeout=_SECONDS))
                    if number:
                        up[number - 1].put(gradient)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(stages))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"a stage failed: {failures[0]!r}") from failures[0]

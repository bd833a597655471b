"""Which worker takes which examples of a batch, and how they add up again."""

import numpy as np


def batch_rows(total: int, batch: int, step: int, seed: int = 0) -> np.ndarray:
    """Choose the examples of a step: every epoch goes through all of them in a new order.

    They depend on the step alone, so all workers agree, and a run that is taken up again goes on
    with the batch that it would have had.

    Parameters
    ----------
    total : int
        How many examples there are.
    batch : int
        How many a step takes; what is left over at the end of an epoch is not used in it.
    step : int
        Counts from 0.
    seed : int
        Of the orders.

    Returns
    -------
    ndarray of int, shape (batch,)

    Raises
    ------
    ValueError
        If a batch has no or too many examples.
    """
    if not 0 < batch <= total:
        raise ValueError(f"expected a batch of 1 to {total} examples, got {batch}")
    epoch, place = divmod(step, total // batch)
    order = np.random.default_rng([seed, epoch]).permutation(total)
    return order[place * batch : (place + 1) * batch]


def shard(rows: np.ndarray, workers: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Give a worker its part of a batch, filled up so that all parts have one size.

    The workers' compiled step has one shape, but a batch may not divide evenly. Short parts are
    filled up with their batch's first example, which gets the weight 0. A mean over all weights
    that are not 0 is then the mean over the batch, and no example counts more than another.

    Parameters
    ----------
    rows : ndarray of int, shape (batch,)
        The examples of the whole batch.
    workers : int
        n.
    rank : int
        The number of this worker, from 0.

    Returns
    -------
    rows : ndarray of int, shape (ceil(batch / n),)
        This worker's examples.
    weights : ndarray of float32, same shape
        1 for an example, 0 for a filler.

    Raises
    ------
    ValueError
        If there are fewer examples than workers.
    """
    if len(rows) < workers:
        raise ValueError(f"expected at least {workers} examples, one a worker, got {len(rows)}")
    own = np.array_split(rows, workers)[rank]
    filler = -(-len(rows) // workers) - len(own)
    weights = np.concatenate([np.ones(len(own)), np.zeros(filler)]).astype(np.float32)
    return np.concatenate([own, np.repeat(rows[:1], filler)]), weights

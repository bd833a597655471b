r"""A small model of a processor's cache, and what a matrix product costs it.

Memory is read in *lines* of several neighbouring numbers. The cache keeps the lines that were used
last; the line that was not used for the longest time makes room (LRU). An access to a line that is
not there is a *miss*: the processor waits for the memory.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import product

ORDERS = ("ijk", "ikj", "jki")


def misses(addresses: Iterable[int], lines: int, line: int) -> int:
    """Count the accesses that do not find their line in the cache.

    Parameters
    ----------
    addresses : iterable of int
        Numbers of memory places, in the order of the accesses.
    lines : int
        Lines that the cache holds.
    line : int
        Places in a line.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If `lines` or `line` is less than 1.
    """
    if lines < 1 or line < 1:
        raise ValueError(f"expected at least 1 line of at least 1 place, got {lines} of {line}")
    held: OrderedDict[int, None] = OrderedDict()
    count = 0
    for address in addresses:
        number = address // line
        if number in held:
            held.move_to_end(number)
            continue
        count += 1
        held[number] = None
        if len(held) > lines:
            held.popitem(last=False)
    return count


def product_addresses(size: int, order: str = "ijk", block: int | None = None) -> Iterator[int]:
    r"""List the memory places that a matrix product touches, access by access.

    :math:`C_{ij} \leftarrow C_{ij} + A_{ik} B_{kj}` for all :math:`i, j, k`, with square matrices
    stored row after row: A first, then B, then C. The three loops run in the given order, the last
    letter fastest. With blocks, three outer loops in the same order go over blocks of the indices,
    and the inner ones over the entries of a block.

    Parameters
    ----------
    size : int
        Rows and columns of the matrices, n.
    order : str
        "ijk", "ikj" or "jki".
    block : int, optional
        Indices in a block, b; None: no blocks.

    Yields
    ------
    int
        3 n^3 addresses: of A, B and C in turn.

    Raises
    ------
    ValueError
        If the order is another one, or a size is less than 1.
    """
    block = size if block is None else block
    if order not in ORDERS or size < 1 or block < 1:
        raise ValueError(
            f"expected an order of {ORDERS}, a size and a block of at least 1; got {order!r}, "
            f"{size} and {block}"
        )
    b_starts, c_starts = size * size, 2 * size * size
    starts = range(0, size, block)
    for corner in product(starts, repeat=3):
        inner = [range(start, min(start + block, size)) for start in corner]
        for indices in product(*inner):
            at = dict(zip(order, indices, strict=True))
            i, j, k = at["i"], at["j"], at["k"]
            yield i * size + k
            yield b_starts + k * size + j
            yield c_starts + i * size + j


def blocked_traffic(size: int, block: int) -> int:
    r"""Count the numbers that a blocked product moves if the cache holds the blocks in use.

    .. math:: 2 n^2 \lceil n / b \rceil + n^2

    For each of the :math:`\lceil n / b \rceil^3` triples of blocks, a block of A and one of B are
    read; the block of C stays while k runs innermost, so that C is read once.

    Parameters
    ----------
    size, block : int
        n and b.

    Returns
    -------
    int
        Numbers, not lines.

    Raises
    ------
    ValueError
        If a number is less than 1.
    """
    if size < 1 or block < 1:
        raise ValueError(f"expected a size and a block of at least 1, got {size} and {block}")
    return 2 * size**2 * math.ceil(size / block) + size**2

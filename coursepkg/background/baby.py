"""The Manchester Baby of 1948: an emulator, an assembler, and Kilburn's first program.

The Small-Scale Experimental Machine had a store of 32 lines of 32 bits, an accumulator of 32 bits,
and a register CI that held the number of the line being obeyed. CI is raised *before* a line is
fetched, so a program starts in line 1. All bits are written with the least significant first.
An instruction keeps a line number in its bits 0 to 4 and its function in the bits 13 to 15.

Sources: F. C. Williams and T. Kilburn, "Electronic digital computers", Nature 162, 487 (1948);
C. P. Burton, "The Manchester University Small-Scale Experimental Machine: Programmer's reference
manual" (1997). The machine takes no notice of bits 5 to 12 and 16 to 31 of an instruction.
"""

from __future__ import annotations

LINES = 32
BITS = 32
FUNCTIONS = ("JMP", "JRP", "LDN", "STO", "SUB", "SUB", "CMP", "STP")
"""The names of the functions 0 to 7; 5 does the same as 4."""

WITHOUT_OPERAND = ("CMP", "STP")

FIRST_PROGRAM = """
 1 LDN 24
 2 STO 26
 3 LDN 26
 4 STO 27
 5 LDN 23
 6 SUB 27
 7 CMP
 8 JRP 20
 9 SUB 26
10 STO 25
11 LDN 25
12 CMP
13 STP
14 LDN 26
15 SUB 21
16 STO 27
17 LDN 27
18 STO 26
19 JMP 22
20 NUM -3
21 NUM 1
22 NUM 4
"""
"""Kilburn's highest factor routine, as amended in Tootill's notebook on 18 July 1948.

For the number a, line 23 holds -a and line 24 the first trial factor, a - 1. The answer is in 27.
"""


def wrap(number: int) -> int:
    """Keep the lowest 32 bits of a whole number, read as a signed number."""
    return (number + 2 ** (BITS - 1)) % 2**BITS - 2 ** (BITS - 1)


class Baby:
    """The Small-Scale Experimental Machine.

    Parameters
    ----------
    store : list of int
        The 32 signed numbers in the store; an instruction is a number, too.

    Attributes
    ----------
    accumulator : int
        The signed number in the accumulator.
    line : int
        The number of the line obeyed last; 0 before the first.
    counts : list of int
        How often each of the functions 0 to 7 was obeyed.
    stopped : bool
        Whether STP was obeyed.

    Raises
    ------
    ValueError
        If `store` does not hold 32 numbers.
    """

    def __init__(self, store: list[int]) -> None:
        if len(store) != LINES:
            raise ValueError(f"expected a store of {LINES} lines, got {len(store)}")
        self.store = [wrap(number) for number in store]
        self.accumulator = 0
        self.line = 0
        self.counts = [0] * len(FUNCTIONS)
        self.stopped = False

    def step(self) -> None:
        """Obey one instruction."""
        self.line = (self.line + 1) % LINES
        word = self.store[self.line]
        address, function = word % LINES, (word >> 13) % 8
        self.counts[function] += 1
        name = FUNCTIONS[function]
        if name == "JMP":
            self.line = self.store[address] % LINES
        elif name == "JRP":
            self.line = (self.line + self.store[address]) % LINES
        elif name == "LDN":
            self.accumulator = wrap(-self.store[address])
        elif name == "STO":
            self.store[address] = self.accumulator
        elif name == "SUB":
            self.accumulator = wrap(self.accumulator - self.store[address])
        elif name == "CMP" and self.accumulator < 0:
            self.line = (self.line + 1) % LINES
        elif name == "STP":
            self.stopped = True

    def run(self, limit: int = 1_000_000) -> int:
        """Obey instructions until STP, and return how many were obeyed in all.

        Raises
        ------
        RuntimeError
            If the machine has not stopped after `limit` instructions.
        """
        for _ in range(limit):
            if self.stopped:
                break
            self.step()
        if not self.stopped:
            raise RuntimeError(
                f"no STP after {limit:,} instructions; the last was in line {self.line}"
            )
        return sum(self.counts)


def assemble(program: str) -> list[int]:
    """Translate a program into the 32 numbers of a store.

    Each line of the text is ``number function operand``, for example ``6 SUB 27``, or
    ``number NUM value`` for a line that holds a number. ``;`` starts a remark. CMP and STP have no
    operand. Store lines that are not mentioned hold 0.

    Raises
    ------
    ValueError
        If a line cannot be understood; the message says which, and what was expected.
    """
    store: dict[int, int] = {}
    for row, text in enumerate(program.splitlines(), start=1):
        words = text.partition(";")[0].split()
        if not words:
            continue
        try:
            number, word = _translate(words)
            if number in store:
                raise ValueError(f"line {number} of the store is already taken")
        except ValueError as problem:
            raise ValueError(f"row {row}, {' '.join(words)!r}: {problem}") from None
        store[number] = word
    return [store.get(number, 0) for number in range(LINES)]


def _translate(words: list[str]) -> tuple[int, int]:
    """Translate the words of one row into the number of a store line and what it holds."""
    number = _whole(words[0], "a line of the store", 0, LINES - 1)
    if len(words) < 2:
        raise ValueError("expected a function after the number of the line")
    name, operands = words[1].upper(), words[2:]
    if name not in (*FUNCTIONS, "NUM"):
        raise ValueError(
            f"expected one of {', '.join(dict.fromkeys(FUNCTIONS))} and NUM, got {words[1]}"
        )
    expected = 0 if name in WITHOUT_OPERAND else 1
    if len(operands) != expected:
        raise ValueError(f"{name} takes {expected} operand(s), got {len(operands)}")
    if name == "NUM":
        return number, _whole(operands[0], "a number", -(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1)
    address = _whole(operands[0], "a line of the store", 0, LINES - 1) if operands else 0
    return number, address + (FUNCTIONS.index(name) << 13)


def _whole(text: str, what: str, lowest: int, highest: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"expected {what}, a whole number, got {text}") from None
    if not lowest <= value <= highest:
        raise ValueError(f"expected {what}, from {lowest} to {highest}, got {value}")
    return value


def disassemble(word: int) -> str:
    """Write the instruction that a word of the store stands for, for example ``SUB 27``."""
    name = FUNCTIONS[(word >> 13) % 8]
    return name if name in WITHOUT_OPERAND else f"{name} {word % LINES}"


def bits(word: int) -> str:
    """Write the 32 bits of a word as the Baby's screen showed them: least significant first."""
    return "".join(str(word >> place & 1) for place in range(BITS))


def highest_factor_store(a: int) -> list[int]:
    """Return the store with the first program, set up to find the highest proper factor of a.

    Raises
    ------
    ValueError
        If `a` is not between 2 and the largest number that a line can hold, 2**31 - 1.
    """
    if not 2 <= a < 2 ** (BITS - 1):
        raise ValueError(f"expected a number from 2 to 2**31 - 1, got {a}")
    return assemble(FIRST_PROGRAM + f"23 NUM {-a}\n24 NUM {a - 1}\n")

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.background import baby
from coursepkg.background.baby import Baby, assemble, highest_factor_store

WORDS = st.integers(-(2**31), 2**31 - 1)

NOTEBOOK = """
00011000000000100000000000000000
01011000000001100000000000000000
01011000000000100000000000000000
11011000000001100000000000000000
11101000000000100000000000000000
11011000000000010000000000000000
00000000000000110000000000000000
00101000000001000000000000000000
01011000000000010000000000000000
10011000000001100000000000000000
10011000000000100000000000000000
00000000000000110000000000000000
00000000000001110000000000000000
01011000000000100000000000000000
10101000000000010000000000000000
11011000000001100000000000000000
11011000000000100000000000000000
01011000000001100000000000000000
01101000000000000000000000000000
10111111111111111111111111111111
10000000000000000000000000000000
00100000000000000000000000000000
00000000000000000011111111111111
11111111111111111100000000000000
"""
"""Lines 1 to 24 of the first program for 2**18, as published in binary."""


def highest_factor(a):
    return next(b for b in range(a - 1, 0, -1) if a % b == 0)


def instructions(a):
    """Count the instructions of the first program by its loops, without running it."""
    p = highest_factor(a)
    return 4 + sum(3 * (a // b) + 13 for b in range(p + 1, a)) + 3 * (a // p) + 8


def test_the_published_bits():
    assert [baby.bits(word) for word in highest_factor_store(2**18)[1:25]] == NOTEBOOK.split()


@pytest.mark.parametrize("a", [*range(2, 60), 97, 360, 989])
def test_the_first_program(a):
    machine = Baby(highest_factor_store(a))
    assert machine.run() == instructions(a)
    assert machine.store[27] == highest_factor(a)


def test_the_run_of_1948():
    machine = Baby(highest_factor_store(2**18))
    assert machine.run(limit=3_000_000) == instructions(2**18) == 2_097_154
    assert machine.store[27] == 2**17


def run_one(text, accumulator=0, **lines):
    machine = Baby(assemble(f"1 {text}"))
    machine.accumulator = accumulator
    for name, word in lines.items():
        machine.store[int(name[1:])] = word
    machine.step()
    return machine


@given(WORDS, WORDS)
def test_arithmetic_wraps_at_32_bits(a, x):
    machine = run_one("SUB 9", a, s9=x)
    assert -(2**31) <= machine.accumulator < 2**31
    assert (machine.accumulator - (a - x)) % 2**32 == 0
    assert (run_one("LDN 9", a, s9=x).accumulator + x) % 2**32 == 0


@given(WORDS, WORDS)
def test_sto_copies_and_leaves_the_accumulator(a, x):
    machine = run_one("STO 9", a, s9=x)
    assert machine.store[9] == machine.accumulator == a


@given(WORDS)
def test_function_5_subtracts_like_4(x):
    stores = [[0, 9 + (code << 13), *[0] * 7, x, *[0] * 22] for code in (4, 5)]
    machines = [Baby(store) for store in stores]
    for machine in machines:
        machine.step()
    assert machines[0].accumulator == machines[1].accumulator == baby.wrap(-x)


@pytest.mark.parametrize(("accumulator", "line"), [(-1, 2), (0, 1), (1, 1)])
def test_cmp_passes_over_a_line_only_if_negative(accumulator, line):
    assert run_one("CMP", accumulator).line == line


def test_jumps_go_one_beyond_the_number_they_name():
    for text, next_line in [("JMP 9", 6), ("JRP 9", 7)]:
        machine = run_one(text, s9=5)
        machine.store[next_line] = assemble("0 STP")[0]
        machine.step()
        assert machine.stopped


def test_a_jump_back_is_a_negative_number():
    assert run_one("JRP 9", s9=-3).line == 30


@given(st.integers(2, 31), st.integers(0, 7), st.integers(0, 2**32 - 1))
def test_the_other_bits_of_an_instruction_do_not_count(address, function, noise):
    clean = address + (function << 13)
    noisy = baby.wrap(clean | noise & ~(31 | 7 << 13))
    machines = [Baby([0, word, *range(2, 32)]) for word in (clean, noisy)]
    for machine in machines:
        machine.step()
        machine.store[1] = 0
    assert vars(machines[0]) == vars(machines[1])


def test_a_program_can_change_itself():
    """Add 1 to the address in line 7: an instruction is a number in the store."""
    program = "1 LDN 7\n2 SUB 20\n3 STO 21\n4 LDN 21\n5 STO 7\n6 STP\n7 STO 10\n20 NUM 1"
    machine = Baby(assemble(program))
    machine.run()
    assert baby.disassemble(machine.store[7]) == "STO 11"


def test_line_0_comes_after_line_31():
    machine = Baby(assemble("0 STP"))
    machine.line = 31
    assert machine.run() == 1


def test_a_program_that_never_stops_is_stopped():
    with pytest.raises(RuntimeError, match=r"no STP after 1,000 instructions; .* line"):
        Baby(assemble("1 JMP 0")).run(limit=1000)


@pytest.mark.parametrize("lines", [0, 31, 33])
def test_a_store_has_32_lines(lines):
    with pytest.raises(ValueError, match=f"32 lines, got {lines}"):
        Baby([0] * lines)


@given(st.lists(WORDS, min_size=32, max_size=32))
def test_numbers_survive_the_assembler(words):
    assert assemble("\n".join(f"{n} NUM {word}" for n, word in enumerate(words))) == words


@given(st.sampled_from(sorted(set(baby.FUNCTIONS))), st.integers(0, 31))
def test_disassembly_is_the_inverse(name, address):
    text = name if name in baby.WITHOUT_OPERAND else f"{name} {address}"
    assert baby.disassemble(assemble(f"3 {text}")[3]) == text


@given(WORDS)
def test_the_screen_shows_the_least_significant_bit_first(word):
    shown = baby.bits(word)
    assert sum(int(bit) << place for place, bit in enumerate(shown)) == word % 2**32


def test_remarks_spaces_and_small_letters():
    assert assemble("; nothing\n\n  7  sub 27 ; take b away\n") == assemble("7 SUB 27")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("1 ADD 3", r"row 1, '1 ADD 3': expected one of JMP, JRP, LDN, STO, SUB, CMP, STP and NUM"),
        ("x LDN 3", "row 1, 'x LDN 3': expected a line of the store, a whole number, got x"),
        ("32 LDN 3", "expected a line of the store, from 0 to 31, got 32"),
        ("1 LDN 32", "expected a line of the store, from 0 to 31, got 32"),
        ("1 LDN -1", "expected a line of the store, from 0 to 31, got -1"),
        ("1 LDN", r"LDN takes 1 operand\(s\), got 0"),
        ("1 LDN 3 4", r"LDN takes 1 operand\(s\), got 2"),
        ("1 STP 3", r"STP takes 0 operand\(s\), got 1"),
        ("1 NUM", r"NUM takes 1 operand\(s\), got 0"),
        ("1 NUM 1.5", "expected a number, a whole number, got 1.5"),
        ("1 NUM 2147483648", "from -2147483648 to 2147483647, got 2147483648"),
        ("1", "expected a function after the number of the line"),
        ("1 STP\n\n1 CMP", "row 3, '1 CMP': line 1 of the store is already taken"),
    ],
)
def test_wrong_programs_get_clear_errors(program, message):
    with pytest.raises(ValueError, match=message):
        assemble(program)


@pytest.mark.parametrize("a", [1, 0, -5, 2**31])
def test_the_first_program_needs_a_number_that_fits(a):
    with pytest.raises(ValueError, match="from 2 to"):
        highest_factor_store(a)


def test_the_emulator_is_short():
    assert len(inspect.getsource(Baby).splitlines()) < 80

"""Checkers of the exercises in ``background/history``."""

import itertools
from collections.abc import Sequence

import numpy as np

from coursepkg.background.baby import Baby, assemble
from coursepkg.background.expert import Consultation, Rule
from coursepkg.background.map_reduce import map_reduce, split_text
from coursepkg.checks.verdict import Wrong, call, checker


def _product(program: str, a: int, b: int) -> int:
    """Run the learner's program with a in line 28 and b in line 29, and return line 30."""
    store = assemble(program)
    if store[28] or store[29]:
        raise Wrong("leave lines 28 and 29 free: the two numbers are put there before the start.")
    store[28], store[29] = a, b
    machine = Baby(store)
    try:
        machine.run(limit=20_000)
    except RuntimeError as error:
        raise Wrong(f"for {a} times {b}: {error}. Follow the loop with paper and pencil.") from None
    return machine.store[30]


@checker("history.multiply")
def multiply(answer: object) -> str:
    """Check a program for the Baby that multiplies two numbers."""
    if not isinstance(answer, str):
        raise Wrong(f"expected the text of a program; got {type(answer).__name__}.")
    for a, b in [(6, 7), (1, 9), (12, 12), (0, 5), (5, 0), (1000, 3)]:
        try:
            got = _product(answer, a, b)
        except ValueError as error:
            raise Wrong(f"the assembler says: {error}.") from None
        if got == a * b:
            continue
        if got == -a * b:
            raise Wrong("the sign is wrong: LDN brings the negative of a line.")
        if got == a + b:
            raise Wrong("that is the sum. The product is a sum of how many numbers?")
        if got == a * (b + 1):
            raise Wrong(f"for {a} times {b} it adds once too often. When does it test the counter?")
        if got == a * (b - 1):
            raise Wrong(
                f"for {a} times {b} it adds once too little. When does it test the counter?"
            )
        raise Wrong(
            f"for {a} times {b} line 30 holds {got}. Try small numbers and print the store."
        )
    return "right, also when one of the numbers is 0."


TEXT = "a bee ate apples\nand big brown bears\nbeat all\nants are busy\nbe brave\n" * 3


@checker("history.mean")
def mean(answer: object) -> str:
    """Check a mapper and a reducer for the mean length of words by first letter."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise Wrong("expected a tuple (mapper, reducer).")
    mapper, reducer = answer
    words = TEXT.split()
    expected = {
        letter: (
            sum(len(word) for word in words if word[0] == letter),
            sum(word[0] == letter for word in words),
        )
        for letter in {word[0] for word in words}
    }
    for pieces, combine in itertools.product((1, 4, 7), (False, True)):
        got = call(
            lambda pieces=pieces, combine=combine: (
                map_reduce(split_text(TEXT, pieces), mapper, reducer, combine=combine).values
            )
        )
        if got == expected:
            continue
        how = f"with {pieces} piece{'s' * (pieces > 1)} and combine={combine}"
        if set(got) != set(expected):
            raise Wrong(f"{how} the keys are {sorted(map(str, got))}; expected first letters.")
        if any(not isinstance(value, tuple) for value in got.values()):
            raise Wrong(
                f"{how} the values are no pairs. A mean of means is not the mean of all words; "
                "what two numbers of a piece can be added to those of another?"
            )
        if combine:
            raise Wrong(f"right without a combiner, but not {how}. What does your reducer receive?")
        raise Wrong(f"{how} the value of 'a' is {got['a']}. Count by hand in a text of one line.")
    return "right, in any number of pieces, with and without a combiner."


@checker("history.symmetry")
def symmetry(answer: object) -> str:
    """Check the weights of a network of threshold units that recognises mirror symmetry."""
    for n in (2, 4, 6, 8):
        got = call(answer, n)
        if not isinstance(got, tuple | list) or len(got) != 4:
            raise Wrong("expected four arrays: w (n, 2), b (2,), v (2,) and the number c.")
        try:
            w, b, v, c = (np.asarray(one, dtype=float) for one in got)
        except (TypeError, ValueError):
            raise Wrong("expected arrays of numbers.") from None
        shapes = [one.shape for one in (w, b, v, c)]
        if shapes != [(n, 2), (2,), (2,), ()]:
            raise Wrong(f"expected the shapes {(n, 2)}, (2,), (2,), () for n = {n}; got {shapes}.")
        x = np.array(list(itertools.product((0, 1), repeat=n)))
        wanted = (x == x[:, ::-1]).all(axis=1)
        said = (x @ w + b >= 0) @ v + c >= 0
        if (said == wanted).all():
            continue
        if (said == ~wanted).all():
            raise Wrong("it says no to each symmetric pattern and yes to each other one.")
        pattern = "".join(map(str, x[(said != wanted).argmax()]))
        if (said[wanted]).all():
            raise Wrong(
                f"{pattern} is not symmetric, but your network thinks so. What sums do the hidden "
                "units get from it, and from a symmetric pattern?"
            )
        if not said[wanted].any():
            raise Wrong(
                f"it says no to {pattern} and to every other symmetric pattern. Should the hidden "
                "units be on or off there?"
            )
        raise Wrong(f"it is wrong about {pattern}. Mirror-image inputs need opposite weights.")
    return "right for 2, 4, 6 and 8 inputs, on every pattern."


PROGRAMS = {
    "no names": "LDN 3\nSTP\nNUM 7",
    "a name for a number": "LDN seven\nSTP\nseven: NUM 7",
    "a jump": "loop: SUB one\nJMP back\nSTP\none: NUM 1\nback: NUM loop",
    "a jump forward": "JMP on\nSTP\nthere: LDN on\nSTP\non: NUM there",
    "remarks and empty rows": "; count\n\nCMP ; test\nend: STP\n",
}


def _translated(text: str) -> list[int]:
    """Translate a program with names, as the exercise asks."""
    rows = [row.partition(";")[0].split() for row in text.splitlines()]
    rows = [words for words in rows if words]
    lines = {words[0][:-1]: n for n, words in enumerate(rows, 1) if words[0].endswith(":")}
    plain = []
    for n, words in enumerate(rows, start=1):
        name, *operands = words[1:] if words[0].endswith(":") else words
        if operands and operands[0] in lines:
            operands = [str(lines[operands[0]] - (name == "NUM"))]
        plain.append(" ".join([str(n), name, *operands]))
    return assemble("\n".join(plain))


@checker("history.names")
def names(answer: object) -> str:
    """Check an assembler that knows names."""
    for what, program in PROGRAMS.items():
        got, expected = call(answer, program), _translated(program)
        if not isinstance(got, list) or len(got) != len(expected):
            raise Wrong("expected a list of 32 numbers, as assemble returns it.")
        if got == expected:
            continue
        if got == [*expected[1:], 0]:
            raise Wrong("the first instruction belongs into line 1: CI is raised before a fetch.")
        line = next(n for n, (one, two) in enumerate(zip(got, expected, strict=True)) if one != two)
        if what.startswith("a jump") and got[line] == expected[line] + 1:
            raise Wrong("NUM with a name holds one less than its line: a jump goes one beyond.")
        raise Wrong(f"not right in the program with {what}: line {line} of the store differs.")
    for program, what in [("LDN nowhere\nSTP", "nowhere"), ("a: STP\na: STP", "a")]:
        try:
            answer(program)
        except ValueError as error:
            if what in str(error):
                continue
            raise Wrong(f"the error for {program!r} should say which name is meant.") from None
        except Exception as error:
            raise Wrong(f"{program!r} should raise ValueError; got {error!r}.") from error
        raise Wrong(
            f"{program!r} is no program: an unknown or repeated name must raise ValueError."
        )
    return "right: names, jumps in both directions, and errors that name the name."


CASES = (
    ({"soil": {"dry": 1.0}, "leaves": {"fine": 1.0}}, {"water": 0.8}),
    ({"soil": {"dry": 1.0}, "leaves": {"drooping": 1.0}}, {"water": 0.9}),
    ({"soil": {"wet": 1.0}, "leaves": {"fine": 1.0}}, {"water": -0.6}),
    ({"soil": {"wet": 1.0}, "leaves": {"drooping": 1.0}}, {"water": -0.1, "repot": 0.63}),
    ({"soil": {"wet": 0.5}, "leaves": {"drooping": 1.0}}, {"water": 0.2, "repot": 0.315}),
)


def _from_the_roots(rules: Sequence[Rule]) -> bool:
    """Say whether each rule that advises to repot looks at the roots."""
    return all(
        "roots" in {attribute for attribute, _ in rule.conditions}
        for rule in rules
        if rule.value == "repot"
    )


@checker("history.rules")
def rules(answer: object) -> str:
    """Check a rule base about plants against five consultations."""
    if not isinstance(answer, tuple | list) or not all(isinstance(one, Rule) for one in answer):
        raise Wrong("expected a list of Rule.")
    for number, (facts, expected) in enumerate(CASES, start=1):
        consultation = Consultation(answer, lambda attribute, facts=facts: facts.get(attribute, {}))
        found = call(consultation.find, "care")
        if "roots" in consultation.asked:
            raise Wrong("it asks the user about the roots, which nobody can see. Infer them.")
        if more := set(consultation.asked) - {"soil", "leaves"}:
            raise Wrong(f"it asks about {sorted(more)}; only soil and leaves can be asked.")
        got = {value: certainty for value, certainty in found.items() if abs(certainty) > 1e-9}
        missing, extra = sorted(set(expected) - set(got)), sorted(set(got) - set(expected))
        if missing or extra:
            raise Wrong(f"consultation {number}: nothing about {missing}, too much about {extra}.")
        for value, certainty in expected.items():
            if abs(got[value] - certainty) > 1e-6:
                raise Wrong(
                    f"consultation {number}: {value} has the certainty {got[value]:.3f}. Print "
                    "explain() and see which rule contributed what."
                )
        if "repot" in expected and not _from_the_roots(answer):
            raise Wrong("repotting should follow from the state of the roots: two rules in a row.")
    return "right in all five consultations."

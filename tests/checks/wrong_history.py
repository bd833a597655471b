"""Prepared wrong answers to the exercises in ``background/history``."""

import numpy as np

from coursepkg.background.baby import assemble
from coursepkg.background.expert import Rule

MULTIPLY = """
1 LDN 29
2 STO 27
3 SUB 27
4 STO 30
5 LDN 27
6 SUB 24
7 CMP
8 JMP 25
9 STP
10 STO 26
11 LDN 26
12 STO 27
13 LDN 30
14 SUB 28
15 STO 26
16 LDN 26
17 STO 30
18 JMP 23
23 NUM 4
24 NUM 1
25 NUM 9
"""
SUM = "1 LDN 28\n2 SUB 29\n3 STO 27\n4 LDN 27\n5 STO 30\n6 STP"


def _pairs(piece):
    return [(word[0], (len(word), 1)) for word in piece.split()]


def _add(values):
    return tuple(map(sum, zip(*values, strict=True)))


def _network(weights, bias=-0.5, sign=-1.0, opposite=-1, last=0.5):
    def build(n):
        half = weights(n // 2)
        row = np.concatenate([half, opposite * half[::-1]])
        return np.column_stack([row, -row]), np.full(2, bias), np.full(2, sign), last

    return build


def _powers(n):
    return 2.0 ** np.arange(n)


def _translate(text, first=1, less=1, check=True, message="name {}", error=ValueError):
    rows = [words for row in text.splitlines() if (words := row.partition(";")[0].split())]
    lines, plain = {}, []
    for n, words in enumerate(rows, start=first):
        if words[0].endswith(":"):
            if check and words[0][:-1] in lines:
                raise error(message.format(words[0][:-1]))
            lines[words[0][:-1]] = n
    for n, words in enumerate(rows, start=first):
        name, *operands = words[1:] if words[0].endswith(":") else words
        if operands and operands[0] in lines:
            operands = [str(lines[operands[0]] - less * (name == "NUM"))]
        elif check and operands and not operands[0].lstrip("-").isdigit():
            raise error(message.format(operands[0]))
        plain.append(" ".join([str(n), name, *operands]))
    return assemble("\n".join(plain))


def _translating(**options):
    return lambda text: _translate(text, **options)


def _rules(*, soil=0.8, wet=-0.6, both=0.9, chain=True):
    both_bad = (("soil", "wet"), ("leaves", "drooping"))
    rotten = [
        Rule("C", both_bad, "roots", "rotten", 0.7),
        Rule("D", (("roots", "rotten"),), "care", "repot", both),
    ]
    return [
        Rule("A", (("soil", "dry"),), "care", "water", soil),
        Rule("B", (("leaves", "drooping"),), "care", "water", 0.5),
        Rule("E", (("soil", "wet"),), "care", "water", wet),
        *(rotten if chain else [Rule("C", both_bad, "care", "repot", 0.63)]),
    ]


WRONG = {
    "history.multiply": [
        (42, "expected the text of a program"),
        ("1 MUL 28", "the assembler says"),
        ("1 STP\n28 NUM 6", "leave lines 28 and 29 free"),
        ("1 JMP 0", "for 6 times 7: no STP"),
        (SUM, "that is the sum"),
        (MULTIPLY.replace("24 NUM 1", "24 NUM 0"), "no STP"),
        (MULTIPLY.replace("6 SUB 24\n", "6 SUB 22\n") + "22 NUM 2\n", "line 30 holds"),
        (
            MULTIPLY.replace("9 STP", "9 JMP 22") + "22 NUM 18\n19 LDN 30\n20 STO 30\n21 STP\n",
            "the sign is wrong",
        ),
        (MULTIPLY.replace("4 STO 30", "4 SUB 21") + "21 NUM 0\n30 NUM 1\n", "line 30 holds 43"),
    ],
    "history.mean": [
        (_pairs, "expected a tuple (mapper, reducer)"),
        ((lambda piece: [(w, (len(w), 1)) for w in piece.split()], _add), "expected first letters"),
        (
            (lambda piece: [(w[0], len(w)) for w in piece.split()], lambda v: sum(v) / len(v)),
            "A mean of means",
        ),
        ((_pairs, lambda v: (_add(v)[0], len(v))), "What does your reducer receive"),
        ((_pairs, lambda v: (sum(a for a, _ in v) + 1, len(v))), "the value of 'a' is"),
        ((_pairs, sum), "your function raised TypeError"),
    ],
    "history.symmetry": [
        (3, "expected a function"),
        (lambda n: np.zeros(n), "expected four arrays"),
        (lambda n: ("a", "b", "c", "d"), "expected arrays of numbers"),
        (lambda n: (np.zeros((2, n + 1)), np.zeros(2), np.zeros(2), 0.0), "expected the shapes"),
        (_network(np.ones), "is not symmetric, but your network thinks so"),
        (_network(_powers, sign=1.0, last=-0.5), "it says no to each symmetric pattern and yes"),
        (_network(_powers, bias=0.5), "and to every other symmetric pattern"),
        (_network(_powers, opposite=1), "it is wrong about"),
    ],
    "history.names": [
        (3, "expected a function"),
        (lambda text: "1 STP", "expected a list of 32 numbers"),
        (_translating(first=0, less=0), "belongs into line 1"),
        (_translating(less=0), "one less than its line"),
        (lambda text: _translate(text.replace("JMP", "JRP")), "line 2 of the store differs"),
        (_translating(check=False), "or repeated name must raise"),
        (_translating(message="unknown"), "should say which name"),
        (_translating(error=KeyError), "should raise ValueError"),
    ],
    "history.rules": [
        ("soil dry", "expected a list of Rule"),
        (_rules(soil=0.7), "consultation 1: water has the certainty 0.700"),
        (_rules(wet=0.6), "consultation 3: water"),
        (_rules(both=0.63), "consultation 4: repot"),
        (
            [*_rules(chain=False), Rule("G", (("soil", "wet"),), "roots", "rotten", 0.7)],
            "two rules in a row",
        ),
        (_rules()[:-1], "nothing about ['repot']"),
        ([*_rules()[:3], _rules()[4]], "Infer them"),
        ([*_rules(), Rule("F", (("pot", "small"),), "care", "repot", 0.1)], "asks about ['pot']"),
    ],
}

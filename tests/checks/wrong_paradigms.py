"""Prepared wrong answers to the exercises in ``background/paradigms``."""

import numpy as np

from coursepkg.datasets import mnist
from coursepkg.scratch.digit_rules import features

(IMAGES, LABELS), _ = mnist.load_data()
LABELS = LABELS[:200]
MEASURED = [features(image) for image in IMAGES[:200]]

FIRST_INK = """
 1 LDN 31
 2 SUB 28
 3 STO 31
 4 LDN 31
 5 STO 31
 6 LDN 30
 7 SUB 30
 8 STO 30
 9 LDN 30
10 STO 30
11 CMP
12 JMP 27
13 STP
27 NUM 0
28 NUM 1
"""
STOPS = """
 1 LDN 30
 2 CMP
 3 STP
 4 LDN 30
 5 SUB 30
 6 STO 30
 7 LDN 30
 8 STO 30
 9 CMP
10 JMP 24
11 LDN 30
12 SUB 30
13 STO 30
14 LDN 30
15 STO 30
16 CMP
17 JMP 26
18 JMP 25
19 LDN 30
20 CMP
21 LDN 27
22 STO 31
23 STP
24 NUM 3
25 NUM 10
26 NUM 18
27 NUM -1
"""


def _weights(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def _vote(examples, known, question, sharpness, sign=-1, power=1.0, normalised=True):
    distances = ((examples - question) ** 2).sum(axis=1) ** power
    scores = sign * sharpness * distances
    return np.bincount(known, _weights(scores) if normalised else np.exp(scores), minlength=10)


def _hard_vote(examples, known, question, sharpness):
    return np.eye(10)[known[((examples - question) ** 2).sum(axis=1).argmin()]]


WRONG = {
    "paradigms.rule": [
        (lambda f: True, "expected a function"),
        ((lambda f: None, MEASURED, LABELS), "True or False"),
        ((lambda f: True, MEASURED, LABELS), "same answer for every image"),
        ((lambda f: len(f.holes) == 1, MEASURED, LABELS), "a sign that differs"),
        ((lambda f: f.right[1] > 0.06 and f.left[0] > 0.02, MEASURED, LABELS), "careful"),
        ((lambda f: f.base > 0.55, MEASURED, LABELS), "also takes"),
    ],
    "paradigms.first-ink": [
        (3, "expected the text"),
        ("1 HLT", "cannot be assembled"),
        (FIRST_INK + "30 NUM 4", "belongs to the input"),
        ("1 JMP 27", "has not stopped"),
        (FIRST_INK + "31 NUM -1", "one too few"),
        (FIRST_INK.replace("28 NUM 1", "28 NUM -1"), "their sign is not"),
        ("1 STP", "still holds 0"),
        (FIRST_INK.replace("28 NUM 1", "28 NUM 2"), "on paper"),
    ],
    "paradigms.vote": [
        (lambda examples: examples, "your function raised"),
        (lambda *a: _vote(*a, sign=1), "farthest away"),
        (lambda *a: _vote(*a, power=0.5), "their squares"),
        (lambda *a: _vote(*a, normalised=False), "sum to 1"),
        (_hard_vote, "has the largest"),
        (lambda *a: _vote(*a)[:9], "10 numbers"),
    ],
    "paradigms.mistakes": [
        ({0: (0.7, 0.7)}, "with the keys"),
        ({0: (70, 70), 0.2: (60, 60), 0.4: (50, 50)}, "from 0 to 1"),
        ({0: (0.7, 0.1), 0.2: (0.6, 0.1), 0.4: (0.6, 0.1)}, "more than half"),
        ({0: (0.7, 0.7), 0.2: (0.7, 0.7), 0.4: (0.7, 0.7)}, "change nothing"),
        ({0: (0.7, 0.72), 0.2: (0.65, 0.4), 0.4: (0.6, 0.2)}, "should read about"),
        ({0: (0.1, 0.72), 0.2: (0.1, 0.58), 0.4: (0.1, 0.44)}, "comes first"),
        ({0: (0.73, 0.72), 0.2: (0.73, 0.58), 0.4: (0.73, 0.44)}, "takes no notice"),
    ],
    "paradigms.always-stops": [
        (STOPS.replace(" 3 STP", " 3 LDN 30"), "has not stopped"),
        (STOPS + "31 NUM 7", "Is line 31"),
        (STOPS.replace("27 NUM -1", "27 NUM -2"), "is to hold 1"),
        (["1 STP"], "expected the text"),
    ],
}

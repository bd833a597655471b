"""Checkers of the exercises in ``background/paradigms``."""

from collections.abc import Mapping

import numpy as np

from coursepkg.background.baby import Baby, assemble
from coursepkg.checks.verdict import Wrong, as_number, as_numbers, call, checker

LIMIT = 10_000
PATIENCE = f"the program has not stopped after {LIMIT:,} instructions"


@checker("paradigms.rule")
def rule(answer: object) -> str:
    """Check a rule by the images that it takes for twos."""
    if not isinstance(answer, tuple) or len(answer) != 3 or not callable(answer[0]):
        raise Wrong("expected a function that takes the features of one image.")
    function, measured, labels = answer
    found = [call(function, f) for f in measured]
    if not all(isinstance(one, bool | np.bool_) for one in found):
        raise Wrong("the rule must answer True or False. Does every path return something?")
    found, twos = np.array(found), np.asarray(labels) == 2
    caught, wrong = found[twos].mean(), found[~twos].mean()
    if found.all() or not found.any():
        raise Wrong("the rule gives the same answer for every image, so it says nothing.")
    if caught < 0.5 and wrong > 1 / 30:
        raise Wrong(
            f"it finds {caught:.0%} of the 2s and takes {wrong:.0%} of the others for a 2. Print "
            "the features of five 2s and five 3s, and look for a sign that differs."
        )
    if caught < 0.5:
        raise Wrong(
            f"careful, but it finds only {caught:.0%} of the 2s. Which of its conditions turns "
            "most of the others away?"
        )
    if wrong > 1 / 30:
        raise Wrong(
            f"it finds {caught:.0%} of the 2s, but also takes {wrong:.0%} of the others for a 2. "
            "Which digit is it most often? Add a condition against that one."
        )
    return f"right: {caught:.0%} of the 2s, and {wrong:.1%} of the others."


def _run(program: object, number: int, answer: int = 0) -> int:
    """Run a program for the Baby with a number in line 30; return line 31."""
    if not isinstance(program, str):
        raise Wrong(f"expected the text of a program; got {type(program).__name__}.")
    try:
        store = assemble(program)
    except ValueError as problem:
        raise Wrong(f"the program cannot be assembled: {problem}.") from problem
    if store[30]:
        raise Wrong("line 30 belongs to the input. Use other lines for the program.")
    store[30] = number
    machine = Baby(store)
    try:
        machine.run(LIMIT)
    except RuntimeError as problem:
        raise Wrong(
            f"{PATIENCE} when line 30 holds {number}. Does every loop change what it waits for?"
        ) from problem
    return machine.store[31]


@checker("paradigms.first-ink")
def first_ink(answer: object) -> str:
    """Check a program that counts doublings until the number is negative."""
    results = {place: _run(answer, (1 << 31 - place) + 1) for place in (1, 2, 5, 17, 30)}
    if all(got == place for place, got in results.items()):
        return "right for five numbers."
    if all(got == place - 1 for place, got in results.items()):
        raise Wrong("one too few each time. Is the last doubling counted?")
    if all(got == -place for place, got in results.items()):
        raise Wrong("the numbers are right, their sign is not. LDN loads the negative.")
    if not any(results.values()):
        raise Wrong("line 31 still holds 0. Does the program store its count there?")
    place = next(place for place, got in results.items() if got != place)
    raise Wrong(
        f"{(1 << 31 - place) + 1} turns negative at doubling number {place}; line 31 says "
        f"{results[place]}. Step through the program on paper, twice around the loop."
    )


@checker("paradigms.vote")
def vote(answer: object) -> str:
    """Check the function that weights labels by a softmax of distances."""
    rng = np.random.default_rng(3)
    examples, question = rng.normal(size=(12, 4)), rng.normal(size=4)
    known = np.array([0, 1, 2, 3, 4, 5, 1, 1, 9, 7, 7, 2])
    distances = ((examples - question) ** 2).sum(axis=1)

    def shares(scores: np.ndarray) -> np.ndarray:
        weights = np.exp(scores - scores.max())
        return np.bincount(known, weights / weights.sum(), minlength=10)

    for sharpness in (0.0, 0.7, 300.0):
        got = np.array(
            as_numbers(call(answer, examples, known, question, sharpness), 10, "one per label")
        )
        if np.allclose(got, shares(-sharpness * distances)):
            continue
        if np.allclose(got, shares(sharpness * distances)):
            raise Wrong("the examples farthest away get the most weight. Mind the sign.")
        if np.allclose(got, shares(-sharpness * np.sqrt(distances))):
            raise Wrong("that takes the distances; the exercise asks for their squares.")
        if not np.isclose(got.sum(), 1):
            raise Wrong(
                f"the ten numbers sum to {got.sum():.3g}. The weights of a softmax sum to 1."
            )
        raise Wrong(
            f"not right for a sharpness of {sharpness:g}. Print the weights: which example has the "
            "largest, and is it the closest?"
        )
    return "right. This is attention with nothing learned."


@checker("paradigms.mistakes")
def mistakes(answer: object) -> str:
    """Check that a measurement with wrong labels in the prompt is complete and possible."""
    shares = (0, 0.2, 0.4)
    if not isinstance(answer, Mapping) or sorted(answer) != sorted(shares):
        raise Wrong("expected a dictionary with the keys 0, 0.2 and 0.4.")
    pairs = np.array([as_numbers(answer[share], 2, "two accuracies") for share in shares])
    if pairs.min() < 0 or pairs.max() > 1:
        raise Wrong("accuracies are shares, from 0 to 1.")
    transformer, neighbour = pairs.T
    if neighbour[0] < 0.5:
        raise Wrong(
            "without mistakes the nearest neighbour reads more than half of the digits. Do the "
            "questions and the examples have the same 49 numbers each?"
        )
    if np.ptp(neighbour) < 0.02:
        raise Wrong("the mistakes change nothing. Are the wrong labels handed to the readers?")
    for share, got in zip(shares[1:], neighbour[1:], strict=True):
        expected = neighbour[0] * (1 - share) + (1 - neighbour[0]) * share / 9
        if abs(got - expected) > 0.12:
            raise Wrong(
                f"with {share:.0%} wrong labels, a nearest neighbour that read {neighbour[0]:.0%} "
                f"should read about {expected:.0%}, not {got:.0%}. Are all wrong labels *other* "
                "labels, and are those of the questions left as they are?"
            )
    if transformer[0] < 0.5:
        raise Wrong("the Transformer's pair member comes first. Is the prompt made of digits?")
    if transformer[2] > transformer[0] - 0.05:
        raise Wrong("the Transformer takes no notice of the mistakes. Are they in its prompt, too?")
    return "possible, and complete. Now compare what each loses, and explain it by a vote."


@checker("paradigms.always-stops")
def always_stops(answer: object) -> str:
    """Check a stroke counter that stops on every row."""
    rows = {
        0: [0],
        1: [1 << 30, 1, 0b1110 << 12, (1 << 31) - 1, 3],
        2: [0b101 << 20, (1 << 30) + 1, 0b1100011 << 3, 0b1010101],
    }
    for strokes, numbers in rows.items():
        for number in numbers:
            got = as_number(_run(answer, number), "line 31")
            if np.sign(got) == (0, 1, -1)[strokes] and (strokes != 1 or got == 1):
                continue
            if strokes == 1 and got > 1:
                raise Wrong(f"for one stroke line 31 is to hold 1, not {got:.0f}.")
            raise Wrong(
                f"the number {number} (strokes: {strokes}) leaves {got:.0f} in line 31. "
                "Is line 31 what you think before the first instruction?"
            )
    return "right for ten rows, the empty one included."

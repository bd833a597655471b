import re

import pytest

from coursepkg import check
from coursepkg.checks.verdict import CHECKERS
from tests.checks.wrong_answers import WRONG

CASES = [(exercise, *case) for exercise, cases in WRONG.items() for case in cases]


@pytest.mark.parametrize(("exercise", "answer", "message"), CASES)
def test_a_wrong_answer_gets_its_own_message(exercise, answer, message):
    verdict = check(exercise, answer)
    assert not verdict.correct
    assert message in verdict.message


@pytest.mark.parametrize("exercise", sorted(WRONG))
def test_the_messages_of_an_exercise_differ(exercise):
    messages = [check(exercise, answer).message for answer, _ in WRONG[exercise]]
    assert len(messages) >= 2
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize(
    ("exercise", "answer"), [("images.parameters", 266_610), ("images.output-shape", 5)]
)
def test_no_message_holds_the_answer(exercise, answer):
    messages = [check(exercise, wrong).message for wrong, _ in WRONG[exercise]]
    assert not any(re.search(rf"\b{answer}\b", text.replace(",", "")) for text in messages)


def test_every_checker_has_wrong_answers():
    for exercise in WRONG:
        check(exercise, None)  # loads the checkers of its chapter
    assert set(CHECKERS) == set(WRONG)

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursepkg.background.expert import Consultation, Rule, certainty_factor, combine

STRENGTHS = st.floats(0, 1)
RULES = [
    Rule("R1", (("stain", "neg"), ("shape", "rod"), ("air", "no")), "identity", "B", 0.6),
    Rule("R2", (("infection", "blood"), ("portal", "gut")), "identity", "B", 0.7),
    Rule("R3", (("air", "yes"),), "identity", "B", -0.9),
    Rule("R4", (("site", "blood"),), "infection", "blood", 1.0),
]
CASE = {"stain": "neg", "shape": "rod", "air": "no", "site": "blood", "portal": "gut"}


def consult(rules=RULES, **changes):
    answers = {attribute: {value: 1.0} for attribute, value in CASE.items()} | changes
    return Consultation(rules, lambda attribute: answers.get(attribute, {}))


@given(STRENGTHS, STRENGTHS)
def test_combination_is_symmetric_grows_and_stays_below_1(a, b):
    assert combine(a, b) == pytest.approx(combine(b, a))
    assert max(a, b) - 1e-12 <= combine(a, b) <= 1 + 1e-12


@given(st.lists(st.floats(-0.9, 0.9), max_size=5))
def test_the_order_of_the_evidence_does_not_matter(evidence):
    results = [certainty_factor(order) for order in itertools.permutations(evidence)]
    assert results == pytest.approx([results[0]] * len(results))


def test_evidence_for_and_against():
    assert certainty_factor([]) == 0
    assert certainty_factor([0.6, 0.7]) == pytest.approx(0.88)
    assert certainty_factor([0.6, 0.7, -0.5]) == pytest.approx(0.38)
    assert certainty_factor([-0.6, -0.7]) == pytest.approx(-0.88)


def test_two_rules_and_a_chain():
    consultation = consult()
    assert consultation.find("identity") == pytest.approx({"B": 0.88})
    assert consultation.asked == ["stain", "shape", "air", "site", "portal"]
    assert [rule.name for rule, _ in consultation.used] == ["R1", "R4", "R2"]


def test_the_weakest_condition_limits_a_rule():
    found = consult(rules=RULES[:1], shape={"rod": 0.5}, stain={"neg": 0.8}).find("identity")
    assert found == pytest.approx({"B": 0.3})


def test_evidence_against_counts():
    consultation = consult(air={"yes": 1.0})
    assert consultation.find("identity") == pytest.approx({"B": 0.7 - 0.9})


@pytest.mark.parametrize(("certainty", "counts"), [(0.2, False), (0.21, True)])
def test_a_premise_must_pass_the_threshold(certainty, counts):
    found = consult(rules=RULES[:1], stain={"neg": certainty}).find("identity")
    assert bool(found) is counts


def test_nothing_is_asked_twice_or_in_vain():
    consultation = consult(stain={"pos": 1.0})
    consultation.find("identity")
    consultation.find("identity")
    assert consultation.asked == ["stain", "site", "portal", "air"]
    assert [rule.name for rule, _ in consultation.used] == ["R4", "R2"]


def test_an_unknown_answer_leaves_the_question_open():
    assert Consultation(RULES, lambda attribute: {}).find("identity") == {}


def test_the_answers_stay_the_users():
    answer = {"blood": 1.0}
    consultation = Consultation(RULES, lambda attribute: answer)
    consultation.find("site")["blood"] = 0.0
    assert answer == {"blood": 1.0}


def test_the_explanation_names_rule_reason_and_strength():
    consultation = consult(rules=RULES[:1])
    consultation.find("identity")
    assert consultation.explain() == (
        "R1: because stain is neg and shape is rod and air is no, identity is B (+0.60)"
    )


def test_rules_in_a_circle():
    rules = [Rule("a", (("x", "1"),), "y", "1", 1.0), Rule("b", (("y", "1"),), "x", "1", 1.0)]
    with pytest.raises(ValueError, match="x needs y needs x"):
        Consultation(rules, lambda attribute: {}).find("x")


@pytest.mark.parametrize("certainty", [-1.1, 1.1, float("nan")])
def test_a_certainty_lies_between_minus_1_and_1(certainty):
    with pytest.raises(ValueError, match=r"R: expected a certainty in \[-1, 1\]"):
        Rule("R", (("x", "1"),), "y", "1", certainty)


def test_a_rule_has_a_condition():
    with pytest.raises(ValueError, match="R: expected at least one condition"):
        Rule("R", (), "y", "1", 0.5)

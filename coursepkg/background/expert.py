"""A small rule-based expert system with certainty factors, after MYCIN.

Rules conclude something about an attribute from the values of other attributes. To find the value
of an attribute, the system tries each rule that concludes about it, which may make it look for
other attributes first: backward chaining. What no rule concludes about, it asks.

How certainties are combined: E. H. Shortliffe and B. G. Buchanan, "A model of inexact reasoning in
medicine", Mathematical Biosciences 23, 351-379 (1975).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

THRESHOLD = 0.2
"""A premise counts only if it is more certain than this."""


@dataclass(frozen=True)
class Rule:
    """If all conditions hold, conclude, with a certainty.

    Attributes
    ----------
    name : str
    conditions : tuple of (attribute, value)
    attribute, value : str
        The conclusion.
    certainty : float
        From -1, certainly not, to 1, certainly so.

    Raises
    ------
    ValueError
        If there is no condition, or the certainty lies outside [-1, 1].
    """

    name: str
    conditions: tuple[tuple[str, str], ...]
    attribute: str
    value: str
    certainty: float

    def __post_init__(self) -> None:
        """Refuse a rule that can conclude nothing sensible."""
        if not self.conditions:
            raise ValueError(f"{self.name}: expected at least one condition")
        if not -1 <= self.certainty <= 1:
            raise ValueError(f"{self.name}: expected a certainty in [-1, 1], got {self.certainty}")


def combine(old: float, new: float) -> float:
    """Add the strength of new evidence to that of old evidence that points the same way.

    Each piece takes away the same share of the doubt that is left, so the order does not matter
    and the sum stays below 1: ``old + new * (1 - old)``.

    Parameters
    ----------
    old, new : float
        Strengths from 0 to 1.
    """
    return old + new * (1 - old)


def certainty_factor(evidence: Sequence[float]) -> float:
    """Weigh evidence for and against: the measure of belief minus the measure of disbelief.

    Parameters
    ----------
    evidence : sequence of float
        From -1 to 1; negative numbers speak against.
    """
    belief = disbelief = 0.0
    for strength in evidence:
        if strength >= 0:
            belief = combine(belief, strength)
        else:
            disbelief = combine(disbelief, -strength)
    return belief - disbelief


@dataclass
class Consultation:
    """One run of the system about one case.

    Attributes
    ----------
    rules : sequence of Rule
    ask : callable
        Takes an attribute, returns how certain each of its values is, for example
        ``{"blood": 1.0}``; an empty answer means unknown.
    known : dict
        What was found about each attribute so far.
    asked : list of str
        The questions put so far, in order.
    used : list of (Rule, float)
        The rules that counted, in order, and the evidence that each gave.
    """

    rules: Sequence[Rule]
    ask: Callable[[str], Mapping[str, float]]
    known: dict[str, dict[str, float]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    used: list[tuple[Rule, float]] = field(default_factory=list)

    def find(self, attribute: str, above: tuple[str, ...] = ()) -> dict[str, float]:
        """Find how certain each value of an attribute is.

        Raises
        ------
        ValueError
            If rules lead from the attribute back to itself.
        """
        if attribute in above:
            raise ValueError("rules in a circle: " + " needs ".join((*above, attribute)))
        if attribute not in self.known:
            rules = [rule for rule in self.rules if rule.attribute == attribute]
            if rules:
                self.known[attribute] = self._infer(rules, (*above, attribute))
            else:
                self.asked.append(attribute)
                self.known[attribute] = dict(self.ask(attribute))
        return self.known[attribute]

    def _infer(self, rules: Sequence[Rule], above: tuple[str, ...]) -> dict[str, float]:
        evidence: dict[str, list[float]] = {}
        for rule in rules:
            premise = self._premise(rule, above)
            if premise > THRESHOLD:
                strength = premise * rule.certainty
                evidence.setdefault(rule.value, []).append(strength)
                self.used.append((rule, strength))
        return {value: certainty_factor(strengths) for value, strengths in evidence.items()}

    def _premise(self, rule: Rule, above: tuple[str, ...]) -> float:
        """Return the certainty of the weakest condition; stop at one that does not hold."""
        weakest = 1.0
        for attribute, value in rule.conditions:
            weakest = min(weakest, self.find(attribute, above).get(value, 0.0))
            if weakest <= THRESHOLD:
                return 0.0
        return weakest

    def explain(self) -> str:
        """Say which rules were used, why, and what each contributed."""
        return "\n".join(
            f"{rule.name}: because "
            + " and ".join(f"{attribute} is {value}" for attribute, value in rule.conditions)
            + f", {rule.attribute} is {rule.value} ({strength:+.2f})"
            for rule, strength in self.used
        )

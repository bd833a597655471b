"""Checkers of the exercises: they say what is wrong and how to find it, never the answer."""

from coursepkg.checks.verdict import Verdict, check

__all__ = ["Verdict", "check"]

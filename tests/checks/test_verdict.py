import pytest

from coursepkg import check
from coursepkg.checks import Verdict
from coursepkg.checks.verdict import Wrong, as_number, call


def test_an_unknown_exercise_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'images\.nothing'; expected one of \['images\."):
        check("images.nothing", 1)
    with pytest.raises(ValueError, match="chapter"):
        check("no-such-chapter.nothing", 1)
    with pytest.raises(ValueError, match="chapter"):
        check("", 1)


def test_no_answer_is_neither_right_nor_an_error():
    verdict = check("images.parameters", None)
    assert not verdict.correct
    assert "no answer yet" in verdict.message


def test_a_verdict_shows_itself_on_one_line():
    assert repr(Verdict("a.b", True, "right.")) == "✓ a.b: right."
    assert repr(Verdict("a.b", False, "wrong.")) == "✗ a.b: wrong."


@pytest.mark.parametrize("answer", ["3", True, [3], 1j])
def test_what_is_no_number_is_said(answer):
    with pytest.raises(Wrong, match="expected a number, of cats; got"):
        as_number(answer, "of cats")


def test_a_raising_function_is_reported():
    with pytest.raises(Wrong, match="your function raised ZeroDivisionError"):
        call(lambda: 1 / 0)
    with pytest.raises(Wrong, match=r"expected a function .*; got float"):
        call(1.0)

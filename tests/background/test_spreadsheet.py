import math

import pytest

from coursepkg.background.spreadsheet import Sheet


def sheet(**cells):
    one = Sheet()
    for cell, text in cells.items():
        one.type(cell, text)
    return one


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("7", 7), ("-2.5", -2.5), ("=2+3*4", 14), ("=(2+3)*4", 20), ("=10-4-3", 3),
        ("=8/4/2", 1), ("=-A1", -3), ("=a1*b1", 15), ("=SUM(A1:B2)", 8), ("=sum(a1:a1)*2", 6),
        ("=SUM(A1:B1)-Z9", 8),
    ],
)  # fmt: skip
def test_formulas(formula, value):
    one = sheet(A1=3, B1="5", C1=formula)
    one.recalculate()
    assert one.values["C1"] == value


def test_the_order_of_typing_does_not_matter():
    one = sheet(C1="=B1+1", B1="=A1*2", A1="10")
    assert one.recalculate() == ["A1", "B1", "C1"]
    assert one.values == {"A1": 10, "B1": 20, "C1": 21}


def test_each_cell_is_calculated_once():
    one = sheet(A1=1, B1="=A1+A1", C1="=A1+B1", D1="=B1+C1+A1")
    assert sorted(one.recalculate()) == ["A1", "B1", "C1", "D1"]


def test_a_change_reaches_all_that_depends_on_it():
    one = sheet(A1=1, B1="=A1+1", C1="=B1+1")
    one.recalculate()
    one.type("A1", 10)
    one.recalculate()
    assert one.values["C1"] == 12


def test_a_sweep_uses_old_values_for_what_comes_later():
    one = sheet(A1="=B2*2", B2=21)
    one.sweep()
    assert one.values["A1"] == 0
    one.sweep()
    assert one.values["A1"] == 42


@pytest.mark.parametrize(("by", "value"), [("columns", 0), ("rows", 5)])
def test_the_two_orders_of_a_sweep_differ(by, value):
    one = sheet(B1=5, A2="=B1")
    one.sweep(by)
    assert one.values["A2"] == value


def test_line_10_comes_after_line_9():
    one = sheet(A9=4, A10="=A9")
    one.sweep()
    assert one.values["A10"] == 4


def test_division_by_zero_shows_no_number():
    one = sheet(A1="=1/B1", C1="=A1+1")
    one.recalculate()
    assert math.isnan(one.values["C1"])


def test_cells_in_a_circle():
    with pytest.raises(ValueError, match="A1 needs B1 needs C1 needs A1"):
        sheet(A1="=B1", B1="=C1+2", C1="=A1").recalculate()


@pytest.mark.parametrize("cell", ["", "a1", "A0", "1A", "AA1", "A"])
def test_names_of_cells(cell):
    with pytest.raises(ValueError, match="expected a cell such as B3"):
        Sheet().type(cell, 1)


@pytest.mark.parametrize(
    "formula",
    ["=1+", "=two", "=A1**2", "=A1//2", "='x'", "=max(A1)", "=True", "=A1.real", "=1j", "", "=+A1"],
)
def test_formulas_that_make_no_sense(formula):
    one = sheet(A1=3)
    with pytest.raises(ValueError, match="expected"):
        one.type("B1", formula)
    assert "B1" not in one.formulas


def test_a_range_runs_from_top_left():
    with pytest.raises(ValueError, match="top left"):
        Sheet().type("A1", "=SUM(B2:A1)")


def test_sweeps_go_by_columns_or_rows():
    with pytest.raises(ValueError, match="'columns' or 'rows', got 'diagonal'"):
        Sheet().sweep("diagonal")

"""A spreadsheet in miniature: cells that hold numbers or formulas, and two ways to recalculate.

VisiCalc (1979) went over the sheet cell by cell, down the columns or across the rows, and each
formula used what the other cells held at that moment. Later programs first calculate the cells
that a formula needs.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable

_CELL = re.compile(r"[A-Z][1-9][0-9]*")
_RANGE = re.compile(r"SUM\(([A-Z])([1-9][0-9]*):([A-Z])([1-9][0-9]*)\)")
_OPERATIONS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class Sheet:
    """Cells with names such as B3, column B and row 3.

    Attributes
    ----------
    formulas : dict of str
        What the user typed into each cell: a number, or a formula such as ``=B1*(B2-1)`` or
        ``=SUM(A1:A9)``.
    values : dict of float
        What each cell showed after the last calculation.
    """

    def __init__(self) -> None:
        self.formulas: dict[str, str] = {}
        self.values: dict[str, float] = {}
        self._trees: dict[str, ast.expr] = {}

    def type(self, cell: str, text: str | float) -> None:
        """Type a number or a formula into a cell; nothing is calculated yet.

        Raises
        ------
        ValueError
            If the name or the formula cannot be understood.
        """
        if not _CELL.fullmatch(cell):
            raise ValueError(f"expected a cell such as B3, got {cell!r}")
        self._trees[cell] = _parse(str(text).removeprefix("="))
        self.formulas[cell] = str(text)

    def needs(self, cell: str) -> list[str]:
        """List the cells that a cell's formula mentions."""
        tree = self._trees.get(cell)
        names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)] if tree else []
        return list(dict.fromkeys(names))

    def sweep(self, by: str = "columns") -> None:
        """Calculate each cell once, in a fixed order, as VisiCalc did.

        Parameters
        ----------
        by : str
            ``"columns"``, down one column after the other, or ``"rows"``, across one row after
            the other.

        Raises
        ------
        ValueError
            If `by` is neither.
        """
        orders = {
            "columns": lambda cell: (cell[0], int(cell[1:])),
            "rows": lambda cell: (int(cell[1:]), cell[0]),
        }
        if by not in orders:
            raise ValueError(f"expected 'columns' or 'rows', got {by!r}")
        for cell in sorted(self._trees, key=orders[by]):
            self.values[cell] = self._evaluate(self._trees[cell])

    def recalculate(self) -> list[str]:
        """Calculate each cell after all the cells that it needs, and return that order.

        Raises
        ------
        ValueError
            If a cell needs itself, directly or through others.
        """
        order: list[str] = []

        def calculate(cell: str, above: tuple[str, ...]) -> None:
            if cell in above:
                raise ValueError("cells in a circle: " + " needs ".join((*above, cell)))
            if cell in order or cell not in self._trees:
                return
            for needed in self.needs(cell):
                calculate(needed, (*above, cell))
            self.values[cell] = self._evaluate(self._trees[cell])
            order.append(cell)

        for cell in self._trees:
            calculate(cell, ())
        return order

    def _evaluate(self, node: ast.expr) -> float:
        if isinstance(node, ast.Constant):
            return float(node.value)
        if isinstance(node, ast.Name):
            return self.values.get(node.id, 0.0)  # an empty cell counts as 0
        if isinstance(node, ast.UnaryOp):
            return -self._evaluate(node.operand)
        left, right = self._evaluate(node.left), self._evaluate(node.right)
        try:
            return _OPERATIONS[type(node.op)](left, right)
        except ZeroDivisionError:
            return float("nan")


def _parse(formula: str) -> ast.expr:
    """Turn a formula into a tree of numbers, cells, and the four operations."""
    try:
        tree = ast.parse(_RANGE.sub(_spelled_out, formula.upper()).strip(), mode="eval").body
    except SyntaxError:
        raise ValueError(f"expected a formula such as =B1*(B2-1), got {formula!r}") from None
    for node in ast.walk(tree):
        allowed = (
            (isinstance(node, ast.Name) and _CELL.fullmatch(node.id))
            or (isinstance(node, ast.Constant) and type(node.value) in (int, float))
            or isinstance(node, ast.BinOp | ast.UnaryOp | ast.USub | ast.Load)
            or type(node) in _OPERATIONS
        )  # fmt: skip
        if not allowed:
            raise ValueError(
                f"expected numbers, cells, + - * /, parentheses and SUM, got {formula!r}"
            )
    return tree


def _spelled_out(match: re.Match[str]) -> str:
    """Write SUM(A1:B2) as (A1+A2+B1+B2)."""
    left, top, right, bottom = match.groups()
    cells = [
        f"{chr(column)}{row}"
        for column in range(ord(left), ord(right) + 1)
        for row in range(int(top), int(bottom) + 1)
    ]
    if not cells:
        raise ValueError(f"expected a range from its top left to its bottom right, got {match[0]}")
    return f"({'+'.join(cells)})"

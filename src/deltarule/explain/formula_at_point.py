"""A recorded formula at given numbers: which of its cases holds, shown with symbols and numbers.

The formulas are recorded from the functions that compute; none is written a second time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.number_format import number_box, number_text
from deltarule.explain.symbols import Mark
from deltarule.maths import SymbolicFormula, numpy_namespace
from deltarule.maths.printing.boxes import Box, Number, Scripted, Shown, Symbol, Where
from deltarule.maths.printing.display import Case
from deltarule.maths.printing.layout import index_letter, layout, layout_condition
from deltarule.maths.printing.markup import box_text
from deltarule.maths.symbolic import ARITHMETIC, COMPARISONS, Expr, reachable

__all__ = [
    "FormulaAtPoint",
    "agrees",
    "evaluated",
    "recorded_or_none",
    "reduces_row",
    "short_constant",
    "uses",
]

_PYTHON: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in (*ARITHMETIC, *COMPARISONS)},
    "negative": np.negative,
}
# The most characters, as text, of a formula shown with numbers in place, and of one shown at all.
_LONGEST = 90
_PAGE = 250


@functools.lru_cache(maxsize=64)
def recorded_or_none(record: Callable[..., Any], *arguments: Any) -> Any:
    """The result of ``symbolic_activation`` or ``symbolic_loss``; None if recording fails."""
    try:
        return record(*arguments)
    except InputError:
        return None


def uses(formula: SymbolicFormula, argument: str) -> bool:
    """Whether the formula depends on an argument."""
    return any(expr.op == "variable" and expr.data == argument for expr in formula.expressions())


def reduces_row(roots: list[Expr]) -> bool:
    """Whether the expressions sum over the outputs of a row, or take their largest."""
    return any(expr.op in ("total", "largest") for expr in reachable(roots))


def evaluated(roots: list[Expr], values: Mapping[str, Any]) -> dict[int, Any]:
    """The float64 value of every expression that the roots consist of, by its index.

    The roots belong to one recording namespace; ``values`` has the variables, with the outputs of a
    row on the last axis.

    Examples
    --------
    >>> from deltarule.maths.symbolic import SymbolicNamespace
    >>> xp = SymbolicNamespace()
    >>> root = 1 + xp.exp(-xp.variable("z"))
    >>> float(evaluated([root], {"z": 0.0})[root.index])
    2.0
    """
    xp = numpy_namespace(np.float64)
    found: dict[int, Any] = {}
    like = next(iter(values.values()), 0.0)
    with np.errstate(all="ignore"):
        for expr in reachable(roots):
            args = [found[argument.index] for argument in expr.args]
            if expr.op == "variable":
                value = values[expr.data]
            elif expr.op == "constant":
                value = expr.data
            elif expr.op == "symbol":
                value = expr.data[2]
            elif expr.op == "per_output":
                value = xp.per_output(expr.data[1], like)
            elif expr.op == "n_outputs":
                value = xp.n_outputs(like)
            elif expr.op in _PYTHON:
                value = _PYTHON[expr.op](*args)
            else:
                value = getattr(xp, expr.op)(*args)
            found[expr.index] = value
    return found


class FormulaAtPoint:
    """A result of a recorded formula at the numbers of one row.

    ``result`` names the result. ``values`` has the arguments for every output of the row, each of
    shape (n,), and ``marks`` their symbols at output ``j``; ``layer`` is that of the arguments, for
    the symbols of other outputs. Without a formula nothing is shown.
    """

    def __init__(
        self,
        formula: SymbolicFormula | None,
        result: str | None,
        values: Mapping[str, Any],
        marks: Mapping[str, Mark],
        layer: int = 0,
        j: int = 0,
    ) -> None:
        self._formula, self._result = formula, result
        self._values = {name: np.atleast_2d(np.asarray(v, float)) for name, v in values.items()}
        self._marks, self._layer, self._j = marks, layer, j

    def shown(self) -> dict[str, Any]:
        """The arguments of :class:`Derivation` that show this formula."""
        return {"formula": self.formula, "numbers": self.numbers, "case": self.case}

    def value(self, changes: Mapping[str, float] | None = None) -> float:
        """The result at these numbers, in float64; ``changes`` replace arguments at output j."""
        values = {name: row.copy() for name, row in self._values.items()}
        for name, number in (changes or {}).items():
            values[name][0, self._j if values[name].shape[-1] > 1 else 0] = number
        return self._at(evaluated([self._root], values)[self._root.index])

    def formula(self) -> Box | None:
        """The case that holds, with symbols; None if it is too long."""
        box = self._laid_out(self._symbol)
        return None if box is None or len(box_text(box)) > _PAGE else box

    def before(self, computed: FormulaAtPoint, value: float) -> dict[str, Any]:
        """The arguments of :class:`Derivation` that show this textbook's form first.

        ``computed`` is the formula that gave ``value``. Where this form loses digits, it is shown
        without numbers, and a note has what it would give.
        """

        def folded() -> Box | None:
            own, box = self.formula(), computed.formula()
            same = own is not None and box is not None and box_text(own) == box_text(box)
            return None if same else box

        shown = {"formula": self.formula, "numbers": self.numbers, "computed": folded}
        if agrees(self.value(), value):
            return shown
        words = f"in floating point this form gives {number_text(self.value())}"
        return shown | {"numbers": _nothing, "note": f"{words}: digits are lost"}

    def numbers(self, digits: int) -> Box | None:
        """The case that holds, with numbers; None if it is long or depends on other outputs."""
        if self._formula is None or reduces_row([self._root]):
            return None

        def name(expr: Expr, depth: int) -> Box | None:
            if expr.op == "variable" and expr.data in self._values:
                return number_box(self._at(self._values[expr.data]), digits)
            return self._symbol(expr, depth)

        box = self._laid_out(name)
        if box is None or isinstance(box, Where) or len(box_text(box)) > _LONGEST:
            return None
        return box

    def case(self) -> Box | None:
        """The condition under which this case holds; None if there is only one case."""
        if self._formula is None:
            return None
        try:
            box = layout_condition(self._root, self._symbol, self._holds)
        except InputError:
            return None
        return None if box is None or len(box_text(box)) > _LONGEST else box

    @property
    def _root(self) -> Expr:
        assert self._formula is not None
        return self._formula.result(self._result)

    def _at(self, row: Any) -> float:
        row = np.asarray(row)
        if row.ndim == 0:
            return float(row)
        return float(row[0, self._j if row.shape[-1] > 1 else 0])

    def _laid_out(self, names: Callable[[Expr, int], Box | None]) -> Box | None:
        if self._formula is None:
            return None
        try:
            return layout(self._root, names, self._choose)
        except InputError:  # too long to lay out
            return None

    def _choose(self, rows: list[Case]) -> Case:
        true = (row for row in rows if all(map(self._holds, row.conditions)))
        return next(true, rows[-1])

    def _holds(self, condition: Expr) -> bool:
        return bool(self._at(evaluated([condition], self._values)[condition.index]))

    def _symbol(self, expr: Expr, depth: int) -> Box | None:
        if expr.op == "constant":
            return short_constant(expr.data)
        if expr.op == "n_outputs":
            return Number(str(next(iter(self._values.values())).shape[-1]))
        if expr.op == "per_output":
            values = expr.data[1]
            return _rounded(values[self._j % len(values)]) if depth == 0 else None
        if expr.op != "variable" or expr.data not in self._marks:
            return None
        if depth == 0:
            return self._marks[expr.data].box
        above = "" if expr.data == "y" else str(self._layer)
        return Scripted(Symbol(expr.data, expr.data), index_letter(depth), above)


def agrees(shown: float, computed: float, tolerance: float = 1e-9) -> bool:
    """Whether a number from a textbook's form is the computed one, within a relative tolerance."""
    shown, computed = float(shown), float(computed)
    return shown == computed or abs(shown - computed) <= tolerance * abs(computed)


def _nothing(digits: int) -> Box | None:
    return None


def short_constant(value: Any) -> Box | None:
    """A constant with many digits, rounded: 1 − 0.9 is shown as 0.1; None if it is short."""
    text = repr(value)
    if isinstance(value, int) or not np.isfinite(value) or (len(text) <= 8 and "e" not in text):
        return None
    return _rounded(value)


def _rounded(value: float) -> Shown:
    mantissa, _, exponent = f"{abs(value):.6g}".partition("e")
    return Shown(mantissa, str(int(exponent)) if exponent else "", value < 0)

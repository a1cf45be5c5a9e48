"""One number and where it came from: a tree that is computed as far as it is looked at.

A node is a sum of its parts, a product of them, or a function; or it is given. Whatever a builder
says a node's value is, :meth:`Derivation.recombined` makes it again from the parts, and the two
agree: that is what a derivation is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.number_format import DIGITS, product_box, sum_box
from deltarule.explain.symbols import Mark
from deltarule.maths.printing.boxes import Box

__all__ = ["DEPTH", "TERMS", "Derivation", "Remainder", "added", "check_limits"]

DEPTH, TERMS = 2, 8

_Make = Callable[[int], "Derivation"]
_Numbers = Callable[[int], Box | None]

# A sum of so few terms is shown with the numbers in place; of more, the terms are lines.
_FEW = 4
# So many arguments of a function are always shown.
_ARGUMENTS = 6


@dataclasses.dataclass(frozen=True)
class Remainder:
    """What is left out of a sum or of a function's arguments.

    Attributes
    ----------
    count : int
        How many parts.
    value : float or None
        Their sum, added up from the left-out terms themselves; None if they are arguments, which
        are not added.
    """

    count: int
    value: float | None


class Derivation:
    """A number, its formula, and the numbers it is made of.

    Parts are made when they are asked for, and not kept: a weight of three layers of 256 nodes
    has hundreds of thousands of them. Where a sum has more terms than are to be shown, the
    largest are kept, in their order, and the others are one remainder, so that what is shown still
    adds up.

    Attributes
    ----------
    value : float
        In float64, from the one forward and backward pass of the trace.
    kind : str
        ``"given"``, ``"product"``, ``"sum"``, ``"function"``, or ``"limit"``: a product of which
        the factors are at their limits, whose value its last part gives.
    mark : Mark
        Its symbol.
    law : str
        The formula's number in the mathematics: ``"F6"``.
    note : str
        What a reader should know besides.

    Examples
    --------
    >>> from deltarule import Network, explain
    >>> net = Network([1, 1], output_activation="logistic", activation=[], bias=False)
    >>> e = explain(net, [[2.0]], [[1.0]], theta=[0.25])
    >>> print(e.weight(1, 0, 0, 0).text(depth=1))
    ∂C_0/∂w_00^1 = ∂C_0/∂a_0^1 · ∂a_0^1/∂z_0^1 · ∂z_0^1/∂w_00^1
                 = −0.755081 · 0.235004 · 2.000000
                 = −0.354894  (F6)
    ├─ ∂C_0/∂a_0^1 = 2 (a_0^1 − y_0) = 2 (0.622459 − 1.000000) = −0.755081  (F7)
    ├─ ∂a_0^1/∂z_0^1 = e^(−|z_0^1|)/(1 + e^(−|z_0^1|))^2
    │                = e^(−|0.500000|)/(1 + e^(−|0.500000|))^2
    │                = 0.235004  (F8)
    └─ ∂z_0^1/∂w_00^1 = x_0 = 2.000000  (F9)
    """

    def __init__(
        self,
        mark: Mark,
        value: float,
        kind: str = "given",
        *,
        part_values: Any = (),
        make: _Make | None = None,
        formula: Box | Callable[[], Box | None] | None = None,
        numbers: _Numbers | None = None,
        combine: Callable[[Sequence[float]], float] | None = None,
        case: Callable[[], Box | None] | None = None,
        law: str = "",
        note: str = "",
    ) -> None:
        self.mark, self.value, self.kind = mark, float(value), kind
        self.law, self.note = law, note
        self._formula, self._case = formula, case
        self.part_values = np.asarray(part_values, dtype=np.float64)
        self._make, self._numbers, self._combine = make, numbers, combine

    @property
    def formula(self) -> Box | None:
        """How the parts give the value, with symbols; laid out when it is asked for."""
        if callable(self._formula):
            self._formula = self._formula()
        return self._formula

    @property
    def n_parts(self) -> int:
        """How many parts it is made of; 0 if it is given."""
        return len(self.part_values)

    def part(self, index: int) -> Derivation:
        """One part, made now.

        Raises
        ------
        InputError
            If there is none of that number.
        """
        if self._make is None or not 0 <= index < self.n_parts:
            raise InputError(
                f"{self.mark.key} has {self.n_parts} parts; there is no part {index!r}; expected "
                f"a number from 0, below {self.n_parts}"
            )
        return self._make(index)

    def parts(self, terms: int | None = None) -> tuple[list[Derivation], Remainder | None]:
        """The parts that are shown, and what is left out.

        Parameters
        ----------
        terms : int, optional
            The most terms of a sum, or arguments of a function; all if not given. One that would
            be left out alone is shown. The factors of a product are always shown.
        """
        shown = self.shown(terms)
        left = self.n_parts - len(shown)
        if not left:
            return [self.part(index) for index in shown], None
        total = None
        if self.kind == "sum":
            kept = np.ones(self.n_parts, dtype=bool)
            kept[shown] = False
            total = added(self.part_values[kept])
        return [self.part(index) for index in shown], Remainder(left, total)

    def shown(self, terms: int | None = None) -> list[int]:
        """Which parts are shown: the largest terms, in their order."""
        n = self.n_parts
        if terms is None or n <= terms + 1 or self.kind not in ("sum", "function"):
            return list(range(n))
        if self.kind == "function":  # a rule has a few arguments, softmax one for each output
            return list(range(n if n <= _ARGUMENTS else terms))
        size = np.nan_to_num(np.abs(self.part_values), nan=np.inf)
        return sorted(np.argsort(-size, kind="stable")[:terms].tolist())

    def recombined(self, values: Sequence[float] | None = None) -> float:
        """The value again, from the values of all the parts, which are made for it if not given."""
        if values is None:
            values = [self.part(index).value for index in range(self.n_parts)]
        if self.kind == "given":
            return self.value
        if self.kind == "sum":
            return added(values)
        if self.kind == "product":
            return float(math.prod(values))
        if self._combine is None:
            raise InputError(f"{self.mark.key} does not say how its parts give it")
        return float(self._combine(values))

    def show_numbers(self, numbers: _Numbers) -> None:
        """Show other numbers in place of the formula's symbols."""
        self._numbers = numbers

    def without_formula(self) -> Derivation:
        """Itself, where the symbol is the formula."""
        self._formula = None
        return self

    def numbers(self, digits: int = DIGITS) -> Box | None:
        """The formula with the numbers in place, or None where that says no more."""
        if self._numbers is not None:
            return self._numbers(digits)
        if self.kind == "product" and self.n_parts > 1:
            return product_box(self.part_values, digits)
        if self.kind == "sum" and 1 < self.n_parts <= _FEW:
            return sum_box(self.part_values, digits)
        return None

    def case(self) -> Box | None:
        """The condition under which the formula is this one, where it has cases."""
        return None if self._case is None else self._case()

    def text(self, *, depth: int = DEPTH, terms: int = TERMS, digits: int = DIGITS) -> str:
        """The tree in plain text.

        Parameters
        ----------
        depth : int
            How many levels below this number are shown.
        terms : int
            The most terms of a sum; the largest are shown, in their order, and the others as one
            remainder.
        digits : int
            Decimals of a number.
        """
        from deltarule.explain.render.text import tree_text

        return tree_text(self, *check_limits(depth, terms, digits))

    def latex(
        self,
        *,
        depth: int = DEPTH,
        terms: int = TERMS,
        digits: int = DIGITS,
        standalone: bool = True,
    ) -> str:
        """The tree in LaTeX: a document, or with ``standalone=False`` what belongs in one.

        A document of your own needs the package amsmath.
        """
        from deltarule.explain.render.latex import document, tree_latex

        body = tree_latex(self, *check_limits(depth, terms, digits))
        return document([body]) if standalone else body

    def to_dict(
        self, *, depth: int = DEPTH, terms: int = TERMS, digits: int = DIGITS
    ) -> dict[str, Any]:
        """The tree as JSON can hold it; numbers with all their digits.

        A number that is not finite is a string.
        """
        from deltarule.explain.render.text import tree_dict

        return tree_dict(self, *check_limits(depth, terms, digits))

    def _repr_html_(self) -> str:
        from deltarule.explain.render.html import tree_html

        return tree_html(self, DEPTH, TERMS, DIGITS)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Derivation of {self.mark.key} = {self.value!r}: {self.kind}>"


def check_limits(depth: int, terms: int, digits: int) -> tuple[int, int, int]:
    """Whether a tree can be shown so; what was given, as whole numbers.

    Raises
    ------
    InputError
        If one is no whole number, or too small.
    """
    limits = (("depth", depth, 0, 100), ("terms", terms, 1, 10**9), ("digits", digits, 1, 17))
    for name, value, least, most in limits:
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            raise InputError(
                parameter=name, given=value, expected=f"a whole number from {least} to {most}"
            )
    return int(depth), int(terms), int(digits)


def added(values: Any) -> float:
    """The sum, rounded once where all terms are finite.

    Examples
    --------
    >>> added([0.1] * 10), added([1.0, float("inf")])
    (1.0, inf)
    """
    numbers = [float(x) for x in values]
    if all(map(math.isfinite, numbers)):
        try:
            return math.fsum(numbers)
        except OverflowError:
            pass
    with np.errstate(all="ignore"):
        return float(np.sum(numbers))

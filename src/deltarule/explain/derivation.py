"""A number and the parts it is computed from: a tree whose parts are made when they are asked for.

A derivation is a sum of its parts, a product of them, or a function of them; or its number is
given. Its value is set by the builder; :meth:`Derivation.recombined` computes it again from the
parts, and tests hold the two equal.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.number_format import DIGITS, product_box, sum_box
from deltarule.explain.symbols import Mark
from deltarule.maths.printing.boxes import Box

__all__ = ["DEPTH", "TERMS", "Derivation", "Remainder", "check_limits", "float_sum"]

DEPTH, TERMS = 2, 8

_Make = Callable[[int], "Derivation"]
_Numbers = Callable[[int], Box | None]

# A sum of at most this many terms is shown with the numbers in place.
_FEW = 4
# At most this many arguments of a function are always shown.
_ARGUMENTS = 6


@dataclasses.dataclass(frozen=True)
class Remainder:
    """The parts of a sum, or arguments of a function, that are not shown.

    Attributes
    ----------
    count : int
        The number of parts that are not shown, without those that are exactly 0.
    value : float or None
        The sum of these terms; None for arguments of a function.
    zeros : int
        The number of terms that are exactly 0 and not shown.
    """

    count: int
    value: float | None
    zeros: int = 0


class Derivation:
    """A number, its formula, and the numbers it is computed from.

    Parts are made when they are asked for, and not kept: the tree of a weight in a network with
    three layers of 256 nodes has hundreds of thousands of them. Where a sum has more terms than are
    to be shown, the largest are shown, in their order, and the others as one remainder; so are
    terms that are exactly 0, if there are several.

    Attributes
    ----------
    value : float
        In float64, from the one forward and backward pass of the trace.
    kind : str
        ``"given"``, ``"product"``, ``"sum"``, ``"function"``, or ``"limit"``: a product whose
        factors are at their limits, and whose value is that of its last part.
    mark : Mark
        The symbol.
    law : str
        The formula's number in the mathematics: ``"F6"``.
    note : str
        A remark that is shown beside the formula.
    focus : int or None
        The only part whose own parts a text shows, where the others are alike: of softmax, z_j.

    Examples
    --------
    >>> from deltarule import Network, explain
    >>> net = Network([1, 1], output_activation="logistic", activation=[], bias=False)
    >>> e = explain(net, [[2.0]], [[1.0]], theta=[0.25])
    >>> print(e.weight(1, 0, 0, 0).text(depth=1))
    ∂C₀/∂w₀₀⁽¹⁾ = ∂C₀/∂a₀⁽¹⁾ · ∂a₀⁽¹⁾/∂z₀⁽¹⁾ · ∂z₀⁽¹⁾/∂w₀₀⁽¹⁾
                = −0.755081 · 0.235004 · 2.000000
                = −0.354894  (F6)
    ├─ ∂C₀/∂a₀⁽¹⁾ = 2 (a₀⁽¹⁾ − y₀) = 2 (0.622459 − 1.000000) = −0.755081  (F7)
    ├─ ∂a₀⁽¹⁾/∂z₀⁽¹⁾ = a₀⁽¹⁾ (1 − a₀⁽¹⁾) = 0.622459 (1 − 0.622459) = 0.235004  (F8)
    └─ ∂z₀⁽¹⁾/∂w₀₀⁽¹⁾ = x₀ = 2.000000  (F9)
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
        computed: Callable[[], Box | None] | None = None,
        focus: int | None = None,
        law: str = "",
        note: str = "",
    ) -> None:
        self.mark, self.value, self.kind = mark, float(value), kind
        self.law, self.note, self.focus = law, note, focus
        self._formula, self._case, self._computed = formula, case, computed
        self.part_values = np.asarray(part_values, dtype=np.float64)
        self._make, self._numbers, self._combine = make, numbers, combine

    @property
    def formula(self) -> Box | None:
        """The formula of the value, with symbols; laid out when it is first asked for."""
        if callable(self._formula):
            self._formula = self._formula()
        return self._formula

    @property
    def n_parts(self) -> int:
        """The number of parts; 0 if the number is given."""
        return len(self.part_values)

    def part(self, index: int) -> Derivation:
        """Make a part.

        Raises
        ------
        InputError
            If there is no part of that number.
        """
        if self._make is None or not 0 <= index < self.n_parts:
            raise InputError(
                f"{self.mark.key} has {self.n_parts} parts; there is no part {index!r}; expected "
                f"a number from 0, below {self.n_parts}"
            )
        return self._make(index)

    def with_part(self, last: Derivation) -> Derivation:
        """A function with one more part, which is shown and does not enter the value."""
        made, combine, count = self._make, self._combine, self.n_parts
        assert made is not None
        assert combine is not None
        whole = copy.copy(self)
        whole.part_values = np.append(self.part_values, last.value)
        whole._make = lambda part: last if part == count else made(part)
        whole._combine = lambda values: combine(values[:count])
        return whole

    def parts(self, terms: int | None = None) -> tuple[list[Derivation], Remainder | None]:
        """The parts that are shown, and the remainder.

        Parameters
        ----------
        terms : int, optional
            The most terms of a sum, or arguments of a function; all by default. A remainder of one
            part is shown as that part, and the factors of a product are always shown.
        """
        shown = self.shown(terms)
        left = self.n_parts - len(shown)
        if not left:
            return [self.part(index) for index in shown], None
        total, zeros = None, 0
        if self.kind == "sum":
            kept = np.ones(self.n_parts, dtype=bool)
            kept[shown] = False
            total = float_sum(self.part_values[kept])
            zeros = int((self.part_values[kept] == 0).sum())
        return [self.part(index) for index in shown], Remainder(left - zeros, total, zeros)

    def shown(self, terms: int | None = None) -> list[int]:
        """The numbers of the parts that are shown: the largest terms, in their order.

        Of several terms that are exactly 0 none is shown; of the arguments of a function with a
        focus, it and the largest.
        """
        n = self.n_parts
        if terms is None or self.kind not in ("sum", "function"):
            return list(range(n))
        values = self.part_values
        size = np.nan_to_num(np.abs(values), nan=np.inf)
        if self.kind == "function":  # a rule has few arguments, softmax one for each output
            if n <= max(_ARGUMENTS, terms + 1):
                return list(range(n))
            if self.focus is None:
                return list(range(terms))
            size = np.nan_to_num(values, nan=np.inf, neginf=-np.inf)
            size[self.focus] = np.inf
            return sorted(np.argsort(-size, kind="stable")[:terms].tolist())
        there = np.flatnonzero(values != 0)
        if n - len(there) < 2:
            there = np.arange(n)
        if len(there) <= terms + 1:
            return [int(index) for index in there]
        largest = np.argsort(-size[there], kind="stable")[:terms]
        return sorted(there[largest].tolist())

    def recombined(self, values: Sequence[float] | None = None) -> float:
        """Compute the value from the values of all parts; by default the parts are made for it."""
        if values is None:
            values = [self.part(index).value for index in range(self.n_parts)]
        if self.kind == "given":
            return self.value
        if self.kind == "sum":
            return float_sum(values)
        if self.kind == "product":
            return float(math.prod(values))
        if self._combine is None:
            raise InputError(f"{self.mark.key} has no function that computes it from its parts")
        with np.errstate(all="ignore"):
            return float(self._combine(values))

    def numbers(self, digits: int = DIGITS) -> Box | None:
        """The formula with numbers in place of symbols; None where that adds nothing."""
        if self._numbers is not None:
            return self._numbers(digits)
        if self.kind == "product" and self.n_parts > 1:
            return product_box(self.part_values, digits)
        if self.kind == "sum":
            there = self.part_values[self.part_values != 0]
            if 1 < len(there) <= _FEW:
                return sum_box(there, digits)
        return None

    def case(self) -> Box | None:
        """The condition of the case that the formula shows; None if it has no cases."""
        return None if self._case is None else self._case()

    def computed(self) -> Box | None:
        """The form that is computed, where the formula shown is the textbook's; else None."""
        return None if self._computed is None else self._computed()

    def text(
        self,
        *,
        depth: int | None = None,
        terms: int = TERMS,
        digits: int = DIGITS,
        more: str = "more: depth={}",
    ) -> str:
        """The tree in plain text.

        Parameters
        ----------
        depth : int, optional
            The number of levels below this one; by default two, or fewer where the text would be
            longer than a screen. Its last line then says how to see more.
        terms : int
            The most terms of a sum.
        digits : int
            Decimals of a number.
        more : str
            That line, with ``{}`` for a larger depth.
        """
        from deltarule.explain.render.text import screen_text, tree_text

        if depth is None:
            return screen_text(self, *check_limits(DEPTH, terms, digits), more=more)
        return tree_text(self, *check_limits(depth, terms, digits))

    def latex(
        self,
        *,
        depth: int = DEPTH,
        terms: int = TERMS,
        digits: int = DIGITS,
        standalone: bool = True,
    ) -> str:
        """The tree as a LaTeX document, or a fragment that needs amsmath if not ``standalone``."""
        from deltarule.explain.render.latex import document, tree_latex

        body = tree_latex(self, *check_limits(depth, terms, digits))
        return document([body]) if standalone else body

    def to_dict(
        self, *, depth: int = DEPTH, terms: int = TERMS, digits: int = DIGITS
    ) -> dict[str, Any]:
        """The tree as a dictionary for JSON, with all digits; not finite numbers are text."""
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
    """Return the three as int; raises InputError if one is not a whole number in its range."""
    limits = (("depth", depth, 0, 100), ("terms", terms, 1, 10**9), ("digits", digits, 1, 17))
    for name, value, least, most in limits:
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            raise InputError(
                parameter=name, given=value, expected=f"a whole number from {least} to {most}"
            )
    return int(depth), int(terms), int(digits)


def float_sum(values: Any) -> float:
    """The sum of numbers, rounded only once where all are finite.

    Examples
    --------
    >>> float_sum([0.1] * 10), float_sum([1.0, float("inf")])
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

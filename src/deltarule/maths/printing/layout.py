"""Layout of expressions as boxes: fractions, powers, parentheses, signs, indices.

The decisions that LaTeX, MathML and plain text share (parentheses, signs, the order of factors and
the names of indices) are made here; :mod:`deltarule.maths.printing.markup` prints the boxes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from deltarule.maths.namespace import CROSS_OUTPUT_OPS
from deltarule.maths.printing.boxes import (
    Apply,
    Big,
    Box,
    Cases,
    Fenced,
    Fraction,
    Index,
    Number,
    Partial,
    Power,
    Product,
    Root,
    Scripted,
    Shown,
    Symbol,
    Terms,
    Where,
)
from deltarule.maths.printing.display import Case, abbreviate, cases, power, simplify
from deltarule.maths.shared_functions import SHARED_FUNCTIONS
from deltarule.maths.symbolic import COMPARISONS, OPPOSITES, Expr, reachable

__all__ = ["index_letter", "layout", "layout_condition"]

# The precedence of a box, lowest first.
_CASES, _RELATION, _SUM, _BIG, _PRODUCT, _PREFIX, _FRACTION, _POWER, _ATOM = range(9)
_Placed = tuple[Box, int]

_GREEK_NAMES = """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi
    chi psi omega
"""
_GREEK = dict(zip(_GREEK_NAMES.split(), "αβγδεζηθικλμνξπρστφχψω", strict=True))
_INDICES = "jkilm"
_FUNCTIONS = {
    "log": Symbol(r"\log", "log", function=True),
    "tanh": Symbol(r"\tanh", "tanh", function=True),
    "minimum": Symbol(r"\min", "min", function=True),
    "maximum": Symbol(r"\max", "max", function=True),
    "sign": Symbol(r"\operatorname{sign}", "sign", function=True),
    "rint": Symbol(r"\operatorname{round}", "round", function=True),
}
# The text form of the letters in the LaTeX of shared functions.
_LETTERS = {r"\varphi": "φ", r"\Phi": "Φ"}
# e^(−0.105… t) is shown as 0.9^t where e^−0.105… has no more characters than this.
_SHORT_BASE, _LARGEST_POWER = 6, 100.0
_SUM_OVER = Symbol(r"\sum", "∑", function=True)
_MAX_OVER = Symbol(r"\max", "max", function=True)


def layout(
    root: Expr,
    names: Callable[[Expr, int], Box | None] | None = None,
    choose: Callable[[list[Case]], Case] | None = None,
) -> Box:
    """The box of an expression.

    Parameters
    ----------
    root : Expr
        The expression, before simplification.
    names : callable, optional
        ``names(expr, depth)`` returns the box of a variable or a constant, or None for the
        default; ``depth`` is the number of sums and maxima around it. Returning numbers shows
        the formula with numbers in place of variables.
    choose : callable, optional
        Selects the one case to show; all are shown if left out.

    Returns
    -------
    Box
        If the expression combines outputs, its arguments have an index: j outside, k, i …
        inside sums and maxima.

    Examples
    --------
    >>> from deltarule.maths.symbolic import SymbolicNamespace
    >>> xp = SymbolicNamespace()
    >>> layout(xp.variable("z") / 2)
    Fraction(top=Symbol(latex='z', text='z', function=False), bottom=Number(mantissa='2', ...
    """
    across = any(expr.op in CROSS_OUTPUT_OPS for expr in reachable([root]))
    place = _Layout(across, names)
    whole = simplify(root) if choose is None else choose(_cached_cases(root)).value
    short, definitions = abbreviate(whole)
    body = place.rows(cases(short), 0)[0]
    if not definitions:
        return body
    named = ((place.name(n, 0), place.rows(cases(value), 0)[0]) for n, value in definitions)
    return Where(body, tuple(named))


def index_letter(depth: int) -> str:
    """The index letter inside ``depth`` nested sums and maxima.

    Examples
    --------
    >>> index_letter(0), index_letter(1)
    ('j', 'k')
    """
    return _INDICES[min(depth, len(_INDICES) - 1)]


@functools.lru_cache(maxsize=256)  # an Expr is a key by identity
def _cached_cases(root: Expr) -> list[Case]:
    """The cases of an expression, cached."""
    return cases(simplify(root))


def layout_condition(
    root: Expr,
    names: Callable[[Expr, int], Box | None],
    holds: Callable[[Expr], bool],
) -> Box | None:
    """The box of the condition that selects the case at a point; None if there is one case only.

    Parameters
    ----------
    root, names
        As for :func:`layout`.
    holds : callable
        Whether a condition holds at the point.
    """
    place = _Layout(any(expr.op in CROSS_OUTPUT_OPS for expr in reachable([root])), names)
    shown: dict[Terms, None] = {}
    for row in _cached_cases(root):
        for condition in row.conditions:
            true = holds(condition)
            sign = COMPARISONS[condition.op if true else OPPOSITES[condition.op]]
            left, right = (place.fenced(argument, _SUM, 0) for argument in condition.args)
            shown[Terms((("", left), (sign, right)))] = None
            if not true:
                break
        else:
            break
    for terms in list(shown):  # x ≤ 0 is redundant beside x < 0
        (_, left), (sign, right) = terms.parts
        if Terms((("", left), (sign.removesuffix("="), right))) in set(shown) - {terms}:
            del shown[terms]
    if not shown:
        return None
    *_, last = shown
    if last.parts[1][0] == "==":
        return last  # x = y makes all other conditions redundant
    return Terms(tuple(("and" if i else "", box) for i, box in enumerate(shown)))


def _short_base(exponent: Expr) -> tuple[float | None, Expr]:
    """Return (0.9, t) for −0.1053605… t, whose e^ is 0.9^t; (None, exponent) for other ones."""
    negative = exponent.op == "negative"
    inner = exponent.args[0] if negative else exponent
    if inner.op == "multiply" and inner.args[0].op == "constant":
        power = -inner.args[0].data if negative else inner.args[0].data
        base = f"{math.exp(power):.12g}" if abs(power) < _LARGEST_POWER else ""
        if base and len(base) <= _SHORT_BASE:
            return float(base), inner.args[1]
    return None, exponent


class _Layout:
    """Converts expressions to boxes; ``depth`` is the number of sums and maxima around them."""

    def __init__(
        self, indexed: bool, names: Callable[[Expr, int], Box | None] | None = None
    ) -> None:
        self.indexed, self.names = indexed, names

    def rows(self, given: Sequence[Case], depth: int) -> _Placed:
        if len(given) == 1:
            return self.place(given[0].value, depth)
        rows = (
            (self.place(value, depth)[0], tuple(self.place(c, depth)[0] for c in conditions))
            for value, conditions in given
        )
        return Cases(tuple(rows)), _CASES

    def place(self, expr: Expr, depth: int) -> _Placed:
        """The box of an expression and its precedence."""
        op, args = expr.op, expr.args
        if op in ("constant", "variable", "symbol", "per_output", "n_outputs"):
            own = None if self.names is None else self.names(expr, depth)
            if own is not None:
                return own, _level(own)
            return _number(expr.data) if op == "constant" else (self.name(expr, depth), _ATOM)
        if op in ("add", "subtract", "negative"):
            return self.sum(expr, depth), _SUM
        if op == "multiply":
            return self.product(expr, depth)
        if op == "divide":
            top, bottom = (self.place(argument, depth)[0] for argument in args)
            return Fraction(top, bottom), _FRACTION
        if op in COMPARISONS:
            left, right = (self.fenced(argument, _SUM, depth) for argument in args)
            return Terms((("", left), (COMPARISONS[op], right))), _RELATION
        if op == "where":
            return self.rows(self.chain(expr), depth)
        if op == "exp":
            base, exponent = _short_base(args[0])
            if base is not None:
                return Power(_number(base)[0], self.place(exponent, depth)[0]), _POWER
            return Power(Symbol("e", "e"), self.place(args[0], depth)[0]), _POWER
        if op == "sqrt":
            return Root(self.place(args[0], depth)[0]), _ATOM
        if op == "abs":
            return Fenced((self.place(args[0], depth)[0],), bars=True), _ATOM
        if op in ("total", "largest"):
            body = self.rows(cases(args[0]), depth + 1)
            index = index_letter(depth + 1)
            function = _SUM_OVER if op == "total" else _MAX_OVER
            inner = body[0] if body[1] == _CASES else _fence(body, _PRODUCT)
            return Big(function, index, inner), _BIG
        return self.call(op, args, depth)

    def fenced(self, expr: Expr, level: int, depth: int) -> Box:
        return _fence(self.place(expr, depth), level)

    def chain(self, expr: Expr) -> list[Case]:
        """The cases of a choice whose alternatives may be choices themselves."""
        rows, rest = [], expr
        while rest.op == "where":
            rows.append(Case(rest.args[1], (rest.args[0],)))
            rest = rest.args[2]
        return [*rows, Case(rest, ())]

    def name(self, expr: Expr, depth: int) -> Box:
        index = index_letter(depth)
        if expr.op == "n_outputs":
            return Symbol("n", "n")
        if expr.op == "symbol":
            name, position, _ = expr.data
            return _letter(name) if position is None else Index(_letter(name), str(position))
        if expr.op == "per_output":
            name, values = expr.data
            numbers = tuple(_number(value)[0] for value in values)
            if name is None and len(values) == 1:
                return numbers[0]
            return Index(Fenced(numbers) if name is None else _letter(name), index)
        letter = _letter("u" if expr.data == "up" else expr.data)
        return Index(letter, index) if self.indexed else letter

    def sum(self, expr: Expr, depth: int) -> Box:
        """Terms with their signs; nested sums that are not subtracted are flattened."""
        terms: list[tuple[str, Expr]] = []

        def collect(part: Expr, sign: str) -> None:
            if part.op in ("add", "subtract") and sign == "+":
                collect(part.args[0], "+")
                collect(part.args[1], "+" if part.op == "add" else "-")
            elif part.op == "negative" and sign == "+":
                terms.append(("-", part.args[0]))
            else:
                terms.append((sign, part))

        collect(expr, "+")
        if terms[0][0] == "-" and terms[1:] and terms[1][0] == "+":
            terms[:2] = reversed(terms[:2])  # b - a reads better than -a + b
        parts = []
        for place, (sign, term) in enumerate(terms):
            last = place == len(terms) - 1
            placed = self.place(term, depth)
            leads = place == 0 and sign == "+" and isinstance(placed[0], Shown)
            box = placed[0] if leads else _fence(placed, _BIG if last else _PRODUCT)
            parts.append(("" if place == 0 and sign == "+" else sign, box))
        return Terms(tuple(parts))

    def product(self, expr: Expr, depth: int) -> _Placed:
        """Factors: numbers first, equal ones as a power, a logarithm or a sum last."""
        factors: dict[Expr, int] = {}
        pending = [expr]
        while pending:
            part = pending.pop()
            if part.op == "multiply":
                pending.extend(reversed(part.args))
            else:
                factors[part] = factors.get(part, 0) + 1
        placed: list[tuple[bool, _Placed]] = []
        for part, count in factors.items():
            simpler = part if count == 1 else power(part, count)
            if simpler is not None:
                box = self.place(simpler, depth)
            else:
                box = Power(self.fenced(part, _ATOM, depth), Number(str(count))), _POWER
            placed.append((part.op != "constant", box))
        # Sorting is stable: equal keys keep the order of the source.
        placed.sort(key=lambda each: (each[0], each[1][1] == _PREFIX, each[1][1] == _BIG))
        *first, last = (each for _, each in placed)
        if not first:
            return last
        boxes = [
            each[0] if isinstance(each[0], Number) else _fence(each, _FRACTION) for each in first
        ]
        boxes.append(last[0] if last[1] == _BIG else _fence(last, _PREFIX))
        return Product(tuple(boxes)), _BIG if last[1] == _BIG else _PRODUCT

    def call(self, op: str, args: tuple[Expr, ...], depth: int) -> _Placed:
        """A named function; log and tanh of a simple argument have no parentheses."""
        placed = [self.place(argument, depth) for argument in args]
        if op in ("log", "tanh") and placed[0][1] >= _FRACTION and args[0].op != "divide":
            return Apply(_FUNCTIONS[op], placed[0][0]), _PREFIX
        if op in SHARED_FUNCTIONS:
            latex = SHARED_FUNCTIONS[op].latex.split("(")[0].replace("{{", "{").replace("}}", "}")
            function = Symbol(latex, _LETTERS.get(latex, op), function=True)
        else:
            function = _FUNCTIONS[op]
        return Apply(function, Fenced(tuple(box for box, _ in placed))), _FRACTION


def _level(box: Box) -> int:
    """The precedence of a box that ``names`` returned."""
    if isinstance(box, Terms) or (isinstance(box, Shown) and box.negative):
        return _SUM
    if isinstance(box, Shown) and box.exponent:
        return _PRODUCT
    if isinstance(box, Partial):
        return _FRACTION
    # A name with an upper index is put in parentheses before an exponent.
    return _POWER if isinstance(box, Scripted) and box.above else _ATOM


def _fence(placed: _Placed, level: int) -> Box:
    return placed[0] if placed[1] >= level else Fenced((placed[0],))


def _letter(name: str) -> Symbol:
    if name in _GREEK:
        return Symbol(f"\\{name}", _GREEK[name])
    if len(name) == 1:
        return Symbol(name, name)
    escaped = name.replace("_", r"\_")
    return Symbol(rf"\mathrm{{{escaped}}}", name)


def _number(value: float) -> _Placed:
    text = repr(value).removesuffix(".0").removeprefix("-")
    sign = "-" if repr(value).startswith("-") else ""
    if text in ("inf", "nan"):
        box: Box = Symbol(r"\infty", "∞") if text == "inf" else Symbol(r"\mathrm{NaN}", "NaN")
    else:
        mantissa, _, exponent = text.partition("e")
        box = Number(mantissa, str(int(exponent)) if exponent else "")
    if sign:
        return Terms((("-", box),)), _SUM
    return box, _PRODUCT if isinstance(box, Number) and box.exponent else _ATOM

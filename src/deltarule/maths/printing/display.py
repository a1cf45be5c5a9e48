"""Recorded expressions made ready for the eye, equal to the original as real numbers.

What is in a formula only for accuracy or for arrays is removed: ``1 + 0 * z`` is 1,
``expm1(x)`` is e^x − 1. Choices are moved outwards and become cases, and where a case
says that x > 0, |x| is shown as x. Printed code never passes through here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from deltarule.errors import InputError
from deltarule.maths.symbolic import REDUCTIONS, Expr, SymbolicNamespace, reachable

__all__ = ["Case", "abbreviated", "cases", "power", "simplified"]

MOST_CASES = 4
MOST_SIGNS = 4000
LONG = 80
# For abbreviations: none that MATHS uses nearby, and none for an index.
LETTERS = "stpqrcdhv"


class Case(NamedTuple):
    """A value and the conditions it holds under; none of them for "otherwise".

    Cases are read from the top: a later one holds where no earlier one does.
    """

    value: Expr
    conditions: tuple[Expr, ...]


def simplified(root: Expr) -> Expr:
    """The expression without what is there for accuracy or array shapes only.

    Raises
    ------
    InputError
        If it would fill pages when written out.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> simplified((1 + 0 * z) * xp.expm1(-(-z))).op
    'subtract'
    """
    new = _rebuilt(root, SymbolicNamespace(), lambda expr, made: None)
    size = _sizes(new)[new.index]
    if size > MOST_SIGNS:
        raise InputError(
            f"the expression has {size} signs when written out, more than {MOST_SIGNS}; "
            "print it as code instead"
        )
    return new


def _sizes(root: Expr) -> dict[int, int]:
    """How many signs the parts of an expression have when written out."""
    size: dict[int, int] = {}
    for expr in reachable([root]):
        size[expr.index] = 1 + sum(size[argument.index] for argument in expr.args)
    return size


def abbreviated(root: Expr) -> tuple[Expr, list[tuple[Expr, Expr]]]:
    """A long expression with letters for what is in it more than once.

    Parameters
    ----------
    root : Expr
        A simplified expression.

    Returns
    -------
    short : Expr
        The expression, itself if it has at most :data:`LONG` signs.
    definitions : list of (Expr, Expr)
        The letters and what they stand for, each in terms of those before it.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> abbreviated(xp.variable("z") + 1)[1]
    []
    """
    size = _sizes(root)
    if size[root.index] <= LONG:
        return root, []
    space, exprs = root.space, reachable([root])
    users: dict[int, int] = {}
    for expr in exprs:
        for index in {argument.index for argument in expr.args}:
            users[index] = users.get(index, 0) + 1
    taken = {expr.data for expr in exprs if expr.op == "variable"}
    taken |= {expr.data[0] for expr in exprs if expr.op == "symbol"}
    letters = [letter for letter in LETTERS if letter not in taken]
    made: dict[int, Expr] = {}
    definitions: list[tuple[Expr, Expr]] = []
    for expr in exprs:
        new = space.leaf(expr)
        if expr.args:
            new = _make(space, expr.op, tuple(made[argument.index] for argument in expr.args))
            often = users.get(expr.index, 0) > 1 and not expr.is_condition
            if often and letters and _sizes(new)[new.index] > 3:
                letter = letters.pop(0)
                name = space.variable(letter) if new.varies else space.symbol(letter, 0)
                definitions.append((name, new))
                new = name
        made[expr.index] = new
    return made[root.index], definitions


def power(expr: Expr, exponent: int) -> Expr | None:
    """A power that is simpler than base and exponent: (e^x)^n is e^(n x)."""
    if expr.op != "exp":
        return None
    space = expr.space
    return _make(space, "exp", (_make(space, "multiply", (space.number(exponent), expr.args[0])),))


def cases(root: Expr) -> list[Case]:
    """A simplified expression with its choices moved outwards, as rows of cases.

    One row, under no condition, if it has no choice or if it would take more than
    :data:`MOST_CASES` rows; choices inside the expression then stay where they are.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> [row.value.op for row in cases(1 + xp.where(z > 0, xp.abs(z), xp.exp(z)))]
    ['add', 'add']
    """
    rows = _rows(root, MOST_CASES)
    return [Case(root, ())] if rows is None else rows


def _rows(root: Expr, budget: int) -> list[Case] | None:
    """The rows, or None if there would be more than ``budget``."""
    condition = _first_condition(root)
    if condition is None:
        return [Case(root, ())]
    if budget < 2:
        return None
    yes = _rows(_assumed(root, condition, True), budget - 1)
    no = None if yes is None else _rows(_assumed(root, condition, False), budget - len(yes))
    if yes is None or no is None:
        return None
    return [Case(value, (condition, *more)) for value, more in yes] + no


def _first_condition(root: Expr) -> Expr | None:
    """The condition of the outermost choice that is not inside a reduction."""
    waiting = [root]
    while waiting:
        expr = waiting.pop()
        if expr.op == "where":
            return expr.args[0]
        # Inside a reduction the condition is about other outputs.
        if expr.op not in REDUCTIONS and not expr.is_condition:
            waiting.extend(reversed(expr.args))
    return None


def _assumed(root: Expr, condition: Expr, holds: bool) -> Expr:
    """The expression where the condition holds, or where it does not."""
    signed, positive = None, False
    if len(condition.args) == 2 and _is(condition.args[1], 0):
        up = condition.op in ("greater", "greater_equal")
        if up or condition.op in ("less", "less_equal"):
            signed, positive = condition.args[0], up == holds

    def known(expr: Expr, made: dict[int, Expr]) -> Expr | None:
        if expr.op in REDUCTIONS or expr.is_condition:
            return expr
        if expr.op == "where" and expr.args[0] is condition:
            return made[expr.args[1 if holds else 2].index]
        if signed is not None and expr.args and expr.args[0] is signed:
            if expr.op == "abs":
                return signed if positive else _make(expr.space, "negative", (signed,))
            if expr.op in ("minimum", "maximum") and _is(expr.args[1], 0):
                return signed if (expr.op == "maximum") == positive else expr.args[1]
        return None

    return _rebuilt(root, root.space, known)


def _rebuilt(
    root: Expr,
    space: SymbolicNamespace,
    known: Callable[[Expr, dict[int, Expr]], Expr | None],
) -> Expr:
    """The expression made again in ``space``, simplified, with replacements for some exprs."""
    made: dict[int, Expr] = {}
    for expr in reachable([root]):
        replacement = known(expr, made)
        if replacement is None:
            args = tuple(made[argument.index] for argument in expr.args)
            replacement = _make(space, expr.op, args, expr)
        made[expr.index] = replacement
    return made[root.index]


def _is(expr: Expr, number: float) -> bool:
    return expr.op == "constant" and bool(expr.data == number)


def _whole(expr: Expr) -> bool:
    return expr.op == "constant" and isinstance(expr.data, int)


def _make(
    space: SymbolicNamespace, op: str, args: tuple[Expr, ...], old: Expr | None = None
) -> Expr:
    """One operation, or what it comes to."""
    if op.startswith("times_"):
        return _times(space, op, *args)
    if op in _RULES:
        simpler = _RULES[op](space, *args)
        return space.apply(op, *args) if simpler is None else simpler
    if old is not None and not args:
        if op == "constant" and old.data < 0:
            return space.apply("negative", -old.data)
        return space.leaf(old)
    return space.apply(op, *args)


def _add(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    if _is(a, 0) or _is(b, 0):
        return b if _is(a, 0) else a
    if _whole(a) and b.op == "add" and _whole(b.args[0]):  # 1 + (1 + x) is 2 + x
        return _make(space, "add", (space.number(a.data + b.args[0].data), b.args[1]))
    root = _square_root(space, a, b)
    if root is not None:
        return _make(space, "multiply", (root, root))
    return _make(space, "subtract", (a, b.args[0])) if b.op == "negative" else None


def _square_root(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    """n + x where n² + x (2n + x) is what is added: a square that was multiplied out."""
    if not (_whole(a) and b.op == "multiply"):
        return None
    for x, rest in (b.args, b.args[::-1]):
        if rest.op == "add" and rest.args[1] is x and _whole(rest.args[0]):
            half, odd = divmod(rest.args[0].data, 2)
            if not odd and half > 0 and half * half == a.data:
                return _make(space, "add", (space.number(half), x))
    return None


def _subtract(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    if _is(b, 0):
        return a
    if _is(a, 0):
        return _make(space, "negative", (b,))
    return _make(space, "add", (a, b.args[0])) if b.op == "negative" else None


def _multiply(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    if _is(a, 0) or _is(b, 0):
        return space.number(0)
    if _is(a, 1) or _is(b, 1):
        return b if _is(a, 1) else a
    if a.op == "divide" or b.op == "divide":
        # One fraction line: a (b/c) is (a b)/c, (a/b) (c/d) is (a c)/(b d).
        (a, c), (b, d) = _fraction(a), _fraction(b)
        return _make(
            space, "divide", (_make(space, "multiply", (a, b)), _make(space, "multiply", (c, d)))
        )
    return _signs_out(space, "multiply", a, b)


def _fraction(expr: Expr) -> tuple[Expr, Expr]:
    """Numerator and denominator, which is 1 for what is no fraction."""
    if expr.op == "divide":
        return expr.args[0], expr.args[1]
    return expr, expr.space.number(1)


def _divide(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    if _is(a, 0):
        return space.number(0)
    if _is(b, 1):
        return a
    if a.op == "divide" or b.op == "divide":
        (a, c), (d, b) = _fraction(a), _fraction(b)
        return _make(
            space, "divide", (_make(space, "multiply", (a, b)), _make(space, "multiply", (c, d)))
        )
    return _signs_out(space, "divide", a, b)


def _signs_out(space: SymbolicNamespace, op: str, a: Expr, b: Expr) -> Expr | None:
    """(−a) b is −(a b), and (−a) (−b) is a b."""
    signs = (a.op == "negative") + (b.op == "negative")
    if not signs:
        return None
    bare = tuple(x.args[0] if x.op == "negative" else x for x in (a, b))
    product = _make(space, op, bare)
    return product if signs == 2 else _make(space, "negative", (product,))


def _negative(space: SymbolicNamespace, a: Expr) -> Expr | None:
    if a.op == "negative":
        return a.args[0]
    return a if _is(a, 0) else None


def _where(space: SymbolicNamespace, condition: Expr, a: Expr, b: Expr) -> Expr | None:
    return a if a is b else None


def _abs(space: SymbolicNamespace, a: Expr) -> Expr | None:
    return _make(space, "abs", (a.args[0],)) if a.op == "negative" else None


def _exp(space: SymbolicNamespace, a: Expr) -> Expr | None:
    return space.number(1) if _is(a, 0) else None


def _log(space: SymbolicNamespace, a: Expr) -> Expr | None:
    return space.number(0) if _is(a, 1) else None


def _expm1(space: SymbolicNamespace, a: Expr) -> Expr:
    return _make(space, "subtract", (_make(space, "exp", (a,)), space.number(1)))


def _log1p(space: SymbolicNamespace, a: Expr) -> Expr:
    return _make(space, "log", (_make(space, "add", (space.number(1), a)),))


def _exp_difference(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr:
    return _make(space, "exp", (_make(space, "subtract", (a, b)),))


def _times(space: SymbolicNamespace, op: str, a: Expr, b: Expr) -> Expr:
    """``times_f(x, z)`` is x f(z), with care that is not shown."""
    return _make(space, "multiply", (a, _make(space, op.removeprefix("times_"), (b,))))


def _gelu_slope(space: SymbolicNamespace, a: Expr) -> Expr:
    rise = _times(space, "times_normal_pdf", a, a)
    return _make(space, "add", (_make(space, "normal_cdf", (a,)), rise))


def _xlogy(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr:
    return _make(space, "multiply", (a, _make(space, "log", (b,))))


def _xlog1py(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr:
    return _make(space, "multiply", (a, _make(space, "log1p", (b,))))


def _total(space: SymbolicNamespace, a: Expr) -> Expr | None:
    if a.varies:
        return space.total(a)
    return _make(space, "multiply", (space.n_outputs(space.variable("z")), a))


def _largest(space: SymbolicNamespace, a: Expr) -> Expr:
    return space.largest(a)


_RULES: dict[str, Callable[..., Expr | None]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "where": _where,
    "abs": _abs,
    "exp": _exp,
    "log": _log,
    "expm1": _expm1,
    "log1p": _log1p,
    "exp_difference": _exp_difference,
    "gelu_slope": _gelu_slope,
    "xlogy": _xlogy,
    "xlog1py": _xlog1py,
    "total": _total,
    "largest": _largest,
}

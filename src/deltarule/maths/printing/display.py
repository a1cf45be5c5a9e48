"""Simplification of expressions for display; the result is equal in exact arithmetic.

Operations that only serve accuracy or array shapes are removed: ``1 + 0 * z`` becomes 1,
``expm1(x)`` becomes e^x − 1. Conditionals (``where``) are moved outwards and become
cases; in a case with the condition x > 0, |x| becomes x. Printed code is not simplified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from deltarule.errors import InputError
from deltarule.maths.symbolic import REDUCTIONS, Expr, SymbolicNamespace, reachable

__all__ = ["Case", "abbreviate", "cases", "power", "simplify"]

MAX_CASES = 4
MAX_SYMBOLS = 4000
MAX_UNABBREVIATED = 80
# For abbreviations: letters that the formulas do not use for variables or indices.
LETTERS = "stpqrcdhv"


class Case(NamedTuple):
    """A value and the conditions under which it applies; none for "otherwise".

    The first case whose conditions hold applies.
    """

    value: Expr
    conditions: tuple[Expr, ...]


def simplify(root: Expr) -> Expr:
    """The expression without operations that only serve accuracy or array shapes.

    Raises
    ------
    InputError
        If it has more than :data:`MAX_SYMBOLS` symbols when written out.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> simplify((1 + 0 * z) * xp.expm1(-(-z))).op
    'subtract'
    """
    new = _rebuild(root, SymbolicNamespace(), lambda expr, rebuilt: None)
    size = _sizes(new)[new.index]
    if size > MAX_SYMBOLS:
        raise InputError(
            f"the expression has {size} symbols when written out, more than {MAX_SYMBOLS}; "
            "print it as code instead"
        )
    return new


def _sizes(root: Expr) -> dict[int, int]:
    """The number of symbols of each subexpression when written out, by index."""
    size: dict[int, int] = {}
    for expr in reachable([root]):
        size[expr.index] = 1 + sum(size[argument.index] for argument in expr.args)
    return size


def abbreviate(root: Expr) -> tuple[Expr, list[tuple[Expr, Expr]]]:
    """A long expression with letters for the subexpressions that it contains more than once.

    Parameters
    ----------
    root : Expr
        A simplified expression.

    Returns
    -------
    short : Expr
        The expression, itself if it has at most :data:`MAX_UNABBREVIATED` symbols.
    definitions : list of (Expr, Expr)
        The letters and their definitions, each in terms of those before it.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> abbreviate(xp.variable("z") + 1)[1]
    []
    """
    size = _sizes(root)
    if size[root.index] <= MAX_UNABBREVIATED:
        return root, []
    space, exprs = root.namespace, reachable([root])
    n_parents: dict[int, int] = {}
    for expr in exprs:
        for index in {argument.index for argument in expr.args}:
            n_parents[index] = n_parents.get(index, 0) + 1
    taken = {expr.data for expr in exprs if expr.op == "variable"}
    taken |= {expr.data[0] for expr in exprs if expr.op == "symbol"}
    letters = [letter for letter in LETTERS if letter not in taken]
    rebuilt: dict[int, Expr] = {}
    definitions: list[tuple[Expr, Expr]] = []
    for expr in exprs:
        new = space.leaf(expr)
        if expr.args:
            new = _make(space, expr.op, *(rebuilt[argument.index] for argument in expr.args))
            repeated = n_parents.get(expr.index, 0) > 1 and not expr.is_condition
            if repeated and letters and _sizes(new)[new.index] > 3:
                letter = letters.pop(0)
                name = space.variable(letter) if new.varies else space.symbol(letter, value=0)
                definitions.append((name, new))
                new = name
        rebuilt[expr.index] = new
    return rebuilt[root.index], definitions


def power(expr: Expr, exponent: int) -> Expr | None:
    """The power of an exponential, (e^x)^n as e^(n x); None for other expressions."""
    if expr.op != "exp":
        return None
    space = expr.namespace
    return _make(space, "exp", _make(space, "multiply", space.number(exponent), expr.args[0]))


def cases(root: Expr) -> list[Case]:
    """The cases of a simplified expression, with all conditionals moved outwards.

    One case without conditions if the expression has no conditional, or if more than
    :data:`MAX_CASES` cases would be needed; conditionals then stay inside the expression.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> [case.value.op for case in cases(1 + xp.where(z > 0, xp.abs(z), xp.exp(z)))]
    ['add', 'add']
    """
    found = _cases_within(root, MAX_CASES)
    return [Case(root, ())] if found is None else found


def _cases_within(root: Expr, budget: int) -> list[Case] | None:
    """The cases, or None if there would be more than ``budget``."""
    condition = _first_condition(root)
    if condition is None:
        return [Case(root, ())]
    if budget < 2:
        return None
    yes = _cases_within(_assume(root, condition, True), budget - 1)
    no = None if yes is None else _cases_within(_assume(root, condition, False), budget - len(yes))
    if yes is None or no is None:
        return None
    return [Case(value, (condition, *more)) for value, more in yes] + no


def _first_condition(root: Expr) -> Expr | None:
    """The condition of the outermost conditional that is not inside a reduction."""
    pending = [root]
    while pending:
        expr = pending.pop()
        if expr.op == "where":
            return expr.args[0]
        # A condition inside a reduction depends on other outputs than this one.
        if expr.op not in REDUCTIONS and not expr.is_condition:
            pending.extend(reversed(expr.args))
    return None


def _assume(root: Expr, condition: Expr, holds: bool) -> Expr:
    """The expression, simplified for points where the condition holds, or does not hold."""
    sign_argument, is_positive = None, False
    if len(condition.args) == 2 and condition.args[1].is_constant(0):
        tests_above = condition.op in ("greater", "greater_equal")
        if tests_above or condition.op in ("less", "less_equal"):
            sign_argument, is_positive = condition.args[0], tests_above == holds

    def replacement_for(expr: Expr, rebuilt: dict[int, Expr]) -> Expr | None:
        if expr.op in REDUCTIONS or expr.is_condition:
            return expr
        if expr.op == "where" and expr.args[0] is condition:
            return rebuilt[expr.args[1 if holds else 2].index]
        if sign_argument is not None and expr.args and expr.args[0] is sign_argument:
            if expr.op == "abs":
                return (
                    sign_argument
                    if is_positive
                    else _make(expr.namespace, "negative", sign_argument)
                )
            if expr.op in ("minimum", "maximum") and expr.args[1].is_constant(0):
                return sign_argument if (expr.op == "maximum") == is_positive else expr.args[1]
        return None

    return _rebuild(root, root.namespace, replacement_for)


def _rebuild(
    root: Expr,
    space: SymbolicNamespace,
    replacement_for: Callable[[Expr, dict[int, Expr]], Expr | None],
) -> Expr:
    """The expression rebuilt in ``space``, simplified; ``replacement_for`` may replace nodes."""
    rebuilt: dict[int, Expr] = {}
    for expr in reachable([root]):
        replacement = replacement_for(expr, rebuilt)
        if replacement is None:
            args = (rebuilt[argument.index] for argument in expr.args)
            replacement = _make(space, expr.op, *args, old=expr)
        rebuilt[expr.index] = replacement
    return rebuilt[root.index]


def _is_integer(expr: Expr) -> bool:
    return expr.op == "constant" and isinstance(expr.data, int)


def _make(space: SymbolicNamespace, op: str, *args: Expr, old: Expr | None = None) -> Expr:
    """The expression of one operation, simplified."""
    if op.startswith("times_"):
        return _times_function(space, op, *args)
    if op in _RULES:
        simpler = _RULES[op](space, *args)
        return space.apply(op, *args) if simpler is None else simpler
    if old is not None and not args:
        if op == "constant" and old.data < 0:
            return space.apply("negative", -old.data)
        return space.leaf(old)
    return space.apply(op, *args)


# The rules: each returns a simpler form of an operation, or None if there is none.


def _add(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    if a.is_constant(0) or b.is_constant(0):
        return b if a.is_constant(0) else a
    if _is_integer(a) and b.op == "add" and _is_integer(b.args[0]):  # 1 + (1 + x) is 2 + x
        return _make(space, "add", space.number(a.data + b.args[0].data), b.args[1])
    base = _square_root(space, a, b)
    if base is not None:
        return _make(space, "multiply", base, base)
    return _make(space, "subtract", a, b.args[0]) if b.op == "negative" else None


def _square_root(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    """n + x if a + b is n² + x (2n + x), an expanded square; else None."""
    if not (_is_integer(a) and b.op == "multiply"):
        return None
    for x, rest in (b.args, b.args[::-1]):
        if rest.op == "add" and rest.args[1] is x and _is_integer(rest.args[0]):
            half, odd = divmod(rest.args[0].data, 2)
            if not odd and half > 0 and half * half == a.data:
                return _make(space, "add", space.number(half), x)
    return None


def _subtract(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    if b.is_constant(0):
        return a
    if a.is_constant(0):
        return _make(space, "negative", b)
    return _make(space, "add", a, b.args[0]) if b.op == "negative" else None


def _multiply(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    if a.is_constant(0) or b.is_constant(0):
        return space.number(0)
    if a.is_constant(1) or b.is_constant(1):
        return b if a.is_constant(1) else a
    if a.op == "divide" or b.op == "divide":  # (a/b) (c/d) is (a c)/(b d)
        return _quotient_of_products(space, *_fraction(a), *_fraction(b))
    return _move_signs(space, "multiply", a, b)


def _divide(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    if a.is_constant(0):
        return space.number(0)
    if b.is_constant(1):
        return a
    power = _complement_of_power(space, a, b)
    if power is not None:
        return power
    if a.op == "divide" or b.op == "divide":  # (a/b)/(c/d) is (a d)/(b c)
        return _quotient_of_products(space, *_fraction(a), *_fraction(b)[::-1])
    return _move_signs(space, "divide", a, b)


def _complement_of_power(space: SymbolicNamespace, a: Expr, b: Expr) -> Expr | None:
    """1 − e^(2x) if a/b is −2 tanh x/(1 − tanh x), the accurate form of it; else None."""
    if b.op != "subtract" or not b.args[0].is_constant(1) or b.args[1].op != "tanh":
        return None
    tanh = b.args[1]
    if a is not _make(space, "negative", _make(space, "multiply", space.number(2.0), tanh)):
        return None
    x, sign = tanh.args[0], 2
    if x.op == "negative":
        x, sign = x.args[0], -2
    if x.op == "multiply" and x.args[0].op == "constant":
        scaled = _make(space, "multiply", space.number(2 * x.args[0].data), x.args[1])
    else:
        scaled = _make(space, "multiply", space.number(2), x)
    exponent = scaled if sign > 0 else _make(space, "negative", scaled)
    return _make(space, "subtract", space.number(1), _make(space, "exp", exponent))


def _fraction(expr: Expr) -> tuple[Expr, Expr]:
    """Numerator and denominator; the denominator of anything but a quotient is 1."""
    if expr.op == "divide":
        return expr.args[0], expr.args[1]
    return expr, expr.namespace.number(1)


def _quotient_of_products(space: SymbolicNamespace, a: Expr, b: Expr, c: Expr, d: Expr) -> Expr:
    """(a c)/(b d)."""
    top, bottom = _make(space, "multiply", a, c), _make(space, "multiply", b, d)
    return _make(space, "divide", top, bottom)


def _move_signs(space: SymbolicNamespace, op: str, a: Expr, b: Expr) -> Expr | None:
    """(−a) b as −(a b), and (−a) (−b) as a b; for a quotient likewise."""
    signs = (a.op == "negative") + (b.op == "negative")
    if not signs:
        return None
    product = _make(space, op, *(x.args[0] if x.op == "negative" else x for x in (a, b)))
    return product if signs == 2 else _make(space, "negative", product)


def _negative(space: SymbolicNamespace, a: Expr) -> Expr | None:
    if a.op == "negative":
        return a.args[0]
    return a if a.is_constant(0) else None


def _times_function(space: SymbolicNamespace, op: str, a: Expr, b: Expr) -> Expr:
    """a f(b) for the shared function ``times_f``, which computes it more accurately."""
    return _make(space, "multiply", a, _make(space, op.removeprefix("times_"), b))


def _gelu_slope(space: SymbolicNamespace, a: Expr) -> Expr:
    z_times_pdf = _times_function(space, "times_normal_pdf", a, a)
    return _make(space, "add", _make(space, "normal_cdf", a), z_times_pdf)


def _total(space: SymbolicNamespace, a: Expr) -> Expr | None:
    """The sum of a over the outputs; n a if a is the same for all of them."""
    if a.varies:
        return space.total(a)
    return _make(space, "multiply", space.n_outputs(space.variable("z")), a)


_RULES: dict[str, Callable[..., Expr | None]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "where": lambda space, condition, a, b: a if a is b else None,
    "abs": lambda space, a: _make(space, "abs", a.args[0]) if a.op == "negative" else None,
    "exp": lambda space, a: space.number(1) if a.is_constant(0) else None,
    "log": lambda space, a: space.number(0) if a.is_constant(1) else None,
    "expm1": lambda space, a: _make(space, "subtract", _make(space, "exp", a), space.number(1)),
    "log1p": lambda space, a: _make(space, "log", _make(space, "add", space.number(1), a)),
    "exp_difference": lambda space, a, b: _make(space, "exp", _make(space, "subtract", a, b)),
    "gelu_slope": _gelu_slope,
    "xlogy": lambda space, a, b: _make(space, "multiply", a, _make(space, "log", b)),
    "xlog1py": lambda space, a, b: _make(space, "multiply", a, _make(space, "log1p", b)),
    "total": _total,
    "largest": lambda space, a: space.largest(a),
}

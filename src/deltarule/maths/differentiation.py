"""Symbolic differentiation of expressions, and their evaluation over an array namespace.

A loss or an activation may be given by its value alone. Its expression graph is then
differentiated: each operation that a formula may use (:mod:`deltarule.maths.namespace`) has a
derivative rule here. The result is an expression, so it trains, compiles and prints like others.

At a kink the derivative of ``minimum``, ``maximum`` and ``where`` is the one from the left,
and that of ``abs`` is 0. In an expression with both, all derivatives are taken from the left,
so that the derivative is right where two kinks cancel. An operation whose derivative is 0
almost everywhere (``rint``) is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.symbolic import REDUCTIONS, Expr, SymbolicNamespace, reachable

__all__ = ["evaluate", "gradient_of_sum", "partial_derivative"]

_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}


def gradient_of_sum(term: Expr, variable: Expr, weight: Expr | None = None) -> Expr:
    r"""Σ_k weight_k ∂term_k/∂x_j, for an expression that may contain sums over outputs.

    .. math:: \frac{\partial}{\partial x_j} \sum_k u_k\, t(x_k, s, m, \dots)
              = u_j\, \frac{\partial t}{\partial x_j}
              + \sum_s \Bigl(\sum_k u_k \frac{\partial t_k}{\partial s}\Bigr)
              \frac{\partial s}{\partial x_j}

    with s the sums and maxima over outputs, from the outermost inwards.

    Parameters
    ----------
    term : Expr
        t, with a value for each output.
    variable : Expr
        x.
    weight : Expr, optional
        u; 1 if left out, which gives the derivative of a loss C_i = Σ_k t_k.

    Returns
    -------
    Expr
        In the namespace of ``term``.

    Raises
    ------
    InputError
        If the expression depends on x by an operation that has no derivative.

    Examples
    --------
    >>> from deltarule.maths import numpy_namespace
    >>> xp = SymbolicNamespace()
    >>> a = xp.variable("a")
    >>> slope = gradient_of_sum(a * xp.total(a), a)
    >>> print(evaluate(numpy_namespace(), [slope], {a.index: np.array([[1.0, 2.0]])})[0])
    [[6. 6.]]
    """
    return _from_one_side(
        lambda rules: _gradient_of_sum(rules, term, variable, weight), term.namespace, variable
    )


def _from_one_side(
    differentiate: Callable[[_Rules], Expr], xp: SymbolicNamespace, variable: Expr
) -> Expr:
    """The derivative with |x|' = 0 at x = 0; or from the left throughout, where kinks may cancel.

    max(z, 0) + log(1 + e^(−|z|)) has no kink, and its derivative at 0 is ½ only if those of |z|
    and max(z, 0) are taken from the same side.
    """
    rules = _Rules(xp, variable)
    result = differentiate(rules)
    if rules.kinks >= {"abs", "choice"}:
        return differentiate(_Rules(xp, variable, one_sided=True))
    return result


def _gradient_of_sum(rules: _Rules, term: Expr, variable: Expr, weight: Expr | None) -> Expr:
    xp = term.namespace
    inner = reachable([term], stop=lambda expr: expr is variable)
    reductions = [expr for expr in inner if expr.op in REDUCTIONS and expr is not variable]
    # ∂(Σ_k weight_k term_k)/∂s for every sum and maximum s; one number for a row.
    adjoint = dict.fromkeys((reduction.index for reduction in reductions), rules.zero)

    def add_through(expression: Expr, factor: Expr) -> Expr:
        """Add ``factor`` · ∂expression/∂s to every adjoint; return ``factor`` · ∂expression/∂x."""
        for reduction in reductions:
            rate = rules.product(factor, rules.of(expression, reduction))
            if rate.varies:
                rate = xp.total(rate)
            elif not rate.is_constant(0):  # the same for all outputs
                rate = rules.product(xp.n_outputs(variable), rate)
            adjoint[reduction.index] = rules.sum(adjoint[reduction.index], rate)
        return rules.product(factor, rules.of(expression, variable))

    result = add_through(term, rules.one if weight is None else weight)
    for reduction in reversed(reductions):
        rate = adjoint[reduction.index]
        if rate.is_constant(0):
            continue
        (inside,) = reduction.args
        if reduction.op == "largest":  # entries that tie for the maximum have equal parts of it
            top = xp.where(inside == reduction, 1, 0)
            rate = rules.product(rate, top / xp.total(top))
        result = rules.sum(result, add_through(inside, rate))
    if not result.varies and result.op != "constant":  # repeat one number for each output
        return xp.where(variable == variable, result, result)
    return result


def partial_derivative(expr: Expr, variable: Expr) -> Expr:
    """∂expr/∂variable for each output, with sums and maxima over outputs held constant.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> partial_derivative(xp.exp(z), z) is xp.exp(z)
    True
    """
    return _from_one_side(lambda rules: rules.of(expr, variable), expr.namespace, variable)


def evaluate(xp: Any, roots: list[Expr], known: Mapping[int, Any]) -> list[Any]:
    """The values of expressions over an array namespace.

    Parameters
    ----------
    xp : ArrayNamespace
    roots : list of Expr
        The expressions to evaluate.
    known : mapping of int to array
        The values of the variables, by :attr:`Expr.index`.

    Examples
    --------
    >>> from deltarule.maths import numpy_namespace
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> print(evaluate(numpy_namespace(), [1 + z * z], {z.index: np.array([2.0, 3.0])})[0])
    [ 5. 10.]
    """
    found: dict[int, Any] = dict(known)
    example = next(iter(known.values()))  # has the shape of all variables
    for expr in reachable(roots):
        if expr.index not in found:
            args = [found[argument.index] for argument in expr.args]
            found[expr.index] = _value(xp, expr, args, example)
    return [found[root.index] for root in roots]


def _value(xp: Any, expr: Expr, args: list[Any], example: Any) -> Any:
    if expr.op == "constant":
        return expr.data
    if expr.op == "symbol":
        return expr.data[2]
    if expr.op == "n_outputs":
        return xp.n_outputs(example)
    if expr.op == "per_output":
        return xp.per_output(expr.data[1], example)
    if expr.op in _OPERATORS:
        return _OPERATORS[expr.op](*args)
    if expr.op == "where" and isinstance(args[0], bool | np.bool_):
        return args[1] if args[0] else args[2]
    value = getattr(xp, expr.op)(*args)
    # A function of plain numbers gives a np.float64, which would widen float32 arrays.
    return value.item() if isinstance(value, np.generic) else value


# The condition that holds at equality if the given one holds just left of it. With z growing in
# x, z >= 0 does not hold on the left and z <= 0 does; with z falling it is the other way round.
_RISING = {
    "greater": "greater",
    "greater_equal": "greater",
    "less": "less_equal",
    "less_equal": "less_equal",
}
_FALLING = {
    "greater": "greater_equal",
    "greater_equal": "greater_equal",
    "less": "less",
    "less_equal": "less",
}


class _Rules:
    """The derivative rules, one method for each operation of a formula.

    Sums and products with constants 0 and 1 are simplified, so that a term that does not depend
    on the variable cannot become 0 · ∞.
    """

    def __init__(self, xp: SymbolicNamespace, variable: Expr, *, one_sided: bool = False) -> None:
        self.xp, self.variable, self.one_sided = xp, variable, one_sided
        self.kinks: set[str] = set()  # operations with a kink: "abs", "choice"
        self.zero, self.one = xp.number(0), xp.number(1)
        self.found: dict[tuple[int, int], Expr] = {}

    # -- arithmetic that simplifies 0 and 1 ---------------------------------------------

    def sum(self, a: Expr, b: Expr) -> Expr:
        if a.is_constant(0):
            return b
        return a if b.is_constant(0) else self.xp.apply("add", a, b)

    def difference(self, a: Expr, b: Expr) -> Expr:
        if b.is_constant(0):
            return a
        return self.negative(b) if a.is_constant(0) else self.xp.apply("subtract", a, b)

    def product(self, a: Expr, b: Expr) -> Expr:
        if a.is_constant(0) or b.is_constant(0):
            return self.zero
        if a.is_constant(1):
            return b
        if b.is_constant(1):
            return a
        if a.is_constant(-1):
            return self.negative(b)
        return self.negative(a) if b.is_constant(-1) else self.xp.apply("multiply", a, b)

    def quotient(self, a: Expr, b: Expr) -> Expr:
        return a if a.is_constant(0) or b.is_constant(1) else self.xp.apply("divide", a, b)

    def negative(self, a: Expr) -> Expr:
        if a.op == "constant":
            return self.xp.number(-a.data) if a.data != 0 else a
        return a.args[0] if a.op == "negative" else self.xp.apply("negative", a)

    # -- ∂expr/∂x -----------------------------------------------------------------------

    def of(self, expr: Expr, x: Expr) -> Expr:
        """∂expr/∂x, with other sums and maxima over outputs, and the variable, held constant."""

        def is_leaf(part: Expr) -> bool:
            return part is x or part is self.variable or part.op in REDUCTIONS

        for part in reachable([expr], stop=is_leaf):
            key = (part.index, x.index)
            if key in self.found:
                continue
            if part is x:
                self.found[key] = self.one
            elif is_leaf(part) or not part.args or part.is_condition:
                self.found[key] = self.zero
            else:
                self.found[key] = self._by_rule(part, x)
        return self.found[(expr.index, x.index)]

    def _by_rule(self, expr: Expr, x: Expr) -> Expr:
        rates = [self.found[(arg.index, x.index)] for arg in expr.args]
        if all(rate.is_constant(0) for rate in rates):
            return self.zero
        if expr.op == "where":
            sides = [self.found[(side.index, x.index)] for side in expr.args[0].args]
            return self._where(expr.args[0], self.difference(*sides), rates[1], rates[2])
        rule = getattr(self, f"_{expr.op}", None)
        if rule is None:
            raise InputError(
                f"the derivative of xp.{expr.op} is of no use: it is 0 or undefined; "
                "expected a value without it, or a formula that returns the derivative too"
            )
        derivative: Expr = rule(expr, *expr.args, *rates)
        return derivative

    def _add(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.sum(da, db)

    def _subtract(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.difference(da, db)

    def _negative(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self.negative(da)

    def _multiply(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        if a is b:
            return self.product(self.product(self.xp.number(2), a), da)
        return self.sum(self.product(da, b), self.product(a, db))

    def _divide(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.difference(self.quotient(da, b), self.product(expr, self.quotient(db, b)))

    def _exp(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self.product(expr, da)

    def _expm1(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self.product(self.xp.apply("exp", a), da)

    def _log(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self.quotient(da, a)

    def _log1p(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self.quotient(da, 1 + a)

    def _tanh(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        # 1/cosh² from e^−2|a|: 1 − tanh² has lost its digits at |a| = 19.
        e = self.xp.apply("exp", -2 * abs(a))
        return self.product(4 * e / (1 + e * (2 + e)), da)

    def _sqrt(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self.quotient(da, 2 * expr)

    def _abs(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        self.kinks.add("abs")
        if not self.one_sided:
            return self.product(self.xp.apply("sign", a), da)
        return self._larger(a, self.negative(a), da, self.negative(da), "minimum")

    def _sign(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self.zero

    def _maximum(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self._larger(a, b, da, db, "minimum")

    def _minimum(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self._larger(b, a, da, db, "maximum")

    def _larger(self, a: Expr, b: Expr, da: Expr, db: Expr, at_tie: str) -> Expr:
        """da where a > b, db where a < b, and ``at_tie`` of the two where a = b."""
        if da is db:
            return da
        self.kinks.add("choice")
        if da.op == db.op == "constant":  # the choice at a tie can be made now
            first = (min if at_tie == "minimum" else max)(da.data, db.data) == da.data
            return self.xp.where(a >= b if first else a > b, da, db)
        tie = self.xp.apply(at_tie, da, db)
        return self.xp.where(a > b, da, self.xp.where(a < b, db, tie))

    def _where(self, condition: Expr, rise: Expr, da: Expr, db: Expr) -> Expr:
        """da where the condition holds, else db; where it changes, the derivative from the left."""
        if da is db:
            return da
        if condition.op in _RISING and not rise.is_constant(0):
            self.kinks.add("choice")
        if rise.op == "constant" and rise.data != 0:
            op = (_RISING if rise.data > 0 else _FALLING).get(condition.op, condition.op)
            condition = self.xp.apply(op, *condition.args)
        return self.xp.where(condition, da, db)

    # -- the shared functions -----------------------------------------------------------

    def _exp_difference(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.product(expr, self.difference(da, db))

    def _times_exp(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.xp.apply("times_exp", self.sum(da, self.product(a, db)), b)

    def _times_normal_pdf(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self._pdf(self.difference(da, self.product(self.product(a, b), db)), b)

    def _normal_pdf(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self._pdf(self.negative(self.product(a, da)), a)

    def _times_normal_cdf(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        if a is b:
            return self.product(self.xp.apply("gelu_slope", a), da)
        first = self.zero if da.is_constant(0) else self.xp.apply("times_normal_cdf", da, b)
        return self.sum(first, self._pdf(self.product(a, db), b))

    def _normal_cdf(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self._pdf(da, a)

    def _gelu_slope(self, expr: Expr, a: Expr, da: Expr) -> Expr:
        return self._pdf(self.product(2 - a * a, da), a)

    def _pdf(self, factor: Expr, at: Expr) -> Expr:
        return factor if factor.is_constant(0) else self.xp.apply("times_normal_pdf", factor, at)

    def _xlogy(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.sum(
            da if da.is_constant(0) else self.product(self.xp.apply("log", b), da),
            self.product(self._ratio(a, b), db),
        )

    def _xlog1py(self, expr: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.sum(
            da if da.is_constant(0) else self.product(self.xp.apply("log1p", b), da),
            self.product(self._ratio(a, 1 + b), db),
        )

    def _ratio(self, a: Expr, b: Expr) -> Expr:
        """a/b, and 0 where a = 0, also if b is 0 or not finite."""
        zero = a == 0
        return self.xp.where(zero, 0 * a, a / self.xp.where(zero, 1 + 0 * a, b))

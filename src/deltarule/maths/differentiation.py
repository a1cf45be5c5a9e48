"""Derivatives of recorded formulas: a value is given, its derivative is worked out.

A loss or an activation may be given by its value alone. Its formula is then written down by
the recording namespace, and differentiated as expressions are on paper: the operations that
a formula may use (:mod:`deltarule.maths.namespace`) are few, and each has its rule here. What
comes out is an expression like any other, so it trains, compiles and prints as one.

At a kink the derivative of ``minimum``, ``maximum`` and ``where`` is the one from the left,
that of ``abs`` is 0, as everywhere in this library; in an expression of both all are from the
left, so that kinks that cancel leave none. An operation that has no derivative
worth the name (``rint``) is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.symbolic import REDUCTIONS, Expr, RecordingNamespace, reachable

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
    r"""Σ_k weight_k ∂term_k/∂x_j, for an expression that may look across outputs.

    .. math:: \frac{\partial}{\partial x_j} \sum_k u_k\, t(x_k, s, m, \dots)
              = u_j\, \frac{\partial t}{\partial x_j}
              + \sum_s \Bigl(\sum_k u_k \frac{\partial t_k}{\partial s}\Bigr)
              \frac{\partial s}{\partial x_j}

    with s the sums and maxima over outputs, the later ones first.

    Parameters
    ----------
    term : Expr
        t, with a value for each output.
    variable : Expr
        x.
    weight : Expr, optional
        u; 1 if left out, so that the derivative of a loss C_i = Σ_k t_k comes out.

    Returns
    -------
    Expr
        Of the same recording.

    Raises
    ------
    InputError
        If the expression depends on x by an operation that has no derivative.

    Examples
    --------
    >>> from deltarule.maths import numpy_namespace
    >>> xp = RecordingNamespace()
    >>> a = xp.variable("a")
    >>> slope = gradient_of_sum(a * xp.total(a), a)
    >>> print(evaluate(numpy_namespace(), [slope], {a.index: np.array([[1.0, 2.0]])})[0])
    [[6. 6.]]
    """
    return _from_one_side(
        lambda rules: _gradient_of_sum(rules, term, variable, weight), term.space, variable
    )


def _from_one_side(
    differentiate: Callable[[_Rules], Expr], xp: RecordingNamespace, variable: Expr
) -> Expr:
    """A derivative with |x|' = 0 at 0; or, where kinks may cancel, all of it from the left.

    max(z, 0) + log(1 + e^(−|z|)) has no kink, and its derivative at 0 is ½ only if that of |z|
    is taken from the side that that of max(z, 0) is.
    """
    rules = _Rules(xp, variable)
    result = differentiate(rules)
    if rules.met >= {"abs", "choice"}:
        return differentiate(_Rules(xp, variable, one_sided=True))
    return result


def _gradient_of_sum(rules: _Rules, term: Expr, variable: Expr, weight: Expr | None) -> Expr:
    xp = term.space
    inner = reachable([term], stop=lambda node: node is variable)
    atoms = [node for node in inner if node.op in REDUCTIONS and node is not variable]
    # ∂(the whole)/∂s of every sum and maximum s; one number for a row.
    adjoint = dict.fromkeys((atom.index for atom in atoms), rules.zero)

    def add_through(expression: Expr, factor: Expr) -> Expr:
        """Hand ``factor`` · ∂expression/∂s on to every s; gives ``factor`` · ∂expression/∂x."""
        for atom in atoms:
            rate = rules.product(factor, rules.of(expression, atom))
            if rate.spread:
                rate = xp.total(rate)
            elif not rules.is_zero(rate):  # the same for all outputs
                rate = rules.product(xp.n_outputs(variable), rate)
            adjoint[atom.index] = rules.sum(adjoint[atom.index], rate)
        return rules.product(factor, rules.of(expression, variable))

    result = add_through(term, rules.one if weight is None else weight)
    for atom in reversed(atoms):
        rate = adjoint[atom.index]
        if rules.is_zero(rate):
            continue
        (inside,) = atom.args
        if atom.op == "largest":  # shared by those that are the largest
            top = xp.where(inside == atom, 1, 0)
            rate = rules.product(rate, top / xp.total(top))
        result = rules.sum(result, add_through(inside, rate))
    if not result.spread and result.op != "constant":  # one number for a row, to each output
        return xp.where(variable == variable, result, result)
    return result


def partial_derivative(node: Expr, variable: Expr) -> Expr:
    """∂node/∂variable, output by output; sums and maxima over outputs are held.

    Examples
    --------
    >>> xp = RecordingNamespace()
    >>> z = xp.variable("z")
    >>> partial_derivative(xp.exp(z), z) is xp.exp(z)
    True
    """
    return _from_one_side(lambda rules: rules.of(node, variable), node.space, variable)


def evaluate(xp: Any, roots: list[Expr], known: Mapping[int, Any]) -> list[Any]:
    """Recorded expressions over any array namespace.

    Parameters
    ----------
    xp : ArrayNamespace
    roots : list of Expr
        What is wanted.
    known : mapping of int to array
        The variables' values, by the node's index.

    Examples
    --------
    >>> from deltarule.maths import numpy_namespace
    >>> xp = RecordingNamespace()
    >>> z = xp.variable("z")
    >>> print(evaluate(numpy_namespace(), [1 + z * z], {z.index: np.array([2.0, 3.0])})[0])
    [ 5. 10.]
    """
    found: dict[int, Any] = dict(known)
    spread = next(iter(known.values()))
    for node in reachable(roots):
        if node.index not in found:
            args = [found[argument.index] for argument in node.args]
            found[node.index] = _value(xp, node, args, spread)
    return [found[root.index] for root in roots]


def _value(xp: Any, node: Expr, args: list[Any], spread: Any) -> Any:
    if node.op == "constant":
        return node.data
    if node.op == "symbol":
        return node.data[2]
    if node.op == "n_outputs":
        return xp.n_outputs(spread)
    if node.op == "per_output":
        return xp.per_output(node.data[1], spread)
    if node.op in _OPERATORS:
        return _OPERATORS[node.op](*args)
    if node.op == "where" and isinstance(args[0], bool | np.bool_):
        return args[1] if args[0] else args[2]
    value = getattr(xp, node.op)(*args)
    # A function of plain numbers gives a np.float64, which would widen float32 arrays.
    return value.item() if isinstance(value, np.generic) else value


def _is(node: Expr, number: float) -> bool:
    return node.op == "constant" and bool(node.data == number)


# What a condition becomes where it is to hold at equality as it does just before, on the left:
# with z rising, z >= 0 does not hold there, and z <= 0 does.
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
    """The rules of differentiation, one for each operation of a formula.

    Zeros and ones are left out as they come up, so that what cannot depend on the variable
    leaves no 0 · ∞ behind.
    """

    def __init__(self, xp: RecordingNamespace, variable: Expr, *, one_sided: bool = False) -> None:
        self.xp, self.variable, self.one_sided = xp, variable, one_sided
        self.met: set[str] = set()  # the kinds of kinks that the expression may have
        self.zero, self.one = xp.number(0), xp.number(1)
        self.found: dict[tuple[int, int], Expr] = {}

    # -- arithmetic that knows 0 and 1 --------------------------------------------------

    def is_zero(self, a: Expr) -> bool:
        return _is(a, 0)

    def sum(self, a: Expr, b: Expr) -> Expr:
        if _is(a, 0):
            return b
        return a if _is(b, 0) else self.xp.apply("add", a, b)

    def difference(self, a: Expr, b: Expr) -> Expr:
        if _is(b, 0):
            return a
        return self.negative(b) if _is(a, 0) else self.xp.apply("subtract", a, b)

    def product(self, a: Expr, b: Expr) -> Expr:
        if _is(a, 0) or _is(b, 0):
            return self.zero
        if _is(a, 1):
            return b
        if _is(b, 1):
            return a
        if _is(a, -1):
            return self.negative(b)
        return self.negative(a) if _is(b, -1) else self.xp.apply("multiply", a, b)

    def quotient(self, a: Expr, b: Expr) -> Expr:
        return a if _is(a, 0) or _is(b, 1) else self.xp.apply("divide", a, b)

    def negative(self, a: Expr) -> Expr:
        if a.op == "constant":
            return self.xp.number(-a.data) if a.data != 0 else a
        return a.args[0] if a.op == "negative" else self.xp.apply("negative", a)

    # -- ∂node/∂x -----------------------------------------------------------------------

    def of(self, node: Expr, x: Expr) -> Expr:
        """∂node/∂x; what is not x, but a sum or maximum over outputs or the variable, is held."""

        def held(part: Expr) -> bool:
            return part is x or part is self.variable or part.op in REDUCTIONS

        for part in reachable([node], stop=held):
            key = (part.index, x.index)
            if key in self.found:
                continue
            if part is x:
                self.found[key] = self.one
            elif held(part) or not part.args or part.truth:
                self.found[key] = self.zero
            else:
                self.found[key] = self._by_rule(part, x)
        return self.found[(node.index, x.index)]

    def _by_rule(self, node: Expr, x: Expr) -> Expr:
        rates = [self.found[(arg.index, x.index)] for arg in node.args]
        if all(_is(rate, 0) for rate in rates):
            return self.zero
        if node.op == "where":
            sides = [self.found[(side.index, x.index)] for side in node.args[0].args]
            return self._where(node.args[0], self.difference(*sides), rates[1], rates[2])
        rule = getattr(self, f"_{node.op}", None)
        if rule is None:
            raise InputError(
                f"the derivative of xp.{node.op} is of no use: it is 0 or there is none; "
                "expected a value made of other operations, or a formula that gives the "
                "derivative too"
            )
        derivative: Expr = rule(node, *node.args, *rates)
        return derivative

    def _add(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.sum(da, db)

    def _subtract(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.difference(da, db)

    def _negative(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self.negative(da)

    def _multiply(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        if a is b:
            return self.product(self.product(self.xp.number(2), a), da)
        return self.sum(self.product(da, b), self.product(a, db))

    def _divide(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.difference(self.quotient(da, b), self.product(node, self.quotient(db, b)))

    def _exp(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self.product(node, da)

    def _expm1(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self.product(self.xp.apply("exp", a), da)

    def _log(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self.quotient(da, a)

    def _log1p(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self.quotient(da, 1 + a)

    def _tanh(self, node: Expr, a: Expr, da: Expr) -> Expr:
        # 1/cosh² from e^−2|a|: 1 − tanh² has lost its digits at |a| = 19.
        e = self.xp.apply("exp", -2 * abs(a))
        return self.product(4 * e / (1 + e * (2 + e)), da)

    def _sqrt(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self.quotient(da, 2 * node)

    def _abs(self, node: Expr, a: Expr, da: Expr) -> Expr:
        self.met.add("abs")
        if not self.one_sided:
            return self.product(self.xp.apply("sign", a), da)
        return self._larger(a, self.negative(a), da, self.negative(da), "minimum")

    def _sign(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self.zero

    def _maximum(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self._larger(a, b, da, db, "minimum")

    def _minimum(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self._larger(b, a, da, db, "maximum")

    def _larger(self, a: Expr, b: Expr, da: Expr, db: Expr, at_tie: str) -> Expr:
        """da where a > b, db where a < b, and at a tie the smaller or larger of them."""
        if da is db:
            return da
        self.met.add("choice")
        if da.op == db.op == "constant":  # which of them it is at a tie is known
            first = (min if at_tie == "minimum" else max)(da.data, db.data) == da.data
            return self.xp.where(a >= b if first else a > b, da, db)
        tie = self.xp.apply(at_tie, da, db)
        return self.xp.where(a > b, da, self.xp.where(a < b, db, tie))

    def _where(self, condition: Expr, rise: Expr, da: Expr, db: Expr) -> Expr:
        """da where the condition holds, else db; where it turns, the one from the left."""
        if da is db:
            return da
        if condition.op in _RISING and not _is(rise, 0):
            self.met.add("choice")
        if rise.op == "constant" and rise.data != 0:
            op = (_RISING if rise.data > 0 else _FALLING).get(condition.op, condition.op)
            condition = self.xp.apply(op, *condition.args)
        return self.xp.where(condition, da, db)

    # -- the shared functions -----------------------------------------------------------

    def _exp_difference(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.product(node, self.difference(da, db))

    def _times_exp(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.xp.apply("times_exp", self.sum(da, self.product(a, db)), b)

    def _times_normal_pdf(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self._pdf(self.difference(da, self.product(self.product(a, b), db)), b)

    def _normal_pdf(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self._pdf(self.negative(self.product(a, da)), a)

    def _times_normal_cdf(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        if a is b:
            return self.product(self.xp.apply("gelu_slope", a), da)
        first = self.zero if _is(da, 0) else self.xp.apply("times_normal_cdf", da, b)
        return self.sum(first, self._pdf(self.product(a, db), b))

    def _normal_cdf(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self._pdf(da, a)

    def _gelu_slope(self, node: Expr, a: Expr, da: Expr) -> Expr:
        return self._pdf(self.product(2 - a * a, da), a)

    def _pdf(self, factor: Expr, at: Expr) -> Expr:
        return factor if _is(factor, 0) else self.xp.apply("times_normal_pdf", factor, at)

    def _xlogy(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.sum(
            da if _is(da, 0) else self.product(self.xp.apply("log", b), da),
            self.product(self._share(a, b), db),
        )

    def _xlog1py(self, node: Expr, a: Expr, b: Expr, da: Expr, db: Expr) -> Expr:
        return self.sum(
            da if _is(da, 0) else self.product(self.xp.apply("log1p", b), da),
            self.product(self._share(a, 1 + b), db),
        )

    def _share(self, a: Expr, b: Expr) -> Expr:
        """a/b, and 0 where a = 0 whatever b is."""
        none = a == 0
        return self.xp.where(none, 0 * a, a / self.xp.where(none, 1 + 0 * a, b))

"""The derivative of a loss or an activation whose formula returns the value alone.

The formula is run on symbols and differentiated (:mod:`deltarule.maths.differentiation`) once;
any array namespace then evaluates the expressions. A formula that returns its derivative is
used as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from deltarule.errors import InputError
from deltarule.maths.differentiation import evaluate, gradient_of_sum, partial_derivative
from deltarule.maths.loss_formulas import Terms
from deltarule.maths.symbolic import Expr, SymbolicNamespace

__all__ = ["functions_of_activation", "terms_of_loss"]

Settings = tuple[tuple[str, Any], ...]


def terms_of_loss(xp: Any, formula: Any, settings: dict[str, Any], title: str) -> Terms:
    """The function of (a, y), or of (z, y), that returns the pair (term, derivative).

    Parameters
    ----------
    xp : namespace
    formula : callable
        ``formula(xp, **settings)`` returns that function, or one that returns the term alone.
    settings : dict
    title : str
        The name of the formula in messages.

    Examples
    --------
    >>> from deltarule.maths import numpy_namespace
    >>> def log_cosh(xp):
    ...     return lambda a, y: xp.abs(a - y) + xp.log1p(xp.exp(-2 * xp.abs(a - y)))
    >>> terms = terms_of_loss(numpy_namespace(), log_cosh, {}, "log-cosh")
    >>> import numpy as np
    >>> print(terms(np.array([[2.0]]), np.array([[0.0]]))[1])  # tanh 2
    [[0.96402758]]
    """
    function = formula(xp, **settings)
    if isinstance(xp, SymbolicNamespace):

        def symbolic_terms(x: Any, y: Any) -> tuple[Any, Any]:
            result = function(x, y)
            if not isinstance(result, Expr):
                return result
            return result, _differentiate(title, gradient_of_sum, result, x)

        return symbolic_terms
    derived, reason = _derived_terms(formula, tuple(settings.items()), title)
    if derived is not None:
        return functools.partial(_evaluate_terms, xp, derived)
    if not reason:
        return function

    def checked_terms(x: Any, y: Any) -> tuple[Any, Any]:
        result = function(x, y)
        if isinstance(result, tuple) and len(result) == 2:
            return result[0], result[1]
        raise InputError(reason)

    return checked_terms


@functools.lru_cache(maxsize=256)
def _derived_terms(
    formula: Any, settings: Settings, title: str
) -> tuple[tuple[Expr, ...] | None, str]:
    """The expressions (x, y, term, derivative) of a formula that returns the term alone.

    Returns None and "" for a formula that returns both; None and the reason for one that cannot
    be run on symbols.
    """
    xp = SymbolicNamespace()
    x, y = xp.variable("x"), xp.variable("y")
    term, reason = _run_on_symbols(title, lambda: formula(xp, **dict(settings))(x, y))
    if reason or not isinstance(term, Expr):
        return None, reason
    return (x, y, xp.number(term), _differentiate(title, gradient_of_sum, term, x)), ""


def _evaluate_terms(xp: Any, derived: tuple[Expr, ...], x: Any, y: Any) -> tuple[Any, Any]:
    x_expr, y_expr, *roots = derived
    known = {x_expr.index: x, y_expr.index: y}
    term, derivative = (_broadcast_like(xp, value, x) for value in evaluate(xp, roots, known))
    return term, derivative


def functions_of_activation(
    xp: Any, formula: Any, settings: dict[str, Any], title: str, elementwise: bool
) -> Any:
    """The pair (value, slope) or (value, pullback), or the formula's result if it is no function.

    Parameters
    ----------
    xp : namespace
    formula : callable
        ``formula(xp, **settings)`` returns the pair, or the function ``value(z)`` alone.
    settings : dict
    title : str
        The name of the formula in messages.
    elementwise : bool
        Whether a_j depends on z_j alone: then the second function is the slope.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.maths import numpy_namespace
    >>> def cubic(xp):
    ...     return lambda z: z * z * z
    >>> value, slope = functions_of_activation(numpy_namespace(), cubic, {}, "cubic", True)
    >>> print(slope(np.array([2.0]), None))
    [12.]
    """
    given = formula(xp, **settings)
    if not callable(given):
        return given

    def derivative(value: Expr, z: Expr, up: Expr | None) -> Expr:
        if elementwise:
            return _differentiate(title, partial_derivative, value, z)
        return _differentiate(title, gradient_of_sum, value, z, up)

    if isinstance(xp, SymbolicNamespace):

        def symbolic_derivative(z: Any, a: Any, up: Any = None) -> Any:
            return derivative(xp.number(given(z)), z, up)

        return given, symbolic_derivative

    z, up = (space := SymbolicNamespace()).variable("z"), space.variable("up")
    value, reason = _run_on_symbols(title, lambda: space.number(formula(space, **settings)(z)))
    if reason:
        raise InputError(reason)
    root = derivative(value, z, up)

    def numeric_derivative(at: Any, a: Any, above: Any = None) -> Any:
        known = {z.index: at, up.index: above}
        return _broadcast_like(xp, evaluate(xp, [root], known)[0], at)

    return given, numeric_derivative


def _run_on_symbols(title: str, run: Callable[[], Any]) -> tuple[Any, str]:
    """The result of a formula on symbols and ""; or None and why it has no symbolic form."""
    try:
        return run(), ""
    except Exception as error:  # noqa: BLE001 - a user's formula may raise anything on symbols
        return None, (
            f"{title} returns its value alone, and its derivative cannot be found because it has "
            f"no symbolic form: {error}. Return the derivative too, or use only the functions of xp"
        )


def _differentiate(title: str, differentiate: Callable[..., Expr], *arguments: Any) -> Expr:
    try:
        return differentiate(*arguments)
    except InputError as error:
        raise InputError(f"{title} returns its value alone: {error}") from None


def _broadcast_like(xp: Any, value: Any, x: Any) -> Any:
    """A value broadcast to the shape of x."""
    if getattr(value, "shape", ()) == x.shape:
        return value
    return xp.where(x == x, value, value)

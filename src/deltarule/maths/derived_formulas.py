"""A loss or an activation of which the value alone is given: its derivative is added here.

Its formula is written down and differentiated (:mod:`deltarule.maths.differentiation`), once;
any array library then evaluates the expressions. A formula that gives its derivative itself is
left as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from deltarule.errors import InputError
from deltarule.maths.differentiation import evaluate, gradient_of_sum, partial_derivative
from deltarule.maths.loss_formulas import Terms
from deltarule.maths.symbolic import Expr, RecordingNamespace

__all__ = ["functions_of_activation", "terms_of_loss"]

Settings = tuple[tuple[str, Any], ...]


def terms_of_loss(xp: Any, formula: Any, settings: dict[str, Any], title: str) -> Terms:
    """The function of (a, y), or of (z, y), that gives the pair (term, derivative).

    Parameters
    ----------
    xp : namespace
    formula : callable
        ``formula(xp, **settings)`` gives that function, or one that gives the term alone.
    settings : dict
    title : str
        For messages.

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
    if isinstance(xp, RecordingNamespace):

        def recorded(x: Any, y: Any) -> tuple[Any, Any]:
            given = function(x, y)
            if not isinstance(given, Expr):
                return given
            return given, _named(title, gradient_of_sum, given, x)

        return recorded
    derived, reason = _derived_terms(formula, tuple(settings.items()), title)
    if derived is not None:
        return functools.partial(_evaluated, xp, derived)
    if not reason:
        return function

    def given_both(x: Any, y: Any) -> tuple[Any, Any]:
        given = function(x, y)
        if isinstance(given, tuple) and len(given) == 2:
            return given[0], given[1]
        raise InputError(reason)

    return given_both


@functools.lru_cache(maxsize=256)
def _derived_terms(
    formula: Any, settings: Settings, title: str
) -> tuple[tuple[Expr, ...] | None, str]:
    """(x, y, term, derivative) written down, if the term alone is given; or why it cannot be."""
    xp = RecordingNamespace()
    x, y = xp.variable("x"), xp.variable("y")
    given, reason = _recorded(title, lambda: formula(xp, **dict(settings))(x, y))
    if reason or not isinstance(given, Expr):
        return None, reason
    return (x, y, xp.number(given), _named(title, gradient_of_sum, given, x)), ""


def _evaluated(xp: Any, derived: tuple[Expr, ...], x: Any, y: Any) -> tuple[Any, Any]:
    x_node, y_node, *roots = derived
    known = {x_node.index: x, y_node.index: y}
    term, derivative = (_as_wide(xp, value, x) for value in evaluate(xp, roots, known))
    return term, derivative


def functions_of_activation(
    xp: Any, formula: Any, settings: dict[str, Any], title: str, elementwise: bool
) -> Any:
    """The pair (value, slope) or (value, pullback), or whatever else the formula gives.

    Parameters
    ----------
    xp : namespace
    formula : callable
        ``formula(xp, **settings)`` gives the pair, or the function ``value(z)`` alone.
    settings : dict
    title : str
        For messages.
    elementwise : bool
        Whether a_j depends on z_j alone: then the other function is the slope.

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

    def differentiated(value: Expr, z: Expr, up: Expr | None) -> Expr:
        if elementwise:
            return _named(title, partial_derivative, value, z)
        return _named(title, gradient_of_sum, value, z, up)

    if isinstance(xp, RecordingNamespace):

        def recorded(z: Any, a: Any, up: Any = None) -> Any:
            return differentiated(xp.number(given(z)), z, up)

        return given, recorded

    z, up = (space := RecordingNamespace()).variable("z"), space.variable("up")
    value, reason = _recorded(title, lambda: space.number(formula(space, **settings)(z)))
    if reason:
        raise InputError(reason)
    root = differentiated(value, z, up)

    def evaluated(at: Any, a: Any, above: Any = None) -> Any:
        known = {z.index: at, up.index: above}
        return _as_wide(xp, evaluate(xp, [root], known)[0], at)

    return given, evaluated


def _recorded(title: str, run: Callable[[], Any]) -> tuple[Any, str]:
    """What running a formula on variables gives; or why it cannot be written down."""
    try:
        return run(), ""
    except Exception as error:  # noqa: BLE001 - whatever a formula raises on what is no array
        return None, (
            f"{title} gives its value alone, and cannot be written down to find its derivative: "
            f"{error}. Return the derivative too, or use only the functions of xp"
        )


def _named(title: str, differentiate: Callable[..., Expr], *arguments: Any) -> Expr:
    try:
        return differentiate(*arguments)
    except InputError as error:
        raise InputError(f"{title} is given by its value alone: {error}") from None


def _as_wide(xp: Any, value: Any, x: Any) -> Any:
    """A value with one number for each entry of x, where it may be one for several."""
    if getattr(value, "shape", ()) == x.shape:
        return value
    return xp.where(x == x, value, value)

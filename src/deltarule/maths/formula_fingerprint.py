"""Fingerprints of formulas, saved with a model and compared when it is read.

A model's file names its activations and its loss. If a name stands for another formula when the
file is read (a user registered the name anew, or gave an object a name of the library's), the
model would silently predict something else.

A fingerprint holds two things. ``expression`` is a digest of the expression graph: operations,
constants and operands, not the source, so names, comments and the order in a sum make no
difference, and neither does the Python version. ``values`` are the formula's numbers at fixed
points. A user's formula is compared by its expression, which covers all points; if it has no
symbolic form, by its values at many points. The library's own formulas are compared by values to
six digits: a version that computes the same function more accurately reads old models, one that
computes another function does not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.maths.namespace import numpy_namespace
from deltarule.maths.network import Network
from deltarule.maths.symbolic import OPPOSITES, Expr, SymbolicNamespace, reachable

__all__ = [
    "check_fingerprints",
    "check_formulas",
    "expression_digest",
    "fingerprint",
    "is_user_formula",
    "network_fingerprints",
    "state_with_fingerprints",
    "state_without_fingerprints",
]

Fingerprint = dict[str, Any]

_FEW_POINTS = (-20.0, -4.0, -1.5, -0.75, -0.25, 0.25, 0.75, 1.5, 4.0, 20.0)
_CACHE_SIZE = 200
_DIGITS, _RELATIVE, _ABSOLUTE = 9, 1e-6, 1e-9
# The key of the fingerprints in a pickled state.
_PICKLED = "_marks"
# Operations whose operands may be swapped without changing a bit, and comparisons mirrored.
_SYMMETRIC = {"add", "multiply", "minimum", "maximum", "equal", "not_equal"}
_MIRRORED = {"greater": "less", "greater_equal": "less_equal"}
assert set(_MIRRORED) < set(OPPOSITES)


def expression_digest(roots: Iterable[Expr]) -> str:
    """A digest of what expressions compute, independent of the order of operands in the source.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> expression_digest([1 + 2 * z]) == expression_digest([z * 2.0 + 1])
    True
    >>> expression_digest([z * z]) == expression_digest([z * z * 1.5])
    False
    """
    roots = list(roots)
    known: dict[int, str] = {}
    for expr in reachable(roots):
        op, parts = expr.op, [known[each.index] for each in expr.args]
        if op in _MIRRORED:
            op, parts = _MIRRORED[op], parts[::-1]
        if op in _SYMMETRIC:
            parts.sort()
        data = repr(float(expr.data)) if op == "constant" else repr(expr.data)
        known[expr.index] = _digest([op, data, *parts])
    return _digest(known[root.index] for root in roots)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def is_user_formula(*functions: Any) -> bool:
    """Whether one of the functions was not defined in this library."""
    return not all(
        str(getattr(each, "__module__", "")).startswith("deltarule.") for each in functions
    )


def fingerprint(
    kind: str,
    record: Any,
    own: bool,
    expressions: Callable[[SymbolicNamespace], Sequence[Expr]] | None,
    values: Callable[[bool], Sequence[Any]],
) -> Fingerprint:
    """The fingerprint of one record.

    Parameters
    ----------
    kind : str
        "activation", "loss", "rule" or "schedule".
    record : Record
    own : bool
        Whether the formula is a user's.
    expressions : callable, optional
        Returns the formula's expressions over a symbolic namespace.
    values : callable
        ``values(many)`` returns arrays of the formula's numbers, more of them if ``many``.
    """
    expression = None
    if expressions is not None:
        xp = SymbolicNamespace()
        try:
            expression = expression_digest(xp.number(expr) for expr in expressions(xp))
        except Exception:  # noqa: BLE001  a user's formula may raise anything on symbols
            expression = None
    with np.errstate(all="ignore"):
        numbers = [
            float(number)
            for array in values(own and expression is None)
            for number in np.ravel(np.asarray(array, dtype=np.float64))
        ]
    return {
        "kind": kind,
        "name": str(record),
        "own": own,
        "expression": expression,
        "values": [float(f"{x:.{_DIGITS}g}") if math.isfinite(x) else str(x) for x in numbers],
    }


def network_fingerprints(net: Network) -> list[Fingerprint]:
    """The fingerprints of a network's different activations, and of its loss.

    Examples
    --------
    >>> [each["name"] for each in network_fingerprints(Network([1, 2, 2, 1], activation="tanh"))]
    ['tanh', 'identity', 'squared_error']
    """
    activations = dict.fromkeys(each for each in net.activations if each is not None)
    found = [_fingerprint_of(_activation_fingerprint, each) for each in activations]
    loss = _fingerprint_of(
        _loss_fingerprint, net.loss, net.output_activation, min(net.n_outputs, 4)
    )
    return [dict(each) for each in (*found, loss)]


_CACHE: dict[tuple[Any, ...], Fingerprint] = {}


def _fingerprint_of(make: Callable[..., Fingerprint], *records: Any) -> Fingerprint:
    """The fingerprint that ``make`` returns, cached if the formula is the library's.

    A user's formula is not cached: its function may be changed between two calls.
    """
    known = _CACHE.get((make, *records))
    if known is None:
        known = make(*records)
        if not known["own"] and len(_CACHE) < _CACHE_SIZE:
            _CACHE[make, *records] = known
    return known


def _activation_fingerprint(record: Activation) -> Fingerprint:
    def expressions(xp: SymbolicNamespace) -> list[Expr]:
        bound = record.bind(xp)
        z = xp.variable("z")
        value = xp.number(bound.value(z))
        a = xp.variable("a")
        if bound.slope is not None:
            return [value, xp.number(bound.slope(z, a))]
        return [value, xp.number(bound.pullback(z, a, xp.variable("up")))]

    def values(many: bool) -> list[Any]:
        bound = record.bind(numpy_namespace())
        z = np.linspace(-12.0, 12.0, 97) + 1 / 64 if many else np.array(_FEW_POINTS)
        if bound.slope is not None:
            a = bound.value(z)
            return [a, bound.slope(z, a)]
        z = z[: len(z) // 2 * 2].reshape(2, -1) / 8
        a = bound.value(z)
        return [a, bound.pullback(z, a, np.cos(z))]

    own = is_user_formula(record.formula)
    return fingerprint("activation", record, own, expressions, values)


def _loss_fingerprint(loss: Loss, output: Activation, n_outputs: int) -> Fingerprint:
    def expressions(xp: SymbolicNamespace) -> list[Expr]:
        bound, y = loss.bind(xp, output), xp.variable("y")
        found = list(bound.from_output(xp.variable("a"), y))
        if bound.from_input is not None:
            found += bound.from_input(xp.variable("z"), y)
        return found

    def values(many: bool) -> list[Any]:
        bound = loss.bind(numpy_namespace(), output)
        rows = 32 if many else 3
        at = np.arange(1.0, rows * n_outputs + 1).reshape(rows, n_outputs)
        a, y = 0.02 + 0.96 * (at * 0.618 % 1), 0.02 + 0.96 * (at * 0.414 % 1)
        found = list(bound.from_output(a, y))
        if bound.from_input is not None:
            found += bound.from_input(6 * a - 3, y)
        return found

    fused = [formula for name, formula in loss.fused if name == output.name]
    own = is_user_formula(loss.formula, *fused)
    return fingerprint("loss", loss, own, expressions, values)


def check_formulas(net: Network, saved: Any) -> None:
    """Raise if a formula of the network differs from its saved fingerprint.

    Parameters
    ----------
    net : Network
    saved : list of fingerprint, or None
        The result of :func:`network_fingerprints` at saving; None (a file of an earlier version)
        is not checked.

    Raises
    ------
    InputError
        If a formula differs; the message names it.

    Examples
    --------
    >>> net = Network([1, 1])
    >>> check_formulas(net, network_fingerprints(net))
    """
    if saved is not None:
        check_fingerprints(network_fingerprints(net), saved)


def state_with_fingerprints(net: Network) -> dict[str, Any]:
    """The state to pickle of a network, with fingerprints if it uses a user's formula.

    A function is pickled by its name alone, so the fingerprint tells whether the name still
    stands for the same formula when the pickle is read.

    Examples
    --------
    >>> sorted(set(state_with_fingerprints(Network([1, 1]))) - set(vars(Network([1, 1]))))
    []
    """
    functions = [each.formula for each in net.activations if each is not None]
    functions += [net.loss.formula, *dict(net.loss.fused).values()]
    state = dict(vars(net))
    return state | {_PICKLED: network_fingerprints(net)} if is_user_formula(*functions) else state


def state_without_fingerprints(state: dict[str, Any]) -> dict[str, Any]:
    """The state without its fingerprints, after they were compared with this process's formulas.

    Raises
    ------
    InputError
        If a formula differs.
    """
    plain = {name: value for name, value in state.items() if name != _PICKLED}
    if _PICKLED in state:
        net = Network.__new__(Network)
        vars(net).update(plain)
        check_formulas(net, state[_PICKLED])
    return plain


def check_fingerprints(current: Sequence[Fingerprint], saved: Any) -> None:
    """Raise if a current fingerprint differs from the saved one at its place.

    Raises
    ------
    InputError
        At the first that differs, or if the saved ones are damaged.
    """
    damaged = "the list of fingerprints of its formulas is damaged"
    if not isinstance(saved, list) or len(saved) != len(current):
        raise InputError(damaged)
    for now, then in zip(current, saved, strict=True):
        try:
            fault = _difference(now, then)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(damaged) from error
        if fault:
            kind, name = now["kind"], now["name"]
            what = "registered" if now["own"] else "that of this version of deltarule"
            raise InputError(
                f"{kind} {name!r} is {what} with another formula than it was saved with: {fault}. "
                f"Register the {kind} it was saved with, or train again"
            )


def _difference(now: Fingerprint, then: Fingerprint) -> str:
    """A phrase that says how a formula differs from the saved one; empty if it does not."""
    if now["kind"] != then["kind"] or now["name"] != then["name"]:
        return f"{then['kind']} {then['name']!r} is expected there"
    expressions = now["expression"], then["expression"]
    if None not in expressions and expressions[0] == expressions[1]:
        return ""
    ours, theirs = now["values"], then["values"]
    if len(ours) == len(theirs):
        for x, y in zip(ours, theirs, strict=True):
            if not _close(x, y):
                shown = [f"{_real(v):.9g}" if isinstance(v, float | int) else v for v in (x, y)]
                return f"it gives {shown[0]} where it gave {shown[1]}"
        if not (now["own"] or then["own"]) or expressions == (None, None):
            return ""
    return "its expression is not the same"


def _close(x: Any, y: Any) -> bool:
    if not (isinstance(x, float | int) and isinstance(y, float | int)):
        return bool(x == y)
    x, y = _real(x), _real(y)
    if math.isinf(x) or math.isinf(y):  # any number is near infinity by the measure below
        return x == y
    return abs(x - y) <= _ABSOLUTE + _RELATIVE * max(abs(x), abs(y))


def _real(number: float) -> float:
    """The number as a float; infinity for an integer of a file that is beyond all floats."""
    try:
        return float(number)
    except OverflowError:
        return float("inf")

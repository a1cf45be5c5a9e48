"""What formula a name stood for: a mark that is saved with a model, and compared when it is read.

A model's file names its activations and its loss. A name may stand for another formula when the
file is read: a user has registered his own anew, or gave an object whose name the library uses.
The model would predict something else, and nothing would say so.

A mark holds two things. ``expression`` is a digest of what the recording namespace writes down:
operations, constants and how they hang together; not the source, so names, comments and the
order in a sum make no difference, and neither does the Python version. ``values`` are the
formula's numbers at fixed places. A user's formula is compared by its expression, which also
finds what differs where no place is; where it cannot be written down, by its values at many
places. The library's own formulas are compared by values to six digits: a version that computes
the same function in a better way reads old models, one that computes another function does not.
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
from deltarule.maths.symbolic import OPPOSITES, Expr, RecordingNamespace, reachable

__all__ = [
    "check_formulas",
    "check_marks",
    "expression_digest",
    "is_own",
    "marked",
    "network_marks",
    "with_marks",
    "without_marks",
]

Mark = dict[str, Any]

_FEW = (-20.0, -4.0, -1.5, -0.75, -0.25, 0.25, 0.75, 1.5, 4.0, 20.0)
_MOST_MARKS = 200
_DIGITS, _RELATIVE, _ABSOLUTE = 9, 1e-6, 1e-9
# Neither is the order of two operands a matter of rounding, nor the side of a comparison.
_SYMMETRIC = {"add", "multiply", "minimum", "maximum", "equal", "not_equal"}
_TURNED = {"greater": "less", "greater_equal": "less_equal"}
assert set(_TURNED) < set(OPPOSITES)


def expression_digest(roots: Iterable[Expr]) -> str:
    """The digest of recorded expressions: what they compute, whatever the order of writing.

    Examples
    --------
    >>> xp = RecordingNamespace()
    >>> z = xp.variable("z")
    >>> expression_digest([1 + 2 * z]) == expression_digest([z * 2.0 + 1])
    True
    >>> expression_digest([z * z]) == expression_digest([z * z * 1.5])
    False
    """
    roots = list(roots)
    known: dict[int, str] = {}
    for node in reachable(roots):
        op, parts = node.op, [known[each.index] for each in node.args]
        if op in _TURNED:
            op, parts = _TURNED[op], parts[::-1]
        if op in _SYMMETRIC:
            parts.sort()
        data = repr(float(node.data)) if op == "constant" else repr(node.data)
        known[node.index] = _digest([op, data, *parts])
    return _digest(known[root.index] for root in roots)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def is_own(*functions: Any) -> bool:
    """Whether one of the functions is not the library's."""
    return not all(
        str(getattr(each, "__module__", "")).startswith("deltarule.") for each in functions
    )


def marked(
    kind: str,
    record: Any,
    own: bool,
    write: Callable[[RecordingNamespace], Sequence[Expr]] | None,
    values: Callable[[bool], Sequence[Any]],
) -> Mark:
    """The mark of one record.

    Parameters
    ----------
    kind : str
        What it is, for messages.
    record : Record
    own : bool
        Whether it is a user's.
    write : callable, optional
        Gives the expressions over a recording namespace.
    values : callable
        Gives arrays of numbers; told whether they are to be many.
    """
    expression = None
    if write is not None:
        xp = RecordingNamespace()
        try:
            expression = expression_digest(xp.number(node) for node in write(xp))
        except Exception:  # noqa: BLE001  what cannot be written down fails in ways of its own
            expression = None
    with np.errstate(all="ignore"):
        numbers = [
            float(number)
            for array in values(own and expression is None)
            for number in np.ravel(np.asarray(array, dtype=np.float64))
        ]
    plain = [float(f"{x:.{_DIGITS}g}") if math.isfinite(x) else str(x) for x in numbers]
    return {"kind": kind, "name": str(record), "own": own, "expression": expression} | {
        "values": plain
    }


def network_marks(net: Network) -> list[Mark]:
    """The marks of a network's activations and its loss, each record once.

    Examples
    --------
    >>> [mark["name"] for mark in network_marks(Network([1, 2, 2, 1], activation="tanh"))]
    ['tanh', 'identity', 'squared_error']
    """
    activations = dict.fromkeys(each for each in net.activations if each is not None)
    marks = [_kept(_of_activation, each) for each in activations]
    loss = _kept(_of_loss, net.loss, net.output_activation, min(net.n_outputs, 4))
    return [dict(mark) for mark in (*marks, loss)]


_MARKS: dict[tuple[Any, ...], Mark] = {}


def _kept(make: Callable[..., Mark], *records: Any) -> Mark:
    """A mark that is made once for a formula of the library's; a user's may change."""
    known = _MARKS.get((make, *records))
    if known is None:
        known = make(*records)
        if not known["own"] and len(_MARKS) < _MOST_MARKS:
            _MARKS[make, *records] = known
    return known


def _of_activation(record: Activation) -> Mark:
    def write(xp: RecordingNamespace) -> list[Expr]:
        bound = record.bind(xp)
        z = xp.variable("z")
        value = xp.number(bound.value(z))
        a = xp.variable("a")
        if bound.slope is not None:
            return [value, xp.number(bound.slope(z, a))]
        return [value, xp.number(bound.pullback(z, a, xp.variable("up")))]

    def values(many: bool) -> list[Any]:
        bound = record.bind(numpy_namespace())
        z = np.linspace(-12.0, 12.0, 97) + 1 / 64 if many else np.array(_FEW)
        if bound.slope is not None:
            a = bound.value(z)
            return [a, bound.slope(z, a)]
        z = z[: len(z) // 2 * 2].reshape(2, -1) / 8
        a = bound.value(z)
        return [a, bound.pullback(z, a, np.cos(z))]

    return marked("activation", record, is_own(record.formula), write, values)


def _of_loss(loss: Loss, output: Activation, n_outputs: int) -> Mark:
    def write(xp: RecordingNamespace) -> list[Expr]:
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

    own = is_own(loss.formula, *(dict(loss.fused)[n] for n in dict(loss.fused) if n == output.name))
    return marked("loss", loss, own, write, values)


def check_formulas(net: Network, written: Any) -> None:
    """Refuse a network whose formulas are not those of its marks.

    Parameters
    ----------
    net : Network
    written : list of mark, or None
        What :func:`network_marks` gave. None, which earlier versions left, is not checked.

    Raises
    ------
    InputError
        If a formula is another one than the mark's, naming it.

    Examples
    --------
    >>> net = Network([1, 1])
    >>> check_formulas(net, network_marks(net))
    """
    if written is not None:
        check_marks(network_marks(net), written)


def with_marks(net: Network) -> dict[str, Any]:
    """What is pickled of a network: a user's formula travels by its name alone, so with its mark.

    Examples
    --------
    >>> sorted(set(with_marks(Network([1, 1]))) - set(vars(Network([1, 1]))))
    []
    """
    functions = [each.formula for each in net.activations if each is not None]
    functions += [net.loss.formula, *dict(net.loss.fused).values()]
    state = dict(vars(net))
    return state | {"_marks": network_marks(net)} if is_own(*functions) else state


def without_marks(state: dict[str, Any]) -> dict[str, Any]:
    """What :func:`with_marks` gave, after its marks were compared.

    Raises
    ------
    InputError
        If a formula's name stands for another one here.
    """
    plain = {name: value for name, value in state.items() if name != "_marks"}
    if "_marks" in state:
        net = Network.__new__(Network)
        vars(net).update(plain)
        check_formulas(net, state["_marks"])
    return plain


def check_marks(marks: Sequence[Mark], written: Any) -> None:
    """Refuse marks that are not those that were written.

    Raises
    ------
    InputError
        At the first that differs.
    """
    if not isinstance(written, list) or len(written) != len(marks):
        raise InputError("what it says of its formulas is damaged")
    for now, then in zip(marks, written, strict=True):
        try:
            fault = _difference(now, then)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError("what it says of its formulas is damaged") from error
        if fault:
            kind, name = now["kind"], now["name"]
            what = "registered" if now["own"] else "that of this version of deltarule"
            raise InputError(
                f"{kind} {name!r} is {what} with another formula than it was saved with: {fault}. "
                f"Register the {kind} it was saved with, or train again"
            )


def _difference(now: Mark, then: Mark) -> str:
    """In what a formula differs from the saved one; empty if it is the same."""
    if now["kind"] != then["kind"] or now["name"] != then["name"]:
        return f"{then['kind']} {then['name']!r} is expected there"
    written = now["expression"], then["expression"]
    if None not in written and written[0] == written[1]:
        return ""
    ours, theirs = now["values"], then["values"]
    if len(ours) == len(theirs):
        for x, y in zip(ours, theirs, strict=True):
            if not _close(x, y):
                return (
                    f"it gives {x:.9g} where it gave {y:.9g}"
                    if _numbers(x, y)
                    else (f"it gives {x} where it gave {y}")
                )
        if not (now["own"] or then["own"]):
            return ""
        if written == (None, None):
            return ""
    return "its expression is not the same"


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, float | int) for value in values)


def _close(x: Any, y: Any) -> bool:
    if not _numbers(x, y):
        return bool(x == y)
    return abs(x - y) <= _ABSOLUTE + _RELATIVE * max(abs(x), abs(y))

"""What recording an activation or a loss gives.

:func:`record_activation` and :func:`record_loss` mirror ``bind``: where a bound
activation has functions, a recorded one has a :class:`RecordedFormula` under the same
name.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

from deltarule.errors import InputError
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.derived_formulas import functions_of_activation, terms_of_loss
from deltarule.maths.losses import LOSSES, Loss
from deltarule.maths.namespace import ACROSS
from deltarule.maths.shared_functions import SHARED_FUNCTIONS
from deltarule.maths.symbolic import REDUCTIONS, Expr, RecordingNamespace, reachable
from deltarule.records import Record

__all__ = [
    "RecordedActivation",
    "RecordedFormula",
    "RecordedLoss",
    "record_activation",
    "record_loss",
    "record_shared",
]


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedFormula:
    r"""A formula as an expression that prints itself.

    Printed code computes what the formula computes, operation by operation. Printed
    mathematics equals it as real numbers and leaves out what is there for accuracy
    only: e^(−|z|)/(1 + e^(−|z|)) for z ≤ 0 is shown as e^z/(1 + e^z).

    Parameters
    ----------
    title : str
        What it is, for comments and messages.
    arguments : tuple of str
        The names of its arguments, in order.
    results : mapping of str to Expr
        Its results by name, in order: ``value``; ``slope``; ``pullback``; or ``term``
        and ``derivative``.
    elementwise : bool
        Whether output j depends on the arguments at j alone. If not, the printed
        function is one of arrays.

    Examples
    --------
    >>> from deltarule.maths.printing import record_activation
    >>> formula = record_activation("softplus").value
    >>> print(formula.latex())
    \max\left(z, 0\right) + \log\left(1 + e^{-\left|z\right|}\right)
    >>> print(formula.javascript("softplus"))
    // softplus: value
    function softplus(z) {
      return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
    }
    """

    title: str
    arguments: tuple[str, ...]
    results: dict[str, Expr]
    elementwise: bool

    def nodes(self) -> list[Expr]:
        """Every node of the expression, arguments before what uses them."""
        return reachable(self.results.values())

    def result(self, name: str | None = None) -> Expr:
        """A result by its name; without one, the first.

        Raises
        ------
        InputError
            If there is no result of that name.
        """
        if name is None:
            return next(iter(self.results.values()))
        if name not in self.results:
            raise InputError(
                f"{self.title} has no result {name!r}; its results are: {', '.join(self.results)}"
            )
        return self.results[name]

    def latex(self, result: str | None = None) -> str:
        """A result (without a name, the first) as LaTeX, for math mode."""
        from deltarule.maths.printing.markup import latex

        return latex(self, result)

    def mathml(self, result: str | None = None, *, display: str = "block") -> str:
        """A result as a MathML ``math`` element, with its plain text as ``alttext``."""
        from deltarule.maths.printing.markup import mathml

        return mathml(self, result, display=display)

    def text(self, result: str | None = None) -> str:
        """A result as one line of plain text."""
        from deltarule.maths.printing.markup import text

        return text(self, result)

    def javascript(self, name: str) -> str:
        """A JavaScript function of that name; see :func:`print_javascript`."""
        from deltarule.maths.printing.javascript import print_javascript

        return print_javascript({name: self})

    def c99(self, name: str, dtype: str = "double") -> str:
        """A C99 function of that name; see :func:`print_c99`."""
        from deltarule.maths.printing.c99 import print_c99

        return print_c99({name: self}, dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedActivation:
    """An activation written down.

    Parameters
    ----------
    value : RecordedFormula
        Of (z): g(z).
    slope : RecordedFormula or None
        Of (z, a): g′(z); None if the activation mixes outputs.
    pullback : RecordedFormula
        Of (z, a, up): ∂C/∂z from ``up`` = ∂C/∂a.
    """

    value: RecordedFormula
    slope: RecordedFormula | None
    pullback: RecordedFormula


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedLoss:
    """A loss written down; each formula has the results ``term`` and ``derivative``.

    Parameters
    ----------
    from_output : RecordedFormula
        Of (a, y): the term of C_i and ∂C_i/∂a.
    from_input : RecordedFormula or None
        Of (z, y), for a fused pair: the term of C_i and ∂C_i/∂z.
    """

    from_output: RecordedFormula
    from_input: RecordedFormula | None


def _record(
    title: str,
    xp: RecordingNamespace,
    function: Callable[..., Any],
    names: tuple[str, ...],
    results: tuple[str, ...],
    elementwise: bool | None = None,
) -> RecordedFormula:
    """Run ``function`` once on variables of these names."""
    variables = [xp.variable(name) for name in names]
    try:
        given = function(*variables)
        values = given if len(results) > 1 else (given,)
        if not isinstance(values, tuple) or len(values) != len(results):
            raise InputError(f"it returned {given!r}; expected the pair ({', '.join(results)})")
        nodes = {name: xp.number(value) for name, value in zip(results, values, strict=True)}
        _check(nodes, elementwise)
    except InputError as error:
        raise InputError(f"cannot record {title}: {error}") from error
    across = any(node.op in ACROSS for node in reachable(nodes.values()))
    return RecordedFormula(title, names, nodes, not across if elementwise is None else elementwise)


def _check(nodes: dict[str, Expr], elementwise: bool | None) -> None:
    for name, root in nodes.items():
        used = {node.op for node in reachable([root])}
        if elementwise and used.intersection(ACROSS):
            raise InputError(
                f"it is declared elementwise but looks across outputs "
                f"({', '.join(sorted(used.intersection(ACROSS)))}); pass elementwise=False"
            )
        if not root.spread and used.intersection(REDUCTIONS):
            raise InputError(f"its {name} is one number for the row; expected one for each output")


def _bound(record: Record, xp: RecordingNamespace, symbols: bool) -> dict[str, Any]:
    """The record's parameters as the formula is given them: numbers or symbols."""

    def symbol(name: str, value: Any, position: int | None = None) -> Any:
        if isinstance(value, tuple):
            return tuple(symbol(name, item, place) for place, item in enumerate(value))
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return xp.symbol(name, value, position) if number else value

    values = record.settings
    return {key: symbol(key, value) for key, value in values.items()} if symbols else values


def record_activation(activation: Activation | str, *, symbols: bool = False) -> RecordedActivation:
    """Write an activation's formulas down.

    Parameters
    ----------
    activation : Activation or str
        The activation or its registered name.
    symbols : bool
        Show parameters by their names (α) and not by their values (0.01). Printed code
        has the values either way.

    Returns
    -------
    RecordedActivation
        Its value, slope and pullback.

    Raises
    ------
    InputError
        If the formula does something that cannot be written down, naming it.

    Examples
    --------
    >>> print(record_activation("leaky_relu", symbols=True).slope.text())
    1 if z > 0; α otherwise
    """
    record = ACTIVATIONS.get(activation)
    xp = RecordingNamespace()
    title = f"activation {record}"
    try:
        value, other = functions_of_activation(
            xp, record.formula, _bound(record, xp, symbols), title, record.elementwise
        )
    except InputError as error:
        raise InputError(f"cannot record {title}: {error}") from error

    def pullback(z: Any, a: Any, up: Any) -> Any:
        return up * other(z, a) if record.elementwise else other(z, a, up)

    own = record.elementwise
    value_formula = _record(f"{record}: value", xp, value, ("z",), ("value",), own)
    slope = None
    if own:
        slope = _record(f"{record}: slope", xp, other, ("z", "a"), ("slope",), own)
    names = ("z", "a", "up")
    back = _record(f"{record}: pullback", xp, pullback, names, ("pullback",), own)
    return RecordedActivation(value_formula, slope, back)


def record_loss(
    loss: Loss | str,
    output_activation: Activation | str | None = None,
    *,
    symbols: bool = False,
) -> RecordedLoss:
    """Write a loss's formulas down.

    Parameters
    ----------
    loss : Loss or str
        The loss or its registered name.
    output_activation : Activation or str, optional
        With it comes the fused formula, if the loss has one for this output.
    symbols : bool
        Show parameters by their names (κ) and not by their values (1.0).

    Returns
    -------
    RecordedLoss
        From (a, y), and from (z, y) for a fused pair.

    Raises
    ------
    IncompatiblePair
        If the loss does not go with the output activation.
    InputError
        If the formula does something that cannot be written down, naming it.

    Examples
    --------
    >>> formula = record_loss("squared_error").from_output
    >>> formula.text("term"), formula.text("derivative")
    ('(a - y)^2', '2 (a - y)')
    """
    record = LOSSES.get(loss)
    output = None if output_activation is None else ACTIVATIONS.get(output_activation)
    if output is not None:
        record.require(output)
    fusion = None if output is None else dict(record.fused).get(output.name)

    def note(formula: Callable[..., Any], first: str, title: str) -> RecordedFormula:
        xp = RecordingNamespace()
        try:
            function = terms_of_loss(xp, formula, _bound(record, xp, symbols), f"loss {record}")
        except InputError as error:
            raise InputError(f"cannot record loss {record}: {error}") from error
        return _record(title, xp, function, (first, "y"), ("term", "derivative"))

    fused = None
    if fusion is not None and output is not None:
        fused = note(fusion, "z", f"{record} fused with {output.name}: term and derivative by z")
    return RecordedLoss(
        note(record.formula, "a", f"{record}: term and derivative by a"),
        fused,
    )


@functools.cache
def record_shared(name: str) -> RecordedFormula:
    """Write a shared function down, which printed code contains as a helper.

    Parameters
    ----------
    name : str
        Its name in :data:`~deltarule.maths.shared_functions.SHARED_FUNCTIONS`.

    Returns
    -------
    RecordedFormula
        Its arguments have the names of its source, its result is ``value``.

    Examples
    --------
    >>> record_shared("normal_cdf").arguments
    ('z',)
    """
    formula = SHARED_FUNCTIONS[name].formula
    xp = RecordingNamespace()
    arguments = tuple(inspect.signature(formula).parameters)[1:]
    return _record(name, xp, functools.partial(formula, xp), arguments, ("value",), True)

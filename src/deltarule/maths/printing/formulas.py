"""Activations and losses as symbolic expressions with methods that print them.

:func:`symbolic_activation` and :func:`symbolic_loss` mirror ``bind``: where a bound activation
has a function, a symbolic one has a :class:`SymbolicFormula` under the same name.
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
from deltarule.maths.namespace import CROSS_OUTPUT_OPS
from deltarule.maths.shared_functions import SHARED_FUNCTIONS
from deltarule.maths.symbolic import REDUCTIONS, Expr, SymbolicNamespace, reachable
from deltarule.records import Record

__all__ = [
    "SymbolicActivation",
    "SymbolicFormula",
    "SymbolicLoss",
    "symbolic_activation",
    "symbolic_loss",
    "symbolic_shared_function",
]


@dataclasses.dataclass(frozen=True, eq=False)
class SymbolicFormula:
    r"""A formula as symbolic expressions, with methods that print it.

    Printed code computes what the formula computes, operation by operation. Printed
    mathematics equals it in exact arithmetic and leaves out operations that only serve
    accuracy: e^(−|z|)/(1 + e^(−|z|)) for z ≤ 0 is shown as e^z/(1 + e^z).

    Parameters
    ----------
    title : str
        Its name in comments and messages.
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
    >>> from deltarule.maths.printing import symbolic_activation
    >>> formula = symbolic_activation("softplus").value
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

    def expressions(self) -> list[Expr]:
        """All expressions that the results are made of, in topological order."""
        return reachable(self.results.values())

    def result(self, name: str | None = None) -> Expr:
        """The result of that name; the first if ``name`` is None.

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
        """A result (the first if None) as LaTeX, for math mode."""
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
class SymbolicActivation:
    """An activation's formulas as expressions.

    Parameters
    ----------
    value : SymbolicFormula
        g(z), with the argument z.
    slope : SymbolicFormula or None
        g′(z), with the arguments z and a; None if the activation is not elementwise.
    pullback : SymbolicFormula
        ∂C/∂z, with the arguments z, a and ``up`` = ∂C/∂a.
    textbook_value, textbook_slope : SymbolicFormula or None
        The forms for people to read; None where they are the formulas above.
    """

    value: SymbolicFormula
    slope: SymbolicFormula | None
    pullback: SymbolicFormula
    textbook_value: SymbolicFormula | None = None
    textbook_slope: SymbolicFormula | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class SymbolicLoss:
    """A loss's formulas as expressions; each has the results ``term`` and ``derivative``.

    Parameters
    ----------
    from_output : SymbolicFormula
        The term of C_i and ∂C_i/∂a, with the arguments a and y.
    from_input : SymbolicFormula or None
        The term of C_i and ∂C_i/∂z of a loss fused with its output activation; arguments z, y.
    textbook_derivative : SymbolicFormula or None
        ∂C_i/∂a as people read it, of (a, y); None where it is the formula above.
    textbook_delta : SymbolicFormula or None
        ∂C_i/∂z of a fused pair as people read it, of (a, y).
    """

    from_output: SymbolicFormula
    from_input: SymbolicFormula | None
    textbook_derivative: SymbolicFormula | None = None
    textbook_delta: SymbolicFormula | None = None


def _symbolic_formula(
    title: str,
    xp: SymbolicNamespace,
    function: Callable[..., Any],
    names: tuple[str, ...],
    results: tuple[str, ...],
    elementwise: bool | None = None,
) -> SymbolicFormula:
    """The formula that ``function`` computes, traced by calling it on variables of these names."""
    variables = [xp.variable(name) for name in names]
    try:
        given = function(*variables)
        values = given if len(results) > 1 else (given,)
        if not isinstance(values, tuple) or len(values) != len(results):
            raise InputError(f"it returned {given!r}; expected the pair ({', '.join(results)})")
        exprs = {name: xp.number(value) for name, value in zip(results, values, strict=True)}
        _check(exprs, elementwise)
    except InputError as error:
        raise InputError(f"no symbolic form of {title}: {error}") from error
    combines_outputs = any(expr.op in CROSS_OUTPUT_OPS for expr in reachable(exprs.values()))
    return SymbolicFormula(
        title, names, exprs, not combines_outputs if elementwise is None else elementwise
    )


def _check(exprs: dict[str, Expr], elementwise: bool | None) -> None:
    for name, root in exprs.items():
        used = {expr.op for expr in reachable([root])}
        if elementwise and used.intersection(CROSS_OUTPUT_OPS):
            raise InputError(
                f"it is declared elementwise but combines outputs "
                f"({', '.join(sorted(used.intersection(CROSS_OUTPUT_OPS)))}); "
                "pass elementwise=False"
            )
        if not root.varies and used.intersection(REDUCTIONS):
            raise InputError(f"its {name} is one number for the row; expected one for each output")


def _arguments(record: Record, xp: SymbolicNamespace, symbols: bool) -> dict[str, Any]:
    """The record's parameters by name, as numbers or as symbols."""

    def symbol(name: str, value: Any, position: int | None = None) -> Any:
        if isinstance(value, tuple):
            return tuple(symbol(name, item, place) for place, item in enumerate(value))
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return xp.symbol(name, value, position) if number else value

    values = record.settings
    return {key: symbol(key, value) for key, value in values.items()} if symbols else values


def symbolic_activation(
    activation: Activation | str, *, symbols: bool = False
) -> SymbolicActivation:
    """An activation's formulas as expressions that can be printed.

    Parameters
    ----------
    activation : Activation or str
        The activation or its registered name.
    symbols : bool
        Whether parameters are printed by name (α) instead of by value (0.01). Printed code
        has the values in both cases.

    Returns
    -------
    SymbolicActivation

    Raises
    ------
    InputError
        If the formula uses an operation without a symbolic form; the message names it.

    Examples
    --------
    >>> print(symbolic_activation("leaky_relu", symbols=True).slope.text())
    1 if z > 0; α otherwise
    """
    record = ACTIVATIONS.get(activation)
    xp = SymbolicNamespace()
    title = f"activation {record}"
    try:
        value, slope_or_pullback = functions_of_activation(
            xp, record.formula, _arguments(record, xp, symbols), title, record.elementwise
        )
    except InputError as error:
        raise InputError(f"no symbolic form of {title}: {error}") from error

    def pullback(z: Any, a: Any, up: Any) -> Any:
        return up * slope_or_pullback(z, a) if record.elementwise else slope_or_pullback(z, a, up)

    def formula(name: str, function: Callable[..., Any], *arguments: str) -> SymbolicFormula:
        return _symbolic_formula(
            f"{record}: {name}", xp, function, arguments, (name,), record.elementwise
        )

    return SymbolicActivation(
        formula("value", value, "z"),
        formula("slope", slope_or_pullback, "z", "a") if record.elementwise else None,
        formula("pullback", pullback, "z", "a", "up"),
        *_textbook_forms(record),
    )


def _textbook_forms(record: Activation) -> tuple[SymbolicFormula | None, SymbolicFormula | None]:
    """The textbook's value and slope of an activation, each None where it has none."""
    if record.textbook is None:
        return None, None
    xp = SymbolicNamespace()
    value, slope = record.textbook(xp, **record.settings)

    def formula(name: str, function: Any, *arguments: str) -> SymbolicFormula | None:
        title = f"{record}: textbook {name}"
        if function is None:
            return None
        return _symbolic_formula(title, xp, function, arguments, (name,), record.elementwise)

    return formula("value", value, "z"), formula("slope", slope, "z", "a")


def symbolic_loss(
    loss: Loss | str,
    output_activation: Activation | str | None = None,
    *,
    symbols: bool = False,
) -> SymbolicLoss:
    """A loss's formulas as expressions that can be printed.

    Parameters
    ----------
    loss : Loss or str
        The loss or its registered name.
    output_activation : Activation or str, optional
        The output whose fused formula is included, if the loss has one for it.
    symbols : bool
        Whether parameters are printed by name (κ) instead of by value (1.0).

    Returns
    -------
    SymbolicLoss

    Raises
    ------
    IncompatiblePair
        If the loss does not go with the output activation.
    InputError
        If the formula uses an operation without a symbolic form; the message names it.

    Examples
    --------
    >>> formula = symbolic_loss("squared_error").from_output
    >>> formula.text("term"), formula.text("derivative")
    ('(a - y)^2', '2 (a - y)')
    """
    record = LOSSES.get(loss)
    output = None if output_activation is None else ACTIVATIONS.get(output_activation)
    if output is not None:
        record.require(output)
    fusion = None if output is None else dict(record.fused).get(output.name)

    def symbolic(formula: Callable[..., Any], first: str, title: str) -> SymbolicFormula:
        xp = SymbolicNamespace()
        try:
            function = terms_of_loss(xp, formula, _arguments(record, xp, symbols), f"loss {record}")
        except InputError as error:
            raise InputError(f"no symbolic form of loss {record}: {error}") from error
        title = f"{title}: term and derivative by {first}"
        return _symbolic_formula(title, xp, function, (first, "y"), ("term", "derivative"))

    def textbook(form: Callable[..., Any] | None, result: str) -> SymbolicFormula | None:
        if form is None:
            return None
        xp = SymbolicNamespace()
        function = form(xp, **record.settings)
        return _symbolic_formula(
            f"{record}: textbook {result}", xp, function, ("a", "y"), (result,)
        )

    fused = delta = None
    if fusion is not None and output is not None:
        fused = symbolic(fusion, "z", f"{record} fused with {output.name}")
        delta = textbook(dict(record.deltas).get(output.name), "delta")
    derivative = textbook(record.textbook, "derivative")
    return SymbolicLoss(symbolic(record.formula, "a", str(record)), fused, derivative, delta)


@functools.cache
def symbolic_shared_function(name: str) -> SymbolicFormula:
    """A shared function as expressions; printed code contains it as a helper.

    Parameters
    ----------
    name : str
        Its name in :data:`~deltarule.maths.shared_functions.SHARED_FUNCTIONS`.

    Returns
    -------
    SymbolicFormula
        Its arguments are named as in the source, its result is ``value``.

    Examples
    --------
    >>> symbolic_shared_function("normal_cdf").arguments
    ('z',)
    """
    formula = SHARED_FUNCTIONS[name].formula
    xp = SymbolicNamespace()
    arguments = tuple(inspect.signature(formula).parameters)[1:]
    function = functools.partial(formula, xp)
    return _symbolic_formula(name, xp, function, arguments, ("value",), True)

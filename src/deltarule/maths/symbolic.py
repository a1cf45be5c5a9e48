"""The symbolic namespace: a formula is run once on symbols, and its expression graph is built.

A formula takes a namespace ``xp`` and values to calculate with. Given a
:class:`SymbolicNamespace` and its variables in place of arrays, it builds a graph of
:class:`Expr` and calculates nothing. What is printed from the graph
(:mod:`deltarule.maths.printing`) is therefore the formula that trains.

One :class:`Expr` is made for each operation on the same operands, so a printer emits a
common subexpression once. The operations are those of :mod:`deltarule.maths.namespace`
under their names there, and NumPy's names for the operators (``add``, ``less`` …). Other
operations are refused, and the message says what to write instead.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.namespace import CROSS_OUTPUT_OPS, ELEMENTWISE
from deltarule.maths.shared_functions import SHARED_FUNCTIONS

__all__ = [
    "ARITHMETIC",
    "COMPARISONS",
    "OPPOSITES",
    "REDUCTIONS",
    "Expr",
    "Operators",
    "SymbolicNamespace",
    "reachable",
]

ARITHMETIC = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
COMPARISONS = {
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}
OPPOSITES = {
    "less": "greater_equal",
    "less_equal": "greater",
    "greater": "less_equal",
    "greater_equal": "less",
    "equal": "not_equal",
    "not_equal": "equal",
}
REDUCTIONS = ("total", "largest")


def _refuse(tried: str, instead: str) -> NoReturn:
    raise InputError(f"a formula tried {tried}, which has no symbolic form; {instead}")


@functools.cache
def _n_operands(formula: Callable[..., Any]) -> int:
    """The number of arguments of a shared function besides the namespace."""
    return len(inspect.signature(formula).parameters) - 1


def _operator(op: str, *, reflected: bool = False) -> Any:
    def method(self: Operators, other: Any) -> Any:
        operands = (other, self) if reflected else (self, other)
        return self.namespace.apply(op, *operands)

    return method


class Operators:
    """Python's operators as calls of ``namespace.apply``, for the values of a namespace."""

    __slots__ = ()
    namespace: Any

    __add__ = _operator("add")
    __radd__ = _operator("add", reflected=True)
    __sub__ = _operator("subtract")
    __rsub__ = _operator("subtract", reflected=True)
    __mul__ = _operator("multiply")
    __rmul__ = _operator("multiply", reflected=True)
    __truediv__ = _operator("divide")
    __rtruediv__ = _operator("divide", reflected=True)
    __lt__ = _operator("less")
    __le__ = _operator("less_equal")
    __gt__ = _operator("greater")
    __ge__ = _operator("greater_equal")
    __eq__ = _operator("equal")
    __ne__ = _operator("not_equal")
    # Values are dictionary keys by identity, since == makes a comparison.
    __hash__ = object.__hash__

    def __neg__(self) -> Any:
        return self.namespace.apply("negative", self)

    def __abs__(self) -> Any:
        return self.namespace.apply("abs", self)


def _refusal(tried: str, instead: str) -> Any:
    def method(self: Expr, *_: Any, **__: Any) -> NoReturn:
        _refuse(tried, instead)

    return method


class Expr(Operators):
    """An expression: an operation on other expressions, a variable or a constant.

    Expressions are made by a :class:`SymbolicNamespace` and by Python's operators. ``==``
    makes a comparison; two expressions are equal if they are the same object.

    Attributes
    ----------
    op : str
        ``"variable"``, ``"constant"``, ``"symbol"``; a key of :data:`ARITHMETIC` or
        :data:`COMPARISONS`; ``"negative"``; or the name of an operation or shared
        function of the namespace.
    args : tuple of Expr
        The operands.
    data : object
        A variable's name; a constant's number; a symbol's (name, position, value); for
        ``per_output`` the pair (symbol's name or None, values).
    index : int
        The number of expressions made before it: greater than the index of any operand.
    varies : bool
        Whether it has one value for each output; otherwise it has one value for the row.
    is_condition : bool
        Whether it is a comparison and not a number.
    namespace : SymbolicNamespace
        The namespace that made it.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> xp.exp(-z) is xp.exp(-z)
    True
    >>> (1 + z).op, [argument.op for argument in (1 + z).args]
    ('add', ['constant', 'variable'])
    """

    __slots__ = ("args", "data", "index", "is_condition", "namespace", "op", "varies")

    def __init__(
        self,
        namespace: SymbolicNamespace,
        op: str,
        args: tuple[Expr, ...],
        data: Any,
        varies: bool,
    ) -> None:
        self.namespace = namespace
        self.op = op
        self.args = args
        self.data = data
        self.index = len(namespace)
        self.varies = varies
        self.is_condition = op in COMPARISONS

    def is_constant(self, number: float) -> bool:
        """Whether it is a constant equal to ``number``."""
        return self.op == "constant" and bool(self.data == number)

    def __pos__(self) -> Expr:
        return self

    def __pow__(self, power: Any) -> Expr:
        if isinstance(power, bool) or not isinstance(power, int) or not 1 <= power <= 4:
            _refuse(
                f"a power ** {power!r}",
                "expected a whole exponent from 1 to 4; "
                "write others as xp.sqrt(x), 1 / x or xp.exp(p * xp.log(x))",
            )
        square = self * self if power > 1 else self
        return {1: self, 2: square, 3: square * self, 4: square * square}[power]

    __rpow__ = _refusal("a power with a variable exponent", "use xp.exp(exponent * log_of_base)")
    __bool__ = _refusal(
        "to branch on a value (if, and, or, not, min, max, a < b < c)",
        "use xp.where(condition, a, b), xp.minimum or xp.maximum",
    )
    __and__ = __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = __invert__ = _refusal(
        "to combine conditions with &, |, ^ or ~", "nest xp.where(condition, a, b)"
    )
    __getitem__ = __iter__ = __len__ = __contains__ = __setitem__ = _refusal(
        "to index, iterate over or take the length of a value",
        "a formula is given for one output; combine outputs with "
        "xp.total, xp.largest, xp.n_outputs or xp.per_output",
    )
    __float__ = __int__ = __index__ = __complex__ = _refusal(
        "to turn a value into a Python number (math.exp, float, range …)",
        "use the functions of xp",
    )
    __array__ = __array_function__ = _refusal(
        "to turn a value into an array (np.where, np.sum, np.asarray …)",
        "use the functions of xp",
    )
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = _refusal(
        "an operator among %, // and divmod", "use + - * /, and xp.rint to round"
    )
    __matmul__ = __rmatmul__ = _refusal("a matrix product", "use xp.total(x * y)")
    __round__ = __floor__ = __ceil__ = __trunc__ = _refusal("to round a value", "use xp.rint")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Expr:
        # np.sqrt(2) * z arrives here, with the scalar as a 0-d array; it is a constant.
        name = ufunc.__name__
        operators = {*ARITHMETIC, *COMPARISONS}
        scalars = not any(isinstance(value, np.ndarray) and value.ndim for value in inputs)
        if method == "__call__" and name in operators and scalars and not options:
            plain = [x.item() if isinstance(x, np.ndarray) else x for x in inputs]
            return self.namespace.apply(name, *plain)
        if name in operators:
            _refuse(
                "arithmetic with a NumPy array",
                "use numbers, or xp.per_output(values, x) for one constant to each output",
            )
        use = {"absolute": "abs", "fabs": "abs", "power": "exp"}.get(name, name)
        known = f"use xp.{use}" if use in ELEMENTWISE else _suggestion(name)
        _refuse(f"np.{name}", known)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # probes of copy, inspect and others expect this error
            raise AttributeError(name)
        use = {"sum": "xp.total(x)", "max": "xp.largest(x)", "shape": "xp.n_outputs(x)"}
        _refuse(f"the attribute .{name} of a value", f"use {use.get(name, 'the functions of xp')}")

    def __repr__(self) -> str:
        inside = [f"#{operand.index}" for operand in self.args]
        if self.data is not None:
            inside.append(repr(self.data))
        return f"<Expr #{self.index} {self.op}({', '.join(inside)})>"


class SymbolicNamespace:
    """The operations a formula may use, over expressions in place of arrays.

    Formulas may use what :class:`~deltarule.maths.namespace.ArrayNamespace` offers.
    ``variable`` and ``symbol`` make the arguments of a formula; ``number``, ``apply`` and
    ``leaf`` are for printers. Constants keep their type, so that ``2`` and ``0.5`` print as
    written in the source.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> z = xp.variable("z")
    >>> xp.where(z > 0, z, 0.1 * z).op
    'where'
    >>> xp.sin(z)
    Traceback (most recent call last):
    deltarule.errors.InputError: a formula tried xp.sin, which has no symbolic form; ...
    """

    minimum: Callable[[Any, Any], Expr]
    maximum: Callable[[Any, Any], Expr]
    dtype = np.dtype(np.float64)
    """Printed constants have the digits of float64."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Expr] = {}
        for name in ELEMENTWISE:
            if name != "where":
                count = 2 if name in ("minimum", "maximum") else 1
                setattr(self, name, functools.partial(self._call, name, count))
        for shared in SHARED_FUNCTIONS.values():
            count = _n_operands(shared.formula)
            setattr(self, shared.name, functools.partial(self._call, shared.name, count))

    def variable(self, name: str, *, for_row: bool = False) -> Expr:
        """An argument of the formula: one value for each output, or one for the row."""
        return self._make("variable", (), name, varies=not for_row)

    def symbol(self, name: str, value: float, position: int | None = None) -> Expr:
        """A parameter that is printed by its name; ``position`` is its index in a tuple."""
        return self._make("symbol", (), (name, position, value))

    def where(self, condition: Any, a: Any, b: Any) -> Expr:
        """``a`` where the condition holds, else ``b``."""
        if isinstance(condition, bool | np.bool_):  # a comparison of two parameters
            return self.number(a if condition else b)
        if not isinstance(condition, Expr) or not condition.is_condition:
            _refuse("xp.where without a condition", "its first argument must be a comparison")
        return self.apply("where", condition, a, b)

    def total(self, x: Any) -> Expr:
        """The sum over outputs."""
        return self._reduce("total", x)

    def largest(self, x: Any) -> Expr:
        """The maximum over outputs."""
        return self._reduce("largest", x)

    def n_outputs(self, x: Any) -> Expr:
        """The number of outputs."""
        if not self._row(x, "n_outputs").varies:
            return self.number(1)
        return self._make("n_outputs", ())

    def per_output(self, values: Iterable[Any], x: Any) -> Expr:
        """``values``, repeated to give one constant to each output."""
        self._row(x, "per_output")
        given = tuple(self.number(value) for value in values)
        names = {expr.data[0] if expr.op == "symbol" else None for expr in given}
        if not given or any(expr.op not in ("constant", "symbol") for expr in given):
            _refuse("xp.per_output of calculated values", "its first argument must be numbers")
        numbers = tuple(float(expr.data[2] if expr.op == "symbol" else expr.data) for expr in given)
        name = names.pop() if len(names) == 1 else None
        return self._make("per_output", (), (name, numbers), varies=True)

    def apply(self, op: str, *operands: Any) -> Expr:
        """The expression of an operation by its name; operands may be plain numbers."""
        first = operands[:1] if op == "where" else ()
        args = first + tuple(self.number(operand) for operand in operands[len(first) :])
        if any(expr.namespace is not self for expr in args):
            _refuse("to mix values of two namespaces", "use the formula's arguments")
        return self._make(op, args, varies=any(expr.varies for expr in args))

    def leaf(self, expr: Expr) -> Expr:
        """A variable, constant or symbol of another namespace, in this one."""
        return self._make(expr.op, (), expr.data, varies=expr.varies)

    def number(self, value: Any) -> Expr:
        """A number or expression as an expression; anything else is refused."""
        if isinstance(value, Expr):
            if value.is_condition:
                _refuse("to calculate with a comparison", "use xp.where(condition, 1, 0)")
            return value
        if isinstance(value, np.integer | np.floating):
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse(
                f"to calculate with {value!r}",
                "use numbers, the formula's arguments and the functions of xp",
            )
        return self._make("constant", (), value)

    def _call(self, op: str, count: int, *operands: Any, **options: Any) -> Expr:
        if len(operands) != count or options:
            _refuse(
                f"xp.{op} with {len(operands)} arguments and options {sorted(options)}",
                f"give it {count} argument{'s' if count > 1 else ''} and no options",
            )
        return self.apply(op, *operands)

    def _reduce(self, op: str, x: Any) -> Expr:
        expr = self._row(x, op)
        return self._make(op, (expr,)) if expr.varies else expr

    def _row(self, x: Any, op: str) -> Expr:
        if not isinstance(x, Expr) or x.is_condition:
            what = "a condition" if isinstance(x, Expr) else repr(x)
            _refuse(f"xp.{op} of {what}", "use an expression of the formula's arguments")
        return x

    def _make(
        self, op: str, args: tuple[Expr, ...], data: Any = None, *, varies: bool = False
    ) -> Expr:
        # repr distinguishes 2 from 2.0 and 0.0 from -0.0, and is equal for two NaNs.
        key = (op, tuple(expr.index for expr in args), repr(data))
        if key not in self._made:
            self._made[key] = Expr(self, op, args, data, varies)
        return self._made[key]

    def __len__(self) -> int:
        return len(self._made)

    def __bool__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        _refuse(f"xp.{name}", _suggestion(name))

    def __repr__(self) -> str:
        return f"SymbolicNamespace({len(self)} expressions)"


def _suggestion(name: str) -> str:
    known = [*ELEMENTWISE, *CROSS_OUTPUT_OPS, *SHARED_FUNCTIONS]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean xp.{close[0]}? " if close else ""
    return f"{hint}xp offers {', '.join(known)}"


def reachable(roots: Iterable[Expr], stop: Callable[[Expr], bool] | None = None) -> list[Expr]:
    """The expressions that ``roots`` are made of, themselves included, in topological order.

    Parameters
    ----------
    roots : iterable of Expr
    stop : callable, optional
        The operands of an expression for which it is true are not followed.

    Examples
    --------
    >>> xp = SymbolicNamespace()
    >>> [expr.op for expr in reachable([xp.exp(-xp.variable("z"))])]
    ['variable', 'negative', 'exp']
    """
    found: dict[int, Expr] = {}
    pending = list(roots)
    while pending:
        expr = pending.pop()
        if expr.index not in found:
            found[expr.index] = expr
            if stop is None or not stop(expr):
                pending.extend(expr.args)
    return [found[index] for index in sorted(found)]

"""Formulas turned into instructions: a formula is run once, and writes its kernel's body.

A formula of the library sees an array namespace. Here it gets one whose values are
places in a kernel: ``IRValue`` numbers write an instruction for every operation. What a
formula computes from numbers that are the same for all elements (a rate, 1 − β^t) is
computed once, in float64, as NumPy computes with Python's numbers, and takes the type of
the vector that it meets.

Expressions recorded by :mod:`deltarule.maths.symbolic` are evaluated by the same words.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from llvmlite import ir

from deltarule.engines.compiled.elementary import Elementary
from deltarule.engines.compiled.ir_builder import Code
from deltarule.errors import InputError
from deltarule.maths.namespace import ELEMENTWISE
from deltarule.maths.shared_functions import SHARED_FUNCTIONS
from deltarule.maths.symbolic import ARITHMETIC, COMPARISONS, Expr, reachable

__all__ = ["IRNamespace", "IRValue", "evaluate"]

_ARITHMETIC = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
_WITHOUT_CALL = ("where",)
# A shared function that is a word here: its e^z is then that of the rest of the formula, where
# its own lines would be a second exponential (silu: 0.76 of the time with it, mish 0.85).
_WORDS = ("times_exp",)
_FORMULAS = {name: shared for name, shared in SHARED_FUNCTIONS.items() if name not in _WORDS}


def _is_vector(value: Any) -> bool:
    """Whether an instruction's result has one number for each lane."""
    return isinstance(value.type, ir.VectorType)


def _operator(op: str, *, reflected: bool = False) -> Any:
    def method(self: IRValue, other: Any) -> IRValue:
        pair = (other, self) if reflected else (self, other)
        return self.tracer.apply(op, *pair)

    return method


class IRValue:
    """A number, or a condition, in a kernel: one for each lane, or one for all.

    ``factors`` are those of a product of vectors, for a sum that takes it in.
    """

    __slots__ = ("factors", "ir", "tracer")

    def __init__(self, tracer: Any, value: Any, factors: tuple[Any, Any] | None = None) -> None:
        self.tracer, self.ir, self.factors = tracer, value, factors

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
    __hash__ = object.__hash__

    def __neg__(self) -> IRValue:
        return self.tracer.apply("negative", self)

    def __abs__(self) -> IRValue:
        return self.tracer.apply("abs", self)

    def __pow__(self, power: Any) -> IRValue:
        if power == 0.5:
            return self.tracer.apply("sqrt", self)
        if isinstance(power, int) and 1 <= power <= 4:
            square = self * self if power > 1 else self
            return {1: self, 2: square, 3: square * self, 4: square * square}[power]
        return self.tracer.exp(self.tracer.log(self) * power)

    def __rpow__(self, base: Any) -> IRValue:
        if base == 0:  # t counts from 1
            return 0 * self
        return self.tracer.exp(self * math.log(base))

    def __bool__(self) -> bool:
        raise InputError(
            "a formula decides on a value (if, and, or, not), which compiled code cannot; "
            "use xp.where(condition, a, b)"
        )


class IRNamespace:
    """The namespace that writes instructions.

    Parameters
    ----------
    code : Code
        The kernel that is being written, at the place where it is.
    reciprocals : bool
        Whether x / s with one s for all elements is x · (1/s): one more rounding, and not
        a division for each element (update rules: Adam has two such).
    """

    def __init__(self, code: Code, *, reciprocals: bool = False) -> None:
        self.code = code
        self.dtype = code.dtype
        self.words = Elementary(code)
        self.reciprocals = reciprocals
        for name in (*ELEMENTWISE, *_WORDS):
            if name not in _WITHOUT_CALL:
                setattr(self, name, functools.partial(self.apply, name))
        for shared in _FORMULAS.values():
            setattr(self, shared.name, functools.partial(shared.formula, self))

    def __getattr__(self, name: str) -> Any:  # for what setattr gives, and what is missing
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError(f"a formula tried xp.{name}, which the compiled engine does not offer")

    def value(self, ir_value: Any) -> IRValue:
        """An instruction's result as a number for formulas."""
        return IRValue(self, ir_value)

    # -- operations -------------------------------------------------------------------

    def apply(self, op: str, *operands: Any) -> IRValue:
        """The operation of that name, on traced or plain numbers."""
        if op == "where":
            return self.where(*operands)
        if op in _FORMULAS:
            return _FORMULAS[op].formula(self, *map(self._lifted, operands))
        b = self.code.b
        if op == "divide" and self._once_for_all(*operands):
            return self.apply("multiply", operands[0], 1.0 / self._lifted(operands[1]))
        values = self._alike(*operands)
        if op in ("add", "subtract"):
            return IRValue(self, self._sum(op, operands, values))
        if op in ARITHMETIC:
            factors = tuple(values) if op == "multiply" and _is_vector(values[0]) else None
            return IRValue(self, getattr(b, _ARITHMETIC[op])(*values), factors)
        if op == "not_equal":
            return IRValue(self, b.fcmp_unordered("!=", *values))
        if op in COMPARISONS:
            return IRValue(self, b.fcmp_ordered(COMPARISONS[op], *values))
        if op == "negative":
            return IRValue(self, b.fneg(values[0]))
        return IRValue(self, getattr(self.words, op)(*values))

    def _sum(self, op: str, operands: tuple[Any, Any], values: list[Any]) -> Any:
        """x ± y. A product in it is rounded with the sum, where the processor can.

        Which products, the formula alone decides: the compiler's own rule (``contract``) asks
        what else a product is used for, and would give another value with a slope beside it.
        """
        b = self.code.b
        first, second = (getattr(operand, "factors", None) for operand in operands)
        one, other = values
        minus = b.fneg if op == "subtract" else lambda value: value
        if second:
            return self.code.multiply_add(minus(second[0]), second[1], one)
        if first:
            return self.code.multiply_add(first[0], first[1], minus(other))
        return getattr(b, _ARITHMETIC[op])(one, other)

    def where(self, condition: Any, a: Any, b: Any) -> IRValue:
        """``a`` where the condition holds, else ``b``."""
        one, other = self._alike(a, b)
        if isinstance(condition, bool | np.bool_):
            return IRValue(self, self._rounded(one if condition else other))
        if _is_vector(condition.ir) and not _is_vector(one):
            one, other = self._spread(one), self._spread(other)
        return IRValue(self, self.code.b.select(condition.ir, one, other))

    # -- types ------------------------------------------------------------------------

    def _lifted(self, value: Any) -> IRValue:
        if isinstance(value, IRValue):
            return value
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"a formula calculates with {value!r}; expected numbers")
        return IRValue(self, ir.Constant(ir.DoubleType(), float(value)))

    def _once_for_all(self, x: Any, y: Any) -> bool:
        vectors = [isinstance(v, IRValue) and _is_vector(v.ir) for v in (x, y)]
        return self.reciprocals and vectors == [True, False]

    def _alike(self, *operands: Any) -> list[Any]:
        values = [self._lifted(operand).ir for operand in operands]
        if any(map(_is_vector, values)):
            return [value if _is_vector(value) else self._spread(value) for value in values]
        return values

    def _spread(self, scalar: Any) -> Any:
        """One float64 for all elements, as a vector of the kernel's type."""
        code = self.code
        if isinstance(scalar, ir.Constant):
            return code.number(code.vector, scalar.constant)
        known = code.is_number(scalar)
        if code.size == 4:
            scalar = code.b.fptrunc(scalar, code.real)
        vector = code.splat(scalar)
        if known:
            code.mark_as_number(vector)
        return vector

    def _rounded(self, value: Any) -> Any:
        """A single number, rounded to the kernel's type."""
        code = self.code
        if _is_vector(value) or code.size == 8:
            return value
        return code.b.fpext(code.b.fptrunc(value, code.real), ir.DoubleType())


def evaluate(
    tracer: IRNamespace,
    roots: list[Expr],
    known: Mapping[int, Any],
    leaf: Callable[[Expr], Any],
) -> list[Any]:
    """Recorded expressions as instructions.

    Parameters
    ----------
    tracer : IRNamespace
    roots : list of Expr
        What is wanted.
    known : mapping of int to IRValue
        What is there already, by the node's index.
    leaf : callable
        Gives a variable, a symbol, ``n_outputs`` and ``per_output``.

    Returns
    -------
    list of IRValue
    """
    found: dict[int, Any] = dict(known)
    for node in reachable(roots, stop=lambda node: node.index in known):
        if node.index in found:
            continue
        if node.op == "constant":
            found[node.index] = float(node.data)
        elif not node.args:
            found[node.index] = leaf(node)
        else:
            args = [found[argument.index] for argument in node.args]
            found[node.index] = tracer.apply(node.op, *args)
    return [found[root.index] for root in roots]

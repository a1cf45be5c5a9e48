"""An array namespace that writes LLVM instructions: a formula that is run with it writes a kernel.

The values of this namespace, :class:`IRValue`, are results of instructions in a kernel; every
operation on them writes an instruction. What a formula computes from numbers that are the same for
all elements (a learning rate, 1 − β^t) is computed once, in float64, as NumPy computes with Python
numbers, and is converted to the dtype of the vector that it is combined with.

Expressions recorded by :mod:`deltarule.maths.symbolic` are evaluated with the same functions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from llvmlite import ir

from deltarule.engines.compiled.elementary import Elementary
from deltarule.engines.compiled.ir_builder import KernelBuilder
from deltarule.errors import InputError
from deltarule.maths.namespace import ELEMENTWISE
from deltarule.maths.shared_functions import SHARED_FUNCTIONS
from deltarule.maths.symbolic import ARITHMETIC, COMPARISONS, Expr, Operators, reachable

__all__ = ["IRNamespace", "IRValue", "evaluate"]

_ARITHMETIC = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
_WITHOUT_CALL = ("where",)
# A shared function that is written with instructions here, and not by its formula: its e^z is then
# the one of the rest of the formula, where the formula would compute a second exponential (silu
# takes 0.76 of the time, mish 0.85).
_BUILT_IN = ("times_exp",)
_FORMULAS = {name: shared for name, shared in SHARED_FUNCTIONS.items() if name not in _BUILT_IN}


def _is_vector(value: Any) -> bool:
    """Whether a value has one number for each lane."""
    return isinstance(value.type, ir.VectorType)


class IRValue(Operators):
    """A number or truth value in a kernel: a vector with one for each lane, or one for all.

    ``factors`` are those of a product of vectors, which a sum fuses into a multiply-add.
    """

    __slots__ = ("factors", "ir", "namespace")

    def __init__(self, namespace: Any, value: Any, factors: tuple[Any, Any] | None = None) -> None:
        self.namespace, self.ir, self.factors = namespace, value, factors

    def __pow__(self, power: Any) -> IRValue:
        if power == 0.5:
            return self.namespace.apply("sqrt", self)
        if isinstance(power, int) and 1 <= power <= 4:
            square = self * self if power > 1 else self
            return {1: self, 2: square, 3: square * self, 4: square * square}[power]
        return self.namespace.exp(self.namespace.log(self) * power)

    def __rpow__(self, base: Any) -> IRValue:
        if base == 0:  # as a decay β^t, with t ≥ 1
            return 0 * self
        return self.namespace.exp(self * math.log(base))

    def __bool__(self) -> bool:
        raise InputError(
            "a formula decides on a value (if, and, or, not), which compiled code cannot; "
            "use xp.where(condition, a, b)"
        )


class IRNamespace:
    """The namespace with which a formula writes the instructions of a kernel.

    Parameters
    ----------
    code : KernelBuilder
        The kernel, positioned where instructions are to be written.
    reciprocals : bool
        Whether to compute x / s, with one s for all elements, as x · (1/s): one more rounding, but
        no division for each element. Used for update rules (Adam has two such divisions).
    """

    def __init__(self, code: KernelBuilder, *, reciprocals: bool = False) -> None:
        self.code = code
        self.dtype = code.dtype
        self.elementary = Elementary(code)
        self.reciprocals = reciprocals
        for name in (*ELEMENTWISE, *_BUILT_IN):
            if name not in _WITHOUT_CALL:
                setattr(self, name, functools.partial(self.apply, name))
        for shared in _FORMULAS.values():
            setattr(self, shared.name, functools.partial(shared.formula, self))

    def __getattr__(self, name: str) -> Any:  # only called for names that are not set above
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError(f"a formula tried xp.{name}, which the compiled engine does not offer")

    def value(self, ir_value: Any) -> IRValue:
        """Wrap the result of an instruction for use in a formula."""
        return IRValue(self, ir_value)

    def as_vector(self, value: Any) -> Any:
        """A result of a formula as a vector, broadcast if it is one number for all lanes."""
        if isinstance(value, IRValue) and _is_vector(value.ir):
            return value.ir
        return self.apply("add", value, self.value(self.code.zeros)).ir

    # -- operations -------------------------------------------------------------------

    def apply(self, op: str, *operands: Any) -> IRValue:
        """Write the operation of that name, on values or Python numbers."""
        if op == "where":
            return self.where(*operands)
        if op in _FORMULAS:
            return _FORMULAS[op].formula(self, *map(self.as_value, operands))
        b = self.code.b
        if op == "divide" and self._uses_reciprocal(*operands):
            return self.apply("multiply", operands[0], 1.0 / self.as_value(operands[1]))
        values = self._broadcast(*operands)
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
        return IRValue(self, getattr(self.elementary, op)(*values))

    def _sum(self, op: str, operands: tuple[Any, Any], values: list[Any]) -> Any:
        """x ± y; a product among the operands is fused with the sum where the processor can.

        Which products are fused depends on the formula alone. LLVM's own rule (its flag
        ``contract``) depends on the other uses of a product, so that a value computed together with
        its slope would have other bits than the value alone.
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
        one, other = self._broadcast(a, b)
        if isinstance(condition, bool | np.bool_):
            return IRValue(self, self._round(one if condition else other))
        if _is_vector(condition.ir) and not _is_vector(one):
            one, other = self._to_vector(one), self._to_vector(other)
        return IRValue(self, self.code.b.select(condition.ir, one, other))

    # -- types ------------------------------------------------------------------------

    def as_value(self, value: Any) -> IRValue:
        """A value of this namespace from itself or from a Python number."""
        if isinstance(value, IRValue):
            return value
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"a formula calculates with {value!r}; expected numbers")
        return IRValue(self, ir.Constant(ir.DoubleType(), float(value)))

    def _uses_reciprocal(self, x: Any, y: Any) -> bool:
        vectors = [isinstance(v, IRValue) and _is_vector(v.ir) for v in (x, y)]
        return self.reciprocals and vectors == [True, False]

    def _broadcast(self, *operands: Any) -> list[Any]:
        values = [self.as_value(operand).ir for operand in operands]
        if any(map(_is_vector, values)):
            return [value if _is_vector(value) else self._to_vector(value) for value in values]
        return values

    def _to_vector(self, scalar: Any) -> Any:
        """A float64 scalar as a vector of the kernel's dtype."""
        code = self.code
        if isinstance(scalar, ir.Constant):
            return code.constant(code.vector, scalar.constant)
        not_nan = code.is_not_nan(scalar)
        if code.size == 4:
            scalar = code.b.fptrunc(scalar, code.real)
        vector = code.splat(scalar)
        if not_nan:
            code.mark_not_nan(vector)
        return vector

    def _round(self, value: Any) -> Any:
        """A float64 scalar, rounded to the kernel's dtype; a vector as it is."""
        code = self.code
        if _is_vector(value) or code.size == 8:
            return value
        return code.b.fpext(code.b.fptrunc(value, code.real), ir.DoubleType())


def evaluate(
    xp: IRNamespace, roots: list[Expr], known: Mapping[int, Any], leaf: Callable[[Expr], Any]
) -> list[Any]:
    """Write recorded expressions as instructions.

    Parameters
    ----------
    xp : IRNamespace
    roots : list of Expr
        The expressions to compute.
    known : mapping of int to IRValue
        Values that are computed already, by the index of their expression.
    leaf : callable
        Returns the value of a variable, a symbol, ``n_outputs`` or ``per_output``.

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
            found[node.index] = xp.apply(node.op, *args)
    return [found[root.index] for root in roots]

"""Writing one kernel in LLVM's language: addresses, loops, vectors.

A kernel is a function of 64-bit integers (addresses, strides in bytes, counts), so that
one way of calling serves all of them, by address, from compiled code. Vectors are as
long as a cache line, 64 bytes: LLVM splits them where registers are shorter.

Loops over vectors are written as such and not left to a vectoriser: what is fast here
does not hang on a heuristic.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

__all__ = ["I64", "LINE", "Code", "Loop", "lanes_of"]

I64 = ir.IntType(64)
LINE = 64
"""Bytes of a cache line, and of a vector."""
_POINTER = ir.PointerType()


def lanes_of(dtype: Any) -> int:
    """How many numbers a vector holds: 16 of float32, 8 of float64."""
    return LINE // np.dtype(dtype).itemsize


class Loop:
    """A loop while it is written: its index, and what it carries from round to round."""

    def __init__(self, index: Any, carried: list[Any]) -> None:
        self.index = index
        self.carried = carried
        self.following: list[Any] = []

    def next(self, *values: Any) -> None:
        """What is carried into the next round."""
        self.following = list(values)


class Code:
    """One kernel: ``code.args`` are its arguments, and methods write instructions.

    Parameters
    ----------
    module : llvmlite.ir.Module
    name : str
    arguments : int
        How many 64-bit integers it takes. It gives one back.
    dtype : numpy dtype
        float32 or float64: what ``real`` and ``vector`` are.
    """

    def __init__(self, module: Any, name: str, arguments: int, dtype: Any) -> None:
        self.module = module
        self.dtype = np.dtype(dtype)
        self.lanes = lanes_of(dtype)
        self.size = self.dtype.itemsize
        self.real = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.real, self.lanes)
        self.function = ir.Function(module, ir.FunctionType(I64, [I64] * arguments), name)
        self.args = list(self.function.args)
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self._parameters: dict[int, Any] = {}
        self._never_nan: set[int] = set()

    # -- numbers ----------------------------------------------------------------------

    @staticmethod
    def whole(value: int) -> Any:
        """A 64-bit integer."""
        return ir.Constant(I64, value)

    @staticmethod
    def number(kind: Any, value: float) -> Any:
        """A floating-point constant, in every lane if ``kind`` is a vector."""
        if isinstance(kind, ir.VectorType):
            return ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count)
        return ir.Constant(kind, value)

    def sum(self, *terms: Any) -> Any:
        """A sum of 64-bit integers; a pair is a product."""
        total = None
        for term in terms:
            one = self.b.mul(*term) if isinstance(term, tuple) else term
            total = one if total is None else self.b.add(total, one)
        return total

    def splat(self, value: Any, kind: Any = None) -> Any:
        """A number in every lane of a vector."""
        kind = kind or self.vector
        start = self.b.insert_element(
            ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        order = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
        return self.b.shuffle_vector(start, ir.Constant(kind, ir.Undefined), order)

    def call(self, name: str, *values: Any, gives: Any = None) -> Any:
        """An intrinsic such as ``llvm.sqrt``, for the type of its first argument."""
        kind = values[0].type
        element = kind.element if isinstance(kind, ir.VectorType) else kind
        short = "f32" if isinstance(element, ir.FloatType) else "f64"
        count = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
        full = f"{name}.{count}{short}"
        function = self.module.globals.get(full)
        if function is None:
            signature = ir.FunctionType(gives or kind, [value.type for value in values])
            function = ir.Function(self.module, signature, full)
        return self.b.call(function, values)

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """x y + z, in one rounding where the processor has it."""
        return self.call("llvm.fmuladd", x, y, z)

    # -- memory -----------------------------------------------------------------------

    def parameter(self, address: Any, place: int) -> Any:
        """A float64 of an array that nobody writes to: read once, before all loops."""
        if place not in self._parameters:
            with self.b.goto_entry_block():
                where = self.sum(address, self.whole(8 * place))
                self._parameters[place] = self.load(where, ir.DoubleType(), 8)
            self.mark_as_number(self._parameters[place])
        return self._parameters[place]

    def mark_as_number(self, value: Any) -> None:
        """Remember that it is never NaN, which would have to be asked for otherwise."""
        self._never_nan.add(id(value))

    def is_number(self, value: Any) -> bool:
        """Whether it is known not to be NaN; of constants LLVM knows it."""
        return id(value) in self._never_nan

    def _pointer(self, address: Any) -> Any:
        return self.b.inttoptr(address, _POINTER)

    def load(self, address: Any, kind: Any = None, align: int | None = None) -> Any:
        """What stands at an address; a vector by default."""
        kind = kind or self.vector
        return self.b.load(self._pointer(address), typ=kind, align=align or self.size)

    def store(self, value: Any, address: Any, align: int | None = None) -> None:
        """Write a value."""
        self.b.store(value, self._pointer(address), align=align or self.size)

    def prefetch(self, address: Any) -> None:
        """Bring a cache line near, to be read and written; any address is allowed."""
        name, word = "llvm.prefetch.p0", ir.IntType(32)
        function = self.module.globals.get(name)
        if function is None:
            kinds = [_POINTER, word, word, word]
            function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), name)
        numbers = [ir.Constant(word, value) for value in (1, 3, 1)]  # write, keep, data
        self.b.call(function, [self._pointer(address), *numbers])

    def load_bits(self, address: Any, offset: Any) -> Any:
        """A bit for each lane, of marks whose numbers' bytes would begin at ``offset``."""
        place = self.b.add(address, self.b.udiv(offset, self.whole(8 * self.size)))
        word = self.load(place, ir.IntType(self.lanes), 1)
        return self.b.bitcast(word, ir.VectorType(ir.IntType(1), self.lanes))

    def replace(self, value: Any, address: Any) -> None:
        """Write a vector over one that it was computed from.

        LLVM turns the store of select(c, x, y) over x into a masked store, which takes AMD's
        processors without AVX-512 ten times as long; it does not see through the fence.
        """
        self.store(self.call("llvm.arithmetic.fence", value), address)

    def load_splat(self, address: Any) -> Any:
        """One number from memory, in every lane."""
        return self.splat(self.load(address, self.real))

    # -- control ----------------------------------------------------------------------

    @contextlib.contextmanager
    def loop(self, stop: Any, step: int = 1, carried: Sequence[Any] = ()) -> Iterator[Loop]:
        """``for index in range(0, stop, step)``; afterwards ``carried`` has the results."""
        before = self.b.block
        head, body, after = (self.function.append_basic_block() for _ in range(3))
        self.b.branch(head)
        self.b.position_at_end(head)
        index = self.b.phi(I64)
        index.add_incoming(self.whole(0), before)
        phis = []
        for value in carried:
            phi = self.b.phi(value.type)
            phi.add_incoming(value, before)
            phis.append(phi)
        self.b.cbranch(self.b.icmp_signed("<", index, stop), body, after)
        self.b.position_at_end(body)
        loop = Loop(index, phis)
        yield loop
        if len(loop.following) != len(phis):
            raise AssertionError("a loop must hand on what it carries")
        end = self.b.block
        index.add_incoming(self.b.add(index, self.whole(step)), end)
        for phi, value in zip(phis, loop.following, strict=True):
            phi.add_incoming(value, end)
        self.b.branch(head)
        self.b.position_at_end(after)

    @contextlib.contextmanager
    def when(self, condition: Any) -> Iterator[None]:
        """``if condition:``."""
        with self.b.if_then(condition):
            yield

    def done(self, value: Any = None) -> None:
        """The end: gives ``value``, or 0."""
        self.b.ret(self.whole(0) if value is None else value)

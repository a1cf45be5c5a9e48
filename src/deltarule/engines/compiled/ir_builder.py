"""A builder for kernels in LLVM's intermediate representation: addresses, loops, vectors.

A kernel is a function of 64-bit integers (addresses, strides in bytes, counts), so that compiled
code can call every kernel by its address in the same way. A vector has the 64 bytes of a cache
line; LLVM splits it where registers are shorter.

Loops are written with vectors, so that their speed does not depend on an automatic vectoriser.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from llvmlite import ir

__all__ = ["DOUBLE", "I64", "LINE", "KernelBuilder", "Loop", "lanes_of"]

DOUBLE, I64 = ir.DoubleType(), ir.IntType(64)
LINE = 64
"""Bytes in a cache line and in a vector."""
_POINTER = ir.PointerType()


def lanes_of(dtype: Any) -> int:
    """How many numbers a vector holds: 16 of float32, 8 of float64."""
    return LINE // np.dtype(dtype).itemsize


class Loop:
    """A loop being written: its index, and the values carried from one iteration to the next."""

    def __init__(self, index: Any, carried: list[Any]) -> None:
        self.index = index
        self.carried = carried
        self.following: list[Any] = []

    def next(self, *values: Any) -> None:
        """Set the values that the next iteration begins with."""
        self.following = list(values)


class KernelBuilder:
    """Writes one kernel: ``args`` are its arguments, and most methods append instructions.

    Parameters
    ----------
    module : llvmlite.ir.Module
    name : str
    arguments : int
        The number of its 64-bit integer arguments. It returns one such integer.
    dtype : numpy dtype
        float32 or float64: the type of ``real`` and of the lanes of ``vector``.
    """

    in_panels: ClassVar[bool] = False
    """Whether products read v in panels of two vectors (``bfloat16_kernels.py``)."""

    def __init__(self, module: Any, name: str, arguments: int, dtype: Any) -> None:
        self.module = module
        self.dtype = np.dtype(dtype)
        self.lanes = lanes_of(dtype)
        self.size = self.dtype.itemsize
        self.real = ir.FloatType() if self.size == 4 else DOUBLE
        self.vector = ir.VectorType(self.real, self.lanes)
        self.function = ir.Function(module, ir.FunctionType(I64, [I64] * arguments), name)
        self.args = list(self.function.args)
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self._parameters: dict[int, Any] = {}
        self._not_nan: set[int] = set()

    # -- numbers ----------------------------------------------------------------------

    @staticmethod
    def int64(value: int) -> Any:
        """A constant 64-bit integer."""
        return ir.Constant(I64, value)

    @staticmethod
    def constant(kind: Any, value: float) -> Any:
        """A floating-point constant, in every lane if ``kind`` is a vector."""
        if isinstance(kind, ir.VectorType):
            return ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count)
        return ir.Constant(kind, value)

    @property
    def zeros(self) -> Any:
        """A vector of zeros."""
        return self.constant(self.vector, 0.0)

    def sum(self, *terms: Any) -> Any:
        """The sum of 64-bit integers; a tuple of two stands for their product."""
        total = None
        for term in terms:
            one = self.b.mul(*term) if isinstance(term, tuple) else term
            total = one if total is None else self.b.add(total, one)
        return total

    def splat(self, value: Any, kind: Any = None) -> Any:
        """A vector with ``value`` in every lane."""
        kind = kind or self.vector
        start = self.b.insert_element(
            ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        order = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
        return self.b.shuffle_vector(start, ir.Constant(kind, ir.Undefined), order)

    def call(self, name: str, *values: Any, gives: Any = None) -> Any:
        """Call an intrinsic such as ``llvm.sqrt``, in the version for its first argument's type."""
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
        """x y + z, with one rounding where the processor has a fused instruction."""
        return self.call("llvm.fmuladd", x, y, z)

    def lanes_of(self, vector: Any) -> list[Any]:
        """The lanes of a vector, as scalars."""
        count = vector.type.count
        index = [ir.Constant(ir.IntType(32), lane) for lane in range(count)]
        return [self.b.extract_element(vector, lane) for lane in index]

    def widen(self, value: Any) -> Any:
        """A scalar of the kernel's dtype as float64."""
        return self.b.fpext(value, DOUBLE) if self.size == 4 else value

    def sum_lanes(self, vector: Any) -> Any:
        """The sum of a vector's lanes, in float64."""
        total = ir.Constant(DOUBLE, 0.0)
        for lane in self.lanes_of(vector):
            total = self.b.fadd(total, self.widen(lane))
        return total

    # -- memory -----------------------------------------------------------------------

    def parameter(self, address: Any, place: int) -> Any:
        """Entry ``place`` of a float64 array that does not change, loaded once at the start."""
        if place not in self._parameters:
            with self.b.goto_entry_block():
                where = self.sum(address, self.int64(8 * place))
                self._parameters[place] = self.load(where, DOUBLE, 8)
            self.mark_not_nan(self._parameters[place])
        return self._parameters[place]

    def mark_not_nan(self, value: Any) -> None:
        """Record that a value is never NaN, which saves a test in minimum and maximum."""
        self._not_nan.add(id(value))

    def is_not_nan(self, value: Any) -> bool:
        """Whether :meth:`mark_not_nan` was called for this value."""
        return id(value) in self._not_nan

    def _pointer(self, address: Any) -> Any:
        return self.b.inttoptr(address, _POINTER)

    def load(self, address: Any, kind: Any = None, align: int | None = None) -> Any:
        """Load from an address, a vector by default."""
        kind = kind or self.vector
        return self.b.load(self._pointer(address), typ=kind, align=align or self.size)

    def store(self, value: Any, address: Any, align: int | None = None) -> None:
        """Store a value at an address."""
        self.b.store(value, self._pointer(address), align=align or self.size)

    def prefetch(self, address: Any) -> None:
        """Prefetch a cache line for writing; the address need not be valid."""
        name, word = "llvm.prefetch.p0", ir.IntType(32)
        function = self.module.globals.get(name)
        if function is None:
            kinds = [_POINTER, word, word, word]
            function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), name)
        numbers = [ir.Constant(word, value) for value in (1, 3, 1)]  # write, keep, data
        self.b.call(function, [self._pointer(address), *numbers])

    def load_bits(self, address: Any, offset: Any) -> Any:
        """One bit for each lane, from a bit mask; ``offset`` is that of the numbers, in bytes."""
        place = self.b.add(address, self.b.udiv(offset, self.int64(8 * self.size)))
        word = self.load(place, ir.IntType(self.lanes), 1)
        return self.b.bitcast(word, ir.VectorType(ir.IntType(1), self.lanes))

    def replace(self, value: Any, address: Any) -> None:
        """Store a vector over one that it was computed from.

        LLVM turns a store of select(c, x, y) over x into a masked store, which takes AMD processors
        without AVX-512 ten times as long. The fence intrinsic prevents that.
        """
        self.store(self.call("llvm.arithmetic.fence", value), address)

    def load_splat(self, address: Any) -> Any:
        """Load one number into every lane of a vector."""
        return self.splat(self.load(address, self.real))

    # -- control ----------------------------------------------------------------------

    @contextlib.contextmanager
    def loop(self, stop: Any, step: int = 1, carried: Sequence[Any] = ()) -> Iterator[Loop]:
        """``for index in range(0, stop, step)``; afterwards ``carried`` holds the final values."""
        before = self.b.block
        head, body, after = (self.function.append_basic_block() for _ in range(3))
        self.b.branch(head)
        self.b.position_at_end(head)
        index = self.b.phi(I64)
        index.add_incoming(self.int64(0), before)
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
            raise AssertionError("a loop must set as many values for the next iteration as it has")
        end = self.b.block
        index.add_incoming(self.b.add(index, self.int64(step)), end)
        for phi, value in zip(phis, loop.following, strict=True):
            phi.add_incoming(value, end)
        self.b.branch(head)
        self.b.position_at_end(after)

    def ret(self, value: Any = None) -> None:
        """Return ``value``, or 0."""
        self.b.ret(self.int64(0) if value is None else value)

"""Compilation of the driver by Numba, and the means to call kernels and read arrays by address.

Only :mod:`deltarule.engines.compiled.entry_code` imports this module, through the modules of entry
points, and only to compile: machine code in the cache runs without Numba.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from deltarule.engines.compiled import plan_layout
from deltarule.engines.compiled.entry_table import ENTRY_POINTS

__all__ = [
    "call",
    "driver_function",
    "entry_point",
    "float64_pointer",
    "flush_denormals",
    "int64_pointer",
    "machine_code",
    "odd_line_stride",
    "square_root",
    "stack_address",
    "vector_count",
    "word_count",
]

# The functions of the C library that a process has anyway, to fill or copy memory; and the
# intrinsics of LLVM that become calls of its mathematical functions.
_ALWAYS_THERE = re.compile(r"mem(cpy|move|set)|llvm\..*")
_LIBRARY = re.compile(r"llvm\.(a?(sin|cos|tan)|exp|log|pow|fma\.|ldexp|frexp|modf).*")
_COMPILED: dict[str, Any] = {}


def driver_function(function: Callable[..., Any]) -> Any:
    """A decorator: Numba compiles the function together with the entry points that call it."""
    return njit(function)


def entry_point(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that compiles an entry point, for the types in ``ENTRY_POINTS``.

    Numba writes no function that Python could call: ``python_call.py`` does.
    """
    dispatcher = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    dispatcher.compile(ENTRY_POINTS[function.__name__].signature)
    dispatcher.disable_compile()
    (_COMPILED[function.__name__],) = dispatcher.overloads.values()
    return function


def machine_code(name: str) -> tuple[str, bytes]:
    """The symbol and the object file of a compiled entry point.

    Raises
    ------
    AssertionError
        If the code calls functions outside of itself, which a process without Numba has not.
    """
    compiled = _COMPILED[name]
    code = compiled.library.serialize_using_object_code()[2][0]
    functions = compiled.library._final_module.functions
    called = [function.name for function in functions if function.is_declaration]
    outside = [
        each for each in called if not _ALWAYS_THERE.fullmatch(each) or _LIBRARY.fullmatch(each)
    ]
    if outside:
        raise AssertionError(f"the compiled {name} calls {', '.join(sorted(outside))}")
    return compiled.fndesc.llvm_func_name, code


@intrinsic  # type: ignore[untyped-decorator]
def call(typing: Any, address: Any, arguments: Any) -> Any:
    """Call the kernel at an address; all arguments are cast to 64-bit integers."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        operands = [
            context.cast(builder, value, numba_type, types.int64)
            for value, numba_type in zip(
                cgutils.unpack_tuple(builder, values[1]), signature.args[1], strict=True
            )
        ]
        word = ir.IntType(64)
        function_type = ir.FunctionType(word, [word] * len(operands))
        return builder.call(builder.inttoptr(values[0], function_type.as_pointer()), operands)

    return types.int64(types.int64, arguments), codegen


@intrinsic  # type: ignore[untyped-decorator]
def stack_address(typing: Any, n_bytes: Any) -> Any:
    """Reserve ``n_bytes`` on the caller's stack, 64-byte aligned; return the address."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        buffer = builder.alloca(ir.IntType(8), size=values[0])
        buffer.align = 64
        return builder.ptrtoint(buffer, ir.IntType(64))

    return types.int64(types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def square_root(typing: Any, x: Any) -> Any:
    """√x of a float64, by the processor's instruction; NumPy's would be a call of the C library."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = builder.module.declare_intrinsic("llvm.sqrt", [ir.DoubleType()])
        return builder.call(function, values)

    return types.float64(types.float64), codegen


def _pointer_cast(element: Any) -> Any:
    def pointer(typing: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), codegen

    return intrinsic(pointer)


odd_line_stride = driver_function(plan_layout.odd_line_stride)
vector_count = driver_function(plan_layout.vector_count)
word_count = driver_function(plan_layout.word_count)

# Bits of the x86 register MXCSR: FTZ (0x8000) flushes results, DAZ (0x0040) operands.
_FLUSH_BITS = 0x8000 | 0x0040


@driver_function
def flush_denormals(kernel):  # type: ignore[no-untyped-def]  # compiled by Numba
    """Set this thread to flush denormals to zero; return the previous mode.

    ``kernel`` is the address of ``flush_denormals(mode)``, which sets a mode, or reads it for 0.
    """
    before = call(kernel, (0,))
    call(kernel, (before | _FLUSH_BITS,))
    return before


# Arrays are passed as addresses: for an array object Numba would allocate memory at every call.
int64_pointer = _pointer_cast(types.int64)
float64_pointer = _pointer_cast(types.float64)

"""Compilation of the driver by Numba, and the means to call kernels and read arrays by address.

Numba's own cache checks whether the file of a compiled function has changed, but not the files that
the function imports from; it would use an outdated function after an edit there. So compiled
functions are kept in :mod:`deltarule.engines.compiled.kernel_cache`, under names that hold the
digest of all files listed in ``_SOURCES``.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import types as python_types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite import ir
from numba import njit, types
from numba.cloudpickle import loads
from numba.core import cgutils
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.extending import intrinsic

from deltarule.engines.compiled import plan_layout
from deltarule.engines.compiled.kernel_cache import (
    announce_compilation,
    cache_folder,
    read_code,
    write_code,
)
from deltarule.interruptible import check_exiting

__all__ = [
    "call",
    "driver_function",
    "float64_pointer",
    "flush_denormals",
    "int64_pointer",
    "odd_line_stride",
    "source_digest",
    "stack_address",
]

_SOURCES = (
    "jit.py",
    "dense.py",
    "driver.py",
    "entry_points.py",
    "plan_layout.py",
    "apply_update.py",
    "predict_driver.py",
    "row_entry_points.py",
)


def source_digest(folder: Path | None = None) -> str:
    """The digest of all source files of the driver."""
    folder = Path(__file__).parent if folder is None else folder
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


_DIGEST = source_digest()


class _DriverCache(_Cache):  # type: ignore[misc]
    """The cache of one function, in the interface that Numba expects.

    Numba's own cache has no checksums, and would run a damaged file. Here a function is a file of
    :mod:`~deltarule.engines.compiled.kernel_cache`, named by the digest of all that it depends on.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @property
    def cache_path(self) -> str:
        """The folder of the cache."""
        return str(cache_folder())

    def name_of(self, signature: Any, codegen: Any) -> str:
        """The file name for these argument types and this processor."""
        code = self._function.__code__
        constants = [
            value for value in code.co_consts if not isinstance(value, python_types.CodeType)
        ]
        parts = (
            _DIGEST,
            self._function.__qualname__,
            code.co_firstlineno,
            hashlib.sha256(code.co_code).hexdigest(),
            constants,
            signature,
            codegen.magic_tuple(),
            numba.__version__,
            llvmlite.__version__,
            sys.version,
        )
        digest = hashlib.sha256("\0".join(map(repr, parts)).encode()).hexdigest()
        return f"{self._function.__name__}-{digest[:40]}.driver"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The cached function, or None after a message that it will be compiled."""
        check_exiting()
        target_context.refresh()
        code = read_code(self.name_of(sig, target_context.codegen()))
        if code is not None:
            # Numba stores a compiled function as a pickle, and unpickling runs code. That is safe
            # here: the checksum matched, only the file's owner can write to it, and it holds
            # machine code that would be run anyway. Another build of Numba may fail to read it.
            with contextlib.suppress(Exception):
                return CompileResult._rebuild(target_context, *loads(code))
        announce_compilation()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the function, if the folder can be written to."""
        if not data.lifted and not data.library.has_dynamic_globals:
            write_code(self.name_of(sig, data.codegen), dumps(data._reduce()))

    def enable(self) -> None:
        """Do nothing: the cache is always enabled, and every function written when compiled."""

    disable = flush = enable


def driver_function(*signatures: Any, nogil: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that compiles a function with Numba, and caches it on disk.

    Parameters
    ----------
    *signatures
        The types to compile for. Without a signature, Numba compiles the function with its callers.
    nogil : bool
        Whether to release the GIL. Keep it for calls of about 1 µs: reacquiring it can wait one
        switch interval of the interpreter (5 ms).
    """

    def compile_it(function: Callable[..., Any]) -> Any:
        dispatcher = njit(nogil=nogil)(function)
        dispatcher._cache = _DriverCache(dispatcher.py_func)
        for signature in signatures:
            dispatcher.compile(signature)
        if signatures:
            dispatcher.disable_compile()
        return dispatcher

    return compile_it


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


def _pointer_cast(element: Any) -> Any:
    def pointer(typing: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), codegen

    return intrinsic(pointer)


odd_line_stride = driver_function()(plan_layout.odd_line_stride)

# Bits of the x86 register MXCSR: FTZ (0x8000) flushes results, DAZ (0x0040) operands.
_FLUSH_BITS = 0x8000 | 0x0040


@driver_function()
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

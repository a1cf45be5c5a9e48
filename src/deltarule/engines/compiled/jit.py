"""How the driver is compiled, and how it calls kernels and reads arrays by their address.

Numba keeps compiled functions on disk and looks whether *their own* file has changed. A
function that is made of others, or of constants of another file, would be served stale after
an edit there. So they are kept as the kernels are, by
:mod:`deltarule.engines.compiled.kernel_cache`, under names that hold the digest of every file here.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import types as types_of
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
from deltarule.engines.compiled.kernel_cache import announce, cache_folder, read_code, write_code
from deltarule.interruptible import check_exiting

__all__ = [
    "call",
    "driver_function",
    "enter",
    "integers",
    "numbers",
    "odd_lines",
    "source_digest",
    "stack",
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
    """The digest of all that the driver is made of."""
    folder = Path(__file__).parent if folder is None else folder
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


_DIGEST = source_digest()


class _DriverCache(_Cache):  # type: ignore[misc]
    """What Numba asks for a compiled function of the driver, and gives it to.

    Numba's own cache has no checksum: a damaged file would be run. Here a function is one file
    of the kernels' cache, which verifies it. Its name is the digest of all that it depends on.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(cache_folder())

    def name_of(self, signature: Any, codegen: Any) -> str:
        """The name of the file for these types and this processor."""
        code = self._function.__code__
        constants = [each for each in code.co_consts if not isinstance(each, types_of.CodeType)]
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
        """What was kept, or None; then it is compiled, and whoever waits is told."""
        check_exiting()
        target_context.refresh()
        kept = read_code(self.name_of(sig, target_context.codegen()))
        if kept is not None:
            # Numba's own form of a compiled function is a pickle, which runs what it says. It is
            # read here and nowhere else: its checksum was right, only its owner could write it,
            # and it is followed by machine code, which would run anyway. Another build of Numba
            # may refuse it.
            with contextlib.suppress(Exception):
                return CompileResult._rebuild(target_context, *loads(kept))
        announce()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it, if the folder can be written to."""
        if not data.lifted and not data.library.has_dynamic_globals:
            write_code(self.name_of(sig, data.codegen), dumps(data._reduce()))

    def enable(self) -> None:
        """It is always on."""

    def disable(self) -> None:
        """It is always on."""

    def flush(self) -> None:
        """Nothing waits to be written."""


def driver_function(*signatures: Any, nogil: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function without the interpreter's lock, and keep it on disk.

    Parameters
    ----------
    *signatures
        Its types. Without any it is compiled with what calls it.
    nogil : bool
        False keeps the lock: to give it away and take it back can cost the 5 ms for which
        another thread may hold it, much for a call of a microsecond.
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
    """Call a kernel: a function of 64-bit integers at an address."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = [
            context.cast(builder, one, kind, types.int64)
            for one, kind in zip(
                cgutils.unpack_tuple(builder, values[1]), signature.args[1], strict=True
            )
        ]
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word] * len(given))
        return builder.call(builder.inttoptr(values[0], kind.as_pointer()), given)

    return types.int64(types.int64, arguments), codegen


@intrinsic  # type: ignore[untyped-decorator]
def stack(typing: Any, n_bytes: Any) -> Any:
    """The address of so many bytes of the caller's stack, from a cache line on."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        room = builder.alloca(ir.IntType(8), size=values[0])
        room.align = 64
        return builder.ptrtoint(room, ir.IntType(64))

    return types.int64(types.int64), codegen


def _pointing_at(kind: Any) -> Any:
    def pointer(typing: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), codegen

    return intrinsic(pointer)


odd_lines = driver_function()(plan_layout.odd_lines)

_FLUSH_BITS = 0x8040


@driver_function()
def enter(flush):  # type: ignore[no-untyped-def]  # Numba's language
    """Flush denormals to zero in this thread, by that kernel; gives what has to be put back."""
    before = call(flush, (0,))
    call(flush, (before | _FLUSH_BITS,))
    return before


# Arrays come as addresses: for an array object Numba would allocate a handle at every call.
integers = _pointing_at(types.int64)
numbers = _pointing_at(types.float64)

"""How the driver is compiled, and how it calls kernels and reads arrays by their address.

Numba keeps compiled functions on disk and looks whether *their own* file has changed. A
function that is made of others, or of constants of another file, would be served stale after
an edit there. So the stamp that it compares is replaced by the digest of every file here.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["call", "driver_function", "integers", "numbers", "source_digest", "stack"]

_SOURCES = (
    "calling.py",
    "dense.py",
    "driver.py",
    "entries.py",
    "fields.py",
    "moving.py",
    "predicting.py",
    "row_entries.py",
)


def source_digest(folder: Path | None = None) -> str:
    """The digest of all that the driver is made of."""
    folder = Path(__file__).parent if folder is None else folder
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


_DIGEST = source_digest()


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
        with contextlib.suppress(RuntimeError):  # no folder that can be written to
            dispatcher.enable_caching()
        file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
        if hasattr(file, "_source_stamp"):
            file._source_stamp = _DIGEST
        else:  # another Numba, which keeps it elsewhere: better slow than stale
            dispatcher = njit(nogil=nogil)(function)
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


# Arrays come as addresses: for an array object Numba would allocate a handle at every call.
integers = _pointing_at(types.int64)
numbers = _pointing_at(types.float64)

"""How the driver is compiled, and how it calls kernels and reads arrays by their address.

Numba keeps compiled functions on disk and looks whether *their own* file has changed. A
function that is made of others, or of constants of another file, would be served stale after
an edit there. So they are kept beside the kernels, in a folder that the digest of every file here
names; one that cannot be written to, in an image say, is read all the same.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.extending import intrinsic

from deltarule.engines.compiled import fields
from deltarule.engines.compiled.library import cache_folder

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


def driver_folder() -> Path:
    """The folder of the compiled driver, in the kernels' cache."""
    return cache_folder() / f"driver-{_DIGEST[:16]}"


@functools.cache
def announce() -> None:
    """Say, once, that something is compiled and takes a while."""
    print(
        "deltarule: compiling for this processor, once; it takes about 10 seconds and is kept in "
        f"{cache_folder()}",
        file=sys.stderr,
        flush=True,
    )


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Where Numba keeps what it has compiled of the driver."""

    def __init__(self, function: Any) -> None:
        self._line = function.__code__.co_firstlineno
        self._folder = driver_folder()

    @classmethod
    def from_function(cls, py_func: Any, py_file: Any) -> Any:
        """A locator, or None where there is no folder and none can be made."""
        self = cls(py_func)
        try:
            self.ensure_cache_path()
        except OSError:
            return None
        return self

    def ensure_cache_path(self) -> None:
        """Make the folder; that it can be written to is not asked for."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        """The folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """What must be the same for a file to be used."""
        return _DIGEST

    def get_disambiguator(self) -> str:
        """What tells functions of one name apart."""
        return str(self._line)


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes: ClassVar[list[Any]] = [_Locator]


class _DriverCache(FunctionCache):  # type: ignore[misc]
    _impl_class = _Implementation

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was kept, or None; then it is compiled, and whoever waits is told."""
        found = super().load_overload(sig, target_context)
        if found is None:
            announce()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it, if the folder can be written to."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


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
        with contextlib.suppress(RuntimeError):  # there is no folder, and none can be made
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


odd_lines = driver_function()(fields.odd_lines)

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

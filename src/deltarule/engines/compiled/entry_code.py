"""The entry points as functions of Python: from the cache, else compiled by Numba.

The machine code of a module's entry points is one file of
:mod:`deltarule.engines.compiled.kernel_cache`. Its name holds a digest of all that the code is made
from: the source files in ``_SOURCES``, the processor, and the versions of Numba, LLVM and Python.
Numba is imported only where there is no such file.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.machinery
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from llvmlite import ir

from deltarule.engines.compiled.entry_table import ENTRY_POINTS
from deltarule.engines.compiled.kernel_cache import (
    announce_compilation,
    read_code,
    split_head,
    with_head,
    write_code,
)
from deltarule.engines.compiled.linker import compile_module, digest_of, link
from deltarule.engines.compiled.python_call import (
    LAYOUT,
    add_symbols,
    check_array_layout,
    python_function,
    write_call,
)
from deltarule.interruptible import check_exiting

__all__ = ["entry_functions", "source_digest"]

_SOURCES = (
    "jit.py",
    "dense.py",
    "words.py",
    "sparse_layer.py",
    "driver.py",
    "entry_points.py",
    "plan_layout.py",
    "apply_update.py",
    "predict_driver.py",
    "predict_layout.py",
    "row_entry_points.py",
    "entry_table.py",
    "python_call.py",
    "ir_builder.py",
)


def source_digest(folder: Path | None = None) -> str:
    """The digest of all source files of the driver."""
    folder = Path(__file__).parent if folder is None else folder
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


_DIGEST = source_digest()


def entry_functions(*names: str) -> tuple[Callable[..., Any], ...]:
    """The functions of Python that call these entry points.

    Their modules are compiled, if the cache does not have their code.

    Examples
    --------
    >>> (run_differs,) = entry_functions("run_differs")
    >>> run_differs.__name__
    'run_differs'
    """
    return tuple(_functions(ENTRY_POINTS[name].module)[name] for name in names)


# Settings of Numba that leave the code as it is. joblib sets the first in its workers, which
# must find what this process has compiled.
_WITHOUT_EFFECT = {
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
    "NUMBA_CACHE_DIR",
    "NUMBA_DISABLE_PERFORMANCE_WARNINGS",
}


@functools.cache
def _functions(module: str) -> dict[str, Callable[..., Any]]:
    check_array_layout()
    add_symbols()
    name = file_name(module)
    machine_code = _unpacked(read_code(name))
    if machine_code is None:
        check_exiting()
        announce_compilation()
        machine_code = _compiled(module)
        write_code(name, _packed(machine_code))
    addresses = link(machine_code.objects, machine_code.symbols.values())
    return {
        name: python_function(name, addresses[symbol])
        for name, symbol in machine_code.symbols.items()
    }


def file_name(module: str) -> str:
    """The name of the file of a module's machine code, on this machine and with these versions."""
    # Numba's settings by which it chooses instructions or optimises.
    settings = sorted(
        item
        for item in os.environ.items()
        if item[0].startswith("NUMBA_") and item[0] not in _WITHOUT_EFFECT
    )
    parts = (_DIGEST, module, LAYOUT, _numba_version(), sys.version, settings)
    return f"{module}-{digest_of(repr(parts))[:40]}.driver"


def _numba_version() -> str:
    """What tells Numba's versions apart: the file in which it keeps its version, if it has one."""
    numba = importlib.machinery.PathFinder.find_spec("numba")  # also where its import is blocked
    if numba is not None and numba.origin is not None:
        with contextlib.suppress(OSError):
            return Path(numba.origin).with_name("_version.py").read_text(encoding="utf-8")
    from importlib.metadata import version  # takes longer to import than Numba's driver to load

    return version("numba")


class _MachineCode(NamedTuple):
    """The object files of a module, and the symbol of each of its functions for Python."""

    symbols: dict[str, str]
    objects: list[bytes]


def _packed(code: _MachineCode) -> bytes:
    """The symbols and the sizes of the object files, then these."""
    head = {"symbols": code.symbols, "sizes": [len(each) for each in code.objects]}
    return with_head(head, b"".join(code.objects))


def _unpacked(data: bytes | None) -> _MachineCode | None:
    if data is None:
        return None
    head, objects = split_head(data)
    return _MachineCode(head["symbols"], list(_parts(objects, head["sizes"])))


def _parts(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield data[start : start + size]
        start += size


def _compiled(module: str) -> _MachineCode:
    """Compile a module's entry points, and a function of Python for each."""
    # Compiled when it is imported, by the decorator ``entry_point``.
    importlib.import_module(f"deltarule.engines.compiled.{module}")
    from deltarule.engines.compiled.jit import machine_code

    calls = ir.Module("python_calls")
    symbols, objects = {}, []
    for name, entry in ENTRY_POINTS.items():
        if entry.module == module:
            native, code = machine_code(name)
            symbols[name] = f"python.{name}.{_DIGEST}"
            write_call(calls, symbols[name], native, entry)
            objects.append(code)
    return _MachineCode(symbols, [*objects, compile_module(calls)])

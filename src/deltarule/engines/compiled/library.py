"""Kernels compiled to machine code, kept in a cache on disk, and found by address.

A kernel's text is what the formulas and this folder's writers give; its digest names it.
So an edited kernel or formula has another name and is never served from an old file, and
nothing needs a version number that someone must remember to raise.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from deltarule.engines.compiled.target import processor

__all__ = ["FOLDER", "Library", "cache_folder", "compiled", "digest_of"]

FOLDER = "DELTARULE_CACHE"
"""The environment variable that names the cache's folder."""
_LOCK = threading.RLock()


def cache_folder() -> Path:
    """Where compiled kernels are kept."""
    given = os.environ.get(FOLDER)
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "deltarule" / "kernels"


def digest_of(text: str) -> str:
    """What names a compiled kernel: its text, the compiler, and the processor."""
    version = ".".join(map(str, llvm.llvm_version_info))
    parts = (text, llvmlite.__version__, version, *processor(), llvm.get_default_triple())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def new_machine() -> Any:
    """A compiler for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=name, features=features, opt=3, jit=True)


def new_linker() -> Any:
    """What holds machine code in memory; the machine is its own from then on."""
    machine = new_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


@functools.cache
def _linker() -> Any:
    """The one linker of the process; what it holds, it holds until the process ends."""
    return new_linker()


def _to_object(text: str) -> bytes:
    machine = new_machine()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    # Vectors are written by hand; a vectoriser could only take the registers apart again.
    options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


class Library:
    """Some kernels in one module, compiled together.

    Parameters
    ----------
    write : callable
        ``write(module)`` writes them; names must not depend on anything but their text.
    """

    def __init__(self, write: Callable[[Any], None]) -> None:
        module = ir.Module("kernels")
        module.triple = llvm.get_default_triple()
        write(module)
        names = [
            function.name
            for function in module.functions
            if function.blocks and function.linkage != "internal"
        ]
        text = str(module)
        self.digest = digest_of(text)
        # In one linker every symbol needs a name of its own.
        for name in names:
            text = text.replace(f'@"{name}"(', f'@"{name}.{self.digest}"(')
        with _LOCK:
            self.from_cache = True
            if self.digest not in _LINKED:
                self.from_cache, code = _object(self.digest, text)
                _linker().add_object_file(llvm.ObjectFileRef.from_data(code))
                _linker().finalize_object()
                _LINKED.add(self.digest)
            self.addresses = {
                name: int(_linker().get_function_address(f"{name}.{self.digest}")) for name in names
            }

    def __getitem__(self, name: str) -> int:
        return self.addresses[name]


def _object(digest: str, text: str) -> tuple[bool, bytes]:
    """The machine code, and whether it came from the cache.

    A file holds the checksum of the code before the code: what is damaged is compiled again.
    """
    path = cache_folder() / f"{digest}.o"
    with contextlib.suppress(OSError):
        data = path.read_bytes()
        if hashlib.sha256(data[32:]).digest() == data[:32]:
            return True, data[32:]
    code = _to_object(text)
    # A folder that cannot be written to costs time at the next start, and nothing else.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        Path(name).replace(path)
    return False, code


_KEPT: dict[Any, Library] = {}
_LINKED: set[str] = set()


def compiled(key: Any, write: Callable[[Any], None]) -> Library:
    """The library of that key, written and compiled when it is first asked for."""
    with _LOCK:
        if key not in _KEPT:
            _KEPT[key] = Library(write)
        return _KEPT[key]

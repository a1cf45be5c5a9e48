"""Kernels: compiled to machine code, cached on disk, and called by their addresses in memory.

A kernel is identified by the digest of its LLVM IR, which is generated from the formulas by the
modules in this folder. An edit of either changes the digest, so a stale file is never used, and no
version number has to be incremented.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from deltarule.engines.compiled.kernel_cache import read_code, write_code
from deltarule.engines.compiled.target import processor
from deltarule.interruptible import call_interruptibly, check_exiting

__all__ = ["Library", "compile_module", "compiled_library", "digest_of", "link"]

_LOCK = threading.RLock()


def _after_fork() -> None:
    # The child of a fork has none of the parent's threads, and the lock may be held by one of them.
    global _LOCK  # noqa: PLW0603  the one lock of the process
    _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def digest_of(text: str) -> str:
    """The digest that names a compiled kernel: of its text, the compiler and the processor."""
    version = ".".join(map(str, llvm.llvm_version_info))
    parts = (text, llvmlite.__version__, version, *processor(), llvm.get_default_triple())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def new_machine() -> Any:
    """A new LLVM target machine for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=name, features=features, opt=3, jit=True)


def new_linker() -> Any:
    """A new LLVM execution engine, which holds machine code in memory."""
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), new_machine())


@functools.cache
def _linker() -> Any:
    """The one execution engine of the process; what it holds is never freed."""
    return new_linker()


def compile_module(text: Any) -> bytes:
    """The object file of a module, given as text or as an ``llvmlite.ir.Module``."""
    machine = new_machine()
    module = llvm.parse_assembly(str(text))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    # The kernels are written in vectors; LLVM's vectorisers would only rearrange the registers.
    options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


def link(objects: Iterable[bytes], symbols: Iterable[str]) -> dict[str, int]:
    """Load object files into memory; the addresses of these symbols."""
    with _LOCK:
        for code in objects:
            _linker().add_object_file(llvm.ObjectFileRef.from_data(code))
        _linker().finalize_object()
        return {symbol: int(_linker().get_function_address(symbol)) for symbol in symbols}


class Library:
    """Kernels of one module, compiled together; ``library[name]`` is the address of one.

    Parameters
    ----------
    write : callable
        ``write(module)`` writes the kernels; the same kernels must always get the same names,
        since the names are part of the text that is digested.
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
        # All symbols of the execution engine need different names.
        for name in names:
            text = text.replace(f'@"{name}"(', f'@"{name}.{self.digest}"(')
        self.addresses: dict[str, int] = {}
        self.from_cache = True
        # In another thread: Ctrl-C need not wait for the compiler, and leaves no half-linked code.
        call_interruptibly(lambda: self._link(text, names))

    def _link(self, text: str, names: list[str]) -> None:
        """Load the machine code into memory, and look up the addresses of the kernels."""
        check_exiting()
        with _LOCK:
            objects = []
            if self.digest not in _LINKED:
                self.from_cache, code = _object_code(self.digest, text)
                objects = [code]
            addresses = link(objects, [f"{name}.{self.digest}" for name in names])
            _LINKED.add(self.digest)
        self.addresses = dict(zip(names, addresses.values(), strict=True))

    def __getitem__(self, name: str) -> int:
        return self.addresses[name]


def _object_code(digest: str, text: str) -> tuple[bool, bytes]:
    """Whether the machine code came from the cache, and the code."""
    name = f"{digest}.o"
    code = read_code(name)
    if code is not None:
        return True, code
    code = compile_module(text)
    write_code(name, code)
    return False, code


_LIBRARIES: dict[Any, Library] = {}
_LINKED: set[str] = set()


def compiled_library(key: Any, write: Callable[[Any], None]) -> Library:
    """The library of that key, written and compiled at the first call."""
    library = _LIBRARIES.get(key)
    if library is None:
        library = _LIBRARIES.setdefault(key, Library(write))
    return library

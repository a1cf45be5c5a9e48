"""Kernels compiled to machine code, kept in a cache on disk, and found by address.

A kernel's text is what the formulas and this folder's writers give; its digest names it.
So an edited kernel or formula has another name and is never served from an old file, and
nothing needs a version number that someone must remember to raise.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from deltarule.engines.compiled.kernel_cache import read_code, write_code
from deltarule.engines.compiled.target import processor
from deltarule.interruptible import call_interruptibly, check_exiting

__all__ = ["Library", "compiled", "digest_of"]

_LOCK = threading.RLock()


def _after_fork() -> None:
    # The thread that held it stayed behind in the parent.
    global _LOCK  # noqa: PLW0603  the one lock of the process
    _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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
        self.addresses: dict[str, int] = {}
        self.from_cache = True
        # Ctrl-C does not wait for the compiler, and does not leave the linker half done.
        call_interruptibly(lambda: self._link(text, names))

    def _link(self, text: str, names: list[str]) -> None:
        """Have the machine code in memory, and know where."""
        check_exiting()
        with _LOCK:
            if self.digest not in _LINKED:
                self.from_cache, code = _object(self.digest, text)
                _linker().add_object_file(llvm.ObjectFileRef.from_data(code))
                _linker().finalize_object()
                _LINKED.add(self.digest)
            for name in names:
                self.addresses[name] = int(_linker().get_function_address(f"{name}.{self.digest}"))

    def __getitem__(self, name: str) -> int:
        return self.addresses[name]


def _object(digest: str, text: str) -> tuple[bool, bytes]:
    """The machine code, and whether it came from the cache."""
    name = f"{digest}.o"
    code = read_code(name)
    if code is not None:
        return True, code
    code = _to_object(text)
    write_code(name, code)
    return False, code


_KEPT: dict[Any, Library] = {}
_LINKED: set[str] = set()


def compiled(key: Any, write: Callable[[Any], None]) -> Library:
    """The library of that key, written and compiled when it is first asked for."""
    library = _KEPT.get(key)
    if library is None:
        library = _KEPT.setdefault(key, Library(write))
    return library

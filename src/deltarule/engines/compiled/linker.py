"""Kernels: compiled to machine code, cached on disk, and called by their addresses in memory.

A kernel is identified by a digest: of the recorded formula that it computes, of the sources that
write it as LLVM IR, and of the processor; or of the IR itself. An edit of any changes the digest,
so a stale file is never used, and no version number has to be incremented.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from deltarule.engines.compiled.kernel_cache import read_code, split_head, with_head, write_code
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
    key : object, optional
        Its ``repr`` says all that ``write`` depends on, besides this package's sources and the
        processor. The kernels are then named by the key and the sources in place of their text,
        and found in the cache without writing that text, which takes longer than to load them.
    """

    def __init__(self, write: Callable[[Any], None], key: Any = None) -> None:
        self.digest = ""
        self.addresses: dict[str, int] = {}
        self.from_cache = True
        # In another thread: Ctrl-C need not wait for the compiler, and leaves no half-linked code.
        call_interruptibly(lambda: self._load(write, key))

    def _load(self, write: Callable[[Any], None], key: Any) -> None:
        """Load the machine code into memory, and look up the addresses of the kernels."""
        check_exiting()
        text, names = "", list[str]()
        if key is None:
            text, names = _written(write)
        digest = digest_of(text if key is None else f"{_source_digest()} {key!r}")
        with _LOCK:
            objects = []
            if digest in _LINKED:
                names = _LINKED[digest]
            else:
                found = read_code(f"{digest}.kernels")
                self.from_cache = found is not None
                if found is None:
                    if not text:
                        text, names = _written(write)
                    code = _compiled(text, names, digest)
                    write_code(f"{digest}.kernels", with_head(names, code))
                else:
                    names, code = split_head(found)
                objects = [code]
            addresses = link(objects, [f"{name}.{digest}" for name in names])
            _LINKED[digest] = names
        self.digest, self.addresses = digest, dict(zip(names, addresses.values(), strict=True))

    def __getitem__(self, name: str) -> int:
        return self.addresses[name]


def _written(write: Callable[[Any], None]) -> tuple[str, list[str]]:
    """The text of a module with these kernels, and their names."""
    from llvmlite import ir

    module = ir.Module("kernels")
    module.triple = llvm.get_default_triple()
    write(module)
    names = [
        function.name
        for function in module.functions
        if function.blocks and function.linkage != "internal"
    ]
    return str(module), names


def _compiled(text: str, names: list[str], digest: str) -> bytes:
    """The object file of a module, in which the names of the kernels end in the digest."""
    for name in names:  # all symbols of the execution engine need different names
        text = text.replace(f'@"{name}"(', f'@"{name}.{digest}"(')
    return compile_module(text)


@functools.cache
def _source_digest() -> str:
    """The digest of all sources that decide what a kernel's text is, its formulas aside."""
    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for folder in ("engines/compiled", "maths"):
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


_LIBRARIES: dict[Any, Library] = {}
# The names of the kernels that are linked, by their digest.
_LINKED: dict[str, list[str]] = {}


def compiled_library(
    key: Any, write: Callable[[Any], None], *, in_package: bool = False
) -> Library:
    """The library of that key, written and compiled at the first call in the process.

    With ``in_package``, ``write`` is a function of this package, and the ``repr`` of the key says
    all else that it depends on: the library is then found in the cache without calling it.
    """
    library = _LIBRARIES.get(key)
    if library is None:
        made = Library(write, key if in_package else None)
        library = _LIBRARIES.setdefault(key, made)
    return library

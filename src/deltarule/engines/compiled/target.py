"""The processor that kernels are compiled for, and the tile sizes that suit it."""

from __future__ import annotations

import functools
import os

import llvmlite.binding as llvm

from deltarule.errors import InputError

__all__ = ["VARIABLE", "is_x86", "processor", "tile_heights"]

VARIABLE = "DELTARULE_CPU"
"""The environment variable whose value ``generic`` requests code without AVX."""


@functools.cache
def processor() -> tuple[str, str]:
    """The name and the features of the processor, in LLVM's terms.

    With ``DELTARULE_CPU=generic``, those of the most basic processor of this architecture.

    Raises
    ------
    InputError
        If the variable has another value. (LLVM aborts the process on an unknown name.)
    """
    requested = os.environ.get(VARIABLE, "")
    if requested not in ("", "generic"):
        raise InputError(
            f"the environment variable {VARIABLE} is {requested!r}; expected 'generic', for any "
            "processor, or nothing, for this one"
        )
    if requested:
        return requested, ""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.cache
def tile_heights() -> tuple[int, ...]:
    """Rows of a register tile, largest first; the first is the most that the registers can hold."""
    features = processor()[1].split(",")
    if "+avx512f" in features:
        return (8, 4, 2, 1)
    if "+avx2" in features:
        return (3, 2, 1)
    return (2, 1)


def is_x86() -> bool:
    """Whether this is an x86 processor, with SSE instructions and the MXCSR register."""
    return llvm.get_default_triple().partition("-")[0] in {"x86_64", "i386", "i686", "amd64"}

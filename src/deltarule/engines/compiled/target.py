"""The processor that kernels are compiled for."""

from __future__ import annotations

import functools
import os

import llvmlite.binding as llvm

from deltarule.errors import InputError

__all__ = ["SWITCH", "processor", "register_rows"]

SWITCH = "DELTARULE_CPU"
"""The environment variable that, as ``generic``, asks for code without AVX."""


@functools.cache
def processor() -> tuple[str, str]:
    """The processor's name and features, as LLVM knows them.

    ``DELTARULE_CPU=generic`` compiles for any processor of the architecture, as it runs on
    one without AVX2.

    Raises
    ------
    InputError
        If the variable is anything else: of a name that it does not know, LLVM ends the process.
    """
    asked = os.environ.get(SWITCH, "")
    if asked not in ("", "generic"):
        raise InputError(
            f"the environment variable {SWITCH} is {asked!r}; expected 'generic', for any "
            "processor, or nothing, for this one"
        )
    if asked:
        return asked, ""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.cache
def register_rows() -> tuple[int, ...]:
    """The heights of register tiles, the largest first: as many rows as registers allow."""
    features = processor()[1].split(",")
    if "+avx512f" in features:
        return (8, 4, 2, 1)
    if "+avx2" in features:
        return (3, 2, 1)
    return (2, 1)


def is_x86() -> bool:
    """Whether this is an x86 processor, whose control register has flush-to-zero."""
    return llvm.get_default_triple().partition("-")[0] in {"x86_64", "i386", "i686", "amd64"}

"""What the bits of a result depend on beside its inputs: processor, libraries, our own source."""

from __future__ import annotations

import functools
import hashlib
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from deltarule._version import __version__
from deltarule.engines.registry import compiled_module

__all__ = ["bits_depend_on", "processor"]

# The folders of the package whose text decides which bits come out.
_COMPUTING = ("engines", "maths", "optimizers")


@functools.cache
def processor() -> str:
    """The name of the processor, as the system tells it.

    Examples
    --------
    >>> processor() != ""
    True
    """
    name = ""
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        elif sys.platform.startswith("linux"):
            name = _named(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except (OSError, subprocess.SubprocessError):
        pass  # the next best name will do
    return name.strip() or platform.processor() or platform.machine() or "unknown"


def _named(cpuinfo: str) -> str:
    """The model's name in Linux's list of processors; ARM's has none."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value
    return ""


@functools.cache
def _source() -> str:
    """The digest of the files that compute; the version alone does not know of an edit."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in _COMPUTING:
        for path in sorted((root / folder).rglob("*.py")):
            if path.parent.name == "printing":  # formulas as text
                continue
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def bits_depend_on(engine: str) -> dict[str, str]:
    """Where an engine of that name computes and with what, as far as it may change a bit.

    The same engine gives the same bits for the same inputs where these are the same; where
    one differs it may, or may not.

    Examples
    --------
    >>> list(bits_depend_on("reference"))
    ['processor', 'deltarule', 'source', 'numpy']
    """
    found = {
        "processor": processor(),
        "deltarule": __version__,
        "source": _source(),
        "numpy": np.__version__,
    }
    if engine == "compiled":
        name, features = compiled_module("target").processor()
        found |= {library: version(library) for library in ("numba", "llvmlite")}
        found["instructions"] = f"{name}, {hashlib.sha256(features.encode()).hexdigest()[:8]}"
    return found

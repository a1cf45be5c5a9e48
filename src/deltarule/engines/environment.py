"""What the bits of a result depend on besides its inputs: processor, libraries, source code."""

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

__all__ = ["environment_of", "processor"]

# The folders of the package whose source decides the bits of a result.
_COMPUTING = ("engines", "maths", "optimizers")


@functools.cache
def processor() -> str:
    """The name of the processor, as the operating system reports it."""
    name = ""
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        elif sys.platform.startswith("linux"):
            name = _model_name(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except (OSError, subprocess.SubprocessError):
        pass  # fall back on the names that Python knows
    return name.strip() or platform.processor() or platform.machine() or "unknown"


def _model_name(cpuinfo: str) -> str:
    """The model name in the text of ``/proc/cpuinfo``; '' where it has none, as on ARM."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value
    return ""


@functools.cache
def _source_digest() -> str:
    """The digest of the source files that compute; the version does not change with an edit."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in _COMPUTING:
        for path in sorted((root / folder).rglob("*.py")):
            if path.parent.name == "printing":  # prints formulas, computes nothing
                continue
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def environment_of(engine: str) -> dict[str, str]:
    """Everything about this installation that may change a bit of that engine's results.

    For equal inputs and equal environments an engine gives equal bits. Where an entry differs,
    the bits may differ.

    Examples
    --------
    >>> list(environment_of("reference"))
    ['processor', 'deltarule', 'source', 'numpy']
    """
    found = {
        "processor": processor(),
        "deltarule": __version__,
        "source": _source_digest(),
        "numpy": np.__version__,
    }
    if engine in ("compiled", "compiled_bfloat16"):
        name, features = compiled_module("target").processor()
        found |= {library: version(library) for library in ("numba", "llvmlite")}
        found["instructions"] = f"{name}, {hashlib.sha256(features.encode()).hexdigest()[:8]}"
    return found

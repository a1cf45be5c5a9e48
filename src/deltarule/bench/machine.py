"""Where it was measured, which a time means nothing without."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from deltarule.bench.processes import cores

__all__ = ["circumstances", "processor"]


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


def circumstances() -> dict[str, Any]:
    """The processor, its cores, the system, Python, the date, and how busy the machine is.

    Examples
    --------
    >>> sorted(circumstances())
    ['cores', 'date', 'load', 'processor', 'python', 'system']
    """
    return {
        "processor": processor(),
        "cores": len(cores()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": dt.datetime.now().astimezone().isoformat(timespec="seconds"),
        # Processes that wanted to run, over the last minute; Windows does not count them.
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }

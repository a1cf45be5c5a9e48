"""The circumstances of a measurement: processor, system, versions, load."""

from __future__ import annotations

import datetime as dt
import os
import platform
from typing import Any

from benchmarks.comparison.processes import cores
from deltarule.engines.environment import processor

__all__ = ["circumstances"]


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
        # The load average of the last minute; Windows has none.
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }

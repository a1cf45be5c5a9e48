"""WHERE it runs: interchangeable engines under one contract.

``reference`` is the mathematics in NumPy, ``checked`` the same with a look at every
number, ``compiled`` the same in machine code. :func:`check_engine` holds any engine to the
contract.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from deltarule.engines.base import Batch, Engine, EngineSettings, Promises
from deltarule.engines.checked import CheckedEngine
from deltarule.engines.contract import LAWS, ContractReport, check_engine
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import InputError, MissingDependency, UnknownName

__all__ = [
    "LAWS",
    "Batch",
    "CheckedEngine",
    "ContractReport",
    "Engine",
    "EngineSettings",
    "Promises",
    "ReferenceEngine",
    "check_engine",
    "make_engine",
]


def _compiled() -> Engine:
    """The compiled engine, which is imported when it is asked for: it loads Numba."""
    try:
        from deltarule.engines.compiled import CompiledEngine
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in {"numba", "llvmlite"}:
            raise
        raise MissingDependency(
            "the compiled engine needs Numba, which is not installed or cannot be loaded here "
            f"({error}); install numba, or take engine='reference', which computes the same"
        ) from error
    return CompiledEngine()


_ENGINES: dict[str, Callable[[], Engine]] = {
    "reference": ReferenceEngine,
    "checked": CheckedEngine,
    "compiled": _compiled,
}


def make_engine(which: str | Engine | type[Engine] = "auto") -> Engine:
    """An engine by name: ``"auto"``, ``"reference"``, ``"checked"`` or ``"compiled"``.

    ``"auto"`` takes what the environment variable ``DELTARULE_ENGINE`` names, else the
    fastest engine that this installation has.

    Parameters
    ----------
    which : str, Engine, or its class
        An engine that is given is returned.

    Raises
    ------
    UnknownName
        If there is no engine of that name.
    MissingDependency
        If the compiled engine is asked for and Numba is not installed.

    Examples
    --------
    >>> from deltarule.engines import make_engine
    >>> make_engine("reference").name
    'reference'
    """
    if isinstance(which, Engine):
        return which
    if isinstance(which, type) and issubclass(which, Engine):
        return which()
    if not isinstance(which, str):
        raise InputError(f"engine is {which!r}; expected a name, or an Engine")
    name, source = which, ""
    if which == "auto":
        name = os.environ.get("DELTARULE_ENGINE", "") or "auto"
        source = " (from the environment variable DELTARULE_ENGINE)"
    if name == "auto":
        name = "reference"
    if name not in _ENGINES:
        known = ", ".join(["auto", *_ENGINES])
        raise UnknownName(f"unknown engine {name!r}{source}; known: {known}")
    return _ENGINES[name]()

"""The engines by name, and the choice of the fastest one available."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.engines.base import Engine, EngineSettings
from deltarule.engines.checked import CheckedEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import (
    InputError,
    Message,
    MissingDependency,
    NotCompilable,
    Parameter,
    UnknownName,
)
from deltarule.interruptible import call_interruptibly
from deltarule.maths import Network

__all__ = ["VARIABLE", "engine_name", "make_engine", "started_engine"]

VARIABLE = "DELTARULE_ENGINE"
"""The environment variable that names the engine for ``"auto"``."""


def compiled_module(name: str = "engine") -> Any:
    """Import a module of the compiled engine, which loads Numba.

    Raises
    ------
    MissingDependency
        If Numba is missing, or cannot be loaded on this machine.
    """
    try:
        full = f"deltarule.engines.compiled.{name}"
        if full in sys.modules:
            return importlib.import_module(full)
        # Takes seconds without a cache. After Ctrl-C the import continues in its thread to the end,
        # so that neither Numba nor a module is left half imported.
        return call_interruptibly(lambda: importlib.import_module(full))
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in {"numba", "llvmlite"}:
            raise
        raise MissingDependency(
            "the compiled engine needs Numba, which is not installed or cannot be loaded here "
            f"({error})",
            hint=Message(
                "install numba, or take ",
                Parameter("engine", "reference"),
                ", which computes the same",
            ),
        ) from error


def _compiled() -> Engine:
    engine: Engine = compiled_module().CompiledEngine()
    return engine


_ENGINES: dict[str, Callable[[], Engine]] = {
    "reference": ReferenceEngine,
    "checked": CheckedEngine,
    "compiled": _compiled,
}


def engine_name(which: str = "auto") -> str:
    """The name of an engine; ``"auto"`` is the fastest engine of this installation.

    Parameters
    ----------
    which : str
        ``"auto"``, ``"compiled"``, ``"reference"`` or ``"checked"``. The environment variable
        ``DELTARULE_ENGINE`` may name the engine for ``"auto"``.

    Raises
    ------
    UnknownName
        If there is no engine of that name.

    Examples
    --------
    >>> from deltarule.engines import engine_name
    >>> engine_name("reference")
    'reference'
    """
    name, source = which, ""
    if which == "auto":
        name = os.environ.get(VARIABLE, "") or "auto"
        source = f" (from the environment variable {VARIABLE})"
    if name == "auto":
        installed = importlib.util.find_spec("numba") is not None
        name = "compiled" if installed else "reference"
    if name not in _ENGINES:
        known = ", ".join(["auto", *_ENGINES])
        raise UnknownName(
            f"unknown engine {name!r}{source}",
            parameter="engine",
            given=name,
            hint=f"known: {known}",
        )
    return name


def named_explicitly(which: Any, name: str) -> bool:
    """Whether the engine ``name`` was chosen by an argument or by the environment variable."""
    return bool(which != "auto" or os.environ.get(VARIABLE, "") == name)


def make_engine(which: str | Engine | type[Engine] = "auto") -> Engine:
    """Make an engine by name: ``"auto"``, ``"compiled"``, ``"reference"`` or ``"checked"``.

    ``"auto"`` is the engine that the environment variable ``DELTARULE_ENGINE`` names; without it,
    the fastest engine of this installation: the compiled one if Numba is installed.

    Parameters
    ----------
    which : str, Engine, or its class
        An Engine is returned as it is.

    Raises
    ------
    UnknownName
        If there is no engine of that name.
    MissingDependency
        If the compiled engine is requested by name and Numba is not installed.

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
        raise InputError(parameter="engine", given=which, expected="a name, or an Engine")
    name = engine_name(which)
    try:
        return _ENGINES[name]()
    except MissingDependency:
        if named_explicitly(which, name):
            raise
        return ReferenceEngine()  # Numba is installed, but cannot be loaded


def started_engine(
    which: str | Engine | type[Engine],
    network: Network,
    theta: np.ndarray,
    settings: EngineSettings,
    threads: int | None = None,
) -> Engine:
    """Make and load an engine; if ``"auto"`` cannot compile a formula, the reference engine.

    Parameters
    ----------
    which, network, theta, settings
        As for :func:`make_engine`, and as for :meth:`Engine.load`.
    threads : int, optional
        How many threads a step may use; by default the engine decides.

    Raises
    ------
    NotCompilable
        If an engine that was requested by name cannot express a formula of the network.
    InputError
        If the parameters or the settings do not fit the network.

    Warns
    -----
    UserWarning
        If the reference engine is used instead of the compiled one; the message says why.

    Examples
    --------
    >>> from deltarule.engines import EngineSettings, started_engine
    >>> from deltarule.maths import Network
    >>> net = Network([1, 1])
    >>> started_engine("reference", net, net.initial(0), EngineSettings()).name
    'reference'
    """
    engine = make_engine(which)
    if threads is not None:
        engine.threads = threads
    try:
        engine.load(network, theta, settings)
    except NotCompilable as error:
        if which != "auto":
            raise
        warnings.warn(f"training with the reference engine, since {error}", stacklevel=3)
        engine = ReferenceEngine()
        engine.load(network, theta, settings)
    return engine

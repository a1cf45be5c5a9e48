"""The engines by name, one's own included, and the choice of the fastest one available."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deltarule.engines.base import Engine, EngineSettings
from deltarule.engines.checked import CheckedEngine
from deltarule.engines.reference import ReferenceBfloat16Engine, ReferenceEngine
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

__all__ = [
    "VARIABLE",
    "engine_name",
    "make_engine",
    "register_engine",
    "started_engine",
    "unregister_engine",
]

VARIABLE = "DELTARULE_ENGINE"
"""The environment variable that names the engine for ``"auto"``."""


# The modules that a machine with a GPU or TPU has beside JAX, which are looked for, not imported.
_ACCELERATORS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm7_plugin", "libtpu")

# The number of multiply-adds of one step's forward pass from which on an accelerator is taken. An
# estimate, to be measured: such a step takes a CPU some 10 ms, and an accelerator's start far less.
_MIN_ACCELERATOR_WORK = 1e9


def compiled_module(name: str = "engine") -> Any:
    """Import a module of the compiled engine.

    Raises
    ------
    MissingDependency
        If llvmlite is missing, or Numba where there is something to compile, or cannot be loaded.
    """
    reference = Parameter("engine", "reference")
    hint = Message("install numba, or take ", reference, ", which computes the same")
    with _missing({"numba", "llvmlite"}, "the compiled engine needs Numba", hint):
        full = f"deltarule.engines.compiled.{name}"
        if full in sys.modules:
            return importlib.import_module(full)
        # Takes seconds without a cache. After Ctrl-C the import continues in its thread to the end,
        # so that neither Numba nor a module is left half imported.
        return call_interruptibly(lambda: importlib.import_module(full))


@contextlib.contextmanager
def _missing(libraries: set[str], needs: str, hint: Message) -> Iterator[None]:
    """Within the block, an import of one of the libraries that fails is a MissingDependency."""
    try:
        yield
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in libraries:
            raise
        raise MissingDependency(
            f"{needs}, which is not installed or cannot be loaded here ({error})", hint=hint
        ) from error


def _compiled() -> Engine:
    engine: Engine = compiled_module().CompiledEngine()
    return engine


def jax_module(name: str = "engine") -> Any:
    """Import a module of the JAX engine, which loads JAX.

    Raises
    ------
    MissingDependency
        If JAX is missing, or cannot be loaded on this machine.
    """
    hint = Message(
        "install it with pip install 'deltarule[jax]', or take ",
        Parameter("engine", "compiled"),
        ", which computes the same on the CPU",
    )
    with _missing({"jax", "jaxlib"}, "the engine 'jax' needs JAX", hint):
        return importlib.import_module(f"deltarule.engines.jax.{name}")


def _jax() -> Engine:
    engine: Engine = jax_module().JaxEngine()
    return engine


def _jax_bfloat16() -> Engine:
    engine: Engine = jax_module().JaxBfloat16Engine()
    return engine


def _compiled_bfloat16() -> Engine:
    engine: Engine = compiled_module("bfloat16_engine").CompiledBfloat16Engine()
    return engine


_ENGINES: dict[str, Callable[[], Engine]] = {}


def register_engine(name: str, make: Callable[[], Engine], *, replace: bool = False) -> None:
    """Make an engine known by a name, for every argument ``engine=`` and ``--engine``.

    Parameters
    ----------
    name : str
        Not ``"auto"``.
    make : callable
        Returns a new engine: the engine's class, or a function that imports it first.
    replace : bool
        Whether an engine that has the name already is replaced.

    Raises
    ------
    InputError
        If the name is no text or taken, or ``make`` cannot be called.

    Examples
    --------
    >>> from deltarule.engines import (
    ...     ReferenceEngine, make_engine, register_engine, unregister_engine)
    >>> class Mine(ReferenceEngine):
    ...     name = "mine"
    >>> register_engine("mine", Mine)
    >>> make_engine("mine").name
    'mine'
    >>> unregister_engine("mine")
    """
    if not isinstance(name, str) or not name or name == "auto":
        raise InputError(f"the name of an engine is {name!r}; expected a text other than 'auto'")
    if not callable(make):
        raise InputError(f"engine {name!r}: make is {make!r}; expected a class or a function")
    if name in _ENGINES and not replace:
        raise InputError(
            f"engine {name!r} is registered already; choose another name, or pass replace=True "
            "to replace it"
        )
    _ENGINES[name] = make


def unregister_engine(name: str) -> None:
    """Forget the engine of this name, if there is one."""
    _ENGINES.pop(name, None)


register_engine("reference", ReferenceEngine)
register_engine("checked", CheckedEngine)
register_engine("compiled", _compiled)
register_engine("jax", _jax)
register_engine("reference_bfloat16", ReferenceBfloat16Engine)
register_engine("compiled_bfloat16", _compiled_bfloat16)
register_engine("jax_bfloat16", _jax_bfloat16)


def engine_name(which: str = "auto") -> str:
    """The name of an engine; ``"auto"`` is the fastest engine of this installation.

    Parameters
    ----------
    which : str
        ``"auto"``, ``"compiled"``, ``"reference"``, ``"checked"``, ``"jax"``, ``"jax_bfloat16"``,
        or a name given to :func:`register_engine`. The environment variable ``DELTARULE_ENGINE``
        may name the engine for ``"auto"``.

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
    if _is_auto(which):
        name = os.environ.get(VARIABLE, "") or "auto"
        source = f" (from the environment variable {VARIABLE})"
    if isinstance(name, str) and name == "auto":
        installed = importlib.util.find_spec("numba") is not None
        name = "compiled" if installed else "reference"
    if not isinstance(name, str) or name not in _ENGINES:
        known = ", ".join(["auto", *_ENGINES])
        raise UnknownName(
            f"unknown engine {name!r}{source}",
            parameter="engine",
            given=name,
            hint=f"known: {known}",
        )
    return name


def _is_auto(which: Any) -> bool:
    """Whether an argument is ``"auto"``; it may be an array, which compares with nothing."""
    return isinstance(which, str) and which == "auto"


def named_explicitly(which: Any, name: str) -> bool:
    """Whether the engine ``name`` was chosen by an argument or by the environment variable."""
    return bool(not _is_auto(which) or os.environ.get(VARIABLE, "") == name)


def make_engine(which: str | Engine | type[Engine] = "auto") -> Engine:
    """Make an engine by its name, such as ``"auto"``, ``"compiled"``, ``"reference"`` or ``"jax"``.

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
        If an engine is requested by name and its library is not installed.

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


def _suits_accelerator(which: Any, network: Network, batch_rows: int | None) -> bool:
    """Whether ``"auto"`` is the JAX engine for steps of so many rows on this machine."""
    if not _is_auto(which) or batch_rows is None or os.environ.get(VARIABLE, ""):
        return False
    return network.n_multiply_adds * batch_rows >= _MIN_ACCELERATOR_WORK and has_accelerator()


def has_accelerator() -> bool:
    """Whether JAX is installed here with a GPU or TPU that it can use.

    JAX is imported only where a library for such a device is installed.
    """
    if importlib.util.find_spec("jax") is None:
        return False
    if not any(importlib.util.find_spec(name) for name in _ACCELERATORS):
        return False
    try:
        return bool(jax_module("devices").default_device() != "cpu")
    except (MissingDependency, RuntimeError):  # JAX found a library for a device, and no device
        return False


def started_engine(
    which: str | Engine | type[Engine],
    network: Network,
    theta: np.ndarray,
    settings: EngineSettings,
    threads: int | None = None,
    batch_rows: int | None = None,
) -> Engine:
    """Make and load an engine; if ``"auto"`` cannot compile a formula, the reference engine.

    ``"auto"`` is the JAX engine where JAX has a GPU or TPU and a step of ``batch_rows`` rows is
    work enough for it.

    Parameters
    ----------
    which, network, theta, settings
        As for :func:`make_engine`, and as for :meth:`Engine.load`.
    threads : int, optional
        How many threads a step may use; by default the engine decides.
    batch_rows : int, optional
        The rows of a step, for the choice that ``"auto"`` makes.

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
    engine = make_engine("jax" if _suits_accelerator(which, network, batch_rows) else which)
    if threads is not None:
        engine.threads = threads
    try:
        engine.load(network, theta, settings)
    except NotCompilable as error:
        if not _is_auto(which):
            raise
        warnings.warn(f"training with the reference engine, since {error}", stacklevel=3)
        engine = ReferenceEngine()
        engine.load(network, theta, settings)
    return engine

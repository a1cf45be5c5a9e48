"""Compilation in advance, for a container image or an installation that is read-only in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deltarule.engines.base import EngineSettings
from deltarule.engines.compiled.bfloat16_kernels import has_bfloat16
from deltarule.engines.compiled.entry_code import entry_functions
from deltarule.engines.compiled.entry_table import ENTRY_POINTS
from deltarule.engines.compiled.kernel_cache import VARIABLE, cache_folder, reason_not_kept
from deltarule.errors import FileError
from deltarule.maths import ACTIVATIONS, LOSSES, Network
from deltarule.optimizers import RULES

__all__ = ["WarmUp", "warm_up"]


class WarmUp(NamedTuple):
    """How many networks were prepared, the cache's folder, and the time that it took."""

    networks: int
    folder: Path
    seconds: float


def warm_up(tell: Callable[[str], Any] = lambda what: None) -> WarmUp:
    """Compile the driver, and the kernels of every registered activation, loss and rule.

    For both dtypes, each rule with and without an average, each penalty, and sparse rows; and the
    products of bfloat16 where the processor has them. Code that is in the
    cache already is only loaded. Other values of parameters (a Huber loss of another κ) use the
    same kernels.

    Parameters
    ----------
    tell : callable
        Called with a description of the network that is prepared next.

    Raises
    ------
    FileError
        If compiled code cannot be kept on disk.

    Examples
    --------
    >>> from deltarule.engines.compiled.warmup import warm_up
    >>> warm_up().networks > 100
    True
    """
    _check_kept()
    # To import these compiles the driver, which is in vain where it cannot be kept.
    from deltarule.engines.compiled.bfloat16_engine import CompiledBfloat16Engine
    from deltarule.engines.compiled.engine import CompiledEngine
    from deltarule.engines.compiled.plan import sparse_library
    from deltarule.engines.compiled.predictor import CompiledPredictor, sparse_prediction_library

    for name in ENTRY_POINTS:
        entry_functions(name)
    started, count = time.perf_counter(), 0
    for dtype in (np.float32, np.float64):
        for what, net, settings in _networks(dtype):
            tell(what)
            CompiledEngine().load(net, net.initial(0), EngineSettings(**settings))
            CompiledPredictor(net, net.initial(0), "compiled")
            count += 1
        tell("sparse rows")
        sparse_library(str(np.dtype(dtype)))
        sparse_prediction_library(str(np.dtype(dtype)))
    if has_bfloat16():
        tell("products of bfloat16")
        net = Network([2, 2, 1], dtype=np.float32)
        CompiledBfloat16Engine().load(net, net.initial(0), EngineSettings())
        count += 1
    _check_kept()
    return WarmUp(count, cache_folder(), time.perf_counter() - started)


def _check_kept() -> None:
    reason = reason_not_kept()
    if reason:
        raise FileError(
            f"compiled code cannot be kept: {reason}; expected a folder that this user, and no "
            f"other but root, can write to; name one with {VARIABLE}"
        )


def _networks(dtype: Any) -> Iterator[tuple[str, Network, dict[str, Any]]]:
    for g in ACTIVATIONS:
        if g.elementwise:
            yield f"activation {g.name}", Network([2, 2, 1], g, dtype=dtype), {}
    for loss in LOSSES:
        for g in ACTIVATIONS:
            if loss.accepts(g):
                outputs = 2 * loss.outputs_per_target()
                net = Network([2, 2, outputs], output_activation=g, loss=loss, dtype=dtype)
                yield f"loss {loss.name} on {g.name}", net, {}
    net = Network([2, 2, 1], dtype=dtype)
    for rule in RULES:
        for averaging in (None, 0.99):
            yield f"rule {rule.name}", net, {"rule": rule, "averaging": averaging}
    for l2, l1 in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        yield "penalties", net, {"l2": l2, "l1": l1}

"""Passes over many rows in float64, by the fastest engine that is installed.

The reference mathematics keeps every intermediate number, which derivations need. Where only means
or input gradients of many rows are needed, an engine computes them faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from deltarule.engines import Batch, Engine, EngineSettings, ReferenceEngine, make_engine
from deltarule.errors import NotCompilable
from deltarule.explain.subject import Subject
from deltarule.maths import Network

__all__ = ["fast_engine", "iter_gradients"]

# From this many multiply-adds on, the compiled engine saves more time than its preparation takes.
_WORTH_COMPILING = 1e9


def fast_engine(net: Network, theta: np.ndarray, work: float) -> Engine:
    """Return a loaded engine for work of so many multiply-adds.

    It is the reference engine where the work is small or the network cannot be compiled.

    Examples
    --------
    >>> fast_engine(Network([1, 1]), np.zeros(2), work=10).name
    'reference'
    """
    engine = make_engine("auto") if work >= _WORTH_COMPILING else ReferenceEngine()
    try:
        engine.load(net, theta, EngineSettings())
    except NotCompilable:
        engine = ReferenceEngine()
        engine.load(net, theta, EngineSettings())
    return engine


def iter_gradients(
    subject: Subject, thetas: Iterable[np.ndarray]
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield C = Σ_i ωᵢ Cᵢ and ∂C/∂θ, shape (p,), over a subject's rows, at each θ.

    Examples
    --------
    >>> subject = Subject.of_arrays(Network([1, 1]), [1.0, 0.0], [[1.0]], [[3.0]])
    >>> [(cost, grad.tolist()) for cost, grad in iter_gradients(subject, [np.array([2.0, 0.0])])]
    [(1.0, [-2.0, -2.0])]
    """
    thetas = list(thetas)
    work = 3.0 * len(thetas) * len(subject.X) * subject.net.n_multiply_adds
    batch = Batch(subject.X, subject.Y, subject.w, np.arange(len(subject.X)), 1)
    engine = fast_engine(subject.net, subject.theta, work)
    for theta in thetas:
        engine.load(subject.net, theta, EngineSettings())
        cost, grad = engine.gradient(batch)
        yield float(cost), np.array(grad, dtype=np.float64)

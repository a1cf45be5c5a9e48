"""Passes over many rows, by the fastest engine that is there, in float64.

What is explained is computed by the reference mathematics, which keeps every number. Where only
means or slopes of many rows are wanted, an engine gives them without the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from deltarule.engines import Batch, Engine, EngineSettings, ReferenceEngine, make_engine
from deltarule.errors import NotCompilable
from deltarule.explain.subject import Subject
from deltarule.maths import Network

__all__ = ["fast_engine", "iter_gradients"]

# Multiply-adds from which on the compiled engine is worth what it takes to prepare it.
_WORTH_COMPILING = 1e9


def fast_engine(net: Network, theta: np.ndarray, work: float) -> Engine:
    """An engine for so many multiply-adds; what cannot be compiled the reference engine takes.

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
    """C = Σ_i w_i C_i and ∂C/∂θ over all rows of a subject, at other parameters, without dropout.

    Examples
    --------
    >>> subject = Subject.of_arrays(Network([1, 1]), [1.0, 0.0], [[1.0]], [[3.0]])
    >>> [(cost, grad.tolist()) for cost, grad in iter_gradients(subject, [np.array([2.0, 0.0])])]
    [(1.0, [-2.0, -2.0])]
    """
    engine: Any = None
    thetas = list(thetas)
    work = 3.0 * len(thetas) * len(subject.X) * subject.net.n_multiply_adds
    batch = Batch(subject.X, subject.Y, subject.w, np.arange(len(subject.X)), 1)
    for theta in thetas:
        if engine is None:
            engine = fast_engine(subject.net, theta, work)
        else:
            engine.load(subject.net, theta, EngineSettings())
        cost, grad = engine.gradient(batch)
        yield float(cost), np.array(grad, dtype=np.float64)

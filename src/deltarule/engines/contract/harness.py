"""The bench that an engine is tested on: how it is loaded, and how numbers are compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.engines.base import Batch, Engine, EngineSettings
from deltarule.engines.contract.cases import Case, scales

__all__ = ["LARGEST_TOLERANCE", "Bench", "Findings", "against_reference", "compare_gradients"]

# Each finding: an error, what is allowed, and where.
Findings = Iterator[tuple[float, float, str]]

# What an engine may promise at most, in units of eps · max over the block of |δ|ᵀ|A|.
LARGEST_TOLERANCE = 64.0


@dataclasses.dataclass
class Bench:
    """An engine under test in one dtype."""

    engine: Engine
    dtype: np.dtype[Any]

    @property
    def eps(self) -> float:
        """The spacing of numbers at 1."""
        return float(np.finfo(self.dtype).eps)

    @property
    def promised(self) -> float:
        """The tolerance that the engine promises."""
        return float(self.engine.promises.tolerance[str(self.dtype)])

    @property
    def tolerance(self) -> float:
        """What the engine promises, at most what the contract allows."""
        return min(self.promised, LARGEST_TOLERANCE)

    def load(self, case: Case, **settings: Any) -> Engine:
        """The engine, loaded with a case."""
        self.engine.load(case.net, case.theta.copy(), EngineSettings(**settings))
        return self.engine


def largest_gap(ours: Any, theirs: Any) -> float:
    """The largest |difference|; infinite where it is not finite or the shapes differ."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        return np.inf
    gap = np.abs(ours - theirs)
    return float(gap.max()) if np.isfinite(gap).all() else np.inf


def compare_gradients(
    bench: Bench, case: Case, ours: Any, theirs: Any, unit: dict[str, float], where: str
) -> Findings:
    """One finding for each block."""
    if np.shape(ours) != np.shape(theirs):
        yield np.inf, 0.0, f"{where}: shape {np.shape(ours)}, expected {np.shape(theirs)}"
        return
    for block in case.net.blocks:
        error = largest_gap(block.of(np.asarray(ours)), block.of(np.asarray(theirs)))
        yield error, bench.tolerance * bench.eps * unit[block.name], f"{where}, {block.name}"


def against_reference(bench: Bench, case: Case, batch: Batch | None = None) -> Findings:
    """Gradient, cost and prediction of a case, as handed over in ``batch``."""
    batch = case.batch() if batch is None else batch
    cost, grad = bench.load(case).gradient(batch)
    exact = case.exact()
    got = case.reference().passes(exact.batch())
    reference = exact.net.pack(got.dW, got.db if exact.net.bias else None)
    yield from compare_gradients(bench, case, grad, reference, scales(case, got), case.label)
    size = float((exact.w * np.abs(got.loss)).sum())
    # A loss is a difference of an output and a target, each rounded at its own size.
    size += float((exact.w * np.abs(got.A[-1]).max(axis=1)).sum())
    yield abs(cost - float(got.cost)), bench.tolerance * bench.eps * size, f"{case.label}, cost"
    alone = bench.engine.cost(batch)
    yield abs(alone - float(got.cost)), bench.tolerance * bench.eps * size, f"{case.label}, cost()"
    gap = largest_gap(bench.engine.predict(batch.X), got.A[-1])
    largest = max(1.0, float(np.abs(got.A[-1]).max()), *(float(np.abs(z).max()) for z in got.Z[1:]))
    yield gap, bench.tolerance * bench.eps * largest, f"{case.label}, predict"

"""The engine under test, and the comparison of its results with the reference's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.engines.base import Batch, Engine, EngineSettings
from deltarule.engines.contract.cases import Case, small_case
from deltarule.engines.gradient_scale import LARGEST_TOLERANCE, block_scales
from deltarule.engines.registry import make_engine
from deltarule.errors import MissingCapability

__all__ = [
    "Findings",
    "Subject",
    "against_reference",
    "compare_gradients",
    "largest_gap",
    "refused",
]

# A finding is an error, the allowed error, and the place.
Findings = Iterator[tuple[float, float, str]]


@dataclasses.dataclass
class Subject:
    """An engine under test in one dtype."""

    engine: Engine
    dtype: np.dtype[Any]

    @property
    def eps(self) -> float:
        """The distance from 1 to the next number in the engine's passes."""
        return self.engine.promises.eps_of(str(self.dtype))

    @property
    def promised(self) -> float:
        """The tolerance that the engine promises."""
        return float(self.engine.promises.tolerance_on(self.engine.device)[str(self.dtype)])

    @property
    def tolerance(self) -> float:
        """The allowed error in relation to the size of the terms of a sum.

        It is the tolerance that the engine promises, or the contract's limit if that is smaller,
        times the distance from 1 to the next number.
        """
        return min(self.promised, LARGEST_TOLERANCE) * self.eps

    @property
    def update_tolerance(self) -> float:
        """The allowed relative error of an update from a given gradient: in the dtype's own eps."""
        return min(self.promised, LARGEST_TOLERANCE) * float(np.finfo(self.dtype).eps)

    def load(self, case: Case, **settings: Any) -> Engine:
        """Load the engine with a case."""
        self.engine.load(case.net, case.theta.copy(), EngineSettings(**settings))
        return self.engine

    def followed(self, case: Case, **settings: Any) -> tuple[Engine, Case, float]:
        """An engine whose steps this one must follow, its case, and the eps of their difference.

        It is the reference in float64; or, with the dtype's own eps, the engine that has the same
        products: their rounding can change the sign of a small gradient, and with it a whole step
        of RPROP.
        """
        promised = self.engine.promises.same_products_as
        if not promised:
            return case.reference(EngineSettings(**settings)), case.in_float64(), self.eps
        other = make_engine(promised)
        other.load(case.net, case.theta, EngineSettings(**settings))
        return other, case, float(np.finfo(self.dtype).eps)


def largest_gap(ours: Any, theirs: Any) -> float:
    """The largest |difference|; infinity if one is not finite, or if the shapes differ."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        return np.inf
    gap = np.abs(ours - theirs)
    return float(gap.max()) if np.isfinite(gap).all() else np.inf


def compare_gradients(
    subject: Subject, case: Case, ours: Any, theirs: Any, unit: dict[str, float], where: str
) -> Findings:
    """Compare two gradients; one finding for each block."""
    if np.shape(ours) != np.shape(theirs):
        yield np.inf, 0.0, f"{where}: shape {np.shape(ours)}, expected {np.shape(theirs)}"
        return
    for block in case.net.blocks:
        error = largest_gap(block.of(np.asarray(ours)), block.of(np.asarray(theirs)))
        yield error, subject.tolerance * unit[block.name], f"{where}, {block.name}"


def against_reference(subject: Subject, case: Case, batch: Batch | None = None) -> Findings:
    """Compare gradient, cost and prediction of a case with the reference's."""
    if batch is None:
        case = case.for_eps(subject.eps)
        batch = case.batch()
    cost, grad = subject.load(case).gradient(batch)
    exact = case.in_float64()
    got = case.reference().passes(exact.batch())
    reference = exact.net.pack(got.dW, got.db if exact.net.bias else None)
    yield from compare_gradients(
        subject, case, grad, reference, block_scales(case.net, got), case.label
    )
    size = float((exact.w * np.abs(got.loss)).sum())
    # A loss depends on the difference of output and target, each rounded at its own size.
    size += float((exact.w * np.abs(got.A[-1]).max(axis=1)).sum())
    yield abs(cost - float(got.cost)), subject.tolerance * size, f"{case.label}, cost"
    alone = subject.engine.cost(batch)
    yield abs(alone - float(got.cost)), subject.tolerance * size, f"{case.label}, cost()"
    gap = largest_gap(subject.engine.predict(batch.X), got.A[-1])
    largest = max(1.0, float(np.abs(got.A[-1]).max()), *(float(np.abs(z).max()) for z in got.Z[1:]))
    yield gap, subject.tolerance * largest, f"{case.label}, predict"


def refused(subject: Subject, capability: str) -> Findings:
    """Whether an engine refuses, with the error for it, what it declares to lack."""
    case = small_case(subject.dtype)
    try:
        getattr(subject.load(case), capability)(case.batch())
    except MissingCapability:
        yield 0.0, 0.5, f"{capability} is declared to be lacking"
    else:
        yield 1.0, 0.5, f"{capability} is declared to be lacking, and is there"

"""The check of the promise that matrix products have the bits of another engine's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.engines.base import EngineSettings
from deltarule.engines.contract.cases import Case, make_case
from deltarule.engines.contract.harness import Findings, Subject
from deltarule.engines.registry import make_engine
from deltarule.maths import Network

__all__ = ["check_products"]


def _cases() -> Iterator[Case]:
    """Networks whose passes are products and exact functions: identity, relu, a − y times w."""
    for widths, n_rows, bias in (
        ([1, 1], 1, True),
        ([2, 3, 1], 2, False),
        ([5, 7, 6, 3], 31, True),
        ([33, 17, 2], 67, True),
        ([701, 9, 4], 301, True),  # sums and vectors that are cut to fit the cache
    ):
        loss = "half_squared_error"
        net = Network(widths, activation="relu", loss=loss, bias=bias, dtype=np.float32)
        yield make_case(f"widths {widths}, {n_rows} rows", net, n_rows)


def _differing(ours: Any, theirs: Any) -> float:
    """The number of entries that are not equal; NaN equals nothing."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float(np.sum(ours != theirs)) if ours.shape == theirs.shape else float(theirs.size)


def check_products(subject: Subject) -> Findings:
    """Outputs, ∂C/∂W and ∂C/∂x have the bits of the engine that is promised."""
    promised = subject.engine.promises.same_products_as
    if not promised or subject.dtype != np.float32:
        return
    for case in _cases():
        engine, other = subject.load(case), make_engine(promised)
        other.load(case.net, case.theta, EngineSettings())
        batch = case.batch()
        predicted = _differing(engine.predict(batch.X), other.predict(batch.X))
        yield predicted, 0.0, f"{case.label}, predict"
        (_, ours), (_, theirs) = engine.gradient(batch), other.gradient(batch)
        for block in case.net.blocks:
            if block.kind == "W":
                differ = _differing(block.of(np.asarray(ours)), block.of(theirs))
                yield differ, 0.0, f"{case.label}, {block.name}"
        if "input_gradient" not in engine.lacks:
            differ = _differing(engine.input_gradient(batch), other.input_gradient(batch))
            yield differ, 0.0, f"{case.label}, ∂C/∂x"

"""The check of whole epochs, which an engine may compute without its own ``step``."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines.base import Engine, Epoch
from deltarule.engines.contract.cases import Case, small_case
from deltarule.engines.contract.checks_update import EVERYTHING
from deltarule.engines.contract.harness import Findings, Subject, largest_gap

__all__ = ["check_epoch"]

# Of two steps, each later one multiplies the rounding errors of those before it.
_STEPS_TOLERANCE = 2.0**6

_SETTINGS: dict[str, Any] = {"rule": "adam", **EVERYTHING, "seed": 3}


def _epochs(case: Case) -> list[tuple[str, Epoch]]:
    """All rows as they are; some of them in another order; few rows, which have numbers."""
    n = len(case.X)
    order = np.random.default_rng(0).permutation(n)[: n - 3]
    w = (case.w * n).astype(case.net.dtype)

    def epoch(order: np.ndarray | None, size: int, numbers: np.ndarray | None = None) -> Epoch:
        steps = -(-(n if order is None else len(order)) // size)
        rates = np.linspace(0.05, 0.01, steps)
        return Epoch(case.X, case.Y, w, order, size, rates, 4, numbers)

    return [
        ("all rows", epoch(None, 8)),
        ("an order of some rows", epoch(order, 5)),
        ("one step", epoch(order, n)),
        ("rows with numbers", epoch(order, 8, case.rows)),
    ]


def _steps(engine: Engine, epoch: Epoch, first: int) -> np.ndarray:
    return np.array(
        [
            engine.step(epoch.batch(index), float(epoch.rates[index]))
            for index in range(first, epoch.steps)
        ]
    )


def _moved(engine: Engine, costs: np.ndarray) -> dict[str, np.ndarray]:
    """Copies of what the steps have changed, and their costs."""
    mean = np.array(engine.averaged_theta)
    return {"theta": engine.theta.copy(), "mean": mean, "costs": costs}


def check_epoch(subject: Subject) -> Findings:
    """An epoch is its steps one by one, also from a later step on, and with rows taken before."""
    case = small_case(subject.dtype)
    exactly = subject.engine.promises.same_bits_for_epochs
    for label, epoch in _epochs(case):
        for first in sorted({0, epoch.steps - 1}):
            for loaded in (False, True):
                engine = subject.load(case, **_SETTINGS)
                expected = _moved(engine, _steps(engine, epoch, first))
                engine = subject.load(case, **_SETTINGS)
                if loaded:
                    engine.load_data(epoch.X, epoch.Y, epoch.w)
                found = _moved(engine, np.concatenate([[], *engine.epoch(epoch, first)]))
                where = f"{label}, from step {first}{', loaded before' if loaded else ''}"
                for name, value in expected.items():
                    allowed = 0.0 if exactly else _STEPS_TOLERANCE * subject.tolerance
                    yield _gap(found[name], value), allowed, f"{where}, {name}"


def _gap(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest number; infinity without a number but 0."""
    largest = float(np.abs(expected).max(initial=0.0))
    return largest_gap(found, expected) / largest if largest else np.inf

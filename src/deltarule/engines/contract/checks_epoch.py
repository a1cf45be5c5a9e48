"""The check of whole epochs, which an engine may compute without its own ``step``."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines.base import Engine, Epoch
from deltarule.engines.contract.cases import Case, small_case
from deltarule.engines.contract.checks_update import EVERYTHING
from deltarule.engines.contract.harness import Findings, Subject, largest_gap
from deltarule.engines.sparse_rows import CsrRows

__all__ = ["check_epoch"]

# Of two steps, each later one multiplies the rounding errors of those before it.
_STEPS_TOLERANCE = 2.0**6

_SETTINGS: dict[str, Any] = {"rule": "adam", **EVERYTHING, "seed": 3}


def _epochs(case: Case, sparse: bool) -> list[tuple[str, Epoch]]:
    """All rows as they are; some of them in another order; few rows, which have numbers.

    With ``sparse``, also rows of which two thirds of the entries are 0.
    """
    n = len(case.X)
    order = np.random.default_rng(0).permutation(n)[: n - 3]
    w = (case.w * n).astype(case.net.dtype)

    def epoch(order: np.ndarray | None, size: int, numbers: np.ndarray | None = None) -> Epoch:
        steps = -(-(n if order is None else len(order)) // size)
        rates = np.linspace(0.05, 0.01, steps)
        return Epoch(case.X, case.Y, w, order, size, rates, 4, numbers)

    epochs = [
        ("all rows", epoch(None, 8)),
        ("an order of some rows", epoch(order, 5)),
        ("one step", epoch(order, n)),
        ("rows with numbers", epoch(order, 8, case.rows)),
    ]
    if sparse:
        X = _sparse_rows(case.X)
        epochs += [(f"sparse rows, {name}", each._replace(X=X)) for name, each in epochs[1:3]]
    return epochs


def _sparse_rows(X: np.ndarray) -> CsrRows:
    """The entries of every third diagonal, as sparse rows; the last row has none."""
    kept = np.add.outer(np.arange(len(X)), np.arange(X.shape[1])) % 3 == 0
    kept[-1] = False
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return CsrRows(X[kept], np.nonzero(kept)[1], starts, X.shape[1])


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
    for label, epoch in _epochs(case, subject.engine.takes_sparse_rows):
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

"""``deltarule check``: gradients against differences, for what is registered here."""

from __future__ import annotations

import dataclasses

import numpy as np

from deltarule.engines.cases import activation_cases, loss_cases
from deltarule.maths import check_gradient

__all__ = ["GradientRow", "check_gradients"]


@dataclasses.dataclass(frozen=True)
class GradientRow:
    """The gradient check of one network."""

    what: str
    error: float
    passed: bool


def check_gradients() -> list[GradientRow]:
    """Check every registered activation, and every loss on every output it goes with."""
    rows = []
    for cases in (activation_cases, loss_cases):
        for case in cases(np.float64):
            # Cases hold Y with a column for each output; the check takes one for each target.
            Y = case.Y[:, :: case.net.loss.targets_per_output()]
            report = check_gradient(
                case.net, case.theta, case.X, Y, case.w, entries=20, raises=False
            )
            rows.append(GradientRow(case.label, report.error, report.passed))
    return rows

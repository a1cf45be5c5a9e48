"""The warnings at the end of a fit of an ``MLP`` estimator: scikit-learn's, and the guard's."""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning

from deltarule.training import StopReason, TrainingResult
from deltarule.training.diagnosis.guard import warn_of

__all__ = ["warn_of_fit"]


def warn_of_fit(result: TrainingResult, solver: str, max_iter: int, max_fun: int) -> None:
    """Warn if a fit was interrupted or has not converged, and of what kept it from learning.

    A learning rate that is too low is not said beside a ``ConvergenceWarning``, which says that
    more iterations are needed; it is in ``findings_``.
    """
    findings = result.findings
    if result.stop_reason is StopReason.INTERRUPTED:
        warnings.warn("Training interrupted by user.", stacklevel=3)
    elif solver == "lbfgs":
        if result.stop_reason in (StopReason.SEARCH, StopReason.EPOCHS, StopReason.CRITERION):
            warnings.warn(
                f"lbfgs failed to converge: {result.stopped} (max_iter={max_iter}, "
                f"max_fun={max_fun}). Increase them, or scale the data.",
                ConvergenceWarning,
                stacklevel=3,
            )
    elif result.stop_reason is StopReason.EPOCHS:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=3,
        )
        findings = tuple(each for each in findings if each.kind != "learning rate too low")
    warn_of(findings)

"""Translation of scikit-learn's ``solver``, ``learning_rate`` and ``loss`` into records.

scikit-learn's stopping rule and its learning rate 'adaptive' are implemented here, too.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError
from deltarule.maths import ACTIVATIONS, LOSSES, Loss
from deltarule.optimizers import MINIMIZERS, RULES, SCHEDULES, Minimizer, Rule, Schedule
from deltarule.training import EpochLog, History

__all__ = [
    "NoImprovement",
    "adaptive",
    "check_loss_of_classes",
    "loss_record",
    "refuse_schedule_with_end",
    "rule_record",
    "schedule_record",
    "tolerance",
]

_OWN_LOSSES = {"squared_error": "half_squared_error"}
_LEAST_RATE = 1e-6
_DIVISOR = 5.0


def loss_record(loss: Any) -> Loss:
    """The loss record for ``loss``: scikit-learn's squared_error has the factor ½.

    Any other name, record or saved form is looked up among the registered losses.
    """
    return LOSSES.get(_OWN_LOSSES.get(loss, loss) if isinstance(loss, str) else loss)


def check_loss_of_classes(loss: Loss, kind: str, n_classes: int) -> None:
    """Refuse a loss that cannot be used for classes, or for rows with several labels.

    Raises
    ------
    InputError
        The message names the loss and an alternative.
    """
    if loss.outputs_per_target() > 1:
        raise InputError(
            f"loss {loss} has {loss.outputs_per_target()} outputs for each target, which are "
            "no probabilities of classes; expected a loss with one, or use MLPRegressor"
        )
    alone = any(loss.accepts(g) for g in ACTIVATIONS if g.elementwise)
    if kind.startswith("multilabel") and not alone:
        raise InputError(
            f"loss {loss.name!r} is for one class out of several, and a row of y may have "
            f"several of the {n_classes} labels; use loss='log_loss', or "
            "soft_targets=True if each row holds the probabilities of one class"
        )


def rule_record(estimator: Any) -> Rule | Minimizer:
    """The update rule or the minimizer for an estimator's ``solver`` and its parameters."""
    solver, decay = estimator.solver, estimator.weight_decay
    if decay and solver not in ("adam", "adamw"):
        raise InputError(
            f"weight_decay is {decay!r} with solver {solver!r}; expected solver 'adam' or 'adamw', "
            "or use alpha, the L2 penalty, with any solver"
        )
    if solver == "lbfgs":
        return MINIMIZERS.get(
            "lbfgs", max_evaluations=int(estimator.max_fun), gtol=float(estimator.tol)
        )
    if solver == "sgd":
        if not estimator.momentum:
            return RULES.get("sgd")
        name = "nesterov" if estimator.nesterovs_momentum else "momentum"
        return RULES.get(name, momentum=float(estimator.momentum))
    if solver in ("momentum", "nesterov"):
        return RULES.get(solver, momentum=float(estimator.momentum))
    if solver in ("adam", "adamw"):
        settings = {
            "beta1": float(estimator.beta_1),
            "beta2": float(estimator.beta_2),
            "epsilon": float(estimator.epsilon),
        }
        if solver == "adamw" or decay:
            if decay is not None:
                settings["weight_decay"] = float(decay)
            return RULES.get("adamw", **settings)
        return RULES.get("adam", epsilon_inside=False, **settings)
    return RULES.get(solver)


def schedule_record(estimator: Any, n_rows: int) -> Schedule:
    """The schedule of an estimator: ``schedule`` if given, else that of ``learning_rate``.

    As in scikit-learn, ``learning_rate`` has an effect with the solver sgd only.
    """
    if estimator.schedule is not None:
        return SCHEDULES.get(estimator.schedule)
    named = estimator.learning_rate if estimator.solver == "sgd" else "constant"
    if named == "invscaling":
        return SCHEDULES.get(
            "inverse_scaling",
            scale=float(n_rows),
            power=float(estimator.power_t),
            per="epoch",
        )
    if named == "adaptive":
        return Schedule(
            "adaptive",
            adaptive,
            {
                "tol": tolerance(estimator, estimator.early_stopping),
                "patience": float(estimator.n_iter_no_change),
            },
            uses_losses=True,
        )
    return SCHEDULES.get("constant")


def tolerance(estimator: Any, scored: bool) -> float:
    """``tol`` on the scale of this library's loss.

    scikit-learn compares it with the mean of the squared errors over outputs; the loss here
    is their sum.
    """
    mean = not scored and estimator.loss == "squared_error" and hasattr(estimator, "n_outputs_")
    return float(estimator.tol) * (estimator.n_outputs_ if mean else 1)


def refuse_schedule_with_end(estimator: Any) -> None:
    """Refuse, in ``partial_fit``, a schedule that depends on the number of epochs.

    Raises
    ------
    InputError
        Since it is not known how often ``partial_fit`` will be called.
    """
    if estimator.schedule is None:
        return
    schedule = SCHEDULES.get(estimator.schedule)
    if schedule.depends_on_total():
        raise InputError(
            f"schedule {schedule} depends on the number of epochs planned, and partial_fit knows "
            "none; call fit, or choose a schedule such as 'exponential' or 'step'"
        )


def adaptive(xp: Any, tol: float, patience: float) -> Any:
    """η/5 each time the loss has not improved by ``tol`` for more than ``patience`` epochs."""

    def after(state: _Plateaus, loss: float) -> _Plateaus:
        return state.after(loss, tol, patience)

    def factor(progress: Any) -> Any:
        state = progress.losses.fold(("adaptive", tol, patience), _NOTHING_YET, after)
        return _DIVISOR**-state.plateaus + 0 * progress.step

    return factor


class _Plateaus(NamedTuple):
    """The plateaus of the loss so far: spans without improvement for over ``patience`` epochs."""

    best: float
    since: int
    plateaus: int
    now: bool

    def after(self, loss: float, tol: float, patience: float) -> _Plateaus:
        """The plateaus after one more epoch with this loss."""
        since = self.since + 1 if loss > self.best - tol else 0
        best, now = min(self.best, loss), since > patience
        return _Plateaus(best, 0 if now else since, self.plateaus + now, now)


_NOTHING_YET = _Plateaus(np.inf, 0, 0, False)


@dataclasses.dataclass(frozen=True)
class NoImprovement:
    """scikit-learn's criterion: no improvement by ``tol`` for more than ``patience`` epochs.

    With ``rate`` (learning_rate="adaptive") the rate is divided by 5 instead, until it is
    1e-6 or less.
    """

    tol: float
    patience: float
    scored: bool
    rate: float | None = None

    def reason(self, history: History) -> str | None:
        """Why to stop now, or None."""
        state = history.fold(self, _NOTHING_YET, self._after)
        if not state.now:
            return None
        if self.rate is not None and self.rate * _DIVISOR ** (1 - state.plateaus) > _LEAST_RATE:
            return None
        what = "Validation score" if self.scored else "Training loss"
        return (
            f"{what} did not improve more than tol={self.tol:f} for "
            f"{self.patience:g} consecutive epochs."
        )

    def _after(self, state: _Plateaus, record: EpochLog) -> _Plateaus:
        loss = record.monitored if self.scored else record.objective
        return state.after(loss, self.tol, self.patience)

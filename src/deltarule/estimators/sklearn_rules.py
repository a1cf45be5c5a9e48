"""scikit-learn's parameter names, translated into this library's records.

Only translation: which rule a ``solver`` is, which schedule a ``learning_rate``, which
loss a ``loss``; and scikit-learn's own way of stopping, as a criterion.
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
    "refuse_planned",
    "rule_record",
    "schedule_record",
    "store_parameters",
    "tolerance",
]

_OWN_LOSSES = {"squared_error": "half_squared_error"}
_LEAST_RATE = 1e-6
_DIVISOR = 5.0


def loss_record(loss: Any) -> Loss:
    """The loss of a name as scikit-learn uses it: its squared_error has the factor ½.

    Any other name, and a record or its saved form, is the registered loss of that name.
    """
    return LOSSES.get(_OWN_LOSSES.get(loss, loss) if isinstance(loss, str) else loss)


def check_loss_of_classes(loss: Loss, kind: str, n_classes: int) -> None:
    """Refuse a loss that has no meaning for classes, or not for labels of which rows have several.

    Raises
    ------
    InputError
        Naming the loss, and what to use.
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
    """The update rule, or the minimizer, of an estimator's ``solver`` and its parameters."""
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
    """The schedule: ``schedule`` where it is given, else what ``learning_rate`` names.

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
    """``tol`` in this library's units.

    scikit-learn compares it with the mean of the squared errors over outputs; the loss here
    is their sum.
    """
    mean = not scored and estimator.loss == "squared_error" and hasattr(estimator, "n_outputs_")
    return float(estimator.tol) * (estimator.n_outputs_ if mean else 1)


def refuse_planned(estimator: Any) -> None:
    """Refuse, in ``partial_fit``, a schedule that depends on how many epochs are planned.

    Raises
    ------
    InputError
        Since nobody knows how often ``partial_fit`` will be called.
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
    """How often the loss stood still for more than ``patience`` epochs, and if it does now."""

    best: float
    since: int
    plateaus: int
    now: bool

    def after(self, loss: float, tol: float, patience: float) -> _Plateaus:
        """The same one epoch later."""
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


def store_parameters(estimator: Any, values: dict[str, Any]) -> None:
    """Keep a constructor's arguments under their own names, untouched, as scikit-learn asks."""
    for name, value in values.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)

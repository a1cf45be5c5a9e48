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
from deltarule.records import real_number
from deltarule.training import EpochLog, History

__all__ = [
    "NoImprovement",
    "adaptive",
    "check_classification_loss",
    "loss_record",
    "refuse_finite_schedule",
    "rule_record",
    "schedule_record",
    "stopping_criterion",
    "tolerance",
]

# The losses whose name in scikit-learn differs.
_SKLEARN_LOSS_NAMES = {"squared_error": "half_squared_error"}
# learning_rate="adaptive" divides the rate by 5 after each plateau, as long as it is above 1e-6.
_RATE_DIVISOR, _LEAST_RATE = 5.0, 1e-6


def loss_record(loss: Any) -> Loss:
    """Return the loss for the parameter ``loss``; scikit-learn's squared_error has the factor ½."""
    return LOSSES.get(_SKLEARN_LOSS_NAMES.get(loss, loss) if isinstance(loss, str) else loss)


def check_classification_loss(loss: Loss, kind: str, n_classes: int) -> None:
    """Refuse a loss that cannot be used for classes, or for rows with several labels."""
    if loss.outputs_per_target() > 1:
        raise InputError(
            f"loss {loss} has {loss.outputs_per_target()} outputs for each target, which are "
            "not class probabilities; expected a loss with one output per target, or use "
            "MLPRegressor"
        )
    elementwise = [activation for activation in ACTIVATIONS if activation.elementwise]
    if kind.startswith("multilabel") and not any(map(loss.accepts, elementwise)):
        raise InputError(
            f"loss {loss.name!r} is for one class out of several, and a row of y may have "
            f"several of the {n_classes} labels; use loss='log_loss', or "
            "soft_targets=True if each row holds the probabilities of one class"
        )


def rule_record(estimator: Any) -> Rule | Minimizer:
    """Return the update rule or the minimizer for an estimator's ``solver`` and its parameters."""
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
            "epsilon": real_number(estimator.epsilon),
        }
        if solver == "adamw" or decay:
            if decay is not None:
                settings["weight_decay"] = float(decay)
            return RULES.get("adamw", **settings)
        return RULES.get("adam", epsilon_inside=False, **settings)
    return RULES.get(solver)


def schedule_record(estimator: Any, n_rows: int) -> Schedule:
    """Return the schedule of an estimator: ``schedule`` if given, else that of ``learning_rate``.

    As in scikit-learn, ``learning_rate`` has an effect with the solver sgd only.
    """
    if estimator.schedule is not None:
        return SCHEDULES.get(estimator.schedule)
    name = estimator.learning_rate if estimator.solver == "sgd" else "constant"
    if name == "invscaling":
        return SCHEDULES.get(
            "inverse_scaling",
            scale=float(n_rows),
            power=float(estimator.power_t),
            per="epoch",
        )
    if name == "adaptive":
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


def tolerance(estimator: Any, uses_validation_score: bool) -> float:
    """Return ``tol`` on the scale of this library's loss.

    scikit-learn averages the squared error over outputs, and this library adds it up. So for this
    loss ``tol`` is multiplied by the number of outputs.
    """
    averaged = estimator.loss == "squared_error" and hasattr(estimator, "n_outputs_")
    factor = estimator.n_outputs_ if averaged and not uses_validation_score else 1
    return float(estimator.tol) * factor


def refuse_finite_schedule(estimator: Any) -> None:
    """Refuse, in ``partial_fit``, a schedule that depends on the total number of epochs."""
    if estimator.schedule is None:
        return
    schedule = SCHEDULES.get(estimator.schedule)
    if schedule.depends_on_total():
        raise InputError(
            f"schedule {schedule} depends on the number of epochs planned, and partial_fit has "
            "no planned number of epochs; call fit, or choose a schedule such as 'exponential' "
            "or 'step'"
        )


def adaptive(xp: Any, tol: float, patience: float) -> Any:
    """Divide η by 5 when the loss has not improved by ``tol`` for more than ``patience`` epochs."""

    def advance(state: _Plateaus, loss: float) -> _Plateaus:
        return state.advance(loss, tol, patience)

    def factor(progress: Any) -> Any:
        state = progress.losses.fold(("adaptive", tol, patience), _INITIAL_STATE, advance)
        # The second term gives the factor the shape of progress.step: one factor for each step.
        return _RATE_DIVISOR**-state.plateaus + 0 * progress.step

    return factor


class _Plateaus(NamedTuple):
    """The plateaus of the loss so far: spans of more than ``patience`` epochs without improvement.

    ``best`` is the smallest loss, ``plateaus`` the number of completed plateaus, and
    ``plateau_ended`` tells whether the last epoch completed one.
    """

    best: float
    epochs_without_improvement: int
    plateaus: int
    plateau_ended: bool

    def advance(self, loss: float, tol: float, patience: float) -> _Plateaus:
        """Return the state after one more epoch with this loss."""
        stagnant = self.epochs_without_improvement + 1 if loss > self.best - tol else 0
        ended = stagnant > patience
        return _Plateaus(
            min(self.best, loss), 0 if ended else stagnant, self.plateaus + ended, ended
        )


_INITIAL_STATE = _Plateaus(np.inf, 0, 0, False)


@dataclasses.dataclass(frozen=True)
class NoImprovement:
    """scikit-learn's criterion: no improvement by ``tol`` for more than ``patience`` epochs.

    With ``rate``, the initial rate of learning_rate="adaptive", training continues after a plateau
    as long as the rate is above 1e-6.
    """

    tol: float
    patience: float
    uses_validation_score: bool
    rate: float | None = None

    def reason(self, history: History) -> str | None:
        """Return why to stop after the last epoch, or None to continue."""
        state = history.fold(self, _INITIAL_STATE, self._advance)
        if not state.plateau_ended:
            return None
        # The rate of the last epoch: it is divided only after this plateau.
        divisions = state.plateaus - 1
        if self.rate is not None and self.rate * _RATE_DIVISOR**-divisions > _LEAST_RATE:
            return None
        what = "Validation score" if self.uses_validation_score else "Training loss"
        return (
            f"{what} did not improve more than tol={self.tol:f} for "
            f"{self.patience:g} consecutive epochs."
        )

    def _advance(self, state: _Plateaus, log: EpochLog) -> _Plateaus:
        loss = log.monitored if self.uses_validation_score else log.objective
        return state.advance(loss, self.tol, self.patience)


def stopping_criterion(estimator: Any, uses_score: bool) -> NoImprovement:
    """Return scikit-learn's stopping criterion for the parameters of an estimator."""
    is_adaptive = estimator.solver == "sgd" and estimator.learning_rate == "adaptive"
    return NoImprovement(
        tol=tolerance(estimator, uses_score),
        patience=float(estimator.n_iter_no_change),
        uses_validation_score=uses_score,
        rate=float(estimator.learning_rate_init)
        if is_adaptive and estimator.schedule is None
        else None,
    )

"""What a run does when it diverges: end at its best epoch, or go on from it with a smaller rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deltarule.errors import Diverged, InputError
from deltarule.training.diagnosis.advice import Advice, recovered
from deltarule.training.history import HistoryMark
from deltarule.training.interrupt import Stop, StopReason

if TYPE_CHECKING:
    from deltarule.training.steps import StepRun

__all__ = ["ON_DIVERGENCE", "RECOVERY", "OnDivergence", "Recovery", "checked_policy"]

OnDivergence = Literal["raise", "restore_best", "halve_learning_rate"]

ON_DIVERGENCE: tuple[OnDivergence, ...] = ("raise", "restore_best", "halve_learning_rate")

RECOVERY = "run.recovery"
"""What the names of the arrays of a recovery begin with, in ``TrainingResult.state``."""

# Half of a rate so many times is nothing that could diverge.
_MOST_HALVINGS = 40


def checked_policy(on_divergence: Any) -> OnDivergence:
    """Return the argument ``on_divergence``.

    Raises
    ------
    InputError
        If it is none of :data:`ON_DIVERGENCE`.
    """
    for policy in ON_DIVERGENCE:
        if on_divergence == policy:
            return policy
    names = ", ".join(map(repr, ON_DIVERGENCE))
    raise InputError(parameter="on_divergence", given=on_divergence, expected=f"one of {names}")


@dataclasses.dataclass
class Recovery:
    """The state of the best epoch so far, and how often the run went back to it.

    Parameters
    ----------
    policy : {"restore_best", "halve_learning_rate"}

    Attributes
    ----------
    halvings : int
        How often the learning rate was halved.
    """

    policy: OnDivergence
    halvings: int = 0
    # Epoch, batch and layer of the last divergence; 0 before there was one.
    _last: tuple[int, int, int] = (0, 0, 0)
    _good: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    _mark: HistoryMark | None = None

    @property
    def factor(self) -> float:
        """What the learning rate is multiplied by."""
        return 0.5**self.halvings

    def keep(self, run: StepRun) -> None:
        """Keep the present state, which is that after the best epoch, or at the start."""
        self._good, self._mark = run.engine.state(), run.history.mark()

    def begin(self, run: StepRun) -> None:
        """Keep the state at the start of the run, if none is kept."""
        if self._mark is None:
            self.keep(run)

    def recover(self, run: StepRun, error: Diverged) -> Stop | None:
        """Bring the run back to the state that is kept; return why it ends, or None to go on.

        Raises
        ------
        Diverged
            ``error``, if no epoch was completed that could be restored, or if the learning rate
            has been halved many times.
        """
        assert self._mark is not None
        if self.policy == "restore_best" and self._mark.epochs == run.earlier_epochs:
            raise error
        if self.halvings == _MOST_HALVINGS:
            raise error
        self._last = (error.epoch or 0, error.batch or 0, error.layer or 0)
        run.engine.restore(self._good)
        run.history.rewind(self._mark)
        run.done, run.total, run.last_rate = 0, 0.0, 0.0
        if self.policy == "restore_best":
            text = f"diverged in epoch {self._last[0]}: epoch {self._mark.epochs} is restored"
            return Stop(StopReason.DIVERGED, text)
        self.halvings += 1
        run.forget_rates()
        return None

    def finding(self, run: StepRun) -> Advice | None:
        """Return the finding that the run diverged; None if it did not."""
        if not any(self._last):
            return None
        assert self._mark is not None
        return recovered(self._last, self.halvings, run.rate, self._mark.epochs)

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs."""
        if self._mark is None:
            return {}
        numbers = np.array([self.halvings, self._mark.epochs, *self._last])
        return {RECOVERY: numbers} | {
            f"{RECOVERY}.{name}": value for name, value in self._good.items()
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state, if it is one of a recovery."""
        if RECOVERY not in state:
            return
        self.halvings, epochs, *last = (int(number) for number in state[RECOVERY])
        self._last = (last[0], last[1], last[2])
        self._mark = HistoryMark(epochs)
        start = f"{RECOVERY}."
        self._good = {
            name.removeprefix(start): np.array(value)
            for name, value in state.items()
            if name.startswith(start)
        }

"""What a run does when it diverges: end at its best epoch, or go on from it with a smaller rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deltarule.errors import Diverged, InputError
from deltarule.training.batches import chunks
from deltarule.training.history import HistoryMark
from deltarule.training.interrupt import Stop, StopReason

if TYPE_CHECKING:
    from deltarule.training.diagnosis.advice import Advice
    from deltarule.training.steps import StepRun

__all__ = ["ON_DIVERGENCE", "RECOVERY", "OnDivergence", "Recovery", "checked_policy"]

OnDivergence = Literal["raise", "restore_best", "halve_learning_rate"]

ON_DIVERGENCE: tuple[OnDivergence, ...] = ("raise", "restore_best", "halve_learning_rate")

RECOVERY = "run.recovery"
"""What the names of the arrays of a recovery begin with, in ``TrainingResult.state``."""

_START, _BEST = f"{RECOVERY}.start.", f"{RECOVERY}.best."
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
    """The states of the start and of the best epoch so far, and how often the run went back.

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
    # Epoch, batch and layer of the last divergence, and the epoch that was restored then; 0 before
    # there was one.
    _last: tuple[int, int, int, int] = (0, 0, 0, 0)
    _start: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    _begun: HistoryMark | None = None
    # Empty before the first epoch has ended.
    _best: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    _mark: HistoryMark = dataclasses.field(default_factory=lambda: HistoryMark(0))

    @property
    def factor(self) -> float:
        """What the learning rate is multiplied by."""
        return 0.5**self.halvings

    def begin(self, run: StepRun) -> None:
        """Keep the state at the start of the run, if none is kept."""
        if self._begun is None:
            self._start, self._begun = run.engine.state(), run.history.mark()

    def keep(self, run: StepRun) -> None:
        """Keep the present state, which is that after the best epoch."""
        self._best, self._mark = run.engine.state(), run.history.mark()

    def recover(self, run: StepRun, error: Diverged) -> Stop | None:
        """Bring the run back to its best epoch; return why it ends, or None to go on.

        The loss of an epoch is that before each of its steps, so the end of the best epoch may
        have a loss above that of the start; the run then goes back to the start.

        Raises
        ------
        Diverged
            ``error``, if no epoch was completed that could be restored, or if the learning rate
            has been halved many times.
        """
        assert self._begun is not None
        where = (error.epoch or 0, error.batch or 0, error.layer or 0)
        run.engine.restore(self._start)
        restored = self._begun
        if self._best:
            first = _cost(run)
            run.engine.restore(self._best)
            if _cost(run) <= first:
                restored = self._mark
            else:
                run.engine.restore(self._start)
        nothing = restored is self._begun and self.policy == "restore_best"
        if nothing or self.halvings == _MOST_HALVINGS:
            raise error
        self._last = (*where, restored.epochs)
        run.history.rewind(restored)
        run.done, run.total, run.last_rate = 0, 0.0, 0.0
        if restored is self._begun:
            self._best = {}
            run.forget_best()
        if self.policy == "restore_best":
            text = f"diverged in epoch {where[0]}: epoch {restored.epochs} is restored"
            return Stop(StopReason.DIVERGED, text)
        self.halvings += 1
        run.forget_rates()
        return None

    def finding(self, run: StepRun) -> Advice | None:
        """Return the finding that the run diverged; None if it did not."""
        if not any(self._last):
            return None
        from deltarule.training.diagnosis.run_advice import recovered

        return recovered(self._last[:3], self.halvings, run.rate, self._last[3])

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs."""
        if self._begun is None:
            return {}
        epochs = self._begun.epochs, self._mark.epochs
        numbers = np.array([self.halvings, *epochs, *self._last])
        kept = {f"{_START}{name}": value for name, value in self._start.items()}
        kept |= {f"{_BEST}{name}": value for name, value in self._best.items()}
        return {RECOVERY: numbers} | kept

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state, if it is one of a recovery."""
        if RECOVERY not in state:
            return
        self.halvings, begun, best, *last = (int(number) for number in state[RECOVERY])
        self._last = (last[0], last[1], last[2], last[3])
        self._begun, self._mark = HistoryMark(begun), HistoryMark(best)
        self._start, self._best = (
            {
                name.removeprefix(prefix): np.array(value)
                for name, value in state.items()
                if name.startswith(prefix)
            }
            for prefix in (_START, _BEST)
        )


def _cost(run: StepRun) -> float:
    """Return the cost of the training rows at the engine's parameters; infinite if it is NaN."""
    engine = run.engine
    if not engine.is_finite():
        return math.inf
    with np.errstate(all="ignore"):
        rows = run.batches.training_rows()
        costs = [engine.cost(batch) for batch in chunks(rows, engine)]
    total = sum(costs)
    return math.inf if math.isnan(total) else total

"""What undo and redo go back to: the moments of the runs at which a user changed something."""

from __future__ import annotations

import dataclasses

from deltarule.playground.interactive_run import RunMoment
from deltarule.playground.run_state import BestEpoch, RunState
from deltarule.playground.settings import RunSettings

__all__ = ["Changes", "Moment"]

MOST_CHANGES = 1000
"""The largest number of changes that can be taken back one after the other."""
MOST_RUNS = 10
"""The largest number of replaced runs among them; each one keeps its data and its engine."""
MOST_BYTES = 64 * 1024 * 1024
"""The largest size of all parameters and optimizer states that are kept for undo."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """A run at the moment of a change, with all that is needed to go on from there.

    Attributes
    ----------
    change : {"weight", "rate", "run", "best"}
        What was changed: a parameter set by hand, the learning rate, the run itself, or the epoch,
        by going back to the best.
    """

    change: str
    state: RunState
    settings: RunSettings
    initial_losses: tuple[float, float | None]
    hand_epoch: int
    best: BestEpoch | None
    run: RunMoment
    phase: str
    message: str

    @classmethod
    def of(cls, change: str, state: RunState, phase: str, message: str) -> Moment:
        """The present moment of a run."""
        run = state.run.moment()
        first, hand, best = state.initial_losses, state.hand_epoch, state.best
        return cls(change, state, state.settings, first, hand, best, run, phase, message)

    def restore(self) -> RunState:
        """The run as it was; its view, which is no part of the training, stays."""
        state = self.state
        state.run.restore(self.run)
        state.settings, state.initial_losses = self.settings, self.initial_losses
        state.hand_losses, state.hand_epoch = None, self.hand_epoch
        state.best = self.best
        state.forget_scores()
        return state


class Changes:
    """The changes that can be taken back, and those that were and can be made again.

    Steps are no changes: undo goes back to the moment before a change, over the steps since; redo
    goes forward to the moment that undo left. Nothing is lost until another change is made.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> state, changes = make_run_state(RunSettings(data="xor")), Changes()
    >>> changes.add(Moment.of("rate", state, "paused", ""))
    >>> state.change_rate(0.5)
    >>> state = changes.undo(state, "paused", "").restore()
    >>> changes.next_undo, changes.next_redo, state.run.rate == RunSettings().learning_rate
    ('', 'rate', True)
    """

    def __init__(self) -> None:
        self._past: list[Moment] = []
        self._future: list[Moment] = []

    def __len__(self) -> int:
        return len(self._past)

    @property
    def next_undo(self) -> str:
        """What undo takes back: "weight", "rate", "run" or "best", or "" for nothing."""
        return self._past[-1].change if self._past else ""

    @property
    def next_redo(self) -> str:
        """What redo makes again, in the same words."""
        return self._future[-1].change if self._future else ""

    def add(self, moment: Moment) -> None:
        """Add the moment before a change; what was taken back cannot be made again after it."""
        self._past.append(moment)
        self._future.clear()
        while len(self._past) > 1 and self._too_much():
            del self._past[0]

    def undo(self, state: RunState, phase: str, message: str) -> Moment:
        """The moment to go back to; that of the run as it is now becomes the next of redo.

        Raises
        ------
        IndexError
            If :attr:`next_undo` is empty.
        """
        return _exchanged(self._past, self._future, state, phase, message)

    def redo(self, state: RunState, phase: str, message: str) -> Moment:
        """The moment that undo left last; that of the run as it is now becomes the next of undo.

        Raises
        ------
        IndexError
            If :attr:`next_redo` is empty.
        """
        return _exchanged(self._future, self._past, state, phase, message)

    def _too_much(self) -> bool:
        runs = {id(each.state) for each in self._past}
        # Several moments may have one best epoch.
        moments = {id(kept): kept for each in self._past for kept in _kept(each)}
        size = sum(each.size for each in moments.values())
        return len(self._past) > MOST_CHANGES or len(runs) > MOST_RUNS or size > MOST_BYTES


def _kept(moment: Moment) -> list[RunMoment]:
    best = moment.best
    return [moment.run] if best is None else [moment.run, best.moment]


def _exchanged(
    source: list[Moment], other: list[Moment], state: RunState, phase: str, message: str
) -> Moment:
    moment = source.pop()
    other.append(Moment.of(moment.change, state, phase, message))
    return moment

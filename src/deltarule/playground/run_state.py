"""A run together with its settings, data, network and view, and immutable snapshots of it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from deltarule.engines import Batch
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.playground.constant_guess import constant_guess
from deltarule.playground.data import Data, builtin_data
from deltarule.playground.decision_surface import Plane, plane_for, suggested_axes
from deltarule.playground.interactive_run import (
    InteractiveRun,
    ParameterEdit,
    RateChange,
    RunMoment,
    start_run,
)
from deltarule.playground.settings import RunSettings, fitted_settings
from deltarule.playground.tabledata import ReadTable, table_data
from deltarule.training import History, StopFlag

__all__ = ["BestEpoch", "RunState", "Snapshot", "data_for", "make_run_state"]


@dataclasses.dataclass(frozen=True)
class BestEpoch:
    """The epoch with the smallest training loss so far, and the run at its end."""

    epoch: int
    loss: float
    moment: RunMoment


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A run at one moment: copies that do not change when the run goes on."""

    settings: RunSettings  # at step 0
    data: Data
    net: Network
    theta: np.ndarray  # shape (p,)
    step: int  # steps taken
    epoch: int  # complete epochs among them
    steps_per_epoch: int
    batch_size: int
    history: History
    changes: tuple[RateChange, ...]  # all learning rates so far, the first set at step 0
    edits: tuple[ParameterEdit, ...]  # all parameters that were set by hand
    n_edits: int  # how often one was set
    engine: str
    state: dict[str, np.ndarray]  # the result of engine.state()
    next_batch: Batch
    guess: float | None  # the loss of the best answer that is the same for every row
    total_weight: float  # the sum of the row weights, by which penalties are divided
    diverged: bool  # whether the next step was tried and failed


@dataclasses.dataclass
class RunState:
    """A run and all that belongs to it. Only one thread may use it."""

    settings: RunSettings
    data: Data
    net: Network
    run: InteractiveRun
    plane: Plane
    initial_losses: tuple[float, float | None]  # training and held-out, before the first step
    guess: float | None  # the loss of the best answer that is the same for every row
    # The scores that were computed last, and when.
    scores: dict[str, float | None] = dataclasses.field(default_factory=dict)
    scores_time: float = -math.inf
    # The losses after a weight was set by hand in an epoch, and how many were complete then.
    hand_losses: tuple[float, float | None] | None = None
    hand_epoch: int = -1
    best: BestEpoch | None = None  # None before the end of the first epoch

    @property
    def last_settings(self) -> RunSettings:
        """The settings with the learning rate that was set last: those of the next run."""
        return dataclasses.replace(self.settings, learning_rate=self.run.rate)

    def change_rate(self, rate: float) -> None:
        """Use another learning rate from the next step on."""
        self.run.change_rate(rate)
        if self.run.step == 0:  # then it is the initial learning rate
            self.settings = dataclasses.replace(self.settings, learning_rate=rate)

    def set_parameter(self, index: int, value: float) -> bool:
        """Set entry ``index`` of θ by hand; False, and no change, if it has this value already."""
        run = self.run
        if not run.set_parameter(index, value):
            return False
        if run.step == 0:
            self.initial_losses = run.current_losses()
        else:
            self.hand_losses, self.hand_epoch = None, len(run.history)
        return True

    def keep_best(self) -> None:
        """At the end of an epoch whose loss is the smallest so far, keep the run as it is.

        An epoch within which the rate or a weight was changed is none to go back to: its loss is
        that of the weights before each step, also where the last step has spoiled them.
        """
        run = self.run
        epoch = len(run.history)
        kind, after = self.last_change
        if run.done or not epoch or (kind and after == epoch - 1):
            return
        loss = run.history.logs[-1].loss
        if self.best is None or loss < self.best.loss:
            self.best = BestEpoch(epoch, loss, run.moment())

    def restore_best(self) -> None:
        """Go back to the end of the epoch with the smallest loss, with the rate that held then.

        Raises
        ------
        InputError
            If no epoch is complete, or the run is there already.
        """
        best = self.best
        if best is None:
            raise InputError("there is no best epoch yet: none is complete; train for one first")
        if self.run.step == best.epoch * self.run.batches.steps_per_epoch and not self.edited_since:
            raise InputError(f"the run is at its best epoch, epoch {best.epoch}, already")
        self.run.restore(best.moment)
        self.hand_losses, self.hand_epoch = None, -1
        self.forget_scores()

    @property
    def edited_since(self) -> bool:
        """Whether a weight was set by hand after the last complete epoch."""
        return self.hand_epoch == len(self.run.history)

    def forget_scores(self) -> None:
        """Compute the scores anew for the next frame."""
        self.scores_time = -math.inf

    @property
    def last_change(self) -> tuple[str, int]:
        """What was changed last within the run, "rate" or "weight", and after how many epochs.

        ("", 0) where nothing was changed since the first step.
        """
        run = self.run
        step, kind = max(
            [(run.changes[-1].step, "rate"), *((each.step, "weight") for each in run.edits[-1:])]
        )
        return (kind, step // run.batches.steps_per_epoch) if step else ("", 0)

    @property
    def holds_work(self) -> bool:
        """Whether anything but its start would be lost with this run."""
        return self.run.step > 0 or bool(self.run.edits)

    def by_hand(self, moving: bool) -> tuple[float, float | None] | None:
        """The losses of the present weights where one was set by hand since the last full epoch.

        The curve has none of them before the next epoch is complete. During training they are
        those after the weight was set; in a pause they are computed anew.
        """
        if not self.edited_since:
            return None
        if self.hand_losses is None or not moving:
            self.hand_losses = self.run.current_losses()
        return self.hand_losses

    def snapshot(self, diverged: bool = False) -> Snapshot:
        """A copy of the current state."""
        run = self.run
        return Snapshot(
            settings=self.settings,
            data=self.data,
            net=self.net,
            theta=np.array(run.engine.theta),
            step=run.step,
            epoch=len(run.history),
            steps_per_epoch=run.batches.steps_per_epoch,
            batch_size=run.batches.batch_size,
            history=History(list(run.history.logs)),
            changes=tuple(run.changes),
            edits=tuple(run.edits),
            n_edits=run.n_edits,
            engine=run.engine.name,
            state=run.engine.state(),
            next_batch=run.next_batch(),
            guess=self.guess,
            total_weight=run.engine.settings.total_weight,
            diverged=diverged,
        )

    def curve(self) -> np.ndarray:
        """Epoch, loss and held-out loss of each kept epoch, flat, beginning with epoch 0."""
        loss, held = self.initial_losses
        first = [0.0, loss, float("nan") if held is None else held]
        return np.array(first + self.run.history.curve, dtype=np.float32)


def data_for(settings: RunSettings, source: ReadTable | None) -> Data:
    """The data of a run with these settings.

    Examples
    --------
    >>> data_for(RunSettings(data="circles", rows=50), None).X.shape
    (50, 2)
    """
    names = ("rows", "held", "seed", "derived")
    common = {name: getattr(settings, name) for name in names}
    if settings.data == "table":
        assert source is not None  # the settings were checked
        return table_data(source, columns=settings.columns, **common)
    return builtin_data(settings.data, noise=settings.noise, **common)


# The settings that the data depend on.
_DATA_SETTINGS = ("data", "rows", "noise", "held", "columns", "seed", "derived")


def make_run_state(
    settings: RunSettings,
    source: ReadTable | None = None,
    flag: StopFlag | None = None,
    before: RunState | None = None,
) -> RunState:
    """A run at step 0; data and plane are taken from the run before where the settings allow it.

    Raises
    ------
    DeltaruleError
        If the settings cannot be used.

    Examples
    --------
    >>> state = make_run_state(RunSettings(data="moons"))
    >>> state.net.widths, state.run.step
    ((2, 4, 3, 1), 0)
    """
    same = before is not None and all(
        getattr(before.settings, name) == getattr(settings, name) for name in _DATA_SETTINGS
    )
    data = before.data if same and before is not None else data_for(settings, source)
    settings = fitted_settings(settings, data)
    net, run = start_run(data, settings, StopFlag() if flag is None else flag)
    if before is not None and before.data.axes == data.axes:
        plane = before.plane
        if not same:
            plane = plane_for(data, plane.x, plane.y, plane.hold)
    else:
        plane = plane_for(data, *suggested_axes(data), "mean")
    guess = constant_guess(net, data.targets(net)[data.trained])
    return RunState(settings, data, net, run, plane, run.current_losses(), guess)

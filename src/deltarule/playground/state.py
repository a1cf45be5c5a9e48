"""What a run is made of: settings, data, network, the run itself, and what is looked at."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from deltarule.engines import Batch
from deltarule.maths import Network
from deltarule.playground.data import Data, builtin_data
from deltarule.playground.live import LiveRun, RateChange, ThinnedHistory, started_run
from deltarule.playground.settings import RunSettings, fitted_settings
from deltarule.playground.surface import Plane, plane_for, suggested_axes
from deltarule.playground.tabledata import ReadTable, table_data
from deltarule.training import History, StopFlag

__all__ = ["Problem", "Snapshot", "data_for", "made_problem"]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A run at one moment, for whoever exports it; nothing in it moves any more.

    Attributes
    ----------
    settings : RunSettings
        Those it began with.
    data : Data
    net : Network
    theta : array of shape (p,)
    step, epoch : int
        Steps taken, and whole epochs among them.
    steps_per_epoch, batch_size : int
    history : History
    changes : tuple of RateChange
        The learning rates, the first from step 0 on.
    engine : str
    state : dict of arrays
        What ``engine.state()`` gives.
    next_batch : Batch
        The rows of the step that comes next.
    total_weight : float
        What penalties are divided by.
    diverged : bool
        Whether the next step has been tried, and cannot be taken.
    """

    settings: RunSettings
    data: Data
    net: Network
    theta: np.ndarray
    step: int
    epoch: int
    steps_per_epoch: int
    batch_size: int
    history: History
    changes: tuple[RateChange, ...]
    engine: str
    state: dict[str, np.ndarray]
    next_batch: Batch
    total_weight: float
    diverged: bool


@dataclasses.dataclass
class Problem:
    """A run with all that belongs to it, in the hands of one thread.

    Attributes
    ----------
    start : pair of float
        The loss before the first step, and that of the rows held out.
    scores : dict
        As they were at the time ``scored``; they are not counted for every frame.
    """

    settings: RunSettings
    data: Data
    net: Network
    run: LiveRun
    plane: Plane
    start: tuple[float, float | None]
    scores: dict[str, float | None] = dataclasses.field(default_factory=dict)
    scored: float = -math.inf

    def change_rate(self, rate: float) -> None:
        """Go on with another learning rate."""
        self.run.change_rate(rate)
        if self.run.step == 0:  # then the run begins with it
            self.settings = dataclasses.replace(self.settings, learning_rate=rate)

    def snapshot(self, diverged: bool = False) -> Snapshot:
        """The run as it is now."""
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
            engine=run.engine.name,
            state=run.engine.state(),
            next_batch=run.next_batch(),
            total_weight=run.engine.settings.total_weight,
            diverged=diverged,
        )

    def curve(self) -> np.ndarray:
        """Epoch, loss and validation loss by turns, from before the first step on."""
        loss, held = self.start
        first = [0.0, loss, float("nan") if held is None else held]
        history = self.run.history
        assert isinstance(history, ThinnedHistory)  # started_run made it
        return np.array(first + history.curve, dtype=np.float32)


def data_for(settings: RunSettings, source: ReadTable | None) -> Data:
    """The data of a run.

    Examples
    --------
    >>> data_for(RunSettings(data="circles", rows=50), None).X.shape
    (50, 2)
    """
    common = {"rows": settings.rows, "held": settings.held, "seed": settings.seed}
    if settings.data == "table":
        assert source is not None  # the settings were checked
        return table_data(source, columns=settings.columns, **common)  # type: ignore[arg-type]
    return builtin_data(settings.data, noise=settings.noise, **common)  # type: ignore[arg-type]


# What decides the data, and nothing else.
_OF_DATA = ("data", "rows", "noise", "held", "columns", "seed")


def made_problem(
    settings: RunSettings,
    source: ReadTable | None,
    flag: StopFlag,
    before: Problem | None = None,
) -> Problem:
    """A run at step 0; the data and what is looked at are kept where they are the same.

    Raises
    ------
    DeltaruleError
        If the settings cannot be used.

    Examples
    --------
    >>> problem = made_problem(RunSettings(data="moons"), None, StopFlag())
    >>> problem.net.widths, problem.run.step
    ((2, 4, 3, 1), 0)
    """
    same = before is not None and all(
        getattr(before.settings, name) == getattr(settings, name) for name in _OF_DATA
    )
    data = before.data if same and before is not None else data_for(settings, source)
    settings = fitted_settings(settings, data)
    net, run = started_run(data, settings, flag)
    if before is not None and before.data.axes == data.axes:
        plane = before.plane
        if not same:
            plane = plane_for(data, plane.x, plane.y, plane.hold)
    else:
        plane = plane_for(data, *suggested_axes(data), "mean")
    return Problem(settings, data, net, run, plane, run.first_losses())

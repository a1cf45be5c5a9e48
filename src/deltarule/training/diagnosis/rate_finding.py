"""Whether the learning rate of a run is far off: steps from the same start with other rates."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from deltarule.engines import Batch, Engine, EngineSettings
from deltarule.maths import Network
from deltarule.training.batches import Batches
from deltarule.training.diagnosis.advice import Advice
from deltarule.training.diagnosis.run_advice import wrong_learning_rate
from deltarule.training.diagnosis.trials import cost_at, trial_steps

__all__ = ["RATE_LIMITS", "RateTrials", "level_of_jumps"]

RATE_LIMITS: dict[str, float] = {
    "fallen": 0.7,
    "few_steps": 100,
    "probe_least": 50,
    "probe_most": 200,
    "long_most": 1000,
    "few_epochs": 20,
    "rough": 0.04,
    "stalled": 0.9,
    "learned": 0.2,
    "no_better": 0.95,
}
"""Limits of the findings on a learning rate.

A run of ``few_steps`` steps or more has hardly learned if it ends above ``fallen`` times the loss
that it began with, or above ``no_better`` times that of a constant guess; and a rate is far off if
some steps with another one reach ``fallen`` times the loss at the end. These are ``probe_least`` to
``probe_most`` steps, a hundredth of those of the run; with lower rates as many as those of the run,
and ``long_most`` at the most. A loss jumps about if, in about the last third of ``few_epochs``
epochs or more, it changes from one to the next by ``rough`` of its median or more on average, and
the median of the later half is above ``stalled`` times that of the earlier; this is looked into
above ``learned`` times the loss at the start.
"""

FACTORS = (30.0, 300.0, 3e3, 3e4, 3e5)
"""By these a rate is divided and multiplied for some steps."""
LONG_FACTORS = (10.0, 100.0)
"""By these it is divided for many steps."""


def level_of_jumps(losses: Sequence[float], start: float = math.inf) -> float | None:
    """Return the loss that a run is seldom below where its loss jumps about without falling.

    Parameters
    ----------
    losses : sequence of float
        The losses of the epochs.
    start : float
        The loss before the first step; a loss above it is never one that still falls.

    Returns
    -------
    float or None
        The lower quartile of the last third; None where the loss does not jump, or still falls.

    Examples
    --------
    >>> level_of_jumps([0.6, 0.2] * 15)
    0.2
    >>> level_of_jumps([2.0 * 0.9**epoch for epoch in range(30)]) is None
    True
    """
    count = len(losses)
    if count < RATE_LIMITS["few_epochs"]:
        return None
    # Halves of even length, in which a loss that alternates is as often high as low.
    tail = np.asarray(losses[-(max(12, count // 3) // 4 * 4) :], dtype=np.float64)
    if not np.isfinite(tail).all():
        return None
    half = len(tail) // 2
    level = float(np.median(tail))
    rough = float(np.abs(np.diff(tail)).mean())
    falls = np.median(tail[half:]) < RATE_LIMITS["stalled"] * np.median(tail[:half])
    if (falls and level <= start) or rough < RATE_LIMITS["rough"] * abs(level):
        return None
    return float(np.sort(tail)[len(tail) // 4])


@dataclasses.dataclass
class RateTrials:
    """The loss of a sample of the rows at the start and the end of a run, and with other rates.

    Attributes
    ----------
    engine : Engine
        The one to try rates with; it is loaded then.
    settings : EngineSettings
        Those of the run.
    net : Network
    batches : Batches
    rows : Batch
        The rows that losses are of.
    start : array of shape (p,)
        θ before the first step.
    last : float
        The loss of the rows after the last step.
    rate : float or None
        η of the run; None where there is none to compare with.
    most_steps : int
        The most steps with one rate.
    guess : float or None
        The loss of the best answer that is the same for every row; None where it is not known.
    """

    engine: Engine
    settings: EngineSettings
    net: Network
    batches: Batches
    rows: Batch
    start: np.ndarray
    last: float
    rate: float | None
    most_steps: int = int(RATE_LIMITS["long_most"])
    guess: float | None = None
    first: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.first = self._cost(self.start)

    def _cost(self, theta: np.ndarray) -> float:
        return cost_at(self.net, self.settings, theta, self.rows)

    @property
    def hardly_learned(self) -> bool:
        """Whether the loss at the end is near that at the start or of a constant guess, or above.

        A rate that is far too high ends where all rows get one answer, from a start that was worse.
        """
        guess = math.inf if self.guess is None else RATE_LIMITS["no_better"] * self.guess
        return self.last > min(RATE_LIMITS["fallen"] * self.first, guess)

    def finding(self, steps: int, losses: Sequence[float]) -> Advice | None:
        """Return the finding that the learning rate is far off, by trying others from the start.

        A lower rate has to reach a loss that is clearly below that of the end, and not above that
        of the start; a higher one a loss clearly below both. Where the loss has fallen, and jumps
        about since, lower rates are tried alone.

        Parameters
        ----------
        steps : int
            The number of steps of the run.
        losses : sequence of float
            The losses of its epochs.
        """
        if self.rate is None:
            return None
        fallen = RATE_LIMITS["fallen"]
        below = min(fallen * self.last, self.first)
        both = fallen * min(self.first, self.last)
        least, most = int(RATE_LIMITS["probe_least"]), int(RATE_LIMITS["probe_most"])
        few = min(max(steps // 100, least), most, self.most_steps)
        many = max(few, min(steps, self.most_steps))
        plan: list[tuple[float, int, float]] = []
        if self.hardly_learned:
            for factor in FACTORS:
                plan += [(self.rate / factor, few, below), (self.rate * factor, few, both)]
        else:
            level = level_of_jumps(losses, self.first)
            if level is None or self.last < RATE_LIMITS["learned"] * self.first:
                return None
            below = fallen * min(level, self.last)
        plan += [(self.rate / factor, many, below) for factor in LONG_FACTORS]
        for rate, count, wanted in plan:
            theta = trial_steps(
                self.engine, self.net, self.settings, self.start, self.batches, rate, count
            )
            reached = math.inf if theta is None else self._cost(theta)
            if reached < wanted:
                numbers = (steps, self.first, self.last), (rate, count, reached)
                return wrong_learning_rate(self.rate, *numbers, len(self.rows.w))
        return None

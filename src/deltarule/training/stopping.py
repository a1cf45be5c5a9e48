"""When to stop early: criteria that are pure functions of the history.

Each looks at the history alone, so a run that is resumed, or replayed from its records,
stops where the uninterrupted one does. Epochs count from 1; E(t) is the monitored loss
of epoch t, E_opt(t) the smallest up to t.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

from deltarule.errors import InputError
from deltarule.training.history import History

__all__ = ["GeneralizationLoss", "Patience", "Progress", "Stopping"]


class Stopping(Protocol):
    """A criterion: gives the reason to stop after the last record, or None to go on."""

    def reason(self, history: History) -> str | None:
        """Why to stop now, or None."""
        ...


@dataclasses.dataclass(frozen=True)
class Patience:
    """Stop when the best loss has not improved by ``tolerance`` for ``epochs`` epochs.

    Parameters
    ----------
    epochs : int
    tolerance : float
        The least improvement that counts.

    Raises
    ------
    InputError
        If ``epochs`` is below 1 or ``tolerance`` is negative.

    Examples
    --------
    >>> Patience(epochs=5).epochs
    5
    """

    epochs: int = 20
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"patience is {self.epochs!r}; expected epochs, at least 1")
        if not self.tolerance >= 0:
            raise InputError(f"tolerance is {self.tolerance!r}; expected a number ≥ 0")

    def reason(self, history: History) -> str | None:
        """Why to stop now, or None."""
        best, since = float("inf"), 0
        for loss in history.monitored():
            since = 0 if loss < best - self.tolerance else since + 1
            best = min(best, loss)
        if since >= self.epochs:
            return f"no improvement for {since} epochs"
        return None


@dataclasses.dataclass(frozen=True)
class GeneralizationLoss:
    """GL_α: stop when 100 (E(t)/E_opt(t) − 1) > α.

    Parameters
    ----------
    alpha : float
        In percent.
    every : int
        The loss is looked at every so many epochs.

    Notes
    -----
    Source: Prechelt, "Early stopping — but when?" (1998).
    """

    alpha: float = 5.0
    every: int = 1

    def reason(self, history: History) -> str | None:
        """Why to stop now, or None."""
        losses = history.monitored()
        if not losses or len(losses) % self.every:
            return None
        seen = losses[self.every - 1 :: self.every]
        best = min(seen)
        if best > 0:
            loss = 100 * (seen[-1] / best - 1)
            if loss > self.alpha:
                return f"generalization loss {loss:.3g} % is above {self.alpha:g} %"
        return None


@dataclasses.dataclass(frozen=True)
class Progress:
    """P_k: stop when 1000 (mean training loss of the last k epochs / its minimum − 1) is small.

    Parameters
    ----------
    strip : int
        k.
    threshold : float
        In per mille.

    Notes
    -----
    Source: Prechelt, "Early stopping — but when?" (1998).
    """

    strip: int = 5
    threshold: float = 0.1

    def reason(self, history: History) -> str | None:
        """Why to stop now, or None."""
        losses = history.column("loss")
        if not losses or len(losses) % self.strip:
            return None
        last = losses[-self.strip :]
        if min(last) > 0:
            progress = 1000 * (sum(last) / (self.strip * min(last)) - 1)
            if progress < self.threshold:
                return f"progress {progress:.3g} ‰ over {self.strip} epochs"
        return None

"""Early stopping: criteria that are pure functions of the history.

A criterion depends on the history alone, so a resumed run stops after the same epoch as an
uninterrupted one. Epochs count from 1; E(t) is the monitored loss of epoch t, and E_opt(t) the
smallest one up to epoch t.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

from deltarule.errors import InputError
from deltarule.records import real_number, whole_number
from deltarule.training.history import EpochLog, History

__all__ = ["GeneralizationLoss", "Patience", "Progress", "Stopping"]


class Stopping(Protocol):
    """A stopping criterion."""

    def reason(self, history: History) -> str | None:
        """Return why to stop after the last epoch, or None to continue."""
        ...


@dataclasses.dataclass(frozen=True)
class Patience:
    """Stop when the best loss has not improved by ``tolerance`` for ``epochs`` epochs.

    Parameters
    ----------
    epochs : int
    tolerance : float
        The smallest decrease of the loss that counts as an improvement.

    Raises
    ------
    InputError
        If ``epochs`` is below 1 or ``tolerance`` is negative.

    Examples
    --------
    >>> from deltarule.training import EpochLog, History
    >>> losses = [0.50, 0.40, 0.41, 0.43]
    >>> records = [EpochLog(t, t, 0.1, 0.0, E, None, 0.1, 0.0) for t, E in enumerate(losses, 1)]
    >>> Patience(epochs=2).reason(History(records))
    'no improvement for 2 epochs'
    """

    epochs: int = 20
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        _set_epochs(self, "epochs", "patience")
        _set_number(self, "tolerance", "a number ≥ 0")

    def reason(self, history: History) -> str | None:
        """Return why to stop after the last epoch, or None to continue."""
        _, stagnant = history.fold(self, (float("inf"), 0), self._advance)
        if stagnant >= self.epochs:
            return f"no improvement for {stagnant} epochs"
        return None

    def _advance(self, state: tuple[float, int], log: EpochLog) -> tuple[float, int]:
        """Return the best loss, and the number of epochs since the last improvement."""
        best, stagnant = state
        loss = log.monitored
        return min(best, loss), 0 if loss < best - self.tolerance else stagnant + 1


@dataclasses.dataclass(frozen=True)
class GeneralizationLoss:
    """GL_α: stop when 100 (E(t)/E_opt(t) − 1) > α.

    Parameters
    ----------
    alpha : float
        The threshold α in percent.
    every : int
        The number of epochs from one evaluation of the criterion to the next.
    highest : float
        With a scorer, the best possible score: E = highest − score. 1 for an accuracy, an
        AUC or R²; 0 for the negative of an error, and without a scorer.

    Raises
    ------
    InputError
        If ``alpha`` is negative or ``every`` below 1; in training, if an E is negative.

    Notes
    -----
    Source: Prechelt, "Early stopping — but when?" (1998).

    Examples
    --------
    >>> from deltarule.training import EpochLog, History
    >>> losses = [0.50, 0.40, 0.41, 0.43]
    >>> records = [EpochLog(t, t, 0.1, 0.0, E, None, 0.1, 0.0) for t, E in enumerate(losses, 1)]
    >>> GeneralizationLoss(alpha=5).reason(History(records))
    'generalization loss 7.5 % is above 5 %'
    """

    alpha: float = 5.0
    every: int = 1
    highest: float = 0.0

    def __post_init__(self) -> None:
        _set_number(self, "alpha", "percent, a number ≥ 0")
        _set_number(self, "highest", "the best score there is, a finite number", -float("inf"))
        _set_epochs(self, "every")

    def reason(self, history: History) -> str | None:
        """Return why to stop after the last epoch, or None to continue."""
        count, current, best = history.fold(self, (0, float("inf"), float("inf")), self._advance)
        if not count or count % self.every:
            return None
        if best < 0:
            raise InputError(
                f"the generalization loss is a ratio of losses, and one of them is {best:.3g}; "
                "expected losses ≥ 0: give highest, the best score there is, or use Patience"
            )
        if current == best:
            return None
        loss = 100 * (current / best - 1) if best > 0 else float("inf")
        if loss > self.alpha:
            return f"generalization loss {loss:.3g} % is above {self.alpha:g} %"
        return None

    def _advance(self, state: tuple[int, float, float], log: EpochLog) -> tuple[int, float, float]:
        """Return the number of epochs, and the last and smallest E of the evaluated epochs."""
        count, current, best = state
        if (count + 1) % self.every:
            return count + 1, current, best
        current = log.monitored + self.highest
        return count + 1, current, min(best, current)


@dataclasses.dataclass(frozen=True)
class Progress:
    """P_k: stop when 1000 (mean training loss of the last k epochs / its minimum − 1) is small.

    Parameters
    ----------
    strip : int
        k. The criterion is evaluated after every k epochs.
    threshold : float
        The threshold in per mille.

    Raises
    ------
    InputError
        If ``strip`` is below 1 or ``threshold`` negative; in training, if a loss is negative.

    Notes
    -----
    Source: Prechelt, "Early stopping — but when?" (1998).

    Examples
    --------
    >>> from deltarule.training import EpochLog, History
    >>> losses = [0.50, 0.30, 0.30003, 0.30]
    >>> records = [EpochLog(t, t, E, 0.0, None, None, 0.1, 0.0) for t, E in enumerate(losses, 1)]
    >>> Progress(strip=2).reason(History(records))
    'progress 0.05 ‰ over 2 epochs'
    """

    strip: int = 5
    threshold: float = 0.1

    def __post_init__(self) -> None:
        _set_epochs(self, "strip")
        _set_number(self, "threshold", "per mille, a number ≥ 0")

    def reason(self, history: History) -> str | None:
        """Return why to stop after the last epoch, or None to continue."""
        if not len(history) or len(history) % self.strip:
            return None
        losses = [log.loss for log in history.logs[-self.strip :]]
        least, mean = min(losses), sum(losses) / len(losses)
        if least < 0:
            raise InputError(
                f"the progress is a ratio of training losses, and one of them is {least:.3g}; "
                "expected losses ≥ 0: use Patience"
            )
        progress = 0.0
        if mean != least:
            progress = 1000 * (mean / least - 1) if least > 0 else float("inf")
        if progress < self.threshold:
            return f"progress {progress:.3g} ‰ over {self.strip} epochs"
        return None


def _set_epochs(criterion: Stopping, field: str, label: str = "") -> None:
    """Set a field of a frozen criterion to an int of at least 1; refuse other values."""
    value = getattr(criterion, field)
    number = whole_number(value)
    if number is None or number < 1:
        raise InputError(f"{label or field} is {value!r}; expected a number of epochs, at least 1")
    object.__setattr__(criterion, field, number)


def _set_number(criterion: Stopping, field: str, expected: str, least: float = 0.0) -> None:
    """Set a field of a frozen criterion to a finite float, at least ``least``; or refuse it."""
    value = getattr(criterion, field)
    number = real_number(value)
    if number is None or not number >= least or not abs(number) < float("inf"):
        raise InputError(f"{field} is {value!r}; expected {expected}")
    object.__setattr__(criterion, field, number)

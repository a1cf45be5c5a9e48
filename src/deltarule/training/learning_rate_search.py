"""Finding a learning rate: some steps from the same start with each rate of a range."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.engines import Engine, EngineSettings, engine_of_precision, started_engine
from deltarule.errors import Diverged, InputError
from deltarule.maths import Network
from deltarule.maths.dropout import per_layer
from deltarule.maths.printing.numbers import short
from deltarule.optimizers import Rule
from deltarule.optimizers.scalars import in_interval
from deltarule.records import checked_integer
from deltarule.settings import checked
from deltarule.training import arguments
from deltarule.training.batches import Batches
from deltarule.training.diagnosis.trials import cost_of, trial_steps

__all__ = ["LearningRateDisplay", "LearningRateSearch", "find_learning_rate"]

# Rates for each power of ten, and rows that a loss is of.
_PER_DECADE, _MOST_ROWS = 2, 4096
# After so many rates in a row that end in a number that is not finite, higher ones are not tried.
_ENOUGH_FAILED = 2


@dataclasses.dataclass(frozen=True, eq=False)
class LearningRateSearch:
    """The result of :func:`find_learning_rate`.

    Attributes
    ----------
    rates : array of shape (K,)
        The rates that were tried, ascending.
    losses : array of shape (K,)
        The loss after ``steps`` steps with each rate, without penalty; infinite if a step was not
        finite.
    suggestion : float
        The rate with the smallest loss.
    start : float
        The loss before the first step.
    steps : int
        The number of steps with each rate.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float
    start: float
    steps: int

    def plot(self, ax: Any = None) -> LearningRateDisplay:
        """Draw the losses over the rates.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; new axes if not given.

        Returns
        -------
        LearningRateDisplay
        """
        return LearningRateDisplay(self).plot(ax)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as objects for JSON, with None for an infinite loss."""
        losses = [loss if math.isfinite(loss) else None for loss in self.losses.tolist()]
        rest = {"suggestion": self.suggestion, "start": self.start, "steps": self.steps}
        return {"rates": self.rates.tolist(), "losses": losses, **rest}

    def __str__(self) -> str:
        lines = ["learning rate  loss"]
        for rate, loss in zip(self.rates.tolist(), self.losses.tolist(), strict=True):
            shown = short(loss, 4) if math.isfinite(loss) else "not finite"
            mark = "  ← the smallest" if rate == self.suggestion else ""
            lines.append(f"{rate:>13.3g}  {shown}{mark}")
        lines.append(f"The loss is that after {self.steps} steps; before them {short(self.start)}.")
        return "\n".join(lines)


class LearningRateDisplay:
    """The plot of a :class:`LearningRateSearch`, in scikit-learn's convention of Display objects.

    Parameters
    ----------
    search : LearningRateSearch

    Attributes
    ----------
    search
    ax_, figure_
        Matplotlib's axes and figure, after :meth:`plot`.
    """

    ax_: Any
    figure_: Any

    def __init__(self, search: LearningRateSearch) -> None:
        self.search = search

    def plot(self, ax: Any = None) -> LearningRateDisplay:
        """Draw the losses over the rates, with the suggestion marked; return this object."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(layout="constrained")[1]
        search = self.search
        # A loss far above the start would hide all others.
        known = np.isfinite(search.losses) & (search.losses <= 3 * abs(search.start))
        ax.plot(search.rates[known], search.losses[known], "o-", color="#1f6feb")
        ax.axhline(search.start, color="0.45", linewidth=1, linestyle=":", label="before training")
        label = f"suggestion: {search.suggestion:.3g}"
        ax.axvline(search.suggestion, color="#d1570b", linewidth=1, label=label)
        ax.set(xscale="log", xlabel="learning rate", ylabel=f"loss after {search.steps} steps")
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def find_learning_rate(
    net: Network,
    X: Any,
    Y: Any,
    *,
    sample_weight: Any = None,
    rule: str | Rule | Mapping[str, Any] = "adam",
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 300,
    batch_size: int | str = "auto",
    seed: int = 0,
    theta: Any = None,
    l2: float = 0.0,
    l1: float = 0.0,
    dropout: float | Sequence[float] = 0.0,
    clip_norm: float | None = None,
    engine: str | Engine | type[Engine] = "auto",
    precision: str = "full",
    progress: Callable[[str], Any] | None = None,
) -> LearningRateSearch:
    """Try a range of learning rates, and return the loss that each reaches.

    Each rate η of the range, two for each power of ten, takes ``steps`` steps from the same initial
    parameters on the same batches; the suggestion is the one with the smallest loss. Nothing
    that is given is changed, and the same arguments give the same numbers.

    Parameters
    ----------
    net : Network
    X : array of shape (N, n_0), frame, sparse matrix, or RowSource
    Y : array of shape (N, n_L), or (N,), or columns of a frame
    sample_weight : array of shape (N,), optional
    rule : str, Rule or mapping
        An update rule that uses a learning rate.
    lowest, highest : float
        The ends of the range.
    steps : int
        The number of steps with each rate. Few steps favour a rate that is too high for a long
        training, or too low where the loss falls late.
    batch_size, seed, theta, l2, l1, dropout, clip_norm, engine, precision
        As for :func:`deltarule.train`.
    progress : callable, optional
        Called with a text before each rate.

    Returns
    -------
    LearningRateSearch

    Raises
    ------
    InputError, UnknownName
        If an argument does not fit, or the rule uses no learning rate.
    Diverged
        If no rate of the range gives a finite loss.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network
    >>> from deltarule.training import find_learning_rate
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> found = find_learning_rate(Network([1, 8, 1], activation="tanh"), X, X**2, batch_size=16)
    >>> found.suggestion in found.rates and 0.003 < found.suggestion < 0.3
    True
    """
    method = arguments.rule_or_minimizer(rule)
    if not isinstance(method, Rule) or not method.uses_learning_rate:
        raise InputError(
            f"rule is {method}, which uses no learning rate; expected one that does, such as "
            "'adam' or 'sgd'",
            parameter="rule",
        )
    low = in_interval("", "lowest", lowest, "(0, inf)", 1e-6)
    high = in_interval("", "highest", highest, "(0, inf)", 10.0)
    if not low < high:
        raise InputError(
            parameter=("lowest", "highest"), given=(low, high), expected="the first to be smaller"
        )
    count = checked_integer("steps", steps, 1)
    seed = checked("seed", seed)
    data = arguments.split_data(net, X, Y, sample_weight, None, seed)
    size = arguments.batch_rows(batch_size, method, len(data.weights))
    batches = Batches(*data.all_rows, batch_size=size, seed=seed, shuffle=True)
    settings = EngineSettings(
        rule=method,
        l2=l2,
        l1=l1,
        total_weight=float(data.weights.sum()),
        dropout=per_layer(dropout),
        clip_norm=clip_norm,
        seed=seed,
    )
    start = arguments.initial_parameters(net, theta, seed)
    engine = engine_of_precision(engine, precision)
    loaded = started_engine(engine, net, start, settings, None)
    rows, _ = batches.sample(_MOST_ROWS)
    number = math.ceil(_PER_DECADE * math.log10(high / low) - 1e-9) + 1
    rates = np.geomspace(low, high, max(number, 2))
    losses = np.full(len(rates), np.inf)
    failed = 0
    for index, rate in enumerate(rates.tolist()):
        if progress is not None:
            progress(f"trying the learning rate {rate:.3g}")
        after = trial_steps(loaded, net, settings, start, batches, rate, count)
        if after is not None:
            losses[index] = cost_of(loaded, after, rows)
        failed = 0 if math.isfinite(losses[index]) else failed + 1
        if failed == _ENOUGH_FAILED:
            break
    if not np.isfinite(losses).any():
        raise Diverged(
            f"no learning rate from {low:.3g} to {high:.3g} gives a finite loss after {count} "
            "steps; give a lower one, or standardise inputs and targets"
        )
    best = float(rates[int(np.argmin(losses))])
    return LearningRateSearch(rates, losses, best, cost_of(loaded, start, rows), count)

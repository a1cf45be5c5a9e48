"""Plans: which configurations are trained on how many folds, by quality and number of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from deltarule.errors import InputError
from deltarule.tabular.portfolio.configurations import Configuration, default_configurations
from deltarule.tabular.settings import check_quality

__all__ = ["LargePlan", "Plan", "make_large_plan", "make_plan"]

# From this many rows on there are fewer folds, since each holds many rows and training takes long.
_MANY_ROWS = 20_000
# From so many rows on, one fold is enough to see what promises little, and five are enough in all.
_LARGE_FOLDS = 5000
# Below, three folds are needed for it, and two otherwise.
_SMALL_FOLDS = 1000
# Below, rows are divided into folds more than once, since a row's fold matters much.
_FEW_ROWS = 300
_FAST = (
    "silu_piecewise",
    "mish_quantile",
    "silu_periodic",
    "silu_piecewise_long",
    "silu_periodic_long",
    "mish_random",
)
_OF_MANY_ROWS = (
    *_FAST,
    "selu_deep",
    "piecewise_linear",
    "relu_long",
    "silu_piecewise_log",
)
# Of a table larger than memory: encodings of few inputs for a column, since each is packed on disk.
_OF_LARGE_TABLES = (
    "silu_piecewise",
    "silu_piecewise_long",
    "mish_quantile",
    "mish_random",
    "selu_deep",
    "relu_long",
    "silu_piecewise_log",
)
# Networks of each configuration, which differ in their seed: as many as there are folds in memory
# where training takes seconds, and two of more rows than that.
_NETWORKS, _MORE_NETWORKS, _FEW_FOR_NETWORKS = 2, 4, 100_000
# The rows that a training visits at most, and the fewest epochs of one. 30 epochs of a million rows
# are what a table in memory has.
_LARGE_VISITS, _FEWEST_EPOCHS = 30_000_000, 2


@dataclasses.dataclass(frozen=True)
class LargePlan:
    """What a portfolio is trained as on a table larger than memory.

    Parameters
    ----------
    configurations : tuple of Configuration
    networks : int
        Of each configuration.
    epochs : int
        The most that a network is trained for.
    """

    configurations: tuple[Configuration, ...]
    networks: int
    epochs: int

    def most_batch_rows(self, n_rows: int) -> int:
        """Return the most rows of a batch of any configuration, of so many training rows."""
        return max(each.batch_for(n_rows) for each in self.configurations)


def make_large_plan(quality: str, task: str, n_rows: int) -> LargePlan:
    """Return the plan of a quality for a table larger than memory of so many training rows.

    Fast: one configuration; best: also those whose encodings have many inputs for a column.

    Raises
    ------
    InputError
        If there is no such quality.

    Examples
    --------
    >>> plan = make_large_plan("default", "classification", 10_000_000)
    >>> [each.name for each in plan.configurations], plan.networks, plan.epochs
    (['silu_piecewise', 'mish_quantile', 'mish_random', 'selu_deep'], 2, 3)
    """
    check_quality(quality)
    names = {"fast": _FAST, "default": _OF_LARGE_TABLES, "best": _OF_MANY_ROWS}[quality]
    chosen = tuple(each for each in default_configurations(task) if each.name in names)
    if quality == "fast":
        chosen = chosen[:1]
    epochs = max(_LARGE_VISITS // max(n_rows, 1), _FEWEST_EPOCHS)
    networks = _MORE_NETWORKS if n_rows < _FEW_FOR_NETWORKS else _NETWORKS
    return LargePlan(chosen, networks, epochs)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a portfolio is trained as.

    Parameters
    ----------
    configurations : tuple of Configuration
        The most useful first: with a limit of time, the last ones may not be trained.
    folds : int
        The number of folds of each repeat.
    repeats : int
        How often the rows are divided into folds.
    first_folds : int
        On how many folds all configurations are trained at first; only those that the selection
        picks there are trained on the others. 0 trains all on all folds.
    """

    configurations: tuple[Configuration, ...]
    folds: int = 8
    repeats: int = 1
    first_folds: int = 0


def make_plan(
    quality: str,
    task: str,
    n_rows: int,
    configurations: Sequence[Configuration] | None = None,
) -> Plan:
    """Return the plan of a quality for ``"classification"`` or ``"regression"``.

    Parameters
    ----------
    quality : {"default", "fast", "best"}
        Fast: a few configurations on four folds, one on two folds from 20 000 rows on; best: twice
        the repeats of the default, and no configuration is left out after its first folds.
    task : str
    n_rows : int
    configurations : sequence of Configuration, optional
        In place of those of the quality.

    Raises
    ------
    InputError
        If there is no such quality.

    Examples
    --------
    >>> plan = make_plan("default", "classification", 1000)
    >>> plan.folds, plan.repeats, len(plan.configurations)
    (8, 1, 9)
    >>> make_plan("best", "classification", 1000).repeats
    2
    """
    check_quality(quality)
    many, few = n_rows >= _MANY_ROWS, n_rows < _FEW_ROWS
    if configurations is not None and not (
        isinstance(configurations, Sequence)
        and configurations
        and all(isinstance(each, Configuration) for each in configurations)
    ):
        raise InputError(
            parameter="configurations",
            given=configurations,
            expected="a list of Configurations, or None for the usual ones",
        )
    chosen = tuple(configurations or default_configurations(task))
    if not configurations and (quality == "fast" or many):
        names = _FAST if quality == "fast" else _OF_MANY_ROWS
        chosen = tuple(each for each in chosen if each.name in names)
        if quality == "fast" and many:
            chosen = chosen[:1]
    if quality == "fast":
        return Plan(chosen, 2 if many else 4)
    if quality == "best":
        return Plan(chosen, 8, 4 if few else 2)
    if many:
        return Plan(chosen, 4, 1, first_folds=1)
    if n_rows >= _LARGE_FOLDS:
        return Plan(chosen, 5, 1, first_folds=1)
    return Plan(chosen, 8, 2 if few else 1, first_folds=3 if n_rows < _SMALL_FOLDS else 2)

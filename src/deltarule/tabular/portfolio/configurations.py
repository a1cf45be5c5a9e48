"""The configurations of a portfolio: how each encodes the columns, its network and its training."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths import ACTIVATIONS
from deltarule.records import checked_flag, checked_integer, in_interval
from deltarule.tables.number_encoders import NUMBER_ENCODERS
from deltarule.tabular.settings import automatic_batch_rows

__all__ = ["Configuration", "default_configurations"]

# A training takes fewer than its largest number of epochs where it would visit more rows than this,
# but no fewer epochs than the least.
_ROW_VISITS, _LEAST_EPOCHS = 600_000, 30
# From so many rows on, an epoch takes long, and more patience than this gains next to nothing.
_ROWS_OF_PATIENCE, _MOST_PATIENCE = 2000, 40
# From so many rows on, there is enough to learn more bins from, and a batch is not made smaller.
_ROWS_OF_DETAIL = 5000
_MOST_BINS, _LEAST_BINS = 512, 4


_RANGES = {
    "learning_rate": ("(0, inf)", 3e-3),
    "l2": ("[0, inf)", 0.1),
    "dropout": ("[0, 1)", 0.1),
    "random_scale": ("(0, inf)", 1.0),
    "batch_scale": ("(0, inf)", 1.0),
    "averaging": ("[0, 1]", 0.999),
}


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One way to encode a table and to train a network on it.

    Parameters
    ----------
    name : str
        Its name in the leaderboard.
    numbers : str
        The encoding of numbers, as :class:`~deltarule.tables.TableEncoder` names it.
    layers : tuple of int
        The widths of the hidden layers; none for a linear model.
    activation : str
        Of the hidden layers.
    learning_rate, l2, dropout : float
        As :func:`deltarule.train` has them.
    epochs : int
        The largest number of epochs.
    bins : int
        The largest number of bins of a piecewise-linear column: three times as many from 5000 rows
        on, and fewer where all columns together would have more than 512.
    random_features, random_scale
        As :class:`~deltarule.tables.TableEncoder` has them.
    one_hot_levels : int, optional
        A category of more levels is encoded by statistics of the target; none is if None.
    patience : int
        After how many epochs without a lower validation loss training ends; at most 40 from 2000
        rows on.
    batch_scale : float
        The rows of a batch, as a multiple of the usual ones, for up to 5000 rows.
    averaging : float, optional
        As :func:`deltarule.train` has it.
    log_target : bool
        Whether the network learns the logarithm of the target. Such a configuration is left out
        unless all targets are above 0, and the largest is over three times the least.

    Raises
    ------
    InputError, UnknownName
        If one is out of its range, or has an unknown name.

    Examples
    --------
    >>> configuration = Configuration("linear", "standard")
    >>> configuration.epochs_for(30_000), configuration.bins_for(30_000, n_columns=20)
    (30, 25)
    """

    name: str
    numbers: str
    layers: tuple[int, ...] = ()
    activation: str = "relu"
    learning_rate: float = 3e-3
    l2: float = 0.1
    dropout: float = 0.0
    epochs: int = 200
    bins: int = 16
    random_features: int = 0
    random_scale: float = 1.0
    one_hot_levels: int | None = None
    patience: int = 20
    batch_scale: float = 1.0
    averaging: float | None = None
    log_target: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(parameter="name", given=self.name, expected="a text")
        if not isinstance(self.numbers, str) or self.numbers not in NUMBER_ENCODERS:
            names = ", ".join(NUMBER_ENCODERS)
            raise InputError(parameter="numbers", given=self.numbers, expected=f"one of {names}")
        if not isinstance(self.layers, list | tuple | np.ndarray):
            raise InputError(
                parameter="layers", given=self.layers, expected="widths, such as (64, 32), or ()"
            )
        checked: dict[str, Any] = {
            "layers": tuple(checked_integer("layers", width, 1) for width in self.layers),
            "activation": self.activation,
            "log_target": checked_flag("log_target", self.log_target),
            "random_features": checked_integer("random_features", self.random_features),
        }
        ACTIVATIONS.get(self.activation)
        for name in ("epochs", "bins", "patience", "one_hot_levels"):
            value = getattr(self, name)
            optional = value is None and name == "one_hot_levels"
            checked[name] = value if optional else checked_integer(name, value, 1)
        for name, (interval, usual) in _RANGES.items():
            value = getattr(self, name)
            if value is not None or name != "averaging":
                checked[name] = in_interval("", name, value, interval, usual)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def epochs_for(self, n_rows: int) -> int:
        """Return the number of epochs of a training of ``n_rows`` rows."""
        return min(max(_ROW_VISITS // max(n_rows, 1), _LEAST_EPOCHS), self.epochs)

    def bins_for(self, n_rows: int, n_columns: int) -> int:
        """Return the number of bins of each of ``n_columns`` columns of numbers."""
        bins = self.bins * 3 if n_rows >= _ROWS_OF_DETAIL else self.bins
        return max(min(bins, _MOST_BINS // max(n_columns, 1)), min(bins, _LEAST_BINS))

    def patience_for(self, n_rows: int) -> int:
        """Return the patience of a training of ``n_rows`` rows."""
        many = n_rows >= _ROWS_OF_PATIENCE
        return min(self.patience, _MOST_PATIENCE) if many else self.patience

    def batch_for(self, n_rows: int) -> int:
        """Return the number of rows of a batch."""
        scale = self.batch_scale if n_rows < _ROWS_OF_DETAIL else 1.0
        return max(round(automatic_batch_rows(n_rows) * scale), 1)


# Categories of more levels are encoded by the target, except for linear models: there, one weight
# for each level is fitted together with the effects of the other columns.
_ONE_HOT_LEVELS = 40


def _network(
    name: str, numbers: str, layers: tuple[int, ...], activation: str, **settings: Any
) -> Configuration:
    return Configuration(
        name, numbers, layers, activation, one_hot_levels=_ONE_HOT_LEVELS, **settings
    )


_QUANTILE = _network(
    "mish_quantile", "quantile_normal", (128, 128), "mish", dropout=0.1, batch_scale=0.5
)
_PIECEWISE = _network(
    "silu_piecewise",
    "piecewise_linear",
    (128, 128),
    "silu",
    bins=48,
    learning_rate=2e-3,
    l2=1.0,
    dropout=0.2,
)
_PERIODIC = dataclasses.replace(_PIECEWISE, name="silu_periodic", numbers="periodic")
_OF_ALL: dict[str, Any] = {"numbers": "quantile_normal", "random_features": 128}
_RANDOM = dataclasses.replace(_QUANTILE, name="mish_random", **_OF_ALL)
_DEEP = _network("selu_deep", "robust", (128, 128, 128), "selu", learning_rate=2e-3, dropout=0.1)
_TANH = _network("tanh", "robust", (64,), "tanh", learning_rate=5e-3, l2=1.0)
_LINEAR = (
    Configuration("piecewise_linear", "piecewise_linear", learning_rate=1e-2, l2=1.0),
    Configuration("linear", "standard", learning_rate=1e-2, l2=1.0),
)
_CLASSES = (
    _PIECEWISE,
    dataclasses.replace(_QUANTILE, layers=(128, 128, 128)),
    _PERIODIC,
    _RANDOM,
    _DEEP,
    dataclasses.replace(_PIECEWISE, name="silu_random", random_scale=2.0, **_OF_ALL),
    dataclasses.replace(_DEEP, name="selu_quantile_deep", numbers="quantile_normal"),
    *_LINEAR,
)
# Little noise in a number leaves something to learn for long, as the learning rate falls to 0: all
# epochs, small batches, no dropout, and a small penalty.
_LONG: dict[str, Any] = {"l2": 1e-2, "dropout": 0.0, "patience": 200, "batch_scale": 0.5}
_LONG_DEEP = {**_LONG, "layers": (128, 128, 128), "learning_rate": 4e-3, "epochs": 100}
_PIECEWISE_LONG = dataclasses.replace(_PIECEWISE, name="silu_piecewise_long", **_LONG_DEEP)
_NUMBERS = (
    _PIECEWISE_LONG,
    dataclasses.replace(_PERIODIC, name="silu_periodic_long", **_LONG_DEEP),
    _RANDOM,
    dataclasses.replace(
        _PIECEWISE, name="silu_random_long", **{**_LONG_DEEP, "layers": (128, 128)}, **_OF_ALL
    ),
    _network("relu_long", "standard", (128, 64), "relu", **_LONG),
    dataclasses.replace(_PIECEWISE, name="silu_random", random_scale=3.0, **_OF_ALL),
    dataclasses.replace(_PIECEWISE_LONG, name="silu_piecewise_log", log_target=True),
    _TANH,
    dataclasses.replace(_TANH, name="tanh_log", log_target=True),
    *_LINEAR,
)


def default_configurations(task: str) -> tuple[Configuration, ...]:
    """Return the configurations for ``"classification"`` or ``"regression"``.

    Examples
    --------
    >>> len(default_configurations("classification")), len(default_configurations("regression"))
    (9, 11)
    """
    return _CLASSES if task == "classification" else _NUMBERS

"""The configurations of a portfolio: how each encodes the columns, its network and its training."""

from __future__ import annotations

import dataclasses

__all__ = ["Configuration", "default_configurations"]

# A training of this many rows takes the number of epochs of a configuration; a smaller one takes
# proportionally more epochs, up to the largest number, and a larger one fewer.
_ROWS_OF_EPOCHS = 3000
_LEAST_EPOCHS = 40


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
        The largest number of bins of a piecewise-linear column.
    one_hot_levels : int, optional
        A category of more levels is encoded by statistics of the target; none is if None.

    Examples
    --------
    >>> Configuration("linear", "standard").epochs_for(30_000)
    40
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
    one_hot_levels: int | None = None

    def epochs_for(self, n_rows: int) -> int:
        """Return the number of epochs of a training of ``n_rows`` rows."""
        return min(max(self.epochs * _ROWS_OF_EPOCHS // max(n_rows, 1), _LEAST_EPOCHS), self.epochs)


_SHARED = (
    Configuration("linear", "standard", learning_rate=1e-2, l2=1.0),
    Configuration("piecewise_linear", "piecewise_linear", learning_rate=1e-2, l2=1.0),
    Configuration("relu", "standard", (128, 64)),
    Configuration("silu", "robust", (128, 128), "silu", dropout=0.1),
    Configuration("mish_quantile", "quantile_normal", (128, 128), "mish", dropout=0.1),
    Configuration("silu_piecewise", "piecewise_linear", (128, 128), "silu", 2e-3, 1.0, 0.2),
    Configuration("tanh", "robust", (64,), "tanh", 5e-3, 1.0),
    Configuration("selu_deep", "robust", (128, 128, 128), "selu", 2e-3, dropout=0.1),
)
# Little noise in a number leaves something to learn for long: three times the epochs, no dropout,
# and a tenth of the penalty.
_LONG = (
    Configuration("silu_long", "robust", (128, 128), "silu", l2=1e-2, epochs=600),
    Configuration(
        "silu_piecewise_long", "piecewise_linear", (128, 128), "silu", 2e-3, 1e-2, epochs=600
    ),
    Configuration("mish_quantile_long", "quantile_normal", (128, 128), "mish", l2=1e-2, epochs=600),
)


def default_configurations(task: str) -> tuple[Configuration, ...]:
    """Return the configurations for ``"classification"`` or ``"regression"``.

    Examples
    --------
    >>> len(default_configurations("classification")), len(default_configurations("regression"))
    (8, 11)
    """
    return _SHARED if task == "classification" else (*_SHARED, *_LONG)

"""How a table is divided and trained on: the settings of :func:`fit_table`, checked."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from deltarule.engines import EngineSettings, engine_name
from deltarule.errors import InputError, Message, Setting
from deltarule.maths import LOSSES, Network
from deltarule.optimizers import RULES, SCHEDULES

__all__ = ["TableSettings"]

_MOST_EPOCHS = 10**7
_WIDEST = 10**5


@dataclasses.dataclass(frozen=True)
class TableSettings:
    """How a table is divided and trained on.

    Parameters
    ----------
    test, valid : float
        The shares of rows held out for the final scores, and (of all rows) for choosing
        the epoch to stop at. 0 holds out none.
    layers : tuple of int
        The widths of the hidden layers; none of them is a linear model.
    activation : str
        Of the hidden layers.
    loss : str
        A registered loss, on what the target is encoded as: classes, or a standardised number.
        ``"auto"`` is log_loss for two classes, cross_entropy for more and half_squared_error
        for a number.
    rule, schedule : str
        The update rule, and the schedule of its learning rate.
    learning_rate : float
    batch_size : int or "auto"
        ``"auto"`` makes about 30 steps an epoch: a thirtieth of the training rows, as a
        power of two from 32 to 256 (all rows for a rule that needs the full batch).
    epochs : int
        At most so many.
    patience : int
        Training stops when the validation loss has not improved for so many epochs.
    l2, l1 : float
        The strengths of the penalties α/(2 Σs) ‖W‖² and α/Σs ‖W‖₁.
    dropout : float
        The rate in each hidden layer.
    clip_norm : float or None
        The largest norm of a step's gradient.
    averaging : float or None
        The decay of a moving average of the parameters.
    seed : int
        Of everything random.
    engine : str

    Raises
    ------
    InputError, UnknownName
        If a setting is out of range or a name unknown; before any row is read.

    Examples
    --------
    >>> TableSettings(layers=(32,), test=0.25).layers
    (32,)
    """

    test: float = 0.2
    valid: float = 0.1
    layers: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    loss: str = "auto"
    rule: str = "adam"
    schedule: str = "cosine"
    learning_rate: float = 5e-3
    batch_size: int | str = "auto"
    epochs: int = 50
    patience: int = 20
    l2: float = 5.0
    l1: float = 0.0
    dropout: float = 0.0
    clip_norm: float | None = None
    averaging: float | None = 0.99
    seed: int = 0
    engine: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        for name in ("test", "valid"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    parameter=name,
                    given=getattr(self, name),
                    expected="a share of the rows, from 0 to less than 1",
                )
        if not self.test + self.valid < 1:
            raise InputError(
                parameter=("test", "valid"),
                given=(self.test, self.valid),
                expected="them to add to less than 1, since the rest is trained on",
            )
        for name in ("epochs", "patience"):
            _check_whole(name, getattr(self, name), _MOST_EPOCHS)
        if self.batch_size != "auto":
            _check_whole("batch_size", self.batch_size, None, " or 'auto'")
        for width in self.layers:
            _check_whole("layers", width, _WIDEST, ", such as 128,64", self.layers)
        if not (np.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(
                parameter="learning_rate",
                given=self.learning_rate,
                expected="a finite number above 0, such as 0.001",
            )
        for name in ("l2", "l1"):
            strength = getattr(self, name)
            if not (np.isfinite(strength) and strength >= 0):
                raise InputError(
                    parameter=name, given=strength, expected="a finite number, at least 0"
                )
        if not isinstance(self.loss, str):
            raise InputError(
                parameter="loss", given=self.loss, expected="the name of a loss, or 'auto'"
            )
        if self.loss != "auto":
            LOSSES.get(self.loss)
        SCHEDULES.get(self.schedule)
        engine_name(self.engine)
        EngineSettings(
            rule=self.rule,
            l2=self.l2,
            l1=self.l1,
            dropout=self.dropout,
            clip_norm=self.clip_norm,
            averaging=self.averaging,
            seed=self.seed,
        )
        # The output layer does not matter here: the activation and the widths are checked.
        Network([1, *self.layers, 1], activation=self.activation)
        if RULES.get(self.rule).full_batch and self.batch_size != "auto":
            raise InputError(
                Message(
                    Setting("batch_size"),
                    f" is {self.batch_size} with the rule {self.rule!r}, which needs all rows in "
                    "every step",
                ),
                parameter="batch_size",
                given=self.batch_size,
                hint="leave it at 'auto', or choose another rule",
            )

    def batch_rows(self, n_rows: int) -> int | str:
        """The rows of a step, of so many to train on; ``"auto"`` for all of them."""
        if self.batch_size != "auto" or RULES.get(self.rule).full_batch:
            return self.batch_size
        return 2 ** min(max(round(math.log2(n_rows / 30)), 5), 8)


def _check_whole(
    name: str, value: Any, most: int | None, also: str = "", shown: Any = None
) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 1 or (most is not None and value > most):
        given = value if shown is None else ",".join(map(str, shown))
        top = ", at least 1," if most is None else f" from 1 to {most:,}"
        raise InputError(parameter=name, given=given, expected=f"a whole number{top}{also}")

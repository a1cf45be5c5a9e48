"""The settings of :func:`fit_table`: how a table's rows are split and a network is trained."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

from deltarule.engines import EngineSettings, engine_name, engine_of_precision
from deltarule.errors import InputError, Message, Parameter
from deltarule.maths import ACTIVATIONS, LOSSES, Network
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.optimizers.scalars import in_interval
from deltarule.settings import check_fields, documented, setting, shared
from deltarule.training.recovery import checked_policy

__all__ = ["TableSettings", "automatic_batch_rows", "check_quality", "is_single_network"]

_QUALITIES = ("default", "fast", "best")

# The settings that a portfolio has too; all others are of a single network.
_OF_ALL = ("test", "seed", "precision")
_EPOCHS_INTERVAL = "[1, 1e7]"
_ROW_SHARE = {"interval": "[0, 1)", "metavar": "SHARE", "group": "Rows"}


def automatic_batch_rows(n_rows: int) -> int:
    """Return the batch size for about 30 steps an epoch: a power of two from 32 to 256.

    Examples
    --------
    >>> automatic_batch_rows(100), automatic_batch_rows(2000), automatic_batch_rows(10**6)
    (32, 64, 256)
    """
    return int(2 ** min(max(round(math.log2(n_rows / 30)), 5), 8))


def check_quality(quality: str) -> None:
    """Refuse what is no quality of a portfolio.

    Examples
    --------
    >>> check_quality("good")
    Traceback (most recent call last):
    deltarule.errors.InputError: quality is 'good'; expected one of default, fast, best
    """
    if not isinstance(quality, str) or quality not in _QUALITIES:
        expected = f"one of {', '.join(_QUALITIES)}"
        raise InputError(parameter="quality", given=quality, expected=expected)


def is_single_network(
    settings: TableSettings,
    quality: str | None,
    time_budget: float | None,
    others: Mapping[str, Any],
) -> bool:
    """Return whether a single network is asked for, by one of its settings, and no portfolio.

    ``others`` maps the names of other parameters of a single network to their values.

    Raises
    ------
    InputError
        If ``quality`` or ``time_budget`` cannot be used, or is given beside such a setting.

    Examples
    --------
    >>> is_single_network(TableSettings(seed=1), "fast", None, {})
    False
    >>> is_single_network(TableSettings(l2=1.0), None, None, {})
    True
    >>> is_single_network(TableSettings(l2=1.0), "fast", None, {})
    Traceback (most recent call last):
    deltarule.errors.InputError: quality was given with l2, which is a setting of a single ...
    """
    if quality is not None:
        check_quality(quality)
    if time_budget is not None:
        in_interval("", "time_budget", time_budget, "(0, inf)", 60)
    own = [*settings.of_network, *(name for name, value in others.items() if value)]
    asked = [
        name
        for name, value in (("quality", quality), ("time_budget", time_budget))
        if value is not None
    ]
    if own and asked:
        first, second = Parameter(asked[0]), Parameter(own[0])
        raise InputError(
            Message(first, " was given with ", second, ", which is a setting of a single network"),
            parameter=(first.name, second.name),
            expected="one or the other",
            hint=Message(
                "leave ", second, " out for a portfolio, or ", first, " for a single network"
            ),
        )
    return bool(own)


@documented
@dataclasses.dataclass(frozen=True)
class TableSettings:
    """How a table is split into parts and trained on.

    A field that is also a parameter of :func:`deltarule.train` is passed on to it. Every field is
    an option of ``deltarule fit``, and is saved with the model. All but ``test``, ``seed`` and
    ``precision`` are of a single network: where one of them is given, be it with its default,
    :func:`fit_table` trains that network in place of a portfolio. A copy made by
    :func:`dataclasses.replace` has all of them given.

    Parameters
    ----------
    {parameters}

    Raises
    ------
    InputError, UnknownName
        If a setting is out of range or a name unknown; before any row is read.

    Examples
    --------
    >>> TableSettings(layers=(32,), test=0.25).layers
    (32,)
    """

    test: float = setting(
        0.2, "Share of the rows held out for the scores.", "number", example=0.2, **_ROW_SHARE
    )
    valid: float = setting(
        0.1,
        "Share of the rows used for validation, which stops training early.",
        "number",
        example=0.1,
        **_ROW_SHARE,
    )
    folds: int = setting(
        10,
        "Number of folds for the comparison with the baselines, on tables with fewer than 1,000 "
        "test rows; 0 compares on the test rows alone.",
        "integer",
        interval="[0, 100]",
        example=10,
        metavar="N",
        group="Rows",
        details="A network and both baselines are trained for each fold on the rows outside of "
        "it. The model that is kept, and its scores, do not depend on it.",
    )
    seed: int = shared("seed", 0)
    min_level_rows: int | str = setting(
        "auto",
        "Training rows that a level of a category needs for an input of its own, or auto.",
        "integer",
        interval="[1, 1e9]",
        special_value="auto",
        metavar="N",
        group="Columns",
        details="auto is 1 up to 10,000 training rows (2 for a column of which over 90 % of "
        "the cells differ), and a ten-thousandth of them beyond. Rarer levels share one input.",
    )
    max_levels: int | str = setting(
        "auto",
        "Maximum number of levels of a category with inputs of their own, or auto.",
        "integer",
        interval="[1, 1e6]",
        special_value="auto",
        metavar="N",
        group="Columns",
        details="The most frequent ones. auto is 2,000 up to 10,000 training rows, less for more "
        "rows, and 200 from 100,000 on.",
    )
    layers: tuple[int, ...] = setting(
        (128, 64),
        "Widths of the hidden layers; none for a linear model.",
        "layer_widths",
        interval="[1, 1e5]",
        example="128,64",
        metavar="WIDTHS",
        group="Network",
    )
    activation: str = setting(
        "relu", "Activation of the hidden layers: {names}.", registry=ACTIVATIONS, group="Network"
    )
    loss: str = setting(
        "auto",
        "Loss to minimize: auto, or one that fits the target: {names}.",
        registry=LOSSES,
        group="Network",
        details="Classes are one-hot encoded, and numbers are standardised. auto is log_loss for "
        "two classes, cross_entropy for more and half_squared_error for a number.",
    )
    dropout: float = shared("dropout", 0.0)
    l2: float = shared("l2", 5.0)
    l1: float = shared("l1", 0.0)
    epochs: int = shared("epochs", 50, interval=_EPOCHS_INTERVAL)
    patience: int = setting(
        20,
        "Number of epochs without improvement on the validation rows after which training stops.",
        "integer",
        interval=_EPOCHS_INTERVAL,
        metavar="N",
    )
    batch_size: int | str = shared(
        "batch_size",
        "auto",
        details="auto makes about 30 steps an epoch: a thirtieth of the training rows, as a power "
        "of two from 32 to 256 (all rows for a rule that needs the full batch).",
    )
    rule: str = shared("rule", "adam")
    learning_rate: float = shared("learning_rate", 5e-3)
    schedule: str = shared("schedule", "cosine")
    clip_norm: float | None = shared("clip_norm", None)
    averaging: float | None = shared("averaging", 0.99)
    on_divergence: str = setting(
        "raise",
        "If training diverges: raise an error, restore_best (end at the best epoch), or "
        "halve_learning_rate (go on from the best epoch with half the rate).",
        metavar="WHAT",
        details="With another value than raise, no recording is made.",
    )
    engine: str = shared("engine", "auto")
    precision: str = shared(
        "precision",
        "full",
        details="With bfloat16 every operand of a product is rounded to 8 bits, and the products "
        "are added in float32, as all else is computed; of a portfolio in the larger networks. "
        "Predictions are made in full precision.",
    )

    def __new__(cls, *values: Any, **named: Any) -> Self:
        """Return a new object that knows which settings were given."""
        self = super().__new__(cls)
        positional = [field.name for field in dataclasses.fields(cls)][: len(values)]
        given = [name for name in (*positional, *named) if name not in _OF_ALL]
        object.__setattr__(self, "_of_network", tuple(given))
        return self

    @property
    def of_network(self) -> tuple[str, ...]:
        """The names of the given settings that a single network has, and a portfolio has not."""
        names: tuple[str, ...] = vars(self)["_of_network"]
        return names

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Iterable):
            raise InputError(
                parameter="layers", given=self.layers, expected="widths, such as (64, 32), or ()"
            )
        object.__setattr__(self, "layers", tuple(self.layers))
        check_fields(self)
        if not self.test + self.valid < 1:
            raise InputError(
                parameter=("test", "valid"),
                given=(self.test, self.valid),
                expected="them to add to less than 1, since the rest is trained on",
            )
        if self.folds == 1:
            raise InputError(
                parameter="folds", given=1, expected="0, or at least 2", hint="such as 10"
            )
        if not isinstance(self.loss, str):
            raise InputError(
                parameter="loss", given=self.loss, expected="the name of a loss, or 'auto'"
            )
        if self.loss != "auto":
            LOSSES.get(self.loss)
        SCHEDULES.get(self.schedule)
        engine_name(self.engine)
        engine_of_precision(self.engine, self.precision)
        checked_policy(self.on_divergence)
        EngineSettings(rule=self.rule)
        # Checks the activation and the widths; the output layer has no effect on that.
        Network([1, *self.layers, 1], activation=self.activation)
        if RULES.get(self.rule).full_batch and self.batch_size != "auto":
            raise InputError(
                Message(
                    Parameter("batch_size"),
                    f" is {self.batch_size} with the rule {self.rule!r}, which needs all rows in "
                    "every step",
                ),
                parameter="batch_size",
                given=self.batch_size,
                hint="leave it at 'auto', or choose another rule",
            )

    def batch_rows(self, n_rows: int) -> int | str:
        """Return the batch size for ``n_rows`` training rows; ``"auto"`` for all of them."""
        if self.batch_size != "auto" or RULES.get(self.rule).full_batch:
            return self.batch_size
        return automatic_batch_rows(n_rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name, as values that JSON can store."""
        return {**dataclasses.asdict(self), "layers": list(self.layers)}

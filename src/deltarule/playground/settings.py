"""The settings of a run of the playground, their ranges, and the losses for each target."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError, short_repr
from deltarule.maths import ACTIVATIONS, Network
from deltarule.optimizers import RULES
from deltarule.optimizers.scalars import limits
from deltarule.playground.data import BUILTIN, Data
from deltarule.settings import documented, setting, settings_of, shared
from deltarule.tables.derived_features import DERIVED
from deltarule.tabular.network_targets import loss_and_output

__all__ = [
    "LIMITS",
    "STARTS",
    "STEPS_PER_SECOND",
    "RunSettings",
    "activations",
    "checked_settings",
    "fitted_settings",
    "legal_losses",
    "network_for",
    "ranges",
    "starting_with",
]

LIMITS = {
    "layers": 6,
    "parameters": 2_000_000,
    "columns": 2_000,
}
"""The largest number of each thing that a run may have."""

STEPS_PER_SECOND = 300.0
"""The speed at which the first run trains."""

# The losses by the number of classes, the default first; 0 stands for a quantity, and 3 for any
# number above 2. Quantities are standardised, so that a loss of positive numbers is not among
# them; classes have no quantiles.
_LOSSES = {
    0: "half_squared_error squared_error absolute_error huber quantile",
    2: "log_loss cross_entropy half_squared_error squared_error absolute_error huber",
    3: "cross_entropy log_loss half_squared_error squared_error absolute_error huber",
}


def legal_losses(n_classes: int) -> dict[str, str]:
    """The losses for ``n_classes`` (0 for a quantity), with their output activations.

    Examples
    --------
    >>> legal_losses(3)["cross_entropy"], list(legal_losses(0))[0]
    ('softmax', 'half_squared_error')
    """
    return {
        name: loss_and_output(name, n_classes)[1] for name in _LOSSES[min(n_classes, 3)].split()
    }


def activations() -> list[str]:
    """The activations of hidden layers: those that do not mix the nodes of a layer."""
    return [each.name for each in ACTIVATIONS if each.elementwise]


@documented
@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Everything that determines a run: the same settings give the same run, bit for bit.

    Attributes
    ----------
    {parameters}

    Examples
    --------
    >>> RunSettings().layers
    (4, 3)
    """

    data: str = setting("spirals", "A name of built-in data, or ``table``.")
    rows: int = setting(
        300, "How many rows; of a table, at most so many.", "integer", interval="[10, 20000]"
    )
    noise: float = setting(0.03, "Of built-in data.", "number", interval="[0, 2]", example=0.03)
    held: float = setting(
        0.3, "Share of the rows held out.", "number", interval="[0, 0.9]", example=0.3
    )
    columns: tuple[str, ...] = setting((), "Of a table; none for all.")
    derived: tuple[str, ...] = setting((), "Inputs derived from two numbers, by name.")
    seed: int = shared("seed", 0, interval="[0, 2147483647]")
    layers: tuple[int, ...] = setting(
        (4, 3), "Widths of the hidden layers.", "layer_widths", interval="[1, 512]"
    )
    activation: str = setting("tanh", "Activation of the hidden layers.")
    loss: str = setting("", "Empty for the usual one of the target.")
    rule: str = shared("rule", "adam")
    learning_rate: float = shared(
        "learning_rate", 0.01, interval="[1e-9, 1e3]", details="It may be changed on the way."
    )
    batch_size: int = shared(
        "batch_size",
        32,
        help="Rows per step; 0 for all of them.",
        interval="[0, 20000]",
        special_value="",
    )
    l2: float = shared("l2", 0.0, interval="[0, 1e6]")
    l1: float = shared("l1", 0.0, interval="[0, 1e6]")

    def plain(self) -> dict[str, Any]:
        """The settings by name, as values that JSON can hold."""
        record = dataclasses.asdict(self)
        return record | {name: list(record[name]) for name in ("layers", "columns", "derived")}


# The first settings for each data set: with them, a run learns the data within a few seconds at the
# default speed, for any seed (tests/playground/test_settings.py). On the spirals and the bumps,
# tanh stays on a plateau for many epochs; gelu does not.
_START = {
    "noise": 0.03, "activation": "tanh", "learning_rate": 0.03, "batch_size": 32, "loss": "",
    "derived": [],
}  # fmt: skip
STARTS: dict[str, dict[str, Any]] = {
    name: _START | start
    for name, start in {
        "xor": {"rows": 300, "layers": [6]},
        "spirals": {
            "rows": 400,
            "noise": 0.02,
            "layers": [8, 8],
            "activation": "gelu",
            "learning_rate": 0.02,
        },
        "circles": {"rows": 300, "layers": [6]},
        "moons": {"rows": 300, "noise": 0.08, "layers": [8, 4], "learning_rate": 0.02},
        "digits": {"rows": 1797, "noise": 0.0, "layers": [32], "learning_rate": 0.003},
        "plane": {"rows": 300, "layers": [4]},
        "bumps": {"rows": 500, "noise": 0.0, "layers": [8, 8], "activation": "gelu"},
        "table": {"rows": 20_000, "noise": 0.0, "layers": [12, 8], "learning_rate": 0.005},
    }.items()
}


def starting_with(data: str) -> RunSettings:
    """The first settings for built-in data, or for a table.

    Examples
    --------
    >>> starting_with("digits").layers
    (32,)
    """
    start: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in STARTS[data].items()
    }
    return RunSettings(data=data, **start)


def _one_of(name: str, value: Any, known: Any) -> str:
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise InputError(f"{name} is {short_repr(value)}; expected one of {', '.join(names)}")
    return value


def _items(name: str, value: Any, most: int) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) > most:
        raise InputError(f"{name} is {short_repr(value)}; expected a list of at most {most}")
    return list(value)


def checked_settings(
    given: Mapping[str, Any], before: RunSettings, columns: tuple[str, ...] = ()
) -> RunSettings:
    """Change settings, and check the values.

    Parameters
    ----------
    given : mapping
        New values by the names of :class:`RunSettings`, as JSON has them.
    before : RunSettings
        The settings that are changed.
    columns : tuple of str
        The columns of the table; empty without a table.

    Raises
    ------
    InputError
        If a value cannot be used; the message names the first one.

    Examples
    --------
    >>> checked_settings({"layers": [8, 8]}, RunSettings()).layers
    (8, 8)
    """
    known = settings_of(RunSettings)
    for name in given:
        if name not in known:
            raise InputError(
                f"settings hold {short_repr(name)}; expected some of {', '.join(sorted(known))}"
            )
    values = before.plain() | dict(given)
    names = {
        "data": (*BUILTIN, *(("table",) if columns else ())),
        "activation": activations(),
        "loss": ["", *dict.fromkeys(" ".join(_LOSSES.values()).split())],
        "rule": RULES.names(),
    }
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in names:
            found[name] = _one_of(name, value, names[name])
        elif name in ("columns", "derived"):
            allowed = columns if name == "columns" else tuple(DERIVED)
            chosen = _items(name, value, LIMITS.get(name, len(DERIVED)))
            found[name] = tuple(dict.fromkeys(_one_of(name, each, allowed) for each in chosen))
        elif name == "layers":
            widths = _items(name, value, LIMITS[name])
            found[name] = known[name].check(name, tuple(map(_whole_as_int, widths)))
        else:
            found[name] = known[name].check(name, _whole_as_int(value))
    return RunSettings(**found)


def _whole_as_int(value: Any) -> Any:
    """3.0 as 3, since JavaScript has one type for both."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def ranges() -> dict[str, dict[str, float]]:
    """The least and the largest value of each number, as the page's controls take them.

    Examples
    --------
    >>> ranges()["noise"]
    {'min': 0.0, 'max': 2.0}
    """
    return {
        name: dict(zip(("min", "max"), limits(known.interval), strict=True))
        for name, known in settings_of(RunSettings).items()
        if known.kind != "name"
    }


def fitted_settings(settings: RunSettings, data: Data) -> RunSettings:
    """Set the loss to the default for the data where the settings name none.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> fitted_settings(RunSettings(), builtin_data("xor")).loss
    'log_loss'
    """
    if settings.loss:
        return settings
    return dataclasses.replace(settings, loss=next(iter(legal_losses(len(data.target.classes)))))


def network_for(data: Data, settings: RunSettings) -> Network:
    """Make the network of a run, in float32.

    Raises
    ------
    InputError
        If the loss cannot be used for these targets, or the network would be too large.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> network_for(builtin_data("xor"), RunSettings(data="xor", loss="log_loss")).widths
    (2, 4, 3, 1)
    """
    losses = legal_losses(len(data.target.classes))
    if settings.loss not in losses:
        raise InputError(
            f"loss is {settings.loss!r}; expected one of {', '.join(losses)} for the target "
            f"{data.target.name!r}"
        )
    output = losses[settings.loss]
    widths = [len(data.inputs), *settings.layers, data.n_outputs(output)]
    count = sum((n + 1) * m for n, m in itertools.pairwise(widths))
    if count > LIMITS["parameters"]:
        raise InputError(
            f"the network {'-'.join(map(str, widths))} would have {count:,} parameters; expected "
            f"at most {LIMITS['parameters']:,}; take smaller layers or fewer columns"
        )
    return Network(
        widths,
        activation=settings.activation,
        output_activation=output,
        loss=settings.loss,
        dtype=np.float32,
    )

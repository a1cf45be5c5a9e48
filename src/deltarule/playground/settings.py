"""What can be chosen for a run, and what goes with what."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths import ACTIVATIONS, Network
from deltarule.optimizers import RULES
from deltarule.playground.data import BUILTIN, Data

__all__ = [
    "LIMITS",
    "OUTPUTS",
    "STARTS",
    "RunSettings",
    "activations",
    "checked_rate",
    "checked_settings",
    "fitted_settings",
    "legal_losses",
    "network_for",
    "short",
    "starting_with",
]

LIMITS = {
    "layers": 6,
    "width": 512,
    "rows": 20_000,
    "parameters": 2_000_000,
    "seed": 2**31 - 1,
    "columns": 2_000,
}
"""The most of each thing that a run may have."""

# Loss: the output activation it is given, by what is predicted. Quantities are trained on
# standardised, so a loss that wants positive ones is not among them; a quantile of a class is
# nothing.
_TWO_CLASSES = {
    "log_loss": "logistic",
    "cross_entropy": "softmax",
    "half_squared_error": "logistic",
    "squared_error": "logistic",
    "absolute_error": "logistic",
    "huber": "logistic",
}
_CLASSES = {
    "cross_entropy": "softmax",
    "log_loss": "logistic",
    "half_squared_error": "softmax",
    "squared_error": "softmax",
    "absolute_error": "logistic",
    "huber": "logistic",
}
_QUANTITY = {
    "half_squared_error": "identity",
    "squared_error": "identity",
    "absolute_error": "identity",
    "huber": "identity",
    "quantile": "identity",
}
OUTPUTS: dict[str, dict[str, str]] = {
    "two classes": _TWO_CLASSES,
    "classes": _CLASSES,
    "quantity": _QUANTITY,
}
"""The losses for what is predicted, each with its output activation; the first is the usual one."""


def legal_losses(n_classes: int) -> dict[str, str]:
    """The losses for so many classes, or for a quantity if 0, with their output activations.

    Examples
    --------
    >>> legal_losses(3)["cross_entropy"], list(legal_losses(0))[0]
    ('softmax', 'half_squared_error')
    """
    return OUTPUTS["quantity" if not n_classes else "two classes" if n_classes == 2 else "classes"]


def activations() -> list[str]:
    """The activations of hidden layers: those that do not mix the nodes of a layer."""
    return [each.name for each in ACTIVATIONS if each.elementwise]


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """All that decides a run: with the same settings it is the same, bit for bit.

    Attributes
    ----------
    data : str
        A name of built-in data, or ``"table"``.
    rows : int
        How many rows; of a table, at most so many.
    noise : float
        Of built-in data.
    held : float
        The share of rows that is held out.
    columns : tuple of str
        Of a table; none for all.
    seed : int
        Of everything random.
    layers : tuple of int
        The widths of the hidden layers.
    activation, rule : str
    loss : str
        Empty for the usual one of the target.
    learning_rate : float
        At the start; it may be changed on the way.
    batch_size : int
        The rows of a step; 0 for all of them.
    l2 : float

    Examples
    --------
    >>> RunSettings().layers
    (4, 3)
    """

    data: str = "spirals"
    rows: int = 300
    noise: float = 0.03
    held: float = 0.3
    columns: tuple[str, ...] = ()
    seed: int = 0
    layers: tuple[int, ...] = (4, 3)
    activation: str = "tanh"
    loss: str = ""
    rule: str = "adam"
    learning_rate: float = 0.01
    batch_size: int = 32
    l2: float = 0.0

    def plain(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        record = dataclasses.asdict(self)
        return record | {"layers": list(self.layers), "columns": list(self.columns)}


# What is sensible to begin with when other data are chosen: with these, Play learns the data within
# a few seconds at the usual speed, whatever the seed (tests/playground/test_settings.py). On the
# spirals tanh rests for many epochs on a plateau before it finds the turns; gelu does not.
_START = {"noise": 0.03, "activation": "tanh", "learning_rate": 0.03, "batch_size": 32, "loss": ""}
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
        "table": {"rows": 20_000, "noise": 0.0, "layers": [12, 8], "learning_rate": 0.005},
    }.items()
}


def starting_with(data: str) -> RunSettings:
    """The settings to begin with on these data, or on a table.

    Examples
    --------
    >>> starting_with("digits").layers
    (32,)
    """
    start: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in STARTS[data].items()
    }
    return RunSettings(data=data, **start)


def _whole(name: str, value: Any, least: int, most: int) -> int:
    # A bool is an int to Python, and 3.0 is what some clients make of 3.
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(
            f"{name} is {short(value)}; expected a whole number from {least} to {most}"
        )
    return value


def _number(name: str, value: Any, least: float, most: float) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or abs(value) > 1e300 or not math.isfinite(value) or not least <= value <= most:
        raise InputError(f"{name} is {short(value)}; expected a number from {least:g} to {most:g}")
    return float(value)


def short(value: Any) -> str:
    """What was given, no longer than a line, whatever it is.

    Examples
    --------
    >>> short("a"), short([0] * 100)[-4:]
    ("'a'", ' 0,…')
    """
    if isinstance(value, int) and abs(value) > 10**50:
        return "a huge number"
    try:
        text = repr(value)
    except RecursionError:
        return "too many brackets"
    return text if len(text) <= 60 else text[:60] + "…"


def _one_of(name: str, value: Any, known: Any) -> str:
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise InputError(f"{name} is {short(value)}; expected one of {', '.join(names)}")
    return value


def _items(name: str, value: Any, most: int) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) > most:
        raise InputError(f"{name} is {short(value)}; expected a list of at most {most}")
    return list(value)


def checked_rate(value: Any) -> float:
    """η, from 10⁻⁹ to 10³.

    Raises
    ------
    InputError
        If it is none.
    """
    return _number("learning_rate", value, 1e-9, 1e3)


def checked_settings(
    given: Mapping[str, Any], before: RunSettings, columns: tuple[str, ...] = ()
) -> RunSettings:
    """The settings before, with what is given changed; refused if a value is out of range.

    Parameters
    ----------
    given : mapping
        Of the names of :class:`RunSettings` to values, as JSON has them.
    before : RunSettings
    columns : tuple of str
        The columns of the table, empty where there is none.

    Raises
    ------
    InputError
        Naming the first value that cannot be used.

    Examples
    --------
    >>> checked_settings({"layers": [8, 8]}, RunSettings()).layers
    (8, 8)
    """
    names = {field.name for field in dataclasses.fields(RunSettings)}
    for name in given:
        if name not in names:
            raise InputError(
                f"settings hold {short(name)}; expected some of {', '.join(sorted(names))}"
            )
    all_given = before.plain() | dict(given)
    known = (*BUILTIN, *(("table",) if columns else ()))
    layers = _items("layers", all_given["layers"], LIMITS["layers"])
    chosen = _items("columns", all_given["columns"], LIMITS["columns"])
    losses = dict.fromkeys(name for each in OUTPUTS.values() for name in each)
    return RunSettings(
        data=_one_of("data", all_given["data"], known),
        rows=_whole("rows", all_given["rows"], 10, LIMITS["rows"]),
        noise=_number("noise", all_given["noise"], 0.0, 2.0),
        held=_number("held", all_given["held"], 0.0, 0.9),
        columns=tuple(_one_of("columns", name, columns) for name in chosen),
        seed=_whole("seed", all_given["seed"], 0, LIMITS["seed"]),
        layers=tuple(_whole("layers", width, 1, LIMITS["width"]) for width in layers),
        activation=_one_of("activation", all_given["activation"], activations()),
        loss=_one_of("loss", all_given["loss"], ["", *losses]),
        rule=_one_of("rule", all_given["rule"], RULES.names()),
        learning_rate=checked_rate(all_given["learning_rate"]),
        batch_size=_whole("batch_size", all_given["batch_size"], 0, LIMITS["rows"]),
        l2=_number("l2", all_given["l2"], 0.0, 1e6),
    )


def fitted_settings(settings: RunSettings, data: Data) -> RunSettings:
    """The same settings, with the usual loss of the data where none is named.

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
    """The network of a run, in float32.

    Raises
    ------
    InputError
        If the loss is none for these targets, or the network would be too large.

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

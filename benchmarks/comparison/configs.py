"""The networks, batches and data that are measured, the same for every library."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from deltarule.errors import InputError, UnknownName

__all__ = [
    "AXES",
    "BETA_1",
    "BETA_2",
    "CONFIGS",
    "EPSILON",
    "LEARNING_RATE",
    "PROBE_STEPS",
    "Config",
    "find_configs",
    "loss_of",
]

# Adam's settings: the defaults of every library compared here.
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8

# Whether two libraries train the same network is decided by the loss after this number of steps,
# on this number of rows. A learning rate that is 1 % off then changes the third or fourth digit of
# the loss's decrease; after an epoch it would not be visible.
PROBE_STEPS, _PROBE_ROWS = 4, 512


@dataclasses.dataclass(frozen=True)
class Config:
    """A network, the rows of a step, and the rows of an epoch.

    Parameters
    ----------
    name : str
    widths : tuple of int
        Inputs, hidden layers, outputs.
    batch_rows : int
        Rows of one step.
    rows : int
        Rows of an epoch, a multiple of ``batch_rows``.
    activation : {"relu", "tanh"}
        The activation of the hidden layers; that of the output is the identity.

    Raises
    ------
    InputError
        If the rows of an epoch are no multiple of those of a step, or the activation is
        another.

    Examples
    --------
    >>> config = Config("small", (4, 8, 1), batch_rows=16, rows=64)
    >>> config.shape, config.steps, config.flops
    ('4-8-1', 4, 2816)
    """

    name: str
    widths: tuple[int, ...]
    batch_rows: int
    rows: int
    activation: str = "relu"

    def __post_init__(self) -> None:
        if min(self.batch_rows, self.rows) < 1 or self.rows % self.batch_rows:
            raise InputError(
                f"{self.name}: an epoch of {self.rows} rows in steps of {self.batch_rows}; "
                "expected a multiple"
            )
        if self.activation not in ("relu", "tanh"):
            raise InputError(
                f"{self.name}: activation {self.activation!r}; expected 'relu' or 'tanh', which "
                "every library here has"
            )

    @property
    def shape(self) -> str:
        """The widths as text."""
        return "-".join(map(str, self.widths))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.rows // self.batch_rows

    @property
    def flops(self) -> int:
        """Operations of the matrix products of one step, a multiply-add counted as two.

        Each layer has three products: forward, for the weights' gradient, and to hand delta
        down. The first layer has no layer to hand it to.
        """
        products = sum(a * b for a, b in pairwise(self.widths))
        return self.batch_rows * (6 * products - 2 * self.widths[0] * self.widths[1])

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return sum((a + 1) * b for a, b in pairwise(self.widths))

    def first_steps(self, count: int) -> Config:
        """The same network with an epoch of at most the given number of steps.

        Examples
        --------
        >>> CONFIGS["T"].first_steps(4).rows, CONFIGS["tanh"].first_steps(4).rows
        (128, 10000)
        """
        return dataclasses.replace(self, rows=self.batch_rows * min(count, self.steps))

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """X and Y in float32, of normal random numbers, since only time is measured."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.rows, self.widths[0]))
        Y = rng.standard_normal((self.rows, self.widths[-1]))
        return X.astype(np.float32), Y.astype(np.float32)

    def initial(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The initial weights (n_in, n_out) and biases of each layer, for every library."""
        rng = np.random.default_rng(1)
        return [
            (
                (rng.standard_normal((a, b)) * np.sqrt(2 / a)).astype(np.float32),
                np.zeros(b, np.float32),
            )
            for a, b in pairwise(self.widths)
        ]

    def as_record(self) -> dict[str, Any]:
        """The config as JSON holds it; :meth:`from_record` reads it."""
        return {**dataclasses.asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Config:
        """The config that :meth:`as_record` wrote.

        Examples
        --------
        >>> Config.from_record(CONFIGS["T"].as_record()) == CONFIGS["T"]
        True
        """
        return cls(**{**record, "widths": tuple(record["widths"])})


def loss_of(config: Config, parameters: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """½ Σ (a − y)², summed over outputs, the mean over the first rows, in float64.

    Examples
    --------
    >>> config = CONFIGS["T"]
    >>> round(loss_of(config, config.initial()), 3)
    1.23
    """
    X, Y = config.data()
    a = X[:_PROBE_ROWS].astype(np.float64)
    layers = list(parameters)
    for number, (W, b) in enumerate(layers, start=1):
        a = a @ np.asarray(W, np.float64) + np.asarray(b, np.float64)
        if number < len(layers):
            a = np.tanh(a) if config.activation == "tanh" else np.maximum(a, 0)
    return float((0.5 * (a - Y[:_PROBE_ROWS]) ** 2).sum(axis=1).mean())


CONFIGS: dict[str, Config] = {
    config.name: config
    for config in (
        Config("T", (4, 32, 32, 1), 32, 4096),
        Config("S", (30, 64, 64, 2), 32, 8192),
        Config("M", (784, 128, 64, 10), 128, 16384),
        Config("L", (784, 512, 512, 10), 256, 16384),
        Config("X", (1024, 2048, 2048, 1000), 512, 4096),
        # The case that SimpleChains.jl published: one step over all rows is an epoch.
        Config("tanh", (4, 32, 16, 4), 10_000, 10_000, "tanh"),
    )
}
"""The networks that are compared, from tiny to extra large."""


def _around_s() -> dict[str, dict[int, Config]]:
    """S with one of its sizes doubled repeatedly, the others unchanged."""
    s = CONFIGS["S"]
    ends, width = (s.widths[0], s.widths[-1]), s.widths[1]

    def variant(hidden: Iterable[int], batch_rows: int = s.batch_rows) -> Config:
        widths = (ends[0], *hidden, ends[1])
        name = f"{'-'.join(map(str, widths))}, {batch_rows} rows a step"
        return Config(name, widths, batch_rows, s.rows)

    return {
        "rows of a step": {n: variant([width] * 2, n) for n in (8, 16, 32, 64, 128, 256)},
        "width of both hidden layers": {n: variant([n] * 2) for n in (16, 32, 64, 128, 256)},
        "hidden layers": {n: variant([width] * n) for n in (1, 2, 4, 8)},
    }


AXES: dict[str, dict[int, Config]] = _around_s()
"""For each size of S that is varied, its values and their configs."""


def find_configs(names: Iterable[str]) -> list[Config]:
    """The configs of these names.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    list of Config

    Raises
    ------
    UnknownName
        If a name is unknown.

    Examples
    --------
    >>> [config.shape for config in find_configs(["T", "tanh"])]
    ['4-32-32-1', '4-32-16-4']
    """
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in CONFIGS]
    if unknown or not wanted:
        given = ", ".join(map(repr, unknown)) or "none"
        raise UnknownName(f"unknown configuration {given}; known: {', '.join(CONFIGS)}")
    return [CONFIGS[name] for name in wanted]

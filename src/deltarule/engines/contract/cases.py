"""The networks and data on which the contract tests an engine.

They are made from the registries, so that every registered activation, loss and rule is tested,
also those that a user has registered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.engines.base import Batch, EngineSettings
from deltarule.engines.reference import ReferenceEngine
from deltarule.maths import ACTIVATIONS, LOSSES, Loss, Network

__all__ = ["Case", "activation_cases", "loss_cases", "shape_cases", "small_case"]

# Nearer to a kink than this, a rounding error of z may change the slope of a correct engine.
_MIN_KINK_DISTANCE = 1e-4

# The same for an engine whose products have a coarser eps, in that eps: an error of z has its size.
_KINK_DISTANCE_IN_EPS = 4.0


@dataclasses.dataclass(frozen=True)
class Case:
    """A network with parameters and data, in the dtype of the engine under test."""

    label: str
    net: Network
    theta: np.ndarray
    X: np.ndarray
    Y: np.ndarray
    w: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Row numbers other than 0, 1, …, to detect an engine that ignores those it is given."""
        return 5 + 3 * np.arange(len(self.X))

    def batch(self, step: int = 1, take: Any = slice(None)) -> Batch:
        """A batch with copies of all rows, or of those that the index ``take`` selects."""
        arrays = (self.X, self.Y, self.w, self.rows)
        X, Y, w, rows = (array[take].copy() for array in arrays)
        return Batch(X, Y, w, rows, step)

    def in_float64(self) -> Case:
        """The same case in float64: the same numbers, without the engine's rounding."""
        net = self.net.with_changes(dtype=np.float64)
        parts = (self.theta, self.X, self.Y, self.w)
        return Case(self.label, net, *(part.astype(np.float64) for part in parts))

    def for_eps(self, eps: float) -> Case:
        """The case without the rows where an error of some eps may change the side of a kink."""
        distance = _KINK_DISTANCE_IN_EPS * eps
        return self if distance <= _MIN_KINK_DISTANCE else _away_from_kinks(self, distance)

    def reference(self, settings: EngineSettings | None = None) -> ReferenceEngine:
        """The reference engine in float64, loaded with this case."""
        exact = self.in_float64()
        engine = ReferenceEngine()
        engine.load(exact.net, exact.theta, settings or EngineSettings())
        return engine

    def trained(self) -> Case:
        """The case after 30 steps of Adam, where gradients are small and rounding matters."""
        engine = self.reference(EngineSettings(rule="adam"))
        exact = self.in_float64()
        for step in range(1, 31):
            engine.step(exact.batch(step), 0.03)
        theta = engine.theta.astype(self.net.dtype)
        return _away_from_kinks(
            dataclasses.replace(self, label=f"{self.label}, trained", theta=theta)
        )


def _away_from_kinks(case: Case, distance: float = _MIN_KINK_DISTANCE) -> Case:
    exact = case.in_float64()
    engine = exact.reference()
    forward = engine.passes(exact.batch())
    near = np.zeros(len(case.X), dtype=bool)
    for layer, g in enumerate(case.net.activations):
        for kink in g.kinks if g is not None else ():
            near |= (np.abs(forward.Z[layer] - kink) < distance).any(axis=1)
    for kink in case.net.loss.kink_values():
        near |= (np.abs(forward.A[-1] - exact.Y - kink) < distance).any(axis=1)
    if near.all():  # a case needs a row
        return case
    w = case.w[~near]
    return dataclasses.replace(case, X=case.X[~near], Y=case.Y[~near], w=w)


def make_case(label: str, net: Network, n_rows: int, seed: int = 0) -> Case:
    """Random data that suits the network's loss, with unequal weights and away from kinks."""
    rng = np.random.default_rng([seed, net.n_parameters, n_rows])
    X = rng.standard_normal((n_rows, net.n_inputs))
    shape = (n_rows, net.n_outputs // net.loss.outputs_per_target())
    Y: Any = rng.standard_normal(shape)
    if net.loss.targets == "nonnegative":
        Y = rng.poisson(2.0, shape)
    elif net.loss.targets == "unit":
        Y = rng.integers(0, 2, shape)
    elif net.loss.targets == "classes":
        Y = rng.integers(0, net.n_outputs, n_rows) if net.n_outputs > 1 else np.ones(shape)
    s = rng.uniform(0.5, 2.0, n_rows)
    theta = net.initial(seed=seed)
    theta += (0.1 * rng.standard_normal(net.n_parameters)).astype(net.dtype)
    case = Case(
        label,
        net,
        theta,
        X.astype(net.dtype),
        net.loss.prepare(Y, n_rows, net.n_outputs, net.dtype),
        (s / s.sum()).astype(net.dtype),
    )
    return _away_from_kinks(case)


def activation_cases(dtype: Any) -> Iterator[Case]:
    """Cases with each elementwise activation in the hidden layers."""
    for g in ACTIVATIONS:
        if g.elementwise:
            net = Network([5, 7, 6, 3], activation=g, dtype=dtype)
            yield make_case(f"hidden activation {g.name}", net, 19)


def loss_cases(dtype: Any) -> Iterator[Case]:
    """Cases with each loss and each output activation that it accepts."""
    for loss in LOSSES:
        for g in ACTIVATIONS:
            if loss.accepts(g):
                net = Network([4, 6, 3], "tanh", g, _three_outputs(loss), dtype=dtype)
                yield make_case(f"loss {loss.name} on {g.name}", net, 13)
                if "smoothing" in loss.settings:
                    smoothed = net.with_changes(loss=loss.with_parameters(smoothing=0.1))
                    yield make_case(f"loss {loss.name} on {g.name}, smoothed", smoothed, 13)


def _three_outputs(loss: Loss) -> Loss:
    """The loss with three parameters where it takes one for each output or target."""
    if "levels" in loss.settings:
        return loss.with_parameters(levels=(0.1, 0.5, 0.9))
    if "positive_weight" in loss.settings:
        return loss.with_parameters(positive_weight=(0.25, 1.0, 4.0))
    return loss


def shape_cases(dtype: Any) -> Iterator[Case]:
    """Cases with one row, with width 1, and with sizes that are no multiple of a vector."""
    for widths, n_rows, bias in (
        ([1, 1], 1, True),
        ([1, 1, 1], 2, True),
        ([3, 1, 2], 1, False),
        ([4, 32, 32, 1], 32, True),
        ([17, 33, 9, 5], 31, True),
        ([2, 65, 3], 7, False),
        ([67, 15, 1], 129, True),
        ([8, 5, 7, 6, 5, 3], 16, True),
    ):
        net = Network(widths, activation="tanh", bias=bias, dtype=dtype)
        yield make_case(f"widths {widths}, {n_rows} rows", net, n_rows)


def small_case(dtype: Any, **changes: Any) -> Case:
    """A small network, 6-9-8-3 with tanh and softmax, for checks that need a single case."""
    arguments: dict[str, Any] = {
        "widths": [6, 9, 8, 3],
        "activation": "tanh",
        "output_activation": "softmax",
        "loss": "cross_entropy",
        "dtype": dtype,
    }
    return make_case("6-9-8-3", Network(**(arguments | changes)), 22)

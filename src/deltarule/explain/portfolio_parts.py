"""The parts of a table's columns in the prediction of a whole portfolio, by integrated gradients.

The prediction is a function f of the row as every encoder of the portfolio gives it, all of these
inputs joined in one point x: the weighted mean of what the members' networks predict, calibrated.

    A_k = xₖ ∫₀¹ ∂f/∂xₖ (t x) dt,   Σ_k A_k = f(x) − f(0)

A column's part is the sum over all inputs that it feeds. Features of all columns at once (sines and
cosines of mixtures) are functions of the inputs, and are passed through by the chain rule.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from deltarule.engines import Batch, Engine
from deltarule.explain.attributions import THE_OUTPUT
from deltarule.explain.fast_passes import fast_engine
from deltarule.explain.path_integral import integrate
from deltarule.tables import TypedColumns
from deltarule.tabular.portfolio import Member, Portfolio
from deltarule.tabular.portfolio.members import encoding_of
from deltarule.tabular.portfolio.selection import LEAST_PROBABILITY

__all__ = ["PortfolioParts", "portfolio_parts"]

# Many networks have many kinks on one path, and bring each its error; four digits are shown.
_TOLERANCE = 1e-4
_MOST_POINTS = 2048


@dataclasses.dataclass(frozen=True)
class PortfolioParts:
    """The parts of the columns in one prediction of a portfolio.

    Attributes
    ----------
    columns : mapping of str to float
        The part of each column, in the target's unit, or in the probability of the class.
    value, start : float
        f(x) and f(0): a number in the target's unit, or the probability of the class.
    """

    columns: dict[str, float]
    value: float
    start: float

    @property
    def error(self) -> float:
        """The sum of the parts less ``value - start``, from the numerical integration."""
        return sum(self.columns.values()) - (self.value - self.start)


def portfolio_parts(portfolio: Portfolio, row: TypedColumns, k: int = 0) -> PortfolioParts:
    """Return the parts of the columns in one prediction: a number, or the probability of class k.

    Parameters
    ----------
    portfolio : Portfolio
    row : TypedColumns
        One row.
    k : int
        The number of the class; of no meaning where a number is predicted.

    Examples
    --------
    See ``deltarule explain MODEL DATA --row R`` of a portfolio, which prints them.
    """
    function = _Prediction(portfolio.pruned(), row, k)
    x, rows = function.x, np.zeros(1, dtype=np.intp)
    start = np.zeros(x.shape[1])
    found, _, _ = integrate(function, x, start, tolerance=_TOLERANCE, most_points=_MOST_POINTS)
    columns: dict[str, float] = {}
    for name, value in zip(function.columns, found[0], strict=True):
        columns[name] = columns.get(name, 0.0) + float(value)
    return PortfolioParts(
        columns,
        float(function.values(x, rows)[0]),
        float(function.values(start[None], rows)[0]),
    )


class _Encoded:
    """The members that share an encoder, and the place of its inputs in the joined point."""

    def __init__(self, encoder: Any, members: list[Member], at: int, typed: TypedColumns) -> None:
        self.of_all = encoder.of_all
        self.columns = [name for name in encoder.feature_columns if name != "(all)"]
        self.place = slice(at, at + len(self.columns))
        self.x = encoder.transform(typed, dtype=np.float64)[:, : len(self.columns)]
        self.members = [(member, [_engine(model) for model in member.models]) for member in members]
        self.widest = max(sum(model.net.widths) for member in members for model in member.models)

    def inputs(self, points: np.ndarray) -> np.ndarray:
        """The networks' inputs at points: those of the columns, and the features of all columns."""
        X = np.ascontiguousarray(points[:, self.place])
        if self.of_all is None:
            return X
        more = np.zeros((len(X), len(self.of_all.features())))
        self.of_all.write(X, more)
        return np.hstack([X, more])

    def slopes(self, X: np.ndarray, by_input: np.ndarray) -> np.ndarray:
        """∂f/∂x of the columns' inputs of ∂f by all of the networks' inputs."""
        n = len(self.columns)
        if self.of_all is None:
            return by_input
        own: np.ndarray = by_input[:, :n] + self.of_all.input_slopes(X[:, n:], by_input[:, n:])
        return own


def _engine(model: Any) -> Engine:
    net = model.net.with_changes(dtype=np.float64, loss=THE_OUTPUT)
    return fast_engine(net, np.asarray(model.theta, dtype=np.float64), work=0.0)


class _Prediction:
    """f and ∂f/∂x at points, as the integration asks for them; kinks are found by halving."""

    kinks: ClassVar[dict[int, Any]] = {}

    def __init__(self, portfolio: Portfolio, typed: TypedColumns, k: int) -> None:
        self.target, self.temperature, self.k = portfolio.target, portfolio.temperature, k
        self.parts: list[_Encoded] = []
        for key, encoder in portfolio.encoders.items():
            members = [m for m in portfolio.members if encoding_of(m.configuration) == key]
            at = self.parts[-1].place.stop if self.parts else 0
            self.parts.append(_Encoded(encoder, members, at, typed))
        self.x = np.hstack([part.x for part in self.parts])
        self.columns = [name for part in self.parts for name in part.columns]
        self.at_a_time = max((1 << 20) // max(part.widest for part in self.parts), 80)

    def values(self, points: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f at points, shape (P,)."""
        found = self.target.calibrate(self._mean(points)[0], self.temperature)
        return np.asarray(found[:, self.k] if self.target.n_classes else found)

    def _mean(self, points: np.ndarray) -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
        """The weighted mean of the members, and the inputs and outputs that it is made of."""
        mean: Any = 0.0
        inputs = [part.inputs(points) for part in self.parts]
        outputs = []
        for part, X in zip(self.parts, inputs, strict=True):
            for member, engines in part.members:
                own = np.mean([engine.predict(X) for engine in engines], axis=0)
                decoded = self.target.decode(own, member.configuration.log_target)
                mean = mean + member.weight * decoded
                outputs.append(own)
        return mean, inputs, outputs

    def slopes(self, points: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """∂f/∂x at points, shape (P, n)."""
        mean, inputs, outputs = self._mean(points)
        by_mean, left = self._by_mean(mean), iter(outputs)
        n, found = len(points), []
        for part, X in zip(self.parts, inputs, strict=True):
            by_input = np.zeros_like(X)
            for member, engines in part.members:
                by_output = self._by_output(by_mean, next(left), member)
                by_output = np.ascontiguousarray(by_output * (member.weight / len(engines)))
                # An output is the loss of a network; its derivative is the target.
                batch = Batch(X, by_output, np.ones(n), np.arange(n), 1)
                by_input += sum(engine.input_gradient(batch) for engine in engines)
            found.append(part.slopes(X, by_input))
        return np.hstack(found)

    def _by_mean(self, mean: np.ndarray) -> np.ndarray:
        """∂f by the weighted mean: of a number clipped to its range, or at a temperature."""
        if not self.target.n_classes:
            return ((mean > self.target.low) & (mean < self.target.high)).astype(np.float64)
        q = self.target.calibrate(mean, self.temperature)
        one = np.eye(q.shape[1])[self.k]
        above = mean > LEAST_PROBABILITY
        slope = q[:, [self.k]] * (one - q) / (self.temperature * np.where(above, mean, 1.0))
        return np.where(above, slope, 0.0)

    def _by_output(self, by_mean: np.ndarray, outputs: np.ndarray, member: Member) -> np.ndarray:
        """∂f by a member's mean outputs, shape (P, n_L), but for its weight."""
        target = self.target
        if target.n_classes:
            # One output a stands for the probabilities 1 − a and a.
            return by_mean if outputs.shape[1] > 1 else by_mean[:, [1]] - by_mean[:, [0]]
        if not member.configuration.log_target:
            return by_mean[:, None] * target.std
        logs = outputs[:, 0] * target.log_std + target.log_mean
        inside = (logs > np.log(target.low)) & (logs < np.log(target.high))
        slope = np.where(inside, target.decode(outputs, True) * target.log_std, 0.0)
        return (by_mean * slope)[:, None]

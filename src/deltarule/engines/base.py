"""What an engine is: the whole of one network, on whatever it runs on.

An engine holds a network's parameters and everything that moves with them. It is
loaded once, and then steps. The laws it must keep are in
:mod:`deltarule.engines.contract`, which tests any engine against the reference.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.maths.dropout import dropout_rates, per_layer
from deltarule.optimizers import RULES, Rule
from deltarule.optimizers.scalars import in_interval
from deltarule.records import whole_number

__all__ = ["Batch", "Engine", "EngineSettings", "Epoch", "Promises"]


class Batch(NamedTuple):
    """The rows of one step.

    Attributes
    ----------
    X : array of shape (B, n_0)
    Y : array of shape (B, n_L)
        Prepared: one column for each output, in the network's type.
    w : array of shape (B,)
        The weights of the samples, 1/B included.
    rows : integer array of shape (B,)
        The rows' numbers in the training set; they and the step key the dropout masks.
    step : int
        The number of the step, from 1.
    """

    X: np.ndarray
    Y: np.ndarray
    w: np.ndarray
    rows: np.ndarray
    step: int


class Epoch(NamedTuple):
    """The steps of one pass over the training rows.

    Step i, from 0, has the rows ``order[i · batch_size : (i + 1) · batch_size]``, of which the
    weights are ``share[rows] / len(rows)``.

    Attributes
    ----------
    X : array of shape (N, n_0)
        Or rows that are made when they are taken, by slice or by row numbers.
    Y : array of shape (N, n_L)
        Prepared: one column for each output, in the network's type.
    share : array of shape (N,)
        s_i/s̄, with s̄ the mean weight over the rows that are seen.
    order : integer array, or None
        The rows' numbers; rows that it leaves out are not seen. None for the rows as they stand.
    batch_size : int
    rates : float64 array, one for each step
    first_step : int
        The number of step 0, counted from 1 over the whole training.
    """

    X: Any
    Y: np.ndarray
    share: np.ndarray
    order: np.ndarray | None
    batch_size: int
    rates: np.ndarray
    first_step: int

    @property
    def n_rows(self) -> int:
        """How many rows are seen."""
        return len(self.Y) if self.order is None else len(self.order)

    @property
    def steps(self) -> int:
        """How many steps it has; the last may have fewer rows than the others."""
        return -(-self.n_rows // self.batch_size)

    def rows_of(self, first: int, count: int) -> np.ndarray:
        """How many rows each of ``count`` steps has, from number ``first`` on."""
        rows = np.full(count, float(self.batch_size))
        if count and first + count == self.steps:
            rows[-1] = self.n_rows - (self.steps - 1) * self.batch_size
        return rows

    def batch(self, index: int) -> Batch:
        """The rows of a step, from 0."""
        start = index * self.batch_size
        stop = min(start + self.batch_size, self.n_rows)
        rows = np.arange(start, stop) if self.order is None else self.order[start:stop]
        take = slice(start, stop) if self.order is None else rows
        w = self.share[take] / self.share.dtype.type(stop - start)
        return Batch(self.X[take], self.Y[take], w, rows, self.first_step + index)


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """How an engine moves parameters.

    Parameters
    ----------
    rule : str, Rule or mapping
        The update rule.
    l2, l1 : float
        Strengths of the penalties.
    total_weight : float
        Σs of the training set (N without sample weights), which the penalties are divided by.
    dropout : float or sequence of float
        The rate for each hidden layer, or one for all.
    clip_norm : float or None
        The largest norm of a gradient, penalty included.
    averaging : float or None
        The decay of the moving average of the parameters, in [0, 1].
    seed : int
        Keys the dropout masks.

    Raises
    ------
    InputError, UnknownName
        If a value is out of its range.
    """

    rule: Rule | str | Mapping[str, Any] = "sgd"
    l2: float = 0.0
    l1: float = 0.0
    total_weight: float = 1.0
    dropout: float | tuple[float, ...] = 0.0
    clip_norm: float | None = None
    averaging: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        def checked(name: str, interval: str, usual: float) -> None:
            # As a Python float: a np.float64 would turn float32 arrays into float64.
            value = in_interval("", name, getattr(self, name), interval, usual)
            object.__setattr__(self, name, value)

        object.__setattr__(self, "rule", RULES.get(self.rule))
        object.__setattr__(self, "dropout", per_layer(self.dropout))
        if not isinstance(self.dropout, tuple):
            checked("dropout", "[0, 1)", 0.1)
        checked("l2", "[0, inf)", 1e-4)
        checked("l1", "[0, inf)", 1e-4)
        checked("total_weight", "(0, inf)", 1.0)
        if self.clip_norm is not None:
            checked("clip_norm", "(0, inf]", 1.0)
        if self.averaging is not None:
            checked("averaging", "[0, 1]", 0.999)
        seed = whole_number(self.seed)
        if seed is None or seed < 0:
            raise InputError(parameter="seed", given=self.seed, expected="a whole number ≥ 0")
        object.__setattr__(self, "seed", seed)

    @property
    def penalties(self) -> dict[str, float]:
        """The penalties that are not 0, by name."""
        return {name: value for name, value in (("l2", self.l2), ("l1", self.l1)) if value > 0}


@dataclasses.dataclass(frozen=True)
class Promises:
    """What an engine promises; the contract tests it against nothing else.

    Attributes
    ----------
    tolerance : mapping of str to float
        For each dtype it computes in, the largest error of a gradient entry, in units of
        eps · max over its block of |δ|ᵀ|A|. The contract allows no more than 64.
    allocates : bool
        Whether a step allocates memory.
    same_bits_for_any_threads : bool
        Whether the number of threads leaves no trace in the result.
    """

    tolerance: Mapping[str, float]
    allocates: bool = True
    same_bits_for_any_threads: bool = True


class Engine(abc.ABC):
    """One network's parameters, and how they are used and moved.

    A subclass gives ``load``, ``predict``, ``cost``, ``gradient``, ``input_gradient``,
    ``sample_gradients``, ``apply``, ``state`` and ``restore``; it may give a fused ``step``, which
    must equal ``gradient`` then ``apply``, and a fused ``epoch``, which must equal its steps. The
    data handed in is never changed.
    """

    name: ClassVar[str]
    promises: ClassVar[Promises]

    threads: int | None = None
    """How many threads a step may use; None leaves it to the engine. Set it before ``load``."""

    stop: Callable[[], bool] | None = None
    """Asked now and then during what takes long; if true, it ends early.

    A step is not taken then: ``epoch`` ends with the steps before it. ``cost``, ``gradient`` and
    ``step`` give a cost that is no number. An engine may ignore it.
    """

    net: Network
    settings: EngineSettings

    @abc.abstractmethod
    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        """Take a copy of ``theta`` and start at step 0 with fresh slots.

        Raises
        ------
        InputError
            If the parameters or the settings do not fit the network.
        """

    @abc.abstractmethod
    def predict(self, X: np.ndarray, averaged: bool = False) -> np.ndarray:
        """a^L for rows X, of shape (N, n_L), without dropout.

        ``averaged`` uses the moving average of the parameters.
        """

    @abc.abstractmethod
    def cost(self, batch: Batch, averaged: bool = False) -> float:
        """The data term of the cost Σ w_i C_i by a forward pass alone, without dropout."""

    @abc.abstractmethod
    def gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        """The data term of the cost Σ w_i C_i, and its gradient, of shape (p,).

        Gradients of shards add. The state is unchanged.
        """

    @abc.abstractmethod
    def input_gradient(self, batch: Batch) -> np.ndarray:
        """∂C/∂x of the data term, of shape (B, n_0), by the same pass as :meth:`gradient`.

        It carries w_i; a row of weight 0 has gradient 0.
        """

    @abc.abstractmethod
    def sample_gradients(self, batch: Batch) -> np.ndarray:
        """∂C_i/∂θ of every row, before w_i, of shape (B, p).

        ``batch.w`` is not looked at: with Σ w_i of these the gradient comes out.
        """

    @abc.abstractmethod
    def apply(self, grad: np.ndarray, learning_rate: float, cost: float | None = None) -> None:
        """One update from a data gradient.

        The penalty's gradient is added once, the sum is clipped, the rule moves what is
        not frozen, and the average follows. ``cost`` is the data term at the parameters
        the gradient was taken at; only rules that look at the cost need it.
        """

    @abc.abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Copies of everything that moves: θ, the rule's slots, the average, the step.

        θ is there as ``"theta"``, of shape (p,); the other names are the engine's own.
        """

    def take_averaged(self, out: np.ndarray) -> None:
        """Write ``averaged_theta`` into an array; an engine may do so without a copy between."""
        out[...] = self.averaged_theta

    def release(self, *, with_theta: bool) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """``averaged_theta`` if asked for, and ``state()``; it must be loaded anew after it.

        An engine whose arrays are large may hand them over without copying.
        """
        return np.array(self.averaged_theta) if with_theta else None, self.state()

    @abc.abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take back what :meth:`state` gave, θ possibly another than it was.

        Raises
        ------
        InputError
            If an array is missing, has another shape, or is none of the engine's.
        """

    def step(self, batch: Batch, learning_rate: float) -> float:
        """``gradient`` then ``apply``; gives the data term of the cost before the update.

        A step whose cost or gradient is not finite gives a cost that is not finite and
        changes nothing, so that whoever asked can find out where it came from.
        """
        cost, grad = self.gradient(batch)
        if not np.isfinite(cost):
            return cost
        if not np.isfinite(grad).all():
            return float("nan")
        self.apply(grad, learning_rate, cost)
        return cost

    def epoch(self, epoch: Epoch, first: int = 0) -> Iterator[np.ndarray]:
        """The steps of an epoch from number ``first`` on, a stretch at a time.

        Each stretch gives the costs of its steps, and takes so little time that whoever
        iterates can look for a reason to stop between them. If the last cost of a stretch is
        not finite, that step was not taken and none comes after it. The outcome is that of
        the steps one by one, bit for bit. If :attr:`stop` ends it, the last stretch may be empty.
        """
        for index in range(first, epoch.steps):
            cost = self.step(epoch.batch(index), float(epoch.rates[index]))
            yield np.array([cost])
            if not np.isfinite(cost):
                return

    @property
    @abc.abstractmethod
    def theta(self) -> np.ndarray:
        """The parameters (read-only to callers)."""

    @property
    @abc.abstractmethod
    def averaged_theta(self) -> np.ndarray:
        """The moving average of the parameters, or the parameters where none is kept."""

    def is_finite(self) -> bool:
        """Whether every parameter is a finite number."""
        return bool(np.isfinite(self.theta).all())

    @abc.abstractmethod
    def penalty_cost(self) -> float:
        """The penalty at the current parameters, the other term of the cost."""

    def check_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Refuse a state that is not of the arrays :meth:`state` gives, for ``restore``.

        Raises
        ------
        InputError
            If an array is missing, is not one of this engine's, or has another shape.
        """
        own = self.state()
        for name in state:
            if name not in own:
                raise InputError(
                    f"state: {name!r} is nothing that this engine carries with rule "
                    f"{self.settings.rule}; expected {', '.join(own)}: load it with the settings "
                    "that the state was made with"
                )
        for name, value in own.items():
            if name not in state or np.shape(state[name]) != value.shape:
                given = f"has shape {np.shape(state[name])}" if name in state else "is missing"
                raise InputError(f"state: {name!r} {given}; expected shape {value.shape}")

    def dropout_rates(self) -> tuple[float, ...]:
        """One rate for each hidden layer."""
        return dropout_rates(self.settings.dropout, self.net.n_layers)

"""The interface of an engine, and the data and settings that it takes.

An engine holds one network's parameters and everything that changes with them (rule slots, moving
average, step number). It is loaded once and then takes steps. :mod:`deltarule.engines.contract` has
the properties that an engine must have, and tests them against the reference engine.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from deltarule.engines.promises import CAPABILITIES, HostSnapshot, Promises, Snapshot
from deltarule.engines.sparse_rows import CsrRows
from deltarule.errors import InputError, Message, MissingCapability, Parameter
from deltarule.maths import Network
from deltarule.maths.dropout import dropout_rates, per_layer
from deltarule.optimizers import RULES, Rule
from deltarule.optimizers.scalars import in_interval
from deltarule.settings import checked

__all__ = ["Batch", "Engine", "EngineGroup", "EngineSettings", "Epoch"]


class Batch(NamedTuple):
    """The rows of one step; B is their number.

    Attributes
    ----------
    X : array of shape (B, n_0)
        Or sparse rows, for an engine with ``takes_sparse_rows``.
    Y : array of shape (B, n_L)
        Targets as the loss takes them: one column for each output, in the network's dtype.
    w : array of shape (B,)
        The row weights, with the factor 1/B.
    rows : integer array of shape (B,)
        The row numbers in the training set. With the step number they determine dropout masks.
    step : int
        The number of the step, counted from 1.
    """

    X: Any
    Y: np.ndarray
    w: np.ndarray
    rows: np.ndarray
    step: int

    def dense(self) -> Batch:
        """The same batch with dense rows."""
        return self._replace(X=self.X[:]) if isinstance(self.X, CsrRows) else self


class Epoch(NamedTuple):
    """One pass over the training rows, as a sequence of steps.

    Step i, counted from 0, has the rows ``order[i · batch_size : (i + 1) · batch_size]`` with the
    weights ``w[rows] / len(rows)``.

    Attributes
    ----------
    X : array of shape (N, n_0)
        Or an object that computes its rows when it is indexed with a slice or with row numbers.
    Y : array of shape (N, n_L)
        Targets as the loss takes them: one column for each output, in the network's dtype.
    w : array of shape (N,)
        Relative row weights s_i/s̄, with s̄ the mean weight of the rows of this epoch.
    order : integer array, or None
        The numbers of the rows of this epoch, in order. None for all rows in the order of X.
    batch_size : int
    rates : float64 array, one for each step
        The learning rates.
    first_step : int
        The number of step 0 in the whole training, counted from 1.
    numbers : int64 array of shape (N,), optional
        The row numbers in the training set, if X holds only some of its rows. None for 0 … N − 1.
    order_has_gaps : bool
        Whether −1 in ``order`` stands for a row that another process has. Such a row counts in the
        size of its batch, and in its weights, and is not part of it here.
    """

    X: Any
    Y: np.ndarray
    w: np.ndarray
    order: np.ndarray | None
    batch_size: int
    rates: np.ndarray
    first_step: int
    numbers: np.ndarray | None = None
    order_has_gaps: bool = False

    @property
    def n_rows(self) -> int:
        """The number of rows of this epoch."""
        return len(self.Y) if self.order is None else len(self.order)

    @property
    def steps(self) -> int:
        """The number of steps; the last one may have fewer rows than the others."""
        return -(-self.n_rows // self.batch_size)

    def rows_of(self, first: int, count: int) -> np.ndarray:
        """The number of rows of each of ``count`` steps from step ``first`` on, as float64."""
        rows = np.full(count, float(self.batch_size))
        if count and first + count == self.steps:
            rows[-1] = self.n_rows - (self.steps - 1) * self.batch_size
        return rows

    def batch(self, index: int) -> Batch:
        """The rows of step ``index``, counted from 0."""
        start = index * self.batch_size
        stop = min(start + self.batch_size, self.n_rows)
        rows = np.arange(start, stop) if self.order is None else self.order[start:stop]
        take = slice(start, stop) if self.order is None else rows
        if self.order is not None and self.order_has_gaps:
            take = rows = rows[rows >= 0]
        w = self.w[take] / self.w.dtype.type(stop - start)
        numbers = rows if self.numbers is None else self.numbers[take]
        return Batch(self.X[take], self.Y[take], w, numbers, self.first_step + index)

    def pieces(self, first: int) -> Iterator[tuple[Epoch, int]]:
        """The steps from step ``first`` on, as epochs of rows in memory, each with a first step."""
        yield self, first


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """Everything that determines how an engine updates parameters, except learning rates.

    Parameters
    ----------
    rule : str, Rule or mapping
        The update rule.
    l2, l1 : float
        Strengths of the penalties.
    total_weight : float
        Σs of the training set (N without row weights), which the penalties are divided by.
    dropout : float or sequence of float
        The rate for each hidden layer, or one for all.
    clip_norm : float or None
        The largest norm of a gradient, penalty included.
    averaging : float or None
        The decay of the moving average of the parameters, in [0, 1].
    seed : int
        The seed of the dropout masks.

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
        object.__setattr__(self, "rule", RULES.get(self.rule))
        object.__setattr__(self, "dropout", per_layer(self.dropout))
        total = in_interval("", "total_weight", self.total_weight, "(0, inf)", 1.0)
        object.__setattr__(self, "total_weight", total)
        names = ["l2", "l1", "clip_norm", "averaging", "seed"]
        if not isinstance(self.dropout, tuple):
            names.insert(0, "dropout")
        for name in names:
            # As a Python number: a np.float64 would turn float32 arrays into float64.
            object.__setattr__(self, name, checked(name, getattr(self, name)))

    @property
    def penalties(self) -> dict[str, float]:
        """The strengths of the penalties that are not 0, by name."""
        return {name: value for name, value in (("l2", self.l2), ("l1", self.l1)) if value > 0}


class EngineGroup(abc.ABC):
    """Networks whose steps an engine takes together, each trained in a thread of its own."""

    @abc.abstractmethod
    def engine(self) -> Engine:
        """An engine for one of the networks."""

    @abc.abstractmethod
    def leave(self) -> None:
        """Say that one of the networks needs no more steps; the others do not wait for it."""


class Engine(abc.ABC):
    """One network's parameters, and the operations that use and update them.

    A subclass defines ``load``, ``predict``, ``cost``, ``gradient``, ``apply``, ``state`` and
    ``restore``, and each of ``input_gradient`` and ``sample_gradients`` unless it declares in
    :attr:`lacks` that it has none. It may redefine ``step``, which must equal ``gradient`` followed
    by ``apply``, and ``epoch``, which must equal its steps; and, where it computes on a device with
    a memory of its own, ``load_data`` and ``snapshot``. No method changes its arguments.
    """

    name: ClassVar[str]
    promises: Promises

    lacks: ClassVar[Mapping[str, str]] = {}
    """The names in :data:`CAPABILITIES` that the engine has not, each with the reason."""

    takes_sparse_rows: ClassVar[bool] = False
    """Whether X of a batch or an epoch may be a :class:`~deltarule.engines.sparse_rows.CsrRows`.

    The results are then those for the dense rows.
    """

    device: str = "cpu"
    """The kind of device that it computes on: ``"cpu"``, ``"gpu"`` or ``"tpu"``."""

    threads: int | None = None
    """How many threads a step may use; None lets the engine decide. Set it before ``load``."""

    stop: Callable[[], bool] | None = None
    """Called at intervals during long calls, which end early once it returns true.

    The step in progress is then not taken: ``epoch`` ends with the step before, and ``cost``,
    ``gradient`` and ``step`` return NaN as the cost. An engine may ignore this attribute.
    """

    net: Network
    settings: EngineSettings

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in cls.lacks:
            if name not in CAPABILITIES:
                raise InputError(
                    f"engine class {cls.__name__}: lacks has {name!r}; expected names of "
                    f"{', '.join(CAPABILITIES)}: an engine has everything else"
                )

    @abc.abstractmethod
    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        """Copy ``theta``, and start at step 0 with initial slots.

        Raises
        ------
        InputError
            If the parameters or the settings do not fit the network.
        """

    def begin_run(self, describe: Callable[[], Mapping[str, Any]]) -> None:  # noqa: B027  optional
        """Learn what is about to be trained; called once, before the first step of a run.

        Parameters
        ----------
        describe : callable
            Returns what the result depends on, as an object for JSON. An engine that shares the
            work with other processes compares it with theirs; others do not call it.
        """

    def load_data(self, X: Any, Y: np.ndarray, w: np.ndarray) -> None:  # noqa: B027  optional
        """Take the rows that the following epochs consist of, once; ``load`` forgets them.

        An epoch with these very arrays then needs row numbers alone. An engine with a device of
        its own keeps a copy there, so that the arrays must not change; others need none, and
        ignore the call.

        Parameters
        ----------
        X, Y, w
            As in :class:`Epoch`.
        """

    @abc.abstractmethod
    def predict(self, X: np.ndarray, averaged: bool = False) -> np.ndarray:
        """a^L for the rows of X, of shape (N, n_L), without dropout.

        ``averaged`` uses the moving average of the parameters.
        """

    @abc.abstractmethod
    def cost(self, batch: Batch, averaged: bool = False) -> float:
        """The data term of the cost Σ w_i C_i by a forward pass alone, without dropout."""

    @abc.abstractmethod
    def gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        """The data term of the cost Σ w_i C_i, and its gradient, of shape (p,).

        Gradients of parts of a batch add up. The state of the engine is unchanged.
        """

    def input_gradient(self, batch: Batch) -> np.ndarray:
        """∂C/∂x of the data term, of shape (B, n_0), by the same passes as :meth:`gradient`.

        Each row includes its weight w_i; a row of weight 0 has gradient 0.

        Raises
        ------
        MissingCapability
            If the engine :attr:`lacks` it.
        """
        raise self._missing("input_gradient")

    def sample_gradients(self, batch: Batch) -> np.ndarray:
        """∂C_i/∂θ of every row, without its weight, of shape (B, p).

        ``batch.w`` is ignored. Σ w_i ∂C_i/∂θ is the gradient.

        Raises
        ------
        MissingCapability
            If the engine :attr:`lacks` it.
        """
        raise self._missing("sample_gradients")

    def _missing(self, capability: str) -> MissingCapability:
        """The error for a method that the engine has not."""
        reason = self.lacks.get(capability, "its class does not define it")
        return MissingCapability(
            f"engine {self.name!r} has no {capability} ({CAPABILITIES[capability]}): {reason}",
            hint=Message("take ", Parameter("engine", "reference"), ", which has it"),
        )

    @abc.abstractmethod
    def apply(self, grad: np.ndarray, learning_rate: float, cost: float | None = None) -> None:
        """Update the parameters by a gradient of the data term, of shape (p,).

        The gradient of the penalty is added, the sum is clipped, the rule updates the parameters
        that are not frozen, and the moving average is updated. ``cost`` is the data term at the
        parameters of the gradient; only rules that use the cost need it.
        """

    @abc.abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Copies of all state: θ, the rule's slots, the moving average, the step number.

        θ is ``"theta"``, of shape (p,); the other names depend on the engine.
        """

    def copy_averaged(self, out: np.ndarray) -> None:
        """Copy ``averaged_theta`` to ``out``, of shape (p,)."""
        out[...] = self.averaged_theta

    @classmethod
    def group(cls, total: int, workers: int) -> EngineGroup | None:
        """A group for ``total`` networks, of which ``workers`` are in training at a time.

        None, the default, if each network has an engine on its own.
        """
        return None

    def snapshot(self, previous: Snapshot | None = None) -> Snapshot:
        """A copy of ``averaged_theta`` that stays where the engine computes until it is needed.

        ``previous`` is a snapshot that is no longer needed; its memory may be used again.
        """
        if not isinstance(previous, HostSnapshot):
            previous = HostSnapshot(np.empty(self.net.n_parameters, self.net.dtype))
        self.copy_averaged(previous.theta)
        return previous

    def release(self, *, with_theta: bool) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return ``averaged_theta`` (or None) and ``state()``, and free the engine's arrays.

        An engine may return its own arrays without copying. It must be loaded before further use.
        """
        return np.array(self.averaged_theta) if with_theta else None, self.state()

    @abc.abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the state to one that :meth:`state` returned, possibly with another θ.

        Raises
        ------
        InputError
            If an array is missing, has another shape, or is not part of this engine's state.
        """

    def step(self, batch: Batch, learning_rate: float) -> float:
        """``gradient``, then ``apply``; returns the data term of the cost before the update.

        If the cost or the gradient is not finite, nothing changes, and the cost returned is not
        finite either.
        """
        cost, grad = self.gradient(batch)
        if not np.isfinite(cost):
            return cost
        if not np.isfinite(grad).all():
            return float("nan")
        self.apply(grad, learning_rate, cost)
        return cost

    def epoch(self, epoch: Epoch, first: int = 0) -> Iterator[np.ndarray]:
        """Take the steps of an epoch from step ``first`` on; yields their costs in several arrays.

        Each array takes little time, so that the caller can look for a reason to stop in between.
        If the last cost of an array is not finite, that step was not taken, and the iteration ends.
        The bits are those of single calls of ``step``, unless the engine promises less
        (``same_bits_for_epochs``). If :attr:`stop` ends the epoch, the last array may be empty.
        """
        for index in range(first, epoch.steps):
            cost = self.step(epoch.batch(index), float(epoch.rates[index]))
            yield np.array([cost])
            if not np.isfinite(cost):
                return

    @property
    @abc.abstractmethod
    def theta(self) -> np.ndarray:
        """The parameters, of shape (p,), not to be written to."""

    @property
    @abc.abstractmethod
    def averaged_theta(self) -> np.ndarray:
        """The moving average of the parameters; without averaging, the parameters."""

    def is_finite(self) -> bool:
        """Whether every parameter is finite."""
        return bool(np.isfinite(self.theta).all())

    @abc.abstractmethod
    def penalty_cost(self) -> float:
        """The penalty at the current parameters: the cost without its data term."""

    def check_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Check that a state has the same arrays as :meth:`state`, for ``restore``.

        Raises
        ------
        InputError
            If an array is missing, has another shape, or is not part of this engine's state.
        """
        own = self.state()
        for name in state:
            if name not in own:
                raise InputError(
                    f"state: {name!r} is not part of this engine's state with rule "
                    f"{self.settings.rule}; expected {', '.join(own)}: load the engine with the "
                    "settings that the state was made with"
                )
        for name, value in own.items():
            if name not in state or np.shape(state[name]) != value.shape:
                given = f"has shape {np.shape(state[name])}" if name in state else "is missing"
                raise InputError(f"state: {name!r} {given}; expected shape {value.shape}")

    def dropout_rates(self) -> tuple[float, ...]:
        """The dropout rate of each hidden layer."""
        return dropout_rates(self.settings.dropout, self.net.n_layers)

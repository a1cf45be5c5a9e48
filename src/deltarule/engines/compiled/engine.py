"""The compiled engine: the reference's mathematics at the speed of the machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from deltarule.engines.base import Batch, Engine, EngineSettings, Epoch, Promises
from deltarule.engines.compiled import entries
from deltarule.engines.compiled import fields as d
from deltarule.engines.compiled.plan import Plan, address_of
from deltarule.engines.compiled.predictor import CompiledPredictor
from deltarule.errors import InputError
from deltarule.maths import Network

__all__ = ["CompiledEngine"]

# A call that runs many steps ends after about so many seconds, since Ctrl-C, and a flag that
# asks to stop, are seen between calls only.
_CHUNK = 0.04


class CompiledEngine(Engine):
    """Runs networks by kernels in machine code that are made from the formulas of ``maths``.

    One driver serves every architecture; formulas, a user's own included, are compiled
    once each, in about 20 ms, and kept on disk. A step allocates nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.engines import Batch, EngineSettings, make_engine
    >>> from deltarule.maths import Network
    >>> engine = make_engine("compiled")
    >>> net = Network([1, 1], activation=[], bias=False)
    >>> engine.load(net, np.array([3.0]), EngineSettings(rule="sgd"))
    >>> one = np.ones((1, 1))
    >>> engine.step(Batch(one, one, np.ones(1), np.arange(1), step=1), learning_rate=0.25)
    4.0
    >>> engine.theta
    array([2.])
    """

    name: ClassVar[str] = "compiled"
    promises: ClassVar[Promises] = Promises(
        tolerance={"float32": 64.0, "float64": 64.0},
        allocates=False,
        # Layers beyond the second cache are BLAS's, which may use several threads as it is told.
        same_bits_for_any_threads=False,
    )

    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        """Take a copy of ``theta`` and start at step 0 with fresh slots."""
        theta = network.check_theta(theta)
        self.net, self.settings = network, settings
        self._plan = Plan(network, settings, self.dropout_rates())
        self._plan.theta[:] = theta
        initial = settings.rule.initial_slots(np, theta)  # type: ignore[union-attr]
        for name, value in initial.items():
            self._plan.slots[name][...] = value
        if self._plan.mean is not None:
            self._plan.mean[:] = theta
        self._batch = np.zeros(d.BATCH_FIELDS, dtype=np.int64)
        self._rate, self._cost = np.zeros(1), np.zeros(1)
        self._rate_at, self._cost_at = address_of(self._rate), address_of(self._cost)
        plan = self._plan
        self._at = tuple(map(address_of, (plan.integers, plan.numbers, self._batch)))
        self._kept: tuple[Any, ...] = ()
        self._stretch = 1

    # -- parameters ---------------------------------------------------------------------

    @property
    def theta(self) -> np.ndarray:
        """The parameters: a copy, read-only."""
        return _read_only(self._plan.theta)

    @property
    def averaged_theta(self) -> np.ndarray:
        """The moving average of the parameters, or the parameters where none is kept."""
        return self.theta if self._plan.mean is None else _read_only(self._plan.mean)

    # -- rows ---------------------------------------------------------------------------

    def _array(self, values: Any, width: int, what: str) -> np.ndarray:
        array = np.ascontiguousarray(values, dtype=self._plan.dtype)
        if array.ndim != 2 or array.shape[1] != width:
            raise InputError(f"{what} has shape {array.shape}; expected (rows, {width})")
        return array

    def _ready(self, batch: Batch, at_most: int | None = None) -> int:
        """Make room, and say where the rows of a batch are; gives their number.

        Room is made for all of them, or for ``at_most``.
        """
        X, Y, w, rows, step = batch
        widths = self.net.widths
        n = -1
        with contextlib.suppress(TypeError, AttributeError):  # another type or layout
            if X.dtype == self._plan.dtype:
                n = entries.describe(self._batch, X, Y, w, rows, widths[0], widths[-1])
                self._batch[d.STEP] = step
                self._kept = batch
        if n < 0:
            n = self._describe(X, Y, w, rows, step)
        room = n if at_most is None else min(n, at_most)
        if room > self._plan.rows:
            self._plan.reserve(room)
        return n

    def _describe(
        self, X: Any, Y: Any, w: Any, numbers: Any, step: int, *, order: Any = None
    ) -> int:
        """Say where the rows are, for the driver; gives their number."""
        plan, net, batch = self._plan, self.net, self._batch
        x, y = self._array(X, net.widths[0], "X"), self._array(Y, net.widths[-1], "Y")
        weights = np.ascontiguousarray(w, dtype=plan.dtype)
        n, size = len(x), plan.dtype.itemsize
        if len(y) != n or weights.shape != (n,):
            raise InputError(
                f"X has {n} rows, Y {len(y)} and w shape {weights.shape}; expected as many"
            )
        batch[d.X], batch[d.X_STRIDE] = address_of(x), x.shape[1] * size
        batch[d.Y], batch[d.Y_STRIDE] = address_of(y), y.shape[1] * size
        batch[d.W] = address_of(weights)
        batch[d.POSITIONS] = batch[d.ROW_NUMBERS] = batch[d.SHARES] = batch[d.BASE] = 0
        if numbers is not None:
            numbers = np.ascontiguousarray(numbers, dtype=np.int64)
            if numbers.shape != (n,):
                raise InputError(f"rows has shape {numbers.shape}; expected ({n},)")
            batch[d.ROW_NUMBERS] = address_of(numbers)
        if order is not None:
            order = np.ascontiguousarray(order, dtype=np.int64)
            if len(order) and not 0 <= order.min() <= order.max() < n:
                raise InputError(f"order names rows that are none of 0 … {n - 1}")
            batch[d.POSITIONS], n = address_of(order), len(order)
        batch[d.N_ROWS], batch[d.STEP] = n, step
        # The driver has addresses only; the arrays must outlive its call.
        self._kept = (x, y, weights, numbers, order)
        return n

    # -- what is computed ---------------------------------------------------------------

    def predict(self, X: np.ndarray, averaged: bool = False) -> np.ndarray:
        """The output a^L, in the caller's own array."""
        plan, widths, dtype = self._plan, self.net.widths, self._plan.dtype
        x = self._array(X, widths[0], "X")
        n = len(x)
        if plan.calls_blas_forward:  # which would give a row other bits among others than alone
            theta = self.averaged_theta if averaged else self.theta
            return CompiledPredictor(self.net, theta, self, self.threads).outputs(x)
        if plan.rows < n and plan.rows < d.PREDICT_ROWS:
            plan.reserve(min(n, d.PREDICT_ROWS))
        output = np.empty((n, widths[-1]), dtype=dtype)
        own = averaged and plan.mean is not None
        entries.run_predict(
            *self._at[:2],
            address_of(x),
            n,
            address_of(plan.ones),
            int(own),
            address_of(output),
        )
        return output

    def cost(self, batch: Batch, averaged: bool = False) -> float:
        """The data term of the cost, from a forward pass alone."""
        plan = self._plan
        self._ready(batch, at_most=d.PREDICT_ROWS)
        own = bool(averaged and plan.mean is not None)
        return float(entries.run_cost(*self._at, own))

    def gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        """The data term of the cost, and its gradient."""
        plan = self._plan
        self._ready(batch)
        cost = float(entries.run_gradient(*self._at))
        return cost, plan.grad.copy()

    def penalty_cost(self) -> float:
        """The penalty at the current parameters."""
        return float(entries.run_penalty(*self._at[:2]))

    # -- how parameters move ------------------------------------------------------------

    def apply(self, grad: np.ndarray, learning_rate: float, cost: float | None = None) -> None:
        """Penalty, frozen parameters, clipping, rule, average: in this order."""
        plan, rule = self._plan, self.settings.rule
        if cost is None and rule.uses_cost:  # type: ignore[union-attr]
            raise InputError(f"apply: rule {rule} looks at the cost; expected it with the gradient")
        grad = np.asarray(grad)
        if grad.shape != plan.grad.shape:
            raise InputError(f"grad has shape {grad.shape}; expected {plan.grad.shape}")
        plan.grad[:] = grad
        known = 0.0 if cost is None else float(cost)
        entries.run_apply(*self._at[:2], float(learning_rate), known)

    def step(self, batch: Batch, learning_rate: float) -> float:
        """``gradient`` then ``apply`` in one call; nothing moves if a number is not finite."""
        n = self._ready(batch)
        self._rate[0] = learning_rate
        # A batch without rows is a step like any other.
        entries.run_steps(*self._at, self._rate_at, self._cost_at, 0, 1, max(n, 1))
        return float(self._cost[0])

    def epoch(self, epoch: Epoch, first: int = 0) -> Iterator[np.ndarray]:
        """The steps of an epoch in few calls, each of about 40 ms.

        X and Y are not copied if C-contiguous and of the network's type.

        Raises
        ------
        InputError
            If shapes disagree, or the order names rows that are not there.
        """
        if not isinstance(epoch.X, np.ndarray):  # rows that are made when they are taken
            yield from super().epoch(epoch, first)
            return
        plan = self._plan
        self._describe(epoch.X, epoch.Y, epoch.share, None, epoch.first_step, order=epoch.order)
        kept = self._kept
        self._batch[d.SHARES] = 1
        described = self._batch.copy()
        rates = np.ascontiguousarray(epoch.rates, dtype=np.float64)
        if len(rates) < epoch.steps:
            raise InputError(
                f"rates has {len(rates)} entries; expected {epoch.steps}, one for each batch"
            )
        plan.reserve(min(epoch.batch_size, len(epoch.Y)))
        costs = np.zeros(epoch.steps)
        index = first
        while index < epoch.steps:
            # Whoever iterates may have used the engine for other rows since.
            self._batch[:], self._kept = described, kept
            started = time.perf_counter()
            end = min(index + self._stretch, epoch.steps)
            reached = entries.run_steps(
                *self._at, address_of(rates), address_of(costs), index, end, epoch.batch_size
            )
            each = max(time.perf_counter() - started, 1e-7) / max(reached - index, 1)
            self._stretch = max(1, min(int(_CHUNK / each), 8 * self._stretch))
            failed = reached < end
            yield costs[index : reached + failed]
            if failed:
                return
            index = end

    # -- all that moves -----------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """Copies of everything that moves."""
        plan = self._plan
        t = np.array(int(plan.numbers[d.T]), dtype=np.int64)
        state = {"theta": plan.theta.copy(), "t": t}
        state |= {f"slot.{name}": np.array(value) for name, value in plan.slots.items()}
        if plan.mean is not None:
            state["mean"] = plan.mean.copy()
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take back what :meth:`state` gave, or what the reference engine's gave."""
        self.check_state(state)
        plan = self._plan
        plan.theta[:] = state["theta"]
        plan.numbers[d.T] = int(state["t"])
        for name, slot in plan.slots.items():
            slot[...] = state[f"slot.{name}"]
        if plan.mean is not None:
            plan.mean[:] = state["mean"]


def _read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy

"""The compiled engine: the reference's mathematics at the speed of the machine."""

from __future__ import annotations

import contextlib
import operator
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from deltarule.engines.base import Batch, Engine, EngineSettings, Epoch, Promises
from deltarule.engines.compiled import plan_layout as d
from deltarule.engines.compiled.entry_points import describe
from deltarule.engines.compiled.plan import Plan
from deltarule.engines.compiled.thread_pool import Dispatcher, Skipped
from deltarule.engines.compiled.workspace import address_of
from deltarule.engines.threads import usable_threads
from deltarule.errors import InputError
from deltarule.maths import Network

__all__ = ["CompiledEngine"]

# A call that runs many steps ends after about so many seconds, since Ctrl-C, and a flag that
# asks to stop, are seen between calls only.
_CHUNK = 0.04
# Multiply-adds of a forward pass from which on a second thread pays.
_WORTH_SHARING = 4.0e5
# Multiply-adds of a forward pass from which on a call may take more than some 50 ms, and is
# ended between two layers if somebody asks.
_LONG = 1.5e8


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
    )

    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        """Take a copy of ``theta`` and start at step 0 with fresh slots."""
        theta = network.check_theta(theta)
        self.net, self.settings = network, settings
        self._plan = Plan(network, settings, self.dropout_rates())
        self._plan.theta[:] = theta
        # Of one parameter, since all begin alike.
        initial = settings.rule.initial_slots(np, np.zeros(1, self._plan.dtype))  # type: ignore[union-attr]
        for name, value in initial.items():
            self._plan.slots[name][...] = value
        if self._plan.mean is not None:
            self._plan.mean[:] = theta
        self._batch = np.zeros(d.BATCH_FIELDS, dtype=np.int64)
        # Rates and costs of the steps of a call.
        self._rates, self._costs = np.zeros(1), np.zeros(1)
        self._rates_at, self._costs_at = address_of(self._rates), address_of(self._costs)
        self._last: Any = None
        self._batch_at = address_of(self._batch)
        self._compiled = Dispatcher(self._plan)
        self._most = usable_threads() if self.threads is None else max(int(self.threads), 1)
        self._kept: tuple[Any, ...] = ()
        self._stretch = 1

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not there: before ``load``, and after ``release``.
        if name in {"_plan", "_kept", "_last", "_compiled"}:
            raise InputError(
                "this engine holds no network: it is not loaded, or has handed over what it held "
                "when training ended; load it, or use what training gave"
            )
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    # -- parameters ---------------------------------------------------------------------

    @property
    def theta(self) -> np.ndarray:
        """The parameters: a copy, read-only."""
        return _read_only(self._plan.theta)

    @property
    def averaged_theta(self) -> np.ndarray:
        """The moving average of the parameters, or the parameters where none is kept."""
        return self.theta if self._plan.mean is None else _read_only(self._plan.mean)

    def is_finite(self) -> bool:
        """Whether every parameter is a finite number; without a copy of them."""
        return bool(self._compiled.is_finite())

    # -- rows ---------------------------------------------------------------------------

    def _array(self, values: Any, width: int, what: str) -> np.ndarray:
        array = np.ascontiguousarray(values, dtype=self._plan.dtype)
        if array.ndim != 2 or array.shape[1] != width:
            raise InputError(f"{what} has shape {array.shape}; expected (rows, {width})")
        return array

    def _ready(self, batch: Batch, *, training: bool = True) -> int:
        """Say where the rows of a batch are, and make room for a step; gives their number."""
        X, Y, w, rows, step = batch
        widths = self.net.widths
        n = -1
        with contextlib.suppress(TypeError, AttributeError):  # another type or layout
            if X.dtype == self._plan.dtype:
                n = describe(self._batch, X, Y, w, rows, widths[0], widths[-1])
                self._batch[d.STEP] = step
                self._kept = batch
        if n < 0:
            n = self._describe(X, Y, w, rows, step)
        plan = self._plan
        if training and (n > plan.rows or not plan.integers[d.GRAD]):
            plan.reserve(n)
        return n

    def _describe(
        self, X: Any, Y: Any, w: Any, numbers: Any, step: int, *, order: Any = None
    ) -> int:
        """Say where the rows are, for the driver; gives their number."""
        plan, net, batch = self._plan, self.net, self._batch
        x, y = self._array(X, net.widths[0], "X"), self._array(Y, net.widths[-1], "Y")
        weights = np.asarray(w, dtype=plan.dtype)
        if weights.strides != (0,):  # one number for all rows is left so
            weights = np.ascontiguousarray(weights)
        n, size = len(x), plan.dtype.itemsize
        if len(y) != n or weights.shape != (n,):
            raise InputError(
                f"X has {n} rows, Y {len(y)} and w shape {weights.shape}; expected as many"
            )
        batch[d.X], batch[d.X_STRIDE] = address_of(x), x.shape[1] * size
        batch[d.Y], batch[d.Y_STRIDE] = address_of(y), y.shape[1] * size
        batch[d.W], batch[d.W_STRIDE] = address_of(weights), weights.strides[0]
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
        output = np.empty((n, widths[-1]), dtype=dtype)
        own = averaged and plan.mean is not None
        rows = (address_of(x), n, address_of(plan.one))
        workers = self._members_apart(n)
        what = (*rows, int(own), address_of(output))
        self._compiled.run(workers, "run_predict", *what, stop=self._interruptible(n))
        return output

    def cost(self, batch: Batch, averaged: bool = False) -> float:
        """The data term of the cost, from a forward pass alone."""
        plan = self._plan
        self._ready(batch, training=False)
        own = int(averaged and plan.mean is not None)
        n = int(self._batch[d.N_ROWS])
        costs = np.zeros(-(-n // d.PREDICT_ROWS))
        workers = self._members_apart(n)
        what = (self._batch_at, own, address_of(costs))
        try:
            self._compiled.run(workers, "run_cost", *what, stop=self._stop(n))
        except Skipped:
            return float("nan")
        return float(sum(costs))

    def gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        """The data term of the cost, and its gradient."""
        plan = self._plan
        n = self._ready(batch)
        what = (self._members(n), "run_gradient", self._batch_at)
        try:
            cost = float(self._compiled.run(*what, stop=self._stop(n)))
        except Skipped:
            cost = float("nan")
        return cost, plan.grad.copy()

    def input_gradient(self, batch: Batch) -> np.ndarray:
        """∂C/∂x of the data term."""
        n = self._ready(batch, training=False)
        return self._rows(n, np.zeros((n, self.net.n_inputs), dtype=self._plan.dtype), 0)

    def sample_gradients(self, batch: Batch) -> np.ndarray:
        """∂C_i/∂θ of every row."""
        ones = np.ones(len(batch.X), dtype=self._plan.dtype)
        n = self._ready(batch._replace(w=ones), training=False)
        grads = np.zeros((n, self.net.n_parameters), dtype=self._plan.dtype)
        return self._rows(n, grads, grads.itemsize * self.net.n_parameters)

    def _rows(self, n: int, target: np.ndarray, bytes_of_row: int) -> np.ndarray:
        what = (self._batch_at, address_of(target), bytes_of_row)
        workers, stop = self._members_apart(n), self._interruptible(n)
        self._compiled.run(workers, "run_rows", *what, stop=stop)
        return target

    def penalty_cost(self) -> float:
        """The penalty at the current parameters."""
        return float(self._compiled.penalty())

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
        self._compiled.apply(float(learning_rate), known)

    def step(self, batch: Batch, learning_rate: float) -> float:
        """``gradient`` then ``apply`` in one call; nothing moves if a number is not finite."""
        n = self._ready(batch)
        self._rates[0] = learning_rate
        # A batch without rows is a step like any other.
        what = (self._batch_at, self._rates_at, self._costs_at, 0, 1, max(n, 1))
        workers, stop = self._members(n), self._stop(n)
        if workers == 1 and stop is None:
            self._compiled.step(*what)
            return float(self._costs[0])
        try:
            self._compiled.run(workers, "run_steps", *what, stop=stop)
        except Skipped:
            return float("nan")
        return float(self._costs[0])

    def _is_long(self, n: int) -> bool:
        return n * self.net.n_multiply_adds > _LONG

    def _stop(self, n: int) -> Callable[[], bool] | None:
        """What is asked on the way through n rows, if that takes long."""
        if not self._is_long(n):
            return None
        return self.stop or self._never

    def _interruptible(self, n: int) -> Callable[[], bool] | None:
        """The same where half a result is of no use: only Ctrl-C ends it."""
        return self._never if self._is_long(n) else None

    @staticmethod
    def _never() -> bool:
        return False

    def _members(self, n: int) -> int:
        """How many threads to pass over n rows with."""
        if self._most == 1 or n * self.net.n_multiply_adds < _WORTH_SHARING:
            return 1
        return min(self._most, -(-n // (2 * self._plan.lanes)))

    def _members_apart(self, n: int) -> int:
        """The same for pieces of rows, each passed over by one: as many as there is room for.

        Room is that of a batch; where nothing is trained it is made.
        """
        plan = self._plan
        wanted = min(self._members(n), -(-n // d.PREDICT_ROWS))
        if plan.integers[d.GRAD]:
            plan.reserve(min(n, d.PREDICT_ROWS), training=False)
            return max(min(wanted, plan.rows // d.PREDICT_ROWS), 1)
        plan.reserve(min(n, d.PREDICT_ROWS * wanted), training=False)
        return wanted

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
        plan, steps = self._plan, epoch.steps
        described, kept = self._described(epoch)
        if len(epoch.rates) < steps:
            raise InputError(
                f"rates has {len(epoch.rates)} entries; expected {steps}, one for each batch"
            )
        rows = min(epoch.batch_size, epoch.n_rows)
        plan.reserve(rows)
        if len(self._costs) < steps:
            self._rates, self._costs = np.zeros(steps), np.zeros(steps)
            self._rates_at, self._costs_at = address_of(self._rates), address_of(self._costs)
        workers, stop, index = self._members(rows), self._stop(rows), first
        while index < steps:
            # Whoever iterates may have used the engine for something else since.
            self._batch[:], self._kept = described, kept
            self._rates[:steps] = epoch.rates[:steps]
            started = time.perf_counter()
            end = min(index + self._stretch, steps)
            what = (self._batch_at, self._rates_at, self._costs_at, index, end, epoch.batch_size)
            try:
                reached: int = self._compiled.run(workers, "run_steps", *what, stop=stop)
            except Skipped as found:
                yield self._costs[index : found.args[0]].copy()
                break
            each = max(time.perf_counter() - started, 1e-7) / max(reached - index, 1)
            self._stretch = max(1, min(int(_CHUNK / each), 8 * self._stretch))
            failed = reached < end
            yield self._costs[index : reached + failed].copy()
            if failed:
                break
            index = end
        self._kept = ()  # an order that is no longer used

    def _described(self, epoch: Epoch) -> tuple[np.ndarray, Any]:
        """What says where the rows of an epoch are, and the arrays that must outlive its use.

        Of the same arrays as in the epoch before only what has changed is written down.
        """
        same = self._last
        if same is not None and all(map(operator.is_, same[0], epoch[:4])):
            described, kept = same[1:]
            described[d.STEP] = epoch.first_step
            return described, kept
        order = epoch.order
        self._describe(epoch.X, epoch.Y, epoch.share, None, epoch.first_step, order=order)
        self._batch[d.SHARES] = 1
        described, kept = self._batch.copy(), self._kept
        # An order may be shuffled in place, and what was copied may change: looked at every time.
        as_they_are = order is None and all(map(operator.is_, kept[:3], epoch[:3]))
        self._last = (epoch[:4], described, kept) if as_they_are else None
        return described, kept

    # -- all that moves -----------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """Copies of everything that moves."""
        return {name: np.array(value) for name, value in self._moving().items()}

    def _moving(self) -> dict[str, np.ndarray]:
        plan = self._plan
        state = {"theta": plan.theta, "t": np.array(int(plan.numbers[d.T]), dtype=np.int64)}
        state |= {f"slot.{name}": value for name, value in plan.slots.items()}
        if plan.mean is not None:
            state["mean"] = plan.mean
        return state

    def take_averaged(self, out: np.ndarray) -> None:
        """Write ``averaged_theta`` into an array."""
        plan = self._plan
        out[...] = plan.theta if plan.mean is None else plan.mean

    def release(self, *, with_theta: bool) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """``averaged_theta`` if asked for, and ``state()``, without copying what moves."""
        state = self._moving()
        # The scratch and the gradient go before the one copy that is made.
        # Nothing that holds an address stays behind.
        del self._plan, self._kept, self._last, self._compiled
        return np.array(state.get("mean", state["theta"])) if with_theta else None, state

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

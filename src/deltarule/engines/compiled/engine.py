"""The compiled engine: the formulas of the reference engine in machine code."""

from __future__ import annotations

import contextlib
import operator
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from deltarule.engines.base import Batch, Engine, EngineSettings, Epoch
from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.plan import Plan
from deltarule.engines.compiled.thread_pool import Dispatcher, Stopped, describe_batch
from deltarule.engines.compiled.workspace import address_of
from deltarule.engines.promises import Promises
from deltarule.engines.sparse_rows import CsrRows
from deltarule.engines.threads import free_threads, usable_threads
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.maths.own_memory import zeros

__all__ = ["CompiledEngine"]

# Seconds that one call into compiled code should take: Ctrl-C and ``stop`` take effect between cal
_CALL_SECONDS = 0.04
# The number of multiply-adds of a forward pass from which on a second thread is faster.
_MIN_SHARED_WORK = 4.0e5
# Multiply-adds of a forward pass from which on a call may take more than some 50 ms; such a call
# checks between layers whether a stop is requested.
_LONG_WORK = 1.5e8


class CompiledEngine(Engine):
    """Runs networks by kernels in machine code that are made from the formulas of ``maths``.

    One driver serves networks of all shapes. Each formula, a user's own included, is compiled once,
    in about 20 ms, and cached on disk. A step allocates no memory.

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
    promises = Promises(tolerance={"float32": 64.0, "float64": 64.0}, allocates=False)
    takes_sparse_rows: ClassVar[bool] = True
    _bfloat16: ClassVar[bool] = False

    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        theta = network.check_theta(theta)
        self.net, self.settings = network, settings
        self._plan = Plan(network, settings, self.dropout_rates(), words=self._bfloat16)
        self._plan.theta[:] = theta
        # The initial slots of one parameter, which are the same for all.
        initial = settings.rule.initial_slots(np, np.zeros(1, self._plan.dtype))  # type: ignore[union-attr]
        for name, value in initial.items():
            self._plan.slots[name][...] = value
        if self._plan.mean is not None:
            self._plan.mean[:] = theta
        self._batch = np.zeros(f.BATCH_FIELDS, dtype=np.int64)
        # The rates and costs of the steps of one call.
        self._rates, self._costs = np.zeros(1), np.zeros(1)
        self._rates_at, self._costs_at = address_of(self._rates), address_of(self._costs)
        self._last_epoch: Any = None
        self._batch_at = address_of(self._batch)
        self._compiled = Dispatcher(self._plan)
        self._max_workers = usable_threads() if self.threads is None else max(int(self.threads), 1)
        self._referenced: tuple[Any, ...] = ()
        self._steps_per_call = 1

    def __getattr__(self, name: str) -> Any:
        # Called for missing attributes only: before ``load``, and after ``release``.
        if name in {"_plan", "_referenced", "_last_epoch", "_compiled"}:
            raise InputError(
                "this engine holds no network: it is not loaded, or has handed over what it held "
                "when training ended; load it, or use what training gave"
            )
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    # -- parameters ---------------------------------------------------------------------

    @property
    def theta(self) -> np.ndarray:
        return _read_only(self._plan.theta)

    @property
    def averaged_theta(self) -> np.ndarray:
        return self.theta if self._plan.mean is None else _read_only(self._plan.mean)

    def is_finite(self) -> bool:
        return bool(self._compiled.is_finite())

    # -- rows ---------------------------------------------------------------------------

    def _array(self, values: Any, width: int, name: str) -> np.ndarray:
        array = np.ascontiguousarray(values, dtype=self._plan.dtype)
        if array.ndim != 2 or array.shape[1] != width:
            raise InputError(f"{name} has shape {array.shape}; expected (rows, {width})")
        return array

    def _sparse_rows(self, X: CsrRows) -> CsrRows:
        if X.shape[1] != self.net.widths[0]:
            raise InputError(f"X has shape {X.shape}; expected (rows, {self.net.widths[0]})")
        return X.astype(self._plan.dtype)

    def _prepare(self, batch: Batch, *, training: bool = True) -> int:
        """Write the addresses of a batch, and allocate what its step needs; returns its rows."""
        X, Y, w, rows, step = batch
        widths = self.net.widths
        n, sparse = -1, isinstance(X, CsrRows)
        if sparse and not self.takes_sparse_rows:
            X, sparse = X[:], False
        with contextlib.suppress(TypeError, AttributeError):  # another dtype or layout
            if X.dtype == self._plan.dtype and not sparse:
                n = describe_batch(self._batch_at, X, Y, w, rows, widths[0], widths[-1])
                self._batch[f.STEP] = step
                self._referenced = batch
        if n < 0:
            n = self._describe(X, Y, w, rows, step)
        plan = self._plan
        if sparse != plan.sparse:
            plan.use_rows(sparse=sparse)
        if training and (n > plan.rows or not plan.integers[f.GRAD]):
            plan.reserve(n)
        return n

    def _describe(
        self, X: Any, Y: Any, w: Any, numbers: Any, step: int, *, order: Any = None
    ) -> int:
        """Write the addresses of arrays, converted if necessary; returns the number of rows."""
        plan, net, batch = self._plan, self.net, self._batch
        y = self._array(Y, net.widths[-1], "Y")
        x = self._sparse_rows(X) if isinstance(X, CsrRows) else self._array(X, net.widths[0], "X")
        weights = np.asarray(w, dtype=plan.dtype)
        if weights.strides != (0,):  # one number for all rows needs no copy
            weights = np.ascontiguousarray(weights)
        n, size = len(x), plan.dtype.itemsize
        if len(y) != n or weights.shape != (n,):
            raise InputError(
                f"X has {n} rows, Y {len(y)} and w shape {weights.shape}; expected as many"
            )
        if isinstance(x, CsrRows):
            batch[f.X], batch[f.X_STRIDE] = address_of(x.values), 0
            batch[f.X_COLUMNS_AT], batch[f.X_STARTS] = address_of(x.columns), address_of(x.starts)
        else:
            batch[f.X], batch[f.X_STRIDE] = address_of(x), x.shape[1] * size
            batch[f.X_COLUMNS_AT] = batch[f.X_STARTS] = 0
        batch[f.Y], batch[f.Y_STRIDE] = address_of(y), y.shape[1] * size
        batch[f.W], batch[f.W_STRIDE] = address_of(weights), weights.strides[0]
        batch[f.POSITIONS] = batch[f.ROW_NUMBERS] = batch[f.DIVIDE_W] = batch[f.BASE] = 0
        if numbers is not None:
            numbers = np.ascontiguousarray(numbers, dtype=np.int64)
            if numbers.shape != (n,):
                raise InputError(f"rows has shape {numbers.shape}; expected ({n},)")
            batch[f.ROW_NUMBERS] = address_of(numbers)
        if order is not None:
            order = np.ascontiguousarray(order, dtype=np.int64)
            if len(order) and not 0 <= order.min() <= order.max() < n:
                raise InputError(f"order names rows that are none of 0 … {n - 1}")
            batch[f.POSITIONS], n = address_of(order), len(order)
        batch[f.N_ROWS], batch[f.STEP] = n, step
        # The driver reads addresses, so the arrays must be referenced until its call ends.
        self._referenced = (x, y, weights, numbers, order)
        return n

    # -- results for a batch ------------------------------------------------------------

    def predict(self, X: np.ndarray, averaged: bool = False) -> np.ndarray:
        plan, widths, dtype = self._plan, self.net.widths, self._plan.dtype
        x = self._array(X, widths[0], "X")
        n = len(x)
        plan.use_rows(sparse=False)
        output = np.empty((n, widths[-1]), dtype=dtype)
        use_mean = averaged and plan.mean is not None
        rows = (address_of(x), n, address_of(plan.one))
        workers = self._row_workers(n)
        arguments = (*rows, int(use_mean), address_of(output))
        self._compiled.run(workers, "run_predict", *arguments, stop=self._interruptible(n))
        return output

    def cost(self, batch: Batch, averaged: bool = False) -> float:
        plan = self._plan
        self._prepare(batch, training=False)
        use_mean = int(averaged and plan.mean is not None)
        n = int(self._batch[f.N_ROWS])
        costs = np.zeros(-(-n // f.PREDICT_ROWS))
        workers = self._row_workers(n)
        arguments = (self._batch_at, use_mean, address_of(costs))
        try:
            self._compiled.run(workers, "run_cost", *arguments, stop=self._stop_function(n))
        except Stopped:
            return float("nan")
        return float(sum(costs))

    def gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        plan = self._plan
        n = self._prepare(batch)
        arguments = (self._workers(n), "run_gradient", self._batch_at)
        try:
            cost = float(self._compiled.run(*arguments, stop=self._stop_function(n)))
        except Stopped:
            cost = float("nan")
        return cost, plan.grad.copy()

    def input_gradient(self, batch: Batch) -> np.ndarray:
        n = self._prepare(batch.dense(), training=False)
        return self._run_rows(n, np.zeros((n, self.net.n_inputs), dtype=self._plan.dtype), 0)

    def sample_gradients(self, batch: Batch) -> np.ndarray:
        ones = np.ones(len(batch.X), dtype=self._plan.dtype)
        n = self._prepare(batch.dense()._replace(w=ones), training=False)
        grads = np.zeros((n, self.net.n_parameters), dtype=self._plan.dtype)
        return self._run_rows(n, grads, grads.itemsize * self.net.n_parameters)

    def _run_rows(self, n: int, target: np.ndarray, bytes_of_row: int) -> np.ndarray:
        arguments = (self._batch_at, address_of(target), bytes_of_row)
        workers, stop = self._row_workers(n), self._interruptible(n)
        self._compiled.run(workers, "run_gradient_rows", *arguments, stop=stop)
        return target

    def penalty_cost(self) -> float:
        return float(self._compiled.penalty())

    # -- updates ------------------------------------------------------------------------

    def apply(self, grad: np.ndarray, learning_rate: float, cost: float | None = None) -> None:
        plan, rule = self._plan, self.settings.rule
        if cost is None and rule.uses_cost:  # type: ignore[union-attr]
            raise InputError(f"apply: rule {rule} uses the cost; expected it with the gradient")
        grad = np.asarray(grad)
        if grad.shape != plan.grad.shape:
            raise InputError(f"grad has shape {grad.shape}; expected {plan.grad.shape}")
        plan.grad[:] = grad
        known = 0.0 if cost is None else float(cost)
        self._compiled.apply(float(learning_rate), known)

    def step(self, batch: Batch, learning_rate: float) -> float:
        """``gradient``, then ``apply``, in one call; nothing changes if a number is not finite."""
        n = self._prepare(batch)
        self._rates[0] = learning_rate
        # max(n, 1), since a batch without rows is a step too.
        arguments = (self._batch_at, self._rates_at, self._costs_at, 0, 1, max(n, 1))
        workers, stop = self._workers(n), self._stop_function(n)
        if workers == 1 and stop is None:
            self._compiled.step(*arguments)
            return float(self._costs[0])
        try:
            self._compiled.run(workers, "run_steps", *arguments, stop=stop)
        except Stopped:
            return float("nan")
        return float(self._costs[0])

    def _is_long(self, n: int) -> bool:
        return n * self.net.n_multiply_adds > _LONG_WORK

    def _stop_function(self, n: int) -> Callable[[], bool] | None:
        """The function to call at intervals during a call with n rows, None for a short call."""
        if not self._is_long(n):
            return None
        return self.stop or self._never

    def _interruptible(self, n: int) -> Callable[[], bool] | None:
        """As ``_stop_function``, for calls that only Ctrl-C ends: a partial result is of no use."""
        return self._never if self._is_long(n) else None

    @staticmethod
    def _never() -> bool:
        return False

    def _workers(self, n: int) -> int:
        """The number of workers that compute a batch of n rows together."""
        if self._max_workers == 1 or n * self.net.n_multiply_adds < _MIN_SHARED_WORK:
            return 1
        return min(free_threads(self._max_workers), -(-n // (2 * self._plan.lanes)))

    def _row_workers(self, n: int) -> int:
        """The number of workers for n rows, where each computes some rows alone.

        Their work arrays are slices of a batch's workspace, which limits their number in training;
        an engine that does not train allocates what it needs.
        """
        plan = self._plan
        wanted = min(self._workers(n), -(-n // f.PREDICT_ROWS))
        if plan.integers[f.GRAD]:
            plan.reserve(min(n, f.PREDICT_ROWS), training=False)
            return max(min(wanted, plan.rows // f.PREDICT_ROWS), 1)
        plan.reserve(min(n, f.PREDICT_ROWS * wanted), training=False)
        return wanted

    def epoch(self, epoch: Epoch, first: int = 0) -> Iterator[np.ndarray]:
        """Take the steps of an epoch in few calls into compiled code, each of about 40 ms.

        X and Y are not copied if they are C-contiguous and of the network's dtype.

        Raises
        ------
        InputError
            If shapes disagree, or the order contains numbers that are not those of rows.
        """
        sparse = self.takes_sparse_rows and isinstance(epoch.X, CsrRows)
        if not (sparse or isinstance(epoch.X, np.ndarray)):
            yield from super().epoch(epoch, first)  # X computes its rows when it is indexed
            return
        plan, steps = self._plan, epoch.steps
        described, referenced = self._describe_epoch(epoch)
        if len(epoch.rates) < steps:
            raise InputError(
                f"rates has {len(epoch.rates)} entries; expected {steps}, one for each batch"
            )
        rows = min(epoch.batch_size, epoch.n_rows)
        plan.use_rows(sparse=sparse)
        plan.reserve(rows)
        if len(self._costs) < steps:
            self._rates, self._costs = np.zeros(steps), np.zeros(steps)
            self._rates_at, self._costs_at = address_of(self._rates), address_of(self._costs)
        workers, stop, index = self._workers(rows), self._stop_function(rows), first
        while index < steps:
            # The caller may have used the engine for other rows between two calls.
            self._batch[:], self._referenced = described, referenced
            plan.use_rows(sparse=sparse)
            self._rates[:steps] = epoch.rates[:steps]
            started = time.perf_counter()
            end = min(index + self._steps_per_call, steps)
            arrays = (self._batch_at, self._rates_at, self._costs_at)
            arguments = (*arrays, index, end, epoch.batch_size)
            try:
                reached: int = self._compiled.run(workers, "run_steps", *arguments, stop=stop)
            except Stopped as stopped:
                yield self._costs[index : stopped.args[0]].copy()
                break
            each = max(time.perf_counter() - started, 1e-7) / max(reached - index, 1)
            fitting = int(_CALL_SECONDS / each)
            self._steps_per_call = max(1, min(fitting, 8 * self._steps_per_call))
            failed = reached < end
            yield self._costs[index : reached + failed].copy()
            if failed:
                break
            index = end
        self._referenced = ()  # so that an order is not kept alive

    def _describe_epoch(self, epoch: Epoch) -> tuple[np.ndarray, Any]:
        """The description of an epoch's rows for the driver, and the arrays to keep alive for it.

        If the arrays are those of the last epoch, its description is used again.
        """
        last = self._last_epoch
        same = last is not None and all(map(operator.is_, last[0], epoch[:4]))
        if same and epoch.numbers is None:
            described, referenced = last[1:]
            described[f.STEP] = epoch.first_step
            return described, referenced
        order, numbers = epoch.order, epoch.numbers
        self._describe(epoch.X, epoch.Y, epoch.w, numbers, epoch.first_step, order=order)
        self._batch[f.DIVIDE_W] = 1
        described, referenced = self._batch.copy(), self._referenced
        # An order may be shuffled in place, and an array that was converted may be changed.
        plain = order is None and numbers is None
        unconverted = plain and all(map(operator.is_, referenced[:3], epoch[:3]))
        self._last_epoch = (epoch[:4], described, referenced) if unconverted else None
        return described, referenced

    # -- state --------------------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        return {name: np.array(value) for name, value in self._state_arrays().items()}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        plan = self._plan
        t = np.array(int(plan.numbers[f.STEP_COUNT]), dtype=np.int64)
        state = {"theta": plan.theta, "t": t}
        state |= {f"slot.{name}": value for name, value in plan.slots.items()}
        if plan.mean is not None:
            state["mean"] = plan.mean
        return state

    def copy_averaged(self, out: np.ndarray) -> None:
        plan = self._plan
        out[...] = plan.theta if plan.mean is None else plan.mean

    def release(self, *, with_theta: bool) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return ``averaged_theta`` (or None) and ``state()``, without copying the state."""
        state = self._state_arrays()
        # Frees the workspace and the gradient before θ is copied, and all objects with addresses.
        del self._plan, self._referenced, self._last_epoch, self._compiled
        if not with_theta:
            return None, state
        theta = zeros(self.net.n_parameters, self.net.dtype)
        theta[:] = state.get("mean", state["theta"])
        return theta, state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the state to one that :meth:`state`, or the reference engine's, returned."""
        self.check_state(state)
        plan = self._plan
        plan.theta[:] = state["theta"]
        plan.numbers[f.STEP_COUNT] = int(state["t"])
        for name, slot in plan.slots.items():
            slot[...] = state[f"slot.{name}"]
        if plan.mean is not None:
            plan.mean[:] = state["mean"]


def _read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy

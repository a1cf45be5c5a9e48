"""The JAX engine: whole epochs in compiled loops, on the devices that JAX finds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.engines.base import Batch, Engine, EngineGroup, EngineSettings, Epoch
from deltarule.engines.jax.devices import Placement, placement, types_of
from deltarule.engines.jax.program import Rows, State, Structure, numbers_of, program
from deltarule.engines.promises import BFLOAT16_TOLERANCE, Promises, Snapshot
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.maths.bfloat16 import BFLOAT16_EPS

__all__ = ["DeviceSnapshot", "JaxBfloat16Engine", "JaxEngine", "Pace", "to_the_failure"]

# Seconds that one call should take: Ctrl-C and ``stop`` take effect between calls.
_CALL_SECONDS = 0.1


class Pace:
    """How many steps one call takes, so that it lasts about 0.1 seconds."""

    def __init__(self) -> None:
        self.steps = 1

    def end(self, index: int, steps: int) -> int:
        """The step that the next call ends before, of ``steps`` from ``index`` on."""
        return min(index + self.steps, steps)

    def took(self, steps: int, seconds: float) -> None:
        """Learn from a call."""
        fitting = int(_CALL_SECONDS * steps / max(seconds, 1e-7))
        self.steps = max(1, min(fitting, 8 * self.steps))


class DeviceSnapshot(Snapshot):
    """A copy of parameters in the memory of the device."""

    def __init__(self, theta: Any) -> None:
        self._theta = theta

    def array(self) -> np.ndarray:
        """The parameters, copied from the device."""
        return np.array(self._theta)


class JaxEngine(Engine):
    """Runs the passes and rules of ``maths`` and ``optimizers`` in programs compiled by XLA.

    The backward pass is that of :func:`deltarule.maths.backprop.cost_and_grad`, not JAX's automatic
    differentiation. Parameters and state stay on the device; rows do from :meth:`load_data` on. A
    network, a rule and a shape of batches are compiled once in a process, in about a second; other
    learning rates, strengths, seeds and dropout rates use the same program. With several devices,
    each computes a part of the rows of a batch.

    Parameters
    ----------
    devices : int, optional
        The number of devices to use; by default all of this process.

    Raises
    ------
    InputError
        If there are not so many devices.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.engines import Batch, EngineSettings, make_engine
    >>> from deltarule.maths import Network
    >>> engine = make_engine("jax")  # doctest: +SKIP
    >>> net = Network([1, 1], activation=[], bias=False)
    >>> engine.load(net, np.array([3.0]), EngineSettings(rule="sgd"))  # doctest: +SKIP
    >>> one = np.ones((1, 1))
    >>> batch = Batch(one, one, np.ones(1), np.arange(1), step=1)
    >>> engine.step(batch, learning_rate=0.25)  # doctest: +SKIP
    4.0
    """

    name: ClassVar[str] = "jax"
    # XLA may split a product by the number of threads, and add up otherwise in a loop than in a
    # step. A TPU has no float64.
    promises = Promises(
        tolerance={"float32": 64.0, "float64": 64.0},
        same_bits_for_any_threads=False,
        same_bits_for_epochs=False,
        by_device={"tpu": {"float32": 64.0}},
    )
    _bfloat16: ClassVar[bool] = False

    def __init__(self, devices: int | None = None) -> None:
        self._where: Placement = placement(devices)
        self.device = self._where.kind

    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        theta = network.check_theta(theta)
        self.promises.check_dtype(network, self.name, self.device)
        self.net, self.settings = network, settings
        rates = self.dropout_rates()
        structure = Structure.of(network, settings, rates, self._bfloat16)
        self._program = program(structure, self._where)
        self._data: tuple[Any, Any] | None = None
        self._pace = Pace()
        with types_of(network.dtype):
            numbers = numbers_of(network, settings, rates)
            self._numbers = jax.tree.map(self._where.share, numbers)
        slots = settings.rule.initial_slots(np, theta)  # type: ignore[union-attr]
        state = {"theta": theta, "t": np.int32(0), "slots": slots}
        if settings.averaging is not None:
            state["mean"] = theta
        self._put(state)

    def __getattr__(self, name: str) -> Any:
        # Called for missing attributes only: before ``load``, and after ``release``.
        if name in {"_state", "_program"}:
            raise InputError(
                "this engine holds no network: it is not loaded, or has handed over what it held "
                "when training ended; load it, or use what training gave"
            )
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def _put(self, state: State) -> None:
        with types_of(self.net.dtype):
            self._state: State = jax.tree.map(self._where.copy, state)

    # -- parameters and state -----------------------------------------------------------

    @property
    def theta(self) -> np.ndarray:
        return _read_only(self._state["theta"])

    @property
    def averaged_theta(self) -> np.ndarray:
        return _read_only(self._averaged(True))

    def _averaged(self, averaged: bool) -> Any:
        state = self._state
        return state.get("mean", state["theta"]) if averaged else state["theta"]

    def is_finite(self) -> bool:
        return bool(np.isfinite(self.theta).all())

    @classmethod
    def group(cls, total: int, workers: int) -> EngineGroup:
        """Networks whose steps are taken by one program, see :mod:`deltarule.engines.jax.many`."""
        from deltarule.engines.jax.many import Group  # which needs this module

        return Group(cls, total, workers)

    def snapshot(self, previous: Snapshot | None = None) -> Snapshot:
        with types_of(self.net.dtype):
            return DeviceSnapshot(jnp.array(self._averaged(True), copy=True))

    def state(self) -> dict[str, np.ndarray]:
        state = self._state
        found = {"theta": np.array(state["theta"]), "t": np.array(int(state["t"]), np.int64)}
        found |= {f"slot.{name}": np.array(value) for name, value in state["slots"].items()}
        if "mean" in state:
            found["mean"] = np.array(state["mean"])
        return found

    def release(self, *, with_theta: bool) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return ``averaged_theta`` (or None) and ``state()``, and free the device's memory."""
        theta, state = super().release(with_theta=with_theta)
        del self._state, self._data, self._program, self._numbers
        return theta, state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the state to one that :meth:`state`, or the reference engine's, returned."""
        self.check_state(state)
        dtype = self.net.dtype
        slots = {name: np.asarray(state[f"slot.{name}"], dtype) for name in self._state["slots"]}
        theta = np.asarray(state["theta"], dtype)
        new = {"theta": theta, "t": np.int32(state["t"]), "slots": slots}
        if "mean" in self._state:
            new["mean"] = np.asarray(state["mean"], dtype)
        self._put(new)

    # -- rows ---------------------------------------------------------------------------

    def _padded(self, array: Any, rows: int, width: int | None, name: str) -> np.ndarray:
        """An array with ``rows`` rows in the network's dtype; those that are added are 0."""
        given = np.asarray(array, dtype=self.net.dtype)
        if given.ndim != (1 if width is None else 2) or (width and given.shape[1] != width):
            shape = "(rows,)" if width is None else f"(rows, {width})"
            raise InputError(f"{name} has shape {given.shape}; expected {shape}")
        if len(given) == rows:
            return given
        padded = np.zeros((rows, *given.shape[1:]), dtype=given.dtype)
        padded[: len(given)] = given
        return padded

    def _batch(self, batch: Batch) -> tuple[Any, ...]:
        """X, Y, w, row numbers and step, padded to a number of rows that programs exist for."""
        n, net = len(batch.X), self.net
        if len(batch.Y) != n or np.shape(batch.w) != (n,) or np.shape(batch.rows) != (n,):
            raise InputError(
                f"X has {n} rows, Y {len(batch.Y)}, w shape {np.shape(batch.w)} and rows "
                f"{np.shape(batch.rows)}; expected as many"
            )
        rows = self._where.padded(n)
        labels = np.zeros(rows, np.uint32)
        labels[:n] = batch.rows
        return (
            self._padded(batch.X, rows, net.n_inputs, "X"),
            self._padded(batch.Y, rows, net.n_outputs, "Y"),
            self._padded(batch.w, rows, None, "w"),
            labels,
            np.uint32(batch.step & 0xFFFFFFFF),
        )

    def load_data(self, X: Any, Y: np.ndarray, w: np.ndarray) -> None:
        """Copy the rows to the device, once for all epochs that follow."""
        self._data = None
        if isinstance(X, np.ndarray):
            self._data = ((X, Y, w), self._on_device(X, Y, w))

    def _on_device(self, X: np.ndarray, Y: np.ndarray, w: np.ndarray) -> tuple[Any, ...]:
        n, net = len(X), self.net
        if len(Y) != n or np.shape(w) != (n,):
            raise InputError(f"X has {n} rows, Y {len(Y)} and w {np.shape(w)}; expected as many")
        arrays = (
            self._padded(X, n, net.n_inputs, "X"),
            self._padded(Y, n, net.n_outputs, "Y"),
            self._padded(w, n, None, "w"),
            np.arange(n, dtype=np.uint32),
        )
        with types_of(net.dtype):
            return tuple(map(self._where.share, arrays))

    # -- results for a batch ------------------------------------------------------------

    def predict(self, X: np.ndarray, averaged: bool = False) -> np.ndarray:
        n = len(X)
        rows = self._padded(X, self._where.padded(n), self.net.n_inputs, "X")
        with types_of(self.net.dtype):
            found = self._program.predict(self._averaged(averaged), rows)
            return np.array(found)[:n]

    def cost(self, batch: Batch, averaged: bool = False) -> float:
        X, Y, w, _, _ = self._batch(batch)
        with types_of(self.net.dtype):
            return float(self._program.cost(self._averaged(averaged), X, Y, w))

    def gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        arrays = self._batch(batch)
        with types_of(self.net.dtype):
            cost, grad = self._program.gradient(self._numbers, self._state["theta"], *arrays)
            return float(cost), np.array(grad)

    def input_gradient(self, batch: Batch) -> np.ndarray:
        arrays, n = self._batch(batch), len(batch.X)
        with types_of(self.net.dtype):
            found = self._program.input_gradient(self._numbers, self._state["theta"], *arrays)
            return np.array(found)[:n]

    def sample_gradients(self, batch: Batch) -> np.ndarray:
        n = len(batch.X)
        arrays = self._batch(batch._replace(w=np.ones(n, self.net.dtype)))
        with types_of(self.net.dtype):
            found = self._program.sample_gradients(self._numbers, self._state["theta"], *arrays)
            return np.array(found)[:n]

    def penalty_cost(self) -> float:
        if not self.settings.penalties:
            return 0.0
        with types_of(self.net.dtype):
            return float(self._program.penalty(self._numbers, self._state["theta"]))

    # -- updates ------------------------------------------------------------------------

    def apply(self, grad: np.ndarray, learning_rate: float, cost: float | None = None) -> None:
        rule, dtype = self.settings.rule, self.net.dtype
        if cost is None and rule.uses_cost:  # type: ignore[union-attr]
            raise InputError(f"apply: rule {rule} uses the cost; expected it with the gradient")
        given = np.asarray(grad, dtype=dtype)
        if given.shape != (self.net.n_parameters,):
            raise InputError(f"grad has shape {given.shape}; expected {(self.net.n_parameters,)}")
        known = dtype.type(0.0 if cost is None else cost)
        with types_of(dtype):
            self._state = self._program.apply(
                self._state, self._numbers, given, dtype.type(learning_rate), known
            )

    def step(self, batch: Batch, learning_rate: float) -> float:
        """``gradient``, then ``apply``, in one; a number that is not finite changes nothing."""
        X, Y, w, labels, step = self._batch(batch)
        order = np.arange(len(X), dtype=np.int32)
        rows = Rows(X, Y, w, labels, order, *map(np.int32, (len(X), len(X), step, 0)))
        rates = np.array([learning_rate], self.net.dtype)
        return float(self._run(rows, rates, np.zeros_like(rates), 0, 1, len(X))[0])

    def _run(
        self, rows: Rows, rates: Any, costs: Any, first: int, end: int, batch_size: int
    ) -> Any:
        """Take steps; returns ``costs`` with theirs, on the device."""
        with types_of(self.net.dtype):
            self._state, costs = self._program.steps(
                self._state,
                self._numbers,
                rows,
                rates,
                costs,
                np.int32(first),
                np.int32(end),
                batch_size=batch_size,
            )
        return costs

    def loaded_rows(self, epoch: Epoch) -> tuple[Any, ...] | None:
        """X, Y, w and row numbers on the device, if an epoch has the rows that were loaded."""
        given, on_device = self._data or ((), None)
        return on_device if all(a is b for a, b in zip(given, epoch[:3], strict=False)) else None

    def epoch_rows(self, epoch: Epoch) -> tuple[Rows, int]:
        """The rows of an epoch on the device, and the number of rows of a batch, padding included.

        Raises
        ------
        InputError
            If shapes disagree, or the order contains numbers that are not those of rows.
        """
        if len(epoch.rates) < epoch.steps:
            raise InputError(
                f"rates has {len(epoch.rates)} entries; expected {epoch.steps}, one for each batch"
            )
        X, Y, w, labels = self.loaded_rows(epoch) or self._on_device(epoch.X, epoch.Y, epoch.w)
        n, size = epoch.n_rows, min(epoch.batch_size, epoch.n_rows)
        chosen = np.arange(n) if epoch.order is None else np.asarray(epoch.order)
        if n and not 0 <= chosen.min() <= chosen.max() < len(epoch.Y):
            raise InputError(f"order names rows that are none of 0 … {len(epoch.Y) - 1}")
        count = self._where.count
        padded = -(-size // count) * count
        # Each batch begins at a multiple of the padded size.
        order = np.zeros(epoch.steps * padded, np.int32)
        if padded == size:
            order[:n] = chosen
        else:
            for index in range(epoch.steps):
                part = chosen[index * size : (index + 1) * size]
                order[index * padded : index * padded + len(part)] = part
        return Rows(X, Y, w, labels, order, *map(np.int32, (n, size, epoch.first_step, 1))), padded

    def epoch(self, epoch: Epoch, first: int = 0) -> Iterator[np.ndarray]:
        """Take the steps of an epoch in few calls of a compiled loop, each of about 0.1 seconds.

        The results are those of single calls of ``step`` up to rounding, and the same bits whatever
        the calls.
        """
        # X computes its rows when it is indexed, or holds only some of the training rows.
        if not isinstance(epoch.X, np.ndarray) or epoch.numbers is not None:
            yield from super().epoch(epoch, first)
            return
        rows, size = self.epoch_rows(epoch)
        rates = np.asarray(epoch.rates[: epoch.steps], self.net.dtype)
        costs: Any = np.zeros_like(rates)
        index = first
        while index < epoch.steps and not (self.stop is not None and self.stop()):
            started = time.perf_counter()
            end = self._pace.end(index, epoch.steps)
            costs = self._run(rows, rates, costs, index, end, size)
            done = np.array(costs)[index:end]
            self._pace.took(end - index, time.perf_counter() - started)
            kept = to_the_failure(done)
            yield kept
            if not np.isfinite(kept[-1]):
                return
            index = end


class JaxBfloat16Engine(JaxEngine):
    """The JAX engine with products of bfloat16 factors, added up in float32.

    Parameters, state, activations, sums and updates are float32: only the factors of the matrix
    products are rounded, to 8 bits, which is what the matrix units of GPUs and TPUs are fast at. A
    network has dtype float32.
    """

    name: ClassVar[str] = "jax_bfloat16"
    promises = Promises(
        tolerance={"float32": BFLOAT16_TOLERANCE},
        same_bits_for_any_threads=False,
        same_bits_for_epochs=False,
        eps={"float32": BFLOAT16_EPS},
    )
    _bfloat16: ClassVar[bool] = True


def to_the_failure(costs: np.ndarray) -> np.ndarray:
    """The costs of steps up to the first that is not finite."""
    failed = np.flatnonzero(~np.isfinite(costs))
    return costs[: failed[0] + 1] if failed.size else costs


def _read_only(array: Any) -> np.ndarray:
    copy = np.array(array)
    copy.flags.writeable = False
    return copy

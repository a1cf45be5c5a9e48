"""An engine that adds up the gradients of many workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from deltarule.cluster.stop_flag import WorldFlag
from deltarule.cluster.world import World
from deltarule.engines import Batch, Engine, EngineSettings, Epoch, Snapshot, started_engine
from deltarule.engines.promises import Promises
from deltarule.errors import InputError, WorkerFailed
from deltarule.maths import Network
from deltarule.tables.packed_store import part_of
from deltarule.training.run_description import first_difference

__all__ = ["DataParallelEngine"]

# Numbers that each worker sends beside its gradient: its cost as two numbers of the network's
# dtype, so that it keeps 48 bits, and whether it was asked to stop.
_SENT = 3


class DataParallelEngine(Engine):
    """Runs one network on many workers, which add up the gradients of their parts of a batch.

    A batch is that of one machine. Each worker computes the cost and the gradient of a part of its
    rows, with the engine that it would use alone; weights, and so the factor 1/B, are those of the
    whole batch. The sums are the cost and the gradient of the batch up to rounding, and the same
    bits on every worker, so that each updates its copy of the parameters alike.

    Parameters
    ----------
    world : World
    engine : str, Engine or its class
        The engine of each worker.
    flag : WorldFlag, optional
        Raised on all workers after the same step, if any of them is asked to stop.
    divided : bool
        Whether epochs and batches hold the rows of this worker alone, as those of a store do that
        was divided. Otherwise the engine takes its part of them.

    Examples
    --------
    >>> from deltarule.cluster import DataParallelEngine, LoneWorld
    >>> net = Network([1, 1], activation=[], bias=False)
    >>> engine = DataParallelEngine(LoneWorld(), "reference")
    >>> engine.load(net, np.array([3.0]), EngineSettings(rule="sgd"))
    >>> one = np.ones((1, 1))
    >>> engine.step(Batch(one, one, np.ones(1), np.arange(1), step=1), learning_rate=0.25)
    4.0
    """

    name: ClassVar[str] = "data_parallel"
    # Of the engine of a worker; several parts add roundings of their own.
    promises = Promises(
        tolerance={"float32": 64.0, "float64": 64.0},
        same_bits_for_any_threads=False,
    )

    def __init__(
        self,
        world: World,
        engine: str | Engine | type[Engine] = "auto",
        flag: WorldFlag | None = None,
        divided: bool = False,
    ) -> None:
        self.world, self.divided = world, divided
        self._which, self._flag = engine, WorldFlag() if flag is None else flag
        self.inner: Engine

    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        self.inner = started_engine(self._which, network, theta, settings, self.threads)
        self.net, self.settings, self.device = network, settings, self.inner.device
        self.name = self.inner.name  # type: ignore[misc]  # results and checkpoints are of that one
        self.promises = self.inner.promises
        self._sent = np.zeros(network.n_parameters + _SENT * self.world.size, network.dtype)

    def begin_run(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        """Compare what the workers are about to do, before the first step.

        Raises
        ------
        InputError
            If data, settings or versions differ; it names the first difference.
        """
        own = {"request": self._flag.request, "run": describe()}
        all_of_them = [json.loads(each) for each in self.world.gather(json.dumps(own).encode())]
        first = all_of_them[0]["run"]
        for rank, each in enumerate(all_of_them):
            told = f"{{name}} is {{stored!r}} on worker 0, and {{current!r}} on worker {rank}"
            difference = first_difference(first, each["run"], told=told)
            if difference is not None:
                raise InputError(
                    f"workers 0 and {rank} of {self.world.size} were given different trainings: "
                    f"{difference}",
                    expected="the same data, settings and versions on every worker",
                )
        self._flag.agree([each["request"] for each in all_of_them])

    # -- sums over the workers ------------------------------------------------------------

    def _part(self, batch: Batch) -> Batch:
        """The rows of a batch that this worker computes."""
        if self.divided:
            return batch
        part = slice(*part_of(len(batch.w), self.world.rank, self.world.size))
        return Batch(batch.X[part], batch.Y[part], batch.w[part], batch.rows[part], batch.step)

    def _part_of_step(self, epoch: Epoch, index: int) -> Batch:
        """The rows of a step that this worker computes; no others are taken from X."""
        if self.divided:
            return epoch.batch(index)
        start = index * epoch.batch_size
        count = min(epoch.batch_size, epoch.n_rows - start)
        before, end = part_of(count, self.world.rank, self.world.size)
        first, stop = start + before, start + end
        rows = np.arange(first, stop) if epoch.order is None else epoch.order[first:stop]
        take = slice(first, stop) if epoch.order is None else rows
        w = epoch.w[take] / epoch.w.dtype.type(count)
        numbers = rows if epoch.numbers is None else epoch.numbers[take]
        return Batch(epoch.X[take], epoch.Y[take], w, numbers, epoch.first_step + index)

    def _summed(self, cost: float, grad: np.ndarray | None) -> tuple[float, np.ndarray]:
        """The sums of cost and gradient over the workers; raises the flag where one asks for it."""
        world, p = self.world, 0 if grad is None else len(grad)
        sent = self._sent if grad is not None else self._sent[-_SENT * world.size :]
        sent[:p] = 0 if grad is None else grad
        sent[p:] = 0
        dtype = sent.dtype.type
        with np.errstate(all="ignore"):  # a cost beyond the dtype is not finite on any worker
            high = dtype(cost)
            own = p + _SENT * world.rank
            sent[own : own + _SENT] = high, dtype(cost - float(high)), self._flag.request
        found = world.sum(sent)
        of_workers = np.asarray(found[p:], np.float64).reshape(world.size, _SENT)
        self._flag.agree(of_workers[:, 2].astype(int).tolist())
        total = 0.0
        for high, low in of_workers[:, :2].tolist():
            total += high + low
        return total, found[:p]

    def _gradient_of(self, part: Batch) -> tuple[float, np.ndarray]:
        """The sums of the gradients of parts; that of a worker without rows is 0."""
        if len(part.w) == 0:
            return self._summed(0.0, np.zeros(self.net.n_parameters, self.net.dtype))
        return self._summed(*self.inner.gradient(part))

    def gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        return self._gradient_of(self._part(batch))

    def cost(self, batch: Batch, averaged: bool = False) -> float:
        part = self._part(batch)
        own = self.inner.cost(part, averaged) if len(part.w) else 0.0
        return self._summed(own, None)[0]

    def _step(self, part: Batch, learning_rate: float) -> float:
        cost, grad = self._gradient_of(part)
        if not np.isfinite(cost):
            return cost
        if not np.isfinite(grad).all():
            return float("nan")
        self.inner.apply(grad, learning_rate, cost)
        return cost

    def step(self, batch: Batch, learning_rate: float) -> float:
        """``gradient`` of all workers, then ``apply`` on each."""
        return self._step(self._part(batch), learning_rate)

    def epoch(self, epoch: Epoch, first: int = 0) -> Iterator[np.ndarray]:
        """Take the steps of an epoch, then compare the parameters of the workers.

        Raises
        ------
        WorkerFailed
            If they differ.
        """
        for index in range(first, epoch.steps):
            cost = self._step(self._part_of_step(epoch, index), float(epoch.rates[index]))
            yield np.array([cost])
            if not np.isfinite(cost):
                return
        self._compare_parameters()

    def _compare_parameters(self) -> None:
        digest = hashlib.blake2b(np.ascontiguousarray(self.inner.theta).data, digest_size=16)
        found = self.world.gather(digest.digest())
        for rank, each in enumerate(found):
            if each != found[0]:
                raise WorkerFailed(
                    f"the parameters of workers 0 and {rank} differ",
                    expected="the same bits, since each makes the same updates",
                    hint="use machines of one kind, with sound memory, and go on from a checkpoint",
                )

    # -- as the engine of this worker -------------------------------------------------------

    def predict(self, X: np.ndarray, averaged: bool = False) -> np.ndarray:
        return self.inner.predict(X, averaged)

    def input_gradient(self, batch: Batch) -> np.ndarray:
        return self.inner.input_gradient(batch)

    def sample_gradients(self, batch: Batch) -> np.ndarray:
        return self.inner.sample_gradients(batch)

    def apply(self, grad: np.ndarray, learning_rate: float, cost: float | None = None) -> None:
        self.inner.apply(grad, learning_rate, cost)

    def state(self) -> dict[str, np.ndarray]:
        return self.inner.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.inner.restore(state)

    def copy_averaged(self, out: np.ndarray) -> None:
        self.inner.copy_averaged(out)

    def snapshot(self, previous: Snapshot | None = None) -> Snapshot:
        return self.inner.snapshot(previous)

    def release(self, *, with_theta: bool) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        return self.inner.release(with_theta=with_theta)

    @property
    def theta(self) -> np.ndarray:
        return self.inner.theta

    @property
    def averaged_theta(self) -> np.ndarray:
        return self.inner.averaged_theta

    def is_finite(self) -> bool:
        return self.inner.is_finite()

    def penalty_cost(self) -> float:
        return self.inner.penalty_cost()

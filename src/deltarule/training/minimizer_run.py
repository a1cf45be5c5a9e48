"""A run of a minimizer: full batches, with the history, validation and stopping of all runs."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from deltarule.engines import Engine
from deltarule.errors import Diverged, InputError
from deltarule.maths import penalty
from deltarule.optimizers import Minimizer
from deltarule.training.batches import chunks
from deltarule.training.diagnosis.run_advice import ADVICE_WITHOUT_RATE
from deltarule.training.divergence import diverged_at, raise_diverged
from deltarule.training.interrupt import Interrupted, Stop, StopReason
from deltarule.training.run import ALL_DONE, Run

__all__ = ["MinimizerRun"]


@dataclasses.dataclass(kw_only=True)
class MinimizerRun(Run):
    """A run of a minimizer on the whole cost; each iteration is an epoch of the history.

    The minimizer works on the parameters that are not frozen, as one float64 vector. The engine
    computes the gradient of the data term, summed over chunks of rows; ``maths.penalty`` adds the
    penalty.
    """

    minimizer: Minimizer
    evaluations: int = 0
    stop_at_epoch_end: Stop | None = None

    def advice(self) -> str:
        """Return the advice for divergence: there is no learning rate to lower."""
        return ADVICE_WITHOUT_RATE

    def run_epochs(self) -> Stop:
        """Minimise the cost; return why the search ended."""
        engine = self.engine
        self._free = ~engine.net.frozen
        if not self._free.any():
            raise InputError(
                f"every parameter is frozen, so {self.minimizer.name} has nothing to minimise; "
                "leave some free"
            )
        self._initial_state = engine.state()
        self._theta = np.array(engine.theta)
        self._evaluated_theta, self._loss = self._theta, np.nan
        self._iteration_started = time.perf_counter()
        minimise = self.minimizer.bind(np)
        start = self._theta[self._free].astype(np.float64)
        try:
            search = minimise(self._cost_and_gradient, start, self._end_iteration, self.epochs)
        except Interrupted:
            self._load(self._theta)
            return self.flag.stopped
        self._load(self._theta)
        if self.stop_at_epoch_end is not None:
            return self.stop_at_epoch_end
        stop = Stop(StopReason.CONVERGED if search.converged else StopReason.SEARCH, search.reason)
        if not self.history.logs:
            return self._log_start(stop)
        return ALL_DONE if len(self.history) >= self.epochs else stop

    def _log_start(self, stop: Stop) -> Stop:
        """Log the initial parameters as epoch 0, for a search that took no iteration."""
        try:
            if not np.array_equal(self._evaluated_theta, self._theta) or np.isnan(self._loss):
                self._cost_and_gradient(self._theta[self._free].astype(np.float64))
                self.evaluations -= 1  # not an evaluation by the minimizer
            self.history.before = -1
            self.record_epoch(0, self._loss, self.evaluations, 0.0, self._iteration_started)
        except Interrupted:
            return self.flag.stopped
        return stop

    def _load(self, theta: np.ndarray) -> Engine:
        """Load θ into the engine, and return the engine."""
        self.engine.restore(self._initial_state | {"theta": theta})
        return self.engine

    def _full_theta(self, free: np.ndarray) -> np.ndarray:
        """Return θ, shape (p,), with the parameters that are not frozen from ``free``."""
        theta = self._theta.copy()
        theta[self._free] = free
        return theta

    def _cost_and_gradient(self, free: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the cost with penalty, and its gradient by the free parameters."""
        theta = self._full_theta(free)
        engine, net, settings = self._load(theta), self.engine.net, self.engine.settings
        total, gradient = 0.0, np.zeros(net.n_parameters)
        for batch in chunks(self.batches.training_rows(), engine):
            self.flag.check()
            epoch = len(self.history) + 1
            where = f"training diverged in iteration {epoch} of {self.minimizer.name}"
            engine.stop = self.flag.__bool__
            try:
                cost, grad = engine.gradient(batch)
            except Diverged as error:
                raise diverged_at(error, where, self.advice(), epoch=epoch, index=1) from None
            finally:
                engine.stop = None
            self.flag.check()
            if not (np.isfinite(cost) and np.isfinite(grad).all()):
                raise_diverged(
                    engine, batch, where=where, advice=self.advice(), epoch=epoch, index=1
                )
            total += cost
            gradient += grad
        self.evaluations += 1
        self._evaluated_theta, self._loss = theta, total
        penalty_cost, penalty_gradient = penalty(
            net, theta, l2=settings.l2, total_weight=settings.total_weight
        )
        return total + penalty_cost, (gradient + penalty_gradient)[self._free]

    def _end_iteration(self, free: np.ndarray) -> Any:
        """Log an iteration that ended at ``free``; return a true value to end the search."""
        theta = self._full_theta(free)
        if not np.array_equal(theta, self._evaluated_theta):
            self._cost_and_gradient(free)
            self.evaluations -= 1  # not an evaluation by the minimizer
        self._load(theta)
        self._theta = theta
        self.stop_at_epoch_end = self.close_epoch(
            loss=self._loss, steps=self.evaluations, rate=0.0, started=self._iteration_started
        )
        self._iteration_started = time.perf_counter()
        return self.stop_at_epoch_end

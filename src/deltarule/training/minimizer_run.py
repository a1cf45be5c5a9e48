"""A run of a minimizer: the full batch, through the same history, validation and stopping."""

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
from deltarule.training.divergence import ADVICE_WITHOUT_RATE, raise_diverged, with_position
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
    ended: Stop | None = None

    def advice(self) -> str:
        """Return the advice for divergence: there is no learning rate to lower."""
        return ADVICE_WITHOUT_RATE

    def go(self) -> Stop:
        """Minimise; return why the search ended."""
        engine = self.engine
        self._free = ~engine.net.frozen
        if not self._free.any():
            raise InputError(
                f"every parameter is frozen, so {self.minimizer.name} has nothing to minimise; "
                "leave some free"
            )
        self._rest = engine.state()
        self._here = np.array(engine.theta)
        self._evaluated, self._loss = self._here, np.nan
        self._started = time.perf_counter()
        minimise = self.minimizer.bind(np)
        start = self._here[self._free].astype(np.float64)
        try:
            end = minimise(self._cost_and_gradient, start, self._after, self.epochs)
        except Interrupted:
            self._place(self._here)
            return self.flag.stopped
        self._place(self._here)
        if self.ended is not None:
            return self.ended
        ended = Stop(StopReason.CONVERGED if end.converged else StopReason.SEARCH, end.reason)
        if not self.history.logs:
            return self._log_start(ended)
        return ALL_DONE if len(self.history) >= self.epochs else ended

    def _log_start(self, ended: Stop) -> Stop:
        """Log the start as epoch 0, for a search that ended before its first iteration."""
        try:
            if not np.array_equal(self._evaluated, self._here) or np.isnan(self._loss):
                self._cost_and_gradient(self._here[self._free].astype(np.float64))
                self.evaluations -= 1  # not an evaluation by the minimizer
            self.history.before = -1
            self.record_epoch(0, self._loss, self.evaluations, 0.0, self._started)
        except Interrupted:
            return self.flag.stopped
        return ended

    def _place(self, theta: np.ndarray) -> Engine:
        """Give the engine these parameters, and return it."""
        self.engine.restore(self._rest | {"theta": theta})
        return self.engine

    def _whole(self, free: np.ndarray) -> np.ndarray:
        theta = self._here.copy()
        theta[self._free] = free
        return theta

    def _cost_and_gradient(self, free: np.ndarray) -> tuple[float, np.ndarray]:
        theta = self._whole(free)
        engine, net, settings = self._place(theta), self.engine.net, self.engine.settings
        total, gradient = 0.0, np.zeros(net.n_parameters)
        for batch in chunks(self.batches.training_rows()):
            self.flag.check()
            epoch = len(self.history) + 1
            where = f"training diverged in iteration {epoch} of {self.minimizer.name}"
            engine.stop = self.flag.__bool__
            try:
                cost, grad = engine.gradient(batch)
            except Diverged as found:
                raise with_position(found, where, self.advice(), epoch=epoch, index=1) from None
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
        self._evaluated, self._loss = theta, total
        extra, slope = penalty(net, theta, l2=settings.l2, total_weight=settings.total_weight)
        return total + extra, (gradient + slope)[self._free]

    def _after(self, free: np.ndarray) -> Any:
        """Close an iteration at its new parameters; return a true value to end the search."""
        theta = self._whole(free)
        if not np.array_equal(theta, self._evaluated):
            self._cost_and_gradient(free)
            self.evaluations -= 1  # not an evaluation by the minimizer
        self._place(theta)
        self._here = theta
        self.ended = self.close_epoch(
            loss=self._loss, steps=self.evaluations, rate=0.0, started=self._started
        )
        self._started = time.perf_counter()
        return self.ended

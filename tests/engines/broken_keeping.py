"""Engines with one fault each in their state, or in what they do with arguments and results."""

from __future__ import annotations

import numpy as np
from tests.engines.broken import fails

from deltarule.engines import ReferenceEngine

# -- arguments and results ----------------------------------------------------------------


@fails("inputs_unchanged")
class WritesIntoX(ReferenceEngine):
    def predict(self, X, averaged=False):
        output = super().predict(X, averaged)
        X *= 0.5
        return output


@fails("inputs_unchanged")
class WritesIntoRows(ReferenceEngine):
    def gradient(self, batch):
        batch.rows.sort()
        batch.rows[:] = np.arange(len(batch.rows))
        return super().gradient(batch)


@fails("inputs_unchanged")
class KeepsTheta(ReferenceEngine):
    """θ is not copied, and updated in place."""

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self._theta = theta

    def apply(self, grad, learning_rate, cost=None):
        place = self._theta
        super().apply(grad, learning_rate, cost)
        place[...] = self._theta
        self._theta = place


@fails("inputs_unchanged")
class WritesIntoTheGradient(ReferenceEngine):
    def apply(self, grad, learning_rate, cost=None):
        grad[self.net.frozen] = 0
        super().apply(grad, learning_rate, cost)


@fails("inputs_unchanged")
class OneBufferForAllPredictions(ReferenceEngine):
    def predict(self, X, averaged=False):
        output = super().predict(X, averaged)
        if getattr(self, "output", np.empty(0)).shape != output.shape:
            self.output = output
        self.output[...] = output
        return self.output


@fails("inputs_unchanged")
class RestoresIntoTheState(ReferenceEngine):
    """Continues with the array that restore was given, and updates it in place."""

    def restore(self, state):
        super().restore(state)
        self._theta = state["theta"]

    def apply(self, grad, learning_rate, cost=None):
        place = self._theta
        super().apply(grad, learning_rate, cost)
        if place.flags.writeable:
            place[...] = self._theta
            self._theta = place


@fails("inputs_unchanged")
class WantsToWrite(ReferenceEngine):
    def gradient(self, batch):
        if not batch.X.flags.writeable:
            raise ValueError("buffer source array is read-only")
        return super().gradient(batch)


@fails("state")
class StateIsAView(ReferenceEngine):
    def state(self):
        return super().state() | {"theta": self._theta}

    def apply(self, grad, learning_rate, cost=None):
        place = self._theta
        super().apply(grad, learning_rate, cost)
        place[...] = self._theta
        self._theta = place


def forgets(what):
    """An engine whose state lacks an entry, which restore does not set either."""

    class Forgets(ReferenceEngine):
        def state(self):
            return {k: v for k, v in super().state().items() if not k.startswith(what)}

        def restore(self, state):
            whole = ReferenceEngine()
            whole.load(self.net, self._theta, self.settings)
            own = super().state()
            whole.restore({k: v for k, v in own.items() if k.startswith(what)} | state)
            self._theta, self._slots = whole._theta, whole._slots
            self._t, self._mean = whole._t, whole._mean

    Forgets.__name__ = f"Forgets_{what}"
    return Forgets


for what in ("slot", "slot.m", "slot.cost", "slot.delta", "t", "mean", "theta"):
    fails("state")(forgets(what))


@fails("state")
class RestoresAllButTheta(ReferenceEngine):
    def restore(self, state):
        super().restore(state | {"theta": self._theta})


@fails("repeatable")
class TakesChances(ReferenceEngine):
    """Adds noise, far below all tolerances, from a generator that load does not reset."""

    rng = np.random.default_rng(0)

    def apply(self, grad, learning_rate, cost=None):
        super().apply(grad, learning_rate, cost)
        noise = self.rng.integers(0, 2, self._theta.shape).astype(self.net.dtype)
        self._theta = self._theta * (1 + np.finfo(self.net.dtype).eps * noise)


@fails("not_finite")
class MovesAnyway(ReferenceEngine):
    def step(self, batch, learning_rate):
        cost, grad = self.gradient(batch)
        self.apply(grad, learning_rate, cost)
        return cost


@fails("not_finite")
class LooksAtTheCostOnly(ReferenceEngine):
    def step(self, batch, learning_rate):
        cost, grad = self.gradient(batch)
        if np.isfinite(cost):
            self.apply(grad, learning_rate, cost)
        return cost


@fails("not_finite")
class SaysNothing(ReferenceEngine):
    def step(self, batch, learning_rate):
        cost = super().step(batch, learning_rate)
        return cost if np.isfinite(cost) else 0.0


@fails("not_finite")
class CountsTheFailedStep(ReferenceEngine):
    def step(self, batch, learning_rate):
        before = self._t
        cost = super().step(batch, learning_rate)
        self._t = before + 1
        return cost

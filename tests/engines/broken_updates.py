"""Engines with one fault each in their steps and updates."""

from __future__ import annotations

import numpy as np
from tests.engines.broken import fails

from deltarule.engines import Promises, ReferenceEngine
from deltarule.maths.penalties import penalty_terms
from deltarule.optimizers import RULES, StepInfo, clip_by_norm

# -- steps --------------------------------------------------------------------------------


def fused_without(name, value):
    class FusedWithout(ReferenceEngine):
        def step(self, batch, learning_rate):
            given = getattr(self.settings, name)
            object.__setattr__(self.settings, name, value)
            if name == "dropout":
                rates, self._rates = self._rates, tuple(0.0 for _ in self._rates)
            cost = super().step(batch, learning_rate)
            object.__setattr__(self.settings, name, given)
            if name == "dropout":
                self._rates = rates
            return cost

    FusedWithout.__name__ = f"FusedWithout_{name}"
    return FusedWithout


for name, value in (
    ("l2", 0.0),
    ("l1", 0.0),
    ("clip_norm", None),
    ("averaging", None),
    ("dropout", 0.0),
):
    fails("step")(fused_without(name, value))


@fails("step")
class FusedMovesTheFrozen(ReferenceEngine):
    def step(self, batch, learning_rate):
        self._some_frozen, held = False, self._some_frozen
        cost = super().step(batch, learning_rate)
        self._some_frozen = held
        return cost


@fails("step")
class FusedWithoutBiasCorrection(ReferenceEngine):
    def step(self, batch, learning_rate):
        self._t += 10**6
        cost = super().step(batch, learning_rate)
        self._t -= 10**6
        return cost


@fails("step")
class FusedOffABit(ReferenceEngine):
    def step(self, batch, learning_rate):
        return super().step(batch, learning_rate * 1.001)


@fails("step")
class CostAfterTheStep(ReferenceEngine):
    def step(self, batch, learning_rate):
        super().step(batch, learning_rate)
        return self.gradient(batch)[0]


@fails("step")
class NeverMoves(ReferenceEngine):
    def apply(self, grad, learning_rate, cost=None):
        pass


# -- updates ------------------------------------------------------------------------------


class OwnApply(ReferenceEngine):
    """The reference's apply, in methods that a subclass can replace one by one."""

    def apply(self, grad, learning_rate, cost=None):
        grad = self.penalised(np.asarray(grad, dtype=self.net.dtype))
        grad = np.where(self.net.frozen, 0, grad)
        self._t += 1
        info = StepInfo(self._t, learning_rate, cost, self.net.is_weight)
        theta, self._slots = self._update(self._theta, self.clipped(grad), self._slots, info)
        self._theta = np.where(self.net.frozen, self._theta, theta)

    def penalised(self, grad):
        return grad + self._penalty()[1] if self.settings.penalties else grad

    def clipped(self, grad):
        c = self.settings.clip_norm
        return grad if c is None else clip_by_norm(np, grad, c)[0]


@fails("update")
class NoAverage(OwnApply):
    pass


@fails("update")
class ForgetsL1(OwnApply):
    def penalised(self, grad):
        strengths = {k: v for k, v in self.settings.penalties.items() if k != "l1"}
        total = self.settings.total_weight
        terms = penalty_terms(self._xp, strengths, self._theta, self.net.is_weight, total)
        return grad + terms[1]


@fails("update")
class PenalisesBiases(ReferenceEngine):
    def _penalty(self):
        everything = np.ones_like(self.net.is_weight)
        settings = self.settings
        return penalty_terms(
            self._xp, settings.penalties, self._theta, everything, settings.total_weight
        )


@fails("update")
class PenaltyPerBatch(ReferenceEngine):
    """The penalty's strength is not divided by Σs."""

    def _penalty(self):
        return penalty_terms(
            self._xp, self.settings.penalties, self._theta, self.net.is_weight, 1.0
        )


@fails("update")
class NoPenaltyCost(ReferenceEngine):
    def penalty_cost(self):
        return 0.0


class Averaging(OwnApply):
    """OwnApply with the average, so that only clipping is wrong in its subclasses."""

    def apply(self, grad, learning_rate, cost=None):
        super().apply(grad, learning_rate, cost)
        if self._mean is not None:
            d = self.settings.averaging
            self._mean = self._mean + (1 - d) / (1 - d**self._t) * (self._theta - self._mean)


@fails("update")
class ClipsEachLayer(Averaging):
    def clipped(self, grad):
        grad = grad.copy()
        for block in self.net.blocks:
            part = grad[block.start : block.stop]
            if self.settings.clip_norm is not None:
                part[...] = clip_by_norm(np, part, self.settings.clip_norm)[0]
        return grad


@fails("update")
class ClipsEachEntry(Averaging):
    def clipped(self, grad):
        c = self.settings.clip_norm
        return grad if c is None else np.clip(grad, -c, c)


@fails("update")
class AlwaysClips(Averaging):
    def clipped(self, grad):
        c = self.settings.clip_norm
        return grad if c is None else grad * (c / np.sqrt((grad**2).sum()))


@fails("update")
class ClipsBeforeThePenalty(Averaging):
    def penalised(self, grad):
        return super().penalised(super().clipped(grad))

    def clipped(self, grad):
        return grad if self.settings.penalties else super().clipped(grad)


@fails("update")
class FrozenDecay(ReferenceEngine):
    """The gradient of frozen parameters is 0, but AdamW's weight decay changes them."""

    def apply(self, grad, learning_rate, cost=None):
        grad = np.where(self.net.frozen, 0, grad)
        self._some_frozen, held = False, self._some_frozen
        super().apply(grad, learning_rate, cost)
        self._some_frozen = held


@fails("update")
class FreezesWholeBlocks(ReferenceEngine):
    def apply(self, grad, learning_rate, cost=None):
        before = self._theta.copy()
        super().apply(grad, learning_rate, cost)
        for block in self.net.blocks:
            if block.of(self.net.frozen).any():
                block.of(self._theta)[...] = block.of(before)


@fails("update")
class AveragesBeforeTheStep(ReferenceEngine):
    def apply(self, grad, learning_rate, cost=None):
        before, mean = self._theta.copy(), self._mean
        super().apply(grad, learning_rate, cost)
        if mean is not None:
            d = self.settings.averaging
            self._mean = mean + (1 - d) / (1 - d**self._t) * (before - mean)


@fails("update")
class PredictsWithTheLast(ReferenceEngine):
    def predict(self, X, averaged=False):
        return super().predict(X)


@fails("update")
class CostOfTheLast(ReferenceEngine):
    def cost(self, batch, averaged=False):
        return super().cost(batch)


# -- trajectories -------------------------------------------------------------------------


@fails("trajectory")
class EpsilonElsewhere(ReferenceEngine):
    """Adam with ε at the position that scikit-learn uses."""

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        if settings.rule.name == "adam":
            other = not settings.rule.settings["epsilon_inside"]
            self._update = RULES.get(settings.rule, epsilon_inside=other).bind(np)


@fails("trajectory")
class EpsilonElsewhereInFloat32(EpsilonElsewhere):
    promises = Promises(tolerance={"float32": 64.0})


@fails("trajectory")
class OnlyDefaultParameters(ReferenceEngine):
    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self._update = RULES.get(settings.rule.name).bind(np)


@fails("trajectory")
class KeepsTheFirstRate(ReferenceEngine):
    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self.first = None

    def apply(self, grad, learning_rate, cost=None):
        self.first = learning_rate if self.first is None else self.first
        super().apply(grad, self.first, cost)


@fails("trajectory")
class NesterovIsMomentum(ReferenceEngine):
    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        if settings.rule.name == "nesterov":
            self._update = RULES.get("momentum", **settings.rule.settings).bind(np)


def one_rule_off(name):
    class OneRuleOff(ReferenceEngine):
        def apply(self, grad, learning_rate, cost=None):
            before = self._theta
            super().apply(grad, learning_rate, cost)
            if self.settings.rule.name == name:
                self._theta = before + (self._theta - before) * 1.001

    OneRuleOff.__name__ = f"RuleOff_{name}"
    return OneRuleOff


for rule in RULES:
    fails("trajectory")(one_rule_off(rule.name))

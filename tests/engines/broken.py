"""Engines with one fault each, under the law that the fault breaks."""

from __future__ import annotations

import numpy as np

from deltarule.engines import Promises, ReferenceEngine
from deltarule.maths import dropout_mask
from deltarule.maths.backprop import ForwardPass, cost_and_grad, loss_terms
from deltarule.maths.penalties import penalty_terms
from deltarule.optimizers import RULES, StepInfo, clip_by_norm

# (law, engine): filled by the decorator.
BROKEN: list[tuple[str, type[ReferenceEngine]]] = []


def breaks(law):
    def note(engine):
        BROKEN.append((law, engine))
        return engine

    return note


# -- what is promised ---------------------------------------------------------------------


@breaks("promises")
class PromisesTooLittle(ReferenceEngine):
    promises = Promises(tolerance={"float64": 65.0})


@breaks("promises")
class PromisesNaN(ReferenceEngine):
    promises = Promises(tolerance={"float32": float("nan")})


@breaks("promises")
class PromisesNothing(ReferenceEngine):
    promises = Promises(tolerance={})


@breaks("promises")
class PromisesAnotherType(ReferenceEngine):
    promises = Promises(tolerance={"float16": 64.0})


@breaks("memory")
class AllocatesAfterAll(ReferenceEngine):
    promises = Promises(tolerance={"float64": 64.0}, allocates=False)


# -- gradients ----------------------------------------------------------------------------


@breaks("gradient")
class OneBlockOff(ReferenceEngine):
    """0.1 % in one block."""

    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        self.net.blocks[-2].of(grad)[...] *= 1.001
        return cost, grad


@breaks("gradient")
class NoBiasGradient(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        for block in self.net.blocks:
            if block.kind == "b":
                block.of(grad)[...] = 0
        return cost, grad


@breaks("gradient")
class MeanOverOutputs(ReferenceEngine):
    """In the value only, as in scikit-learn."""

    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        return cost / self.net.n_outputs, grad


@breaks("gradient")
class OneNodeForgotten(ReferenceEngine):
    """F13 without its last j."""

    def gradient(self, batch):
        whole = self._theta
        last = self.net.blocks[-2].of(self._theta.copy())
        if len(last) == 1:
            return super().gradient(batch)
        cost, grad = super().gradient(batch)
        self._theta = whole.copy()
        self.net.blocks[-2].of(self._theta)[-1] = 0
        _, without = super().gradient(batch)
        self._theta = whole
        head = self.net.blocks[0]
        head.of(grad)[...] = head.of(without)
        return cost, grad


@breaks("gradient")
class ForgetsWeights(ReferenceEngine):
    def gradient(self, batch):
        return super().gradient(batch._replace(w=np.full_like(batch.w, batch.w.mean())))


@breaks("gradient")
class ClipsTheLoss(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        return min(cost, 2.0), grad


@breaks("gradient")
class CostOff(ReferenceEngine):
    def cost(self, batch, averaged=False):
        return 1.001 * super().cost(batch, averaged)


@breaks("gradient")
class PredictsZ(ReferenceEngine):
    def predict(self, X, averaged=False):
        net = self.net.with_changes(output_activation="identity", loss="squared_error")
        engine = ReferenceEngine()
        engine.load(net, self._theta, self.settings)
        return engine.predict(X)


@breaks("gradient")
class NotThereYet(ReferenceEngine):
    def gradient(self, batch):
        raise NotImplementedError("backward pass")


@breaks("shapes")
class WrongForOneRow(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        return cost, grad * (2 if len(batch.X) == 1 else 1)


@breaks("shapes")
class WrongForWidthOne(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        return cost, grad * (2 if 1 in self.net.widths[1:-1] else 1)


@breaks("shapes")
class LosesTheTail(ReferenceEngine):
    """The last columns of a wide layer, where they fill no vector."""

    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        for block in self.net.blocks:
            if block.kind == "W" and block.shape[1] > 64 and block.shape[1] % 8:
                block.of(grad)[:, -(block.shape[1] % 8) :] = 0
        return cost, grad


@breaks("shapes")
class ReadsMemoryAsItLies(ReferenceEngine):
    def gradient(self, batch):
        X = batch.X.ravel(order="K").reshape(batch.X.shape)
        return super().gradient(batch._replace(X=X))


@breaks("shapes")
class PredictsAFlatVector(ReferenceEngine):
    def predict(self, X, averaged=False):
        return super().predict(X, averaged).squeeze()


@breaks("sum_of_parts")
class DividesByTheBatch(ReferenceEngine):
    def gradient(self, batch):
        return super().gradient(batch._replace(w=batch.w / batch.w.sum()))


@breaks("sum_of_parts")
class OneBufferForAllGradients(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        if getattr(self, "buffer", grad).shape != grad.shape or not hasattr(self, "buffer"):
            self.buffer = grad.copy()
        self.buffer[...] = grad
        return cost, self.buffer


@breaks("permutation")
class FavoursTheFirstRow(ReferenceEngine):
    def gradient(self, batch):
        w = batch.w.copy()
        w[0] *= 1.01
        return super().gradient(batch._replace(w=w))


@breaks("weight_two")
class TakesWeightsForFlags(ReferenceEngine):
    def gradient(self, batch):
        present = (batch.w > 0).astype(batch.w.dtype)
        return super().gradient(batch._replace(w=present / present.sum()))


@breaks("weight_zero")
class ZeroTimesInfinity(ReferenceEngine):
    def passes(self, batch):
        X, Y, w = (np.asarray(part, dtype=self.net.dtype) for part in batch[:3])
        with np.errstate(all="ignore"):
            return cost_and_grad(self._xp, self.net, self._theta, X, Y, w, self.masks(batch))


@breaks("weight_zero")
class ZeroTimesInfinityInCost(ReferenceEngine):
    def cost(self, batch, averaged=False):
        w, Y = batch.w.astype(self.net.dtype), batch.Y.astype(self.net.dtype)
        with np.errstate(all="ignore"):
            output = self.predict(batch.X, averaged)
            loss, _ = loss_terms(self._xp, self.net, ForwardPass([output], [], [output]), Y)
            return float((w * loss).sum())


@breaks("weight_zero")
class NoRowIsNoNumber(ReferenceEngine):
    def gradient(self, batch):
        return super().gradient(batch) if batch.w.any() else (float("nan"), 0 * self._theta)


# -- dropout ------------------------------------------------------------------------------


@breaks("dropout")
class MasksByPosition(ReferenceEngine):
    def masks(self, batch):
        return super().masks(batch._replace(rows=np.arange(len(batch.rows))))


@breaks("dropout")
class SameMasksEveryStep(ReferenceEngine):
    def masks(self, batch):
        return super().masks(batch._replace(step=1))


@breaks("dropout")
class MasksWithoutSeed(ReferenceEngine):
    def masks(self, batch):
        masks = [None] * (self.net.n_layers + 1)
        for layer, rate in enumerate(self._rates, start=1):
            masks[layer] = dropout_mask(
                rate,
                batch.rows,
                self.net.widths[layer],
                seed=0,
                step=batch.step,
                layer=layer,
                dtype=self.net.dtype,
            )
        return masks


@breaks("dropout")
class MasksNotScaledUp(ReferenceEngine):
    def masks(self, batch):
        masks = super().masks(batch)
        return masks and [None if m is None else np.sign(m) for m in masks]


@breaks("dropout")
class DropsInPredict(ReferenceEngine):
    def predict(self, X, averaged=False):
        output = super().predict(X, averaged)
        return output * 0.5 if any(self._rates) else output


@breaks("dropout")
class DropsInCost(ReferenceEngine):
    def cost(self, batch, averaged=False):
        return self.gradient(batch)[0] if any(self._rates) else super().cost(batch, averaged)


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
    breaks("step")(fused_without(name, value))


@breaks("step")
class FusedMovesTheFrozen(ReferenceEngine):
    def step(self, batch, learning_rate):
        self._some_frozen, held = False, self._some_frozen
        cost = super().step(batch, learning_rate)
        self._some_frozen = held
        return cost


@breaks("step")
class FusedWithoutBiasCorrection(ReferenceEngine):
    def step(self, batch, learning_rate):
        self._t += 10**6
        cost = super().step(batch, learning_rate)
        self._t -= 10**6
        return cost


@breaks("step")
class FusedOffABit(ReferenceEngine):
    def step(self, batch, learning_rate):
        return super().step(batch, learning_rate * 1.001)


@breaks("step")
class CostAfterTheStep(ReferenceEngine):
    def step(self, batch, learning_rate):
        super().step(batch, learning_rate)
        return self.gradient(batch)[0]


@breaks("step")
class NeverMoves(ReferenceEngine):
    def apply(self, grad, learning_rate, cost=None):
        pass


# -- updates ------------------------------------------------------------------------------


class OwnApply(ReferenceEngine):
    """The reference's apply, in parts that can be broken one by one."""

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


@breaks("update")
class NoAverage(OwnApply):
    pass


@breaks("update")
class ForgetsL1(OwnApply):
    def penalised(self, grad):
        strengths = {k: v for k, v in self.settings.penalties.items() if k != "l1"}
        total = self.settings.total_weight
        terms = penalty_terms(self._xp, strengths, self._theta, self.net.is_weight, total)
        return grad + terms[1]


@breaks("update")
class PenalisesBiases(ReferenceEngine):
    def _penalty(self):
        everything = np.ones_like(self.net.is_weight)
        settings = self.settings
        return penalty_terms(
            self._xp, settings.penalties, self._theta, everything, settings.total_weight
        )


@breaks("update")
class PenaltyPerBatch(ReferenceEngine):
    """α not divided by Σs."""

    def _penalty(self):
        return penalty_terms(
            self._xp, self.settings.penalties, self._theta, self.net.is_weight, 1.0
        )


@breaks("update")
class NoPenaltyCost(ReferenceEngine):
    def penalty_cost(self):
        return 0.0


class Averaging(OwnApply):
    """OwnApply with the average, so that only clipping is wrong."""

    def apply(self, grad, learning_rate, cost=None):
        super().apply(grad, learning_rate, cost)
        if self._mean is not None:
            d = self.settings.averaging
            self._mean = self._mean + (1 - d) / (1 - d**self._t) * (self._theta - self._mean)


@breaks("update")
class ClipsEachLayer(Averaging):
    def clipped(self, grad):
        grad = grad.copy()
        for block in self.net.blocks:
            part = grad[block.start : block.stop]
            if self.settings.clip_norm is not None:
                part[...] = clip_by_norm(np, part, self.settings.clip_norm)[0]
        return grad


@breaks("update")
class ClipsEachEntry(Averaging):
    def clipped(self, grad):
        c = self.settings.clip_norm
        return grad if c is None else np.clip(grad, -c, c)


@breaks("update")
class AlwaysClips(Averaging):
    def clipped(self, grad):
        c = self.settings.clip_norm
        return grad if c is None else grad * (c / np.sqrt((grad**2).sum()))


@breaks("update")
class ClipsBeforeThePenalty(Averaging):
    def penalised(self, grad):
        return super().penalised(super().clipped(grad))

    def clipped(self, grad):
        return grad if self.settings.penalties else super().clipped(grad)


@breaks("update")
class FrozenDecay(ReferenceEngine):
    """The gradient of what is frozen is 0, and AdamW's decay moves it all the same."""

    def apply(self, grad, learning_rate, cost=None):
        grad = np.where(self.net.frozen, 0, grad)
        self._some_frozen, held = False, self._some_frozen
        super().apply(grad, learning_rate, cost)
        self._some_frozen = held


@breaks("update")
class FreezesWholeBlocks(ReferenceEngine):
    def apply(self, grad, learning_rate, cost=None):
        before = self._theta.copy()
        super().apply(grad, learning_rate, cost)
        for block in self.net.blocks:
            if block.of(self.net.frozen).any():
                block.of(self._theta)[...] = block.of(before)


@breaks("update")
class AveragesBeforeTheStep(ReferenceEngine):
    def apply(self, grad, learning_rate, cost=None):
        before, mean = self._theta.copy(), self._mean
        super().apply(grad, learning_rate, cost)
        if mean is not None:
            d = self.settings.averaging
            self._mean = mean + (1 - d) / (1 - d**self._t) * (before - mean)


@breaks("update")
class PredictsWithTheLast(ReferenceEngine):
    def predict(self, X, averaged=False):
        return super().predict(X)


@breaks("update")
class CostOfTheLast(ReferenceEngine):
    def cost(self, batch, averaged=False):
        return super().cost(batch)


# -- trajectories -------------------------------------------------------------------------


@breaks("trajectory")
class EpsilonElsewhere(ReferenceEngine):
    """Adam's ε where scikit-learn has it."""

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        if settings.rule.name == "adam":
            other = not settings.rule.settings["epsilon_inside"]
            self._update = RULES.get(settings.rule, epsilon_inside=other).bind(np)


@breaks("trajectory")
class EpsilonElsewhereInFloat32(EpsilonElsewhere):
    promises = Promises(tolerance={"float32": 64.0})


@breaks("trajectory")
class OnlyDefaultParameters(ReferenceEngine):
    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self._update = RULES.get(settings.rule.name).bind(np)


@breaks("trajectory")
class KeepsTheFirstRate(ReferenceEngine):
    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self.first = None

    def apply(self, grad, learning_rate, cost=None):
        self.first = learning_rate if self.first is None else self.first
        super().apply(grad, self.first, cost)


@breaks("trajectory")
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
    breaks("trajectory")(one_rule_off(rule.name))


# -- what is handed in and out ------------------------------------------------------------


@breaks("inputs_unchanged")
class WritesIntoX(ReferenceEngine):
    def predict(self, X, averaged=False):
        output = super().predict(X, averaged)
        X *= 0.5
        return output


@breaks("inputs_unchanged")
class WritesIntoRows(ReferenceEngine):
    def gradient(self, batch):
        batch.rows.sort()
        batch.rows[:] = np.arange(len(batch.rows))
        return super().gradient(batch)


@breaks("inputs_unchanged")
class KeepsTheta(ReferenceEngine):
    """θ is not copied, and moved where it is."""

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self._theta = theta

    def apply(self, grad, learning_rate, cost=None):
        place = self._theta
        super().apply(grad, learning_rate, cost)
        place[...] = self._theta
        self._theta = place


@breaks("inputs_unchanged")
class WritesIntoTheGradient(ReferenceEngine):
    def apply(self, grad, learning_rate, cost=None):
        grad[self.net.frozen] = 0
        super().apply(grad, learning_rate, cost)


@breaks("inputs_unchanged")
class OneBufferForAllPredictions(ReferenceEngine):
    def predict(self, X, averaged=False):
        output = super().predict(X, averaged)
        if getattr(self, "output", np.empty(0)).shape != output.shape:
            self.output = output
        self.output[...] = output
        return self.output


@breaks("inputs_unchanged")
class RestoresIntoTheState(ReferenceEngine):
    """What restore was given is what the engine goes on with."""

    def restore(self, state):
        super().restore(state)
        self._theta = state["theta"]

    def apply(self, grad, learning_rate, cost=None):
        place = self._theta
        super().apply(grad, learning_rate, cost)
        if place.flags.writeable:
            place[...] = self._theta
            self._theta = place


@breaks("inputs_unchanged")
class WantsToWrite(ReferenceEngine):
    def gradient(self, batch):
        if not batch.X.flags.writeable:
            raise ValueError("buffer source array is read-only")
        return super().gradient(batch)


@breaks("state")
class StateIsAView(ReferenceEngine):
    def state(self):
        return super().state() | {"theta": self._theta}

    def apply(self, grad, learning_rate, cost=None):
        place = self._theta
        super().apply(grad, learning_rate, cost)
        place[...] = self._theta
        self._theta = place


def forgets(what):
    """An engine whose state lacks something, which restore leaves as it is."""

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
    breaks("state")(forgets(what))


@breaks("state")
class RestoresAllButTheta(ReferenceEngine):
    def restore(self, state):
        super().restore(state | {"theta": self._theta})


@breaks("repeatable")
class TakesChances(ReferenceEngine):
    """From a generator of its own that load does not set back; far below every tolerance."""

    rng = np.random.default_rng(0)

    def apply(self, grad, learning_rate, cost=None):
        super().apply(grad, learning_rate, cost)
        noise = self.rng.integers(0, 2, self._theta.shape).astype(self.net.dtype)
        self._theta = self._theta * (1 + np.finfo(self.net.dtype).eps * noise)


@breaks("not_finite")
class MovesAnyway(ReferenceEngine):
    def step(self, batch, learning_rate):
        cost, grad = self.gradient(batch)
        self.apply(grad, learning_rate, cost)
        return cost


@breaks("not_finite")
class LooksAtTheCostOnly(ReferenceEngine):
    def step(self, batch, learning_rate):
        cost, grad = self.gradient(batch)
        if np.isfinite(cost):
            self.apply(grad, learning_rate, cost)
        return cost


@breaks("not_finite")
class SaysNothing(ReferenceEngine):
    def step(self, batch, learning_rate):
        cost = super().step(batch, learning_rate)
        return cost if np.isfinite(cost) else 0.0


@breaks("not_finite")
class CountsTheFailedStep(ReferenceEngine):
    def step(self, batch, learning_rate):
        before = self._t
        cost = super().step(batch, learning_rate)
        self._t = before + 1
        return cost

"""Engines with one fault each in their promises, gradients or dropout masks."""

from __future__ import annotations

import numpy as np
from tests.engines.broken import fails

from deltarule.engines import Promises, ReferenceEngine
from deltarule.engines.reference import ReferenceBfloat16Engine
from deltarule.maths import dropout_mask
from deltarule.maths.backprop import ForwardPass, cost_and_grad, loss_terms
from deltarule.maths.bfloat16 import Bfloat16Namespace

# -- promises ---------------------------------------------------------------------------------


@fails("promises")
class PromisesTooLittle(ReferenceEngine):
    promises = Promises(tolerance={"float64": 65.0})


@fails("promises")
class PromisesNaN(ReferenceEngine):
    promises = Promises(tolerance={"float32": float("nan")})


@fails("promises")
class PromisesNothing(ReferenceEngine):
    promises = Promises(tolerance={})


@fails("promises")
class PromisesAnotherType(ReferenceEngine):
    promises = Promises(tolerance={"float16": 64.0})


@fails("memory")
class AllocatesAfterAll(ReferenceEngine):
    promises = Promises(tolerance={"float64": 64.0}, allocates=False)


# -- products of bfloat16 -----------------------------------------------------------------


class Rounding(Bfloat16Namespace):
    """The products of the emulation, with operands rounded by ``operand``."""

    def product(self, a, b):
        return super().product(self.operand(a), self.operand(b))

    def affine(self, a, W, b):
        return super().affine(self.operand(a), self.operand(W), b)

    def operand(self, x):
        return x


class WithOtherProducts(ReferenceBfloat16Engine):
    Products: type = Rounding

    def _namespace(self, network):
        return self.Products()


@fails("products")
class RoundsTowardsZero(WithOtherProducts):
    class Products(Rounding):
        def operand(self, x):
            bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
            return (bits & np.uint32(0xFFFF0000)).view(np.float32)


@fails("products")
class RoundsNothing(WithOtherProducts):
    class Products(Rounding):
        def product(self, a, b):
            return a @ b

        def affine(self, a, W, b):
            return a @ W.T if b is None else a @ W.T + b


@fails("products")
class AddsInAnotherOrder(WithOtherProducts):
    class Products(Rounding):
        def product(self, a, b):
            return super().product(a[:, ::-1], b[::-1])


@fails("products")
class AddsTheBiasLast(WithOtherProducts):
    class Products(Rounding):
        def affine(self, a, W, b):
            z = self.product(a, W.T)
            return z if b is None else z + b


# -- gradients ----------------------------------------------------------------------------


@fails("gradient")
class OneBlockOff(ReferenceEngine):
    """The gradient of one block is wrong by 0.1 %."""

    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        self.net.blocks[-2].of(grad)[...] *= 1.001
        return cost, grad


@fails("gradient")
class NoBiasGradient(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        for block in self.net.blocks:
            if block.kind == "b":
                block.of(grad)[...] = 0
        return cost, grad


@fails("gradient")
class MeanOverOutputs(ReferenceEngine):
    """The cost is divided by the number of outputs, as in scikit-learn; the gradient is not."""

    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        return cost / self.net.n_outputs, grad


@fails("gradient")
class OneNodeForgotten(ReferenceEngine):
    """The sum of F13 lacks its last term."""

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


@fails("gradient")
class ForgetsWeights(ReferenceEngine):
    def gradient(self, batch):
        return super().gradient(batch._replace(w=np.full_like(batch.w, batch.w.mean())))


@fails("gradient")
class ClipsTheLoss(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        return min(cost, 2.0), grad


@fails("gradient")
class CostOff(ReferenceEngine):
    def cost(self, batch, averaged=False):
        return 1.001 * super().cost(batch, averaged)


@fails("gradient")
class PredictsZ(ReferenceEngine):
    def predict(self, X, averaged=False):
        net = self.net.with_changes(output_activation="identity", loss="squared_error")
        engine = ReferenceEngine()
        engine.load(net, self._theta, self.settings)
        return engine.predict(X)


@fails("gradient")
class NotThereYet(ReferenceEngine):
    def gradient(self, batch):
        raise NotImplementedError("backward pass")


@fails("shapes")
class WrongForOneRow(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        return cost, grad * (2 if len(batch.X) == 1 else 1)


@fails("shapes")
class WrongForWidthOne(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        return cost, grad * (2 if 1 in self.net.widths[1:-1] else 1)


@fails("shapes")
class LosesTheTail(ReferenceEngine):
    """The last columns of a wide layer, those that fill no vector, get no gradient."""

    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        for block in self.net.blocks:
            if block.kind == "W" and block.shape[1] > 64 and block.shape[1] % 8:
                block.of(grad)[:, -(block.shape[1] % 8) :] = 0
        return cost, grad


@fails("shapes")
class ReadsMemoryAsItLies(ReferenceEngine):
    def gradient(self, batch):
        X = batch.X.ravel(order="K").reshape(batch.X.shape)
        return super().gradient(batch._replace(X=X))


@fails("shapes")
class PredictsAFlatVector(ReferenceEngine):
    def predict(self, X, averaged=False):
        return super().predict(X, averaged).squeeze()


@fails("sum_of_parts")
class DividesByTheBatch(ReferenceEngine):
    def gradient(self, batch):
        return super().gradient(batch._replace(w=batch.w / batch.w.sum()))


@fails("sum_of_parts")
class OneBufferForAllGradients(ReferenceEngine):
    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        if getattr(self, "buffer", grad).shape != grad.shape or not hasattr(self, "buffer"):
            self.buffer = grad.copy()
        self.buffer[...] = grad
        return cost, self.buffer


@fails("permutation")
class FavoursTheFirstRow(ReferenceEngine):
    def gradient(self, batch):
        w = batch.w.copy()
        w[0] *= 1.01
        return super().gradient(batch._replace(w=w))


@fails("weight_two")
class TakesWeightsForFlags(ReferenceEngine):
    def gradient(self, batch):
        present = (batch.w > 0).astype(batch.w.dtype)
        return super().gradient(batch._replace(w=present / present.sum()))


@fails("weight_zero")
class ZeroTimesInfinity(ReferenceEngine):
    def passes(self, batch):
        X, Y, w = (np.asarray(part, dtype=self.net.dtype) for part in batch[:3])
        with np.errstate(all="ignore"):
            return cost_and_grad(self._xp, self.net, self._theta, X, Y, w, self.masks(batch))


@fails("weight_zero")
class ZeroTimesInfinityInCost(ReferenceEngine):
    def cost(self, batch, averaged=False):
        w, Y = batch.w.astype(self.net.dtype), batch.Y.astype(self.net.dtype)
        with np.errstate(all="ignore"):
            output = self.predict(batch.X, averaged)
            loss, _ = loss_terms(self._xp, self.net, ForwardPass([output], [], [output]), Y)
            return float((w * loss).sum())


@fails("weight_zero")
class NoRowIsNoNumber(ReferenceEngine):
    def gradient(self, batch):
        return super().gradient(batch) if batch.w.any() else (float("nan"), 0 * self._theta)


# -- dropout ------------------------------------------------------------------------------


@fails("dropout")
class MasksByPosition(ReferenceEngine):
    def masks(self, batch):
        return super().masks(batch._replace(rows=np.arange(len(batch.rows))))


@fails("dropout")
class SameMasksEveryStep(ReferenceEngine):
    def masks(self, batch):
        return super().masks(batch._replace(step=1))


@fails("dropout")
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


@fails("dropout")
class MasksNotScaledUp(ReferenceEngine):
    def masks(self, batch):
        masks = super().masks(batch)
        return masks and [None if m is None else np.sign(m) for m in masks]


@fails("dropout")
class DropsInPredict(ReferenceEngine):
    def predict(self, X, averaged=False):
        output = super().predict(X, averaged)
        return output * 0.5 if any(self._rates) else output


@fails("dropout")
class DropsInCost(ReferenceEngine):
    def cost(self, batch, averaged=False):
        return self.gradient(batch)[0] if any(self._rates) else super().cost(batch, averaged)


# -- input and sample gradients -----------------------------------------------------------


@fails("input_gradient")
class ForgetsTheWeightOfTheInputs(ReferenceEngine):
    def input_gradient(self, batch):
        return super().input_gradient(batch._replace(w=np.ones(len(batch.X))))


@fails("input_gradient")
class StopsAtTheFirstWeightedInput(ReferenceEngine):
    """Returns δ^1 instead of δ^1 W^1."""

    def input_gradient(self, batch):
        got = super().input_gradient(batch)
        return np.resize(self.passes(batch).delta[1], got.shape)


@fails("sample_gradients")
class WeighsTheSamples(ReferenceEngine):
    def sample_gradients(self, batch):
        return super().sample_gradients(batch) * np.asarray(batch.w)[:, None]


@fails("sample_gradients")
class OneRowForAll(ReferenceEngine):
    def sample_gradients(self, batch):
        each = super().sample_gradients(batch)
        return np.broadcast_to(each.mean(axis=0), each.shape)


@fails("sample_gradients")
class LeavesOutAbsentRows(ReferenceEngine):
    def sample_gradients(self, batch):
        return super().sample_gradients(batch) * (np.asarray(batch.w) != 0)[:, None]

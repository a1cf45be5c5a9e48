"""The reference engine: the formulas of ``maths`` and ``optimizers``, run with NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from deltarule.engines.base import Batch, Engine, EngineSettings
from deltarule.engines.promises import BFLOAT16_TOLERANCE, Promises
from deltarule.maths import Network, dropout_mask, numpy_namespace
from deltarule.maths.backprop import cost_and_grad, forward_pass, loss_terms, sample_gradients
from deltarule.maths.bfloat16 import BFLOAT16_EPS, bfloat16_namespace
from deltarule.maths.namespace import ArrayNamespace
from deltarule.maths.pass_results import Gradients
from deltarule.maths.penalties import penalty_terms
from deltarule.optimizers import StepInfo, average, clip_by_norm

__all__ = ["ReferenceBfloat16Engine", "ReferenceEngine"]


class ReferenceEngine(Engine):
    """Runs :func:`deltarule.maths.backprop.cost_and_grad` and the update rules with NumPy.

    All other engines are tested against this one.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.engines import Batch, EngineSettings, ReferenceEngine
    >>> from deltarule.maths import Network
    >>> engine = ReferenceEngine()
    >>> net = Network([1, 1], activation=[], bias=False)
    >>> engine.load(net, np.array([3.0]), EngineSettings(rule="sgd"))
    >>> one = np.ones((1, 1))
    >>> engine.step(Batch(one, one, np.ones(1), np.arange(1), step=1), learning_rate=0.25)
    4.0
    >>> engine.theta
    array([2.])
    """

    name: ClassVar[str] = "reference"
    promises = Promises(tolerance={"float32": 64.0, "float64": 64.0})

    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        self.net, self.settings = network, settings
        self._xp = self._namespace(network)
        self._theta = network.check_theta(theta).copy()
        self._rates = self.dropout_rates()
        rule = settings.rule
        self._update = rule.bind(self._xp)  # type: ignore[union-attr]
        self._slots = rule.initial_slots(np, self._theta)  # type: ignore[union-attr]
        self._mean = self._theta.copy() if settings.averaging is not None else None
        self._t = 0
        self._some_frozen = network.some_frozen

    def _namespace(self, network: Network) -> ArrayNamespace:
        """The namespace in which the passes and the rule are computed."""
        return numpy_namespace(network.dtype)

    @property
    def theta(self) -> np.ndarray:
        view = self._theta.view()
        view.flags.writeable = False
        return view

    @property
    def averaged_theta(self) -> np.ndarray:
        return self.theta if self._mean is None else self._mean.copy()

    def predict(self, X: np.ndarray, averaged: bool = False) -> np.ndarray:
        theta = self.averaged_theta if averaged else self._theta
        rows = np.ascontiguousarray(X, dtype=self.net.dtype)
        with np.errstate(all="ignore"):
            output: np.ndarray = forward_pass(self._xp, self.net, theta, rows).output
        return output

    def cost(self, batch: Batch, averaged: bool = False) -> float:
        dtype = self.net.dtype
        theta = self.averaged_theta if averaged else self._theta
        X, Y, w = (np.ascontiguousarray(part, dtype=dtype) for part in batch[:3])
        with np.errstate(all="ignore"):
            passed = forward_pass(self._xp, self.net, theta, X)
            loss, _ = loss_terms(self._xp, self.net, passed, Y)
            return float(np.where(w == 0, 0, w * loss).sum())

    def masks(self, batch: Batch) -> list[Any] | None:
        """The dropout masks of a step: item l for layer l, None for a layer without dropout."""
        if not any(self._rates):
            return None
        masks: list[Any] = [None] * (self.net.n_layers + 1)
        for layer, rate in enumerate(self._rates, start=1):
            if rate > 0:
                key = {"seed": self.settings.seed, "step": batch.step, "layer": layer}
                width, dtype = self.net.widths[layer], self.net.dtype
                masks[layer] = dropout_mask(rate, batch.rows, width, dtype=dtype, **key)
        return masks

    def passes(self, batch: Batch) -> Gradients:
        """All results of the forward and the backward pass for a batch."""
        dtype = self.net.dtype
        w = np.asarray(batch.w, dtype=dtype)
        X, Y = (np.ascontiguousarray(part, dtype=dtype) for part in (batch.X, batch.Y))
        with np.errstate(all="ignore"):
            return cost_and_grad(
                self._xp, self.net, self._theta, X, Y, w, self.masks(batch), bool((w == 0).any())
            )

    def gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        got = self.passes(batch)
        return float(got.cost), self.net.pack(got.dW, got.db if self.net.bias else None)

    def input_gradient(self, batch: Batch) -> np.ndarray:
        dX: np.ndarray = self.passes(batch).dX
        return dX

    def sample_gradients(self, batch: Batch) -> np.ndarray:
        """∂C_i/∂θ of every row, of shape (B, p): products of δ^l and a^{l−1}, with weight 1."""
        got = self.passes(batch._replace(w=np.ones(len(batch.X))))
        with np.errstate(all="ignore"):
            return sample_gradients(self.net, got)

    def penalty_cost(self) -> float:
        return float(self._penalty()[0]) if self.settings.penalties else 0.0

    def _penalty(self) -> tuple[Any, Any]:
        settings, net = self.settings, self.net
        with np.errstate(all="ignore"):
            return penalty_terms(
                self._xp, settings.penalties, self._theta, net.is_weight, settings.total_weight
            )

    def apply(self, grad: np.ndarray, learning_rate: float, cost: float | None = None) -> None:
        settings, net = self.settings, self.net
        grad = np.asarray(grad, dtype=net.dtype)
        if settings.penalties:
            penalty, slope = self._penalty()
            grad = grad + slope
            cost = None if cost is None else cost + float(penalty)
        if self._some_frozen:
            grad = np.where(net.frozen, 0, grad)
        if settings.clip_norm is not None:
            grad, _ = clip_by_norm(np, grad, settings.clip_norm)
        self._t += 1
        info = StepInfo(t=self._t, learning_rate=learning_rate, cost=cost, weights=net.is_weight)
        with np.errstate(all="ignore"):
            theta, self._slots = self._update(self._theta, grad, self._slots, info)
        # The gradient of a frozen parameter is 0, but weight decay would still change it.
        self._theta = np.where(net.frozen, self._theta, theta) if self._some_frozen else theta
        if self._mean is not None and settings.averaging is not None:
            self._mean = average(np, self._mean, self._theta, settings.averaging, self._t)

    def state(self) -> dict[str, np.ndarray]:
        state = {"theta": self._theta.copy(), "t": np.array(self._t, dtype=np.int64)}
        state |= {f"slot.{name}": np.array(value) for name, value in self._slots.items()}
        if self._mean is not None:
            state["mean"] = self._mean.copy()
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.check_state(state)
        self._theta = np.array(state["theta"], dtype=self.net.dtype)
        self._t = int(state["t"])
        self._slots = {
            name: np.array(state[f"slot.{name}"], dtype=self.net.dtype) for name in self._slots
        }
        if self._mean is not None:
            self._mean = np.array(state["mean"], dtype=self.net.dtype)


class ReferenceBfloat16Engine(ReferenceEngine):
    """The reference engine with matrix products of bfloat16 operands and float32 sums.

    Each product rounds its operands to the nearest bfloat16 and adds term by term, with one
    rounding to float32 for each: bit for bit the products of the compiled engine on a processor
    with AVX512-BF16. Parameters, activations, δ, sums over rows and updates are float32. A network
    has dtype float32. It needs a pass over a matrix for each term of its sums: for checks on small
    networks.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.engines import EngineSettings, make_engine
    >>> from deltarule.maths import Network
    >>> engine = make_engine("reference_bfloat16")
    >>> net = Network([1, 1], activation=[], bias=False, dtype=np.float32)
    >>> engine.load(net, np.array([1 + 2.0**-10], np.float32), EngineSettings())
    >>> engine.predict(np.ones((1, 1)))
    array([[1.]], dtype=float32)
    """

    name: ClassVar[str] = "reference_bfloat16"
    promises = Promises(
        tolerance={"float32": BFLOAT16_TOLERANCE},
        eps={"float32": BFLOAT16_EPS},
        same_products_as="reference_bfloat16",
    )

    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        self.promises.check_dtype(network, self.name)
        super().load(network, theta, settings)

    def _namespace(self, network: Network) -> ArrayNamespace:
        return bfloat16_namespace()

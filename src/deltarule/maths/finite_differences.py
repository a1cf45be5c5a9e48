"""Finite differences of the cost, for the gradient check.

A derivative of C(θ) is estimated from central differences at several step sizes by Richardson
extrapolation, together with its uncertainty.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.maths.backprop import Masks, forward_pass
from deltarule.maths.formula_check import EPS, UNDERFLOW, wrong_loss
from deltarule.maths.namespace import numpy_namespace
from deltarule.maths.network import Network, bound_formulas

__all__ = ["COARSE", "DifferencedCost", "difference"]

_STEPS = (4e-3, 1e-3, 1e-4, 1e-5)
# A difference with a larger uncertainty, relative to the derivative, is repeated with another step.
COARSE = 1e-6
# The relative distance from a kink below which a row counts as lying at the kink.
_NEAR = 1e-4


class DifferencedCost:
    """C as a function of θ, together with the side of every kink on which each value lies.

    Derivatives are wanted at ``theta``; ``here`` is the result there. With ``linear=True`` it is
    the function Σ_i w_i Σ_j u_ij a_ij^L of :mod:`deltarule.maths.gradcheck`, which is linear in
    the output and has the derivative of C.
    """

    def __init__(
        self,
        net: Network,
        theta: np.ndarray,
        X: Any,
        Y: Any,
        w: np.ndarray,
        masks: Masks,
        *,
        linear: bool = False,
    ) -> None:
        self.net, self.theta, self.X, self.w, self.masks = net, theta, X, w, masks
        self.xp = numpy_namespace(np.float64)
        self.given = Y
        self.Y = net.loss.prepare(Y, len(X), net.n_outputs, np.float64)
        self.loss_kinks = net.loss.kink_values()
        self.evaluate_sides = bool(self.loss_kinks) or any(
            g is not None and g.kinks for g in net.activations
        )
        _, self.loss = bound_formulas(net, self.xp)
        with np.errstate(all="ignore"):
            self.at = forward_pass(self.xp, net, theta, X, masks)
        self.rates: np.ndarray | None = None
        self.rate_scale = 1.0
        if linear:
            with np.errstate(all="ignore"):
                rates = self.w[:, None] * self._loss_and_rates(self.at)[1]
                self.rate_scale = float(np.abs(rates[self.w != 0]).max(initial=0.0)) or 1.0
                self.rates = np.where(self.w[:, None] == 0, 0, rates) / self.rate_scale
        self.here = self(theta)

    def linear(self) -> DifferencedCost:
        """The linear function of the same rows and θ."""
        return DifferencedCost(
            self.net, self.theta, self.X, self.given, self.w, self.masks, linear=True
        )

    def wrong_loss(self) -> str | None:
        """An explanation if the loss's derivative is not that of its value, else None."""
        return wrong_loss(self.xp, self.net, self.at, self.Y, self.w != 0)

    def _loss_and_rates(self, passed: Any) -> tuple[Any, Any]:
        """The terms of C_i, and ∂C_i/∂a^L, or ∂C_i/∂z^L where loss and output are fused."""
        if self.loss.from_input is not None:
            return self.loss.from_input(passed.Z[-1], self.Y)
        return self.loss.from_output(passed.G[-1], self.Y)

    def __call__(self, theta: np.ndarray) -> tuple[float, bytes, float]:
        """The value, the packed sides of the kinks, and the sum of the terms' absolute values."""
        with np.errstate(all="ignore"):
            passed = forward_pass(self.xp, self.net, theta, self.X, self.masks)
            if self.rates is None:
                loss = self._loss_and_rates(passed)[0].sum(axis=1)
                terms = np.where(self.w == 0, 0, self.w * loss)
            else:
                output = passed.Z[-1] if self.loss.from_input is not None else passed.G[-1]
                terms = np.where(self.rates == 0, 0, self.rates * output)
            value, size = float(terms.sum()), float(np.abs(terms).sum())
        return value, self._sides(passed) if self.evaluate_sides else b"", size

    def _sides(self, passed: Any) -> bytes:
        sides = [at > kink for at, kink in self._kinks(passed)]
        return b"".join(np.packbits(side[self.w != 0]).tobytes() for side in sides)

    def _kinks(self, passed: Any) -> list[tuple[Any, float]]:
        """Pairs of an array that may cross a kink, and the kink's position."""
        kinks = [
            (passed.Z[layer], kink)
            for layer, g in enumerate(self.net.activations)
            if g is not None
            for kink in g.kinks
        ]
        return kinks + [(passed.output - self.Y, kink) for kink in self.loss_kinks]

    def rows_at_kinks(self) -> np.ndarray:
        """Whether each row lies at a kink, within a relative distance of 1e-4; shape (N,)."""
        near = np.zeros(len(self.X), dtype=bool)
        for at, kink in self._kinks(self.at):
            size = np.maximum(1, np.abs(at).max(axis=0, initial=0.0))
            near |= (np.abs(at - kink) <= _NEAR * size).any(axis=1)
        return near & (self.w != 0)

    def step_sizes(self, m: int) -> list[float]:
        """Scales for the step in θ_m: its own size, and the change that changes z by its own size.

        The second is needed for inputs of extreme size: with inputs of 1e-150 a weight has to
        change by 1e147 to have a visible effect, with inputs of 1e150 by 1e-153.
        """
        block, position = self.net.block_at(m)
        present = self.w != 0
        z = float(np.abs(self.at.Z[block.layer][present, position[0]]).max(initial=0.0))
        a = 1.0
        if block.kind == "W":
            a = float(np.abs(self.at.A[block.layer - 1][present, position[1]]).max(initial=0.0))
        own = max(1.0, abs(float(self.theta[m])))
        if not a > 0:
            return [own]
        with np.errstate(over="ignore"):
            natural, least = max(1.0, z) / a, z / a
        # With a far too long step both costs lie at the flat ends of a tanh, and the difference
        # is wrong with a small estimated uncertainty.
        sizes = [min(own, 100 * natural), natural, least]
        sizes = [size for size in sizes if 0 < size < np.inf]
        return list(dict.fromkeys(sizes))


def difference(cost: DifferencedCost, m: int) -> tuple[float, float] | None:
    """∂C/∂θ_m and its uncertainty, by extrapolated central differences; None at a kink."""
    best: tuple[float, float] | None = None
    for scale in cost.step_sizes(m):
        found = _difference_at_scale(scale, cost, m)
        if found is not None and (best is None or found[1] < best[1]):
            best = found
        if best is not None and best[1] <= COARSE * abs(best[0]):
            break
    return None if best is None else (best[0] * cost.rate_scale, best[1] * cost.rate_scale)


def _difference_at_scale(scale: float, cost: DifferencedCost, m: int) -> tuple[float, float] | None:
    best: tuple[float, float] | None = None
    theta, here = cost.theta, cost.here
    moved = theta.copy()
    for step in _STEPS:
        D, straddles, size = [], False, here[2]
        for h in (step * scale, step * scale / 2, step * scale / 4):
            moved[m] = theta[m] + h
            up, plus = moved[m], cost(moved)
            moved[m] = theta[m] - h
            down, minus = moved[m], cost(moved)
            straddles = straddles or not plus[1] == minus[1] == here[1]
            size = max(size, plus[2], minus[2])
            D.append((plus[0] - minus[0]) / (up - down) if up != down else np.inf)
        if straddles or not np.isfinite(D).all():
            continue
        R1, R2 = (4 * D[1] - D[0]) / 3, (4 * D[2] - D[1]) / 3
        value = (16 * R2 - R1) / 15
        rounding = 8 * (EPS * (size / (step * scale)) + UNDERFLOW / (step * scale))
        # The quotient may be subnormal, and so may the terms that backpropagation adds up.
        rounding += 8 * UNDERFLOW * (1 + len(cost.X))
        uncertainty = abs(R2 - R1) + rounding
        if not np.isfinite(uncertainty):
            continue
        if best is None or uncertainty < best[1]:
            best = (value, uncertainty)
        if abs(R2 - R1) <= rounding:
            break
    return best

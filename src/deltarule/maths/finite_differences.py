"""Finite differences of the cost, for the gradient check.

A derivative of C(θ) is estimated from central differences at several step sizes by Richardson
extrapolation, together with its uncertainty. The costs at many points θ are computed in one forward
pass, whose rows are those of all points: for small networks that takes a tenth of the time.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from deltarule.maths.backprop import Masks, forward_pass, layer_pass
from deltarule.maths.formula_check import EPS, UNDERFLOW, wrong_loss
from deltarule.maths.namespace import numpy_namespace
from deltarule.maths.network import Network, bound_formulas

__all__ = ["COARSE", "DifferencedCost", "differences"]

_STEPS = (4e-3, 1e-3, 1e-4, 1e-5)
# A difference with a larger uncertainty, relative to the derivative, is repeated with another step.
COARSE = 1e-6
# The relative distance from a kink below which a row counts as lying at the kink.
_NEAR = 1e-4
# How many numbers the arrays of one forward pass of many points may have: 1 MB.
_PASS_NUMBERS = 1 << 17
# The cost at a point, computed with others and alone, may differ by so many rounding errors.
_AGREEMENT = 256 * EPS


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
        self.activations, self.loss = bound_formulas(net, self.xp)
        widest = max(len(X) * max(net.widths), net.n_parameters)
        self.points_at_once = max(_PASS_NUMBERS // widest, 1)
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
        present = self.w != 0
        self._z_sizes = [_column_sizes(z, present) for z in self.at.Z]
        self._a_sizes = [_column_sizes(a, present) for a in self.at.A]

    def linear(self) -> DifferencedCost:
        """The linear function of the same rows and θ."""
        return DifferencedCost(
            self.net, self.theta, self.X, self.given, self.w, self.masks, linear=True
        )

    def wrong_loss(self) -> str | None:
        """An explanation if the loss's derivative is not that of its value, else None."""
        return wrong_loss(self.xp, self.net, self.at, self.Y, self.w != 0)

    def _loss_and_rates(self, passed: Any, Y: np.ndarray | None = None) -> tuple[Any, Any]:
        """The terms of C_i, and ∂C_i/∂a^L, or ∂C_i/∂z^L where loss and output are fused."""
        Y = self.Y if Y is None else Y
        if self.loss.from_input is not None:
            return self.loss.from_input(passed.Z[-1], Y)
        return self.loss.from_output(passed.G[-1], Y)

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, float]:
        """The value, the sides of the kinks, and the sum of the terms' absolute values."""
        with np.errstate(all="ignore"):
            passed = forward_pass(self.xp, self.net, theta, self.X, self.masks)
            value, sides, size = self._found(passed, 1)
        return float(value[0]), sides[0], float(size[0])

    def at_points(
        self, entries: np.ndarray, moved: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The results of :meth:`__call__` at many points, as three arrays.

        Point k is θ with ``moved[k]`` in the place of entry ``entries[k]``.
        """
        parts = []
        at_once = self.points_at_once if self._points_can_share_a_pass else 1
        for start in range(0, len(entries), at_once):
            some = slice(start, start + at_once)
            points = np.tile(self.theta, (len(entries[some]), 1))
            points[np.arange(len(points)), entries[some]] = moved[some]
            parts.append(self._in_one_pass(points) if at_once > 1 else self._one_by_one(points))
        values, sides, sizes = (np.concatenate(each) for each in zip(*parts, strict=True))
        return values, sides, sizes

    @functools.cached_property
    def _points_can_share_a_pass(self) -> bool:
        """Whether a point has the same results in a pass with others as in one of its own.

        It has not if a formula, against the rules, mixes the rows of a batch: that would mix
        points, and hide the fault. The points that are tried differ in all parameters. Nor can a
        formula that branches on the value of a single number have more rows.
        """
        if self.points_at_once == 1:
            return False
        away = np.random.default_rng(0).uniform(-1, 1, self.theta.shape) * (1 + np.abs(self.theta))
        points = np.stack([self.theta, self.theta + away, self.theta - away, self.theta / 2])
        alone = self._one_by_one(points)
        try:
            shared = self._in_one_pass(points)
        except ValueError:
            return False
        with np.errstate(all="ignore"):
            rounding = _AGREEMENT * alone[2]
            same = (np.abs(shared[0] - alone[0]) <= rounding) | (shared[0] == alone[0])
            same |= np.isnan(shared[0]) & np.isnan(alone[0])
        return bool(same.all() and (shared[1] == alone[1]).all())

    def _one_by_one(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The results at points, each from a pass of its own."""
        values, sides, sizes = zip(*map(self, points), strict=True)
        return np.array(values), np.array(sides), np.array(sizes)

    def _in_one_pass(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The results from one pass, in which every point has rows of its own."""
        count, layers = len(points), range(self.net.n_layers + 1)
        W: list[Any] = [None for _ in layers]
        b: list[Any] = [None for _ in layers]
        for block in self.net.blocks:
            part = points[:, block.start : block.stop].reshape(count, *block.shape)
            (W if block.kind == "W" else b)[block.layer] = part

        def repeated(rows: Any) -> Any:
            return None if rows is None else np.tile(rows, (count, 1))

        def affine(a: np.ndarray, W: np.ndarray, b: np.ndarray | None) -> np.ndarray:
            z = a.reshape(count, -1, a.shape[1]) @ W.transpose(0, 2, 1)
            z = z if b is None else z + b[:, None]
            return z.reshape(-1, z.shape[2])

        masks = None if self.masks is None else [repeated(mask) for mask in self.masks]
        with np.errstate(all="ignore"):
            passed = layer_pass(affine, self.activations, W, b, repeated(self.X), masks)
            return self._found(passed, count)

    def _found(self, passed: Any, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, sides and size of each point, from a pass over the rows of all of them."""
        Y = self.Y if count == 1 else np.tile(self.Y, (count, 1))
        if self.rates is None:
            loss = self._loss_and_rates(passed, Y)[0].sum(axis=1).reshape(count, -1)
            terms = np.where(self.w == 0, 0, self.w * loss)
        else:
            output = passed.Z[-1] if self.loss.from_input is not None else passed.G[-1]
            output = output.reshape(count, *self.rates.shape)
            terms = np.where(self.rates == 0, 0, self.rates * output).reshape(count, -1)
        sides = np.zeros((count, 0), dtype=bool)
        if self.evaluate_sides:
            present = self.w != 0
            each = [
                (at > kink).reshape(count, len(present), -1)[:, present].reshape(count, -1)
                for at, kink in self._kinks(passed, Y)
            ]
            sides = np.concatenate(each, axis=1)
        return terms.sum(axis=1), sides, np.abs(terms).sum(axis=1)

    def _kinks(self, passed: Any, Y: np.ndarray) -> list[tuple[Any, float]]:
        """Pairs of an array that may cross a kink, and the kink's position."""
        kinks = [
            (passed.Z[layer], kink)
            for layer, g in enumerate(self.net.activations)
            if g is not None
            for kink in g.kinks
        ]
        return kinks + [(passed.output - Y, kink) for kink in self.loss_kinks]

    def rows_at_kinks(self) -> np.ndarray:
        """Whether each row lies at a kink, within a relative distance of 1e-4; shape (N,)."""
        near = np.zeros(len(self.X), dtype=bool)
        for at, kink in self._kinks(self.at, self.Y):
            size = np.maximum(1, np.abs(at).max(axis=0, initial=0.0))
            near |= (np.abs(at - kink) <= _NEAR * size).any(axis=1)
        return near & (self.w != 0)

    def step_sizes(self, m: int) -> list[float]:
        """Scales for the step in θ_m: its own size, and the change that changes z by its own size.

        The second is needed for inputs of extreme size: with inputs of 1e-150 a weight has to
        change by 1e147 to have a visible effect, with inputs of 1e150 by 1e-153.
        """
        block, position = self.net.block_at(m)
        z = self._z_sizes[block.layer][position[0]]
        a = self._a_sizes[block.layer - 1][position[1]] if block.kind == "W" else 1.0
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


def _column_sizes(values: np.ndarray | None, present: np.ndarray) -> list[float]:
    """The largest size in each column, of the rows that are present."""
    if values is None:
        return []
    sizes: list[float] = np.abs(values[present]).max(axis=0, initial=0.0).tolist()
    return sizes


def differences(cost: DifferencedCost, entries: list[int]) -> list[tuple[float, float] | None]:
    """∂C/∂θ_m and its uncertainty for each m, by extrapolated central differences; None at a kink.

    Parameters
    ----------
    cost : DifferencedCost
    entries : list of int
        Each m, the number of an entry of θ.
    """
    best: list[tuple[float, float] | None] = [None] * len(entries)
    waiting = {place: cost.step_sizes(m) for place, m in enumerate(entries)}
    while waiting:
        scales = np.array([sizes.pop(0) for sizes in waiting.values()])
        found = _differences_at_scales(scales, cost, np.array([entries[k] for k in waiting]))
        for place, (value, uncertainty) in zip(waiting, found, strict=True):
            known = best[place]
            if uncertainty < np.inf and (known is None or uncertainty < known[1]):
                best[place] = value, uncertainty
        again = [place for place, sizes in waiting.items() if sizes and _coarse(best[place])]
        waiting = {place: waiting[place] for place in again}
    scale = cost.rate_scale
    return [None if each is None else (each[0] * scale, each[1] * scale) for each in best]


def _coarse(found: tuple[float, float] | None) -> bool:
    """Whether a difference is repeated with another step."""
    return found is None or not found[1] <= COARSE * abs(found[0])


def _differences_at_scales(
    scales: np.ndarray, cost: DifferencedCost, entries: np.ndarray
) -> list[tuple[float, float]]:
    """The best differences of entries of θ and their uncertainties, which are ∞ at a kink.

    ``scales[k]`` is the scale of the steps in entry ``entries[k]``.
    """
    value, uncertainty = np.zeros(len(entries)), np.full(len(entries), np.inf)
    going_on = np.arange(len(entries))
    for step in _STEPS:
        if not len(going_on):
            break
        with np.errstate(all="ignore"):
            found, by, exact = _extrapolated(step * scales[going_on], cost, entries[going_on])
        better = by < uncertainty[going_on]
        value[going_on[better]], uncertainty[going_on[better]] = found[better], by[better]
        going_on = going_on[~exact]
    return list(zip(value.tolist(), uncertainty.tolist(), strict=True))


def _extrapolated(
    steps: np.ndarray, cost: DifferencedCost, entries: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differences of steps h, h/2 and h/4, extrapolated, one for each entry of θ.

    Returns
    -------
    value : array of shape (M,)
    uncertainty : array of shape (M,)
        ∞ where a step straddles a kink or a cost is not finite.
    exact : boolean array of shape (M,)
        Whether rounding is all that is uncertain, so that shorter steps are no better.
    """
    h = steps[:, None] * np.array([1.0, 0.5, 0.25])
    at = cost.theta[entries][:, None]
    moved = np.stack([at + h, at - h], axis=2)  # (M, 3, 2)
    values, sides, sizes = cost.at_points(np.repeat(entries, 6), moved.ravel())
    values, sizes = values.reshape(moved.shape), sizes.reshape(len(entries), 6)
    away = (sides == cost.here[1]).all(axis=1).reshape(len(entries), 6).all(axis=1)
    size = np.maximum(sizes.max(axis=1), cost.here[2])
    gap = moved[:, :, 0] - moved[:, :, 1]
    D = np.where(gap != 0, (values[:, :, 0] - values[:, :, 1]) / gap, np.inf)
    R1, R2 = (4 * D[:, 1] - D[:, 0]) / 3, (4 * D[:, 2] - D[:, 1]) / 3
    rounding = 8 * (EPS * (size / steps) + UNDERFLOW / steps)
    # The quotient may be subnormal, and so may the terms that backpropagation adds up.
    rounding += 8 * UNDERFLOW * (1 + len(cost.X))
    uncertainty = np.abs(R2 - R1) + rounding
    usable = away & np.isfinite(D).all(axis=1) & np.isfinite(uncertainty)
    exact = usable & (np.abs(R2 - R1) <= rounding)
    return (16 * R2 - R1) / 15, np.where(usable, uncertainty, np.inf), exact

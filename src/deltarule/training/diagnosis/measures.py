"""Measurements of a network and its gradient in each layer, in one pass over the rows by batches.

With p_i = w_i/Σw and δ_i^l = ∂Cᵢ/∂z^l of one row, before w_i:

    ‖δ^l‖² = Σ_i p_i ‖δ_i^l‖²,   ‖a^l‖² = Σ_i p_i ‖a_i^l‖²,   RMS = norm / √n_l
    ‖∂Cᵢ/∂θ^l‖² = ‖δ_i^l‖² (‖a_i^{l−1}‖² + 1)        (without the 1 if there are no biases)
    SNR^l = ‖ḡ‖ / √(Σ_i p_i ‖g_i − ḡ‖²),   g_i = ∂Cᵢ/∂θ^l,   ḡ = Σ_i p_i g_i

The second line is exact, since ∂Cᵢ/∂W^l is the outer product of δ_i^l and a_i^{l−1}, so no
gradient of a single row is formed. Neither does the third line need any, because
Σ p_i ‖g_i − ḡ‖² = Σ p_i ‖g_i‖² − ‖ḡ‖².
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.maths import Activation, Network, numpy_namespace
from deltarule.maths.backprop import cost_and_grad
from deltarule.maths.network import bound_formulas
from deltarule.maths.pass_results import Gradients

__all__ = [
    "FLAT",
    "MOSTLY",
    "LayerMeasures",
    "Measurements",
    "largest_slope",
    "measure_rows",
    "ratio",
    "series",
]

# Numbers in the arrays of one batch; each pass holds some ten arrays of this size.
_AT_A_TIME = 1 << 20

FLAT = 0.05
"""A slope is flat where |g′(z)| is below this fraction of the largest |g′| anywhere."""

MOSTLY = 0.9
"""A node is saturated if its slope is flat in this share of the rows, by weight."""


@dataclasses.dataclass(frozen=True)
class LayerMeasures:
    """The numbers of one layer, at one θ.

    Attributes
    ----------
    layer, nodes, parameters : int
        l, n_l, and the number of weights and biases of the layer.
    weight_norm, weight_rms : float
        ‖W^l‖ and ‖W^l‖/√(n_l n_{l−1}), without biases.
    activation_norm, activation_rms : float
        √(Σ_i p_i ‖a_i^l‖²), and that over √n_l.
    delta_norm, delta_rms : float
        √(Σ_i p_i ‖∂Cᵢ/∂z^l‖²), and that over √n_l.
    gradient_norm, gradient_rms : float
        ‖∂C/∂θ^l‖ of W^l and b^l together, and that over √(number of parameters).
    gradient_ratio : float
        ‖∂C/∂W^l‖/‖W^l‖.
    update_ratio : float
        ‖ΔW^l‖/‖W^l‖ of the step; NaN if no step is known.
    snr : float
        The gradient's signal-to-noise ratio between rows; infinite if all rows agree.
    noise_scale : float
        1/SNR²: the batch size at which the mean gradient has as much noise as signal.
    delta_ratio, delta_factor : float
        ‖δ^l‖/‖δ^L‖, and ‖δ^l‖/‖δ^{l+1}‖ (1 for the last layer).
    slope_rms : float
        √(Σ_i p_i Σ_j g′(z_ij)²/n_l); NaN for softmax, which has no slope.
    dead : float
        The share of nodes with g′(z) = 0 in every row; NaN for softmax.
    saturated : float
        The share of nodes that are not dead and whose slope is flat in most rows: see
        :data:`FLAT` and :data:`MOSTLY`. NaN where no largest slope exists.
    flat : float
        The share of flat slopes among all nodes and rows; NaN where no largest slope exists.
    """

    layer: int
    nodes: int
    parameters: int
    weight_norm: float
    weight_rms: float
    activation_norm: float
    activation_rms: float
    delta_norm: float
    delta_rms: float
    gradient_norm: float
    gradient_rms: float
    gradient_ratio: float
    update_ratio: float
    snr: float
    noise_scale: float
    delta_ratio: float
    delta_factor: float
    slope_rms: float
    dead: float
    saturated: float
    flat: float


@dataclasses.dataclass(frozen=True)
class Measurements:
    """The measurements of one pass over the rows.

    Attributes
    ----------
    layers : tuple of LayerMeasures
        For l = 1 … L.
    input_rms : float
        √(Σ_i p_i ‖xᵢ‖²/n_0).
    cost : float
        C = Σ_i ωᵢ Cᵢ.
    grad : array of shape (p,)
        ∂C/∂θ of the data term.
    loss, sample_norms : arrays of shape (N,)
        Cᵢ and ‖∂Cᵢ/∂θ‖ before w_i, also of rows of weight 0.
    dead_nodes, saturated_nodes : tuples of integer arrays
        For l = 1 … L, the numbers j of these nodes.
    """

    layers: tuple[LayerMeasures, ...]
    input_rms: float
    cost: float
    grad: np.ndarray
    loss: np.ndarray
    sample_norms: np.ndarray
    dead_nodes: tuple[np.ndarray, ...]
    saturated_nodes: tuple[np.ndarray, ...]


@functools.lru_cache(maxsize=64)
def largest_slope(activation: Activation) -> tuple[float, bool]:
    """The largest |g′(z)|, and whether a flat slope means "off" rather than "saturated".

    Both are found by evaluating the slope from z = −1000 to 1000, so this also works for a user's
    own activation. The first is infinite for a slope that still grows there (exp), and NaN for
    softmax. The second is true where g is a straight line with a flat slope already within |z| ≤ 1
    (ReLU, leaky ReLU): a node in that part is off, which is normal for it.

    Examples
    --------
    >>> from deltarule.maths import ACTIVATIONS
    >>> [largest_slope(ACTIVATIONS.get(name)) for name in ("logistic", "relu", "exp")]
    [(0.25, False), (1.0, True), (inf, False)]
    """
    if not activation.elementwise:
        return float("nan"), False
    g = activation.bind(numpy_namespace(np.float64))
    assert g.slope is not None
    right = np.concatenate([np.linspace(0, 10, 4001), np.geomspace(10, 1000, 400)[1:]])
    z = np.concatenate([-right[:0:-1], right])
    with np.errstate(all="ignore"):
        slope = np.abs(np.broadcast_to(g.slope(z, g.value(z)), z.shape))
    near = slope[np.abs(z) <= 100]
    largest = float(np.max(slope))
    sides = (slope[(z < -0.5) & (z >= -1)], slope[(z > 0.5) & (z <= 1)])
    off = any(np.ptp(side) == 0 and side[0] < FLAT * largest for side in sides)
    if not np.isfinite(largest) or largest > 1.5 * float(near.max()):
        return float("inf"), off
    return largest, off


class _Sums:
    """Sums over the batches, for layers 1 … L."""

    def __init__(self, net: Network, n_rows: int) -> None:
        self.net = net
        self.cost = 0.0
        self.grad = np.zeros(net.n_parameters)
        self.W, self.b = net.unpack(self.grad)
        self.loss, self.norms = np.zeros(n_rows), np.zeros(n_rows)
        self.a2 = np.zeros(net.n_layers + 1)
        self.d2, self.g2, self.s2 = (np.zeros(net.n_layers + 1) for _ in range(3))
        # Whether a node's slope is not 0 in some row, and the weight of the rows where it is flat.
        self.moving = [np.zeros(n, dtype=bool) for n in net.widths]
        self.flat = [np.zeros(n) for n in net.widths]

    def rows(self, got: Gradients, rows: np.ndarray) -> list[np.ndarray]:
        """Store Cᵢ and ‖∂Cᵢ/∂θ‖ of rows; return ‖∂Cᵢ/∂θ^l‖² for each layer."""
        self.loss[rows] = got.loss
        parts = []
        for layer in range(1, self.net.n_layers + 1):
            a2 = _squares(got.A[layer - 1]) + (1.0 if self.net.bias else 0.0)
            parts.append(_squares(got.delta[layer]) * a2)
        self.norms[rows] = np.sqrt(np.sum(parts, axis=0))
        return parts

    def add(self, got: Gradients, w: np.ndarray, p: np.ndarray, parts: list[np.ndarray]) -> None:
        """Add rows of positive weight to the sums."""
        self.cost += float(w @ got.loss)
        self.a2[0] += p @ _squares(got.A[0])
        activations, _ = bound_formulas(self.net, numpy_namespace(np.float64))
        for layer in range(1, self.net.n_layers + 1):
            delta = got.delta[layer]
            self.a2[layer] += p @ _squares(got.A[layer])
            self.d2[layer] += p @ _squares(delta)
            self.g2[layer] += p @ parts[layer - 1]
            weighted = w[:, None] * delta
            self.W[layer] += weighted.T @ got.A[layer - 1]
            if self.net.bias:
                self.b[layer] += weighted.sum(axis=0)
            g = activations[layer]
            if g.slope is None:
                continue
            slope = np.abs(g.slope(got.Z[layer], got.G[layer]))
            self.moving[layer] |= (slope != 0).any(axis=0)
            self.s2[layer] += p @ _squares(slope)
            largest, _ = largest_slope(self.activation(layer))
            if np.isfinite(largest):
                self.flat[layer] += p @ (slope < FLAT * largest)

    def activation(self, layer: int) -> Activation:
        """The activation of a layer from 1 to L."""
        g = self.net.activations[layer]
        assert g is not None
        return g

    def dead(self, layer: int) -> np.ndarray:
        """Whether each node has slope 0 in every row, shape (n_l,); never true for softmax."""
        return ~self.moving[layer] & self.activation(layer).elementwise

    def saturated(self, layer: int) -> np.ndarray:
        """Whether each node of a layer is flat in most rows and not dead, shape (n_l,)."""
        largest, off = largest_slope(self.activation(layer))
        judged = bool(np.isfinite(largest)) and not off
        return judged & (self.flat[layer] >= MOSTLY - 1e-12) & self.moving[layer]


def _squares(rows: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", rows, rows)


def _pieces(rows: np.ndarray, net: Network) -> Iterator[np.ndarray]:
    size = max(_AT_A_TIME // sum(net.widths), 1)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def measure_rows(
    net: Network,
    theta: np.ndarray,
    X: np.ndarray,
    Y: np.ndarray,
    w: np.ndarray,
    masks_of: Callable[[np.ndarray], Any] = lambda rows: None,
) -> Measurements:
    """Measure a network on rows: every number except ``update_ratio``.

    Parameters
    ----------
    net : Network
    theta : array of shape (p,)
    X, Y : arrays of shape (N, n_0) and (N, n_L)
        Targets as the loss takes them.
    w : array of shape (N,)
        The row weights; at least one of them must be above 0.
    masks_of : callable, optional
        Returns the dropout masks of rows, by their numbers.

    Examples
    --------
    >>> net, X, Y = Network([1, 1], activation=[]), np.ones((2, 1)), np.array([[1.0], [3.0]])
    >>> (layer,) = measure_rows(net, np.zeros(2), X, Y, np.full(2, 0.5)).layers
    >>> round(layer.gradient_norm, 6), round(layer.snr, 6)  # of the rows (−2, −2) and (−6, −6)
    (5.656854, 2.0)
    """
    p = w / w.sum()
    numbers = range(1, net.n_layers + 1)
    sums = _Sums(net, len(w))

    def passes(rows: np.ndarray) -> Gradients:
        # Weight 1 for each row, so that δ is ∂Cᵢ/∂z.
        xp, ones = numpy_namespace(np.float64), np.ones(len(rows))
        return cost_and_grad(xp, net, theta, X[rows], Y[rows], ones, masks_of(rows))

    with np.errstate(all="ignore"):
        for rows in _pieces(np.flatnonzero(w > 0), net):
            got = passes(rows)
            sums.add(got, w[rows], p[rows], sums.rows(got, rows))
        for rows in _pieces(np.flatnonzero(w == 0), net):
            sums.rows(passes(rows), rows)
        layers = _layers(net, theta, sums, float(w.sum()))
    return Measurements(
        layers=layers,
        input_rms=float(np.sqrt(sums.a2[0] / net.n_inputs)),
        cost=sums.cost,
        grad=sums.grad,
        loss=sums.loss,
        sample_norms=sums.norms,
        dead_nodes=tuple(np.flatnonzero(sums.dead(layer)) for layer in numbers),
        saturated_nodes=tuple(np.flatnonzero(sums.saturated(layer)) for layer in numbers),
    )


def _layers(
    net: Network, theta: np.ndarray, sums: _Sums, total: float
) -> tuple[LayerMeasures, ...]:
    W, _ = net.unpack(theta)
    norms = np.sqrt(sums.d2)
    found = []
    for layer in range(1, net.n_layers + 1):
        nodes, parts = net.widths[layer], [sums.W[layer]]
        if net.bias:
            parts.append(sums.b[layer])
        count = sum(part.size for part in parts)
        g2 = sum(float((part * part).sum()) for part in parts)
        snr = _signal_to_noise(g2 / total**2, float(sums.g2[layer]))
        weight = float(np.linalg.norm(W[layer]))
        slopes = sums.activation(layer).elementwise
        bounded = np.isfinite(largest_slope(sums.activation(layer))[0])
        nan = float("nan")
        found.append(
            LayerMeasures(
                layer=layer,
                nodes=nodes,
                parameters=count,
                weight_norm=weight,
                weight_rms=weight / W[layer].size ** 0.5,
                activation_norm=float(np.sqrt(sums.a2[layer])),
                activation_rms=float(np.sqrt(sums.a2[layer] / nodes)),
                delta_norm=float(norms[layer]),
                delta_rms=float(norms[layer] / nodes**0.5),
                gradient_norm=g2**0.5,
                gradient_rms=(g2 / count) ** 0.5,
                gradient_ratio=ratio(float(np.linalg.norm(sums.W[layer])), weight),
                update_ratio=nan,
                snr=snr,
                noise_scale=ratio(1.0, snr * snr),
                delta_ratio=ratio(float(norms[layer]), float(norms[-1])),
                delta_factor=1.0
                if layer == net.n_layers
                else ratio(float(norms[layer]), float(norms[layer + 1])),
                slope_rms=float(np.sqrt(sums.s2[layer] / nodes)) if slopes else nan,
                dead=float(sums.dead(layer).mean()) if slopes else nan,
                saturated=float(sums.saturated(layer).mean()) if bounded else nan,
                flat=float(sums.flat[layer].mean()) if bounded else nan,
            )
        )
    return tuple(found)


def ratio(a: float, b: float) -> float:
    """a/b; infinite for b = 0, and NaN for 0/0.

    Examples
    --------
    >>> ratio(1.0, 4.0), ratio(1.0, 0.0), ratio(0.0, 0.0)
    (0.25, inf, nan)
    """
    if b == 0:
        return float("nan") if a == 0 or np.isnan(a) else float("inf")
    return a / b


def _signal_to_noise(mean2: float, square: float) -> float:
    """‖ḡ‖/√(Σ p ‖g‖² − ‖ḡ‖²); a difference within rounding error counts as 0."""
    spread = square - mean2
    if spread <= 1e-12 * square:
        return float("inf") if square > 0 else float("nan")
    return float((mean2 / spread) ** 0.5)


def series(measured: Sequence[Measurements], name: str) -> np.ndarray:
    """One measurement over recorded steps, shape (steps, L)."""
    return np.array([[getattr(each, name) for each in one.layers] for one in measured])

"""The gradient check: backpropagation against finite differences, block by block.

    ∂C/∂θ_m ≈ (C(θ + h e_m) − C(θ − h e_m)) / 2h

taken at h, h/2 and h/4 and extrapolated (Richardson), so that the error falls like h⁶.
The comparison is relative *per block* W^l, b^l: in a deep network of logistic units a
gradient block of all zeros differs from the truth by 3e-4 of the whole gradient, but by
1.0 of its own block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import GradientMismatch, InputError
from deltarule.maths.backprop import Masks, backprop, forward_pass, loss_terms
from deltarule.maths.formulacheck import wrong_formula
from deltarule.maths.inputs import check_rows, check_weights, normalised
from deltarule.maths.namespace import numpy_namespace
from deltarule.maths.network import Network

__all__ = ["BlockCheck", "GradientReport", "check_gradient"]

_STEPS = (4e-3, 1e-3, 1e-4, 1e-5)


@dataclasses.dataclass(frozen=True)
class BlockCheck:
    """The comparison of one block.

    Attributes
    ----------
    name : str
        ``"W1"``, ``"b1"``, …
    error : float
        max |backprop − difference| over the block, divided by the larger of their
        largest sizes; 0 if both are 0 throughout.
    worst : tuple of int
        The index of the entry that differs most.
    backprop, difference : float
        Its two derivatives.
    noise : float
        What rounding leaves uncertain in the difference, relative as ``error`` is.
    checked, skipped : int
        How many entries were compared, and how many lay too near a kink to be.
    passed : bool
        Whether error ≤ tolerance + noise, for at least one entry compared.
    """

    name: str
    error: float
    worst: tuple[int, ...]
    backprop: float
    difference: float
    noise: float
    checked: int
    skipped: int
    passed: bool


@dataclasses.dataclass(frozen=True)
class GradientReport:
    """The comparison of all blocks; ``str(report)`` is a table."""

    blocks: tuple[BlockCheck, ...]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every block passed."""
        return all(block.passed for block in self.blocks)

    @property
    def error(self) -> float:
        """The largest relative error of any block."""
        return max(block.error for block in self.blocks)

    def __str__(self) -> str:
        lines = ["block     error      noise  checked  skipped  worst entry"]
        for b in self.blocks:
            mark = "" if b.passed else "  <-- backprop and difference disagree"
            lines.append(
                f"{b.name:<5} {b.error:9.2e}  {b.noise:9.2e}  {b.checked:7d}  {b.skipped:7d}  "
                f"{list(b.worst)}: {b.backprop:.9g} and {b.difference:.9g}{mark}"
            )
        return "\n".join(lines)


class _Cost:
    """C as a function of θ, and on which side of every kink the network is there."""

    def __init__(self, net: Network, X: Any, Y: Any, w: np.ndarray, masks: Masks) -> None:
        self.net, self.X, self.w, self.masks = net, X, w, masks
        self.xp = numpy_namespace(np.float64)
        self.Y = net.loss.prepare(Y, len(X), net.n_outputs, np.float64)
        self.loss_kinks = net.loss.kink_values()
        self.evaluate_sides = bool(self.loss_kinks) or any(
            g is not None and g.kinks for g in net.activations
        )

    def __call__(self, theta: np.ndarray) -> tuple[float, bytes]:
        with np.errstate(all="ignore"):
            passed = forward_pass(self.xp, self.net, theta, self.X, self.masks)
            loss, _ = loss_terms(self.xp, self.net, passed, self.Y)
            value = float(np.where(self.w == 0, 0, self.w * loss).sum())
        return value, self._sides(passed) if self.evaluate_sides else b""

    def _sides(self, passed: Any) -> bytes:
        sides = [
            passed.Z[layer] > kink
            for layer, g in enumerate(self.net.activations)
            if g is not None
            for kink in g.kinks
        ]
        sides += [passed.output - self.Y > kink for kink in self.loss_kinks]
        return b"".join(np.packbits(side[self.w != 0]).tobytes() for side in sides)


def _difference(
    cost: _Cost, theta: np.ndarray, m: int, here: tuple[float, bytes]
) -> tuple[float, float] | None:
    """∂C/∂θ_m and its uncertainty by extrapolated differences; None at a kink."""
    scale = max(1.0, abs(float(theta[m])))
    best: tuple[float, float] | None = None
    moved = theta.copy()
    for step in _STEPS:
        D, straddles, size = [], False, abs(here[0])
        for h in (step * scale, step * scale / 2, step * scale / 4):
            moved[m] = theta[m] + h
            up, plus = moved[m], cost(moved)
            moved[m] = theta[m] - h
            down, minus = moved[m], cost(moved)
            straddles = straddles or not plus[1] == minus[1] == here[1]
            size = max(size, abs(plus[0]), abs(minus[0]))
            D.append((plus[0] - minus[0]) / (up - down))
        if straddles or not np.isfinite(D).all():
            continue
        R1, R2 = (4 * D[1] - D[0]) / 3, (4 * D[2] - D[1]) / 3
        value = (16 * R2 - R1) / 15
        rounding = 8 * np.finfo(np.float64).eps * size / (step * scale)
        uncertainty = abs(R2 - R1) + rounding
        if best is None or uncertainty < best[1]:
            best = (value, uncertainty)
        if abs(R2 - R1) <= rounding:
            break
    return best


def check_gradient(
    net: Network,
    theta: Any,
    X: Any,
    Y: Any,
    sample_weight: Any = None,
    *,
    masks: Masks = None,
    tolerance: float = 1e-7,
    entries: int | None = 200,
    seed: int = 0,
    gradient: Callable[..., Any] | None = None,
    raises: bool = True,
) -> GradientReport:
    """Compare backpropagation's gradient with finite differences, in float64.

    For every block, max |backprop − difference| must not exceed ``tolerance`` times the
    block's largest derivative, plus what rounding leaves uncertain.

    Parameters
    ----------
    net, theta, X, Y, sample_weight, masks
        As for :func:`deltarule.maths.backprop`. A float32 network is checked in float64.
    tolerance : float
        The largest relative error allowed in a block.
    entries : int or None
        At most so many entries of a block are checked, drawn with ``seed``; None checks
        all. One entry costs six forward passes or more.
    gradient : callable, optional
        ``gradient(net, theta, X, Y, w)`` giving the flat gradient to be checked, where
        w_i = s_i/Σs; by default backprop's.
    raises : bool
        Whether a mismatch raises; if not, look at ``report.passed``.

    Returns
    -------
    GradientReport
        Entries whose difference would straddle a kink (ReLU at 0) are skipped and counted.

    Raises
    ------
    GradientMismatch
        Naming layer, block and worst entry, with both derivatives; and the activation or loss
        whose formula is at fault, with a point where its derivative is not that of its value.
    InputError
        If the input does not fit, the cost is not finite, or a block lies at a kink as a
        whole, so that nothing of it could be compared.

    Examples
    --------
    >>> from deltarule.maths import Network, check_gradient
    >>> net = Network([3, 4, 2], activation="tanh")
    >>> X, Y = [[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], [[1.0, 0.0], [0.0, 1.0]]
    >>> report = check_gradient(net, net.initial(seed=1), X, Y)
    >>> report.passed, report.error < 1e-9
    (True, True)
    """
    exact = net.with_changes(dtype=np.float64)
    theta = exact.check_theta(theta)
    rows = check_rows(exact, X)
    s = check_weights(sample_weight, len(rows))
    w = normalised(s, np.float64)
    if gradient is None:
        grad = backprop(exact, theta, rows, Y, s, masks=masks).grad
    else:
        grad = exact.check_theta(gradient(exact, theta, rows, Y, w))
    cost = _Cost(exact, rows, Y, w, masks)
    here = cost(theta)
    if not np.isfinite(here[0]):
        raise InputError(
            f"the cost is {here[0]!r} at this theta; a finite one is needed to compare"
        )
    rng = np.random.default_rng(seed)
    report = GradientReport(
        tuple(
            _check_block(block, cost, theta, grad, here, tolerance, entries, rng)
            for block in exact.blocks
        ),
        tolerance,
    )
    empty = [block.name for block in report.blocks if block.checked == 0]
    if raises and empty:
        raise InputError(
            f"no entry of {', '.join(empty)} could be compared: all lie at a kink, where there is "
            "no derivative to compare with; move theta or X a little"
        )
    if raises and not report.passed:
        raise GradientMismatch(_message(report, cost, theta), report)
    return report


def _message(report: GradientReport, cost: _Cost, theta: np.ndarray) -> str:
    """What differs, and where to look.

    A fault spreads from its layer to all layers before it, so the last layer that fails is the
    one named.
    """
    net = cost.net
    failed = [block for block in report.blocks if not block.passed]
    layer = max(net.block(block.name).layer for block in failed)
    bad = max((b for b in failed if net.block(b.name).layer == layer), key=lambda b: b.error)
    kind = net.block(bad.name).kind
    with np.errstate(all="ignore"):
        passed = forward_pass(cost.xp, net, theta, cost.X, cost.masks)
        hint = wrong_formula(cost.xp, net, passed, cost.Y)
    if hint is None:
        hint = (
            "The slopes and the loss's derivative are those of their values: look at how the "
            "gradient is put together (sums over nodes and samples, weights w, biases)."
        )
    return (
        f"layer {layer}, block {kind}[{layer}]: the gradient differs from the central difference "
        f"by {bad.error:.3g} of the block (allowed {report.tolerance:.3g}); worst entry "
        f"{kind}[{layer}]{list(bad.worst)}: backprop {bad.backprop:.9g}, difference "
        f"{bad.difference:.9g}. {hint}\n{report}"
    )


def _check_block(
    block: Any,
    cost: _Cost,
    theta: np.ndarray,
    grad: np.ndarray,
    here: tuple[float, bytes],
    tolerance: float,
    entries: int | None,
    rng: np.random.Generator,
) -> BlockCheck:
    n = block.stop - block.start
    chosen = np.arange(n)
    if entries is not None and n > entries:
        chosen = np.sort(rng.choice(n, entries, replace=False))
    found = [(int(e), _difference(cost, theta, block.start + int(e), here)) for e in chosen]
    pairs = [(e, *d) for e, d in found if d is not None]
    if not pairs:
        # Nothing compared is nothing shown: it does not pass.
        return BlockCheck(block.name, 0.0, (0,) * len(block.shape), 0.0, 0.0, 0.0, 0, n, False)
    at = np.array([e for e, _, _ in pairs])
    difference = np.array([value for _, value, _ in pairs])
    noise = np.array([uncertainty for _, _, uncertainty in pairs])
    ours = grad[block.start : block.stop][at]
    scale = max(float(np.abs(ours).max()), float(np.abs(difference).max()))
    gap = np.abs(ours - difference)
    worst = int(np.argmax(np.where(np.isfinite(gap), gap, np.inf)))
    passed = bool(np.all(gap <= tolerance * scale + noise))
    return BlockCheck(
        name=block.name,
        error=float(gap[worst] / scale) if scale > 0 else 0.0,
        worst=block.position(int(at[worst])),
        backprop=float(ours[worst]),
        difference=float(difference[worst]),
        noise=float(noise[worst] / scale) if scale > 0 else 0.0,
        checked=len(pairs),
        skipped=len(found) - len(pairs),
        passed=passed,
    )

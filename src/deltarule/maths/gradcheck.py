"""The gradient check: backpropagation against finite differences, block by block.

    ∂C/∂θ_m ≈ (C(θ + h e_m) − C(θ − h e_m)) / 2h

taken at h, h/2 and h/4 and extrapolated (Richardson), so that the error falls like h⁶.
The comparison is relative *per block* W^l, b^l: in a deep network of logistic nodes a block of
zeros differs from the right one by 3e-4 of the whole gradient, but by 1.0 of its own block.

Where rounding hides the change of C (with targets of 1e150 C is 1e300), the differences are those
of the function that is linear in the output,

    Σ_i w_i Σ_j u_ij a_ij^L(θ),    u = ∂C_i/∂a^L at the θ that is checked

(in z^L if loss and output are fused), which has the same derivative as C. That u is the derivative
of the loss is then checked separately, entry by entry.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import GradientMismatch, InputError
from deltarule.maths.backprop import Masks, backprop
from deltarule.maths.finite_differences import COARSE, DifferencedCost, differences
from deltarule.maths.formula_check import wrong_formula
from deltarule.maths.input_checks import (
    check_masks,
    check_network,
    check_rows,
    check_weights,
    normalise_weights,
)
from deltarule.maths.network import Network
from deltarule.records import checked_integer, in_interval

__all__ = ["BlockCheck", "GradientReport", "check_gradient"]


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
        The uncertainty of the difference from rounding, relative like ``error``.
    checked, skipped : int
        The number of entries that were compared, and that lie too near a kink.
    passed : bool
        Whether error ≤ tolerance + noise, at least one entry was compared, and every entry of
        the gradient is finite.
    rows_skipped : int
        The number of rows at a kink that were left out of gradient and difference because with
        them no entry of the block could be compared.
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
    rows_skipped: int = 0


@dataclasses.dataclass(frozen=True)
class GradientReport:
    """The comparisons of all blocks; ``str(report)`` is a table."""

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
                + (f"  (without {b.rows_skipped} rows at a kink)" if b.rows_skipped else "")
            )
        return "\n".join(lines)


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
        The largest number of entries of a block that are checked, drawn with ``seed``; None
        checks all. One entry costs six forward passes or more.
    gradient : callable, optional
        ``gradient(net, theta, X, Y, w)`` returning the flat gradient to be checked, where
        w_i = s_i/Σs; by default that of :func:`backprop`.
    raises : bool
        Whether a mismatch raises; otherwise see ``report.passed``.

    Returns
    -------
    GradientReport
        Entries whose difference would straddle a kink (ReLU at 0) are skipped and counted. If
        no entry of a block remains, it is compared without the rows that lie at a kink (such as
        an all-zero row with biases of 0).

    Raises
    ------
    GradientMismatch
        With layer, block and worst entry, and both derivatives; and the activation or loss
        whose derivative is wrong, with a point where it is.
    InputError
        If the input does not fit, the cost is not finite, or no entry of a block could be
        compared, even without the rows at a kink.

    Examples
    --------
    >>> from deltarule.maths import Network, check_gradient
    >>> net = Network([3, 4, 2], activation="tanh")
    >>> X, Y = [[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], [[1.0, 0.0], [0.0, 1.0]]
    >>> report = check_gradient(net, net.initial(seed=1), X, Y)
    >>> report.passed, report.error < 1e-9
    (True, True)
    """
    tolerance = in_interval("", "tolerance", tolerance, "(0, inf)", 1e-7)
    entries = None if entries is None else checked_integer("entries", entries, 1)
    seed = checked_integer("seed", seed)
    if gradient is not None and not callable(gradient):
        raise InputError(
            parameter="gradient", given=gradient, expected="a function of net, theta, X, Y and w"
        )
    exact = check_network(net).with_changes(dtype=np.float64)
    theta = exact.check_theta(theta)
    rows = check_rows(exact, X)
    s = check_weights(sample_weight, len(rows))
    check_masks(exact, masks, len(rows))

    def gradient_of(s: np.ndarray) -> np.ndarray:
        if gradient is None:
            return backprop(exact, theta, rows, Y, s, masks=masks).grad
        return exact.check_theta(gradient(exact, theta, rows, Y, normalise_weights(s, np.float64)))

    grad = gradient_of(s)
    cost = DifferencedCost(exact, theta, rows, Y, normalise_weights(s, np.float64), masks)
    if not np.isfinite(cost.here[0]):
        raise InputError(
            f"the cost is {cost.here[0]!r} at this theta; expected a finite one to compare"
        )
    rng = np.random.default_rng(seed)
    chosen = {block.name: _choose_entries(block, entries, rng) for block in exact.blocks}
    linear: DifferencedCost | None = None
    checks = []
    for first in _compare_blocks(exact.blocks, cost, grad, tolerance, chosen):
        check = first
        if first.coarse:
            linear = linear or cost.linear()
            (other,) = _compare_blocks([first.block], linear, grad, tolerance, chosen)
            if first.empty or (not other.empty and other.uncertainty < first.uncertainty):
                check = other
        elif not first.report().passed:
            # A step that suits some rows may be so long for others that both their costs lie at
            # saturated ends, with a small estimated uncertainty. The linear function allows shorter
            # steps; its result counts if the loss's derivative is that of its value.
            linear = linear or cost.linear()
            if linear.wrong_loss() is None:
                (other,) = _compare_blocks([first.block], linear, grad, tolerance, chosen)
                if not other.coarse and other.report().passed:
                    check = other
        checks.append(check)
    if any(check.empty for check in checks):
        checks = _without_kinks(checks, cost, s, gradient_of, tolerance, chosen)
    wrong_loss = None if linear is None else linear.wrong_loss()
    if wrong_loss is not None:
        checks = [dataclasses.replace(check, loss_right=False) for check in checks]
    report = GradientReport(tuple(check.report() for check in checks), tolerance)
    empty = [block.name for block in report.blocks if block.checked == 0]
    if raises and empty:
        raise InputError(
            f"no entry of {', '.join(empty)} could be compared: all lie at a kink, where there is "
            "no derivative to compare with, or the cost beside them is not finite; move theta or X "
            "a little"
        )
    if raises and not report.passed:
        raise GradientMismatch(_message(report, cost), report)
    return report


def _message(report: GradientReport, cost: DifferencedCost) -> str:
    """The message of a mismatch.

    A fault in one layer makes the gradients of all layers before it wrong, so the message names
    the last layer that fails.
    """
    net = cost.net
    failed = [block for block in report.blocks if not block.passed]
    layer = max(net.block(block.name).layer for block in failed)
    bad = max((b for b in failed if net.block(b.name).layer == layer), key=lambda b: b.error)
    kind = net.block(bad.name).kind
    with np.errstate(all="ignore"):
        hint = wrong_formula(cost.xp, net, cost.at, cost.Y)
    if hint is None:
        hint = (
            "The slopes and the loss's derivative are those of their values: check the sums over "
            "nodes and samples, the weights w and the biases."
        )
    return (
        f"layer {layer}, block {kind}[{layer}]: the gradient differs from the central difference "
        f"by {bad.error:.3g} of the block (allowed {report.tolerance:.3g}); worst entry "
        f"{kind}[{layer}]{list(bad.worst)}: backprop {bad.backprop:.9g}, difference "
        f"{bad.difference:.9g}. {hint}\n{report}"
    )


def _choose_entries(block: Any, entries: int | None, rng: np.random.Generator) -> np.ndarray:
    """The entries of a block that are compared, sorted."""
    n = block.stop - block.start
    if entries is None or n <= entries:
        return np.arange(n)
    return np.sort(rng.choice(n, entries, replace=False))


@dataclasses.dataclass
class _Comparison:
    """The derivatives of one block, from backpropagation (``ours``) and as differences."""

    block: Any
    tolerance: float
    n_skipped: int
    at: np.ndarray
    ours: np.ndarray
    difference: np.ndarray
    noise: np.ndarray
    finite: bool
    rows_skipped: int = 0
    loss_right: bool = True

    @property
    def empty(self) -> bool:
        return not len(self.at)

    @property
    def scale(self) -> float:
        """The block's largest derivative."""
        sizes = np.concatenate([np.abs(self.ours), np.abs(self.difference)])
        return float(sizes.max(initial=0.0))

    @property
    def uncertainty(self) -> float:
        return float(self.noise.max(initial=0.0))

    @property
    def coarse(self) -> bool:
        """Whether the differences are too uncertain to distinguish a wrong gradient."""
        return self.empty or not self.uncertainty <= 10 * COARSE * self.scale

    def report(self) -> BlockCheck:
        """The result for users; a block of which nothing was compared does not pass."""
        if self.empty:
            nowhere = (0,) * len(self.block.shape)
            return BlockCheck(
                self.block.name, 0.0, nowhere, 0.0, 0.0, 0.0, 0, self.n_skipped, False
            )
        with np.errstate(all="ignore"):
            gap, scale = np.abs(self.ours - self.difference), self.scale
            worst = int(np.argmax(np.where(np.isfinite(gap), gap, np.inf)))
            right = np.all(gap <= self.tolerance * scale + self.noise)
            error = float(gap[worst] / scale) if scale > 0 else 0.0
        return BlockCheck(
            name=self.block.name,
            error=error if np.isfinite(error) else float("inf"),
            worst=self.block.position(int(self.at[worst])),
            backprop=float(self.ours[worst]),
            difference=float(self.difference[worst]),
            noise=float(self.noise[worst] / scale) if scale > 0 else 0.0,
            checked=len(self.at),
            skipped=self.n_skipped,
            passed=bool(right) and self.finite and self.loss_right,
            rows_skipped=self.rows_skipped,
        )


def _compare_blocks(
    blocks: Sequence[Any],
    cost: DifferencedCost,
    grad: np.ndarray,
    tolerance: float,
    chosen: dict[str, np.ndarray],
) -> list[_Comparison]:
    wanted = [(block, int(entry)) for block in blocks for entry in chosen[block.name]]
    found = differences(cost, [block.start + entry for block, entry in wanted])
    results: dict[str, list[tuple[int, tuple[float, float] | None]]] = {
        block.name: [] for block in blocks
    }
    for (block, entry), result in zip(wanted, found, strict=True):
        results[block.name].append((entry, result))
    return [_compare_block(block, results[block.name], grad, tolerance) for block in blocks]


def _compare_block(
    block: Any,
    found: list[tuple[int, tuple[float, float] | None]],
    grad: np.ndarray,
    tolerance: float,
) -> _Comparison:
    pairs = [(entry, *result) for entry, result in found if result is not None]
    at = np.array([entry for entry, _, _ in pairs], dtype=np.intp)
    own = grad[block.start : block.stop]
    return _Comparison(
        block=block,
        tolerance=tolerance,
        n_skipped=len(found) - len(pairs),
        at=at,
        ours=own[at],
        difference=np.array([value for _, value, _ in pairs], dtype=np.float64),
        noise=np.array([uncertainty for _, _, uncertainty in pairs], dtype=np.float64),
        finite=bool(np.isfinite(own).all()),
    )


def _without_kinks(
    checks: list[_Comparison],
    cost: DifferencedCost,
    s: np.ndarray,
    gradient_of: Callable[[np.ndarray], np.ndarray],
    tolerance: float,
    chosen: dict[str, np.ndarray],
) -> list[_Comparison]:
    """The comparisons, with empty ones repeated without the rows that lie at a kink."""
    left_out = cost.rows_at_kinks()
    s = np.where(left_out, 0.0, s)
    if not left_out.any() or not s.sum() > 0:
        return checks
    w = normalise_weights(s, np.float64)
    fewer = DifferencedCost(cost.net, cost.theta, cost.X, cost.given, w, cost.masks)
    grad, n = gradient_of(s), int(left_out.sum())
    result = []
    for check in checks:
        new = check
        if check.empty:
            (new,) = _compare_blocks([check.block], fewer, grad, tolerance, chosen)
            new = check if new.empty else dataclasses.replace(new, rows_skipped=n)
        result.append(new)
    return result

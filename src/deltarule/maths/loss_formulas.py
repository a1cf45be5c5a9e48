"""The formulas of the registered losses: value and derivative from one function.

:mod:`deltarule.maths.losses` describes what they return, and registers them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "Terms",
    "absolute_error",
    "cross_entropy",
    "cross_entropy_softmax",
    "half_squared_error",
    "huber",
    "log_loss",
    "log_loss_logistic",
    "poisson",
    "poisson_exp",
    "poisson_softplus",
    "quantile",
    "squared_error",
    "weighted_log_loss",
    "weighted_log_loss_logistic",
]

Terms = Callable[[Any, Any], tuple[Any, Any]]


def squared_error(xp: Any) -> Terms:
    """(a − y)², with derivative 2 (a − y): no ½, no division by the number of outputs."""

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        r = a - y
        return r * r, 2 * r

    return from_output


def half_squared_error(xp: Any) -> Terms:
    """½ (a − y)², with derivative a − y."""

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        r = a - y
        return 0.5 * r * r, r

    return from_output


def absolute_error(xp: Any) -> Terms:
    """|a − y|, with derivative sign(a − y), 0 at 0."""

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        r = a - y
        return xp.abs(r), xp.sign(r)

    return from_output


def huber(xp: Any, kappa: float) -> Terms:
    """½ r² for |r| ≤ κ, else κ (|r| − ½ κ), with r = a − y."""

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        r = a - y
        inside = xp.minimum(xp.abs(r), kappa)
        return inside * (xp.abs(r) - 0.5 * inside), xp.sign(r) * inside

    return from_output


def quantile(xp: Any, levels: tuple[float, ...]) -> Terms:
    """Pinball loss: (1 − τ) r for r > 0, else −τ r, with r = a − y; its derivative is 0 at 0.

    There is one output for each target and level: outputs 0 … Q−1 are the Q levels of the first
    target, the next Q those of the second, and so on.
    """

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        tau = xp.per_output(levels, a)
        r = a - y
        rate = xp.where(r > 0, 1 - tau, xp.where(r < 0, -tau, 0 * r))
        return rate * r, rate

    return from_output


def poisson(xp: Any) -> Terms:
    """a − y log a, with derivative 1 − y/a (the constant log y! is left out)."""

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        ratio = xp.where(y == 0, 0 * a, y / xp.where(y == 0, 1 + 0 * a, a))
        # Near a = y the subtraction a − y is exact, and 1 − ratio would cancel.
        return a - xp.xlogy(y, a), xp.where(2 * y <= a, 1 - ratio, (a - y) / a)

    return from_output


def poisson_exp(xp: Any) -> Terms:
    """With a = e^z: e^z − y z, with ∂/∂z = e^z − y."""

    def from_input(z: Any, y: Any) -> tuple[Any, Any]:
        a = xp.exp(z)
        return a - y * z, a - y

    return from_input


def poisson_softplus(xp: Any) -> Terms:
    """With a = log(1 + e^z): a − y log a, where log a = z + log(a/e^z) for z < 0.

    a/e^z is log(1 + e)/e with e = e^z, which tends to 1; ∂/∂z = (a − y) σ(z)/a, where
    for z < 0 σ(z)/a is (1/(1 + e)) / (log(1 + e)/e).
    """

    def from_input(z: Any, y: Any) -> tuple[Any, Any]:
        e = xp.exp(-xp.abs(z))
        small = e < 1e-30
        ratio = xp.where(small, 1 + 0 * z, xp.log1p(e) / xp.where(small, 1 + 0 * z, e))
        a = xp.maximum(z, 0) + xp.log1p(e)
        log_a = xp.where(z > 0, xp.log(xp.where(z > 0, a, 1 + 0 * z)), z + xp.log(ratio))
        return a - y * log_a, (a - y) / ((1 + e) * xp.where(z > 0, a, ratio))

    return from_input


def _smooth_targets(y: Any, smoothing: float, n_classes: Any) -> Any:
    """(1 − s) y + s/n: y mixed with equal probabilities for n classes; exactly y for s = 0."""
    return (y - smoothing * y) + smoothing / n_classes


def log_loss(xp: Any, smoothing: float = 0.0) -> Terms:
    """−(y log a + (1 − y) log(1 − a)), with derivative (a − y)/(a (1 − a)).

    For y = 1 that is −1/a and for y = 0 it is 1/(1 − a), also where a is 1 or 0. With smoothing s,
    y is replaced by (1 − s) y + s/2, since an output stands for two classes.
    """

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        y = _smooth_targets(y, smoothing, 2)
        value = -(xp.xlogy(y, a) + xp.xlog1py(1 - y, -a))
        between = (a - y) / (a * (1 - a))
        return value, xp.where(y == 1, -1 / a, xp.where(y == 0, 1 / (1 - a), between))

    return from_output


def log_loss_logistic(xp: Any, smoothing: float = 0.0) -> Terms:
    """With a = σ(z): (1 − y) z or −y z, + log(1 + e^−|z|), with ∂/∂z = σ(z) − y.

    For z > 0 the derivative is computed as (1 − y) − σ(−z): at y = 1 and z = 37, σ(z) − y
    is 0 in floating point, where −8.5e-17 is right.
    """

    def from_input(z: Any, y: Any) -> tuple[Any, Any]:
        y = _smooth_targets(y, smoothing, 2)
        e = xp.exp(-xp.abs(z))
        value = xp.where(z > 0, (1 - y) * z, -y * z) + xp.log1p(e)
        tail = e / (1 + e)
        return value, xp.where(z > 0, (1 - y) - tail, tail - y)

    return from_input


def weighted_log_loss(xp: Any, positive_weight: tuple[Any, ...], smoothing: float) -> Terms:
    """−(p y log a + (1 − y) log(1 − a)), with derivative (c a − p y)/(a (1 − a)).

    p is one number for all outputs, or one for each, and c = p y + (1 − y). For y = 1 the
    derivative is −p/a, and for y = 0 it is 1/(1 − a). With p = 1 this is :func:`log_loss`.
    """

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        y = _smooth_targets(y, smoothing, 2)
        p = _per_output(xp, positive_weight, a)
        yes, no = p * y, 1 - y
        value = -(xp.xlogy(yes, a) + xp.xlog1py(no, -a))
        between = ((yes + no) * a - yes) / (a * (1 - a))
        return value, xp.where(no == 0, -yes / a, xp.where(yes == 0, no / (1 - a), between))

    return from_output


def weighted_log_loss_logistic(
    xp: Any, positive_weight: tuple[Any, ...], smoothing: float
) -> Terms:
    """With a = σ(z): (1 − y) z or −p y z, + c log(1 + e^−|z|), with c = p y + (1 − y).

    ∂/∂z = (1 − y) σ(z) − p y σ(−z), computed as one fraction with e^−|z|, without cancellation
    for y = 0 and y = 1.
    """

    def from_input(z: Any, y: Any) -> tuple[Any, Any]:
        y = _smooth_targets(y, smoothing, 2)
        p = _per_output(xp, positive_weight, z)
        yes, no = p * y, 1 - y
        m = xp.abs(z)
        e = xp.exp(-m)
        # For m > 40 log(1 + e) is e, which may be subnormal before it is multiplied by p.
        rest = xp.where(m > 40, xp.times_exp(yes + no, -m), (yes + no) * xp.log1p(e))
        value = xp.where(z > 0, no * z, -yes * z) + rest
        top = xp.where(z > 0, no - xp.times_exp(yes, -m), xp.times_exp(no, -m) - yes)
        return value, top / (1 + e)

    return from_input


def _per_output(xp: Any, value: tuple[Any, ...], x: Any) -> Any:
    return value[0] if len(value) == 1 else xp.per_output(value, x)


def cross_entropy(xp: Any, smoothing: float) -> Terms:
    """−y log a, with derivative −y/a; with smoothing s, y is replaced by (1 − s) y + s/n."""

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        y = _smooth_targets(y, smoothing, xp.n_outputs(a))
        return -xp.xlogy(y, a), -xp.where(y == 0, 0 * a, y / xp.where(y == 0, 1 + 0 * a, a))

    return from_output


def cross_entropy_softmax(xp: Any, smoothing: float) -> Terms:
    """With a = softmax(z): y_j (log Σ_m e^z_m − z_j), with ∂/∂z_j = a_j Σ_m y_m − y_j.

    With t = max_m z_m, s is the sum of e^(z_m − t) without one term with z_m = t, so that
    log Σ_m e^z_m − t = log(1 + s), which is accurate for small s. Where a_j and y_j are above ½,
    the derivative is computed from 1 − a_j = s/(1 + s): at y_j = 1 it is −s/(1 + s),
    where a_j − 1 would cancel. ``excess`` is the correction for Σ_m y_m ≠ 1.
    """

    def from_input(z: Any, y: Any) -> tuple[Any, Any]:
        excess = (1 - smoothing) * (xp.total(y) - 1)
        y = _smooth_targets(y, smoothing, xp.n_outputs(z))
        t = xp.largest(z)
        e = xp.exp_difference(z, t)
        top = z == t
        count = xp.total(xp.where(top, 1 + 0 * z, 0 * z))
        s = xp.total(xp.where(top, 0 * z, e)) + (count - 1)
        value = y * (xp.log1p(s) + (t - z))
        a = e / (1 + s)
        certain = xp.where(top, y, 0 * y) > xp.where(s < 1, 0.5, 2)
        near_one = ((1 - y) - s / (1 + s)) + excess / (1 + s)
        return value, xp.where(certain, near_one, a + (a * excess - y))

    return from_input

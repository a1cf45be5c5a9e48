"""The forms in which textbooks write activations and losses: second records, for display only.

Nothing is computed from them. Each equals the registered formula in exact arithmetic, which is
written for accuracy instead; tests over the registries hold the two equal to 1e-12. Printed
derivations show the textbook's form first and say where it loses digits: a (1 − a) has none
left at z = 37.

As for the registered formulas, ``form(xp, **parameters)`` returns functions: of an activation the
pair ``(value(z), slope(z, a))``, either of which may be None; of a loss the derivative by a, a
function of (a, y); of a loss with its output activation the δ = ∂C_i/∂z, a function of (a, y).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "cross_entropy_derivative",
    "difference",
    "log_loss_derivative",
    "logistic",
    "mish",
    "poisson_derivative",
    "silu",
    "smoothed_difference",
    "smoothed_difference_of_two",
    "softmax",
    "softplus",
    "tanh",
    "weighted_difference",
    "weighted_log_loss_derivative",
]

Forms = tuple[Callable[..., Any] | None, Callable[..., Any] | None]
OfOutput = Callable[[Any, Any], Any]


def _logistic_of(xp: Any, z: Any) -> Any:
    return 1 / (1 + xp.exp(-z))


def logistic(xp: Any) -> Forms:
    """g(z) = 1/(1 + e^−z),  g′(z) = a (1 − a)."""
    return lambda z: _logistic_of(xp, z), lambda z, a: a * (1 - a)


def tanh(xp: Any) -> Forms:
    """g′(z) = 1 − a²."""
    return None, lambda z, a: 1 - a * a


def softplus(xp: Any) -> Forms:
    """g(z) = log(1 + e^z),  g′(z) = 1/(1 + e^−z)."""
    return lambda z: xp.log(1 + xp.exp(z)), lambda z, a: _logistic_of(xp, z)


def silu(xp: Any) -> Forms:
    """g(z) = z/(1 + e^−z),  g′(z) = a + (1 − a)/(1 + e^−z)."""
    return lambda z: z / (1 + xp.exp(-z)), lambda z, a: a + (1 - a) / (1 + xp.exp(-z))


def mish(xp: Any) -> Forms:
    """g(z) = z t,  g′(z) = t + z (1 − t²)/(1 + e^−z), with t = tanh(log(1 + e^z))."""

    def t(z: Any) -> Any:
        return xp.tanh(xp.log(1 + xp.exp(z)))

    def slope(z: Any, a: Any) -> Any:
        return t(z) + z * (1 - t(z) * t(z)) / (1 + xp.exp(-z))

    return lambda z: z * t(z), slope


def softmax(xp: Any) -> Forms:
    """a_j = e^z_j / Σ_m e^z_m."""

    def value(z: Any) -> Any:
        e = xp.exp(z)
        return e / xp.total(e)

    return value, None


def log_loss_derivative(xp: Any, smoothing: float) -> OfOutput:
    """(a − y)/(a (1 − a)); with smoothing s, y is (1 − s) y + s/2."""
    return lambda a, y: (a - _smoothed(y, smoothing, 2)) / (a * (1 - a))


def weighted_log_loss_derivative(
    xp: Any, positive_weight: tuple[Any, ...], smoothing: float
) -> OfOutput:
    """(1 − y)/(1 − a) − p y/a."""

    def derivative(a: Any, y: Any) -> Any:
        y = _smoothed(y, smoothing, 2)
        return (1 - y) / (1 - a) - _weight(xp, positive_weight, a) * y / a

    return derivative


def cross_entropy_derivative(xp: Any, smoothing: float) -> OfOutput:
    """−y/a; with smoothing s, y is (1 − s) y + s/n."""
    return lambda a, y: -_smoothed(y, smoothing, xp.n_outputs(a)) / a


def poisson_derivative(xp: Any) -> OfOutput:
    """1 − y/a."""
    return lambda a, y: 1 - y / a


def difference(xp: Any) -> OfOutput:
    """δ = a − y, for a Poisson loss with the output e^z."""
    return lambda a, y: a - y


def smoothed_difference_of_two(xp: Any, smoothing: float) -> OfOutput:
    """δ = a − y, for the log loss with a logistic output; y is smoothed over two classes."""
    return lambda a, y: a - _smoothed(y, smoothing, 2)


def smoothed_difference(xp: Any, smoothing: float) -> OfOutput:
    """δ = a − y, for cross-entropy with softmax, where the targets of a row add to 1."""
    return lambda a, y: a - _smoothed(y, smoothing, xp.n_outputs(a))


def weighted_difference(xp: Any, positive_weight: tuple[Any, ...], smoothing: float) -> OfOutput:
    """δ = (1 − y) a − p y (1 − a), for the weighted log loss with a logistic output."""

    def delta(a: Any, y: Any) -> Any:
        y = _smoothed(y, smoothing, 2)
        return (1 - y) * a - _weight(xp, positive_weight, a) * y * (1 - a)

    return delta


def _smoothed(y: Any, smoothing: Any, n_classes: Any) -> Any:
    """(1 − s) y + s/n, and y itself for s = 0."""
    return y if smoothing == 0 else (1 - smoothing) * y + smoothing / n_classes


def _weight(xp: Any, positive_weight: tuple[Any, ...], a: Any) -> Any:
    if len(positive_weight) == 1:
        return positive_weight[0]
    return xp.per_output(positive_weight, a)

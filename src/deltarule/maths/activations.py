"""Activation functions g: a = g(z), with their slopes g′(z).

Every formula has the form ``formula(xp, **parameters)`` and returns the functions ``value(z)``
and ``slope(z, a)``. They are written for accuracy: exponents of e are not positive, so that
nothing overflows, and the tails keep all digits. At a kink the slope is the one from the left.

An activation that mixes the outputs of a row (softmax) has no slope; its formula returns
``value(z)`` and ``pullback(z, a, up)``, which computes ∂C/∂z from ``up`` = ∂C/∂a.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from deltarule.errors import InputError
from deltarule.maths import textbook
from deltarule.maths.derived_formulas import functions_of_activation
from deltarule.records import Record, Registry

__all__ = ["ACTIVATIONS", "Activation", "BoundActivation", "register_activation"]

Pair = tuple[Callable[..., Any], Callable[..., Any]]


class BoundActivation(NamedTuple):
    """An activation's functions over one array namespace."""

    value: Callable[[Any], Any]
    slope: Callable[[Any, Any], Any] | None
    pullback: Callable[[Any, Any, Any], Any]


@dataclasses.dataclass(frozen=True)
class Activation(Record):
    """An activation function: a name, a formula, parameter values.

    Parameters
    ----------
    name : str
        The name it is registered and saved under.
    formula : callable
        ``formula(xp, **parameters)`` returning ``(value, slope)``: ``value(z)`` is
        g(z), and ``slope(z, a)`` is g′(z), which may use a = g(z). With
        ``elementwise=False`` it returns ``(value, pullback)``, where
        ``pullback(z, a, up)`` is Σ_m up_m ∂a_m/∂z_j. It may return the function ``value``
        alone if that uses only arithmetic and the functions of xp: the second function is
        then derived symbolically, at a kink from the left.
    parameters : mapping
        Values of the formula's parameters.
    kinks : tuple of float
        The z at which a derivative of any order jumps. Finite differences must not straddle
        these points.
    elementwise : bool
        Whether a_j depends on z_j alone.
    gain : float
        The factor on the variance of initial weights that keeps the variance of activations
        constant over the layers (2 for ReLU and similar functions).
    symbol : str
        LaTeX for the function's name.
    textbook : callable, optional
        The form for people to read, for display only: ``textbook(xp, **parameters)`` returns the
        pair ``(value(z), slope(z, a))``, where None stands for "as the formula". It equals the
        formula in exact arithmetic, and nothing is computed from it.

    Examples
    --------
    A user's own activation is one record:

    >>> import numpy as np
    >>> from deltarule.maths import Activation, numpy_namespace
    >>> def square(xp):
    ...     def value(z):
    ...         return z * z
    ...
    ...     def slope(z, a):
    ...         return 2 * z
    ...
    ...     return value, slope
    >>> g = Activation("square", square).bind(numpy_namespace())
    >>> g.value(np.array([1.0, -3.0]))
    array([1., 9.])
    """

    kinks: tuple[float, ...] = ()
    elementwise: bool = True
    gain: float = 1.0
    symbol: str = ""
    textbook: Callable[..., Any] | None = None

    def bind(self, xp: Any) -> BoundActivation:
        """The activation's functions over the namespace ``xp``."""
        pair = functions_of_activation(
            xp, self.formula, self.settings, f"activation {self}", self.elementwise
        )
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(map(callable, pair))):
            second = "slope" if self.elementwise else "pullback"
            raise InputError(
                f"the formula of activation {self.name!r} gave {type(pair).__name__}; expected the "
                f"two functions (value, {second}), or value alone"
            )
        value, other = pair
        if not self.elementwise:
            return BoundActivation(value, None, other)

        def pullback(z: Any, a: Any, up: Any) -> Any:
            return up * other(z, a)

        return BoundActivation(value, other, pullback)


ACTIVATIONS: Registry[Activation] = Registry("activation", Activation)


def register_activation(activation: Activation, *, replace: bool = False) -> Activation:
    """Add an activation to the registry, under its name, for networks and saved models.

    Parameters
    ----------
    activation : Activation
    replace : bool
        Whether one of the same name may be replaced.

    Raises
    ------
    InputError
        If the name is taken and ``replace`` is false.

    Examples
    --------
    >>> from deltarule.maths import ACTIVATIONS, register_activation
    >>> steep = ACTIVATIONS.get("leaky_relu", alpha=0.3)
    >>> steep.settings
    {'alpha': 0.3}
    """
    return ACTIVATIONS.register(activation, replace=replace)


def identity(xp: Any) -> Pair:
    """g(z) = z,  g′(z) = 1."""

    def value(z: Any) -> Any:
        return z

    def slope(z: Any, a: Any) -> Any:
        return xp.where(z == z, 1, 1)

    return value, slope


def logistic(xp: Any) -> Pair:
    """g(z) = 1/(1 + e^−z),  g′(z) = e^−|z| / (1 + e^−|z|)².

    The slope is not computed as a(1 − a), which has no correct digit at z = 37.
    """

    def value(z: Any) -> Any:
        e = xp.exp(-xp.abs(z))
        return xp.where(z > 0, 1, e) / (1 + e)

    def slope(z: Any, a: Any) -> Any:
        e = xp.exp(-xp.abs(z))
        return e / (1 + e * (2 + e))

    return value, slope


def tanh(xp: Any) -> Pair:
    """g(z) = tanh z,  g′(z) = 1/cosh² z = 4 e^−2|z| / (1 + e^−2|z|)²."""

    def value(z: Any) -> Any:
        return xp.tanh(z)

    def slope(z: Any, a: Any) -> Any:
        e = xp.exp(-2 * xp.abs(z))
        return 4 * e / (1 + e * (2 + e))

    return value, slope


def relu(xp: Any) -> Pair:
    """g(z) = max(z, 0),  g′(z) = 1 for z > 0, else 0."""

    def value(z: Any) -> Any:
        return xp.maximum(z, 0)

    def slope(z: Any, a: Any) -> Any:
        return xp.where(z > 0, 1, 0)

    return value, slope


def leaky_relu(xp: Any, alpha: float) -> Pair:
    """g(z) = z for z > 0, else α z."""

    def value(z: Any) -> Any:
        return xp.where(z > 0, z, alpha * z)

    def slope(z: Any, a: Any) -> Any:
        return xp.where(z > 0, 1, alpha)

    return value, slope


def elu(xp: Any, alpha: float) -> Pair:
    """g(z) = z for z > 0, else α (e^z − 1)."""

    def value(z: Any) -> Any:
        return xp.where(z > 0, z, alpha * xp.expm1(xp.minimum(z, 0)))

    def slope(z: Any, a: Any) -> Any:
        return xp.where(z > 0, 1, alpha * xp.exp(xp.minimum(z, 0)))

    return value, slope


def selu(xp: Any, alpha: float, scale: float) -> Pair:
    """g(z) = λ z for z > 0, else λ α (e^z − 1)  (λ is ``scale``; Klambauer and others, 2017)."""

    def value(z: Any) -> Any:
        return xp.where(z > 0, scale * z, scale * alpha * xp.expm1(xp.minimum(z, 0)))

    def slope(z: Any, a: Any) -> Any:
        return xp.where(z > 0, scale, scale * alpha * xp.exp(xp.minimum(z, 0)))

    return value, slope


def softplus(xp: Any) -> Pair:
    """g(z) = log(1 + e^z) = max(z, 0) + log(1 + e^−|z|),  g′(z) = logistic(z)."""

    def value(z: Any) -> Any:
        return xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))

    def slope(z: Any, a: Any) -> Any:
        e = xp.exp(-xp.abs(z))
        return xp.where(z > 0, 1, e) / (1 + e)

    return value, slope


def softsign(xp: Any) -> Pair:
    """g(z) = z/(1 + |z|),  g′(z) = 1/(1 + |z|)²."""

    def value(z: Any) -> Any:
        return z / (1 + xp.abs(z))

    def slope(z: Any, a: Any) -> Any:
        s = 1 + xp.abs(z)
        return 1 / s / s

    return value, slope


def exp(xp: Any) -> Pair:
    """g(z) = g′(z) = e^z."""

    def value(z: Any) -> Any:
        return xp.exp(z)

    def slope(z: Any, a: Any) -> Any:
        return a

    return value, slope


def gelu(xp: Any) -> Pair:
    """g(z) = z Φ(z),  g′(z) = Φ(z) + z φ(z): the exact GELU, not its tanh approximation."""

    def value(z: Any) -> Any:
        return xp.times_normal_cdf(z, z)

    def slope(z: Any, a: Any) -> Any:
        return xp.gelu_slope(z)

    return value, slope


def silu(xp: Any) -> Pair:
    """g(z) = z σ(z),  g′(z) = σ(z) (1 + z σ(−z)), σ the logistic function.

    With e = e^−|z|, the slope is (1 + e + e z)/(1 + e)² for z > 0 and e (1 + e + z)/(1 + e)²
    otherwise; there it is computed as e (1 + z + correction of order e), as in mish.
    """

    def value(z: Any) -> Any:
        m = xp.abs(z)
        return xp.where(z > 0, z, xp.times_exp(z, -m)) / (1 + xp.exp(-m))

    def slope(z: Any, a: Any) -> Any:
        m = xp.abs(z)
        e = xp.exp(-m)
        bottom = 1 + e * (2 + e)
        part = (1 + z) + e * ((1 - (1 + z) * (2 + e)) / bottom)
        return xp.where(z > 0, (1 + e * (1 + m)) / bottom, xp.times_exp(part, -m))

    return value, slope


def mish(xp: Any) -> Pair:
    """g(z) = z t with t = tanh(softplus z),  g′(z) = t + z (1 − t²) σ(z)  (Misra, 2019).

    With e = e^−|z| and p = 2e for z > 0, 1 + e otherwise, t is 1/(1 + e p/(1 + p)) for
    z > 0 and e times that otherwise. The slope is written as one fraction for z > 0; otherwise
    it is e times a fraction that tends to 1 + z, computed as 1 + z minus a correction of
    order e, since 1 + z has no error where it is small.
    """

    def value(z: Any) -> Any:
        m = xp.abs(z)
        e = xp.exp(-m)
        p = xp.where(z > 0, 2 * e, 1 + e)
        return xp.where(z > 0, z, xp.times_exp(z, -m)) / (1 + e * (p / (1 + p)))

    def slope(z: Any, a: Any) -> Any:
        m = xp.abs(z)
        e = xp.exp(-m)
        right = (1 + e * (4 + e * (6 + 4 * e + 4 * (m * (1 + e))))) / (
            1 + e * (4 + e * (8 + e * (8 + 4 * e)))
        )
        correction = (2 + 4 * z + e * (4 + 8 * z + e * (3 + 4 * z + e * (1 + z)))) / (
            4 + e * (8 + e * (8 + e * (4 + e)))
        )
        return xp.where(z > 0, right, xp.times_exp((1 + z) - e * correction, -m))

    return value, slope


def softmax(xp: Any) -> Pair:
    """a_j = e^z_j / Σ_m e^z_m, which mixes outputs: δ_j = Σ_m ∂C/∂a_m · a_m ([m = j] − a_j)."""

    def value(z: Any) -> Any:
        e = xp.exp_difference(z, xp.largest(z))
        return e / xp.total(e)

    def pullback(z: Any, a: Any, up: Any) -> Any:
        return a * (up - xp.total(a * up))

    return value, pullback


for _activation in (
    Activation("identity", identity, symbol=r"\mathrm{id}"),
    Activation("logistic", logistic, symbol=r"\sigma", textbook=textbook.logistic),
    Activation("tanh", tanh, symbol=r"\tanh", textbook=textbook.tanh),
    Activation("relu", relu, kinks=(0.0,), gain=2.0, symbol=r"\mathrm{ReLU}"),
    Activation("leaky_relu", leaky_relu, {"alpha": 0.01}, kinks=(0.0,), gain=2.0),
    Activation("elu", elu, {"alpha": 1.0}, kinks=(0.0,)),
    Activation(
        "selu",
        selu,
        {"alpha": 1.6732632423543772848, "scale": 1.0507009873554804934},
        kinks=(0.0,),
    ),
    Activation("softplus", softplus, textbook=textbook.softplus),
    Activation("softsign", softsign, kinks=(0.0,)),
    Activation("exp", exp, symbol=r"\exp"),
    Activation("gelu", gelu, gain=2.0, symbol=r"\mathrm{GELU}"),
    Activation("silu", silu, gain=2.0, symbol=r"\mathrm{SiLU}", textbook=textbook.silu),
    Activation("mish", mish, gain=2.0, textbook=textbook.mish),
    Activation("softmax", softmax, elementwise=False, textbook=textbook.softmax),
):
    register_activation(_activation)

"""Penalties on the size of the weights, with their slopes.

    C + α/(2 Σs) ‖W‖²  (L2),    C + α/Σs ‖W‖₁  (L1)

Σs is the total sample weight of the *training set* (N without sample weights), so the strength
does not depend on the batch size. The penalty is added once, after the sum over the shards of a
batch. Biases are not penalised.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.input_checks import check_network
from deltarule.maths.namespace import numpy_namespace
from deltarule.maths.network import Network
from deltarule.records import Record, Registry, real_number

__all__ = ["PENALTIES", "Penalty", "penalty", "penalty_terms"]


@dataclasses.dataclass(frozen=True)
class Penalty(Record):
    """A penalty: ``formula(xp)`` returns a function of w giving (value, slope) for each weight."""


PENALTIES: Registry[Penalty] = Registry("penalty", Penalty)


def l2(xp: Any) -> Any:
    """½ w², with slope w."""

    def of_weight(w: Any) -> tuple[Any, Any]:
        return 0.5 * w * w, w

    return of_weight


def l1(xp: Any) -> Any:
    """|w|, with slope sign(w), 0 at 0."""

    def of_weight(w: Any) -> tuple[Any, Any]:
        return xp.abs(w), xp.sign(w)

    return of_weight


PENALTIES.register(Penalty("l2", l2))
PENALTIES.register(Penalty("l1", l1))


def penalty_terms(
    xp: Any, strengths: Mapping[str, float], theta: Any, is_weight: Any, total_weight: Any
) -> tuple[Any, Any]:
    """The penalty's cost and gradient over one flat parameter vector.

    Parameters
    ----------
    xp : ArrayNamespace
    strengths : mapping of str to float
        α for each penalty, by name.
    theta, is_weight : arrays of shape (p,)
        The parameters, and which of them are weights.
    total_weight : float
        Σs over the training set.
    """
    none = xp.where(is_weight, 0, 0)
    cost, grad = none.sum(), none
    for name, strength in strengths.items():
        value, slope = PENALTIES.get(name).bind(xp)(theta)
        scale = strength / total_weight
        cost = cost + scale * xp.where(is_weight, value, 0).sum()
        grad = grad + scale * xp.where(is_weight, slope, 0)
    return cost, grad


def penalty(
    net: Network,
    theta: np.ndarray,
    *,
    l2: float = 0.0,
    l1: float = 0.0,
    total_weight: float = 1.0,
) -> tuple[float, np.ndarray]:
    """The penalty α₂/(2 Σs) ‖W‖² + α₁/Σs ‖W‖₁ and its gradient.

    Parameters
    ----------
    net : Network
    theta : array of shape (p,)
        All parameters.
    l2, l1 : float
        The strengths α₂ and α₁.
    total_weight : float
        Σs, the total sample weight of the training set: N without sample weights.

    Returns
    -------
    cost : float
    grad : array of shape (p,)

    Raises
    ------
    InputError
        If a strength is negative or the total weight is not positive.

    Examples
    --------
    >>> from deltarule.maths import Network, penalty
    >>> net = Network([2, 1])
    >>> theta = net.pack(W=[[[3.0, -4.0]]], b=[[7.0]])
    >>> penalty(net, theta, l2=0.5, total_weight=5)
    (1.25, array([ 0.3, -0.4,  0. ]))
    """
    strengths: dict[str, float] = {}
    for name, given in (("l2", l2), ("l1", l1)):
        alpha = real_number(given)
        if alpha is None or not 0 <= alpha < np.inf:
            raise InputError(parameter=name, given=given, expected="a finite number ≥ 0")
        if alpha > 0:
            strengths[name] = alpha
    total = real_number(total_weight)
    if total is None or not 0 < total < np.inf:
        raise InputError(f"total_weight is {total_weight!r}; expected Σs of the training set, > 0")
    theta = check_network(net).check_theta(theta)
    xp = numpy_namespace(net.dtype)
    with np.errstate(over="ignore"):  # weights that diverged have an infinite penalty
        cost, grad = penalty_terms(xp, strengths, theta, net.is_weight, total)
    return float(cost), np.asarray(grad)

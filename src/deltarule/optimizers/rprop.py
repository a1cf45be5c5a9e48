r"""The four variants of RPROP: the sign of the gradient decides, its size does not.

Each parameter has its own step size Δ, which grows while the sign of its
gradient holds and shrinks when it turns (a minimum was jumped over):

.. math:: Δ ← \begin{cases} \min(η^+ Δ, Δ_{max}) & s\,s' > 0 \\
                            \max(η^- Δ, Δ_{min}) & s\,s' < 0 \\
                            Δ & s\,s' = 0 \end{cases}
          \qquad s = \operatorname{sign} g,\; s' \text{ the } s \text{ before}

The variants differ in what a parameter does at a turn:

========  =========================  ===========================  ====================
name      paper's name               the step at a turn           s kept for next time
========  =========================  ===========================  ====================
rprop     RPROP−                     −s Δ, as at any other time   s
irprop-   iRPROP−                    none                         0
rprop+    RPROP+ (the original)      the last one is taken back   0
irprop+   iRPROP+                    taken back if the cost rose  0
========  =========================  ===========================  ====================

s = 0 kept after a turn means that the next step neither grows nor shrinks Δ.

Signs only mean something for the whole training set, so these are for full
batches. The learning rate is not used: Δ₀ (``delta0``, or an array in the slot
``delta``, one per parameter) is where the sizes start. Only signs are kept,
which is all of the earlier gradient the papers use: the step to be taken back is
−s'Δ', since s' ≠ 0 says that exactly this step was taken. Products of gradients,
which underflow near a minimum, do not occur.

Sources: Riedmiller and Braun (1993), "A direct adaptive method for faster
backpropagation learning: the RPROP algorithm"; Igel and Hüsken (2000, 2003),
"Improving the Rprop learning algorithm".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltarule.errors import InputError
from deltarule.optimizers.gradient_rules import Update
from deltarule.optimizers.scalars import in_interval

__all__ = ["irprop_minus", "irprop_plus", "rprop_minus", "rprop_plus"]


def _resizing(
    xp: Any,
    name: str,
    delta0: float,
    eta_plus: float,
    eta_minus: float,
    delta_min: float,
    delta_max: float,
) -> Callable[[Any, dict[str, Any]], tuple[Any, Any, Any]]:
    """What the variants share: ``resized(g, slots) -> (s, Δ, whether s turned)``."""
    grow = in_interval(name, "eta_plus", eta_plus, "[1, inf)", 1.2)
    shrink = in_interval(name, "eta_minus", eta_minus, "(0, 1]", 0.5)
    least = in_interval(name, "delta_min", delta_min, "[0, inf)", 1e-6)
    most = in_interval(name, "delta_max", delta_max, "(0, inf]", 50)
    in_interval(name, "delta0", delta0, "(0, inf)", 0.1)
    if not least <= delta0 <= most:
        raise InputError(
            f"{name}: delta0 is {delta0!r}; expected a step size between delta_min = {least!r} "
            f"and delta_max = {most!r}; change one of the three"
        )

    def resized(g: Any, slots: dict[str, Any]) -> tuple[Any, Any, Any]:
        s, delta = xp.sign(g), slots["delta"]
        agreement = s * slots["sign"]
        turned = agreement < 0
        shrunk = xp.where(turned, xp.maximum(delta * shrink, least), delta)
        return s, xp.where(agreement > 0, xp.minimum(delta * grow, most), shrunk), turned

    return resized


def rprop_minus(
    xp: Any,
    delta0: float = 0.1,
    eta_plus: float = 1.2,
    eta_minus: float = 0.5,
    delta_min: float = 1e-6,
    delta_max: float = 50.0,
) -> Update:
    r"""θ ← θ − sign(g) Δ, also at a turn: RPROP−, the plainest variant.

    .. math:: θ ← θ - s Δ

    Not the RPROP of 1993, which takes a step back at a turn (:func:`rprop_plus`),
    and not PyTorch's ``Rprop``, which is :func:`irprop_minus`.

    Source: Igel and Hüsken (2000), "Improving the Rprop learning algorithm".

    Raises
    ------
    InputError
        If η⁺ < 1, η⁻ is not in (0, 1], or not Δmin ≤ Δ₀ ≤ Δmax.

    Examples
    --------
    The first parameter's sign holds, the second's turns:

    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> slots = {"sign": np.array([1.0, 1.0]), "delta": np.array([0.5, 0.5])}
    >>> theta, slots = rprop_minus(np)(
    ...     np.array([1.0, 1.0]), np.array([9.0, -0.1]), slots, StepInfo(2))
    >>> print(slots["delta"], theta)
    [0.6  0.25] [0.4  1.25]
    """
    resized = _resizing(xp, "rprop", delta0, eta_plus, eta_minus, delta_min, delta_max)

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        s, delta, _ = resized(g, slots)
        return theta - s * delta, {"sign": s, "delta": delta}

    return update


def irprop_minus(
    xp: Any,
    delta0: float = 0.1,
    eta_plus: float = 1.2,
    eta_minus: float = 0.5,
    delta_min: float = 1e-6,
    delta_max: float = 50.0,
) -> Update:
    r"""θ ← θ − sign(g) Δ, g set to 0 at a turn: iRPROP−.

    .. math:: s ← 0 \text{ where } s\,s' < 0, \qquad θ ← θ - s Δ

    A parameter whose gradient turned stays where it is for one step, with half
    its Δ. This is PyTorch's ``Rprop`` (its ``lr`` is ``delta0``).

    Source: Igel and Hüsken (2000, 2003).

    Raises
    ------
    InputError
        As :func:`rprop_minus`.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> slots = {"sign": np.array([1.0, 1.0]), "delta": np.array([0.5, 0.5])}
    >>> theta, slots = irprop_minus(np)(
    ...     np.array([1.0, 1.0]), np.array([9.0, -0.1]), slots, StepInfo(2))
    >>> print(slots["delta"], theta, slots["sign"])
    [0.6  0.25] [0.4 1. ] [1. 0.]
    """
    resized = _resizing(xp, "irprop-", delta0, eta_plus, eta_minus, delta_min, delta_max)

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        s, delta, turned = resized(g, slots)
        s = xp.where(turned, 0.0, s)
        return theta - s * delta, {"sign": s, "delta": delta}

    return update


def rprop_plus(
    xp: Any,
    delta0: float = 0.1,
    eta_plus: float = 1.2,
    eta_minus: float = 0.5,
    delta_min: float = 1e-6,
    delta_max: float = 50.0,
) -> Update:
    r"""θ ← θ − sign(g) Δ, and at a turn the last step is taken back: RPROP+.

    .. math:: θ ← \begin{cases} θ + s' Δ' & s\,s' < 0 \text{, and } s ← 0 \\
                                θ - s Δ & \text{otherwise} \end{cases}

    The original of 1993, "with weight-backtracking"; Δ' is Δ before it shrank.

    Source: Riedmiller and Braun (1993).

    Raises
    ------
    InputError
        As :func:`rprop_minus`.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> slots = {"sign": np.array([1.0, 1.0]), "delta": np.array([0.5, 0.5])}
    >>> theta, slots = rprop_plus(np)(
    ...     np.array([1.0, 1.0]), np.array([9.0, -0.1]), slots, StepInfo(2))
    >>> print(slots["delta"], theta, slots["sign"])
    [0.6  0.25] [0.4 1.5] [1. 0.]
    """
    resized = _resizing(xp, "rprop+", delta0, eta_plus, eta_minus, delta_min, delta_max)

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        s, delta, turned = resized(g, slots)
        theta = theta + xp.where(turned, slots["sign"] * slots["delta"], -s * delta)
        return theta, {"sign": xp.where(turned, 0.0, s), "delta": delta}

    return update


def irprop_plus(
    xp: Any,
    delta0: float = 0.1,
    eta_plus: float = 1.2,
    eta_minus: float = 0.5,
    delta_min: float = 1e-6,
    delta_max: float = 50.0,
) -> Update:
    r"""θ ← θ − sign(g) Δ, and at a turn the last step is taken back if the cost rose: iRPROP+.

    .. math:: θ ← \begin{cases} θ + s' Δ' & s\,s' < 0,\; C > C' \text{, and } s ← 0 \\
                                θ & s\,s' < 0,\; C ≤ C' \text{, and } s ← 0 \\
                                θ - s Δ & \text{otherwise} \end{cases}

    C is ``step.cost``, the cost at the θ where g was taken, penalty included,
    and C' the one of the step before. The best of the four in the papers' experiments.

    Source: Igel and Hüsken (2000, 2003).

    Raises
    ------
    InputError
        As :func:`rprop_minus`; on update, if ``step.cost`` is None.

    Examples
    --------
    The second parameter turns, and the cost rose from 3 to 4:

    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> slots = {"sign": np.ones(2), "delta": np.array([0.5, 0.5]), "cost": np.array(3.0)}
    >>> theta, g = np.array([1.0, 1.0]), np.array([9.0, -0.1])
    >>> print(irprop_plus(np)(theta, g, slots, StepInfo(2, cost=4.0))[0])
    [0.4 1.5]
    >>> print(irprop_plus(np)(theta, g, slots, StepInfo(2, cost=2.0))[0])
    [0.4 1. ]
    """
    resized = _resizing(xp, "irprop+", delta0, eta_plus, eta_minus, delta_min, delta_max)

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        if step.cost is None:
            raise InputError(
                "irprop+: step.cost is None; expected the cost at theta, to know whether it "
                "rose; pass it in StepInfo, or use irprop-, which does without"
            )
        s, delta, turned = resized(g, slots)
        # `where` brings the cost to the type of the slot, so that equal costs compare
        # as equal whatever type each came in.
        cost = xp.where(True, step.cost, slots["cost"])
        back = xp.where(cost > slots["cost"], slots["sign"] * slots["delta"], 0.0)
        theta = theta + xp.where(turned, back, -s * delta)
        return theta, {"sign": xp.where(turned, 0.0, s), "delta": delta, "cost": cost}

    return update

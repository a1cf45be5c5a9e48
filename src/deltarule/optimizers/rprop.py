r"""RPROP in its four variants, which use the sign of the gradient and not its size.

Each parameter has its own step size Δ, which grows while the sign of its gradient stays the
same and shrinks when the sign turns (the step passed a minimum):

.. math:: Δ ← \begin{cases} \min(η^+ Δ, Δ_{max}) & s\,s' > 0 \\
                            \max(η^- Δ, Δ_{min}) & s\,s' < 0 \\
                            Δ & s\,s' = 0 \end{cases}
          \qquad s = \operatorname{sign} g,\; s' \text{ the } s \text{ of the step before}

The variants differ in the step of a parameter whose sign has turned:

========  =====================  =====================================  =====================
variant   name in the papers     step where s s' < 0                    s kept for next step
========  =====================  =====================================  =====================
rprop     RPROP−                 −s Δ, as at any other step             s
irprop-   iRPROP−                none                                   0
rprop+    RPROP+ (the original)  +s' Δ', which undoes the last step     0
irprop+   iRPROP+                +s' Δ' if the cost rose, else none     0
========  =====================  =====================================  =====================

Where s = 0 is kept, the next step leaves Δ unchanged.

The signs are meaningful for the whole training set only, so these rules are for full batches.
The learning rate is not used: Δ₀ (``delta0``, or an array in the slot ``delta``, one per
parameter) is the initial step size. Of the last gradient only the sign is kept, which suffices
to undo a step: where s' ≠ 0 the step was −s'Δ'. No products of gradients are formed, which
would underflow near a minimum.

Sources: Riedmiller and Braun (1993), "A direct adaptive method for faster backpropagation
learning: the RPROP algorithm"; Igel and Hüsken (2000, 2003), "Improving the Rprop learning
algorithm".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltarule.errors import InputError
from deltarule.optimizers.gradient_rules import Update
from deltarule.optimizers.scalars import in_interval

__all__ = ["irprop_minus", "irprop_plus", "rprop", "rprop_minus", "rprop_plus"]


def rprop(
    xp: Any,
    variant: str,
    delta0: float = 0.1,
    eta_plus: float = 1.2,
    eta_minus: float = 0.5,
    delta_min: float = 1e-6,
    delta_max: float = 50.0,
) -> Update:
    r"""θ ← θ − sign(g) Δ; the variants differ where the sign of g has turned.

    .. math:: θ ← \begin{cases} θ + s' Δ' & s\,s' < 0 \text{ (rprop+; irprop+ if } C > C') \\
                                θ & s\,s' < 0 \text{ (irprop-; irprop+ if } C ≤ C') \\
                                θ - s Δ & \text{otherwise} \end{cases}

    Δ' is Δ before it shrank, and C is ``step.cost``, the cost at the θ where g was taken,
    penalty included; C' is that of the step before. PyTorch's ``Rprop`` is "irprop-", with
    ``lr`` for ``delta0``. In the papers' experiments "irprop+" was the best of the four.

    Parameters
    ----------
    xp : namespace
    variant : {"rprop", "irprop-", "rprop+", "irprop+"}
    delta0 : float
        Δ₀, used by the rule's initial slots and checked here.
    eta_plus, eta_minus : float
        η⁺ and η⁻.
    delta_min, delta_max : float
        Δmin and Δmax.

    Raises
    ------
    InputError
        If η⁺ < 1, η⁻ is not in (0, 1], or not Δmin ≤ Δ₀ ≤ Δmax; for "irprop+", on update, if
        ``step.cost`` is None.

    Source: Riedmiller and Braun (1993) for "rprop+"; Igel and Hüsken (2000, 2003) for the others.

    Examples
    --------
    The sign of the first parameter stays, that of the second turns:

    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> old = {"sign": np.ones(2), "delta": np.array([0.5, 0.5]), "cost": np.array(3.0)}
    >>> theta, g = np.array([1.0, 1.0]), np.array([9.0, -0.1])
    >>> for variant in ("rprop", "irprop-", "rprop+"):
    ...     moved, slots = rprop(np, variant)(theta, g, old, StepInfo(2))
    ...     print(moved, slots["sign"], slots["delta"])
    [0.4  1.25] [ 1. -1.] [0.6  0.25]
    [0.4 1. ] [1. 0.] [0.6  0.25]
    [0.4 1.5] [1. 0.] [0.6  0.25]
    >>> for cost in (4.0, 2.0):  # the cost was 3 before
    ...     print(rprop(np, "irprop+")(theta, g, old, StepInfo(2, cost=cost))[0])
    [0.4 1.5]
    [0.4 1. ]
    """
    grow = in_interval(variant, "eta_plus", eta_plus, "[1, inf)", 1.2)
    shrink = in_interval(variant, "eta_minus", eta_minus, "(0, 1]", 0.5)
    least = in_interval(variant, "delta_min", delta_min, "[0, inf)", 1e-6)
    most = in_interval(variant, "delta_max", delta_max, "(0, inf]", 50)
    in_interval(variant, "delta0", delta0, "(0, inf)", 0.1)
    if not least <= delta0 <= most:
        raise InputError(
            f"{variant}: delta0 is {delta0!r}; expected a step size between delta_min = {least!r} "
            f"and delta_max = {most!r}; change one of the three"
        )

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        if variant == "irprop+" and step.cost is None:
            raise InputError(
                "irprop+: step.cost is None; expected the cost at theta, to know whether it "
                "rose; pass it in StepInfo, or use irprop-, which does without"
            )
        s, delta = xp.sign(g), slots["delta"]
        agreement = s * slots["sign"]
        turned = agreement < 0
        shrunk = xp.where(turned, xp.maximum(delta * shrink, least), delta)
        delta = xp.where(agreement > 0, xp.minimum(delta * grow, most), shrunk)
        if variant in ("rprop", "irprop-"):
            s = s if variant == "rprop" else xp.where(turned, 0.0, s)
            return theta - s * delta, {"sign": s, "delta": delta}
        kept = {"sign": xp.where(turned, 0.0, s), "delta": delta}
        undo = slots["sign"] * slots["delta"]
        if variant == "irprop+":
            # `where` converts the cost to the type of the slot, so that equal costs compare
            # as equal in every type.
            kept["cost"] = xp.where(True, step.cost, slots["cost"])
            undo = xp.where(kept["cost"] > slots["cost"], undo, 0.0)
        return theta + xp.where(turned, undo, -s * delta), kept

    return update


def _variant(name: str, variant: str) -> Callable[..., Update]:
    """The rule of one variant as a function of its own, which a record pickles by its name."""

    def formula(xp: Any, **parameters: float) -> Update:
        return rprop(xp, variant, **parameters)

    formula.__name__ = formula.__qualname__ = name
    formula.__doc__ = rprop.__doc__
    return formula


rprop_minus = _variant("rprop_minus", "rprop")
irprop_minus = _variant("irprop_minus", "irprop-")
rprop_plus = _variant("rprop_plus", "rprop+")
irprop_plus = _variant("irprop_plus", "irprop+")

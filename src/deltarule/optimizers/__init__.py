"""Update rules, schedules, gradient clipping, parameter averaging and L-BFGS.

A formula is a pure function over an array namespace: it takes θ, the gradient and the rule's
state (its slots), and returns the new θ and state, so that one line of source serves NumPy, JAX
and compiled code. θ is any flat vector; this package does not depend on networks.

:data:`RULES` and :data:`SCHEDULES` are the registries of rules and schedules;
:data:`MINIMIZERS` has the methods that evaluate the cost themselves, such as L-BFGS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names

if TYPE_CHECKING:
    from deltarule.optimizers.averaging import average
    from deltarule.optimizers.clipping import clip_by_norm
    from deltarule.optimizers.lbfgs import MINIMIZERS, Minimizer, Minimum
    from deltarule.optimizers.rules import RULES, Rule, Slot, StepInfo
    from deltarule.optimizers.schedules import SCHEDULES, Schedule, TrainingPosition

__all__ = [
    "MINIMIZERS",
    "RULES",
    "SCHEDULES",
    "Minimizer",
    "Minimum",
    "Rule",
    "Schedule",
    "Slot",
    "StepInfo",
    "TrainingPosition",
    "average",
    "clip_by_norm",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "averaging": "average",
        "clipping": "clip_by_norm",
        "lbfgs": "MINIMIZERS Minimizer Minimum",
        "rules": "RULES Rule Slot StepInfo",
        "schedules": "SCHEDULES Schedule TrainingPosition",
    },
)

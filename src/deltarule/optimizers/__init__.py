"""HOW the parameters move: update rules, schedules, clipping, averaging.

Formulas are written once, over an array namespace, and are pure: they take θ, the
gradient and what they carry along, and return θ and what they carry along, so one
line of source serves NumPy, JAX and whatever else has square roots. What they move
may be anything that is one flat vector with a gradient; this package knows nothing
of networks.

:data:`RULES` and :data:`SCHEDULES` hold the named ones, in order of complexity;
:data:`MINIMIZERS` the methods that ask for the cost themselves.
"""

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

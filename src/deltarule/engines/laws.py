"""The laws of the engine contract, by name, each a function that yields findings.

A finding is an error, what is allowed, and where it was. A law is broken by one finding
whose error is above what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable

from deltarule.engines import gradient_laws, motion_laws
from deltarule.engines.bench import Bench, Findings

__all__ = ["LAWS", "Bench", "Findings"]

LAWS: dict[str, Callable[[Bench], Findings]] = {
    "promises": gradient_laws.law_promises,
    "gradient": gradient_laws.law_gradient,
    "shapes": gradient_laws.law_shapes,
    "sum_of_parts": gradient_laws.law_sum_of_parts,
    "permutation": gradient_laws.law_permutation,
    "weight_two": gradient_laws.law_weight_two,
    "weight_zero": gradient_laws.law_weight_zero,
    "dropout": gradient_laws.law_dropout,
    "input_gradient": gradient_laws.law_input_gradient,
    "sample_gradients": gradient_laws.law_sample_gradients,
    "step": motion_laws.law_step,
    "update": motion_laws.law_update,
    "trajectory": motion_laws.law_trajectory,
    "inputs_unchanged": motion_laws.law_inputs_unchanged,
    "state": motion_laws.law_state,
    "repeatable": motion_laws.law_repeatable,
    "not_finite": motion_laws.law_not_finite,
    "memory": motion_laws.law_memory,
}

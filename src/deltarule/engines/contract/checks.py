"""The laws of the engine contract, by name, each a function that yields findings.

A finding is an error, what is allowed, and where it was. A law is broken by one finding
whose error is above what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable

from deltarule.engines.contract import checks_gradient, checks_update
from deltarule.engines.contract.harness import Bench, Findings

__all__ = ["LAWS", "Bench", "Findings"]

LAWS: dict[str, Callable[[Bench], Findings]] = {
    "promises": checks_gradient.law_promises,
    "gradient": checks_gradient.law_gradient,
    "shapes": checks_gradient.law_shapes,
    "sum_of_parts": checks_gradient.law_sum_of_parts,
    "permutation": checks_gradient.law_permutation,
    "weight_two": checks_gradient.law_weight_two,
    "weight_zero": checks_gradient.law_weight_zero,
    "dropout": checks_gradient.law_dropout,
    "input_gradient": checks_gradient.law_input_gradient,
    "sample_gradients": checks_gradient.law_sample_gradients,
    "step": checks_update.law_step,
    "update": checks_update.law_update,
    "trajectory": checks_update.law_trajectory,
    "inputs_unchanged": checks_update.law_inputs_unchanged,
    "state": checks_update.law_state,
    "repeatable": checks_update.law_repeatable,
    "not_finite": checks_update.law_not_finite,
    "memory": checks_update.law_memory,
}

"""The checks of the engine contract, by name.

A check is a function that yields findings: an error, the allowed error, and the place. The check
fails if an error is larger than allowed.
"""

from __future__ import annotations

from collections.abc import Callable

from deltarule.engines.contract import (
    checks_epoch,
    checks_gradient,
    checks_products,
    checks_update,
)
from deltarule.engines.contract.harness import Findings, Subject

__all__ = ["CHECKS"]

CHECKS: dict[str, Callable[[Subject], Findings]] = {
    "promises": checks_gradient.check_promises,
    "gradient": checks_gradient.check_gradient,
    "shapes": checks_gradient.check_shapes,
    "sum_of_parts": checks_gradient.check_sum_of_parts,
    "permutation": checks_gradient.check_permutation,
    "weight_two": checks_gradient.check_weight_two,
    "weight_zero": checks_gradient.check_weight_zero,
    "dropout": checks_gradient.check_dropout,
    "input_gradient": checks_gradient.check_input_gradient,
    "sample_gradients": checks_gradient.check_sample_gradients,
    "products": checks_products.check_products,
    "step": checks_update.check_step,
    "update": checks_update.check_update,
    "epoch": checks_epoch.check_epoch,
    "trajectory": checks_update.check_trajectory,
    "inputs_unchanged": checks_update.check_inputs_unchanged,
    "state": checks_update.check_state,
    "repeatable": checks_update.check_repeatable,
    "not_finite": checks_update.check_not_finite,
    "memory": checks_update.check_memory,
}

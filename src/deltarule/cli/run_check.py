"""``deltarule check``: the engine contract, and gradients against finite differences."""

from __future__ import annotations

import dataclasses

import numpy as np

from deltarule.cli import output
from deltarule.engines import check_engine, make_engine
from deltarule.engines.contract.cases import activation_cases, loss_cases
from deltarule.maths import check_gradient

__all__ = ["GradientRow", "check_gradients", "check_machine"]


@dataclasses.dataclass(frozen=True)
class GradientRow:
    """The gradient check of one network.

    ``error`` is the largest relative deviation of a block from central differences.
    """

    what: str
    error: float
    passed: bool


def check_machine(engine: str, *, as_json: bool, quiet: bool) -> bool:
    """Check this installation, print the results, and return whether all checks passed."""
    with output.live(quiet or as_json) as show:
        show("testing the engine against its contract")
        contract = check_engine(make_engine(engine), raises=False)
        show("comparing gradients with differences")
        gradients = check_gradients()
    passed = contract.passed and all(row.passed for row in gradients)
    if as_json:
        output.json_object(
            {
                "passed": passed,
                "contract": [dataclasses.asdict(result) for result in contract.results],
                "gradients": [dataclasses.asdict(row) for row in gradients],
            }
        )
    elif not quiet:
        output.say("\n".join(line.rstrip() for line in str(contract).splitlines()))
        worst = max(gradients, key=lambda row: row.error)
        output.say(
            f"\ngradient against central differences: {len(gradients)} networks, worst block off "
            f"by {worst.error:.1e} of its size ({worst.what})"
        )
        failed = [row.what for row in gradients if not row.passed]
        if failed:
            output.say(f"gradients that are NOT the derivative: {', '.join(failed)}")
        output.say("all checks passed" if passed else "some checks FAILED")
    return passed


def check_gradients() -> list[GradientRow]:
    """Check the gradient for every activation, and for every loss with each of its outputs."""
    rows = []
    for cases in (activation_cases, loss_cases):
        for case in cases(np.float64):
            # Y of a case has a column for each output; the check takes a column for each target.
            Y = case.Y[:, :: case.net.loss.outputs_per_target()]
            report = check_gradient(
                case.net, case.theta, case.X, Y, case.w, entries=20, raises=False
            )
            rows.append(GradientRow(case.label, report.error, report.passed))
    return rows

"""The trainer of the static playground keeps the engine contract, in a real browser."""

import pytest
from tests.browser import browser
from tests.playground.static_engine import SCRIPTS, StaticEngine

from deltarule.engines import CHECKS, check_engine
from deltarule.errors import ContractViolation
from deltarule.optimizers import RULES, Rule, Slot


@pytest.fixture(scope="module")
def page():
    with browser() as context:
        yield context.new_page()


# The passes are those of the page's driver, which keeps the laws on them
# (tests/explain/test_page_driver.py); one of these checks here shows that it is the same driver.
OF_PASSES = {
    "gradient", "shapes", "sum_of_parts", "permutation", "weight_two", "weight_zero",
    "input_gradient", "sample_gradients",
}  # fmt: skip


def test_it_keeps_every_law_of_the_contract(page):
    checks = [name for name in CHECKS if name not in OF_PASSES - {"shapes"}]
    assert {"step", "update", "trajectory", "not_finite"} < set(checks)
    assert check_engine(StaticEngine(page), checks=checks).passed


def steepest(xp, most=0.5):
    """A user's own rule with a slot of each kind: |g| and the cost weigh the step."""

    def update(theta, g, slots, step):
        seen = xp.minimum(slots["seen"] + xp.abs(g), most)
        low = xp.minimum(slots["low"], step.cost)
        rate = step.learning_rate / (1.0 + step.t)
        return theta - rate * xp.sign(g) * seen * low, {"seen": seen, "low": low}

    return update


def test_what_a_user_wrote_keeps_the_laws_of_steps(page):
    slots = (Slot("seen"), Slot("low", kind="scalar", initial=9.0))
    RULES.register(Rule("steepest", steepest, {"most": 0.25}, slots=slots, uses_cost=True))
    try:
        report = check_engine(StaticEngine(page), checks=["step", "update", "trajectory"])
    finally:
        RULES.unregister("steepest")
    assert report.passed


# Scripts with one fault each, which the contract must find.
FAULTS = {
    "the penalty forgotten": ("grad[m] += scale * slope;", "grad[m] += 0;"),
    "biases penalised": ('if (kind !== "W") continue;', ""),
    "t stands still": ("t: ++t }", "t: 1 }"),
    "biases decay": ('move(kind === "W" ? code.weight : code.bias', "move(code.weight"),
    "slots forgotten": ("slots[slot].set(carried[i], start);", ";"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_contract_sees_a_fault_of_the_steps(page, fault):
    true, false = FAULTS[fault]
    assert SCRIPTS.count(true) == 1
    with pytest.raises(ContractViolation):
        check_engine(StaticEngine(page, SCRIPTS.replace(true, false)), checks=["update"])

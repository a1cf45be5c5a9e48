"""The contract itself: which engines pass, what it covers, how it reports."""

import numpy as np
import pytest

from deltarule.engines import (
    CHECKS,
    CheckedEngine,
    Promises,
    ReferenceEngine,
    check_engine,
)
from deltarule.errors import ContractViolation, InputError
from deltarule.maths import ACTIVATIONS, LOSSES, Activation, Loss
from deltarule.optimizers import RULES, Rule


@pytest.mark.parametrize("engine", [ReferenceEngine, CheckedEngine])
def test_the_library_s_engines_pass_every_check_in_both_dtypes(engine):
    report = check_engine(engine)
    assert report.passed
    assert {(r.check, r.dtype) for r in report.results} == {
        (check, dtype) for check in CHECKS for dtype in ("float32", "float64")
    }
    # A check without comparisons checks nothing; these two are for engines that promise them.
    promised = ("memory", "products")
    assert all(r.comparisons > 0 for r in report.results if r.check not in promised)


def test_the_report_is_a_table_of_checks():
    text = str(check_engine(ReferenceEngine, checks=["permutation"]))
    assert "engine reference" in text
    assert text.count("permutation") == 2
    assert "BROKEN" not in text


def test_an_instance_is_accepted_like_a_class():
    assert check_engine(ReferenceEngine(), checks=["repeatable"]).passed


def test_an_unknown_check_is_refused_with_the_list():
    with pytest.raises(InputError, match="no check 'gravity'; the checks are promises, gradient"):
        check_engine(ReferenceEngine, checks=["gravity"])


def test_an_engine_is_tested_in_the_dtypes_it_promises_only():
    class Single(ReferenceEngine):
        promises = Promises(tolerance={"float32": 64.0})

    report = check_engine(Single, checks=["gradient"])
    assert {r.dtype for r in report.results} == {"float32"}


def test_a_promise_of_less_than_the_limit_is_tested():
    class Proud(ReferenceEngine):
        promises = Promises(tolerance={"float32": 1e-3})

    with pytest.raises(ContractViolation, match="gradient"):
        check_engine(Proud)


def test_a_check_that_fails_in_one_dtype_only_is_reported():
    class WrongInFloat32(ReferenceEngine):
        def gradient(self, batch):
            cost, grad = super().gradient(batch)
            return cost, grad * (1.001 if self.net.dtype == np.float32 else 1)

    report = check_engine(WrongInFloat32, checks=["gradient"], raises=False)
    assert {r.dtype: r.passed for r in report.results} == {"float32": False, "float64": True}


class KnowsItsOwnNames(ReferenceEngine):
    """Wrong for formulas whose names were not registered at import, as if it knew those only."""

    known = ACTIVATIONS.names()
    losses = LOSSES.names()
    rules = RULES.names()

    def gradient(self, batch):
        cost, grad = super().gradient(batch)
        names = {g.name for g in self.net.activations[1:]}
        foreign = not names <= set(self.known) or self.net.loss.name not in self.losses
        return cost, grad * (1.5 if foreign else 1.0)

    def apply(self, grad, learning_rate, cost=None):
        factor = 1.0 if self.settings.rule.name in self.rules else 1.5
        super().apply(grad, learning_rate * factor, cost)


def cube(xp):
    return (lambda z: z * z * z), (lambda z, a: 3 * z * z)


def fourth_power(xp):
    def terms(a, y):
        r = a - y
        return r * r * r * r, 4 * r * r * r

    return terms


def signsgd(xp):
    def update(theta, g, slots, step):
        return theta - step.learning_rate * xp.sign(g), {}

    return update


@pytest.mark.parametrize(
    ("registry", "record", "check", "where"),
    [
        (ACTIVATIONS, Activation("cube", cube), "gradient", "cube"),
        (LOSSES, Loss("fourth_power", fourth_power), "gradient", "fourth_power"),
        (RULES, Rule("signsgd", signsgd), "trajectory", "signsgd"),
    ],
)
def test_what_a_user_registers_is_tested(registry, record, check, where):
    assert check_engine(KnowsItsOwnNames, checks=[check]).passed
    registry.register(record)
    try:
        assert check_engine(ReferenceEngine, checks=[check]).passed
        with pytest.raises(ContractViolation, match=where):
            check_engine(KnowsItsOwnNames, checks=[check])
    finally:
        registry.unregister(record.name)


def test_ctrl_c_during_a_check_is_not_a_failure():
    class Pressed(ReferenceEngine):
        def gradient(self, batch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_engine(Pressed, checks=["gradient"])


def test_an_engine_that_allocates_nothing_as_promised_passes():
    class Frugal(ReferenceEngine):
        """Its steps do nothing at all."""

        promises = Promises(tolerance={"float64": 64.0}, allocates=False)

        def step(self, batch, learning_rate):
            return 0.0

    report = check_engine(Frugal, checks=["memory"])
    assert [r.comparisons for r in report.results] == [1]

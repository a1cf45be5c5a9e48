"""A deliberately broken engine for each check is rejected, and the check is named."""

import pytest
from tests.engines import broken_gradients, broken_keeping, broken_updates  # noqa: F401 they note
from tests.engines.broken import BROKEN

from deltarule.engines import CHECKS, check_engine
from deltarule.errors import ContractViolation


@pytest.mark.parametrize(
    ("check", "engine"), BROKEN, ids=[f"{check}-{e.__name__}" for check, e in BROKEN]
)
def test_a_broken_engine_is_rejected_naming_the_law(check, engine):
    with pytest.raises(ContractViolation, match=check if check == "promises" else f"check '{check}'") as e:
        check_engine(engine, checks=[check])
    assert e.value.check == check


def test_every_law_has_a_broken_engine():
    assert {check for check, _ in BROKEN} == set(CHECKS)


def test_without_a_choice_of_laws_a_broken_engine_is_rejected_too():
    broken = {e.__name__: e for _, e in BROKEN}
    with pytest.raises(ContractViolation) as error:
        check_engine(broken["SaysNothing"])
    assert error.value.check == "not_finite"


def test_a_report_lists_the_broken_laws_and_only_those():
    broken = {e.__name__: e for _, e in BROKEN}
    checks = ["shapes", "permutation", "weight_two", "dropout", "repeatable"]
    report = check_engine(broken["FavoursTheFirstRow"], checks=checks, raises=False)
    assert not report.passed
    failed = {r.check for r in report.results if not r.passed}
    assert "permutation" in failed
    assert "repeatable" not in failed
    assert "FAILED" in str(report)


def test_what_an_engine_raises_is_the_cause_and_named():
    broken = {e.__name__: e for _, e in BROKEN}
    with pytest.raises(ContractViolation, match=r"NotImplementedError.*backward pass") as error:
        check_engine(broken["NotThereYet"], checks=["gradient"])
    assert isinstance(error.value.__cause__, NotImplementedError)
    report = check_engine(broken["NotThereYet"], checks=["gradient"], raises=False)
    assert [r.passed for r in report.results] == [False, False]

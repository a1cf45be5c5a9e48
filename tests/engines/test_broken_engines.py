"""Every check rejects a deliberately wrong engine, with an error that names the check."""

import pytest
from tests.engines import (  # noqa: F401 register
    broken_epochs,
    broken_gradients,
    broken_keeping,
    broken_updates,
)
from tests.engines.broken import BROKEN

from deltarule.engines import CHECKS, check_engine
from deltarule.errors import ContractViolation


@pytest.mark.parametrize(
    ("check", "engine"), BROKEN, ids=[f"{check}-{e.__name__}" for check, e in BROKEN]
)
def test_a_wrong_engine_is_rejected_and_the_check_is_named(check, engine):
    match = check if check == "promises" else f"check '{check}'"
    with pytest.raises(ContractViolation, match=match) as error:
        check_engine(engine, checks=[check])
    assert error.value.check == check


def test_every_check_has_a_wrong_engine():
    assert {check for check, _ in BROKEN} == set(CHECKS)


def test_without_a_choice_of_checks_a_wrong_engine_is_rejected_too():
    broken = {e.__name__: e for _, e in BROKEN}
    with pytest.raises(ContractViolation) as error:
        check_engine(broken["SaysNothing"])
    assert error.value.check == "not_finite"


def test_a_report_marks_the_failed_checks_only():
    broken = {e.__name__: e for _, e in BROKEN}
    checks = ["shapes", "permutation", "weight_two", "dropout", "repeatable"]
    report = check_engine(broken["FavoursTheFirstRow"], checks=checks, raises=False)
    assert not report.passed
    failed = {r.check for r in report.results if not r.passed}
    assert "permutation" in failed
    assert "repeatable" not in failed
    assert "FAILED" in str(report)


def test_an_exception_of_the_engine_is_named_and_is_the_cause():
    broken = {e.__name__: e for _, e in BROKEN}
    with pytest.raises(ContractViolation, match=r"NotImplementedError.*backward pass") as error:
        check_engine(broken["NotThereYet"], checks=["gradient"])
    assert isinstance(error.value.__cause__, NotImplementedError)
    report = check_engine(broken["NotThereYet"], checks=["gradient"], raises=False)
    assert [r.passed for r in report.results] == [False, False]

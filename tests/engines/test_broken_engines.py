"""A deliberately broken engine for each law is rejected, and the law is named."""

import pytest
from tests.engines import broken_gradients, broken_keeping, broken_updates  # noqa: F401 they note
from tests.engines.broken import BROKEN

from deltarule.engines import LAWS, check_engine
from deltarule.errors import ContractViolation


@pytest.mark.parametrize(
    ("law", "engine"), BROKEN, ids=[f"{law}-{e.__name__}" for law, e in BROKEN]
)
def test_a_broken_engine_is_rejected_naming_the_law(law, engine):
    with pytest.raises(ContractViolation, match=law if law == "promises" else f"law '{law}'") as e:
        check_engine(engine, laws=[law])
    assert e.value.law == law


def test_every_law_has_a_broken_engine():
    assert {law for law, _ in BROKEN} == set(LAWS)


def test_without_a_choice_of_laws_a_broken_engine_is_rejected_too():
    broken = {e.__name__: e for _, e in BROKEN}
    with pytest.raises(ContractViolation) as error:
        check_engine(broken["SaysNothing"])
    assert error.value.law == "not_finite"


def test_a_report_lists_the_broken_laws_and_only_those():
    broken = {e.__name__: e for _, e in BROKEN}
    laws = ["shapes", "permutation", "weight_two", "dropout", "repeatable"]
    report = check_engine(broken["FavoursTheFirstRow"], laws=laws, raises=False)
    assert not report.passed
    failed = {r.law for r in report.results if not r.passed}
    assert "permutation" in failed
    assert "repeatable" not in failed
    assert "BROKEN" in str(report)


def test_what_an_engine_raises_is_the_cause_and_named():
    broken = {e.__name__: e for _, e in BROKEN}
    with pytest.raises(ContractViolation, match=r"NotImplementedError.*backward pass") as error:
        check_engine(broken["NotThereYet"], laws=["gradient"])
    assert isinstance(error.value.__cause__, NotImplementedError)
    report = check_engine(broken["NotThereYet"], laws=["gradient"], raises=False)
    assert [r.passed for r in report.results] == [False, False]

"""The exception tree, and what each carries."""

import pickle

import pytest

from deltarule import errors

BASES = {
    "InputError": ValueError,
    "IncompatiblePair": errors.InputError,
    "UnknownName": KeyError,
    "DataError": errors.InputError,
    "NotCompilable": errors.InputError,
    "FileError": OSError,
    "GradientMismatch": AssertionError,
    "ContractViolation": AssertionError,
    "Diverged": ArithmeticError,
    "MissingDependency": ImportError,
    "WorkerFailed": RuntimeError,
}


def test_the_table_of_this_test_is_complete():
    assert set(BASES) | {"DeltaruleError"} == set(errors.__all__)


@pytest.mark.parametrize("name", BASES)
def test_each_is_what_a_caller_expects(name):
    kind = getattr(errors, name)
    assert issubclass(kind, BASES[name])
    assert issubclass(kind, errors.DeltaruleError)
    assert f"├── {name} (" in errors.__doc__.replace("│   ", "").replace("└", "├") or (
        f"{name} " in errors.__doc__
    )


@pytest.mark.parametrize("name", errors.__all__)
def test_a_message_reads_as_it_was_written(name):
    error = getattr(errors, name)("width is 'x'; expected a number")
    assert str(error) == "width is 'x'; expected a number"


@pytest.mark.parametrize("name", errors.__all__)
def test_each_goes_through_pickle_as_other_processes_need(name):
    error = getattr(errors, name)("what is wrong")
    assert str(pickle.loads(pickle.dumps(error))) == "what is wrong"


def test_what_diverged_carries_goes_through_pickle():
    error = errors.Diverged("bad", epoch=3, batch=4, layer=2, block="dW")
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert (each.epoch, each.batch, each.layer, each.block) == (3, 4, 2, "dW")


def test_what_the_others_carry():
    assert errors.ContractViolation("x", check="gradient").check == "gradient"
    assert errors.GradientMismatch("x", report=7).report == 7

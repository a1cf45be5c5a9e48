"""The exception tree, and what each carries."""

import copy
import pickle

import pytest

from deltarule import errors

BASES = {
    "InputError": ValueError,
    "IncompatiblePair": errors.InputError,
    "UnknownName": KeyError,
    "WrongType": TypeError,
    "DataError": errors.InputError,
    "NotCompilable": errors.InputError,
    "MissingCapability": errors.InputError,
    "FileError": OSError,
    "ModelFileError": errors.FileError,
    "UnregisteredFormula": errors.ModelFileError,
    "GradientMismatch": AssertionError,
    "ContractViolation": AssertionError,
    "ExportMismatch": AssertionError,
    "Diverged": ArithmeticError,
    "MissingDependency": ImportError,
    "WorkerFailed": RuntimeError,
    "ConnectionLost": errors.WorkerFailed,
}


def test_the_table_of_this_test_is_complete():
    assert set(BASES) | {
        "DeltaruleError",
        "Message",
        "Parameter",
        "TrainingWarning",
        "printable",
        "short_repr",
        "to_python_scalar",
    } == set(errors.__all__)


@pytest.mark.parametrize("name", BASES)
def test_each_is_what_a_caller_expects(name):
    kind = getattr(errors, name)
    assert issubclass(kind, BASES[name])
    assert issubclass(kind, errors.DeltaruleError)
    assert f"├── {name} (" in errors.__doc__.replace("│   ", "").replace("└", "├") or (
        f"{name} " in errors.__doc__
    )


@pytest.mark.parametrize("name", ["DeltaruleError", *BASES])
def test_a_message_reads_as_it_was_written(name):
    error = getattr(errors, name)("width is 'x'; expected a number")
    assert str(error) == "width is 'x'; expected a number"


@pytest.mark.parametrize("name", ["DeltaruleError", *BASES])
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


STRUCTURED = [
    "InputError",
    "IncompatiblePair",
    "UnknownName",
    "NotCompilable",
    "MissingCapability",
    "DataError",
    "FileError",
]


@pytest.mark.parametrize("name", STRUCTURED)
def test_what_is_known_of_a_parameter_is_kept_as_data(name):
    hint = errors.Message("give ", errors.Parameter("task", "regression"))
    error = getattr(errors, name)(parameter="l2", given=-1, expected="0", hint=hint)
    for each in (error, pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(each) is type(error)
        assert str(each) == "l2 is -1; expected 0; give task='regression'"
        assert (each.parameter, each.given, each.expected, each.hint) == ("l2", -1, "0", hint)
        assert each.message.render(lambda setting: f"<{setting.name}>") == (
            "<l2> is -1; expected 0; give <task>"
        )


def test_two_parameters_that_do_not_go_together():
    error = errors.InputError(parameter=("test", "valid"), given=(0.6, 0.4), expected="less")
    assert str(error) == "test and valid are 0.6 and 0.4; expected less"


def test_a_prefix_leaves_the_data():
    error = errors.DataError(parameter="l2", given=-1)
    prefixed = error.prefixed("network 3: ")
    assert (str(error), str(prefixed)) == ("l2 is -1", "network 3: l2 is -1")
    assert type(prefixed) is errors.DataError
    assert (prefixed.parameter, prefixed.given) == ("l2", -1)


def test_a_value_that_was_not_given_is_no_value():
    assert errors.InputError("what is wrong").given is None
    assert str(errors.InputError(parameter="step", given=None)) == "step is None"


def test_messages_keep_their_settings_when_they_are_put_together():
    inner = errors.Message("give ", errors.Parameter("sql", keyword=True))
    outer = errors.Message("a note: ", inner, ".")
    assert outer == "a note: give sql=."
    for each in (outer, pickle.loads(pickle.dumps(outer)), copy.deepcopy(outer)):
        assert each.render(lambda setting: "--sql") == "a note: give --sql."

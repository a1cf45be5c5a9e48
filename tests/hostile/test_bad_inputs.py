"""Thousands of arguments that no public entry can use: each is refused, with a message.

The message says what was given, what is expected, and so what to do.
"""

import pytest
from sklearn.utils._param_validation import InvalidParameterError
from tests.hostile.table import cases_of, entries, says_what_to_do

from deltarule.errors import DeltaruleError

# Errors of scikit-learn's own, which those who replace its estimators by these catch.
OF_SCIKIT_LEARN = {
    "MLPRegressor.fit": (InvalidParameterError,),
    "MLPClassifier.fit": (InvalidParameterError,),
    "ManySearchCV": (TypeError, ValueError),  # the checks of GridSearchCV
}

# Their files are not there, or would be written.
OF_FILES = {"load_model", "load_recording", "read_table", "save_model"}


@pytest.mark.parametrize("name", entries())
@pytest.mark.filterwarnings("ignore")  # of what NumPy and pandas make of the arguments
def test_every_bad_argument_is_refused_with_its_message(name):
    classes = (DeltaruleError, *OF_SCIKIT_LEARN.get(name, ()))
    wrong, count = [], 0
    for parameter, what, call in cases_of(name):
        count += 1
        try:
            call()
        except classes as error:
            if not says_what_to_do(error, parameter):
                wrong.append((parameter, what, str(error)[:200]))
        except Exception as error:  # noqa: BLE001  each is listed
            wrong.append((parameter, what, f"{type(error).__name__}: {error}"[:200]))
        else:
            wrong.append((parameter, what, "accepted"))
    assert wrong == []
    assert count >= 4


def test_there_are_thousands():
    assert sum(len(list(cases_of(name))) for name in entries()) > 4000


@pytest.mark.parametrize("name", sorted(entries().keys() - OF_FILES))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_right_arguments_are_accepted(name):
    call, good, _ = entries()[name]
    call(**good)


@pytest.mark.parametrize("text", ["it is wrong", "X is 3"])
def test_a_message_that_says_nothing_is_noticed(text):
    assert not says_what_to_do(ValueError(text), "X")

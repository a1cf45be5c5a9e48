"""The table of bad arguments, as calls; and what a message must say."""

import functools
import re

from tests.hostile import estimator_entries, explain_entries, maths_entries, table_entries
from tests.hostile.common import ENTRIES

__all__ = ["cases_of", "entries", "says_what_to_do"]

FILLED = (maths_entries, estimator_entries, table_entries, explain_entries)  # ENTRIES

# How messages say what is expected, or what to do.
EXPECTATION = re.compile(
    r"(?i)expect|known:|choose|give |use |must be|needs|takes|required|did you mean"
    r"|parameters are|columns are|blocks are|without|need to be|Valid parameters|Cannot have"
)


def entries():
    return ENTRIES


def cases_of(name):
    """The calls of an entry with one argument that is wrong: parameter, what is wrong, call."""
    call, good, bad = ENTRIES[name]
    for parameter, values in bad.items():
        for what, value in values.items():
            yield parameter, what, functools.partial(call, **{**good, parameter: value})


def says_what_to_do(error, parameter):
    """Whether the message of an error says what was given, and what is expected or to be done."""
    return len(str(error)) > len(parameter) and EXPECTATION.search(str(error)) is not None

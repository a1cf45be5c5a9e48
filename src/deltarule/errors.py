"""The exceptions that the library raises.

Each one is also an instance of the built-in exception that a caller would expect,
so ``except ValueError`` catches it::

    DeltaruleError (Exception)
    ├── InputError (ValueError)             a value, shape or setting that cannot be used
    │   ├── IncompatiblePair                an output activation that a loss cannot be combined with
    │   ├── UnknownName (KeyError)          a name that no registry holds
    │   ├── WrongType (TypeError)           data of another kind, which scikit-learn refuses so
    │   ├── NotCompilable                   a formula that the compiled engine cannot express
    │   ├── MissingCapability               what the chosen engine does not compute
    │   └── DataError                       a table or file whose content cannot be used
    ├── FileError (OSError)                 a file or folder that cannot be read or written
    │   └── ModelFileError                  one that does not hold what it should, such as a model
    │       └── UnregisteredFormula (UnknownName)  one of a formula that is not registered
    ├── GradientMismatch (AssertionError)   a derivative that differs from finite differences
    ├── ContractViolation (AssertionError)  an engine that breaks the engine contract
    ├── ExportMismatch (AssertionError)     an exported model that predicts something else
    ├── Diverged (ArithmeticError, ValueError)  a cost, activation or gradient that is not finite
    ├── MissingDependency (ImportError)     an optional library that is not installed
    └── WorkerFailed (RuntimeError)         a worker process that died, hung or failed
        └── ConnectionLost                  another worker of a training that is no longer there

A training that goes on, or has ended, but hardly learns is no error: it is a ``TrainingWarning``
(UserWarning).

A message names three things: what was given, what was expected, and what to do. An error about a
parameter keeps them as data, and the command line writes the parameter as its option.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, Self

__all__ = [
    "ConnectionLost",
    "ContractViolation",
    "DataError",
    "DeltaruleError",
    "Diverged",
    "ExportMismatch",
    "FileError",
    "GradientMismatch",
    "IncompatiblePair",
    "InputError",
    "Message",
    "MissingCapability",
    "MissingDependency",
    "ModelFileError",
    "NotCompilable",
    "Parameter",
    "TrainingWarning",
    "UnknownName",
    "UnregisteredFormula",
    "WorkerFailed",
    "WrongType",
    "printable",
    "short_repr",
    "to_python_scalar",
]


_ABSENT: Any = object()


def to_python_scalar(value: Any) -> Any:
    """Convert a NumPy scalar, or an array of shape (), to the Python object that it holds.

    Other objects are returned unchanged. Every number that a user passes goes through this
    function, :func:`real_number` or :func:`whole_number`, so that ``np.int64(5)`` is accepted
    wherever 5 is.

    Examples
    --------
    >>> import numpy as np
    >>> to_python_scalar(np.float32(0.5)), to_python_scalar(np.array(3)), to_python_scalar("adam")
    (0.5, 3, 'adam')
    """
    # NumPy is not imported here, so its scalars are recognized by their attributes.
    scalar = getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None))
    return value.item() if scalar else value


def short_repr(value: Any) -> str:
    """The repr of a value for a message, in at most 61 characters.

    Examples
    --------
    >>> short_repr("a"), short_repr([0] * 100)[-4:]
    ("'a'", ' 0,…')
    """
    value = to_python_scalar(value)
    if isinstance(value, int) and abs(value) > 10**50:  # its text would take seconds
        return "a huge number"
    try:
        text = repr(value)
    except RecursionError:
        return "too many brackets"
    return text if len(text) <= 60 else text[:60] + "…"


def printable(text: str) -> str:
    r"""A text of a file, such as a name, in one line: control characters become escapes.

    Examples
    --------
    >>> printable("größe"), printable("a\nb\x1b[2J")
    ('größe', 'a\\nb\\x1b[2J')
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter that a message mentions.

    Parameters
    ----------
    name : str
        The parameter's name in Python.
    value : optional
        The value that it is mentioned with.
    keyword : bool
        Whether it is written as a keyword without a value, ``sql=``.

    Examples
    --------
    >>> print(Parameter("k"), Parameter("task", "classification"), Parameter("sql", keyword=True))
    k task='classification' sql=
    """

    name: str
    value: Any = ...
    keyword: bool = False

    def __str__(self) -> str:
        if self.value is ...:
            return f"{self.name}=" if self.keyword else self.name
        return f"{self.name}={self.value!r}"


class Message(str):
    """A text with parameters in it, which can be written in another spelling than Python's.

    Parameters
    ----------
    *parts : str, Message or Parameter
        The pieces of the text, in order. As a string, settings are written as in Python.

    Attributes
    ----------
    parts : tuple of str and Parameter

    Examples
    --------
    >>> message = Message("if they are classes, give ", Parameter("task", "classification"))
    >>> print(message)
    if they are classes, give task='classification'
    >>> message.render(lambda setting: f"--{setting.name} {setting.value}")
    'if they are classes, give --task classification'
    """

    __slots__ = ("parts",)
    parts: tuple[str | Parameter, ...]

    def __new__(cls, *parts: str | Parameter) -> Self:
        flat: list[str | Parameter] = []
        for part in parts:
            flat += part.parts if isinstance(part, Message) else (part,)
        self = super().__new__(cls, "".join(map(str, flat)))
        self.parts = tuple(flat)
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.parts

    def render(self, spell: Callable[[Parameter], str]) -> str:
        """The text with every setting written as ``spell`` gives it."""
        return "".join(spell(part) if isinstance(part, Parameter) else part for part in self.parts)


class DeltaruleError(Exception):
    """Base class of the exceptions of deltarule.

    The message reads "``message``; expected ``expected``; ``hint``", without what is not given.

    Parameters
    ----------
    message : str or Message, optional
        What was given; by default "``parameter`` is ``given``".
    parameter : str or tuple of str, optional
        The parameter that cannot be used, or several.
    given : optional
        Its value; a tuple of values of several parameters.
    expected : str or Message, optional
        What can be used instead.
    hint : str or Message, optional
        What to do.

    Attributes
    ----------
    message : Message
        The whole message.
    parameter, given, expected, hint
        As above; None where not given.

    Examples
    --------
    >>> error = InputError(parameter="learning_rate", given=-1, expected="a finite number above 0")
    >>> str(error), error.parameter, error.given
    ('learning_rate is -1; expected a finite number above 0', 'learning_rate', -1)
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        parameter: str | tuple[str, ...] | None = None,
        given: Any = _ABSENT,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        parts: list[str | Parameter] = []
        if message is not None:
            parts.append(message)
        elif isinstance(parameter, tuple):
            values = " and ".join(map(short_repr, given))
            for name in parameter:
                parts += [" and ", Parameter(name)]
            parts = [*parts[1:], f" are {values}"]
        elif parameter is not None:
            parts += [Parameter(parameter), f" is {short_repr(given)}"]
        if expected is not None:
            parts += ["; expected ", expected]
        if hint is not None:
            parts += ["; ", hint]
        super().__init__(Message(*parts))
        self.parameter = parameter
        self.given = None if given is _ABSENT else given
        self.expected, self.hint = expected, hint

    @property
    def message(self) -> Message:
        """The message, with the parameters in it as data."""
        text = self.args[0] if self.args else ""
        return text if isinstance(text, Message) else Message(str(text))

    def prefixed(self, *parts: str | Parameter) -> Self:
        """The same error, with a text before its message."""
        error = copy.copy(self)
        error.args = (Message(*parts, self.message),)
        return error


class InputError(DeltaruleError, ValueError):
    """A value, shape or setting that cannot be used."""


class IncompatiblePair(InputError):
    """An output activation that the chosen loss cannot be combined with."""


class UnknownName(InputError, KeyError):
    """A name that is not registered; the message lists the registered names."""

    # KeyError prints the repr of its argument, which would show the message in quotes.
    __str__ = Exception.__str__


class WrongType(InputError, TypeError):
    """Data of a kind that an estimator cannot use, for which scikit-learn raises a TypeError."""


class NotCompilable(InputError):
    """A formula that the compiled engine cannot express; the reference engine can run it."""


class MissingCapability(InputError):
    """A result that the chosen engine does not compute; the reference engine does."""


class DataError(InputError):
    """A table or file whose content cannot be used."""


class FileError(DeltaruleError, OSError):
    """A file or folder that cannot be read or written."""


class ModelFileError(FileError):
    """A file or folder that does not hold what it should: damaged, alien, or of a later version."""


class UnregisteredFormula(ModelFileError, UnknownName):
    """A file that uses an activation, loss or rule that is not registered in this process."""

    __str__ = Exception.__str__


class GradientMismatch(DeltaruleError, AssertionError):
    """A derivative that differs from finite differences of the value that it belongs to.

    Attributes
    ----------
    report : GradientReport or None
        The comparison of the two gradients for every block of parameters.
    """

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class ContractViolation(DeltaruleError, AssertionError):
    """An engine that fails a check of the engine contract.

    Attributes
    ----------
    check : str
        The name of the failed check.
    """

    def __init__(self, message: str, check: str = "") -> None:
        super().__init__(message)
        self.check = check


class ExportMismatch(DeltaruleError, AssertionError):
    """An exported model that cannot be run, or predicts something else than the model."""


class Diverged(DeltaruleError, ArithmeticError, ValueError):
    """A cost, activation, gradient or parameter that is not finite.

    Attributes
    ----------
    epoch, batch : int or None
        Where it was found, both counted from 1.
    layer : int or None
        The first layer that holds a value that is not finite.
    block : str or None
        The array that it was found in: ``"Z"``, ``"A"``, ``"loss"``, ``"delta"``, ``"dW"``,
        ``"db"``, ``"W"`` or ``"b"``.
    row : int or None
        The number of the row, as training counts its rows, from 0; None if the value is not of one
        row, as a parameter is not.
    network : int or None
        The number of the network, counted from 0, if many are trained at once.
    results : list or None
        If many networks are trained at once, a ``TrainingResult`` or ``Diverged`` for each.
    """

    def __init__(
        self,
        message: str,
        *,
        epoch: int | None = None,
        batch: int | None = None,
        layer: int | None = None,
        block: str | None = None,
        row: int | None = None,
        network: int | None = None,
    ) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.batch = batch
        self.layer = layer
        self.block = block
        self.row = row
        self.network = network
        self.results: list[object] | None = None


class MissingDependency(DeltaruleError, ImportError):
    """An optional library that a feature needs and that is not installed."""


class WorkerFailed(DeltaruleError, RuntimeError):
    """A worker process that died, hung or failed."""


class ConnectionLost(WorkerFailed):
    """Another worker of the same training that can no longer be reached."""


class TrainingWarning(UserWarning):
    """A training that hardly learns: what was seen, its reason, and what to do."""

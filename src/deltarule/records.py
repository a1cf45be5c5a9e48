"""Records and registries: how an activation, a loss or an update rule is named.

A formula is an ordinary module-level function that takes an array namespace
and the formula's parameters, and returns the functions that compute it. A
:class:`Record` gives such a function a name and parameter values; a
:class:`Registry` holds the records of one kind. There is no class per formula.

This module does not import NumPy.
"""

from __future__ import annotations

import dataclasses
import difflib
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

from deltarule.errors import InputError, UnknownName, to_python_scalar

__all__ = [
    "Record",
    "Registry",
    "checked_flag",
    "checked_integer",
    "in_interval",
    "limits",
    "real_number",
    "to_python_scalar",
    "whole_number",
]


def real_number(value: Any) -> float | None:
    """Convert a real number to a Python float; None for anything else, such as a bool or a str.

    Examples
    --------
    >>> import numpy as np
    >>> real_number(2), real_number(np.float32(0.5)), real_number(True), real_number("2")
    (2.0, 0.5, None, None)
    """
    value = to_python_scalar(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an int beyond the range of a float
        return float("inf") if value > 0 else -float("inf")


def whole_number(value: Any) -> int | None:
    """Convert an integer to a Python int; None for anything else, such as 5.0 or a bool.

    Examples
    --------
    >>> import numpy as np
    >>> whole_number(5), whole_number(np.uint8(5)), whole_number(np.array(5)), whole_number(5.7)
    (5, 5, 5, None)
    """
    value = to_python_scalar(value)
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def checked_integer(name: str, value: Any, least: int = 0) -> int:
    """Return the parameter ``name`` as an int, if it is an integer of at least ``least``.

    Raises
    ------
    InputError
        If it is not.

    Examples
    --------
    >>> checked_integer("epochs", 5, 1)
    5
    >>> checked_integer("epochs", 2.0, 1)
    Traceback (most recent call last):
    deltarule.errors.InputError: epochs is 2.0; expected a whole number, at least 1
    """
    number = whole_number(value)
    if number is None or number < least:
        raise InputError(parameter=name, given=value, expected=f"a whole number, at least {least}")
    return number


def checked_flag(name: str, value: Any) -> bool:
    """Return the parameter ``name`` as a bool, if it is one.

    Raises
    ------
    InputError
        If it is not.

    Examples
    --------
    >>> import numpy as np
    >>> checked_flag("bias", np.False_)
    False
    >>> checked_flag("bias", "no")
    Traceback (most recent call last):
    deltarule.errors.InputError: bias is 'no'; expected True or False
    """
    flag = to_python_scalar(value)
    if not isinstance(flag, bool):
        raise InputError(parameter=name, given=value, expected="True or False")
    return flag


def in_interval(owner: str, name: str, value: Any, interval: str, usual: Any) -> float:
    """``value`` as a Python float, if it is a number in ``interval``.

    Under NumPy 2 a ``np.float64`` parameter would turn float32 arrays into float64; a Python
    float does not.

    Parameters
    ----------
    owner, name : str
        The formula and its parameter, for the message; the owner may be empty.
    value : number
    interval : str
        ``"[0, 1)"``, ``"(0, inf)"`` and the like.
    usual : number
        A usual value, for the message.

    Raises
    ------
    InputError
        If ``value`` is not a number in the interval.

    Examples
    --------
    >>> in_interval("adam", "beta1", 0.9, "[0, 1)", 0.9)
    0.9
    >>> in_interval("adam", "beta1", 1, "[0, 1)", 0.9)
    Traceback (most recent call last):
        ...
    deltarule.errors.InputError: adam: beta1 is 1; expected a number in [0, 1); 0.9 is usual
    """
    low, high = limits(interval)
    number = real_number(value)
    if number is not None:
        above = number > low or (interval[0] == "[" and number == low)
        below = number < high or (interval[-1] == "]" and number == high)
        if above and below:
            return number
    error = InputError(
        parameter=name,
        given=value,
        expected=f"a number in {interval}",
        hint=f"{usual} is usual",
    )
    raise error.prefixed(f"{owner}: ") if owner else error


def limits(interval: str) -> tuple[float, float]:
    """The two ends of an interval in the notation of :func:`in_interval`.

    Examples
    --------
    >>> limits("[0, 1)")
    (0.0, 1.0)
    """
    low, high = interval[1:-1].split(",")
    return float(low), float(high)


def _frozen(value: Any) -> Any:
    """Convert lists and arrays to tuples, so that a record that contains them can be hashed."""
    value = to_python_scalar(value)
    if hasattr(value, "__array__") and not isinstance(value, type):
        value = value.__array__().tolist()
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _as_lists(value: Any) -> Any:
    """Convert tuples, also nested ones, to lists, as JSON has them."""
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value


@dataclasses.dataclass(frozen=True)
class Record:
    """A named formula with the values of its parameters.

    Records are immutable, compare by value, can be hashed, and pickle (the
    formula is pickled by reference, so it must be a module-level function).

    Parameters
    ----------
    name : str
        The name under which the record is registered and saved.
    formula : callable
        ``formula(xp, **parameters)``; the result depends on the kind of record.
    parameters : mapping of str to value, or tuple of pairs
        Values of the formula's keyword parameters. NumPy scalars are stored as Python numbers,
        lists and arrays as tuples.

    Raises
    ------
    InputError
        If the formula is not callable.
    """

    name: str
    formula: Callable[..., Any]
    parameters: Any = ()

    def __post_init__(self) -> None:
        if not callable(self.formula):
            raise InputError(
                f"{type(self).__name__} {self.name!r}: formula is {self.formula!r}; "
                "expected a module-level function that takes an array namespace"
            )
        pairs = self.parameters
        if isinstance(pairs, Mapping):
            pairs = pairs.items()
        frozen = tuple((str(key), _frozen(value)) for key, value in pairs)
        object.__setattr__(self, "parameters", frozen)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the parameters as a dictionary."""
        return dict(self.parameters)

    def with_parameters(self, /, **changes: Any) -> Self:
        """Return a copy of the record with other parameter values.

        Raises
        ------
        InputError
            If the record has no such parameter, or a value that must be a number is not one.
        """
        unknown = [key for key in changes if key not in self.settings]
        if unknown:
            known = ", ".join(self.settings) or "none"
            raise InputError(
                f"{type(self).__name__.lower()} {self.name!r} has no parameter {unknown[0]!r}; "
                f"its parameters are: {known}"
            )
        changed = dataclasses.replace(self, parameters=self.settings | changes)
        for key, value in changed.parameters:
            number = real_number(value)
            if real_number(self.settings[key]) is not None and (number is None or number != number):
                raise InputError(
                    f"{type(self).__name__.lower()} {self.name!r}: {key} is {value!r}; expected a "
                    f"number, such as {self.settings[key]!r}"
                )
        return changed

    def bind(self, xp: Any) -> Any:
        """Return the formula's functions for the array namespace ``xp``."""
        return self.formula(xp, **self.settings)

    def spec(self) -> str | dict[str, Any]:
        """Return the JSON form of the record: its name, or a dictionary of name and parameters."""
        if not self.parameters:
            return self.name
        return {"name": self.name, **{key: _as_lists(value) for key, value in self.parameters}}

    def __str__(self) -> str:
        values = ", ".join(f"{key}={_as_lists(value)!r}" for key, value in self.parameters)
        return f"{self.name}({values})" if values else self.name


R = TypeVar("R", bound=Record)


class Registry(Generic[R]):
    """A collection of the records of one kind by name, in the order of registration.

    Parameters
    ----------
    kind : str
        The word for a record in messages: ``"activation"``, ``"loss"``, …
    record_type : type
        The class that every record must be an instance of.
    """

    def __init__(self, kind: str, record_type: type[R]) -> None:
        self.kind = kind
        self.record_type = record_type
        self._records: dict[str, R] = {}

    def register(self, record: R, *, replace: bool = False) -> R:
        """Add a record and return it.

        Raises
        ------
        InputError
            If it is not a record of this kind, or the name is registered and
            ``replace`` is false.
        """
        if not isinstance(record, self.record_type):
            raise InputError(
                f"cannot register {record!r} as {self.kind}; "
                f"expected an instance of {self.record_type.__name__}"
            )
        if record.name in self._records and not replace:
            raise InputError(
                f"{self.kind} {record.name!r} is registered already; "
                "choose another name, or pass replace=True to replace it"
            )
        self._records[record.name] = record
        return record

    def unregister(self, name: str) -> None:
        """Remove the record of this name, if there is one."""
        self._records.pop(name, None)

    def get(self, which: str | R | Mapping[str, Any], **changes: Any) -> R:
        """Return a record, given its name, its JSON form, or the record itself.

        Parameters
        ----------
        which : str, record, or mapping
            A registered name; a record, which need not be registered; or the result of
            :meth:`Record.spec`.
        **changes
            Parameter values that replace those of the record.

        Raises
        ------
        UnknownName
            If no record has that name.
        InputError
            If the record has no such parameter, or ``which`` is none of the above.
        """
        if isinstance(which, Mapping):
            values = {**which, **changes}
            record = self.get(str(values.pop("name", "")))
            return record.with_parameters(**values) if values else record
        if isinstance(which, self.record_type):
            record = which
        elif isinstance(which, str):
            if which not in self._records:
                close = difflib.get_close_matches(which, self._records, n=1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise UnknownName(
                    f"unknown {self.kind} {which!r}",
                    parameter=self.kind,
                    given=which,
                    hint=f"{hint}known: {', '.join(self.names())}",
                )
            record = self._records[which]
        else:
            names = ", ".join(self.names())
            raise InputError(
                f"{which!r} is no {self.kind}",
                parameter=self.kind,
                given=which,
                expected=f"a name ({names}) or a {self.record_type.__name__}",
            )
        return record.with_parameters(**changes) if changes else record

    def names(self) -> list[str]:
        """Return the registered names in the order of registration."""
        return list(self._records)

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._records.values()))

    def __contains__(self, name: object) -> bool:
        return name in self._records

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}, {self.names()})"

"""Records and registries: how an activation, a loss or an update rule is named.

A formula is an ordinary module-level function that takes an array namespace
and the formula's parameters, and returns the functions that compute it. A
:class:`Record` gives such a function a name and parameter values; a
:class:`Registry` holds the records of one kind. There is no class per formula:
what differs between two activations is mathematics, and that is a function.

This module knows nothing of arrays. It stands left of everything that has a
registry, so that siblings which do not see each other share it.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

from deltarule.errors import InputError, UnknownName

__all__ = ["Record", "Registry"]


def _frozen(value: Any) -> Any:
    """Lists and arrays become tuples of plain numbers, so that a record can be hashed and saved."""
    if hasattr(value, "tolist"):  # an array, or a scalar of an array library
        value = value.tolist()
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


@dataclasses.dataclass(frozen=True)
class Record:
    """A named formula with the values of its parameters.

    Records are immutable, compare by value, can be hashed, and pickle (the
    formula travels by reference, so it must be a module-level function).

    Parameters
    ----------
    name : str
        The name it is registered and saved under.
    formula : callable
        ``formula(xp, **parameters)``; what it returns depends on the kind of record.
    parameters : mapping of str to value, or tuple of pairs
        Values for the formula's keyword parameters.

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
        """The parameters as a dictionary."""
        return dict(self.parameters)

    def with_parameters(self, **changes: Any) -> Self:
        """The same record with other parameter values.

        Raises
        ------
        InputError
            If the record has no parameter of that name.
        """
        unknown = [key for key in changes if key not in self.settings]
        if unknown:
            known = ", ".join(self.settings) or "none"
            raise InputError(
                f"{type(self).__name__.lower()} {self.name!r} has no parameter {unknown[0]!r}; "
                f"its parameters are: {known}"
            )
        return dataclasses.replace(self, parameters=self.settings | changes)

    def bind(self, xp: Any) -> Any:
        """The formula's functions over the array namespace ``xp``."""
        return self.formula(xp, **self.settings)

    def spec(self) -> str | dict[str, Any]:
        """The record for a JSON file: its name, or name and parameters."""
        if not self.parameters:
            return self.name
        return {"name": self.name, **{key: _plain(value) for key, value in self.parameters}}

    def __str__(self) -> str:
        values = ", ".join(f"{key}={_plain(value)!r}" for key, value in self.parameters)
        return f"{self.name}({values})" if values else self.name


R = TypeVar("R", bound=Record)


class Registry(Generic[R]):
    """The records of one kind, by name, in the order they were registered.

    Parameters
    ----------
    kind : str
        What the records are, for messages: ``"activation"``, ``"loss"``, …
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
            If it is not a record of this kind, or the name is taken and
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
        """Remove a record; nothing happens if there is none of that name."""
        self._records.pop(name, None)

    def get(self, which: str | R | Mapping[str, Any], **changes: Any) -> R:
        """A record by name, by its saved form, or as it is.

        Parameters
        ----------
        which : str, record, or mapping
            A registered name; a record (returned as it is, registered or not);
            or what :meth:`Record.spec` gave.
        **changes
            Parameter values other than the record's own.

        Raises
        ------
        UnknownName
            If no record has that name.
        InputError
            If the record has no such parameter, or ``which`` is none of the above.
        """
        if isinstance(which, Mapping):
            values = dict(which)
            return self.get(str(values.pop("name", "")), **values, **changes)
        if isinstance(which, self.record_type):
            record = which
        elif isinstance(which, str):
            if which not in self._records:
                raise UnknownName(self._unknown(which))
            record = self._records[which]
        else:
            raise InputError(
                f"{which!r} is no {self.kind}; expected a name "
                f"({', '.join(self.names())}) or a {self.record_type.__name__}"
            )
        return record.with_parameters(**changes) if changes else record

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._records, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown {self.kind} {name!r}; {hint}known: {', '.join(self.names())}"

    def names(self) -> list[str]:
        """The registered names, in order of registration."""
        return list(self._records)

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._records.values()))

    def __contains__(self, name: object) -> bool:
        return name in self._records

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}, {self.names()})"

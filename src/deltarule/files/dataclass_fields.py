"""Values of JSON documents, each checked to be of the type that is declared for it."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import numpy as np

from deltarule.errors import InputError, short_repr

__all__ = ["check_keys", "entry", "field_value", "from_json_object"]

T = TypeVar("T")


def entry(record: Any, name: str, hint: Any) -> Any:
    """Return the value of a key of a JSON object, if it is of the type ``hint``.

    Raises
    ------
    InputError
        If it is no object, the key is missing, or the value is of another type.

    Examples
    --------
    >>> entry({"std": 2}, "std", float)
    2.0
    >>> entry({"std": 2}, "mean", float)
    Traceback (most recent call last):
    deltarule.errors.InputError: 'mean' is missing
    """
    if not isinstance(record, Mapping):
        raise InputError(f"{short_repr(record)} is no object; expected one with {name!r}")
    if name not in record:
        raise InputError(f"{name!r} is missing")
    return field_value(name, hint, record[name])


def check_keys(record: Any, known: Collection[str]) -> None:
    """Refuse what is no JSON object, or one with a key that is not known.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_keys({"a": 1, "b": 2}, {"a", "b"})
    >>> check_keys({"c": 1}, {"a", "b"})
    Traceback (most recent call last):
    deltarule.errors.InputError: 'c' is no field of it; expected a, b
    """
    if not isinstance(record, Mapping):
        wrong = f"{short_repr(record)} is no object; expected one of"
    elif unknown := set(record) - set(known):
        wrong = f"{short_repr(min(unknown))} is no field of it; expected"
    else:
        return
    raise InputError(f"{wrong} {', '.join(sorted(known))}")


@functools.cache
def _fields_of(cls: type) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the types of a dataclass's fields, and the names of those without a default."""
    assert dataclasses.is_dataclass(cls)
    hints = typing.get_type_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if field.init]
    required = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return {field.name: hints[field.name] for field in fields}, frozenset(required)


def from_json_object(cls: type[T], given: Any) -> T:
    """Build a dataclass from a mapping such as :func:`dataclasses.asdict` returns.

    Parameters
    ----------
    cls : type
        Its fields are numbers, strings, booleans, None, tuples, mappings, and such dataclasses.
    given : mapping
        The value of each field by name; lists are accepted for tuples.

    Raises
    ------
    InputError
        If a field is missing, unknown, or not of its type; a float must be finite.

    Examples
    --------
    >>> Box = dataclasses.make_dataclass("Box", [("names", tuple[str, ...]), ("width", float)])
    >>> from_json_object(Box, {"names": ["a"], "width": 1})
    Box(names=('a',), width=1.0)
    >>> from_json_object(Box, {"names": ["a"], "width": "1"})
    Traceback (most recent call last):
    deltarule.errors.InputError: width is '1'; expected a number
    """
    hints, required = _fields_of(typing.cast("Any", cls))
    check_keys(given, hints)
    if missing := required - set(given):
        raise InputError(f"{min(missing)!r} is missing")
    return cls(**{name: field_value(name, hints[name], each) for name, each in given.items()})


def field_value(name: str, hint: Any, value: Any) -> Any:
    """Return the value of a field if it is of the type ``hint``; a list becomes a tuple.

    Raises
    ------
    InputError
        If it is of another type; the message names the field.

    Examples
    --------
    >>> field_value("rows", Mapping[str, int], {"train": 5})
    {'train': 5}
    >>> field_value("rows", Mapping[str, int], {"train": True})
    Traceback (most recent call last):
    deltarule.errors.InputError: rows['train'] is True; expected a whole number
    """
    if isinstance(value, np.generic):
        value = value.item()
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):  # a type or None
        if value is None:
            return None
        return field_value(name, next(each for each in inner if each is not type(None)), value)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{name} is {short_repr(value)}; expected a list")
        if inner[-1] is ...:
            return tuple(field_value(name, inner[0], each) for each in value)
        if len(value) != len(inner):
            raise InputError(
                f"{name} holds {short_repr(value)}; expected {len(inner)} values in it"
            )
        return tuple(field_value(name, *pair) for pair in zip(inner, value, strict=True))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise InputError(f"{name} is {short_repr(value)}; expected an object")
        return {
            field_value(name, inner[0], key): field_value(
                f"{name}[{short_repr(key)}]", inner[1], each
            )
            for key, each in value.items()
        }
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return from_json_object(typing.cast("type[Any]", hint), value)
    if hint is float:
        return _number(name, value)
    # A bool is an int in Python.
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise InputError(f"{name} is {short_repr(value)}; expected {_WORDS[hint]}")
    if hint is int and abs(value) > _LARGEST:
        raise InputError(f"{name} has more than 18 digits; expected a smaller whole number")
    return value


_LARGEST = 10**18  # within the range of int64
_WORDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list"}


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} is {short_repr(value)}; expected a number")
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond the range of a float
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{name} is {number}; expected a finite number")
    return number

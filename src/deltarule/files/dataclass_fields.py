"""Dataclasses from JSON objects, with a check that every field is of its declared type."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

__all__ = ["field_value", "from_json_object"]

T = TypeVar("T")


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
    TypeError, ValueError
        If a field is missing, unknown, or not of its type; a float must be finite.

    Examples
    --------
    >>> Box = dataclasses.make_dataclass("Box", [("names", tuple[str, ...]), ("width", float)])
    >>> from_json_object(Box, {"names": ["a"], "width": 1})
    Box(names=('a',), width=1.0)
    >>> from_json_object(Box, {"names": ["a"], "width": "1"})
    Traceback (most recent call last):
    TypeError: width is '1'; expected a number
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"{given!r} is no object")
    assert dataclasses.is_dataclass(cls)
    hints = typing.get_type_hints(cls)
    unknown = set(given) - {field.name for field in dataclasses.fields(cls)}
    if unknown:
        raise TypeError(f"{sorted(unknown)[0]!r} is no field of it")
    built: T = cls(**{name: field_value(name, hints[name], each) for name, each in given.items()})
    return built


def field_value(name: str, hint: Any, value: Any) -> Any:
    """Return the value of a field if it is of the type ``hint``; a list becomes a tuple.

    Raises
    ------
    TypeError, ValueError
        If it is of another type; the message names the field.

    Examples
    --------
    >>> field_value("rows", Mapping[str, int], {"train": 5})
    {'train': 5}
    >>> field_value("rows", Mapping[str, int], {"train": True})
    Traceback (most recent call last):
    TypeError: rows['train'] is True; expected a whole number
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
            raise TypeError(f"{name} is {value!r}; expected a list")
        if inner[-1] is ...:
            return tuple(field_value(name, inner[0], each) for each in value)
        if len(value) != len(inner):
            raise ValueError(f"{name} holds {value!r}; expected {len(inner)} values in it")
        return tuple(field_value(name, *pair) for pair in zip(inner, value, strict=True))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} is {value!r}; expected an object")
        return {
            field_value(name, inner[0], key): field_value(f"{name}[{key!r}]", inner[1], each)
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
        raise TypeError(f"{name} is {value!r}; expected {_WORDS[hint]}")
    if hint is int and abs(value) > _LARGEST:
        raise ValueError(f"{name} has more than 18 digits; expected a smaller whole number")
    return value


_LARGEST = 10**18  # within the range of int64
_WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; expected a number")
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond the range of a float
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}; expected a finite number")
    return number

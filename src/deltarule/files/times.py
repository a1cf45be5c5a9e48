"""Clock times of a bundle, kept in a file of their own, so that its fingerprint is reproducible.

A training that is repeated gives the same parameters and scores, bit for bit, but takes another
time. Where a document has such a time there is null, and ``times.json`` has the number. The
manifest has the checksum of that file too; the fingerprint leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deltarule.errors import InputError

__all__ = ["TIMES", "with_times", "without_times"]

TIMES = "times.json"
"""The name of the file."""
# Only these may be filled in: who changes the file cannot change anything that matters.
_KEYS = frozenset({"seconds", "training_seconds"})


def without_times(
    documents: Mapping[str, Any], places: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return the documents with null in the place of each time, and with ``times.json``.

    Parameters
    ----------
    documents : mapping of file name to JSON value
    places : mapping of file name to sequence of str
        Where its times are: keys with a point between them, ``*`` for each item of a list.

    Examples
    --------
    >>> found = without_times({"a.json": [{"seconds": 1.5, "n": 2}]}, {"a.json": ["*.seconds"]})
    >>> found["a.json"], found["times.json"]
    ([{'seconds': None, 'n': 2}], {'a.json': {'*.seconds': [1.5]}})
    >>> with_times(found)
    {'a.json': [{'seconds': 1.5, 'n': 2}]}
    """
    rest, times = dict(documents), dict[str, dict[str, list[Any]]]()
    for name, patterns in places.items():
        if name not in rest:
            continue
        for pattern in patterns:
            values: list[Any] = []
            rest[name] = _emptied(rest[name], pattern.split("."), values)
            if values:
                times.setdefault(name, {})[pattern] = values
    return {**rest, TIMES: times}


def with_times(documents: Mapping[str, Any]) -> dict[str, Any]:
    """Return documents that were read, with their times in their places.

    Raises
    ------
    InputError
        If ``times.json`` is not what was written.
    """
    rest = dict(documents)
    times = rest.pop(TIMES, {})
    for name, patterns in _entries(times):
        if name not in rest:
            raise InputError(f"{TIMES} has times of {name!r}, which is not there")
        for pattern, values in _entries(patterns):
            keys = pattern.split(".")
            found = [] if keys[-1] not in _KEYS else list(_holders(rest[name], keys))
            fits = isinstance(values, list) and len(values) == len(found) > 0
            if not fits or not all(map(_is_time, values)):
                raise InputError(f"{TIMES} does not fit {name!r}: {pattern!r}")
            for (holder, key), value in zip(found, values, strict=True):
                if holder[key] is not None:
                    raise InputError(f"{TIMES} does not fit {name!r}: {pattern!r} is there twice")
                holder[key] = value
    return rest


def _entries(given: Any) -> list[tuple[str, Any]]:
    if not isinstance(given, dict):
        raise InputError(f"{TIMES} is not what was written: expected times by the names of files")
    return list(given.items())


def _is_time(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _emptied(value: Any, keys: Sequence[str], values: list[Any]) -> Any:
    """Return a value with null where the keys lead, and add to the list what was there."""
    key, *rest = keys
    if key == "*" and isinstance(value, list | tuple) and rest:
        return [_emptied(item, rest, values) for item in value]
    if not isinstance(value, dict) or key not in value:
        return value
    if rest:
        return {**value, key: _emptied(value[key], rest, values)}
    values.append(value[key])
    return {**value, key: None}


def _holders(value: Any, keys: Sequence[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each object that has the last key, where the others lead."""
    key, *rest = keys
    if key == "*" and isinstance(value, list) and rest:
        for item in value:
            yield from _holders(item, rest)
    elif isinstance(value, dict) and key in value:
        if rest:
            yield from _holders(value[key], rest)
        else:
            yield value, key

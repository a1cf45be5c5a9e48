"""What schema and encoders, written down as records, have in common: a format, and its errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from deltarule.errors import DataError, InputError, short_repr

__all__ = ["reading_record"]


@contextlib.contextmanager
def reading_record(
    record: Mapping[str, Any], what: str, written_by: type, version: int, otherwise: str
) -> Iterator[None]:
    """Check a record's format; within the block, an InputError about it is a DataError.

    Parameters
    ----------
    record : mapping
    what : str
        What it is a record of, for messages.
    written_by : type
        The class whose ``to_dict`` gives such records.
    version : int
        The format that can be read.
    otherwise : str
        What to do where it cannot be read.

    Raises
    ------
    DataError

    Examples
    --------
    >>> with reading_record({"format": 9}, "schema", dict, 1, "infer the schema again"):
    ...     pass
    Traceback (most recent call last):
    deltarule.errors.DataError: the schema record is of format 9; expected 1; use the deltarule \
version that wrote it, or infer the schema again
    """
    given = record.get("format")
    if given != version or isinstance(given, bool):
        raise DataError(
            f"the {what} record is of format {short_repr(given)}; expected {version}; "
            f"use the deltarule version that wrote it, or {otherwise}"
        )
    try:
        yield
    except InputError as error:
        raise DataError(
            f"the {what} record is damaged ({error}); expected what {written_by.__name__}.to_dict "
            f"gives; {otherwise}"
        ) from None

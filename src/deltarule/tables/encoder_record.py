"""A table encoder from the record that it was written down as, each value checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from deltarule.errors import DataError, InputError
from deltarule.files.dataclass_fields import check_keys, entry, field_value
from deltarule.tables.calendar_encoder import CalendarEncoder
from deltarule.tables.column_encoders import NumberColumnEncoder
from deltarule.tables.encoder_choice import column_encoder_of
from deltarule.tables.number_encoders import NUMBER_ENCODERS
from deltarule.tables.record_format import reading_record
from deltarule.tables.schema import Schema

__all__ = ["check_columns", "encoder_of"]

T = TypeVar("T")

_TYPES: dict[str, Any] = {
    "numbers": str,
    "bins": int,
    "max_levels": int | None,
    "min_rows": int | None,
    "one_hot_levels": int | None,
    "calendar": bool,
    "random_features": int,
    "random_scale": float,
    "derived": tuple[str, ...],
}
# What records of earlier versions lack.
_LATER = {"one_hot_levels", "calendar", "random_features", "random_scale", "derived"}
# Random features have a weight for each pair and each other feature.
_MOST_RANDOM = 1 << 26


def encoder_of(cls: type[T], record: Mapping[str, Any], format_number: int) -> T:
    """Return the table encoder, of the class ``cls``, that was written down as a record.

    Raises
    ------
    DataError
        If it is no such record, or one of a later version.
    """
    with reading_record(record, "encoder", cls, format_number, "fit again"):
        check_keys(record, {"format", "columns", *_TYPES})
        if missing := set(_TYPES) - _LATER - set(record):
            raise InputError(f"{min(missing)!r} is missing")
        settings = {
            name: field_value(name, hint, record[name])
            for name, hint in _TYPES.items()
            if name in record
        }
        encoder: Any = cls(**settings)
        columns = entry(record, "columns", list)
        numbers = NUMBER_ENCODERS[encoder.numbers]
        column_encoders = [column_encoder_of(each, numbers) for each in columns]
        inputs = sum(len(each.features()) for each in column_encoders)
        if not inputs or inputs * encoder.random_features > _MOST_RANDOM:
            raise InputError(f"it has {inputs} features of columns")
        encoder.set_encoders(column_encoders)
    return encoder


def check_columns(column_encoders: tuple[Any, ...], schema: Schema) -> None:
    """Refuse encoders of columns that are not those of a schema.

    Raises
    ------
    DataError
    """
    given = [(each.name, _is_of_numbers(each)) for each in column_encoders]
    expected = [(column.name, column.kind != "category") for column in schema.columns]
    if given != expected:
        raise DataError("the encoders of the columns are not those of the schema's columns")


def _is_of_numbers(encoder: Any) -> bool:
    return isinstance(encoder, NumberColumnEncoder | CalendarEncoder)

"""Values of options and arguments, read without Pydantic.

Typer reads them with Pydantic, whose import and adapters take longer than many commands. Here
nearly all options are texts, paths, or texts with a reader of their own, which give the same values
without it. Values of another type, and those at which the plain way fails, are left to Typer, which
words the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

__all__ = ["read_plainly"]

_ATTRIBUTE = "_runtime_param"
"""Where Typer 0.29 keeps what reads a parameter's value; other versions have no such attribute, and
read values as they do."""


def read_plainly(parameters: Sequence[Any]) -> list[Any]:
    """Return these options and arguments of Typer, to be read without Pydantic where possible."""
    for parameter in parameters:
        if vars(parameter).get(_ATTRIBUTE, "") is None and hasattr(parameter, "type_descriptor"):
            descriptor = parameter.type_descriptor
            info, annotation = descriptor.parameter_info, descriptor.annotation
            if get_origin(annotation) is list:
                (annotation,) = get_args(annotation)
            setattr(parameter, _ATTRIBUTE, _PlainReader(annotation, info))
    return list(parameters)


class _PlainReader:
    """Reads the value of one parameter."""

    def __init__(self, annotation: Any, info: Any) -> None:
        self._annotation, self._info = annotation, info

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value, or raise Typer's error if it cannot be used."""
        repeated = param.multiple or param.nargs == -1
        if value is None:
            return () if repeated else None
        try:
            if repeated and not isinstance(value, str):
                return [self._read(each, param, ctx) for each in value]
            if not repeated:
                return self._read(value, param, ctx)
        except (ValueError, OSError):
            pass  # Typer fails alike, with a message for the user
        setattr(param, _ATTRIBUTE, None)
        try:
            return param.get_runtime_param().coerce(value, param=param, ctx=ctx)
        finally:
            setattr(param, _ATTRIBUTE, self)

    def _read(self, value: Any, param: Any, ctx: Any) -> Any:
        if self._info.parser is not None:
            return self._info.parser(value)
        if self._annotation is str and isinstance(value, str):
            return value
        if self._annotation is Path and isinstance(value, str | Path):
            from typer._param_types import coerce_cli_path

            return coerce_cli_path(Path(value), self._info, path_type=Path, param=param, ctx=ctx)
        raise ValueError(value)

"""What a browser may ask for: checked here, before anything is done about it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from deltarule.errors import InputError, short_repr

__all__ = ["MOST_BYTES", "Message", "Refused", "parsed"]

MOST_BYTES = 64 * 1024
"""A longer message is not read."""

# Type: the fields that it must have.
_FIELDS: dict[str, tuple[str, ...]] = {
    "play": (),
    "pause": (),
    "step": (),
    "epoch": (),
    "reset": (),
    "setup": ("settings",),
    "rate": ("learning_rate",),
    "speed": ("steps_per_second",),
    "axes": ("x", "y", "hold"),
    "ack": ("frame",),
}


class Message(NamedTuple):
    """One message of a browser.

    Attributes
    ----------
    type : str
    fields : dict
    id : int or None
        What the answer is to be marked with.
    """

    type: str
    fields: dict[str, Any]
    id: int | None


class Refused(InputError):
    """A message that is none, with the number that its answer is to be marked with.

    Attributes
    ----------
    id : int or None
    """

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.id = number


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def parsed(text: str | bytes) -> Message:
    """The message of a text.

    Raises
    ------
    Refused
        If it is no JSON object of a known type with the fields of that type.

    Examples
    --------
    >>> parsed('{"type": "rate", "learning_rate": 0.5, "id": 7}')
    Message(type='rate', fields={'learning_rate': 0.5}, id=7)
    """
    if not isinstance(text, str):
        raise Refused("the message is binary; expected a JSON object as text")
    if len(text) > MOST_BYTES:
        raise Refused(f"the message has {len(text)} characters; expected at most {MOST_BYTES}")
    try:
        given = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(
            'the message is no JSON; expected an object such as {"type": "play"}'
        ) from None
    if not isinstance(given, dict):
        raise Refused(f"the message is a {type(given).__name__}; expected an object")
    kind = given.pop("type", None)
    number = given.pop("id", None)
    number = number if isinstance(number, int) and abs(number) < 2**53 else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise Refused(f"type is {short_repr(kind)}; expected one of {', '.join(_FIELDS)}", number)
    if set(given) != set(_FIELDS[kind]):
        expected = ", ".join(_FIELDS[kind]) or "no fields"
        raise Refused(f"{kind} has {short_repr(sorted(given))}; expected {expected}", number)
    return Message(kind, given, number)

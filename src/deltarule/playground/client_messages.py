"""Parsing of the messages that a browser sends: type, field names and size are checked here."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from deltarule.errors import InputError, short_repr

__all__ = ["MOST_BYTES", "InvalidMessage", "Message", "parse_message"]

MOST_BYTES = 64 * 1024
"""The largest length of a message."""

# The required fields of each message type.
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
    "weight": ("entry", "value"),
    "undo": (),
    "redo": (),
    "best": (),
    "ack": ("frame",),
}


class Message(NamedTuple):
    """One message from a browser."""

    type: str
    fields: dict[str, Any]
    id: int | None  # chosen by the browser; the answer carries the same id


class InvalidMessage(InputError):
    """A message that cannot be parsed; ``id`` is its id, or None if that could not be read."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.id = number


def _reject_constant(text: str) -> Any:
    # For NaN and Infinity, which json.loads accepts otherwise.
    raise ValueError(f"{text} is no number of JSON")


def parse_message(text: str | bytes) -> Message:
    """Parse one message.

    Raises
    ------
    InvalidMessage
        If the text is not a JSON object of a known type with exactly the fields of that type.

    Examples
    --------
    >>> parse_message('{"type": "rate", "learning_rate": 0.5, "id": 7}')
    Message(type='rate', fields={'learning_rate': 0.5}, id=7)
    """
    if not isinstance(text, str):
        raise InvalidMessage("the message is binary; expected a JSON object as text")
    if len(text) > MOST_BYTES:
        raise InvalidMessage(
            f"the message has {len(text)} characters; expected at most {MOST_BYTES}"
        )
    try:
        given = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise InvalidMessage(
            'the message is no JSON; expected an object such as {"type": "play"}'
        ) from None
    if not isinstance(given, dict):
        raise InvalidMessage(f"the message is a {type(given).__name__}; expected an object")
    kind = given.pop("type", None)
    number = given.pop("id", None)
    number = number if isinstance(number, int) and abs(number) < 2**53 else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise InvalidMessage(
            f"type is {short_repr(kind)}; expected one of {', '.join(_FIELDS)}", number
        )
    if set(given) != set(_FIELDS[kind]):
        expected = ", ".join(_FIELDS[kind]) or "no fields"
        raise InvalidMessage(f"{kind} has {short_repr(sorted(given))}; expected {expected}", number)
    return Message(kind, given, number)

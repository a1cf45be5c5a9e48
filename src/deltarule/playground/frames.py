"""What goes to a browser many times a second: a short header and a few arrays, of bounded size."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError

__all__ = ["MOST_BYTES", "Frame", "packed", "unpacked"]

MOST_BYTES = 16 * 2**20
"""No frame is larger: two million parameters and what stands beside them."""

_TYPES = {"float32": "f4", "uint8": "u1"}


@dataclasses.dataclass(frozen=True)
class Frame:
    """One state of the run, as it goes to the browsers.

    Attributes
    ----------
    number : int
        From 1, growing.
    version : int
        Of the description that it belongs to.
    data : bytes
    """

    number: int
    version: int
    data: bytes


def packed(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A header and arrays as bytes: its length, the header as JSON, the arrays, all little endian.

    Each array begins at a multiple of 4 after the header, so that a browser can look at it in
    place.

    Raises
    ------
    InputError
        If an array is neither float32 nor uint8, or all together are too large.

    Examples
    --------
    >>> data = packed({"step": 3}, {"theta": np.array([0.5], dtype=np.float32)})
    >>> header, arrays = unpacked(data)
    >>> header["step"], arrays["theta"]
    (3, array([0.5], dtype=float32))
    """
    places: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    for name, array in arrays.items():
        if array.dtype.name not in _TYPES:
            raise InputError(f"{name} is {array.dtype}; expected float32 or uint8")
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        places[name] = {"dtype": _TYPES[array.dtype.name], "at": at, "count": array.size}
        parts += [data, b"\0" * (-len(data) % 4)]
        at += len(data) + (-len(data) % 4)
    # Not a number has no form in JSON; a browser would refuse it.
    text = json.dumps({**header, "arrays": places}, allow_nan=False, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    if at + len(text) > MOST_BYTES:
        raise InputError(f"a frame has {at + len(text):,} bytes; expected at most {MOST_BYTES:,}")
    return struct.pack("<I", len(text)) + text + b"".join(parts)


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What :func:`packed` made bytes of; a browser does the same in JavaScript.

    Examples
    --------
    >>> unpacked(packed({}, {}))[0]
    {'arrays': {}}
    """
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    arrays = {}
    for name, place in header["arrays"].items():
        start = 4 + length + place["at"]
        dtype = np.dtype("<" + place["dtype"])
        arrays[name] = np.frombuffer(data, dtype, place["count"], start)
    return header, arrays

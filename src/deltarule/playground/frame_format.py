"""The binary format of frames: a JSON header and float32 or uint8 arrays, of bounded size."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError

__all__ = ["MOST_BYTES", "Frame", "pack_frame", "unpack_frame"]

MOST_BYTES = 16 * 2**20
"""The largest size of a frame: two million float32 parameters and the rest of its content."""

_TYPES = {"float32": "f4", "uint8": "u1"}


class Frame(NamedTuple):
    """The state of a run at one moment, in the form that browsers receive."""

    number: int  # counts the frames, from 1
    version: int  # of the description of the run that the frame belongs to
    data: bytes


def pack_frame(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Pack a header and arrays, little endian: header length (uint32), header (JSON), arrays.

    Each array begins at a multiple of 4 bytes, so that a browser can view it without a copy.

    Raises
    ------
    InputError
        If an array is neither float32 nor uint8, or the frame is larger than ``MOST_BYTES``.

    Examples
    --------
    >>> data = pack_frame({"step": 3}, {"theta": np.array([0.5], dtype=np.float32)})
    >>> header, arrays = unpack_frame(data)
    >>> header["step"], arrays["theta"]
    (3, array([0.5], dtype=float32))
    """
    layout: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    for name, array in arrays.items():
        if array.dtype.name not in _TYPES:
            raise InputError(f"{name} is {array.dtype}; expected float32 or uint8")
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        layout[name] = {"dtype": _TYPES[array.dtype.name], "at": at, "count": array.size}
        parts += [data, b"\0" * (-len(data) % 4)]
        at += len(data) + (-len(data) % 4)
    # JSON has no NaN, and browsers refuse it.
    text = json.dumps({**header, "arrays": layout}, allow_nan=False, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    if at + len(text) > MOST_BYTES:
        raise InputError(f"a frame has {at + len(text):,} bytes; expected at most {MOST_BYTES:,}")
    return struct.pack("<I", len(text)) + text + b"".join(parts)


def unpack_frame(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a frame (the inverse of :func:`pack_frame`).

    Examples
    --------
    >>> unpack_frame(pack_frame({}, {}))[0]
    {'arrays': {}}
    """
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    arrays = {}
    for name, entry in header["arrays"].items():
        dtype = np.dtype("<" + entry["dtype"])
        arrays[name] = np.frombuffer(data, dtype, entry["count"], 4 + length + entry["at"])
    return header, arrays

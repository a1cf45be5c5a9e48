"""The header of a safetensors file: what arrays there are, known before any of them is read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["MOST_ARRAYS", "MOST_HEADER", "ArraySpec", "arrays_of", "specs_of"]

MOST_HEADER = 1 << 24
MOST_ARRAYS = 1 << 16
_MOST_DIMENSIONS, _LARGEST = 8, 2**48
_DTYPES = {
    name: np.dtype(code)
    for name, code in (
        *(("BOOL", "?"), ("U8", "u1"), ("I8", "i1"), ("U16", "<u2"), ("I16", "<i2")),
        *(("U32", "<u4"), ("I32", "<i4"), ("U64", "<u8"), ("I64", "<i8")),
        *(("F16", "<f2"), ("F32", "<f4"), ("F64", "<f8")),
    )
}


@dataclasses.dataclass(frozen=True)
class ArraySpec:
    """What an array is, and where its bytes are among those of all.

    Attributes
    ----------
    dtype : numpy.dtype
    shape : tuple of int
    start, stop : int
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


def specs_of(header: Any, n_bytes: int) -> dict[str, ArraySpec]:
    """Return the arrays of a parsed header, which together have ``n_bytes`` bytes.

    They follow each other without gap or overlap.

    Raises
    ------
    ValueError
        If the header is none of such arrays.

    Examples
    --------
    >>> specs_of({"x": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}}, 16)["x"].shape
    (2,)
    """
    if not isinstance(header, dict) or len(header) > MOST_ARRAYS:
        raise ValueError(f"its header is no object of at most {MOST_ARRAYS:,} arrays")
    specs = {name: _spec(name, given) for name, given in header.items()}
    end = 0
    for name, spec in sorted(specs.items(), key=lambda pair: (pair[1].start, pair[1].stop)):
        if spec.start != end:
            raise ValueError(f"there is a gap before the array {name!r}, or two overlap")
        end = spec.stop
    if end != n_bytes:
        raise ValueError(f"its arrays have {end:,} bytes in the header, and {n_bytes:,} are there")
    return specs


def _spec(name: str, given: Any) -> ArraySpec:
    if not isinstance(given, dict) or given.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"its header does not describe the array {name!r}")
    code, shape, offsets = given["dtype"], given["shape"], given["data_offsets"]
    dtype = _DTYPES.get(code) if isinstance(code, str) else None
    if dtype is None:
        raise ValueError(f"the array {name!r} is of an unknown type")
    if not (_are_counts(shape) and len(shape) <= _MOST_DIMENSIONS):
        raise ValueError(f"the array {name!r} has no valid shape")
    if not (_are_counts(offsets) and len(offsets) == 2):
        raise ValueError(f"the array {name!r} has no valid place")
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"the array {name!r} has not the number of bytes of its shape")
    return ArraySpec(dtype, tuple(shape), *offsets)


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n <= _LARGEST for n in values)


def arrays_of(specs: Mapping[str, ArraySpec], data: bytearray) -> dict[str, np.ndarray]:
    """Return the arrays as views of their bytes; one that is not aligned is copied.

    Raises
    ------
    ValueError
        If a truth value is neither 0 nor 1.
    """
    found: dict[str, np.ndarray] = {}
    for name, spec in specs.items():
        count = math.prod(spec.shape)
        if not count:
            found[name] = np.zeros(spec.shape, spec.dtype.newbyteorder("="))
            continue
        if spec.dtype == bool and np.frombuffer(data, "u1", count, spec.start).max() > 1:
            raise ValueError(f"the array {name!r} holds a truth value that is neither 0 nor 1")
        array = np.frombuffer(data, spec.dtype, count, spec.start).reshape(spec.shape)
        native = spec.dtype.isnative and array.flags.aligned
        found[name] = array if native else array.astype(spec.dtype.newbyteorder("="))
    return found

"""How what many trainings need gets to the workers of joblib's backends: once to each."""

from __future__ import annotations

import copy
import io
import pickle
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["NOT_SENDABLE", "Shared", "prepared"]

NOT_SENDABLE = (pickle.PicklingError, AttributeError, TypeError)
"""What is raised for an object that cannot be sent."""

# Arrays of at least so many bytes are put where each worker reads them once.
_SHARED_BYTES = 100_000


class Shared:
    """What all tasks of a call need, in one object that is sent once to each worker.

    Dask's backend puts an argument where all workers read it if it is large, by its own measure of
    an object's size, which asks ``__sizeof__``.
    """

    def __init__(self, value: Any) -> None:
        self._value, self._is_sent = value, False

    def __sizeof__(self) -> int:
        return 1 << 20

    def __getstate__(self) -> dict[str, Any]:
        return {"_value": self._value, "_is_sent": True}

    def value(self) -> Any:
        """Return it; in a worker, with each array where NumPy would place it.

        Dask's arrays may begin at any byte. NumPy adds up such an array in parts, by which sums
        have other bits.
        """
        if self._is_sent:
            content, parts = _without(self._value, lambda each: isinstance(each, _PARTS))
            self._value = _with(content, [_aligned(each) for each in parts])
            self._is_sent = False
        return self._value


# What stays as it is when an object is copied in a worker: arrays, and functions, which may be of
# no module.
_PARTS = (np.ndarray, types.FunctionType, type)


def _aligned(part: Any) -> Any:
    is_array = isinstance(part, np.ndarray)
    return part.copy() if is_array and not part.flags.aligned else part


def prepared(backend: Any) -> tuple[Any, list[Any]]:
    """Return a copy of a backend of joblib, and a list to which it adds what calls return.

    Nothing is added by a backend that gives results as they come. Ray's sends each large array
    once, and not with every call, as joblib's own backends and Dask's do: it is put into Ray's
    store of objects, which each machine reads once and its workers map into their memory.
    """
    returned: list[Any] = []
    backend = copy.copy(backend)
    submit = backend.submit
    of_ray = type(backend).__module__.startswith("ray.")
    lists = not getattr(backend, "supports_return_generator", False)
    if not of_ray and not lists:
        return backend, returned
    references: dict[int, tuple[np.ndarray, Any]] = {}

    def put(array: np.ndarray) -> Any:
        # The array is kept, so that its id stays its own.
        if id(array) not in references:
            references[id(array)] = array, sys.modules["ray"].put(array)
        return references[id(array)][1]

    def submitted(func: Callable[[], Any], callback: Callable[[Any], Any] | None = None) -> Any:
        def take(out: Any) -> None:
            if isinstance(out, list):
                returned.extend(out)
            if callback is not None:
                callback(out)

        return submit(_SharedCall.of(func, put) if of_ray else func, take if lists else callback)

    backend.submit = submitted
    return backend, returned


class _SharedCall:
    """A call as bytes, in which references to Ray's store stand for the large arrays.

    The references are kept beside the bytes, where Ray finds them and keeps the arrays.
    """

    def __init__(self, content: bytes, references: list[Any]) -> None:
        self.content, self.references = content, references

    @classmethod
    def of(cls, func: Callable[[], Any], put: Callable[[np.ndarray], Any]) -> _SharedCall:
        """Return a call whose large arrays are put into the store."""
        cloudpickle = sys.modules["ray"].cloudpickle  # for functions of the main module too
        content, arrays = _without(func, _is_large, cloudpickle.Pickler)
        return cls(content, [put(each) for each in arrays])

    def __call__(self) -> Any:
        return _with(self.content, sys.modules["ray"].get(self.references))()


def _is_large(value: Any) -> bool:
    """Whether it is a large array of numbers."""
    is_array = type(value) is np.ndarray and not value.dtype.hasobject
    return is_array and value.nbytes >= _SHARED_BYTES


def _without(
    value: Any, is_taken: Callable[[Any], bool], pickler: Any = pickle.Pickler
) -> tuple[bytes, list[Any]]:
    """Return an object as bytes without certain parts of it, and these parts."""
    parts: list[Any] = []

    class Pickler(pickler):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> int | None:
            if not is_taken(value):
                return None
            parts.append(value)
            return len(parts) - 1

    content = io.BytesIO()
    Pickler(content, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    return content.getvalue(), parts


def _with(content: bytes, parts: Sequence[Any]) -> Any:
    """Return the object of these bytes, with these parts in it."""

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number: int) -> Any:
            return parts[number]

    return Unpickler(io.BytesIO(content)).load()

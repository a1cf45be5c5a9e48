"""The arguments of :func:`train_many`: one value per network, or one value for all networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.arrays import is_frame, numeric
from deltarule.records import to_python_scalar
from deltarule.training.batches import Rows, RowSource

__all__ = [
    "PerNetwork",
    "arguments_by_network",
    "is_data",
    "is_one_validation",
    "is_one_vector",
    "per_network",
]


class PerNetwork(list[Any]):
    """A list with one value for each network."""


def per_network(value: Any, is_one: Callable[[Any], bool] | None = None) -> Any:
    """Return an argument as :class:`PerNetwork` if it has an entry per network, else unchanged.

    ``is_one`` tells whether a sequence is a single value, which all networks share.
    """
    value = numeric("an argument", value) if is_frame(value) else to_python_scalar(value)
    if value is None or np.isscalar(value) or (is_one is not None and is_one(value)):
        return value
    try:
        return PerNetwork(map(to_python_scalar, value))
    except TypeError:
        return value  # train checks it


def is_one_vector(value: Any) -> bool:
    """Whether ``value`` is one vector, and not a sequence of vectors."""
    if isinstance(value, list | tuple):
        return bool(value) and all(np.isscalar(item) for item in value)
    return np.ndim(value) == 1


def is_one_validation(value: Any) -> bool:
    """Whether ``value`` is one validation for all networks: rows, row numbers or a mask."""
    if isinstance(value, Rows | range):
        return True
    if isinstance(value, list | tuple):
        # Whole numbers are row numbers; fractions are one share per network.
        return bool(value) and all(
            np.isscalar(item) and not isinstance(item, float | np.floating) for item in value
        )
    return np.ndim(value) == 1 and np.asarray(value).dtype.kind != "f"


def is_data(value: Any) -> bool:
    """Whether ``value`` is (X, Y) or (X, Y, sample_weight)."""
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):
        return False
    first = value[0]
    if isinstance(first, RowSource):
        return True
    if isinstance(first, tuple) or first is None:
        return False
    return np.ndim(first) == 2


def arguments_by_network(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the keyword arguments of ``train`` for each network."""
    counts = {
        "seeds" if name == "seed" else name: len(value)
        for name, value in arguments.items()
        if isinstance(value, PerNetwork)
    }
    if not counts:
        raise InputError(
            "nothing says how many networks to train; expected a sequence with an entry for "
            "each, such as seeds=range(8). For one network use train"
        )
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise InputError(
            f"there are {found}; expected sequences of one length, with an entry for each "
            "network. A single value is shared by all; for all combinations of two lists use "
            "itertools.product"
        )
    total = next(iter(counts.values()))
    if not total:
        raise InputError(f"{next(iter(counts))} is empty; expected an entry for each network")
    return [
        {
            name: value[k] if isinstance(value, PerNetwork) else value
            for name, value in arguments.items()
        }
        for k in range(total)
    ]

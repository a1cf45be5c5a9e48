"""Arguments of :func:`train_many`: a sequence with an entry per network, or one value for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.arrays import is_frame, numeric
from deltarule.records import to_python_scalar
from deltarule.training.batches import Rows, RowSource

__all__ = ["Each", "entries", "is_data", "networks", "one_validation", "one_vector"]


class Each(list[Any]):
    """A list with one value for each network."""


def entries(given: Any, is_one: Callable[[Any], bool] | None = None) -> Any:
    """Return ``given`` as :class:`Each` if it has an entry per network, else unchanged."""
    given = numeric("an argument", given) if is_frame(given) else to_python_scalar(given)
    if given is None or np.isscalar(given) or (is_one is not None and is_one(given)):
        return given
    try:
        return Each(map(to_python_scalar, given))
    except TypeError:
        return given  # it is checked where it is used


def one_vector(given: Any) -> bool:
    """Whether ``given`` is one vector, and not a sequence of vectors."""
    if isinstance(given, list | tuple):
        return bool(given) and all(np.isscalar(each) for each in given)
    return np.ndim(given) == 1


def one_validation(given: Any) -> bool:
    """Whether ``given`` is one validation for all networks: rows, row numbers or a mask."""
    if isinstance(given, Rows | range):
        return True
    if isinstance(given, list | tuple):
        # Whole numbers are row numbers; fractions are one share per network.
        return bool(given) and all(
            np.isscalar(each) and not isinstance(each, float | np.floating) for each in given
        )
    return np.ndim(given) == 1 and np.asarray(given).dtype.kind != "f"


def is_data(given: Any) -> bool:
    """Whether ``given`` is (X, Y) or (X, Y, sample_weight)."""
    if not isinstance(given, list | tuple) or len(given) not in (2, 3):
        return False
    first = given[0]
    if isinstance(first, RowSource):
        return True
    if isinstance(first, tuple) or first is None:
        return False
    return np.ndim(first) == 2


def networks(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the arguments of each network, from arguments that are per network or shared."""
    counts = {
        "seeds" if name == "seed" else name: len(value)
        for name, value in given.items()
        if isinstance(value, Each)
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
        {name: value[k] if isinstance(value, Each) else value for name, value in given.items()}
        for k in range(total)
    ]

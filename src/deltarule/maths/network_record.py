"""A network from plain data, such as a JSON file holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from deltarule.errors import InputError
from deltarule.files.dataclass_fields import check_keys, field_value

__all__ = ["network_of"]

N = TypeVar("N")

# The types of the values; the registries check what is an activation or a loss.
_TYPES: dict[str, Any] = {
    "widths": tuple[int, ...],
    "activation": tuple[Any, ...],
    "output_activation": Any,
    "loss": Any,
    "bias": bool,
    "dtype": str,
    "frozen": tuple[tuple[int, int], ...],
}


def network_of(cls: type[N], data: Mapping[str, Any]) -> N:
    """Return the network that ``Network.to_dict`` wrote down; ``cls`` is the class of networks.

    Raises
    ------
    InputError
        If the data are none of a network.
    """
    check_keys(data, _TYPES)
    arguments = {name: field_value(name, _TYPES[name], each) for name, each in data.items()}
    if "widths" not in arguments:
        raise InputError("'widths' is missing; expected what Network.to_dict gives")
    if (dtype := arguments.get("dtype", "float64")) not in ("float32", "float64"):
        raise InputError(parameter="dtype", given=dtype, expected="float32 or float64")
    runs = arguments.pop("frozen", ())
    net: Any = cls(**arguments)
    if not runs:
        return net
    mask, end = np.zeros(net.n_parameters, dtype=bool), -1
    for start, stop in runs:
        if not end < start < stop <= net.n_parameters:
            raise InputError(f"frozen is from {start} to {stop}, of {net.n_parameters} parameters")
        mask[start:stop], end = True, stop
    return net.with_changes(frozen=mask)

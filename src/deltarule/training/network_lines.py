"""The networks of a saved model as lines of text, of what its document says."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from deltarule.errors import printable
from deltarule.files.dataclass_fields import entry, field_value

__all__ = ["counted", "network_line", "saved_networks"]

_Object = Mapping[str, Any]


def saved_networks(data: _Object) -> list[_Object]:
    """Return what a document says of each network of a model."""
    if "portfolio" not in data:
        return [entry(data, "network", Mapping[str, Any])]
    members = entry(entry(data, "portfolio", Mapping[str, Any]), "members", list)
    return [
        entry(each, "network", Mapping[str, Any])
        for member in members
        for each in entry(member, "networks", list)
    ]


def counted(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the different lines, with how often each is there."""
    found = collections.Counter(lines)
    return tuple(line if count == 1 else f"{count} × {line}" for line, count in found.items())


def network_line(network: _Object) -> str:
    """Return the widths, the formulas and the type of a network as a line."""
    widths = "-".join(map(str, entry(network, "widths", tuple[int, ...])))
    hidden = field_value("activation", list, network.get("activation", []))
    ends = (_name(network.get(name)) for name in ("output_activation", "loss"))
    formulas = (*dict.fromkeys(map(_name, hidden)), *ends)
    return ", ".join([widths, *formulas, printable(str(network.get("dtype", "float64")))])


def _name(spec: Any) -> str:
    """Return the name of a formula, and its parameters, as the file has them."""
    if isinstance(spec, Mapping):
        rest = ", ".join(f"{name}={value!r}" for name, value in spec.items() if name != "name")
        return printable(f"{spec.get('name')}({rest})")
    return printable(str(spec))

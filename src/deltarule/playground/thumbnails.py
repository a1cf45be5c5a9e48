"""Small pictures of the built-in data, from which a reader chooses."""

from __future__ import annotations

import functools
from typing import Any

from deltarule.playground.data import BUILTIN, builtin_data

__all__ = ["thumbnails"]

_POINTS = 130
_NOISE = 0.02


@functools.cache
def thumbnails() -> dict[str, dict[str, Any]]:
    """For each of the built-in data, some points or an image, for the page to draw.

    Points have the coordinates ``x`` and ``y`` and a ``value``: the number of the class, or the
    quantity. An image has ``pixels`` from 0 to 1, row by row.

    Examples
    --------
    >>> found = thumbnails()
    >>> sorted(found["spirals"]), len(found["digits"]["pixels"])
    (['classes', 'value', 'x', 'y'], 64)
    """
    found: dict[str, dict[str, Any]] = {}
    for name in BUILTIN:
        data = builtin_data(name, rows=_POINTS, noise=_NOISE, held=0.0)
        if data.X.shape[1] == 2:
            x, y = data.X.round(2).T.tolist()
            value = data.y.round(2).tolist()
            found[name] = {"x": x, "y": y, "value": value, "classes": len(data.target.classes)}
        else:
            found[name] = {"pixels": builtin_data(name, noise=0.0).X[0].round(2).tolist()}
    return found

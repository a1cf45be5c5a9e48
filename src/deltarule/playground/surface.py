"""What the network says all over a plane through two of its inputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.subsample import evenly_spaced
from deltarule.playground.data import Axis, Data

__all__ = ["SIDE", "Plane", "class_shares", "plane_for", "points", "suggested_axes", "surface"]

SIDE = 48
"""The plane is looked at in so many places along each side."""

_MOST_POINTS = 800
_HOLDS = ("mean", "median")
# How far points of one level are strewn, of the width that the level has.
_STREWN = 0.7


@dataclasses.dataclass(frozen=True)
class Plane:
    """Two axes of the data, and where the other inputs are held.

    Attributes
    ----------
    x, y : int
        The numbers of the axes along the sides; where there is a single one, y is −1 and nothing
        varies upwards.
    hold : {"mean", "median"}
        Where the other inputs are held, over the rows that are trained on.
    ranges : tuple of 4 floats
        From and to along x, from and to along y, as the network takes them; level j of a category
        is from j − ½ to j + ½.
    rows : float32 array of shape (SIDE², n_0)
        The places, row by row from the top left.
    """

    x: int
    y: int
    hold: str
    ranges: tuple[float, float, float, float]
    rows: np.ndarray


def suggested_axes(data: Data) -> tuple[int, int]:
    """The two axes that say most about the target, each for itself.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> suggested_axes(builtin_data("moons"))
    (0, 1)
    """
    axes = data.axes
    if len(axes) <= 2:
        return 0, len(axes) - 1 if len(axes) == 2 else -1
    if data.target.classes:
        Y = np.eye(len(data.target.classes))[data.y]
        Y = Y / np.sqrt(np.maximum(Y.sum(axis=0), 1))
    else:
        Y = data.y[:, None].astype(np.float64)
    Y = Y - Y.mean(axis=0)
    # The sum of squares of Y that a line explains, or the means of the levels; each level more
    # explains something by chance.
    chance = (Y**2).sum() / len(Y)
    explained = np.zeros(len(axes))
    for number, axis in enumerate(axes):
        X = data.X[:, list(axis.inputs)].astype(np.float64)
        X = X if axis.levels else X - X.mean(axis=0)
        size = (X**2).sum(axis=0)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            explained[number] = np.where(size > 0, (X.T @ Y) ** 2 / size, 0.0).sum()
        explained[number] -= chance * max(len(axis.levels) - 1, 1)
    first, second = np.argsort(-explained, kind="stable")[:2]
    return int(first), int(second)


def plane_for(data: Data, x: int, y: int, hold: str) -> Plane:
    """The plane through two axes of the data.

    Raises
    ------
    InputError
        If an axis is not there, or both are the same.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> plane_for(builtin_data("moons"), 0, 1, "mean").rows.shape
    (2304, 2)
    """
    axes = data.axes
    n = len(axes)
    single = n == 1
    if hold not in _HOLDS or not 0 <= x < n or (y != -1 if single else not 0 <= y < n or x == y):
        raise InputError(
            f"the axes are inputs {x} and {y}, the others at their {hold}; expected two different "
            f"inputs from 0 to {n - 1}, and mean or median"
        )
    kept = data.X[data.trained]
    fixed = kept.mean(axis=0) if hold == "mean" else np.median(kept, axis=0)
    rows = np.tile(fixed.astype(np.float32), (SIDE * SIDE, 1))
    low, high = _axis_range(data, axes[x])
    _vary(rows, axes[x], np.tile(np.linspace(low, high, SIDE), SIDE))
    if single:
        bottom, top = _range(data.y.astype(np.float64))
    else:
        bottom, top = _axis_range(data, axes[y])
        _vary(rows, axes[y], np.repeat(np.linspace(top, bottom, SIDE), SIDE))
    return Plane(x, y, hold, (low, high, bottom, top), rows)


def _vary(rows: np.ndarray, axis: Axis, values: np.ndarray) -> None:
    """Put every row where its value along the axis is."""
    if not axis.levels:
        rows[:, axis.inputs[0]] = values
        return
    level = np.clip(np.rint(values), 0, len(axis.levels) - 1).astype(int)
    rows[:, list(axis.inputs)] = np.eye(len(axis.levels), dtype=rows.dtype)[level]


def _axis_range(data: Data, axis: Axis) -> tuple[float, float]:
    if axis.levels:
        return -0.5, len(axis.levels) - 0.5
    return _range(data.X[:, axis.inputs[0]])


def _along(data: Data, axis: Axis, take: np.ndarray, ratio: float) -> np.ndarray:
    """Where rows are along an axis; NaN for a level that training has not seen.

    Rows of one level would hide one another, so they are strewn over its width: evenly, and the
    same each time.
    """
    X = data.X[take][:, list(axis.inputs)].astype(np.float64)
    if not axis.levels:
        return X[:, 0]
    strewn = ((take * ratio) % 1 - 0.5) * _STREWN
    return np.where(X.max(axis=1) > 0, X.argmax(axis=1) + strewn, np.nan)


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def class_shares(output: np.ndarray) -> np.ndarray:
    """Probabilities of the classes, one row each, from a network's outputs.

    One output is the probability of the second of two classes. Logistic outputs, one for each
    class, do not add to 1; they are divided by their sum.

    Examples
    --------
    >>> class_shares(np.array([[0.25]])), class_shares(np.array([[0.5, 1.5]]))
    (array([[0.75, 0.25]]), array([[0.25, 0.75]]))
    """
    if output.shape[1] == 1:
        return np.column_stack((1 - output[:, 0], output[:, 0]))
    total = output.sum(axis=1, keepdims=True)
    return output / np.where(total > 0, total, 1)


def surface(data: Data, output: np.ndarray) -> dict[str, np.ndarray]:
    """What is painted: a byte for each place, two where there are more than two classes.

    Parameters
    ----------
    data : Data
    output : array of shape (SIDE², n_L)
        a^L at the places of the plane.

    Returns
    -------
    dict of uint8 arrays
        ``"level"``: the probability of the second class, or of the most probable one of more
        than two (``"class"`` says which), or the quantity between the least and the greatest
        target, from 0 to 255.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> surface(builtin_data("xor"), np.array([[0.0], [1.0]]))
    {'level': array([  0, 255], dtype=uint8)}
    """
    if not data.target.classes:
        low, high = float(data.y.min()), float(data.y.max())
        level = (output[:, 0] - low) / (high - low or 1.0)
        return {"level": _byte(level)}
    shares = class_shares(output)
    if len(data.target.classes) == 2:
        return {"level": _byte(shares[:, 1])}
    best = shares.argmax(axis=1)
    return {
        "level": _byte(shares[np.arange(len(best)), best]),
        "class": best.astype(np.uint8),
    }


def _byte(level: np.ndarray) -> np.ndarray:
    clean = np.nan_to_num(level.astype(np.float64), nan=0.5, posinf=1.0, neginf=0.0)
    return np.rint(np.clip(clean, 0.0, 1.0) * 255).astype(np.uint8)


def points(data: Data, plane: Plane) -> dict[str, Any]:
    """The rows as points of the plane, at most 800, every part of the data in proportion.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> data = builtin_data("xor", rows=10)
    >>> sorted(points(data, plane_for(data, 0, 1, "mean")))
    ['held', 'value', 'x', 'y']
    """
    n = len(data.X)
    take = evenly_spaced(n, _MOST_POINTS)
    held = np.zeros(n, dtype=int)
    if data.held is not None:
        held[data.held] = 1
    axes = data.axes
    across = _along(data, axes[plane.x], take, 0.6180339887)
    up = data.y[take] if plane.y < 0 else _along(data, axes[plane.y], take, 0.7548776662)
    seen = np.isfinite(across) & np.isfinite(up)
    take, across, up = take[seen], across[seen], up[seen]
    return {
        "x": [round(float(value), 5) for value in across],
        "y": [round(float(value), 5) for value in up],
        "value": [round(float(value), 5) for value in data.y[take]],
        "held": held[take].tolist(),
    }

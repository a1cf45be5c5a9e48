"""What the network says all over a plane through two of its inputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.playground.data import Data

__all__ = ["SIDE", "Plane", "class_shares", "plane_for", "suggested_axes", "surface"]

SIDE = 48
"""The plane is looked at in so many places along each side."""

_MOST_POINTS = 800
HOLDS = ("mean", "median")


@dataclasses.dataclass(frozen=True)
class Plane:
    """Two inputs that vary, and where the others are held.

    Attributes
    ----------
    x, y : int
        The inputs along the sides; with a single input, y is −1 and nothing varies upwards.
    hold : {"mean", "median"}
        Where the other inputs are held, over the rows that are trained on.
    ranges : tuple of 4 floats
        From and to along x, from and to along y, as the network takes them.
    rows : float32 array of shape (SIDE², n_0)
        The places, row by row from the top left.
    """

    x: int
    y: int
    hold: str
    ranges: tuple[float, float, float, float]
    rows: np.ndarray


def suggested_axes(data: Data) -> tuple[int, int]:
    """The two inputs that say most about the target, each for itself.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> suggested_axes(builtin_data("moons"))
    (0, 1)
    """
    n = data.X.shape[1]
    if n <= 2:
        return 0, n - 1 if n == 2 else -1
    X = data.X.astype(np.float64)
    X = X - X.mean(axis=0)
    spread = (X**2).sum(axis=0)
    if data.target.classes:
        Y = np.eye(len(data.target.classes))[data.y]
        Y = Y / np.sqrt(np.maximum(Y.sum(axis=0), 1))
    else:
        Y = data.y[:, None] - data.y.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(spread > 0, ((X.T @ Y) ** 2).sum(axis=1) / spread, 0.0)
    first, second = np.argsort(-share, kind="stable")[:2]
    return int(first), int(second)


def plane_for(data: Data, x: int, y: int, hold: str) -> Plane:
    """The plane through two inputs.

    Raises
    ------
    InputError
        If an input is not there, or both are the same.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> plane_for(builtin_data("moons"), 0, 1, "mean").rows.shape
    (2304, 2)
    """
    n = data.X.shape[1]
    single = n == 1
    if hold not in HOLDS or not 0 <= x < n or (y != -1 if single else not 0 <= y < n or x == y):
        raise InputError(
            f"the axes are inputs {x} and {y}, the others at their {hold}; expected two different "
            f"inputs from 0 to {n - 1}, and mean or median"
        )
    kept = data.X if data.held is None else np.delete(data.X, data.held, axis=0)
    fixed = kept.mean(axis=0) if hold == "mean" else np.median(kept, axis=0)
    rows = np.tile(fixed.astype(np.float32), (SIDE * SIDE, 1))
    low, high = _range(data.X[:, x])
    across = np.linspace(low, high, SIDE)
    rows[:, x] = np.tile(across, SIDE)
    if single:
        bottom, top = _range(data.y.astype(np.float64))
    else:
        bottom, top = _range(data.X[:, y])
        rows[:, y] = np.repeat(np.linspace(top, bottom, SIDE), SIDE)
    return Plane(x, y, hold, (low, high, bottom, top), rows)


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
    take = np.arange(n) if n <= _MOST_POINTS else np.linspace(0, n - 1, _MOST_POINTS).astype(int)
    held = np.zeros(n, dtype=int)
    if data.held is not None:
        held[data.held] = 1
    upwards = data.y if plane.y < 0 else data.X[:, plane.y]
    return {
        "x": [round(float(value), 5) for value in data.X[take, plane.x]],
        "y": [round(float(value), 5) for value in upwards[take]],
        "value": [round(float(value), 5) for value in data.y[take]],
        "held": held[take].tolist(),
    }

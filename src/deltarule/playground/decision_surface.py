"""The decision surface: the network's outputs on a grid over two of its inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.subsample import evenly_spaced
from deltarule.playground.data import Axis, Data

__all__ = [
    "COARSE_SIDE",
    "FINE_SIDE",
    "SIDE",
    "Plane",
    "class_probabilities",
    "plane_for",
    "plane_points",
    "side_for",
    "suggested_axes",
    "surface_levels",
]

SIDE = 96
"""The number of grid points along each side while a usual network trains."""

FINE_SIDE = 192
"""The number when the run is paused."""

COARSE_SIDE = 48
"""The number while a large network trains."""

# The most multiply-adds for a surface during training, and in a pause: some milliseconds, and some
# tenths of a second.
_MOST_WORK = {SIDE: 8.0e7, FINE_SIDE: 2.0e9}
# The most numbers in rows of grid points that are kept, or computed at once.
_MOST_KEPT = 3_000_000

_MOST_POINTS = 800
_HOLDS = ("mean", "median")
# The range over which points of one level are spread, as a fraction of the level's width.
_JITTER = 0.7


@dataclasses.dataclass(frozen=True)
class Plane:
    """A plane in the input space: two axes of the data vary, the other inputs are constant.

    Attributes
    ----------
    x, y : int
        The numbers of the horizontal and the vertical axis. Data with a single axis has y = −1,
        and the network's output does not depend on the vertical position.
    hold : {"mean", "median"}
        The statistic over the training rows at which the other inputs are held.
    ranges : tuple of 4 floats
        The ends of the x axis and of the y axis, as encoded inputs; level j of a category
        extends from j − ½ to j + ½.
    data : Data
    fixed : float32 array of shape (n_0,)
        The constant inputs.
    """

    x: int
    y: int
    hold: str
    ranges: tuple[float, float, float, float]
    data: Data = dataclasses.field(repr=False, compare=False)
    fixed: np.ndarray = dataclasses.field(repr=False, compare=False)
    _kept: dict[int, np.ndarray] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def rows(self, side: int = SIDE) -> np.ndarray:
        """The grid points, float32 of shape (side², n_0), row by row from the top left."""
        return np.concatenate(list(self._parts(side)))

    def outputs(self, predict: Callable[[np.ndarray], np.ndarray], side: int = SIDE) -> np.ndarray:
        """A network's outputs at the grid points, shape (side², n_L)."""
        if side * side * len(self.fixed) > _MOST_KEPT:
            return np.concatenate([predict(part) for part in self._parts(side)])
        if side not in self._kept:
            self._kept[side] = self.rows(side)
        return predict(self._kept[side])

    def _parts(self, side: int) -> Iterator[np.ndarray]:
        """The grid points, so many lines at a time that memory is bounded."""
        low, high, bottom, top = self.ranges
        across, up = np.linspace(low, high, side), np.linspace(top, bottom, side)
        lines = max(1, min(side, _MOST_KEPT // (side * len(self.fixed))))
        for start in range(0, side, lines):
            here = up[start : start + lines]
            rows = np.tile(self.fixed, (len(here) * side, 1))
            _set_axis_values(rows, self.data.axes[self.x], np.tile(across, len(here)))
            if self.y >= 0:
                _set_axis_values(rows, self.data.axes[self.y], np.repeat(here, side))
            self.data.write_derived(rows)
            yield rows


def side_for(n_multiply_adds: float, moving: bool) -> int:
    """The number of grid points along a side, for a network that takes so much for one row.

    Examples
    --------
    >>> side_for(100, moving=True), side_for(100, moving=False), side_for(1e6, moving=True)
    (96, 192, 48)
    """
    points = {side: side * side * n_multiply_adds for side in (SIDE, FINE_SIDE)}
    if moving:
        return SIDE if points[SIDE] <= _MOST_WORK[SIDE] else COARSE_SIDE
    return FINE_SIDE if points[FINE_SIDE] <= _MOST_WORK[FINE_SIDE] else SIDE


def suggested_axes(data: Data) -> tuple[int, int]:
    """The two axes that explain most of the target's variance, each taken alone.

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
    # The sum of squares of Y that a straight line or the means of the levels explain, less what
    # additional levels of an unrelated column are expected to explain.
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
        If an axis does not exist, or both are the same.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> plane_for(builtin_data("moons"), 0, 1, "mean").rows().shape
    (9216, 2)
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
    up = _padded_range(data.y.astype(np.float64)) if single else _axis_range(data, axes[y])
    ranges = (*_axis_range(data, axes[x]), *up)
    return Plane(x, y, hold, ranges, data, fixed.astype(np.float32))


def _set_axis_values(rows: np.ndarray, axis: Axis, values: np.ndarray) -> None:
    """Write values along an axis, shape (len(rows),), into the inputs of the rows."""
    if not axis.levels:
        rows[:, axis.inputs[0]] = values
        return
    level = np.clip(np.rint(values), 0, len(axis.levels) - 1).astype(int)
    rows[:, list(axis.inputs)] = np.eye(len(axis.levels), dtype=rows.dtype)[level]


def _axis_range(data: Data, axis: Axis) -> tuple[float, float]:
    if axis.levels:
        return -0.5, len(axis.levels) - 0.5
    return _padded_range(data.X[:, axis.inputs[0]])


def _axis_positions(data: Data, axis: Axis, take: np.ndarray, ratio: float) -> np.ndarray:
    """Positions of rows along an axis; NaN for a level that the training rows do not have.

    Rows of one level would cover one another, so they are spread over its width: evenly, and
    without random numbers. ``ratio`` is the step of the sequence that spreads them.
    """
    X = data.X[take][:, list(axis.inputs)].astype(np.float64)
    if not axis.levels:
        return X[:, 0]
    jittered = ((take * ratio) % 1 - 0.5) * _JITTER
    return np.where(X.max(axis=1) > 0, X.argmax(axis=1) + jittered, np.nan)


def _padded_range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def class_probabilities(output: np.ndarray) -> np.ndarray:
    """Class probabilities, shape (N, n_classes), from a network's outputs, shape (N, n_L).

    A single output is the probability of the second of two classes. Several logistic outputs do
    not sum to 1; each row is divided by its sum.

    Examples
    --------
    >>> class_probabilities(np.array([[0.25]])), class_probabilities(np.array([[0.5, 1.5]]))
    (array([[0.75, 0.25]]), array([[0.25, 0.75]]))
    """
    if output.shape[1] == 1:
        return np.column_stack((1 - output[:, 0], output[:, 0]))
    total = output.sum(axis=1, keepdims=True)
    return output / np.where(total > 0, total, 1)


def surface_levels(data: Data, output: np.ndarray) -> dict[str, np.ndarray]:
    """What the page paints at each grid point: one byte, or two for more than two classes.

    Parameters
    ----------
    data : Data
    output : array of shape (side², n_L)
        a^L at the grid points.

    Returns
    -------
    dict of uint8 arrays
        ``"level"``, scaled to 0 … 255: for two classes the probability of the second; for more
        the probability of the most probable one, whose number is in ``"class"``; for a quantity
        the output, where 0 is the smallest and 255 the largest target.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> surface_levels(builtin_data("xor"), np.array([[0.0], [1.0]]))
    {'level': array([  0, 255], dtype=uint8)}
    """
    if not data.target.classes:
        low, high = float(data.y.min()), float(data.y.max())
        level = (output[:, 0] - low) / (high - low or 1.0)
        return {"level": _to_bytes(level)}
    probabilities = class_probabilities(output)
    if len(data.target.classes) == 2:
        return {"level": _to_bytes(probabilities[:, 1])}
    best = probabilities.argmax(axis=1)
    return {
        "level": _to_bytes(probabilities.max(axis=1)),
        "class": best.astype(np.uint8),
    }


def _to_bytes(level: np.ndarray) -> np.ndarray:
    clean = np.nan_to_num(level.astype(np.float64), nan=0.5, posinf=1.0, neginf=0.0)
    return np.rint(np.clip(clean, 0.0, 1.0) * 255).astype(np.uint8)


def plane_points(data: Data, plane: Plane) -> dict[str, Any]:
    """Positions and targets of at most 800 rows, evenly spaced over the data, for the plane.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> data = builtin_data("xor", rows=10)
    >>> sorted(plane_points(data, plane_for(data, 0, 1, "mean")))
    ['held', 'row', 'value', 'x', 'y']
    """
    n = len(data.X)
    take = evenly_spaced(n, _MOST_POINTS)
    held = np.zeros(n, dtype=int)
    if data.held is not None:
        held[data.held] = 1
    axes = data.axes
    across = _axis_positions(data, axes[plane.x], take, 0.6180339887)
    up = data.y[take] if plane.y < 0 else _axis_positions(data, axes[plane.y], take, 0.7548776662)
    seen = np.isfinite(across) & np.isfinite(up)
    take, across, up = take[seen], across[seen], up[seen]
    return {
        "x": [round(float(value), 5) for value in across],
        "y": [round(float(value), 5) for value in up],
        "value": [round(float(value), 5) for value in data.y[take]],
        "held": held[take].tolist(),
        "row": take.tolist(),
    }

"""The data of the playground: rows, targets, and the numbers of the held-out rows.

The built-in data are generated from a seed, so that a script can generate them again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from deltarule.errors import InputError, UnknownName
from deltarule.maths import Network
from deltarule.training import split_rows

__all__ = ["BUILTIN", "Axis", "Data", "TargetSpec", "builtin_data", "held_out"]

# Makes this random stream independent of those of the initial weights, the order and the split.
_DATA_KEY = 3

_Points = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class TargetSpec:
    """What is predicted: the target's name, and its classes or its standardisation.

    Attributes
    ----------
    name : str
    classes : tuple of str
        The labels; empty for a quantity.
    mean, scale : float
        Training uses (value − mean)/scale of a quantity.
    """

    name: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return "classification" if self.classes else "regression"


@dataclasses.dataclass(frozen=True)
class Axis:
    """A possible axis of the decision surface: one input, or the levels of a category.

    Attributes
    ----------
    name : str
    inputs : tuple of int
        The number of one input, or of the one-hot inputs of a category, one per level.
    levels : tuple of str
        The levels of a category; empty for a quantity.
    date : bool
        Whether the quantity is a number of days since 1970.
    """

    name: str
    inputs: tuple[int, ...]
    levels: tuple[str, ...] = ()
    date: bool = False


@dataclasses.dataclass(frozen=True)
class Data:
    """Training rows and held-out rows as arrays for a network.

    Attributes
    ----------
    X : float32 array of shape (N, n_0)
    y : array of shape (N,)
        Class numbers, or standardised quantities.
    held : integer array, or None
        The numbers of the held-out rows, sorted. They are scored and never trained on.
    inputs : tuple of str
        The names of the columns of X.
    target : TargetSpec
    offsets, scales : arrays of shape (n_0,)
        Input k in its original unit is ``X[:, k] * scales[k] + offsets[k]``.
    """

    X: np.ndarray
    y: np.ndarray
    held: np.ndarray | None
    inputs: tuple[str, ...]
    target: TargetSpec
    offsets: np.ndarray
    scales: np.ndarray

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The possible axes of the decision surface: every input, or every column of a table."""
        return tuple(Axis(name, (k,)) for k, name in enumerate(self.inputs))

    @property
    def trained(self) -> np.ndarray:
        """The numbers of the training rows, sorted."""
        rows = np.arange(len(self.X))
        return rows if self.held is None else np.delete(rows, self.held)

    def n_outputs(self, output: str) -> int:
        """The number of outputs of a network with this output activation.

        Two classes need one logistic output; softmax has one for each class.
        """
        n_classes = len(self.target.classes)
        return 1 if n_classes == 0 or (n_classes == 2 and output != "softmax") else n_classes

    def targets(self, net: Network) -> np.ndarray:
        """The targets for training ``net``: shape (N,), or one-hot of shape (N, n_L).

        Examples
        --------
        >>> from deltarule.maths import Network
        >>> data = builtin_data("xor", rows=20, seed=0)
        >>> net = Network([2, 3, 2], output_activation="softmax", loss="cross_entropy")
        >>> data.targets(net).shape, data.targets(Network([2, 3, 1])).shape
        ((20, 2), (20,))
        """
        if net.n_outputs == 1:
            return self.y.astype(net.dtype)
        return np.eye(net.n_outputs, dtype=net.dtype)[self.y]


def held_out(y: np.ndarray, share: float, seed: int, classes: bool) -> np.ndarray | None:
    """The numbers of the rows to hold out, stratified by class; None for a share of 0.

    Examples
    --------
    >>> held_out(np.array([0, 0, 0, 1, 1, 1]), 1 / 3, seed=0, classes=True).shape
    (2,)
    """
    return split_rows(len(y), share, seed, y if classes else None)[1] if share else None


def _xor(rng: np.random.Generator, rows: int) -> _Points:
    points = rng.uniform(0.1, 1.0, (rows, 2)) * rng.choice([-1.0, 1.0], (rows, 2))
    label = (points[:, 0] * points[:, 1] < 0).astype(np.int64)
    return points, label


def _spirals(rng: np.random.Generator, rows: int) -> _Points:
    label = np.arange(rows) % 2
    along = np.sqrt(rng.uniform(0.01, 1.0, rows))
    angle = 3.5 * np.pi * along + np.pi * label
    return along[:, None] * np.column_stack((np.sin(angle), np.cos(angle))), label


def _circles(rng: np.random.Generator, rows: int) -> _Points:
    label = np.arange(rows) % 2
    radius = np.where(label == 1, rng.uniform(0.0, 0.45, rows), rng.uniform(0.65, 1.0, rows))
    angle = rng.uniform(0.0, 2 * np.pi, rows)
    return radius[:, None] * np.column_stack((np.cos(angle), np.sin(angle))), label


def _moons(rng: np.random.Generator, rows: int) -> _Points:
    label = np.arange(rows) % 2
    angle = np.pi * rng.uniform(0.0, 1.0, rows)
    side = 1 - 2 * label
    x = (np.cos(angle) * side - 0.5 * side) / 1.5
    return np.column_stack((x, (np.sin(angle) * side - 0.25 * side) / 1.5)), label


def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's images of digits, uint8 of shape (1797, 64) from 0 to 16, and their labels."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.data.astype(np.uint8), bunch.target.astype(np.int64)


def _digits(rng: np.random.Generator, rows: int) -> _Points:
    pixels, labels = digit_images()
    chosen = rng.permutation(len(labels))[:rows]
    return pixels[chosen] / 16, labels[chosen]


_GENERATORS: dict[str, Callable[[np.random.Generator, int], _Points]] = {
    "xor": _xor,
    "spirals": _spirals,
    "circles": _circles,
    "moons": _moons,
    "digits": _digits,
}

BUILTIN: tuple[str, ...] = tuple(_GENERATORS)
"""The names of the built-in data."""


def builtin_data(
    name: str, *, rows: int = 300, noise: float = 0.05, held: float = 0.3, seed: int = 0
) -> Data:
    """Generate built-in data; the same arguments give the same data.

    Parameters
    ----------
    name : str
        One of ``BUILTIN``: ``"xor"``, ``"spirals"``, ``"circles"`` and ``"moons"`` are points
        of the plane in two classes; ``"digits"`` are scikit-learn's 8 × 8 images of handwritten
        digits, at most 1797.
    rows : int
        The number of rows.
    noise : float
        The standard deviation of the normal noise that is added to every coordinate.
    held : float
        The share of rows that is held out.
    seed : int
        The seed of the points and of the choice of held-out rows.

    Raises
    ------
    UnknownName
        If there are no data of that name.
    InputError
        If there are fewer than ten rows, or the noise or the share is out of range.

    Examples
    --------
    >>> data = builtin_data("moons", rows=100, seed=1)
    >>> data.X.shape, data.target.classes, len(data.held)
    ((100, 2), ('0', '1'), 30)
    """
    if name not in _GENERATORS:
        raise UnknownName(f"unknown data {name!r}; known: {', '.join(BUILTIN)}")
    if rows < 10 or not 0 <= noise < np.inf or not 0 <= held < 1:
        raise InputError(
            f"rows, noise and held are {rows}, {noise:g} and {held:g}; expected at least 10 rows, "
            "noise of at least 0, and a share from 0 to less than 1"
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_DATA_KEY,)))
    points, label = _GENERATORS[name](rng, rows)
    points = points + noise * rng.normal(size=points.shape)
    X = np.ascontiguousarray(points, dtype=np.float32)
    if name == "digits":
        inputs = tuple(f"pixel {k // 8},{k % 8}" for k in range(64))
        classes = tuple(map(str, range(10)))
    else:
        inputs, classes = ("x_0", "x_1"), ("0", "1")
    return Data(
        X=X,
        y=label,
        held=held_out(label, held, seed, classes=True),
        inputs=inputs,
        target=TargetSpec("digit" if name == "digits" else "class", classes),
        offsets=np.zeros(X.shape[1]),
        scales=np.ones(X.shape[1]),
    )

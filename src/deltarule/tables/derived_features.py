"""Features derived from two others: squares, the product, sines.

They are features of all columns together, which follow those of the columns.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError, short_repr

__all__ = ["DERIVED", "DerivedFeature", "DerivedFeatures", "checked_names", "features_of_all"]


@dataclasses.dataclass(frozen=True)
class DerivedFeature:
    """A feature that is a function of two others.

    Attributes
    ----------
    formula : callable
        The values as a function of an array namespace and of the two others.
    label : str
        The name, with the names of the two others as ``{0}`` and ``{1}``.
    """

    formula: Callable[[Any, Any, Any], Any]
    label: str


DERIVED = types.MappingProxyType(
    {
        "square_0": DerivedFeature(lambda xp, a, b: a * a, "{0}²"),
        "square_1": DerivedFeature(lambda xp, a, b: b * b, "{1}²"),
        "product": DerivedFeature(lambda xp, a, b: a * b, "{0}·{1}"),
        "sine_0": DerivedFeature(lambda xp, a, b: xp.sin(np.pi * a), "sin(π {0})"),
        "sine_1": DerivedFeature(lambda xp, a, b: xp.sin(np.pi * b), "sin(π {1})"),
    }
)
"""The derived features by name."""


def checked_names(derived: Any) -> tuple[str, ...]:
    """Return ``derived`` as a tuple; raise InputError if it is no list of names."""
    if isinstance(derived, str) or not isinstance(derived, Sequence):
        raise InputError(parameter="derived", given=derived, expected="a list of names")
    return tuple(derived)


class DerivedFeatures:
    """Some of the features in ``DERIVED``, of rows that have two features.

    Parameters
    ----------
    names : sequence of str
        Names in ``DERIVED``, each at most once.
    inputs : sequence of str
        The names of the two features.

    Raises
    ------
    InputError
        If a name is unknown or given twice, or there are not two features.

    Examples
    --------
    >>> features = DerivedFeatures(["square_1", "product"], ["u", "v"])
    >>> features.features()
    ['v²', 'u·v']
    >>> found = np.zeros((1, 2))
    >>> features.write(np.array([[2.0, 3.0]]), found)
    >>> found
    array([[9., 6.]])
    """

    def __init__(self, names: Sequence[str], inputs: Sequence[str]) -> None:
        unknown = [name for name in names if not isinstance(name, str) or name not in DERIVED]
        if unknown or len(set(names)) < len(names):
            raise InputError(
                parameter="derived",
                given=list(names),
                expected=f"some of {', '.join(DERIVED)}, each once",
            )
        if len(inputs) != 2:
            raise InputError(
                f"derived is {short_repr(list(names))}, and there are {len(inputs)} features to "
                "derive from; expected two numbers without missing cells"
            )
        self.names, self.inputs = tuple(names), tuple(inputs)

    def features(self) -> list[str]:
        """The names of the derived features.

        The inputs ``x_0`` and ``x_1`` are written with lowered digits.
        """
        shown = [{"x_0": "x₀", "x_1": "x₁"}.get(name, name) for name in self.inputs]
        return [DERIVED[name].label.format(*shown) for name in self.names]

    def write(self, X: NDArray[np.floating], out: NDArray[Any]) -> None:
        """Write the derived features of rows, shape (N, 2), into ``out``, shape (N, n).

        The arithmetic is float64.
        """
        first, second = X[:, 0].astype(np.float64), X[:, 1].astype(np.float64)
        for column, name in enumerate(self.names):
            out[:, column] = DERIVED[name].formula(np, first, second)


def features_of_all(derived: Sequence[str], random: Any, inputs: Sequence[str]) -> Any:
    """What computes the features of all columns together: ``DerivedFeatures``, or ``random``.

    Raises
    ------
    InputError
        If both are given.

    Examples
    --------
    >>> features_of_all((), None, ["u"]) is None
    True
    """
    if not derived:
        return random
    if random:
        raise InputError("derived and random_features are both given; expected one of them")
    return DerivedFeatures(derived, inputs)

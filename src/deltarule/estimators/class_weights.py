"""``class_weight``: from weights of classes, or of labels, to weights of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.records import plain

__all__ = ["class_weights", "weights_of_rows"]


def class_weights(
    given: Any, classes: np.ndarray, shares: np.ndarray, *, multilabel: bool
) -> np.ndarray:
    """The weight of each class, or of each label's absence and presence.

    Parameters
    ----------
    given : dict, list of dict, or "balanced"
        For classes, as in scikit-learn's ``SGDClassifier``: label → weight, 1 for a class that
        is not named; ``"balanced"`` is N/(K n_k) for class k of K, n_k of the N rows. For labels
        of which a row may have several: label → weight of the rows that have it; a list with
        {0: weight, 1: weight} for each label; or ``"balanced"``, the same for each label.
    classes : array of shape (K,)
    shares : array of shape (N, K)
        Of each row of training: 1 where it is of the class (has the label), or a probability.
    multilabel : bool

    Returns
    -------
    array of shape (K,), or (K, 2) for labels

    Raises
    ------
    InputError
        If a weight is no finite number ≥ 0, or a name is that of no class.

    Examples
    --------
    >>> classes, shares = np.array([0, 1]), np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    >>> class_weights({1: 5.0}, classes, shares, multilabel=False)
    array([1., 5.])
    >>> class_weights("balanced", classes, shares, multilabel=False)
    array([0.66666667, 2.        ])
    """
    if multilabel:
        return _label_weights(given, classes, shares)
    if isinstance(given, Mapping):
        return _named(given, classes)
    if isinstance(given, str):
        return _balanced(shares.sum(axis=0, dtype=np.float64), len(classes))
    raise InputError(
        f"class_weight is a {type(given).__name__} and y holds one class for each row; expected "
        "a dict such as {0: 1.0, 1: 5.0}, or 'balanced'"
    )


def weights_of_rows(weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The weight of each row: that of its class, or the product of those of all its labels.

    Of probabilities it is the mean over the classes.

    Examples
    --------
    >>> weights_of_rows(np.array([1.0, 5.0]), np.array([[0, 1], [1, 0]]))
    array([5., 1.])
    >>> weights_of_rows(np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([[1, 1], [0, 1], [0, 0]]))
    array([15.,  3.,  2.])
    """
    if weights.ndim == 1:
        mean: np.ndarray = (shares * weights).sum(axis=1)
        return mean
    product: np.ndarray = np.where(shares > 0, weights[:, 1], weights[:, 0]).prod(axis=1)
    return product


def _balanced(counts: np.ndarray, n_classes: int) -> np.ndarray:
    # A class that never occurs weighs no row; 1 is a number like any other.
    return np.where(counts > 0, counts.sum() / (n_classes * np.where(counts > 0, counts, 1)), 1.0)


def _named(given: Mapping[Any, Any], classes: np.ndarray) -> np.ndarray:
    """Weights by label. As in scikit-learn, names of no class pass where all classes have one."""
    known = classes.tolist()
    weights = np.ones(len(known))
    unknown = [label for label in given if plain(label) not in known]
    missing = [label for label in known if label not in map(plain, given)]
    if unknown and missing:
        raise InputError(
            f"class_weight names {unknown}, which are no classes, and not {missing}; the classes "
            f"are {known}; expected their labels"
        )
    for label, weight in given.items():
        if plain(label) in known:
            weights[known.index(plain(label))] = _checked(weight, f"class_weight[{label!r}]")
    return weights


def _label_weights(given: Any, classes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    if isinstance(given, str):
        return np.array([_balanced_label(column) for column in shares.T])
    if isinstance(given, Mapping):
        present = _named_labels(given, classes)
        return np.stack([np.ones(len(classes)), present], axis=1)
    if not isinstance(given, Sequence) or len(given) != len(classes):
        count = f"{len(given)} items" if isinstance(given, Sequence) else type(given).__name__
        raise InputError(
            f"class_weight has {count} and y holds {len(classes)} labels; expected a list with a "
            "dict {0: weight, 1: weight} for each label, a dict of the weights of the rows that "
            "have a label, or 'balanced'"
        )
    found = []
    for place, each in enumerate(given):
        if isinstance(each, Mapping):
            found.append(_named(each, np.array([0, 1])))
        elif each is None:
            found.append(np.ones(2))
        elif isinstance(each, str) and each == "balanced":
            found.append(_balanced_label(shares[:, place]))
        else:
            raise InputError(
                f"class_weight[{place}] is {each!r}; expected a dict such as {{0: 1.0, 1: 5.0}}, "
                "the weights of the rows without and with that label, 'balanced' or None"
            )
    return np.array(found)


def _named_labels(given: Mapping[Any, Any], classes: np.ndarray) -> np.ndarray:
    known = classes.tolist()
    unknown = [label for label in given if plain(label) not in known]
    if unknown:
        raise InputError(
            f"class_weight names {unknown}, which are no labels; the labels are {known}; expected "
            "a dict of the weights of the rows that have a label, or a list with a dict "
            "{0: weight, 1: weight} for each"
        )
    return _named(given, classes)


def _balanced_label(column: np.ndarray) -> np.ndarray:
    counts = np.array([(column == 0).sum(), (column != 0).sum()], dtype=np.float64)
    return _balanced(counts, int((counts > 0).sum()))


def _checked(weight: Any, name: str) -> float:
    value = plain(weight)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < np.inf:
        raise InputError(f"{name} is {weight!r}; expected a finite number ≥ 0")
    return float(value)

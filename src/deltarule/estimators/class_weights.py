"""``class_weight``: weights of classes or labels, and the row weights that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.records import to_python_scalar

__all__ = ["class_weights", "weights_by_class"]


def class_weights(
    given: Any, classes: np.ndarray, shares: np.ndarray, *, multilabel: bool
) -> np.ndarray:
    """Compute the weight of each class, or of the absence and presence of each label.

    Parameters
    ----------
    given : dict, list of dict, or "balanced"
        For classes, as in scikit-learn's ``SGDClassifier``: label → weight, 1 for a class that
        is not named; ``"balanced"`` is N/(K n_k) for class k of K with n_k of the N rows. For
        rows with several labels: label → weight of the rows that have it; a list with
        {0: weight, 1: weight} for each label; or ``"balanced"`` for each label.
    classes : array of shape (K,)
    shares : array of shape (N, K)
        For each training row, 1 for its class or labels and 0 elsewhere, or probabilities.
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
        return _weights_by_name(given, classes)
    if isinstance(given, str):
        return _balanced(shares.sum(axis=0, dtype=np.float64), len(classes))
    raise InputError(
        f"class_weight is a {type(given).__name__} and y holds one class for each row; expected "
        "a dict such as {0: 1.0, 1: 5.0}, or 'balanced'"
    )


def weights_by_class(weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The weight of each row, shape (N,): that of its class, or the product over all labels.

    For a row with probabilities it is the mean of the classes' weights.

    Examples
    --------
    >>> weights_by_class(np.array([1.0, 5.0]), np.array([[0, 1], [1, 0]]))
    array([5., 1.])
    >>> weights_by_class(np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([[1, 1], [0, 1], [0, 0]]))
    array([15.,  3.,  2.])
    """
    if weights.ndim == 1:
        mean: np.ndarray = (shares * weights).sum(axis=1)
        return mean
    product: np.ndarray = np.where(shares > 0, weights[:, 1], weights[:, 0]).prod(axis=1)
    return product


def _balanced(counts: np.ndarray, n_classes: int) -> np.ndarray:
    # A class that does not occur gets any finite weight, since no row has it.
    return np.where(counts > 0, counts.sum() / (n_classes * np.where(counts > 0, counts, 1)), 1.0)


def _weights_by_name(given: Mapping[Any, Any], classes: np.ndarray) -> np.ndarray:
    """The weights of a dict; as in scikit-learn, unknown names pass if all classes are named."""
    known = classes.tolist()
    weights = np.ones(len(known))
    unknown = [label for label in given if to_python_scalar(label) not in known]
    missing = [label for label in known if label not in map(to_python_scalar, given)]
    if unknown and missing:
        raise InputError(
            f"class_weight names {unknown}, which are no classes, and not {missing}; the classes "
            f"are {known}; expected their labels"
        )
    for label, weight in given.items():
        if to_python_scalar(label) in known:
            weights[known.index(to_python_scalar(label))] = _check_weight(
                weight, f"class_weight[{label!r}]"
            )
    return weights


def _label_weights(given: Any, classes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    if isinstance(given, str):
        return np.array([_balanced_label(column) for column in shares.T])
    if isinstance(given, Mapping):
        present = _label_weights_by_name(given, classes)
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
            found.append(_weights_by_name(each, np.array([0, 1])))
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


def _label_weights_by_name(given: Mapping[Any, Any], classes: np.ndarray) -> np.ndarray:
    known = classes.tolist()
    unknown = [label for label in given if to_python_scalar(label) not in known]
    if unknown:
        raise InputError(
            f"class_weight names {unknown}, which are no labels; the labels are {known}; expected "
            "a dict of the weights of the rows that have a label, or a list with a dict "
            "{0: weight, 1: weight} for each"
        )
    return _weights_by_name(given, classes)


def _balanced_label(column: np.ndarray) -> np.ndarray:
    counts = np.array([(column == 0).sum(), (column != 0).sum()], dtype=np.float64)
    return _balanced(counts, int((counts > 0).sum()))


def _check_weight(weight: Any, name: str) -> float:
    value = to_python_scalar(weight)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < np.inf:
        raise InputError(f"{name} is {weight!r}; expected a finite number ≥ 0")
    return float(value)

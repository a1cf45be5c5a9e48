"""``class_weight``: weights of classes or labels, and the row weights computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.records import to_python_scalar

__all__ = ["class_weights", "row_class_weights"]


def class_weights(
    class_weight: Any, classes: np.ndarray, indicators: np.ndarray, *, multilabel: bool
) -> np.ndarray:
    """Return the weight of each class, (K,), or of the absence and presence of each label, (K, 2).

    For classes, ``class_weight`` is as in scikit-learn's ``SGDClassifier``: label → weight, 1 for a
    class that is not named; ``"balanced"`` is N/(K n_k) for class k of K with n_k of the N rows.
    For rows with several labels: label → weight of the rows that have it; a list with
    {0: weight, 1: weight} for each label; or ``"balanced"`` for each label. ``indicators``, shape
    (N, K), holds 1 for the class or labels of a training row and 0 elsewhere, or probabilities.

    Examples
    --------
    >>> classes, indicators = np.array([0, 1]), np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    >>> class_weights({1: 5.0}, classes, indicators, multilabel=False)
    array([1., 5.])
    >>> class_weights("balanced", classes, indicators, multilabel=False)
    array([0.66666667, 2.        ])
    """
    if multilabel:
        return _label_weights(class_weight, classes, indicators)
    if isinstance(class_weight, Mapping):
        return _weights_by_name(class_weight, classes)
    if isinstance(class_weight, str):
        return _balanced(indicators.sum(axis=0, dtype=np.float64), len(classes))
    raise InputError(
        f"class_weight is a {type(class_weight).__name__} and y holds one class for each row; "
        "expected a dict such as {0: 1.0, 1: 5.0}, or 'balanced'"
    )


def row_class_weights(weights: np.ndarray, indicators: np.ndarray) -> np.ndarray:
    """Return the weight of each row, (N,): that of its class, or the product over all labels.

    For a row with probabilities it is the mean weight of the classes.

    Examples
    --------
    >>> row_class_weights(np.array([1.0, 5.0]), np.array([[0, 1], [1, 0]]))
    array([5., 1.])
    >>> row_class_weights(np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([[1, 1], [0, 1], [0, 0]]))
    array([15.,  3.,  2.])
    """
    if weights.ndim == 1:
        mean: np.ndarray = (indicators * weights).sum(axis=1)
        return mean
    product: np.ndarray = np.where(indicators > 0, weights[:, 1], weights[:, 0]).prod(axis=1)
    return product


def _balanced(counts: np.ndarray, n_classes: int) -> np.ndarray:
    # A class that does not occur gets any finite weight, since no row has it.
    return np.where(counts > 0, counts.sum() / (n_classes * np.where(counts > 0, counts, 1)), 1.0)


def _weights_by_name(class_weight: Mapping[Any, Any], classes: np.ndarray) -> np.ndarray:
    """Return the weights of a dict; unknown names pass if all classes are named."""
    known = classes.tolist()
    weights = np.ones(len(known))
    unknown = [label for label in class_weight if to_python_scalar(label) not in known]
    missing = [label for label in known if label not in map(to_python_scalar, class_weight)]
    if unknown and missing:
        raise InputError(
            f"class_weight names {unknown}, which are no classes, and not {missing}; the classes "
            f"are {known}; expected their labels"
        )
    for label, weight in class_weight.items():
        if to_python_scalar(label) in known:
            weights[known.index(to_python_scalar(label))] = _check_weight(
                weight, f"class_weight[{label!r}]"
            )
    return weights


def _label_weights(class_weight: Any, classes: np.ndarray, indicators: np.ndarray) -> np.ndarray:
    if isinstance(class_weight, str):
        return np.array([_balanced_label(column) for column in indicators.T])
    if isinstance(class_weight, Mapping):
        known = classes.tolist()
        unknown = [label for label in class_weight if to_python_scalar(label) not in known]
        if unknown:
            raise InputError(
                f"class_weight names {unknown}, which are no labels; the labels are {known}; "
                "expected a dict of the weights of the rows that have a label, or a list with a "
                "dict {0: weight, 1: weight} for each"
            )
        present = _weights_by_name(class_weight, classes)
        return np.stack([np.ones(len(classes)), present], axis=1)
    if not isinstance(class_weight, Sequence) or len(class_weight) != len(classes):
        count = (
            f"{len(class_weight)} items"
            if isinstance(class_weight, Sequence)
            else type(class_weight).__name__
        )
        raise InputError(
            f"class_weight has {count} and y holds {len(classes)} labels; expected a list with a "
            "dict {0: weight, 1: weight} for each label, a dict of the weights of the rows that "
            "have a label, or 'balanced'"
        )
    weights = []
    for index, label_weight in enumerate(class_weight):
        if isinstance(label_weight, Mapping):
            weights.append(_weights_by_name(label_weight, np.array([0, 1])))
        elif label_weight is None:
            weights.append(np.ones(2))
        elif isinstance(label_weight, str) and label_weight == "balanced":
            weights.append(_balanced_label(indicators[:, index]))
        else:
            raise InputError(
                f"class_weight[{index}] is {label_weight!r}; expected a dict such as {{0: 1.0, "
                "1: 5.0}, the weights of the rows without and with that label, 'balanced' or None"
            )
    return np.array(weights)


def _balanced_label(column: np.ndarray) -> np.ndarray:
    counts = np.array([(column == 0).sum(), (column != 0).sum()], dtype=np.float64)
    return _balanced(counts, int((counts > 0).sum()))


def _check_weight(weight: Any, name: str) -> float:
    value = to_python_scalar(weight)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < np.inf:
        raise InputError(f"{name} is {weight!r}; expected a finite number ≥ 0")
    return float(value)

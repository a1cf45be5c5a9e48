"""Soft targets: probabilities of the classes in place of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.arrays import is_sparse

__all__ = ["soft_classes", "soft_indicators", "soft_labels"]

# The tolerance of a sum of float32 probabilities, as in the losses.
_ROUNDING = 1e-5


def soft_indicators(y: Any) -> np.ndarray:
    """Check soft targets, and return them with shape (N, classes).

    y has shape (N, classes), or (N,) or (N, 1) with the probability of the second of two classes.

    Examples
    --------
    >>> soft_indicators([0.25, 1.0])
    array([[0.75, 0.25],
           [0.  , 1.  ]])
    """
    array = np.asarray(y.toarray() if is_sparse(y) else y)
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
        raise InputError(
            f"y has dtype {array.dtype} and shape {array.shape} with soft_targets; expected the "
            "probability of each class, of shape (rows, classes), or that of the second of two"
        )
    probabilities = array.astype(array.dtype if array.dtype.kind == "f" else np.float64)
    if probabilities.ndim == 2 and probabilities.shape[1] == 1:
        probabilities = probabilities[:, 0]
    bad = ~((probabilities >= 0) & (probabilities <= 1 + _ROUNDING))
    if bad.any():
        where = tuple(map(int, np.argwhere(bad)[0]))
        raise InputError(
            f"y[{', '.join(map(str, where))}] is {float(probabilities[where])!r} with "
            "soft_targets; expected probabilities, from 0 to 1"
        )
    if probabilities.ndim == 1:
        return np.stack([1 - probabilities, probabilities], axis=1)
    sums = probabilities.sum(axis=1, dtype=np.float64)
    invalid = np.abs(sums - 1) > _ROUNDING
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(
            f"y[{row}] adds to {float(sums[row]):.9g} with soft_targets; expected the "
            "probabilities of one class out of several, which add to 1: divide each row by its "
            "sum. For several labels that each have a probability of their own use "
            "MLPRegressor(loss='log_loss')"
        )
    return probabilities


def soft_classes(labels: Any, n_classes: int) -> np.ndarray:
    """Return the class labels, one for each column of y: ``labels``, or by default 0, 1, ….

    Examples
    --------
    >>> soft_classes(True, 3), soft_classes(["cat", "dog"], 2)
    (array([0, 1, 2]), array(['cat', 'dog'], dtype='<U3'))
    """
    if labels is None or isinstance(labels, bool | np.bool_):
        return np.arange(n_classes)
    classes = np.asarray(labels)
    if classes.ndim != 1 or len(classes) != n_classes:
        raise InputError(
            f"{len(classes)} classes are named and y has the probabilities of {n_classes}; "
            "expected one label for each column"
        )
    if not np.array_equal(np.unique(classes), classes):
        raise InputError(
            f"the classes of soft targets are {classes.tolist()}; expected each once and in order, "
            "which is what scikit-learn's metrics take classes_ for; sort them, and the columns "
            "of y with them"
        )
    return classes


def soft_labels(y: Any, classes: np.ndarray) -> np.ndarray:
    """Return the most probable class of each row of soft targets; labels unchanged.

    Two-dimensional y, and for two classes floating-point y, holds probabilities; any other y
    holds labels.

    Examples
    --------
    >>> soft_labels([[0.25, 0.75], [0.5, 0.5]], np.array(["cat", "dog"]))
    array(['dog', 'cat'], dtype='<U3')
    """
    given = np.asarray(y.toarray() if is_sparse(y) else y)
    if given.ndim == 2 or (given.dtype.kind == "f" and len(classes) == 2):
        probabilities = soft_indicators(given)
        if probabilities.shape[1] != len(classes):
            raise InputError(
                f"y has the probabilities of {probabilities.shape[1]} classes; expected "
                f"{len(classes)}, as in training"
            )
        found: np.ndarray = classes[probabilities.argmax(axis=1)]
        return found
    return given

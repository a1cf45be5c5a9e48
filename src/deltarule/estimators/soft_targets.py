"""Soft targets: probabilities of the classes in place of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.arrays import is_sparse

__all__ = ["soft_classes", "soft_labels", "soft_shares"]

# The tolerance of a sum of float32 probabilities; the losses have the same.
_ROUNDING = 1e-5


def soft_shares(y: Any) -> np.ndarray:
    """Check soft targets, and return them with shape (N, classes).

    Parameters
    ----------
    y : array of shape (N, classes), or (N,) or (N, 1) with the probability of the second of two

    Raises
    ------
    InputError
        If a value is not between 0 and 1, or a row does not add to 1.

    Examples
    --------
    >>> soft_shares([0.25, 1.0])
    array([[0.75, 0.25],
           [0.  , 1.  ]])
    """
    given = np.asarray(y.toarray() if is_sparse(y) else y)
    if given.dtype.kind not in "biuf" or given.ndim not in (1, 2):
        raise InputError(
            f"y has dtype {given.dtype} and shape {given.shape} with soft_targets; expected the "
            "probability of each class, of shape (rows, classes), or that of the second of two"
        )
    shares = given.astype(given.dtype if given.dtype.kind == "f" else np.float64)
    if shares.ndim == 2 and shares.shape[1] == 1:
        shares = shares[:, 0]
    bad = ~((shares >= 0) & (shares <= 1 + _ROUNDING))
    if bad.any():
        where = tuple(map(int, np.argwhere(bad)[0]))
        raise InputError(
            f"y[{', '.join(map(str, where))}] is {float(shares[where])!r} with soft_targets; "
            "expected probabilities, from 0 to 1"
        )
    if shares.ndim == 1:
        return np.stack([1 - shares, shares], axis=1)
    sums = shares.sum(axis=1, dtype=np.float64)
    off = np.abs(sums - 1) > _ROUNDING
    if off.any():
        row = int(np.argmax(off))
        raise InputError(
            f"y[{row}] adds to {float(sums[row]):.9g} with soft_targets; expected the "
            "probabilities of one class out of several, which add to 1: divide each row by its "
            "sum. For several labels that each have a probability of their own use "
            "MLPRegressor(loss='log_loss')"
        )
    return shares


def soft_classes(given: Any, n_classes: int) -> np.ndarray:
    """The labels of the classes: those given, one for each column of y, or 0, 1, ….

    Parameters
    ----------
    given : bool, None or array-like of labels
    n_classes : int

    Raises
    ------
    InputError
        If there are not as many as classes, or they are not sorted.

    Examples
    --------
    >>> soft_classes(True, 3), soft_classes(["cat", "dog"], 2)
    (array([0, 1, 2]), array(['cat', 'dog'], dtype='<U3'))
    """
    if given is None or isinstance(given, bool | np.bool_):
        return np.arange(n_classes)
    classes = np.asarray(given)
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
    """The most probable class of each row of soft targets; labels unchanged.

    Two-dimensional y, and for two classes floating-point y, holds probabilities; any other y
    holds labels.

    Examples
    --------
    >>> soft_labels([[0.25, 0.75], [0.5, 0.5]], np.array(["cat", "dog"]))
    array(['dog', 'cat'], dtype='<U3')
    """
    given = np.asarray(y.toarray() if is_sparse(y) else y)
    if given.ndim == 2 or (given.dtype.kind == "f" and len(classes) == 2):
        shares = soft_shares(given)
        if shares.shape[1] != len(classes):
            raise InputError(
                f"y has the probabilities of {shares.shape[1]} classes; expected "
                f"{len(classes)}, as in training"
            )
        found: np.ndarray = classes[shares.argmax(axis=1)]
        return found
    return given

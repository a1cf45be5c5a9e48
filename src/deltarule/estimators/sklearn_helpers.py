"""Sparse rows, and scikit-learn's checks of rows, random draws and texts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils import shuffle
from sklearn.utils.validation import validate_data

from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.maths.arrays import is_sparse
from deltarule.training import EpochEvent
from deltarule.training.batches import SparseRows

__all__ = [
    "ShuffledOrder",
    "check_repeatable",
    "initial_theta",
    "print_epoch",
    "row_source",
    "validate_numbers",
]


def validate_numbers(estimator: Any, X: Any, y: Any, alternative: str, **checks: Any) -> Any:
    """Return X and y as scikit-learn's ``validate_data`` does; X has numbers alone, none missing.

    Parameters
    ----------
    estimator : object
    X, y : array-like
    alternative : str
        The estimator that takes text and missing cells, which the error names.
    **checks
        As ``validate_data`` takes them.

    Raises
    ------
    InputError
        If X has text or NaN.
    ValueError
        As ``validate_data`` raises it.
    """
    try:
        return validate_data(estimator, X, y, **checks)
    except ValueError as error:
        text = str(error).splitlines()[0]
        if "convert string to float" not in text and not text.startswith("Input X contains NaN"):
            raise
        name = type(estimator).__name__
        raise InputError(
            f"{text.removesuffix('.')}; {name} takes known numbers alone; expected an X of these; "
            f"{alternative} takes text, categories and missing cells (NaN) as they are"
        ) from None


def row_source(X: Any) -> Any:
    """Wrap sparse rows for :func:`deltarule.train`; return other rows unchanged."""
    return SparseRows(X) if is_sparse(X) else X


class ShuffledOrder:
    """scikit-learn's order of rows: each epoch shuffles the order of the previous epoch.

    A training that goes on from a checkpoint asks for a later epoch first; the orders before it are
    drawn then too. ``first`` is the number of the first epoch.
    """

    def __init__(self, n_rows: int, rng: np.random.RandomState, first: int = 0) -> None:
        self.rows, self.rng, self.next = np.arange(n_rows), rng, first

    def __call__(self, epoch: int) -> np.ndarray:
        for _ in range(self.next, epoch + 1):
            self.rows = shuffle(self.rows, random_state=self.rng)
        self.next = epoch + 1
        return self.rows


def check_repeatable(random_state: Any) -> None:
    """Refuse a random state with which a second call would not begin as the first one did.

    Raises
    ------
    InputError
        If it is no integer.
    """
    if not isinstance(random_state, int | np.integer):
        raise InputError(
            parameter="random_state",
            given=random_state,
            expected="an integer beside checkpoint, so that the same call begins the same",
        )


def initial_theta(net: Network, activation: Any, rng: np.random.RandomState) -> np.ndarray:
    """Draw θ of shape (p,) with the numbers and in the order in which scikit-learn draws."""
    W, b = [], []
    for layer, (n_in, n_out) in enumerate(pairwise(net.widths), start=1):
        # As in scikit-learn, whose factor follows the hidden activation in every layer.
        hidden = net.hidden_activations[min(layer, net.n_layers - 1) - 1 :][:1]
        name = hidden[0].name if hidden else str(activation)
        bound = np.sqrt((2.0 if name == "logistic" else 6.0) / (n_in + n_out))
        W.append(rng.uniform(-bound, bound, (n_in, n_out)).T)
        b.append(rng.uniform(-bound, bound, n_out))
    return net.pack(W, b)


def print_epoch(event: EpochEvent) -> None:
    """Print an epoch as scikit-learn does, for ``verbose=True``."""
    log = event.history.logs[-1]
    print(f"Iteration {log.epoch}, loss = {log.objective:.8f}")
    if log.score is not None:
        print(f"Validation score: {log.score:f}")

"""Sparse rows, and scikit-learn's checks of rows, random draws and texts."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils import check_random_state, shuffle
from sklearn.utils.validation import _check_sample_weight, validate_data

from deltarule.errors import DeltaruleError, InputError, TrainingWarning, WrongType
from deltarule.maths import Network
from deltarule.maths.arrays import is_frame, is_sparse
from deltarule.maths.own_memory import zeros
from deltarule.training import EpochEvent
from deltarule.training.batches import SparseRows

__all__ = [
    "ShuffledOrder",
    "check_repeatable",
    "generator_of",
    "initial_theta",
    "print_epoch",
    "print_progress",
    "refuse_other_kinds",
    "row_source",
    "scikit_learn_checks",
    "validate_numbers",
    "validate_rows",
    "validated_weights",
    "warn_of_notes",
]

# NumPy's letters of texts, bytes, dates, durations and records.
_OTHER_KINDS = frozenset("USMmV")

# Numbers that are drawn in one call.
_DRAWN_AT_ONCE = 1 << 13


@contextmanager
def scikit_learn_checks(name: str, expected: str) -> Iterator[None]:
    """Within the block, what scikit-learn raises about the argument ``name`` is an InputError.

    Its text stays, and its class is kept: scikit-learn's TypeError is a :class:`WrongType`.

    Examples
    --------
    >>> with scikit_learn_checks("y", "one label for each row"):
    ...     raise ValueError("y has 3 axes.")
    Traceback (most recent call last):
    deltarule.errors.InputError: y has 3 axes; expected one label for each row
    """
    try:
        yield
    except DeltaruleError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        kind = WrongType if isinstance(error, TypeError) else InputError
        text = str(error).rstrip(".")
        named = text if name in text else f"{name} cannot be used: {text}"
        raise kind(named, parameter=name, expected=expected) from None


def refuse_other_kinds(name: str, given: Any) -> None:
    """Refuse what scikit-learn would turn into numbers in silence: texts, dates, masked cells.

    Raises
    ------
    InputError
        If an array, a list of one or a frame's column holds these.

    Examples
    --------
    >>> refuse_other_kinds("X", [["1", "2"]])
    Traceback (most recent call last):
    deltarule.errors.InputError: X has dtype <U1; expected numbers: convert it first
    """
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise InputError(
            f"{name} has {int(np.ma.getmaskarray(given).sum())} masked cells; expected numbers in "
            "all: fill them first"
        )
    if isinstance(given, list | tuple):
        with suppress(ValueError, TypeError, OverflowError):  # scikit-learn refuses it
            given = np.asarray(given)
    dtypes = list(given.dtypes) if is_frame(given) and hasattr(given, "dtypes") else []
    for dtype in dtypes or [getattr(given, "dtype", None)]:
        kind = getattr(dtype, "kind", None)
        if kind in _OTHER_KINDS or str(dtype) in ("str", "string"):
            raise InputError(f"{name} has dtype {dtype}; expected numbers: convert it first")


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
        If X has text or NaN, or ``validate_data`` refuses X or y.
    """
    refuse_other_kinds("X", X)
    with scikit_learn_checks("X", "rows of finite numbers, and a target for each"):
        try:
            return validate_data(estimator, X, y, **checks)
        except ValueError as error:
            text = str(error).splitlines()[0]
            if "string to float" not in text and not text.startswith("Input X contains NaN"):
                raise
            name = type(estimator).__name__
            raise InputError(
                f"{text.removesuffix('.')}; {name} takes known numbers alone; expected an X of "
                f"these; {alternative} takes text, categories and missing cells (NaN) as they are"
            ) from None


def validate_rows(estimator: Any, X: Any, **checks: Any) -> Any:
    """Return rows to predict as scikit-learn's ``validate_data`` does; see ``validate_numbers``."""
    refuse_other_kinds("X", X)
    with scikit_learn_checks("X", "rows of finite numbers, with the columns of training"):
        return validate_data(estimator, X, reset=False, **checks)


def validated_weights(sample_weight: Any, rows: Any, **checks: Any) -> np.ndarray:
    """Return row weights as an array of shape (N,): finite numbers ≥ 0, one for each row.

    Raises
    ------
    InputError
        If they are not.
    """
    refuse_other_kinds("sample_weight", sample_weight)
    expected = "a finite number ≥ 0 for each row, some above 0"
    with scikit_learn_checks("sample_weight", expected):
        weights: np.ndarray = _check_sample_weight(
            sample_weight, rows, ensure_non_negative=True, **checks
        )
    return weights


def generator_of(random_state: Any) -> np.random.RandomState:
    """Return scikit-learn's generator for a ``random_state``.

    Raises
    ------
    InputError
        If it is none.
    """
    with scikit_learn_checks("random_state", "an integer from 0 to 2³² − 1, or a RandomState"):
        return check_random_state(random_state)


def row_source(X: Any) -> Any:
    """Wrap sparse rows for :func:`deltarule.train`; return other rows unchanged."""
    return SparseRows.of(X) if is_sparse(X) else X


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
    theta = zeros(net.n_parameters, net.dtype)
    W, b = net.unpack(theta)
    for layer, (n_in, n_out) in enumerate(pairwise(net.widths), start=1):
        # As in scikit-learn, whose factor follows the hidden activation in every layer.
        hidden = net.hidden_activations[min(layer, net.n_layers - 1) - 1 :][:1]
        name = hidden[0].name if hidden else str(activation)
        bound = np.sqrt((2.0 if name == "logistic" else 6.0) / (n_in + n_out))
        # Some inputs at a time: all of W as float64 would take twice the memory of θ as float32.
        at_once = max(_DRAWN_AT_ONCE // n_out, 1)
        for first in range(0, n_in, at_once):
            columns = W[layer][:, first : first + at_once]
            columns[...] = rng.uniform(-bound, bound, columns.shape[::-1]).T
        b[layer][...] = rng.uniform(-bound, bound, n_out)
    return theta


def print_epoch(event: EpochEvent) -> None:
    """Print an epoch as scikit-learn does, for ``verbose=True``."""
    log = event.history.logs[-1]
    print(f"Iteration {log.epoch}, loss = {log.objective:.8f}")
    if log.score is not None:
        print(f"Validation score: {log.score:f}")


def print_progress(text: str) -> None:
    """Print what is trained, in one call, since threads of training call this."""
    sys.stderr.write(f"training {text}\n")


def warn_of_notes(notes: Iterable[str], stacklevel: int) -> None:
    """Warn of what became of networks that diverged; ``stacklevel`` is that of the user's call."""
    for note in notes:
        warnings.warn(note, TrainingWarning, stacklevel=stacklevel)

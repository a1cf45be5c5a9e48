"""Checks of the arguments of :func:`deltarule.train`, and their conversion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError, UnknownName
from deltarule.maths import Network
from deltarule.maths.arrays import is_sparse, numeric
from deltarule.maths.input_checks import check_rows, check_weights
from deltarule.optimizers import MINIMIZERS, RULES, Minimizer, Rule
from deltarule.records import to_python_scalar, whole_number
from deltarule.settings import checked
from deltarule.training.batches import Rows, RowSource, SparseRows, split_rows
from deltarule.training.run import TrainingResult
from deltarule.training.stopping import Patience, Stopping

__all__ = [
    "SplitRows",
    "batch_rows",
    "check_start",
    "checked_callables",
    "checked_data",
    "checked_theta",
    "method",
    "own_validation",
    "refuse_steps_settings",
    "row_numbers",
    "split_data",
    "stopping_criteria",
    "whole",
]


def whole(name: str, value: Any, least: int) -> int:
    """Return ``value`` as an int; refuse it if it is no whole number of at least ``least``."""
    number = whole_number(value)
    if number is None or number < least:
        raise InputError(parameter=name, given=value, expected=f"a whole number, at least {least}")
    return number


def method(rule: Any) -> Rule | Minimizer:
    """Return the update rule or minimizer for a name, a saved form, or the record itself."""
    name = rule.get("name") if isinstance(rule, Mapping) else rule
    if isinstance(rule, Minimizer) or (isinstance(name, str) and name in MINIMIZERS):
        return MINIMIZERS.get(rule)
    try:
        return RULES.get(rule)
    except UnknownName as error:
        raise UnknownName(
            error.message,
            parameter="rule",
            given=name,
            hint=f"or a minimizer: {', '.join(MINIMIZERS.names())}",
        ) from None


def checked_theta(net: Network, theta: Any, seed: int) -> np.ndarray:
    """Return the initial parameters, shape (p,): ``theta``, or ``net.initial(seed)`` if None."""
    if theta is None:
        return net.initial(seed)
    array = net.check_theta(theta)
    if not np.isfinite(array).all():
        entry = int(np.argmin(np.isfinite(array)))
        raise InputError(
            f"theta[{entry}] is {float(array[entry])!r}; expected finite numbers in the range of "
            f"{net.dtype}"
        )
    return array


def check_start(theta: Any, resume: Any) -> None:
    """Refuse ``theta`` together with ``resume``, and a ``resume`` that is no result."""
    if resume is not None and theta is not None:
        raise InputError("theta and resume are both given; expected one place to start from")
    if resume is not None and not isinstance(resume, TrainingResult):
        raise InputError(f"resume is {resume!r}; expected what train gave, a TrainingResult")


def refuse_steps_settings(minimizer: Minimizer, **given: tuple[Any, Any, str]) -> None:
    """Refuse settings that a minimizer has no use for: name=(value, neutral value, why)."""
    for name, (value, off, reason) in given.items():
        if value is not off and (off is None or value != off):
            shown = type(value).__name__ if name == "resume" else repr(value)
            raise InputError(
                f"{name} is {shown} with rule {minimizer.name!r}, {reason}; expected {off!r}, "
                "or choose a rule such as 'adam'"
            )


def batch_rows(batch_size: Any, chosen: Rule | Minimizer, n_rows: int) -> int:
    """Return B, the rows of a batch: all rows for a minimizer or a full-batch rule."""
    full = isinstance(chosen, Minimizer) or chosen.full_batch
    if isinstance(batch_size, str) and batch_size == "auto":
        return n_rows if full else min(200, n_rows)
    size = checked("batch_size", batch_size)
    if full and size < n_rows:
        kind = "minimizer" if isinstance(chosen, Minimizer) else "rule"
        raise InputError(
            f"{kind} {chosen.name!r} compares successive gradients and needs all {n_rows} rows "
            f"in every step; batch_size is {size}",
            parameter="batch_size",
            given=size,
            hint="use 'auto'",
        )
    return size


def stopping_criteria(stopping: Any) -> tuple[Stopping, ...]:
    """Return the stopping criteria as a tuple; a number is a :class:`Patience`."""
    if stopping is None:
        return ()
    if (epochs := whole_number(stopping)) is not None:
        return (Patience(epochs),)
    criteria = tuple(stopping) if isinstance(stopping, Iterable) else (stopping,)
    for criterion in criteria:
        if not callable(getattr(criterion, "reason", None)):
            raise InputError(
                f"stopping holds {criterion!r}; expected a number of epochs, or criteria with "
                "reason(history), such as Patience(20)"
            )
    return criteria


def checked_callables(name: str, given: Any) -> tuple[Callable[..., Any], ...]:
    """Return a sequence of callables as a tuple; refuse anything else."""
    if not isinstance(given, Sequence) or not all(callable(each) for each in given):
        raise InputError(parameter=name, given=given, expected="a list of functions")
    return tuple(given)


def checked_data(net: Network, X: Any, Y: Any, s: Any) -> Rows:
    """Return X, Y and the sample weights s, checked against the network and each other.

    ``Rows`` in place of X were checked before, once for many networks.
    """
    if isinstance(X, Rows):
        return Rows(X.X, X.Y, check_weights(s, len(X.Y)))
    if isinstance(X, RowSource):
        if len(X.shape) != 2 or X.shape[1] != net.n_inputs:
            raise InputError(f"X has shape {X.shape}; expected (N, {net.n_inputs})")
        rows: Any = X
    else:
        rows = SparseRows.checked(net, X) if is_sparse(X) else check_rows(net, X)
    if len(rows) == 0:
        raise InputError("X has no rows; expected at least one")
    targets = net.loss.prepare(Y, len(rows), net.n_outputs, net.dtype)
    return Rows(rows, targets, check_weights(s, len(rows)))


class SplitRows(NamedTuple):
    """All rows, the numbers of the training rows (None for all), and the validation rows."""

    whole: Rows
    rows: np.ndarray | None
    held: Rows | None

    @property
    def weights(self) -> np.ndarray:
        """The sample weights of the training rows."""
        return self.whole.s if self.rows is None else self.whole.s[self.rows]


def split_data(
    net: Network, X: Any, Y: Any, sample_weight: Any, validation: Any, seed: int
) -> SplitRows:
    """Split the rows into training and validation rows, without a copy of X."""
    validation = to_python_scalar(validation)
    whole = checked_data(net, X, Y, sample_weight)
    rows: np.ndarray | None = None
    held: Rows | None = None
    numbers = None if isinstance(validation, Rows) else row_numbers(validation, len(whole.Y))
    if isinstance(validation, Rows):
        held = validation
    elif numbers is not None:
        held = whole.take(numbers)
        rest = np.ones(len(whole.Y), dtype=bool)
        rest[numbers] = False
        rows = np.flatnonzero(rest)
    elif isinstance(validation, tuple | list):
        held = own_validation(net, validation)
    elif validation is not None:
        if not isinstance(validation, float):
            raise InputError(
                f"validation is {validation!r}; expected a share such as 0.1, the numbers of "
                "rows, (X, Y), (X, Y, sample_weight), or None"
            )
        share = float(validation)
        rows, out = split_rows(len(whole.Y), share, seed, _classes(net, whole.Y))
        held = whole.take(out)
    found = SplitRows(whole, rows, held)
    for what, s in (("training", found.weights), ("validation", None if held is None else held.s)):
        if s is not None and not s.sum() > 0:
            raise InputError(
                f"the weights of the {len(s)} {what} rows add to 0; "
                "expected at least one positive weight"
            )
    return found


def own_validation(net: Network, given: Sequence[Any]) -> Rows:
    """Return validation rows that were given as (X, Y) or (X, Y, sample_weight)."""
    if len(given) not in (2, 3):
        raise InputError(
            f"validation has {len(given)} items; expected (X, Y) or (X, Y, sample_weight)"
        )
    try:
        return checked_data(net, given[0], given[1], given[2] if len(given) == 3 else None)
    except InputError as error:
        raise error.prefixed("validation: ") from None


def row_numbers(given: Any, n_rows: int) -> np.ndarray | None:
    """Return the row numbers of ``validation``, from numbers or a mask; None if it is neither.

    Raises
    ------
    InputError
        If a number is out of range or there twice, or a mask has another length.
    """
    if isinstance(given, tuple | list):
        if given and not np.isscalar(given[0]):  # (X, Y)
            return None
    elif not (isinstance(given, range) or hasattr(given, "__array__")) or np.isscalar(given):
        return None
    array = numeric("validation", given) if len(given) else np.empty(0, dtype=np.int64)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "biu"):
        raise InputError(
            f"validation has dtype {array.dtype} and shape {array.shape}; expected the numbers of "
            "rows, or a mask with True for each row that is held out"
        )
    if array.dtype.kind == "b":
        if len(array) != n_rows:
            raise InputError(f"validation marks {len(array)} rows; expected {n_rows}, as X has")
        array = np.flatnonzero(array)
    numbers = np.sort(array.astype(np.int64))
    wrong = np.flatnonzero((numbers < 0) | (numbers >= n_rows))
    if wrong.size:
        raise InputError(
            f"validation holds row {numbers[wrong[0]]}; expected numbers from 0 to {n_rows - 1}"
        )
    if (numbers[1:] == numbers[:-1]).any():
        raise InputError("validation holds a row twice; expected each at most once")
    if not 0 < len(numbers) < n_rows:
        raise InputError(
            f"validation holds out {len(numbers)} of {n_rows} rows; expected at least one, and "
            "one to train on"
        )
    return numbers


def _classes(net: Network, Y: np.ndarray) -> np.ndarray | None:
    """Return the class of each row, for a stratified split; None without classes."""
    if net.loss.targets == "classes":
        return Y.argmax(axis=1)
    if net.loss.targets == "unit" and net.n_outputs == 1:
        return Y[:, 0]
    return None

"""Checks of the arguments of :func:`deltarule.train`, and their conversion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError, UnknownName
from deltarule.maths import Network
from deltarule.maths.arrays import is_sparse, numeric
from deltarule.maths.input_checks import check_network, check_rows, check_weights
from deltarule.optimizers import MINIMIZERS, RULES, Minimizer, Rule
from deltarule.records import to_python_scalar, whole_number
from deltarule.settings import checked
from deltarule.training.batches import Rows, RowSource, SparseRows, split_rows
from deltarule.training.run import TrainingResult
from deltarule.training.stopping import Patience, Stopping

__all__ = [
    "SplitRows",
    "as_callables",
    "batch_rows",
    "check_start",
    "initial_parameters",
    "refuse_step_settings",
    "row_numbers",
    "rule_or_minimizer",
    "split_data",
    "stopping_criteria",
    "validation_of_tuple",
]


def rule_or_minimizer(rule: Any) -> Rule | Minimizer:
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


def initial_parameters(net: Network, theta: Any, seed: int) -> np.ndarray:
    """Return θ at the start, shape (p,): a checked ``theta``, or ``net.initial(seed)`` if None.

    ``theta`` may be a function without arguments that returns it.
    """
    if theta is None:
        return net.initial(seed)
    array = net.check_theta(_returned(theta) if callable(theta) else theta)
    # Some at a time: isfinite of all would take a quarter of their memory.
    pieces = (array[start : start + (1 << 15)] for start in range(0, len(array), 1 << 15))
    if not all(np.isfinite(piece).all() for piece in pieces):
        entry = int(np.argmin(np.isfinite(array)))
        raise InputError(
            f"theta[{entry}] is {float(array[entry])!r}; expected finite numbers in the range of "
            f"{net.dtype}"
        )
    return array


def _returned(theta: Callable[[], Any]) -> Any:
    import inspect  # of no use to most trainings

    try:
        inspect.signature(theta).bind()
    except TypeError:
        raise InputError(
            parameter="theta",
            given=theta,
            expected="parameters, or a function without arguments that returns them",
        ) from None
    except ValueError:  # some built-in functions do not tell what they take
        pass
    return theta()


def check_start(theta: Any, resume: Any) -> None:
    """Refuse ``theta`` together with ``resume``, and a ``resume`` that is no result."""
    if resume is not None and theta is not None:
        raise InputError("theta and resume are both given; expected one place to start from")
    if resume is not None and not isinstance(resume, TrainingResult):
        raise InputError(f"resume is {resume!r}; expected what train gave, a TrainingResult")


def refuse_step_settings(minimizer: Minimizer, **settings: tuple[Any, Any, str]) -> None:
    """Refuse settings that a minimizer does not use: name=(value, default value, reason)."""
    for name, (value, default, reason) in settings.items():
        if value is not default and (default is None or value != default):
            shown = type(value).__name__ if name == "resume" else repr(value)
            raise InputError(
                f"{name} is {shown} with rule {minimizer.name!r}, {reason}; expected {default!r}, "
                "or choose a rule such as 'adam'"
            )


def batch_rows(batch_size: Any, method: Rule | Minimizer, n_rows: int) -> int:
    """Return B, the rows of a batch: all rows for a minimizer or a full-batch rule."""
    needs_all = isinstance(method, Minimizer) or method.full_batch
    if isinstance(batch_size, str) and batch_size == "auto":
        return n_rows if needs_all else min(200, n_rows)
    size = checked("batch_size", batch_size)
    if needs_all and size < n_rows:
        kind = "minimizer" if isinstance(method, Minimizer) else "rule"
        raise InputError(
            f"{kind} {method.name!r} compares successive gradients and needs all {n_rows} rows "
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


def as_callables(name: str, value: Any) -> tuple[Callable[..., Any], ...]:
    """Return a sequence of callables as a tuple; refuse anything else."""
    if not isinstance(value, Sequence) or not all(callable(item) for item in value):
        raise InputError(parameter=name, given=value, expected="a list of functions")
    return tuple(value)


def rows_of_data(net: Network, X: Any, Y: Any, s: Any) -> Rows:
    """Return X, Y and the sample weights s, checked against the network and each other.

    X may be a ``Rows`` that :func:`train_many` has already checked; only s is checked then.
    """
    check_network(net)
    if isinstance(X, Rows):
        return Rows(X.X, X.Y, check_weights(s, len(X.Y)))
    if isinstance(X, RowSource):
        if len(X.shape) != 2 or X.shape[1] != net.n_inputs:
            raise InputError(f"X has shape {X.shape}; expected (N, {net.n_inputs})")
        rows: Any = X
    else:
        rows = SparseRows.checked(net, X, net.dtype) if is_sparse(X) else check_rows(net, X)
    if len(rows) == 0:
        raise InputError("X has no rows; expected at least one")
    targets = net.loss.prepare(Y, len(rows), net.n_outputs, net.dtype)
    return Rows(rows, targets, check_weights(s, len(rows)))


class SplitRows(NamedTuple):
    """All rows, the numbers of the training rows (None for all), and the validation rows."""

    all_rows: Rows
    training_numbers: np.ndarray | None
    validation_rows: Rows | None

    @property
    def weights(self) -> np.ndarray:
        """The sample weights of the training rows."""
        numbers = self.training_numbers
        return self.all_rows.s if numbers is None else self.all_rows.s[numbers]


def split_data(
    net: Network, X: Any, Y: Any, sample_weight: Any, validation: Any, seed: int
) -> SplitRows:
    """Split the rows into training and validation rows, without a copy of X."""
    validation = to_python_scalar(validation)
    all_rows = rows_of_data(net, X, Y, sample_weight)
    n_rows = len(all_rows.Y)
    training_numbers: np.ndarray | None = None
    validation_rows: Rows | None = None
    numbers = None if isinstance(validation, Rows) else row_numbers(validation, n_rows)
    if isinstance(validation, Rows):
        validation_rows = validation
    elif numbers is not None:
        validation_rows = all_rows.take(numbers)
        training_numbers = np.delete(np.arange(n_rows), numbers)
    elif isinstance(validation, tuple | list):
        validation_rows = validation_of_tuple(net, validation)
    elif validation is not None:
        if not isinstance(validation, float):
            raise InputError(
                f"validation is {validation!r}; expected a share such as 0.1, the numbers of "
                "rows, (X, Y), (X, Y, sample_weight), or None"
            )
        classes = _classes(net, all_rows.Y)
        training_numbers, numbers = split_rows(n_rows, float(validation), seed, classes)
        validation_rows = all_rows.take(numbers)
    split = SplitRows(all_rows, training_numbers, validation_rows)
    validation_weights = None if validation_rows is None else validation_rows.s
    for what, s in (("training", split.weights), ("validation", validation_weights)):
        if s is not None and not s.sum() > 0:
            raise InputError(
                f"the weights of the {len(s)} {what} rows add to 0; "
                "expected at least one positive weight"
            )
    return split


def validation_of_tuple(net: Network, data: Sequence[Any]) -> Rows:
    """Return the validation rows of a tuple (X, Y) or (X, Y, sample_weight)."""
    if len(data) not in (2, 3):
        raise InputError(
            f"validation has {len(data)} items; expected (X, Y) or (X, Y, sample_weight)"
        )
    try:
        return rows_of_data(net, data[0], data[1], data[2] if len(data) == 3 else None)
    except InputError as error:
        raise error.prefixed("validation: ") from None


def row_numbers(validation: Any, n_rows: int) -> np.ndarray | None:
    """Return the row numbers of ``validation``, from numbers or a mask; None if it is neither."""
    if isinstance(validation, tuple | list):
        if validation and not np.isscalar(validation[0]):  # (X, Y)
            return None
    elif not (isinstance(validation, range) or hasattr(validation, "__array__")) or np.isscalar(
        validation
    ):
        return None
    array = numeric("validation", validation) if len(validation) else np.empty(0, dtype=np.int64)
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
    """Return the class of each row, by which a split is stratified; None for other targets."""
    if net.loss.targets == "classes":
        return Y.argmax(axis=1)
    if net.loss.targets == "unit" and net.n_outputs == 1:
        return Y[:, 0]
    return None

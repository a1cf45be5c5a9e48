"""The arguments of :func:`deltarule.train`, checked and made into what a run needs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError, UnknownName
from deltarule.maths import Network
from deltarule.maths.inputs import check_rows, check_weights
from deltarule.optimizers import MINIMIZERS, RULES, Minimizer, Rule
from deltarule.training.batches import Rows, RowSource, split_rows
from deltarule.training.stopping import Patience, Stopping

__all__ = [
    "batch_rows",
    "checked_callables",
    "checked_rate",
    "checked_theta",
    "divided",
    "dropout_setting",
    "method",
    "refuse_steps_settings",
    "stopping_criteria",
    "whole",
]


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least ``least``."""
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise InputError(f"{name} is {value!r}; expected a whole number, at least {least}")
    return number


def checked_rate(value: Any) -> float:
    """The learning rate, a finite number above 0."""
    number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not number or not 0 < value < np.inf:
        raise InputError(f"learning_rate is {value!r}; expected a finite number > 0")
    return float(value)


def method(rule: Any) -> Rule | Minimizer:
    """The update rule or the minimizer of a name, a saved form, or a record."""
    name = rule.get("name") if isinstance(rule, Mapping) else rule
    if isinstance(rule, Minimizer) or (isinstance(name, str) and name in MINIMIZERS):
        return MINIMIZERS.get(rule)
    try:
        return RULES.get(rule)
    except UnknownName as error:
        raise UnknownName(f"{error}; or a minimizer: {', '.join(MINIMIZERS.names())}") from None


def checked_theta(net: Network, theta: Any, seed: int) -> np.ndarray:
    """The parameters to start from, finite; the network's own if None."""
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


def dropout_setting(dropout: Any) -> Any:
    """One rate, or a tuple of them."""
    return dropout if np.isscalar(dropout) else tuple(dropout)


def refuse_steps_settings(minimizer: Minimizer, **given: tuple[Any, Any, str]) -> None:
    """Refuse what a minimizer cannot honour: name=(value, the value that is off, why)."""
    for name, (value, off, reason) in given.items():
        if value is not off and (off is None or value != off):
            shown = type(value).__name__ if name == "resume" else repr(value)
            raise InputError(
                f"{name} is {shown} with rule {minimizer.name!r}, {reason}; expected {off!r}, "
                "or choose a rule such as 'adam'"
            )


def batch_rows(batch_size: Any, chosen: Rule | Minimizer, n_rows: int) -> int:
    """B: of a rule that needs the full batch, and of a minimizer, all rows."""
    full = isinstance(chosen, Minimizer) or chosen.full_batch
    if isinstance(batch_size, str) and batch_size == "auto":
        return n_rows if full else min(200, n_rows)
    if isinstance(batch_size, str):
        raise InputError(f"batch_size is {batch_size!r}; expected 'auto' or a whole number ≥ 1")
    size = whole("batch_size", batch_size, 1)
    if full and size < n_rows:
        kind = "minimizer" if isinstance(chosen, Minimizer) else "rule"
        raise InputError(
            f"{kind} {chosen.name!r} compares successive gradients and needs all {n_rows} rows "
            f"in every step; batch_size is {size}. Use 'auto'"
        )
    return size


def stopping_criteria(stopping: Any) -> tuple[Stopping, ...]:
    """The criteria: a number is a patience."""
    if stopping is None:
        return ()
    if isinstance(stopping, int | np.integer) and not isinstance(stopping, bool):
        return (Patience(int(stopping)),)
    criteria = tuple(stopping) if isinstance(stopping, Iterable) else (stopping,)
    for criterion in criteria:
        if not callable(getattr(criterion, "reason", None)):
            raise InputError(
                f"stopping holds {criterion!r}; expected a number of epochs, or criteria with "
                "reason(history), such as Patience(20)"
            )
    return criteria


def checked_callables(name: str, given: Any) -> tuple[Callable[..., Any], ...]:
    """A sequence of callables."""
    if not isinstance(given, Sequence) or not all(callable(each) for each in given):
        raise InputError(f"{name} is {given!r}; expected a list of functions")
    return tuple(given)


def checked_data(net: Network, X: Any, Y: Any, s: Any, what: str = "") -> Rows:
    """Rows, targets and weights that fit the network and each other."""
    if isinstance(X, RowSource):
        if len(X.shape) != 2 or X.shape[1] != net.n_inputs:
            raise InputError(f"X has shape {X.shape}; expected (N, {net.n_inputs})")
        rows: Any = X
    else:
        rows = check_rows(net, X)
    if len(rows) == 0:
        raise InputError(f"{what}X has no rows; expected at least one")
    targets = net.loss.prepare(Y, len(rows), net.n_outputs, net.dtype)
    return Rows(rows, targets, check_weights(s, len(rows)))


def divided(
    net: Network, X: Any, Y: Any, sample_weight: Any, validation: Any, seed: int
) -> tuple[Rows, Rows | None]:
    """The rows to train on, and those held out."""
    training, held = checked_data(net, X, Y, sample_weight), None
    if isinstance(validation, tuple | list):
        if len(validation) not in (2, 3):
            raise InputError(
                f"validation has {len(validation)} items; expected (X, Y) or (X, Y, sample_weight)"
            )
        try:
            weights = validation[2] if len(validation) == 3 else None
            held = checked_data(net, validation[0], validation[1], weights)
        except InputError as error:
            raise InputError(f"validation: {error}") from None
    elif validation is not None:
        if isinstance(validation, bool) or not isinstance(validation, float | np.floating):
            raise InputError(
                f"validation is {validation!r}; expected a share such as 0.1, "
                "(X, Y), (X, Y, sample_weight), or None"
            )
        kept, out = split_rows(len(training.Y), float(validation), seed, _classes(net, training.Y))
        training, held = training.take(kept), training.take(out)
    for what, rows in (("training", training), ("validation", held)):
        if rows is not None and not rows.s.sum() > 0:
            raise InputError(
                f"the weights of the {len(rows.s)} {what} rows add to 0; "
                "expected at least one positive weight"
            )
    return training, held


def _classes(net: Network, Y: np.ndarray) -> np.ndarray | None:
    """What a split keeps in proportion: the class of each row, where there are classes."""
    if net.loss.targets == "classes":
        return Y.argmax(axis=1)
    if net.loss.targets == "unit" and net.n_outputs == 1:
        return Y[:, 0]
    return None

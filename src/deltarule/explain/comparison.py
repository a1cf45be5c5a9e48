"""The rows that the loss of a row is compared with, also where a sample of them is explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deltarule.explain.subject import Subject, WholeTable
from deltarule.explain.training_parts import compared_rows
from deltarule.tables import TypedColumns
from deltarule.tabular.network_targets import decode_outputs

if TYPE_CHECKING:
    from deltarule.tabular import NetworkModel

__all__ = ["Compared", "Comparison", "comparison_of", "known_parts", "whole_table"]

# A pass over this many activations (rows × nodes) at a time bounds the memory of all rows.
_NUMBERS_AT_ONCE = 2_000_000


@dataclasses.dataclass(frozen=True)
class Compared:
    """The rows of one part of the training.

    Attributes
    ----------
    losses : array of shape (n,)
        Sorted.
    mean : float
        The weighted mean of the losses; 0 if no row has weight.
    typical : float or None
        Of a number: the root of the weighted mean square of the errors, in the target's unit.
    """

    losses: np.ndarray
    mean: float
    typical: float | None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.losses)

    def larger(self, loss: float) -> int:
        """The number of rows with a larger loss."""
        return self.rows - int(np.searchsorted(self.losses, loss, side="right"))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Rows with their losses and their parts of the training.

    Attributes
    ----------
    parts : sequence of str
        As :func:`~deltarule.explain.training_parts.training_parts` gives them.
    losses, weights : arrays of shape (N,)
        The loss of each row, and its weight in means.
    gaps : array of shape (N,) or None
        Of a number: the prediction less the table's cell, in the target's unit.
    """

    parts: Sequence[str]
    losses: np.ndarray
    weights: np.ndarray
    gaps: np.ndarray | None = None

    def of_row(self, sample: int) -> Compared:
        """Return the rows that a row is compared with: those of its own part.

        Examples
        --------
        >>> losses, ones = np.array([1.0, 9.0, 3.0]), np.ones(3)
        >>> like = Comparison(["train", "test", "train"], losses, ones).of_row(0)
        >>> like.rows, like.mean, like.larger(1.0)
        (2, 2.0, 1)
        """
        like = compared_rows(self.parts, sample)
        w = np.where(like, self.weights, 0.0)
        w = w / w.sum() if w.sum() > 0 else w
        with np.errstate(all="ignore"):
            mean = float(w @ self.losses)
        typical = None if self.gaps is None else root_mean_square(self.gaps, w)
        return Compared(np.sort(self.losses[like]), mean, typical)

    def worst(self, most: int) -> list[int]:
        """Return the test rows with the largest losses, or of all where no test rows are known."""
        order = np.argsort(-self.losses, kind="stable")
        unseen = np.array(self.parts, dtype=object)[order] == "test"
        chosen: list[int] = (order[unseen] if unseen.any() else order)[:most].tolist()
        return chosen


def root_mean_square(gaps: np.ndarray, w: np.ndarray) -> float | None:
    """√(Σ wᵢ gᵢ² / Σ wᵢ), without a square that overflows; None for rows without weight."""
    largest = float(np.abs(gaps).max())
    if w.sum() <= 0:
        return None
    return largest * float(np.sqrt(w @ (gaps / (largest or 1.0)) ** 2 / w.sum()))


def known_parts(subject: Subject) -> Sequence[str] | None:
    """Return the part of the training of each row, where who made the subject knew it."""
    return None if subject.table is None else subject.table.parts


def comparison_of(
    subject: Subject, parts: Sequence[str] | None = None
) -> tuple[Comparison, Sequence[int] | np.ndarray]:
    """Return what a subject's rows are compared with, and where each of them is in it.

    These are the rows of the whole table where the subject's are a sample of it, else the
    subject's own. Without ``parts`` all rows are compared with all.
    """
    table = subject.table
    if table is not None and table.whole is not None:
        return table.whole.comparison, table.whole.at
    n = len(subject.X)
    of_rows = [""] * n if parts is None else parts
    losses = subject.per_sample.loss
    return Comparison(of_rows, losses, subject.w, _gaps(subject)), range(n)


def whole_table(model: NetworkModel, typed: TypedColumns, parts: Sequence[str]) -> WholeTable:
    """Return the losses of all rows of a table, of which a sample is to be explained.

    They are those that the explained network has in float64, computed for some rows at a time.

    Parameters
    ----------
    model : NetworkModel
    typed : TypedColumns
        All rows, with the target.
    parts : sequence of str
        The part of the training of each of them, as
        :func:`~deltarule.explain.training_parts.training_parts` gives them. It is known of whole
        tables only, so it is asked before some rows are taken.

    Returns
    -------
    WholeTable
        In which ``at`` is empty: no row has been taken.
    """
    net = model.model.net
    many = max(1, _NUMBERS_AT_ONCE // sum(net.widths))
    losses, gaps = [], []
    for start in range(0, len(typed), many):
        some = typed.take(np.arange(start, min(start + many, len(typed))))
        X = model.encoder.transform(some, dtype=net.dtype)
        Y = model.network_targets(np.asarray(some.target))
        subject = Subject.of_arrays(net, model.model.theta, X, Y)
        losses.append(subject.per_sample.loss)
        if model.task == "regression":
            predicted = decode_outputs(subject.net, model.target, subject.forward.A[-1])
            gaps.append(predicted - np.asarray(some.target, dtype=np.float64))
    weights = np.ones(len(typed)) if typed.weights is None else np.asarray(typed.weights, float)
    comparison = Comparison(
        parts, np.concatenate(losses), weights, np.concatenate(gaps) if gaps else None
    )
    return WholeTable(typed, np.zeros(0, dtype=np.intp), comparison)


def _gaps(subject: Subject) -> np.ndarray | None:
    target = subject.target
    if target is None or target.code.task != "regression":
        return None
    truth = np.array(target.cells, dtype=np.float64)
    return np.asarray(decode_outputs(subject.net, target.code, subject.forward.A[-1]) - truth)

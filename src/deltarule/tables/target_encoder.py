"""Encoding of target values for a network, and decoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.errors import DataError, InputError
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tables.cells import object_array
from deltarule.tables.column_encoders import mean_and_std, normalise_weights, standardise
from deltarule.tables.record_format import reading_record
from deltarule.tables.schema import Schema
from deltarule.tables.table import join_items
from deltarule.tables.task_choice import sorted_classes
from deltarule.tables.text_column import TextColumn

__all__ = ["TargetEncoder"]

_FORMAT = 1


class TargetEncoder:
    """Encodes class labels as indices and numbers as standardised numbers, and decodes them.

    Parameters
    ----------
    task : {"classification", "regression"}
        Which of the two.
    classes : iterable of str, optional
        The labels in the order of their indices. Otherwise those that occur in
        training: in the order of their numbers if all are numbers, of their text otherwise.

    Attributes
    ----------
    classes : tuple of str
        The labels; empty for regression.
    mean, std : float
        Of the training targets; 0 and 1 for classification.

    Raises
    ------
    InputError
        If the task is unknown, or classes are given for regression or repeated.

    Examples
    --------
    >>> labels = TargetEncoder("classification").fit(["yes", "no", "yes"])
    >>> labels.classes, labels.transform(["no", "yes"]), labels.inverse([1, 0])
    (('no', 'yes'), array([0, 1]), array(['yes', 'no'], dtype=object))
    >>> prices = TargetEncoder("regression").fit([100.0, 300.0])
    >>> prices.transform([100.0, 200.0]), prices.inverse([2.0])
    (array([-1.,  0.]), array([400.]))
    """

    def __init__(self, task: str, classes: Iterable[str] | None = None) -> None:
        if not isinstance(task, str) or task not in ("classification", "regression"):
            raise InputError(
                parameter="task", given=task, expected="'classification' or 'regression'"
            )
        self.task = task
        self.classes: tuple[str, ...] = () if classes is None else tuple(classes)
        if task == "regression" and self.classes:
            raise InputError(f"classes are {self.classes!r} for regression; expected none")
        if len(set(self.classes)) < len(self.classes):
            raise InputError(f"classes are {self.classes!r}; expected every label once")
        self.mean, self.std = 0.0, 1.0
        self._is_fitted = bool(self.classes)

    @classmethod
    def from_schema(cls, schema: Schema) -> TargetEncoder:
        """The encoder for a schema's target, with the schema's classes; not yet fitted.

        Raises
        ------
        InputError
            If the schema has no target.
        """
        if schema.task is None:
            raise InputError("the schema has no target; infer it with a target")
        return cls(schema.task, schema.classes or None)

    def fit(
        self, values: ArrayLike | TextColumn, weights: ArrayLike | None = None
    ) -> TargetEncoder:
        """Learn the classes, or mean and standard deviation, from training targets.

        Parameters
        ----------
        values : array-like of shape (rows,)
            Text labels, or numbers.
        weights : array-like of shape (rows,), optional
            Row weights, for mean and standard deviation.

        Returns
        -------
        TargetEncoder
            Itself.

        Raises
        ------
        DataError
            If there are no rows, a number is not finite, a label is no text or none of
            the given classes.
        InputError
            If the weights cannot be used.
        """
        if self.task == "classification":
            labels = self._check_labels(values)
            if not len(labels):
                raise DataError("there are no targets to fit on; expected at least one")
            if not self.classes:
                self.classes = sorted_classes(set(labels.counts()))
            self.transform(labels)  # raises for labels that are not among the given classes
        else:
            numbers = self._check_numbers(values)
            if len(numbers) == 0:
                raise DataError("there are no targets to fit on; expected at least one")
            w = normalise_weights(weights, len(numbers))
            keep = slice(None) if w is None else w > 0
            self.mean, self.std = mean_and_std(numbers[keep], None if w is None else w[keep])
        self._is_fitted = True
        return self

    def set_moments(self, mean: float, std: float) -> None:
        """Take the mean and the standard deviation of numbers that were not at hand at once."""
        self.mean, self.std, self._is_fitted = mean, std, True

    def _check_labels(self, values: ArrayLike | TextColumn) -> TextColumn:
        if isinstance(values, TextColumn) and not values.is_missing().any():
            return values
        labels = list(np.asarray(values, dtype=object).ravel())
        for row, label in enumerate(labels, start=1):
            if not isinstance(label, str):
                raise DataError(
                    f"target {row} is {label!r}, a {type(label).__name__}; expected a label as "
                    f"text, such as {str(label)!r}"
                )
        return TextColumn.from_cells(labels)

    def _check_numbers(self, values: ArrayLike | TextColumn) -> NDArray[np.float64]:
        try:
            if np.iscomplexobj(values):
                raise TypeError("they are complex")
            numbers = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"the targets are no numbers ({error}); expected numbers") from None
        if numbers.ndim != 1:
            raise DataError(f"the targets have shape {numbers.shape}; expected one per row")
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise DataError(
                f"target {row + 1} is {numbers[row]}; expected finite numbers; correct it, or "
                "leave the row out"
            )
        return numbers

    def _check_fitted(self) -> None:
        if not self._is_fitted:
            raise InputError("the TargetEncoder is not fitted; call fit with training targets")

    def transform(self, values: ArrayLike | TextColumn) -> NDArray[Any]:
        """Labels as class indices (int64), or numbers standardised (float64).

        Raises
        ------
        InputError
            If it is not fitted.
        DataError
            If a label is none of the classes, or a number is not finite.
        """
        if self.task == "regression":
            self._check_fitted()
            return standardise(self._check_numbers(values), self.mean, self.std)
        labels = self._check_labels(values)
        if not self.classes:
            self._check_fitted()
        index = {label: i for i, label in enumerate(self.classes)}
        encoded = labels.lookup(
            np.array([index.get(text, -1) for text in labels.texts], dtype=np.int64), np.int64(-1)
        )
        unknown = np.flatnonzero(encoded < 0)
        if unknown.size:
            row = int(unknown[0])
            raise DataError(
                f"target {row + 1} is {labels[row]!r}; expected one of the classes "
                f"{join_items(map(repr, self.classes))}"
            )
        return encoded

    def inverse(self, encoded: ArrayLike) -> NDArray[Any]:
        """Labels (objects) from class indices, or numbers from standardised ones.

        Parameters
        ----------
        encoded : array-like
            Class indices; or standardised numbers of any shape.

        Raises
        ------
        InputError
            If it is not fitted, or an index is none of a class.
        """
        self._check_fitted()
        if self.task == "regression":
            return np.asarray(encoded, dtype=np.float64) * self.std + self.mean
        index = np.asarray(encoded)
        if index.size == 0:
            return object_array([])
        if index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= len(self.classes):
            raise InputError(
                f"class indices are {index.dtype} from {index.min()} to {index.max()}; expected "
                f"integers from 0 to {len(self.classes) - 1}; take the argmax of the outputs"
            )
        return object_array(list(self.classes))[index]

    def to_dict(self) -> dict[str, Any]:
        """The encoder as a dictionary that JSON can hold; floats keep every bit.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        self._check_fitted()
        record: dict[str, Any] = {"format": _FORMAT, "task": self.task}
        if self.task == "classification":
            return record | {"classes": list(self.classes)}
        return record | {"mean": self.mean, "std": self.std}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TargetEncoder:
        """The encoder that :meth:`to_dict` wrote down.

        Raises
        ------
        DataError
            If it is no such record, or one of a later version.
        """
        with reading_record(record, "target", cls, _FORMAT, "fit again"):
            task = entry(record, "task", str)
            if task == "regression":
                check_keys(record, {"format", "task", "mean", "std"})
                encoder = cls(task)
                encoder.mean = entry(record, "mean", float)
                encoder.std = entry(record, "std", float)
                if not encoder.std > 0:
                    raise InputError(f"mean is {encoder.mean} and std {encoder.std}")
            else:
                check_keys(record, {"format", "task", "classes"})
                encoder = cls(task, entry(record, "classes", tuple[str, ...]))
                if not encoder.classes:
                    raise InputError("there are no classes")
        encoder._is_fitted = True
        return encoder

"""A model of a table with its schema, which predicts labels from tables and is stored as files."""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deltarule.errors import DataError, InputError
from deltarule.exportable import Exportable
from deltarule.files import Bundle, Part, read_bundle
from deltarule.files.dataclass_fields import entry, field_value
from deltarule.files.reading_errors import reading_content
from deltarule.tables import (
    Schema,
    TargetEncoder,
    TypedColumns,
    apply_schema,
    table_from_frame,
)
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tables.row_digests import RowDigests
from deltarule.tabular.division import DIVISION, checked_division
from deltarule.tabular.intervals import Intervals, interval_levels
from deltarule.tabular.plots import ModelPlots
from deltarule.tabular.prepared_model import PreparedModel
from deltarule.tabular.rows_seen import ROW_DIGESTS, RowsSeen, rows_seen
from deltarule.tabular.scores import score_outputs
from deltarule.training.model import KIND, PORTFOLIO_VERSION, holds_portfolio

__all__ = ["TableModel", "prediction_engine"]

# The number of rows that are encoded and passed forward at a time, which bounds the memory.
_CHUNK_ROWS = 65536


@dataclasses.dataclass(frozen=True)
class TableModel(ModelPlots, Exportable, ABC):
    """A trained model with the schema of its table: a single network, or a portfolio.

    Attributes
    ----------
    schema : Schema
        The columns of the training table and their kinds.
    target : TargetEncoder
        The encoding of the target as numbers, and its inverse.
    settings, report : dict
        The settings of the training, and its results (see :func:`fit_table`).

    Examples
    --------
    See :func:`deltarule.tabular.fit_table`.
    """

    schema: Schema
    target: TargetEncoder
    settings: dict[str, Any]
    report: dict[str, Any]

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return self.target.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The class labels; empty for regression."""
        return self.target.classes

    @property
    def has_intervals(self) -> bool:
        """Whether the model predicts intervals, as a portfolio for a number does."""
        return self._intervals() is not None

    def outputs(self, typed: TypedColumns) -> np.ndarray:
        """Predict probabilities of shape (N, classes), or numbers in the target's unit, (N,).

        Raises
        ------
        DataError
            If a row holds numbers so large that the prediction is not finite.
        """
        chunks = []
        for part in _chunks(len(typed)):
            rows = typed.take(part)
            with np.errstate(over="ignore", invalid="ignore"):
                outputs = self._chunk_outputs(rows)
            bad = ~np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1)
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                why = self._why_not_finite(rows.take([row]))
                raise DataError(f"the prediction for row {part.start + row + 1} is not finite{why}")
            chunks.append(outputs)
        return np.concatenate(chunks)

    @abstractmethod
    def _chunk_outputs(self, typed: TypedColumns) -> np.ndarray:
        """Return the outputs of a part of the rows; they may overflow."""

    @abstractmethod
    def _why_not_finite(self, typed: TypedColumns) -> str:
        """Return the end of an error on one row whose prediction is not finite."""

    @abstractmethod
    def notes(self, typed: TypedColumns) -> tuple[str, ...]:
        """Return notes on rows that are to be predicted, such as levels that training lacked."""

    @abstractmethod
    def column_treatments(self) -> dict[str, list[str]]:
        """Return for each column what the encoders make of it, a phrase for each way."""

    def _typed(self, table: Any, *, need_target: bool) -> TypedColumns:
        """Return the columns of a table, or a frame, as training had them."""
        rows = table_from_frame(table, na=self.schema.na)
        return apply_schema(self.schema, rows, need_target=need_target)

    def predict_proba(self, table: Any) -> np.ndarray:
        """Predict the probability of each class, shape (N, classes).

        Parameters
        ----------
        table : Table, frame, or mapping of str to column

        Raises
        ------
        DataError
            If the table's columns do not fit the model's.
        """
        return self.outputs(self._typed(table, need_target=False))

    def predict(self, table: Any) -> np.ndarray:
        """Predict the label of each row (text) or its number, shape (N,).

        Parameters
        ----------
        table : Table, frame, or mapping of str to column

        Raises
        ------
        DataError
            If the table's columns do not fit the model's.
        """
        return self.labels(self.outputs(self._typed(table, need_target=False)))

    def predict_interval(self, table: Any, coverage: Any = 0.9) -> np.ndarray:
        """Predict the interval that holds the target with a probability, shape (N, 2).

        As :meth:`deltarule.TabularRegressor.predict_interval`; the test rows have no part in it.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
        coverage : float
            The probability, between 0 and 1.

        Raises
        ------
        InputError
            If the coverage is not between 0 and 1, or the model predicts classes, or is a single
            network.
        DataError
            If the table's columns do not fit the model's.
        """
        return self.predict_quantiles(table, interval_levels(coverage))

    def predict_quantiles(
        self, table: Any, quantiles: ArrayLike = (0.05, 0.25, 0.5, 0.75, 0.95)
    ) -> np.ndarray:
        """Predict quantiles of the target, shape (N, number of quantiles); they do not cross.

        As :meth:`deltarule.TabularRegressor.predict_quantiles`.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
        quantiles : array-like
            Levels between 0 and 1.

        Raises
        ------
        InputError
            If a level is not between 0 and 1, or the model predicts classes, or is a single
            network.
        DataError
            If the table's columns do not fit the model's.
        """
        typed = self._typed(table, need_target=False)
        return self.quantiles(typed, self.outputs(typed), quantiles)

    def predict_std(self, table: Any) -> np.ndarray:
        """Predict the standard deviation of the target less its prediction, shape (N,).

        Parameters
        ----------
        table : Table, frame, or mapping of str to column

        Raises
        ------
        InputError
            If the model predicts classes, or is a single network.
        DataError
            If the table's columns do not fit the model's.
        """
        typed, intervals = self._typed(table, need_target=False), self._known_intervals()
        outputs = self.outputs(typed)
        return np.concatenate(
            [intervals.deviations(typed.take(rows), outputs[rows]) for rows in _chunks(len(typed))]
        )

    def quantiles(
        self, typed: TypedColumns, outputs: np.ndarray, quantiles: ArrayLike
    ) -> np.ndarray:
        """Return the quantiles of rows with these predictions, as :meth:`predict_quantiles`."""
        intervals = self._known_intervals()
        return np.concatenate(
            [
                intervals.quantiles(typed.take(rows), outputs[rows], quantiles)
                for rows in _chunks(len(typed))
            ]
        )

    def _known_intervals(self) -> Intervals:
        """Return the intervals; refuse a model that has none."""
        found = self._intervals()
        if found is None:
            what = "predicts classes" if self.classes else "has no intervals"
            raise InputError(
                f"the model {what}; expected a portfolio of networks for a number; fit one to a "
                "target of numbers, without a setting of a single network"
            )
        return found

    def _intervals(self) -> Intervals | None:
        """Return what quantiles are predicted by, if there is such."""
        return None

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """Return the most probable label of each row of probabilities; numbers unchanged."""
        if self.task == "regression":
            return outputs
        return self.target.inverse(outputs.argmax(axis=1))

    def trained_on(self, typed: TypedColumns) -> bool:
        """Whether these rows are the table that the model was trained on."""
        return bool(self.report.get("fingerprint") == cells_checksum(typed))

    def rows_seen(self, typed: TypedColumns) -> RowsSeen | None:
        """Return how many rows, with targets, are in the training table; None if not known."""
        return rows_seen(self.report, typed)

    def evaluate(self, table: Any) -> dict[str, float | None]:
        """Score the model on the rows of a table with a target.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column

        Raises
        ------
        DataError
            If the table's columns do not fit the model's, or its target has an unknown class.
        """
        typed = self._typed(table, need_target=True)
        return self.score(typed, self.outputs(typed))

    def score(self, typed: TypedColumns, outputs: np.ndarray) -> dict[str, float | None]:
        """Return the scores of outputs against the target of their rows."""
        assert typed.target is not None
        if self.task == "classification":
            truth = self.target.transform(typed.target)
        else:
            truth = np.asarray(typed.target)
        return score_outputs(self.task, truth, outputs, typed.weights)

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        extras: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write the model to a folder of JSON and safetensors.

        Parameters
        ----------
        folder : path
            A name that ends in ``.deltarule`` is that of a single file.
        overwrite : bool
            Whether an existing model may be replaced.
        extras : mapping of file name to bytes
            More files for the folder, such as a picture.

        Raises
        ------
        FileError
            If the folder exists (without ``overwrite``) or cannot be written; an existing
            folder is then unchanged.
        InputError
            If a parameter is not a finite number.
        """
        self.prepared().save(folder, overwrite=overwrite, extras=extras)

    def prepared(self) -> PreparedModel:
        """Return what :meth:`save` writes, whose fingerprint is known before it is saved.

        Raises
        ------
        InputError
            If a parameter is not a finite number.
        """
        return PreparedModel(self._bundle(), self._parts())

    def fingerprint(self) -> str:
        """Return the fingerprint of the model's files, as :func:`deltarule.inspect_model` has it.

        A SHA-256 of the networks, the encoders, the settings and what is known of the training, but
        not of how long that took: a training that is repeated gives the same. It is that of the
        files which :meth:`save` writes now, also if an earlier version wrote the model.

        Raises
        ------
        InputError
            If a parameter is not a finite number.
        """
        return self.prepared().fingerprint

    @abstractmethod
    def _bundle(self) -> Bundle:
        """Return what :meth:`save` writes."""

    @abstractmethod
    def _parts(self) -> Mapping[str, Part]:
        """Return what becomes of bundles within that, such as a recording."""

    def _extra(self) -> dict[str, Any]:
        """Return what is stored with the networks, as JSON holds it."""
        return {
            "schema": self.schema.to_dict(),
            "target": self.target.to_dict(),
            "settings": self.settings,
            "report": self.report,
        }

    @staticmethod
    def _fields(extra: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that all models have, of what :meth:`_extra` wrote down."""
        fields = {
            "schema": Schema.from_dict(entry(extra, "schema", Mapping[str, Any])),
            "target": TargetEncoder.from_dict(entry(extra, "target", Mapping[str, Any])),
            "settings": entry(extra, "settings", Mapping[str, Any]),
            "report": _checked_report(entry(extra, "report", Mapping[str, Any])),
        }
        check_fields(fields["schema"], fields["target"])
        return fields

    @staticmethod
    def load(folder: str | os.PathLike[str]) -> TableModel:
        """Read a model that :meth:`save` wrote: a :class:`NetworkModel` or a portfolio.

        Parameters
        ----------
        folder : path
            A folder, or a ``.deltarule`` file.

        Raises
        ------
        ModelFileError
            If the folder is missing, was changed, or holds a network without a table.
        """
        from deltarule.tabular.network_model import NetworkModel
        from deltarule.tabular.portfolio_model import PortfolioModel

        def loader(documents: Mapping[str, Any]) -> type[NetworkModel | PortfolioModel]:
            return PortfolioModel if holds_portfolio(documents) else NetworkModel

        with reading_content(folder, "model of a table"):
            documents, arrays = read_bundle(
                folder,
                KIND,
                PORTFOLIO_VERSION,
                check=lambda documents, specs: loader(documents).check_arrays(documents, specs),
            )
            return loader(documents).of_bundle(documents, arrays)


def _chunks(n_rows: int) -> Iterator[slice]:
    """Yield the rows that are predicted at a time; one empty slice for no row."""
    for start in range(0, max(n_rows, 1), _CHUNK_ROWS):
        yield slice(start, start + _CHUNK_ROWS)


def check_fields(schema: Schema, target: TargetEncoder) -> None:
    """Refuse a schema that is of no model, or a target of another schema.

    Raises
    ------
    InputError
    """
    if schema.target is None or schema.task != target.task or schema.classes != target.classes:
        raise InputError("the target is not that of its schema")


def _checked_report(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the saved report of a training, with a check of the entries that are used."""
    report = dict(saved)
    rows = entry(report, "rows", Mapping[str, int])
    scores = entry(report, "scores", Mapping[str, Mapping[str, Any]])
    # A model exported from the playground is compared with no baseline.
    for name in ("against_constant", "against_linear"):
        field_value(name, Mapping[str, Any] | None, report.get(name))
    if DIVISION in report:
        checked_division(entry(report, DIVISION, Mapping[str, Any]))
    if ROW_DIGESTS in report:
        RowDigests.from_dict(entry(report, ROW_DIGESTS, Mapping[str, Any]))
    for part, values in scores.items():
        if part not in rows and part != "out_of_fold":
            raise InputError(f"it has scores on {part!r} rows, and says of none")
        for name, value in values.items():
            # A score may be infinite or undefined; a whole number may be too large for a float.
            if value is not None and not isinstance(value, float):
                field_value(name, int, value)
    return report


def prediction_engine(settings: Mapping[str, Any]) -> str:
    """Return the engine to predict with: a Python engine that the settings name, else ``"auto"``.

    So a model that the compiled engine trained can be used without Numba.

    Examples
    --------
    >>> prediction_engine({"engine": "compiled"}), prediction_engine({"engine": "reference"})
    ('auto', 'reference')
    """
    name = settings.get("engine")
    return str(name) if name in ("reference", "checked") else "auto"

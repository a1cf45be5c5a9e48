"""Encoding of typed columns as the input matrix of a network.

Means, medians and levels are computed from the training rows and stored; later rows are
encoded with the stored values. Row weights count as repetitions: weight 2 is the row twice,
weight 0 leaves the row out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.records import checked_integer, in_interval
from deltarule.tables.column_encoders import CategoryEncoder, NumberEncoder, normalise_weights
from deltarule.tables.derived_features import checked_names, features_of_all
from deltarule.tables.encoder_choice import EncoderChoice
from deltarule.tables.encoder_record import check_columns, encoder_of
from deltarule.tables.number_encoders import NUMBER_ENCODERS
from deltarule.tables.random_features import RandomFeatures
from deltarule.tables.schema import Schema
from deltarule.tables.table import Table, join_items
from deltarule.tables.target_statistics import TargetStatisticsEncoder
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_encoder import FreeTextEncoder
from deltarule.tables.typed_columns import TypedColumns, apply_schema

__all__ = ["TableEncoder"]

_FORMAT = 1
# All settings in the order of the records.
_SETTINGS = (
    *("numbers", "bins", "max_levels", "min_rows", "one_hot_levels", "calendar"),
    *("random_features", "random_scale"),
)


class TableEncoder:
    """Encodes columns of numbers and categories as a matrix of features.

    *Numbers* and dates: ``(x - mean) / std`` over the known training cells; where missing,
    the median stands in, and if any were missing in training, a feature ``name=(missing)``
    is 1 there. Nothing is clipped: an outlier stays one.

    *Categories*: one feature per level that at least ``rows / 10000`` training rows have
    (at least 2 where over 90 % of the known cells differ, as names do, or ``min_rows``), the
    ``max_levels`` most frequent ones of a column at most. The levels rarer than that share
    ``name=(other)``. Missing cells have a feature ``name=(missing)``, however few.

    A feature that is the same in all training rows is left out, since no weight could be
    learned for it. So a level never seen goes to ``(other)`` where training had rare
    levels, and is all zeros where it had none; a cell missing in a category that
    had none missing is treated as such a level.

    Parameters
    ----------
    numbers : {"standard", "robust", "quantile_normal", "piecewise_linear", "periodic"}
        The encoding of numbers and dates: as above, or by
        :class:`~deltarule.tables.number_encoders.RobustEncoder`,
        :class:`~deltarule.tables.number_encoders.QuantileNormalEncoder`,
        :class:`~deltarule.tables.number_encoders.PiecewiseLinearEncoder` or
        :class:`~deltarule.tables.number_encoders.PeriodicEncoder`.
    bins : int
        The largest number of bins of a piecewise-linear column.
    max_levels : int, optional
        The most levels of a category that get a feature of their own; from 200 to 2000 if not
        given, so that a column of features has at most 2·10⁷ numbers beyond 200 levels.
    min_rows : int, optional
        How many training rows a level needs for a feature of its own; as above if not given.
    one_hot_levels : int, optional
        A category of more levels is encoded by
        :class:`~deltarule.tables.target_statistics.TargetStatisticsEncoder` if ``fit`` is given
        targets; none is, unless given.
    calendar : bool
        Whether dates are encoded by :class:`~deltarule.tables.calendar_encoder.CalendarEncoder`,
        and not as numbers.
    random_features : int
        The number of pairs of features of all columns together, which stand after those of the
        columns; see :class:`~deltarule.tables.random_features.RandomFeatures`.
    random_scale : float
        Their scale.
    derived : sequence of str
        :class:`~deltarule.tables.derived_features.DerivedFeatures` of two numbers, instead.

    Attributes
    ----------
    feature_names : tuple of str
        The name of each feature: ``age``, ``age=(missing)``, ``town=Ulm``.
    feature_columns : tuple of str
        The column each feature comes from; ``(all)`` for those of all columns.
    of_all : RandomFeatures, DerivedFeatures or None

    Raises
    ------
    InputError
        If a setting is below 1.

    Examples
    --------
    >>> typed = TypedColumns({"age": np.array([20.0, 40.0, np.nan, 60.0]),
    ...                       "sex": np.array(["f", "m", "m", "f"], dtype=object)},
    ...                      rows=np.arange(4))
    >>> from deltarule.tables.schema import Column
    >>> schema = Schema((Column("age", "number"), Column("sex", "category")))
    >>> encoder = TableEncoder(min_rows=1).fit(typed, schema)
    >>> encoder.feature_names
    ('age', 'age=(missing)', 'sex=f', 'sex=m')
    >>> encoder.transform(typed).round(2)
    array([[-1.22,  0.  ,  1.  ,  0.  ],
           [ 0.  ,  0.  ,  0.  ,  1.  ],
           [ 0.  ,  1.  ,  0.  ,  1.  ],
           [ 1.22,  0.  ,  1.  ,  0.  ]])
    """

    def __init__(
        self,
        *,
        numbers: str = "standard",
        bins: int = 16,
        max_levels: int | None = None,
        min_rows: int | None = None,
        one_hot_levels: int | None = None,
        calendar: bool = False,
        random_features: int = 0,
        random_scale: float = 1.0,
        derived: Sequence[str] = (),
    ) -> None:
        if not isinstance(numbers, str) or numbers not in NUMBER_ENCODERS:
            raise InputError(
                parameter="numbers", given=numbers, expected=f"one of {', '.join(NUMBER_ENCODERS)}"
            )
        counts = {"bins": bins, "max_levels": max_levels, "min_rows": min_rows}
        for name, value in {**counts, "one_hot_levels": one_hot_levels}.items():
            is_count = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if value is not None and not (is_count and value >= 1):
                raise InputError(f"{name} is {value!r}; expected an integer of at least 1")
        random_features = checked_integer("random_features", random_features)
        random_scale = in_interval("", "random_scale", random_scale, "(0, inf)", 1.0)
        self.numbers, self.bins, self.calendar = numbers, int(bins), bool(calendar)
        self.one_hot_levels = one_hot_levels
        self.max_levels = None if max_levels is None else int(max_levels)
        self.min_rows = None if min_rows is None else int(min_rows)
        self.random_features, self.random_scale = random_features, random_scale
        self.derived = checked_names(derived)
        self.of_all: Any = None
        self.column_encoders: tuple[NumberEncoder | CategoryEncoder, ...] = ()
        self._schema: Schema | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature."""
        names = [name for encoder in self._check_fitted() for name in encoder.features()]
        return (*names, *(self.of_all.features() if self.of_all else ()))

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The column that each feature comes from."""
        names = [encoder.name for encoder in self._check_fitted() for _ in encoder.features()]
        return (*names, *["(all)"] * self._n_of_all)

    @property
    def n_features(self) -> int:
        """The number of features."""
        return sum(len(each.features()) for each in self._check_fitted()) + self._n_of_all

    @property
    def _n_of_all(self) -> int:
        """The number of features of all columns together."""
        return len(self.of_all.features()) if self.of_all else 0

    def _check_fitted(self) -> tuple[NumberEncoder | CategoryEncoder, ...]:
        if not self.column_encoders:
            raise InputError("the TableEncoder is not fitted; call fit with training rows first")
        return self.column_encoders

    def fit(
        self,
        columns: TypedColumns | Table,
        schema: Schema,
        weights: ArrayLike | None = None,
        targets: NDArray[np.float64] | None = None,
        target_labels: Sequence[str] = ("",),
        fit_text: Callable[[str, TextColumn], FreeTextEncoder] | None = None,
    ) -> TableEncoder:
        """Learn means, medians and levels from training rows.

        Parameters
        ----------
        columns : TypedColumns or Table
            The training rows only. The schema is applied to a table first.
        schema : Schema
            Which columns there are, and of what kind.
        weights : array-like of shape (rows,), optional
            Row weights; ``columns.weights`` if not given. Whether a level is
            rare is a matter of rows (of weight above 0), not of weights.
        targets : array of shape (rows, K'), optional
            What categories of many levels are encoded by, from
            :func:`~deltarule.tables.target_statistics.target_columns`.
        target_labels : sequence of str
            The names of its columns.
        fit_text : callable, optional
            Fits the encoders of columns of many words a cell, which are categories otherwise.

        Returns
        -------
        TableEncoder
            Itself.

        Raises
        ------
        DataError
            If there are no rows, or no column varies in them.
        InputError
            If the weights or the settings of random features cannot be used.
        """
        typed = self._as_typed_columns(columns, schema)
        w = normalise_weights(typed.weights if weights is None else weights, len(typed))
        keep = np.flatnonzero(w > 0) if w is not None else None
        if keep is not None and len(keep) < len(typed):
            typed, w = typed.take(keep), w[keep] if w is not None else None
            targets = None if targets is None else targets[keep]
        if len(typed) == 0:
            raise DataError("there are no rows to fit the encoder on; expected at least one")
        choice = EncoderChoice(
            len(typed),
            NUMBER_ENCODERS[self.numbers],
            bins=self.bins if self.numbers == "piecewise_linear" else None,
            max_levels=self.max_levels,
            min_rows=self.min_rows,
            one_hot_levels=self.one_hot_levels,
            calendar=self.calendar,
        )
        column_encoders: list[Any] = [
            choice.fit(column, typed.columns[column.name], w, targets, target_labels, fit_text)
            for column in schema.columns
        ]
        if not any(encoder.features() for encoder in column_encoders):
            has_rare = any(
                isinstance(cells, TextColumn) and len(cells.counts()) > 1
                for cells in typed.columns.values()
            )
            what = "varies, rare levels of categories aside," if has_rare else "varies"
            rarer: list[Any] = [", or lower ", Parameter("min_level_rows", keyword=True)]
            raise DataError(
                f"no column {what} in the {len(typed)} training rows "
                f"({join_items(schema.names, 8)})",
                expected="at least one that does",
                hint=Message("take more rows", *(rarer if has_rare else [])),
            )
        self.set_encoders(column_encoders, schema)
        return self

    def set_encoders(self, column_encoders: Sequence[Any], schema: Schema | None = None) -> None:
        """Take fitted encoders of the columns of a schema, and make the features of all columns."""
        self.column_encoders, random, self._schema = tuple(column_encoders), None, schema
        names = [encoder.features() for encoder in column_encoders]
        inputs = [name for each in names for name in each]
        if self.random_features:
            size = len(inputs), sum(map(bool, names))
            random = RandomFeatures(self.random_features, self.random_scale, *size)
        self.of_all = features_of_all(self.derived, random, inputs)

    def _write_of_all(self, matrix: NDArray[Any]) -> None:
        """Write the features of all columns, computed from those of each."""
        if self.of_all:
            width = self.n_features - self._n_of_all
            self.of_all.write(matrix[:, :width], matrix[:, width:])

    def write_cross_fitted(
        self,
        matrix: NDArray[Any],
        columns: TypedColumns,
        targets: NDArray[np.float64],
        folds: Sequence[NDArray[np.int64]],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Encode the categories that the target encodes again, each fold by the rows outside of it.

        Parameters
        ----------
        matrix : array of shape (rows, n_features)
            From :meth:`transform` of the training rows; changed in place.
        columns : TypedColumns
            The training rows.
        targets : array of shape (rows, K')
            As given to :meth:`fit`.
        folds : sequence of arrays of row numbers
        weights : array of shape (rows,), optional
            As given to :meth:`fit`.
        """
        w, encoders = normalise_weights(weights, len(columns)), list[Any](self._check_fitted())
        by_target = {e.name: e for e in encoders if isinstance(e, TargetStatisticsEncoder)}

        def write(name: str, out: NDArray[Any]) -> None:
            cells: Any = columns.columns[name]
            by_target[name].write_cross_fitted(cells, targets, w, folds, out)

        self.rewrite(matrix, by_target, write)

    def rewrite(
        self, matrix: NDArray[Any], names: Collection[str], write: Callable[[str, Any], None]
    ) -> None:
        """Encode columns of a matrix from :meth:`transform` again, in place, by ``write``.

        It is given a column's name, and the part of the matrix for its features.
        """
        at = 0
        for encoder in self._check_fitted():
            width = len(encoder.features())
            if encoder.name in names and width:
                write(encoder.name, matrix[:, at : at + width])
            at += width
        if names:
            self._write_of_all(matrix)

    def _as_typed_columns(
        self, columns: TypedColumns | Table, schema: Schema | None
    ) -> TypedColumns:
        if isinstance(columns, TypedColumns):
            return columns
        if isinstance(columns, Table) and schema is not None:
            return apply_schema(schema, columns, need_target=False, need_weights=False)
        expected = "a Table or TypedColumns" if schema is not None else "TypedColumns"
        raise InputError(
            f"the encoder was given a {type(columns).__name__}; expected {expected}; use "
            "apply_schema, or table_from_frame for a frame"
        )

    def transform(
        self, columns: TypedColumns | Table, dtype: DTypeLike = np.float64
    ) -> NDArray[Any]:
        """Encode rows.

        Parameters
        ----------
        columns : TypedColumns or Table
            The rows. A table only if the encoder was fitted, not loaded, since the
            schema is stored on its own.
        dtype : float64 or float32
            Of the result. The arithmetic is float64 either way.

        Returns
        -------
        ndarray of shape (rows, n_features)
            C-contiguous.

        Raises
        ------
        InputError
            If the encoder is not fitted, or a column is not there.
        DataError
            If an encoded number is too large for the dtype.
        """
        column_encoders = self._check_fitted()
        if np.dtype(dtype) not in (np.float64, np.float32):
            raise InputError(f"dtype is {np.dtype(dtype)}; expected float64 or float32")
        typed = self._as_typed_columns(columns, self._schema)
        absent = [encoder.name for encoder in column_encoders if encoder.name not in typed.columns]
        if absent:
            raise InputError(
                f"the columns lack {join_items(map(repr, absent))}; expected those the encoder was "
                "fitted on; apply the schema it was fitted with"
            )
        matrix = np.zeros((len(typed), self.n_features), dtype=dtype)
        at = 0
        for encoder in column_encoders:
            width = len(encoder.features())
            if width:
                cells: Any = typed.columns[encoder.name]
                encoder.write(cells, matrix[:, at : at + width])
            at += width
        self._write_of_all(matrix)
        return matrix

    @property
    def n_merged_levels(self) -> int:
        """The number of levels of categories that share a feature with others."""
        encoders = self._check_fitted()
        return sum(each.n_merged for each in encoders if isinstance(each, CategoryEncoder))

    def merged_notes(self) -> list[str]:
        """Which levels of the training rows share a feature, a note per column.

        Examples
        --------
        >>> from deltarule.tables.schema import Column
        >>> towns = {"town": np.array(["Bonn", "Ulm", "Rome", "Ulm"], dtype=object)}
        >>> schema = Schema((Column("town", "category"),))
        >>> encoder = TableEncoder(min_rows=2).fit(TypedColumns(towns, np.arange(4)), schema)
        >>> print(encoder.merged_notes()[0])
        column 'town': 2 levels, which 2 training rows hold, share one input: 'Bonn', 'Rome'; to \
keep more of them, lower min_level_rows= or raise max_levels=
        """
        found: list[str] = []
        for encoder in self._check_fitted():
            if isinstance(encoder, CategoryEncoder):
                found += encoder.merged_note()
        return found

    def notes(self, columns: TypedColumns) -> tuple[str, ...]:
        """Which levels of these rows training did not see, a sentence per column.

        Parameters
        ----------
        columns : TypedColumns
            Rows that are to be encoded.

        Examples
        --------
        >>> from deltarule.tables.schema import Column
        >>> towns = {"town": np.array(["Bonn", "Ulm"], dtype=object)}
        >>> schema = Schema((Column("town", "category"),))
        >>> encoder = TableEncoder(min_rows=1).fit(TypedColumns(towns, np.arange(2)), schema)
        >>> new = {"town": np.array(["Rome", "Ulm", "Oslo"], dtype=object)}
        >>> encoder.notes(TypedColumns(new, np.arange(3)))
        ("column 'town': 2 cells hold levels that training did not see: 'Oslo', 'Rome'",)
        """
        found: list[str] = []
        for encoder in self._check_fitted():
            if isinstance(encoder, CategoryEncoder):
                cells: Any = columns.columns[encoder.name]
                found += encoder.unseen(cells)
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """The encoder as a dictionary that JSON can hold; floats keep every bit."""
        return {
            "format": _FORMAT,
            **{name: getattr(self, name) for name in _SETTINGS},
            **({"derived": list(self.derived)} if self.derived else {}),
            "columns": [encoder.to_dict() for encoder in self._check_fitted()],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TableEncoder:
        """The encoder that :meth:`to_dict` wrote down.

        Raises
        ------
        DataError
            If it is no such record, or one of a later version.
        """
        return encoder_of(cls, record, _FORMAT)

    def check_columns(self, schema: Schema) -> None:
        """Refuse a schema of other columns than those that are encoded; raise DataError."""
        check_columns(self._check_fitted(), schema)

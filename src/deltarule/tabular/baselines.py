"""The constant and the linear model that a network is compared with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from deltarule.tables import Schema, TextColumn, TypedColumns
from deltarule.tables.column_encoders import CategoryEncoder, NumberEncoder, normalise_weights
from deltarule.tabular.ridge import Ridge
from deltarule.tabular.scores import power_of_two
from deltarule.tabular.splitting import row_weights
from deltarule.training import split_rows

__all__ = ["Baseline", "LinearEncoder", "baselines"]

# The maximum number of iterations of the logistic regression.
_MOST_STEPS = 1000
# The linear model is fitted to at most this many entries of its matrix (320 MB), which are more
# than it needs to be as good as on all rows.
_MOST_ENTRIES = 40_000_000
# A larger matrix is stored as a sparse one.
_DENSE_ENTRIES = 20_000_000
_DENSE_COLUMNS = 2000
# The rows that are predicted at a time.
_CHUNK_ROWS = 65536


class LinearEncoder:
    """Encodes columns for a linear model, which sees every level of every category.

    Numbers are standardised; a missing one is the median, and where any is missing, a column
    says so. Each level of a category has a column, however rare it is, and so have missing
    cells; a level that was not seen is all zeros.

    Parameters
    ----------
    schema : Schema
    training : TypedColumns
        The rows to learn means, medians and levels from; rows of weight 0 are left out.

    Examples
    --------
    >>> from deltarule.tables.schema import Column
    >>> schema = Schema((Column("age", "number"), Column("town", "category")))
    >>> typed = TypedColumns({"age": np.array([1.0, 3.0]), "town": TextColumn([0, 1], ["a", "b"])},
    ...                      np.arange(2))
    >>> LinearEncoder(schema, typed).transform(typed)
    array([[-1.,  1.,  0.],
           [ 1.,  0.,  1.]])
    """

    def __init__(self, schema: Schema, training: TypedColumns) -> None:
        weights = normalise_weights(training.weights, len(training))
        if weights is not None:
            training, weights = training.take(weights > 0), weights[weights > 0]
        self.numbers: list[NumberEncoder] = []
        self.categories: list[CategoryEncoder] = []
        for column in schema.columns:
            cells: Any = training.columns[column.name]
            if isinstance(cells, TextColumn):
                every = len(cells.texts)
                self.categories.append(CategoryEncoder.fit(column.name, cells, 1, every))
            else:
                self.numbers.append(NumberEncoder.fit(column.name, cells, weights))
        self._n_of_numbers = sum(len(each.features()) for each in self.numbers)
        self.n_columns = self._n_of_numbers + sum(map(_width, self.categories))

    def transform(self, typed: TypedColumns, *, sparse: bool = False) -> Any:
        """Encode rows as a float64 array, or a sparse array, of shape (N, n_columns)."""
        n_rows = len(typed)
        numbers = np.zeros((n_rows, self._n_of_numbers))
        first = 0
        for encoder in self.numbers:
            width = len(encoder.features())
            if width:
                cells: Any = typed.columns[encoder.name]
                encoder.write(cells, numbers[:, first : first + width])
            first += width
        rows, columns = [], []
        for category in self.categories:
            text: Any = typed.columns[category.name]
            found = category.codes(text)
            rows.append(np.flatnonzero(found >= 0))
            columns.append(first + found[rows[-1]])
            first += _width(category)
        if not sparse:
            dense = np.zeros((n_rows, self.n_columns))
            dense[:, : self._n_of_numbers] = numbers
            for row, column in zip(rows, columns, strict=True):
                dense[row, column] = 1.0
            return dense
        from scipy.sparse import coo_array, csr_array, hstack

        if not self.categories:
            return csr_array(numbers)
        row, column = np.concatenate(rows), np.concatenate(columns) - self._n_of_numbers
        shape = (n_rows, self.n_columns - self._n_of_numbers)
        one_hot = coo_array((np.ones(len(row)), (row, column)), shape=shape)
        return hstack([csr_array(numbers), one_hot], format="csr")


def _width(category: CategoryEncoder) -> int:
    """The columns of a category: one also where all training rows have the same level."""
    return len(category.levels) + category.missing


class Baseline(NamedTuple):
    """The predictions of a simple model.

    ``outputs`` maps the name of a part to outputs as :func:`score_outputs` takes them; ``note`` is
    a warning, or "".
    """

    outputs: dict[str, np.ndarray]
    note: str = ""


def baselines(
    schema: Schema,
    training: TypedColumns,
    truth: np.ndarray,
    n_classes: int,
    parts: Mapping[str, TypedColumns],
    *,
    linear: bool = True,
    seed: int = 0,
) -> dict[str, Baseline]:
    """Fit two simple models, a constant and a linear one, and predict parts of a table.

    The constant is the mean, or the shares of the classes. The linear model is ridge regression,
    or logistic regression, with scikit-learn's default strength, on the columns as
    :class:`LinearEncoder` encodes them, not as the network sees them.

    Parameters
    ----------
    schema : Schema
    training : TypedColumns
        The rows to learn from.
    truth : array of shape (N,)
        Their class numbers, or their numbers in the target's unit.
    n_classes : int
        0 for regression.
    parts : mapping of str to TypedColumns
        The rows to predict.
    linear : bool
        Whether to fit the linear model, which takes most of the time.
    seed : int
        Which rows the linear model is fitted to, where there are too many for all of them.

    Returns
    -------
    dict
        ``"constant"`` and ``"linear"``.

    Examples
    --------
    >>> from deltarule.tables.schema import Column
    >>> x = TypedColumns({"x": np.arange(4.0)}, np.arange(4))
    >>> results = baselines(Schema((Column("x", "number"),)), x, 2 * np.arange(4.0), 0, {"all": x})
    >>> results["constant"].outputs["all"]
    array([3., 3., 3., 3.])
    """
    w = row_weights(training)
    weighted = np.flatnonzero(w > 0)
    if len(weighted) < len(w):
        training, truth, w = training.take(weighted), truth[weighted], w[weighted]
    # Weights of mean 1, so that the strength of the penalty does not depend on their unit.
    w = w / w.max()
    w = w * (len(w) / w.sum())
    # Scaling by a power of two is exact, and keeps sums of numbers near 1e308 finite.
    unit = power_of_two(truth) if n_classes == 0 else 1.0
    if n_classes:
        constant: Any = np.bincount(truth, weights=w, minlength=n_classes) / w.sum()
    else:
        constant = float(np.average(truth / unit, weights=w)) * unit
    results = {
        "constant": Baseline(
            {
                name: np.tile(constant, (len(part), 1))
                if n_classes
                else np.full(len(part), constant)
                for name, part in parts.items()
            }
        )
    }
    if linear and n_classes and np.count_nonzero(constant) < 2:
        return results | {"linear": results["constant"]}
    if linear:
        results["linear"] = _linear(schema, training, truth / unit, w, n_classes, parts, unit, seed)
    return results


def _linear(
    schema: Schema,
    training: TypedColumns,
    y: np.ndarray,
    w: np.ndarray,
    n_classes: int,
    parts: Mapping[str, TypedColumns],
    unit: float,
    seed: int,
) -> Baseline:
    """Fit the linear model to rows of weight above 0, and predict the parts."""
    encoder = LinearEncoder(schema, training)
    sparse = (
        encoder.n_columns > _DENSE_COLUMNS or len(y) * encoder.n_columns > _DENSE_ENTRIES
    ) and bool(encoder.categories)
    notes = []
    per_row = len(encoder.numbers) * 2 + len(encoder.categories) if sparse else encoder.n_columns
    most = max(_MOST_ENTRIES // max(per_row, 1), 1000)
    if len(y) > most:
        classes = y.astype(np.int64) if n_classes else None
        kept, _ = split_rows(len(y), 1 - most / len(y), seed, classes)
        notes.append(f"the linear baseline was fitted to {len(kept):,} of the {len(y):,} rows")
        training, y, w = training.take(kept), y[kept], w[kept]
    model: Any = Ridge()
    if n_classes:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(max_iter=_MOST_STEPS)
    y = y.astype(np.int64) if n_classes else y
    model, note = _fit_linear(model, encoder.transform(training, sparse=sparse), y, w)

    def predict(part: TypedColumns) -> np.ndarray:
        X = encoder.transform(part, sparse=sparse)
        if not n_classes:
            numbers: np.ndarray = model.predict(X) * unit
            return numbers
        # A class without training rows cannot be fitted; its probability stays 0.
        outputs = np.zeros((len(part), n_classes))
        outputs[:, model.classes_] = model.predict_proba(X)
        return outputs

    outputs = {
        name: np.concatenate(
            [
                predict(part.take(slice(start, start + _CHUNK_ROWS)))
                for start in range(0, max(len(part), 1), _CHUNK_ROWS)
            ]
        )
        for name, part in parts.items()
    }
    return Baseline(outputs, "; ".join([*notes, note] if note else notes))


def _fit_linear(model: Any, X: Any, y: np.ndarray, w: np.ndarray) -> tuple[Any, str]:
    """Fit a linear model; return it with a note where the fit is doubtful."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sample_weight=w)
    if any("converge" in str(warning.message) for warning in caught):
        return model, (
            f"the linear baseline was cut off after {_MOST_STEPS} steps; it could be better than "
            "shown"
        )
    if any("conditioned" in str(warning.message).lower() for warning in caught):
        return model, "the linear baseline's equations are nearly singular; take it with care"
    return model, ""

"""From a table to a trained model with honest scores, in one call."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import DataError, InputError
from deltarule.estimators.scores import baseline_outputs, score_outputs
from deltarule.estimators.table_model import TableModel, decoded
from deltarule.maths import Network
from deltarule.tables import (
    Schema,
    Table,
    TableEncoder,
    TargetEncoder,
    TypedColumns,
    apply_schema,
)
from deltarule.training import Event, Model, StopFlag, split_rows, train

__all__ = ["TableSettings", "fit_table"]

_LEAST_ROWS = 10


@dataclasses.dataclass(frozen=True)
class TableSettings:
    """How a table is divided and trained on.

    Parameters
    ----------
    test, valid : float
        The shares of rows held out for the final scores, and (of all rows) for choosing
        the epoch to stop at. 0 holds out none.
    layers : tuple of int
        The widths of the hidden layers.
    activation : str
        Of the hidden layers.
    rule, schedule : str
        The update rule, and the schedule of its learning rate.
    learning_rate : float
    batch_size : int or "auto"
    epochs : int
        At most so many.
    patience : int
        Training stops when the validation loss has not improved for so many epochs.
    l2 : float
        The strength of the penalty α/(2 Σs) ‖W‖².
    dropout : float
        The rate in each hidden layer.
    averaging : float or None
        The decay of a moving average of the parameters.
    seed : int
        Of everything random.
    engine : str

    Raises
    ------
    InputError
        If a share is out of range or a width is below 1.
    """

    test: float = 0.2
    valid: float = 0.1
    layers: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    rule: str = "adam"
    schedule: str = "constant"
    learning_rate: float = 1e-3
    batch_size: int | str = "auto"
    epochs: int = 200
    patience: int = 20
    l2: float = 1.0
    dropout: float = 0.0
    averaging: float | None = 0.99
    seed: int = 0
    engine: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        for name in ("test", "valid"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} is {getattr(self, name)!r}; expected a share of the rows, from 0 up "
                    "to, not with, 1"
                )
        if not self.test + self.valid < 1:
            raise InputError(
                f"test and valid are {self.test:g} and {self.valid:g}; expected them to add to "
                "less than 1, since the rest is trained on"
            )


def fit_table(
    table: Table,
    schema: Schema,
    settings: TableSettings | None = None,
    *,
    callbacks: Sequence[Callable[[Event], Any]] = (),
    stop: StopFlag | None = None,
) -> TableModel:
    """Train a network on a table and score it on rows it has not seen.

    The rows are divided into test, validation and training rows (stratified for classes).
    The encoding is learned from the training rows alone: numbers standardised, missing
    ones imputed, categories one-hot encoded, regression targets standardised. The epoch
    with the best validation loss is kept. Beside the network's scores stand those of a
    constant and of a linear model on the same rows and features.

    Parameters
    ----------
    table : Table
        From :func:`deltarule.tables.read_table` or ``table_from_frame``.
    schema : Schema
        From :func:`deltarule.tables.infer_schema`, with a target.
    settings : TableSettings, optional
    callbacks, stop
        As for :func:`deltarule.train`.

    Returns
    -------
    TableModel
        ``model.report`` holds the scores of each part and each baseline, the counts of
        rows, and the time.

    Raises
    ------
    DataError
        If there are too few rows, or the table does not fit the schema.
    Diverged
        If training diverged.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.estimators import TableSettings, fit_table
    >>> from deltarule.tables import infer_schema, table_from_frame
    >>> x = np.linspace(-2, 2, 200)
    >>> table = table_from_frame({"x": x, "y": x**2})
    >>> settings = TableSettings(layers=(16,), learning_rate=0.05, l2=0.0)
    >>> model = fit_table(table, infer_schema(table, "y"), settings)
    >>> model.report["scores"]["test"]["r2"] > 0.99
    True
    """
    settings = settings or TableSettings()
    started = time.perf_counter()
    typed = apply_schema(schema, table)
    parts = _divided(schema, typed, settings)
    fitting = parts["train"]
    encoder = TableEncoder().fit(fitting, schema, weights=fitting.weights)
    target = TargetEncoder.from_schema(schema).fit(_target(fitting), fitting.weights)
    X = {name: encoder.transform(part, dtype=np.float32) for name, part in parts.items()}
    Y = {name: target.transform(_target(part)) for name, part in parts.items()}
    net = _network(encoder.n_features, target, settings)
    held = parts.get("valid")
    validation = None if held is None else (X["valid"], Y["valid"], _ones(held))
    result = train(
        net,
        X["train"],
        Y["train"],
        sample_weight=_ones(fitting),
        validation=validation,
        rule=settings.rule,
        schedule=settings.schedule,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        seed=settings.seed,
        l2=settings.l2,
        dropout=settings.dropout if settings.layers else 0.0,
        averaging=settings.averaging,
        stopping=settings.patience if validation is not None else None,
        engine=settings.engine,
        callbacks=callbacks,
        stop=stop,
    )
    model = Model(net, result.theta, result.history)
    truth = {name: Y[name] if target.classes else _target(part) for name, part in parts.items()}
    scores = {
        name: score_outputs(
            target.task, truth[name], decoded(net, target, model.predict(X[name])), part.weights
        )
        for name, part in parts.items()
    }
    last = "test" if "test" in parts else "valid" if "valid" in parts else "train"
    simple = baseline_outputs(
        target.task,
        len(target.classes),
        (X["train"], truth["train"], fitting.weights),
        {last: X[last]},
    )
    report: dict[str, Any] = {
        "task": target.task,
        "rows": {name: len(part) for name, part in parts.items()},
        "features": encoder.n_features,
        "parameters": net.n_parameters,
        "scores": scores,
        "baselines": {
            name: score_outputs(target.task, truth[last], outputs[last], parts[last].weights)
            for name, outputs in simple.items()
        },
        "baselines_on": last,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped": result.stopped,
        "engine": result.engine,
        "training_seconds": result.seconds,
        "seconds": time.perf_counter() - started,
        "notes": [*typed.notes],
    }
    return TableModel(model, schema, encoder, target, _plain(settings), report)


def _plain(settings: TableSettings) -> dict[str, Any]:
    return {**dataclasses.asdict(settings), "layers": list(settings.layers)}


def _target(part: TypedColumns) -> np.ndarray:
    assert part.target is not None  # apply_schema was asked for it
    return part.target


def _ones(part: TypedColumns) -> np.ndarray:
    return np.ones(len(part)) if part.weights is None else part.weights


def _divided(
    schema: Schema, typed: TypedColumns, settings: TableSettings
) -> dict[str, TypedColumns]:
    """Training, validation and test rows; a part that would be empty is left out."""
    if len(typed) < _LEAST_ROWS:
        raise DataError(
            f"{schema.source or 'the table'} has {len(typed)} rows with a known target; expected "
            f"at least {_LEAST_ROWS} to train on and to hold some out"
        )
    labels = typed.target if schema.task == "classification" else None
    rows = np.arange(len(typed))
    parts = {}
    share = 0.0
    for name in ("test", "valid"):
        fraction = getattr(settings, name) / (1 - share)
        if fraction > 0:
            classes = None if labels is None else labels[rows]
            kept, held = split_rows(len(rows), fraction, settings.seed, classes)
            parts[name], rows = typed.take(rows[held]), rows[kept]
            share += getattr(settings, name)
    parts["train"] = typed.take(rows)
    for name, part in parts.items():
        if part.weights is not None and not part.weights.sum() > 0:
            raise DataError(
                f"every row that fell to the {name} part has weight 0; "
                "give more rows a weight, or choose other shares or another seed"
            )
    return parts


def _network(n_inputs: int, target: TargetEncoder, settings: TableSettings) -> Network:
    n_classes = len(target.classes)
    if target.task == "regression":
        n_outputs, output, loss = 1, "identity", "half_squared_error"
    elif n_classes == 2:
        n_outputs, output, loss = 1, "logistic", "log_loss"
    else:
        n_outputs, output, loss = n_classes, "softmax", "cross_entropy"
    return Network(
        [n_inputs, *settings.layers, n_outputs],
        activation=settings.activation,
        output_activation=output,
        loss=loss,
        dtype=np.float32,
    )

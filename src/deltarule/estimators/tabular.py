"""From a table to a trained model with honest scores, in one call."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.engines import EngineSettings, engine_name
from deltarule.errors import DataError, InputError
from deltarule.estimators.scores import Baseline, baselines, compared, score_outputs
from deltarule.estimators.table_model import TableModel, decoded, fingerprint, predicting_engine
from deltarule.estimators.threads import blas_threads_for
from deltarule.maths import Network
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.tables import (
    Schema,
    Table,
    TableEncoder,
    TargetEncoder,
    TypedColumns,
    apply_schema,
)
from deltarule.training import Event, Model, Patience, StopFlag, TrainingResult, split_rows, train

__all__ = ["TableSettings", "fit_table"]

_LEAST_ROWS = 10
_FEW_TEST_ROWS = 50


@dataclasses.dataclass(frozen=True)
class TableSettings:
    """How a table is divided and trained on.

    Parameters
    ----------
    test, valid : float
        The shares of rows held out for the final scores, and (of all rows) for choosing
        the epoch to stop at. 0 holds out none.
    layers : tuple of int
        The widths of the hidden layers; none of them is a linear model.
    activation : str
        Of the hidden layers.
    rule, schedule : str
        The update rule, and the schedule of its learning rate.
    learning_rate : float
    batch_size : int or "auto"
        ``"auto"`` makes about 30 steps an epoch: a thirtieth of the training rows, as a
        power of two from 32 to 256 (all rows for a rule that needs the full batch).
    epochs : int
        At most so many.
    patience : int
        Training stops when the validation loss has not improved for so many epochs.
    l2 : float
        The strength of the penalty α/(2 Σs) ‖W‖².
    dropout : float
        The rate in each hidden layer.
    clip_norm : float or None
        The largest norm of a step's gradient.
    averaging : float or None
        The decay of a moving average of the parameters.
    seed : int
        Of everything random.
    engine : str

    Raises
    ------
    InputError, UnknownName
        If a setting is out of range or a name unknown; before any row is read.

    Examples
    --------
    >>> TableSettings(layers=(32,), test=0.25).layers
    (32,)
    """

    test: float = 0.2
    valid: float = 0.1
    layers: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    rule: str = "adam"
    schedule: str = "cosine"
    learning_rate: float = 5e-3
    batch_size: int | str = "auto"
    epochs: int = 50
    patience: int = 20
    l2: float = 5.0
    dropout: float = 0.0
    clip_norm: float | None = None
    averaging: float | None = 0.99
    seed: int = 0
    engine: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        for name in ("test", "valid"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} is {getattr(self, name):g}; expected a share of the rows, from 0 to "
                    "less than 1"
                )
        if not self.test + self.valid < 1:
            raise InputError(
                f"test and valid are {self.test:g} and {self.valid:g}; expected them to add to "
                "less than 1, since the rest is trained on"
            )
        for name in ("epochs", "patience"):
            _check_whole(name, getattr(self, name), _MOST_EPOCHS)
        if self.batch_size != "auto":
            _check_whole("batch_size", self.batch_size, None, " or 'auto'")
        for width in self.layers:
            _check_whole("layers", width, _WIDEST, ", such as 128,64", self.layers)
        if not (np.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(
                f"learning_rate is {self.learning_rate:g}; expected a finite number above 0, "
                "such as 0.001"
            )
        if not (np.isfinite(self.l2) and self.l2 >= 0):
            raise InputError(f"l2 is {self.l2:g}; expected a finite number, at least 0")
        SCHEDULES.get(self.schedule)
        engine_name(self.engine)
        EngineSettings(
            rule=self.rule,
            l2=self.l2,
            dropout=self.dropout,
            clip_norm=self.clip_norm,
            averaging=self.averaging,
            seed=self.seed,
        )
        # The output layer does not matter here: the activation and the widths are checked.
        Network([1, *self.layers, 1], activation=self.activation)
        if RULES.get(self.rule).full_batch and self.batch_size != "auto":
            raise InputError(
                f"batch_size is {self.batch_size} with the rule {self.rule!r}, which needs all "
                "rows in every step; leave it at 'auto', or choose another rule"
            )


_MOST_EPOCHS = 10**7
_WIDEST = 10**5


def _batch_rows(settings: TableSettings, n_rows: int) -> int | str:
    if settings.batch_size != "auto" or RULES.get(settings.rule).full_batch:
        return settings.batch_size
    return 2 ** min(max(round(math.log2(n_rows / 30)), 5), 8)


def _check_whole(
    name: str, value: Any, most: int | None, also: str = "", shown: Any = None
) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 1 or (most is not None and value > most):
        given = value if shown is None else ",".join(map(str, shown))
        top = ", at least 1," if most is None else f" from 1 to {most:,}"
        raise InputError(f"{name} is {given!r}; expected a whole number{top}{also}")


def fit_table(
    table: Table,
    schema: Schema,
    settings: TableSettings | None = None,
    *,
    callbacks: Sequence[Callable[[Event], Any]] = (),
    stop: StopFlag | None = None,
    progress: Callable[[str], Any] | None = None,
) -> TableModel:
    """Train a network on a table and score it on rows it has not seen.

    The rows are divided into test, validation and training rows (stratified for classes).
    The encoding is learned from the training rows alone: numbers standardised, missing
    ones imputed, categories one-hot encoded, regression targets standardised. The epoch
    with the best validation loss is kept. Beside the network's scores stand those of a
    constant and of a linear model on the same rows and features; these two learn from
    the validation rows as well, since they need none to stop.

    Parameters
    ----------
    table : Table
        From :func:`deltarule.tables.read_table` or ``table_from_frame``.
    schema : Schema
        From :func:`deltarule.tables.infer_schema`, with a target.
    settings : TableSettings, optional
    callbacks, stop
        As for :func:`deltarule.train`.
    progress : callable, optional
        Told ``"encoding"``, ``"training"`` and ``"scoring"`` as each begins.

    Returns
    -------
    TableModel
        ``model.report`` holds the counts of rows and the scores of each part
        (``"train"``, ``"valid"``, ``"test"``), the scores of the baselines, whether the
        network is ``"better"`` than the linear one, ``"worse"`` or ``"no different"`` (by two
        standard errors, row by row; None where ``stop`` was raised, and the linear model
        left out), the time, notes on the scores, and on the data.

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
    tell = progress or (lambda phase: None)
    started = time.perf_counter()
    tell("encoding")
    typed = apply_schema(schema, table)
    parts = _divided(schema, typed, settings)
    fitting = parts["train"]
    encoder = TableEncoder().fit(fitting, schema, weights=fitting.weights)
    target = TargetEncoder.from_schema(schema).fit(_target(fitting), fitting.weights)
    X = {name: encoder.transform(part, dtype=np.float32) for name, part in parts.items()}
    Y = {name: target.transform(_target(part)) for name, part in parts.items()}
    net = _network(encoder.n_features, target, settings)
    held = parts.get("valid")
    tell("training")
    batch = _batch_rows(settings, len(fitting))
    with blas_threads_for(net, len(fitting) if batch == "auto" else int(batch)):
        result = train(
            net,
            X["train"],
            Y["train"],
            sample_weight=_weights(fitting),
            validation=None if held is None else (X["valid"], Y["valid"], _weights(held)),
            rule=settings.rule,
            schedule=settings.schedule,
            learning_rate=settings.learning_rate,
            batch_size=batch,
            epochs=settings.epochs,
            seed=settings.seed,
            l2=settings.l2,
            dropout=settings.dropout if settings.layers else 0.0,
            clip_norm=settings.clip_norm,
            averaging=settings.averaging,
            stopping=None if held is None else Patience(settings.patience),
            engine=settings.engine,
            callbacks=callbacks,
            stop=stop,
        )
    tell("scoring")
    model = Model(net, result.theta, result.history)
    truth = {name: Y[name] if target.classes else _target(part) for name, part in parts.items()}
    engine = predicting_engine({"engine": settings.engine})
    outputs = {name: decoded(net, target, model.predict(X[name], engine)) for name in parts}
    scores = {
        name: score_outputs(target.task, truth[name], outputs[name], part.weights)
        for name, part in parts.items()
    }
    last = next(name for name in ("test", "valid", "train") if name in parts)
    # Who stops training is in a hurry, and the linear model can take a while.
    simple = _baselines(target, parts, X, truth, last, linear=not stop)
    against = None
    if "linear" in simple:
        against = compared(
            target.task, truth[last], outputs[last], simple["linear"].outputs, parts[last].weights
        )
    report: dict[str, Any] = {
        "task": target.task,
        "rows": {name: len(parts[name]) for name in scores},
        "features": encoder.n_features,
        "parameters": net.n_parameters,
        "scores": scores,
        "baselines": {
            name: score_outputs(target.task, truth[last], each.outputs, parts[last].weights)
            for name, each in simple.items()
        },
        "baselines_on": last,
        "against_linear": None if against is None else against.verdict,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped": result.stopped,
        "engine": result.engine,
        "training_seconds": result.seconds,
        "seconds": time.perf_counter() - started,
        "notes": [
            *_remarks(parts, last, result, settings.schedule),
            *(each.note for each in simple.values() if each.note),
        ],
        "data_notes": list(typed.notes),
        "fingerprint": fingerprint(typed),
    }
    return TableModel(model, schema, encoder, target, _plain(settings), report)


def _baselines(
    target: TargetEncoder,
    parts: dict[str, TypedColumns],
    X: dict[str, np.ndarray],
    truth: dict[str, np.ndarray],
    last: str,
    linear: bool,
) -> dict[str, Baseline]:
    """The baselines for one part, learned from all rows of the others."""
    names = [name for name in parts if name != last] or [last]
    weights = None
    if parts[last].weights is not None:
        weights = np.concatenate([_weights(parts[name]) for name in names])
    rows = np.concatenate([X[name] for name in names])
    targets = np.concatenate([truth[name] for name in names])
    train = (rows, targets, weights)
    return baselines(target.task, len(target.classes), train, X[last], linear=linear)


def _remarks(
    parts: dict[str, TypedColumns], last: str, result: TrainingResult, schedule: str
) -> list[str]:
    """What the scores cannot say."""
    found = []
    at_end = result.stopped == "all epochs done" and result.best_epoch == len(result.history) > 1
    # A schedule that lowers the rate to the end makes the last epoch the best as a rule.
    if "valid" in parts and at_end and schedule == "constant":
        found.append("the validation loss was still falling at the end: give more epochs")
    if last == "train":
        found.append("no rows were held out: the scores are of rows the network was trained on")
    elif last == "valid":
        why = "the validation rows chose the epoch, so their scores are a little too good"
        found.append(f"no test rows were held out: {why}")
    elif len(parts["test"]) < _FEW_TEST_ROWS:
        count = len(parts["test"])
        found.append(f"only {count} test rows: another seed may give quite other scores")
    return found


def _plain(settings: TableSettings) -> dict[str, Any]:
    return {**dataclasses.asdict(settings), "layers": list(settings.layers)}


def _target(part: TypedColumns) -> np.ndarray:
    assert part.target is not None  # apply_schema was asked for it
    return part.target


def _weights(part: TypedColumns) -> np.ndarray:
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
    left = 1.0
    for name in ("test", "valid"):
        share = getattr(settings, name)
        if share > 0:
            classes = None if labels is None else labels[rows]
            kept, held = split_rows(len(rows), share / left, settings.seed, classes)
            parts[name], rows = typed.take(rows[held]), rows[kept]
            left -= share
    parts["train"] = typed.take(rows)
    _check_classes(schema, parts["train"])
    for name, part in parts.items():
        if part.weights is not None and not part.weights.sum() > 0:
            raise DataError(
                f"every row that fell to the {name} part has weight 0; "
                "give more rows a weight, or choose other shares or another seed"
            )
    return parts


def _check_classes(schema: Schema, training: TypedColumns) -> None:
    if schema.task == "classification":
        found = set(_target(training).tolist())
        if len(found) < 2:
            raise DataError(
                f"all {len(training)} training rows are {next(iter(found))!r}; expected at least "
                "two classes to learn from; hold out fewer rows, or give more rows of the others"
            )


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

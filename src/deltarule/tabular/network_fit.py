"""Encoding the parts of a table and training a network on them."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.cluster import train_in_world
from deltarule.maths import Network
from deltarule.tables import Schema, TableEncoder, TargetEncoder, TypedColumns
from deltarule.tabular.network_targets import decode_outputs, network_targets, table_network
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import row_weights, target_values
from deltarule.training import (
    Checkpoint,
    EpochEvent,
    Model,
    Patience,
    StopFlag,
    TrainingResult,
    train,
)
from deltarule.training.diagnosis.guard import GuardMode

__all__ = [
    "EncodedParts",
    "encode_parts",
    "level_limits",
    "train_arguments",
    "train_network",
    "true_values",
]


@dataclasses.dataclass(frozen=True)
class EncodedParts:
    """The parts of a table as inputs of a network, encoded by what the training rows say.

    Attributes
    ----------
    net : Network
    encoder : TableEncoder
        Fitted to the part ``"train"`` alone, as is ``target``.
    target : TargetEncoder
    parts : mapping of str to TypedColumns
    X : mapping of str to array of shape (N, n_0)
        The inputs of each part.
    """

    net: Network
    encoder: TableEncoder
    target: TargetEncoder
    parts: Mapping[str, TypedColumns]
    X: Mapping[str, np.ndarray]

    def outputs(self, name: str, theta: np.ndarray, engine: str) -> np.ndarray:
        """Return probabilities, shape (N, classes), or numbers in the target's unit, (N,)."""
        a = Model(self.net, theta).predict(self.X[name], engine)
        return decode_outputs(self.net, self.target, a)


def true_values(target: TargetEncoder, typed: TypedColumns) -> np.ndarray:
    """Return class numbers, or numbers in the target's unit, shape (N,)."""
    values = target_values(typed)
    return target.transform(values) if target.classes else np.asarray(values)


def encode_parts(
    schema: Schema, parts: Mapping[str, TypedColumns], settings: TableSettings
) -> EncodedParts:
    """Fit the encoders to the part ``"train"``, and encode all parts.

    Raises
    ------
    DataError
        If no column varies in the training rows.
    InputError
        If the loss cannot be used for the target.
    """
    fitting = parts["train"]
    encoder = TableEncoder(**level_limits(settings)).fit(fitting, schema, weights=fitting.weights)
    target = TargetEncoder.from_schema(schema).fit(target_values(fitting), fitting.weights)
    net = table_network(encoder.n_features, target, settings)
    X = {name: encoder.transform(part, dtype=np.float32) for name, part in parts.items()}
    return EncodedParts(net, encoder, target, parts, X)


def level_limits(settings: TableSettings) -> dict[str, Any]:
    """Return the settings on levels as arguments of ``TableEncoder``; None for ``"auto"``."""
    limits = {"min_rows": settings.min_level_rows, "max_levels": settings.max_levels}
    return {name: None if isinstance(value, str) else value for name, value in limits.items()}


def train_network(
    encoded: EncodedParts,
    settings: TableSettings,
    *,
    callbacks: Sequence[Callable[[EpochEvent], Any]] = (),
    stop: StopFlag | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    guard: GuardMode = "off",
) -> TrainingResult:
    """Train on the part ``"train"``; the part ``"valid"``, if there is one, ends training."""
    parts = encoded.parts
    Y = {
        name: network_targets(encoded.net, encoded.target, target_values(part))
        for name, part in parts.items()
        if name != "test"
    }
    valid = parts.get("valid")
    return train_in_world(
        encoded.net,
        encoded.X["train"],
        Y["train"],
        sample_weight=row_weights(parts["train"]),
        validation=None if valid is None else (encoded.X["valid"], Y["valid"], row_weights(valid)),
        **train_arguments(settings, settings.batch_rows(len(parts["train"]))),
        stopping=None if valid is None else Patience(settings.patience),
        callbacks=callbacks,
        stop=stop,
        checkpoint=checkpoint,
        guard=guard,
    )


def train_arguments(settings: TableSettings, batch_size: int | str) -> dict[str, Any]:
    """Return the settings that are parameters of :func:`deltarule.train`."""
    parameters = inspect.signature(train).parameters
    arguments = {name: value for name, value in vars(settings).items() if name in parameters}
    dropout = settings.dropout if settings.layers else 0.0
    return arguments | {"batch_size": batch_size, "dropout": dropout}

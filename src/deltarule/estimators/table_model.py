"""A network behind the columns of a table: what goes in is a table, what comes out are labels."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np

from deltarule.errors import FileError
from deltarule.estimators.scores import score_outputs
from deltarule.maths import Network
from deltarule.tables import Schema, Table, TableEncoder, TargetEncoder, TypedColumns, apply_schema
from deltarule.training import History, Model, load_model, save_model

__all__ = ["TableModel"]


@dataclasses.dataclass(frozen=True)
class TableModel:
    """A trained network with the schema and the encoding of its table.

    Attributes
    ----------
    model : Model
        The network, its parameters and its history.
    schema : Schema
        What the columns of the training table were understood to be.
    encoder : TableEncoder
        From columns to the network's inputs.
    target : TargetEncoder
        From the target to the network's outputs, and back.
    settings, report : dict
        How it was trained, and its scores.

    Examples
    --------
    See :func:`deltarule.estimators.fit_table`.
    """

    model: Model
    schema: Schema
    encoder: TableEncoder
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
    def history(self) -> History:
        """The training run, epoch by epoch."""
        return self.model.history

    def outputs(self, typed: TypedColumns) -> np.ndarray:
        """Probabilities of shape (N, classes), or numbers in the target's unit, (N,)."""
        a = self.model.predict(self.encoder.transform(typed, dtype=self.model.net.dtype))
        return decoded(self.model.net, self.target, a)

    def predict_proba(self, table: Table) -> np.ndarray:
        """The probability of each class, of shape (N, classes).

        Raises
        ------
        DataError
            If the table's columns do not fit the model's.
        """
        return self.outputs(apply_schema(self.schema, table, need_target=False))

    def predict(self, table: Table) -> np.ndarray:
        """The most probable label of each row (text), or its number.

        Raises
        ------
        DataError
            If the table's columns do not fit the model's.
        """
        return self.labels(self.outputs(apply_schema(self.schema, table, need_target=False)))

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """The most probable labels from probabilities; numbers as they are."""
        if self.task == "regression":
            return outputs
        return self.target.inverse(outputs.argmax(axis=1))

    def evaluate(self, table: Table) -> dict[str, float | None]:
        """The scores on the rows of a table whose target is known.

        Raises
        ------
        DataError
            If the table's columns do not fit the model's, or its target holds an
            unknown class.
        """
        typed = apply_schema(self.schema, table)
        return self.score(typed, self.outputs(typed))

    def score(self, typed: TypedColumns, outputs: np.ndarray) -> dict[str, float | None]:
        """The scores of outputs for rows with a target."""
        truth = typed.target
        assert truth is not None
        if self.task == "classification":
            truth = self.target.transform(truth)
        return score_outputs(self.task, truth, outputs, typed.weights)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model to a folder of JSON and safetensors.

        Raises
        ------
        FileError
            If the folder exists (without ``overwrite``) or cannot be written.
        """
        extra = {
            "schema": self.schema.to_dict(),
            "encoder": self.encoder.to_dict(),
            "target": self.target.to_dict(),
            "settings": self.settings,
            "report": self.report,
        }
        save_model(folder, dataclasses.replace(self.model, extra=extra), overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> TableModel:
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        FileError
            If the folder is missing, was changed, or holds a network without a table.
        """
        model = load_model(folder)
        extra = dict(model.extra)
        if "schema" not in extra:
            raise FileError(
                f"{str(folder)!r} holds a network without a table; "
                "use deltarule.load_model and give it arrays"
            )
        return cls(
            model=model,
            schema=Schema.from_dict(extra["schema"]),
            encoder=TableEncoder.from_dict(extra["encoder"]),
            target=TargetEncoder.from_dict(extra["target"]),
            settings=extra["settings"],
            report=extra["report"],
        )


def decoded(net: Network, target: TargetEncoder, a: np.ndarray) -> np.ndarray:
    """From a network's outputs to probabilities, or numbers in the target's unit."""
    if target.task == "regression":
        return target.inverse(a[:, 0].astype(np.float64))
    if net.n_outputs == 1:
        return np.column_stack((1 - a[:, 0], a[:, 0]))
    return a

"""A trained network with its table's schema and encoders: it predicts labels from tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import InputError
from deltarule.files import Bundle, Part
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tables import TableEncoder, TypedColumns
from deltarule.tabular.model import TableModel, prediction_engine
from deltarule.tabular.network_targets import decode_outputs, network_targets
from deltarule.training import History, Model, Recording
from deltarule.training.model import bundle_of, check_documents, model_of_bundle
from deltarule.training.recording import recording_part

if TYPE_CHECKING:
    from deltarule.tabular.diagnostics import LearningCurve

__all__ = ["NetworkModel"]


@dataclasses.dataclass(frozen=True)
class NetworkModel(TableModel):
    """A trained network with the schema and the encoding of its table.

    Attributes
    ----------
    schema, target, settings, report
        As in :class:`TableModel`.
    model : Model
        The network, its parameters and its history.
    encoder : TableEncoder
        The encoding of columns as inputs of the network.
    recording : Recording or None
        The recording of the training that produced this model, if there is one. It is saved with
        the model, and read by :func:`replay_table` and
        :func:`~deltarule.training.load_recording`.

    Examples
    --------
    See :func:`deltarule.tabular.fit_table`.
    """

    model: Model
    encoder: TableEncoder
    recording: Recording | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def history(self) -> History:
        """The epoch logs of the training."""
        return self.model.history

    def _chunk_outputs(self, typed: TypedColumns) -> np.ndarray:
        X = self.encoder.transform(typed, dtype=self.model.net.dtype)
        a = self.model.predict(X, prediction_engine(self.settings))
        return decode_outputs(self.model.net, self.target, a)

    def _why_not_finite(self, typed: TypedColumns) -> str:
        sizes = np.abs(self.encoder.transform(typed, dtype=self.model.net.dtype)[0])
        column = self.encoder.feature_names[int(sizes.argmax())]
        return (
            f": {column!r} is {sizes.max():.3g} standard deviations from the mean of training; "
            "expected numbers like those of training; correct it, or leave it empty"
        )

    def notes(self, typed: TypedColumns) -> tuple[str, ...]:
        """Return notes on rows that are to be predicted: levels that training did not see."""
        return self.encoder.notes(typed)

    def column_treatments(self) -> dict[str, list[str]]:
        """Return for each column what the encoder makes of it, a phrase for each way."""
        from deltarule.tabular.diagnostics.training import column_treatments

        return column_treatments([self.encoder])

    def learning_curves(self) -> list[LearningCurve]:
        """Return the losses of the network over its epochs."""
        from deltarule.tabular.diagnostics.training import learning_curves

        net = self.model.net
        name = "-".join(map(str, net.widths))
        return learning_curves(self.report, self.history, name, net.loss.name)

    def network_targets(self, values: Any) -> np.ndarray:
        """Return the network's targets Y for the values of the target column."""
        return network_targets(self.model.net, self.target, values)

    def _parts(self) -> Mapping[str, Part]:
        return recording_part(self.model.theta, self.recording)

    def _bundle(self) -> Bundle:
        extra = self._extra() | {"encoder": self.encoder.to_dict()}
        return bundle_of(dataclasses.replace(self.model, extra=extra))

    check_arrays = staticmethod(check_documents)

    @classmethod
    def of_bundle(
        cls, documents: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> NetworkModel:
        """Return the model of a folder's documents and arrays.

        Raises
        ------
        InputError
            If they are none of a network with its table.
        """
        model = model_of_bundle(documents, arrays)
        extra = model.extra
        if "schema" not in extra:
            raise InputError(
                "it holds a network without a table; expected a model of a table; use "
                "deltarule.load_model and give it arrays"
            )
        check_keys(extra, {"schema", "target", "settings", "report", "encoder"})
        encoder = TableEncoder.from_dict(entry(extra, "encoder", Mapping[str, Any]))
        loaded = cls(model=model, encoder=encoder, **cls._fields(extra))
        if not encoder.column_encoders or encoder.n_features != model.net.n_inputs:
            raise InputError(
                f"the encoder is not that of its network, which takes {model.net.n_inputs} features"
            )
        encoder.check_columns(loaded.schema)
        expected = 1 if loaded.task == "regression" else len(loaded.classes)
        if model.net.n_outputs not in ({1, 2} if expected == 2 else {expected}):
            raise InputError(
                f"the target is not that of its network, which has {model.net.n_outputs} outputs"
            )
        return loaded

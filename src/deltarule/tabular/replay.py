"""Replay of any step of a table model's recorded training, on the rows of the table."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from deltarule.errors import FileError, InputError, Message, Parameter
from deltarule.files import consistent_read
from deltarule.tables import Table, TableSource, TypedColumns, apply_schema
from deltarule.tabular.model import TableModel
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import row_weights, split_table, target_values
from deltarule.training import (
    Model,
    Recording,
    ReplayedStep,
    RunState,
    load_recording,
    replay,
    replay_states,
)
from deltarule.training.recording import digest_of_theta
from deltarule.training.step_replay import batches_of
from deltarule.training.threads import blas_threads_for

__all__ = ["RecordedTable", "RowPlace", "replay_table"]

_Result = TypeVar("_Result")


class RowPlace(NamedTuple):
    """The part of the training that a row of a table belonged to.

    ``part`` is ``"train"``, ``"valid"`` or ``"test"``, and ``number`` the row's number in that
    part, from 0; for a row without a target, which was left out, they are ``""`` and -1.
    """

    part: str
    number: int


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedTable:
    """A table model, the recording of its training, and the table that it was trained on.

    Attributes
    ----------
    model : NetworkModel
    recording : Recording
    table : Table

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from deltarule.tabular import TableSettings, fit_table, replay_table
    >>> from deltarule.tables import infer_schema, table_from_frame
    >>> x = np.linspace(-2, 2, 50)
    >>> table = table_from_frame({"x": x, "y": x**2})
    >>> settings = TableSettings(layers=(4,), epochs=2)
    >>> model = fit_table(table, infer_schema(table, "y"), settings, record=True)
    >>> recorded = RecordedTable(model, model.recording, table)
    >>> recorded.place(recorded.replay(1).source_rows[0]).part
    'train'
    """

    model: NetworkModel
    recording: Recording
    table: Table

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        data: str | os.PathLike[str] | Table | None = None,
        *,
        run_recorded_sql: bool = False,
    ) -> RecordedTable:
        """Read a model, its recording, and the table that it was trained on.

        Parameters
        ----------
        folder : path
            The folder of a model whose training was recorded.
        data : path or Table, optional
            The table, or its file if it was moved. By default the file that the recording
            names is read, if it is a plain file with the ending of a table.
        run_recorded_sql : bool
            Whether the SQL in the recording may be run, where the table was the result of a
            query, or a server be connected to whose address the recording has. The error that
            is raised without it shows the SQL or the address: read it first if the folder comes
            from an untrusted source.

        Raises
        ------
        FileError
            If the model or the table cannot be read, the recording is of another model, or the
            model is a portfolio.
        DataError
            If the table has changed.
        InputError
            If the table was the result of a query or of a server, and ``run_recorded_sql`` was not
            given.
        """
        model, recording = consistent_read(
            folder,
            lambda: (recorded_network(folder, TableModel.load(folder)), load_recording(folder)),
        )
        return cls.of(model, recording, data, run_recorded_sql=run_recorded_sql)

    @classmethod
    def of(
        cls,
        model: NetworkModel,
        recording: Recording,
        data: str | os.PathLike[str] | Table | None = None,
        *,
        run_recorded_sql: bool = False,
    ) -> RecordedTable:
        """Join a model, its recording and its table; arguments and errors as for :meth:`open`."""
        if recording.model != digest_of_theta(model.model.theta):
            raise FileError(
                "the recording is of another training than the model; expected the one that was "
                "made with it; train again with 'deltarule fit --record'"
            )
        try:
            source = TableSource.from_dict(recording.extra["source"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FileError(
                "the recording does not say where its table is; expected one that 'deltarule fit "
                "--record' made; train again"
            ) from error
        if isinstance(data, Table):
            source.check(data)
            return cls(model, recording, data)
        if source.sql is not None and not run_recorded_sql:
            source_text = "" if source.data is None else f" over {source.data!r}"
            raise InputError(
                f"the training's table was the result of SQL{source_text} that the recording "
                f"holds: {source.sql!r}",
                parameter="run_recorded_sql",
                expected="leave to run it, since it came with the model",
                hint=Message("read it, and give ", Parameter("run_recorded_sql", True)),
            )
        if source.is_server and data is None and not run_recorded_sql:
            raise InputError(
                f"the training's table is in the database {source.data!r}, as the recording says",
                parameter="run_recorded_sql",
                expected="leave to connect to it, since the address came with the model",
                hint=Message("give the address as DATA, or ", Parameter("run_recorded_sql", True)),
            )
        read = source.read(data, number_formats=model.schema.number_formats)
        return cls(model, recording, read)

    @functools.cached_property
    def settings(self) -> TableSettings:
        """The settings with which the table was split and the network trained."""
        return TableSettings(**self.model.settings)

    @functools.cached_property
    def parts(self) -> dict[str, TypedColumns]:
        """The rows of the parts ``"train"``, ``"valid"`` and ``"test"``."""
        schema = self.model.schema
        return split_table(schema, apply_schema(schema, self.table), self.settings)

    @functools.cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The encoded training rows X and the network's targets Y."""
        training = self.parts["train"]
        X = self.model.encoder.transform(training, dtype=self.model.model.net.dtype)
        return X, self.model.network_targets(target_values(training))

    def replay(self, step: int, *, verify: bool = True) -> ReplayedStep:
        """Replay a step; the result has the numbers of its rows in the table.

        Raises
        ------
        InputError, DataError, ContractViolation
            As :func:`deltarule.training.replay`.
        """
        self.recording.place(step)
        replayed = self._with_rows(replay, step, verify=verify)
        typed = self.parts["train"].take(replayed.batch.rows)
        return dataclasses.replace(
            replayed, source_rows=typed.rows + 1, table=self.model, typed=typed
        )

    def states(
        self,
        most: int = 50,
        *,
        also: Sequence[int] = (),
        verify: bool = True,
        watch: Callable[[int], None] | None = None,
    ) -> list[RunState]:
        """Return θ after ``most`` evenly spaced steps of the training, which is replayed.

        Raises
        ------
        InputError, DataError, ContractViolation
            As :func:`deltarule.training.replay_states`.
        """
        return self._with_rows(replay_states, most, also=also, verify=verify, watch=watch)

    def _with_rows(self, function: Callable[..., _Result], *args: Any, **options: Any) -> _Result:
        """Call a function of ``training.step_replay`` with the encoded training rows."""
        X, Y = self._rows
        training = self.parts["train"]
        batch = self.settings.batch_rows(len(training))
        with blas_threads_for(self.recording.net, len(X) if batch == "auto" else int(batch)):
            return function(
                self.recording, X, Y, *args, sample_weight=row_weights(training), **options
            )

    def place(self, row: int) -> RowPlace:
        """Return the part of the training that a row of the table (from 1) belonged to.

        Raises
        ------
        InputError
            If the table has no such row.
        """
        if not 1 <= row <= len(self.table):
            raise InputError(
                parameter="row",
                given=row,
                expected=f"a row of the table, from 1 to {len(self.table)}",
            )
        for name, part in self.parts.items():
            matches = np.flatnonzero(part.rows == row - 1)
            if matches.size:
                return RowPlace(name, int(matches[0]))
        return RowPlace("", -1)

    def step_of(self, row: int, epoch: int) -> int | None:
        """Return the step of an epoch (from 1) whose batch has a row (from 1), or None."""
        place = self.place(row)
        if place.part != "train":
            return None
        X, Y = self._rows
        batches = batches_of(self.recording, X, Y, row_weights(self.parts["train"]), None)
        epoch_steps = batches.epoch_steps(epoch - 1)
        position = place.number
        if epoch_steps.order is not None:
            position = int(np.flatnonzero(epoch_steps.order == place.number)[0])
        return epoch_steps.first_step + position // epoch_steps.batch_size

    def model_at(self, theta: np.ndarray) -> NetworkModel:
        """Return the table model with other parameters, such as those before a step."""
        network = self.model.model
        model = Model(network.net, theta, network.history)
        return dataclasses.replace(self.model, model=model, recording=None)


def recorded_network(folder: str | os.PathLike[str], model: TableModel) -> NetworkModel:
    """Return a folder's model if it is a single network, whose training may be recorded."""
    if not isinstance(model, NetworkModel):
        raise FileError(
            f"{str(folder)!r} holds a portfolio of networks, whose training is not recorded; "
            "expected a single network; train one with 'deltarule fit --record'"
        )
    return model


def replay_table(
    folder: str | os.PathLike[str],
    step: int,
    data: str | os.PathLike[str] | Table | None = None,
    *,
    verify: bool = True,
    run_recorded_sql: bool = False,
) -> ReplayedStep:
    """Replay one step of the recorded training of a table model, bit for bit.

    Parameters
    ----------
    folder, data, run_recorded_sql
        As for :meth:`RecordedTable.open`.
    step : int
        From 1, over the whole training.
    verify : bool
        As for :func:`deltarule.training.replay`.

    Returns
    -------
    ReplayedStep
        With ``source_rows``, ``table`` and ``typed``.

    Raises
    ------
    FileError, DataError, InputError
        As :meth:`RecordedTable.open`; also if the step was not recorded.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from deltarule.tabular import TableSettings, fit_table, replay_table
    >>> from deltarule.tables import infer_schema, table_from_frame
    >>> x = np.linspace(-2, 2, 50)
    >>> table = table_from_frame({"x": x, "y": x**2})
    >>> settings = TableSettings(layers=(4,), epochs=2, batch_size=7)
    >>> model = fit_table(table, infer_schema(table, "y"), settings, record=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(folder + "/m")
    ...     step = replay_table(folder + "/m", 10, table)
    >>> step.epoch, step.index, len(step.source_rows)
    (2, 4, 7)
    """
    recorded = RecordedTable.open(folder, data, run_recorded_sql=run_recorded_sql)
    return recorded.replay(step, verify=verify)

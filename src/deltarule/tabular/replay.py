"""Any step of a table's recorded training, on the rows of the table."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from deltarule.errors import FileError, InputError, Message, Setting
from deltarule.files import consistent_read
from deltarule.tables import Table, TableSource, TypedColumns, apply_schema
from deltarule.tabular.model import TableModel
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import known_target, known_weights, split_data
from deltarule.tabular.threads import blas_threads_for
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
from deltarule.training.replay import batches_of

__all__ = ["RecordedTable", "RowPlace", "replay_table"]


class RowPlace(NamedTuple):
    """What a row of a table was in the training.

    Attributes
    ----------
    part : {"train", "valid", "test", ""}
        ``""`` if it has no target, and was left out.
    number : int
        Its number in that part, from 0; -1 if it was left out.
    """

    part: str
    number: int


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedTable:
    """A table model, the recording of its training, and the table that it was trained on.

    Attributes
    ----------
    model : TableModel
    recording : Recording
    table : Table

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from deltarule.estimators import TableSettings, fit_table, replay_table
    >>> from deltarule.tables import infer_schema, table_from_frame
    >>> x = np.linspace(-2, 2, 50)
    >>> table = table_from_frame({"x": x, "y": x**2})
    >>> settings = TableSettings(layers=(4,), epochs=2)
    >>> model = fit_table(table, infer_schema(table, "y"), settings, record=True)
    >>> recorded = RecordedTable(model, model.recording, table)
    >>> recorded.place(recorded.replay(1).source_rows[0]).part
    'train'
    """

    model: TableModel
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
        """Read a model, its recording, and the very table it was trained on.

        Parameters
        ----------
        folder : path
            Of a model that was trained with a recording.
        data : path or Table, optional
            Where the table is now; by default where it was. A model's folder says which
            file that is: it is only read, and only if it is a plain file with the ending of a
            table.
        run_recorded_sql : bool
            Whether the SQL that the recording holds may be run, where the table was the result
            of a query. Read it first, as the error without this shows it, if the model's folder
            came from somebody else.

        Raises
        ------
        FileError
            If the model or the table cannot be read, or the recording is of another model.
        DataError
            If the table has changed.
        InputError
            If the table was the result of a query, and ``run_recorded_sql`` was not given.
        """
        model, recording = consistent_read(
            folder, lambda: (TableModel.load(folder), load_recording(folder))
        )
        return cls.of(model, recording, data, run_recorded_sql=run_recorded_sql)

    @classmethod
    def of(
        cls,
        model: TableModel,
        recording: Recording,
        data: str | os.PathLike[str] | Table | None = None,
        *,
        run_recorded_sql: bool = False,
    ) -> RecordedTable:
        """A model and its recording, with the very table: as :meth:`open`.

        Raises
        ------
        FileError, DataError, InputError
            As :meth:`open`.
        """
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
            over = "" if source.data is None else f" over {source.data!r}"
            raise InputError(
                f"the training's table was the result of SQL{over} that the recording holds: "
                f"{source.sql!r}",
                parameter="run_recorded_sql",
                expected="leave to run it, since it came with the model",
                hint=Message("read it, and give ", Setting("run_recorded_sql", True)),
            )
        return cls(model, recording, source.read(data))

    @functools.cached_property
    def settings(self) -> TableSettings:
        """How the table was divided and trained on."""
        return TableSettings(**self.model.settings)

    @functools.cached_property
    def parts(self) -> dict[str, TypedColumns]:
        """The rows by what they were for: ``"train"``, ``"valid"``, ``"test"``."""
        schema = self.model.schema
        return split_data(schema, apply_schema(schema, self.table), self.settings)

    @functools.cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        training = self.parts["train"]
        X = self.model.encoder.transform(training, dtype=self.model.model.net.dtype)
        return X, self.model.network_targets(known_target(training))

    def replay(self, step: int, *, verify: bool = True) -> ReplayedStep:
        """The step, replayed, with the numbers of its rows in the table.

        Raises
        ------
        InputError, DataError, ContractViolation
            As :func:`deltarule.training.replay`.
        """
        self.recording.place(step)
        X, Y = self._rows
        training = self.parts["train"]
        rows = self.settings.batch_rows(len(training))
        with blas_threads_for(self.recording.net, len(X) if rows == "auto" else int(rows)):
            found = replay(
                self.recording,
                X,
                Y,
                step,
                sample_weight=known_weights(training),
                verify=verify,
            )
        typed = training.take(found.batch.rows)
        return dataclasses.replace(found, source_rows=typed.rows + 1, table=self.model, typed=typed)

    def states(
        self,
        most: int = 50,
        *,
        also: Sequence[int] = (),
        verify: bool = True,
        watch: Callable[[int], None] | None = None,
    ) -> list[RunState]:
        """θ at so many moments of the training, evenly spread: its steps are taken again.

        Raises
        ------
        InputError, DataError, ContractViolation
            As :func:`deltarule.training.replay_states`.
        """
        X, Y = self._rows
        training = self.parts["train"]
        rows = self.settings.batch_rows(len(training))
        with blas_threads_for(self.recording.net, len(X) if rows == "auto" else int(rows)):
            return replay_states(
                self.recording,
                X,
                Y,
                most,
                also=also,
                sample_weight=known_weights(training),
                verify=verify,
                watch=watch,
            )

    def place(self, row: int) -> RowPlace:
        """What a row of the table (from 1) was in the training.

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
            found = np.flatnonzero(part.rows == row - 1)
            if found.size:
                return RowPlace(name, int(found[0]))
        return RowPlace("", -1)

    def step_of(self, row: int, epoch: int) -> int | None:
        """The step of an epoch (from 1) that has a row (from 1) in its batch; None if none has."""
        place = self.place(row)
        if place.part != "train":
            return None
        X, Y = self._rows
        batches = batches_of(self.recording, X, Y, known_weights(self.parts["train"]), None)
        planned = batches.planned(epoch - 1)
        at = place.number
        if planned.order is not None:
            at = int(np.flatnonzero(planned.order == place.number)[0])
        return planned.first_step + at // planned.batch_size

    def model_at(self, theta: np.ndarray) -> TableModel:
        """The table model with other parameters: those before a step, say."""
        own = self.model.model
        return dataclasses.replace(
            self.model, model=Model(own.net, theta, own.history), recording=None
        )


def replay_table(
    folder: str | os.PathLike[str],
    step: int,
    data: str | os.PathLike[str] | Table | None = None,
    *,
    verify: bool = True,
    run_recorded_sql: bool = False,
) -> ReplayedStep:
    """One step of the recorded training of a table model, replayed bit for bit.

    Parameters
    ----------
    folder : path
        Of a model that ``deltarule fit --record`` made, or ``fit_table(…, record=…)``.
    step : int
        From 1, over the whole training.
    data : path or Table, optional
        Where the table is now; by default where it was. It must be what it was.
    verify : bool
        As for :func:`deltarule.training.replay`.
    run_recorded_sql : bool
        Whether the SQL that the recording holds may be run, as for :meth:`RecordedTable.open`.

    Returns
    -------
    ReplayedStep
        With ``source_rows``, ``table`` and ``typed``.

    Raises
    ------
    FileError
        If there is no such model, recording or table.
    DataError
        If the table has changed.
    InputError
        If the step was not recorded, or the recording's SQL would have to be run.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from deltarule.estimators import TableSettings, fit_table, replay_table
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

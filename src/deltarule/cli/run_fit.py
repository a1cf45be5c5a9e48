"""``deltarule fit``: read a table, print its schema, train, score, and save the model."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from deltarule.cli import output
from deltarule.cli.load_table import load_table
from deltarule.cli.output_paths import SavedElsewhere, saved_or_elsewhere
from deltarule.cli.plots import loss_picture
from deltarule.cli.status import Status, Terminated, terminated
from deltarule.errors import Message
from deltarule.tables import TableSource
from deltarule.tabular import TableModel, TableSettings, fit_table
from deltarule.training import EpochEvent, StopFlag, StopReason

__all__ = ["Request", "fit_and_save", "fit_report"]

_PARTS = {"train": "training", "valid": "validation", "test": "test"}
_VERDICTS = {
    "better": "the network is better than the linear baseline, by more than two standard errors.",
    "worse": (
        "the network is worse than the linear baseline, by more than two standard errors: try "
        "--layers none, a larger --l2, or more rows."
    ),
    "no different": (
        "the network and the linear baseline cannot be told apart: they differ by less than two "
        "standard errors."
    ),
}


@dataclasses.dataclass(frozen=True)
class Request:
    """The options of ``deltarule fit``."""

    data: str | None
    table: str | None
    sql: str | None
    na: Sequence[str]
    target: str | None
    task: str
    ignore: Sequence[str]
    kinds: Sequence[str]
    weights: str | None
    settings: TableSettings
    folder: Path
    force: bool
    record: bool = False
    max_memory: float | None = None


def fit_and_save(request: Request, *, quiet: bool) -> tuple[TableModel, Status]:
    """Train, save the model's folder with ``loss.svg``, and report.

    Returns
    -------
    model : TableModel
    ended : Status
        ``DONE``, or ``INTERRUPTED`` or ``TERMINATED``.
    """
    with output.live(quiet) as show:
        show(f"reading {request.data or 'the SQL result'}")
        table, schema, _, _ = load_table(
            request.data,
            request.target,
            table=request.table,
            sql=request.sql,
            max_memory=request.max_memory,
            na=request.na,
            task=request.task,
            ignore=request.ignore,
            kinds=request.kinds,
            weights=request.weights,
        )
        record = request.record and TableSource.of(
            table, request.data, table=request.table, sql=request.sql
        )
    if not quiet:
        output.say(output.spelled(schema.describe()))
        output.say("")
    with output.live(quiet) as show, _stoppable(request.folder) as stop:

        def progress(phase: str) -> None:
            # Printed here, since a signal handler must not print.
            if stop.flag and phase == "scoring" and not quiet:
                output.notes([f"{stop.flag.reason}; scoring and saving the best epoch so far"])
            show(phase)

        model = fit_table(
            table,
            schema,
            request.settings,
            callbacks=[stop, _epoch_display(show)],
            stop=stop.flag,
            progress=progress,
            record=record,
        )
        lost = _saved(model, request)
    if lost is not None:
        if not quiet:
            _report(model, lost.path)
        raise lost
    if not quiet:
        _report(model, request.folder)
    return model, stop.ended


def _saved(model: TableModel, request: Request) -> SavedElsewhere | None:
    """Save the model; return the error if it had to be saved elsewhere."""
    fault: Exception | None = None
    extras: dict[str, bytes] = {}
    try:
        # Saved together with the model, so that a model never has the plot of another.
        extras["loss.svg"] = loss_picture(model)
    except Exception as error:  # noqa: BLE001  raised after the model is saved
        fault = error
    try:
        saved_or_elsewhere(
            request.folder,
            lambda folder: model.save(folder, overwrite=request.force, extras=extras),
            lambda folder: model.save(folder, extras=extras),
            "the model in ",
        )
    except SavedElsewhere as error:
        return error
    if fault is not None:
        raise fault
    return None


def _epoch_display(show: Callable[[str], None]) -> Callable[[EpochEvent], Any]:
    def follow(event: EpochEvent) -> None:
        record = event.history.logs[-1]
        text = f"epoch {event.epoch} of at most {event.epochs}   loss {record.loss:.4f}"
        if record.validation_loss is not None:
            text += f"   validation {record.validation_loss:.4f}   best in epoch {event.best_epoch}"
        show(text)

    return follow


class _Stop:
    """Ctrl-C during training: before the first epoch is over, there is nothing to save."""

    def __init__(self, folder: Path) -> None:
        self.flag = StopFlag()
        self.ended = Status.DONE
        self._folder = folder
        self._epochs = 0

    def __call__(self, event: EpochEvent) -> None:
        """Count the epochs that are over; called as a callback."""
        self._epochs = event.epoch

    def press(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM: raise the stop flag, or end the command."""
        kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if not self._epochs:
            raise kind(f" before the first epoch was over; {self._untouched()}")
        if self.flag:
            raise kind(f" again, while the best epoch was scored; {self._untouched()}")
        terminated = number == signal.SIGTERM
        self.ended = Status.TERMINATED if terminated else Status.INTERRUPTED
        self.flag.stop("terminated" if terminated else "interrupted", StopReason.INTERRUPTED)

    def _untouched(self) -> str:
        kept = f", and {self._folder} is as it was" if self._folder.exists() else ""
        return f"nothing was saved{kept}"


@contextmanager
def _stoppable(folder: Path) -> Iterator[_Stop]:
    """Inside, Ctrl-C ends training and the model is saved; a second one ends the command."""
    stop = _Stop(folder)
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for each, usual in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGTERM, terminated),
        ):
            found = signal.getsignal(each)
            if found is usual:  # not a handler of the calling program
                before[each] = found
                signal.signal(each, stop.press)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _report(model: TableModel, folder: Path) -> None:
    report = model.report
    rows = {
        name: (report["rows"][part], report["scores"][part])
        for part, name in _PARTS.items()
        if part in report["scores"]
    }
    last = report["baselines_on"]
    for name, scores in report["baselines"].items():
        rows[f"{_PARTS[last]}, {name} baseline"] = (report["rows"][last], scores)
    output.say(
        f"network {'-'.join(map(str, model.model.net.widths))}: {report['parameters']:,} "
        f"parameters, {report['engine']} engine"
    )
    output.say(f"{_course(report)}; {_seconds(report)}")
    output.say(f"\n{output.scores(rows)}\n")
    count = report["rows"][last]
    if report["against_linear"] is not None:
        measure = "squared error" if model.task == "regression" else "log loss"
        verdict = _VERDICTS[report["against_linear"]]
        output.say(f"By {measure} on the {count:,} {_PARTS[last]} rows, {verdict}")
    recorded = ", and the recording of its training" * (model.recording is not None)
    output.say(f"Saved in {folder}: the model, history.json, loss.svg{recorded}.")
    output.notes(report["notes"])


def _course(report: Mapping[str, Any]) -> str:
    epochs = report["epochs"]
    if not epochs:
        return f"stopped before the first epoch was over ({report['stopped']})"
    text = f"{epochs} epoch{'s' * (epochs > 1)} ({report['stopped']})"
    return f"{text}, kept epoch {report['best_epoch']}"


def _seconds(report: Mapping[str, Any]) -> str:
    return f"{report['training_seconds']:.1f} s of training, {report['seconds']:.1f} s in all"


def fit_report(model: TableModel, folder: Path) -> None:
    """Print the schema, the settings and the scores as one JSON object."""
    schema = model.schema
    columns = [
        {"name": column.name, "kind": column.kind, "missing": column.missing}
        for column in schema.columns
    ]
    notes = [
        *schema.notes,
        *(Message(f"{c.name}: ", note) for c in schema.columns for note in c.notes),
    ]
    report = {name: value for name, value in model.report.items() if name != "data_notes"}
    report["notes"] = [output.spelled(note) for note in (*notes, *report["notes"])]
    output.json_object(
        {
            "model": str(folder),
            "target": None if schema.target is None else schema.target.name,
            "task_reason": schema.task_reason,
            "classes": list(schema.classes),
            "columns": columns,
            "left_out": dict(schema.dropped) | dict.fromkeys(schema.ignored, "on request"),
            "network": list(model.model.net.widths),
            "settings": model.settings,
            "recorded_steps": None if model.recording is None else model.recording.end,
            **report,
        }
    )

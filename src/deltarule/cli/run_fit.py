"""``deltarule fit``: read a table, print its schema, train, score, and save the model."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from deltarule.cli import output
from deltarule.cli.group_line import NO_GROUPS, groups_of_fit
from deltarule.cli.leaderboard import leaderboard, left_out_lines
from deltarule.cli.load_table import load_table, streamed_arguments
from deltarule.cli.options import TableOptions
from deltarule.cli.output_paths import SavedElsewhere, origin_lines, saved_or_elsewhere
from deltarule.cli.plots import loss_picture
from deltarule.cli.report_page import report_page
from deltarule.cli.status import Status, Terminated, terminated
from deltarule.cli.verdict_lines import verdict_lines
from deltarule.cluster import current_world
from deltarule.tables import Table, TableSource
from deltarule.tabular import NetworkModel, TableModel, TableSettings, fit_table
from deltarule.tabular.diagnostics import ScoredRows
from deltarule.tabular.diagnostics.group_text import GroupLine
from deltarule.tabular.large_fit import fit_large_table
from deltarule.tabular.large_table import LargeTable
from deltarule.tabular.portfolio import StoppedTooEarly
from deltarule.tabular.rows_seen import ROW_DIGESTS
from deltarule.training import Checkpoint, EpochEvent, StopFlag, StopReason
from deltarule.training.inspection import REPORT, model_checksums, training_table

__all__ = ["Request", "fit_and_save", "fit_report"]

# The most notes on a training that are printed.
_MOST_NOTES = 30
_PARTS = {
    "train": "training",
    "out_of_fold": "training, out of fold",
    "valid": "validation",
    "test": "test",
}
# What --json leaves out: notes that are printed otherwise, and a loss for each epoch and network.
# The checksum of the table is in "trained_on".
_NOT_PRINTED = ("data_notes", "fingerprint", "learning_curves", ROW_DIGESTS)
_Rows = Table | ScoredRows


@dataclasses.dataclass(frozen=True)
class Request:
    """The options of ``deltarule fit``, and whether they ask for a single network."""

    options: TableOptions
    settings: TableSettings
    folder: Path
    force: bool
    record: bool = False
    report: bool = True
    quality: str | None = None
    time_budget: float | None = None
    single: bool = True
    checkpoint: Checkpoint | None = None
    memory: str | None = None
    store: Path | None = None
    rejects: Path | None = None


class Fitted(NamedTuple):
    """The model, the exit status, the seconds of ``report.html``, and the rows it is judged on."""

    model: TableModel
    status: Status
    report_seconds: float | None = None
    rows: _Rows | None = None

    def groups(self) -> GroupLine:
        """Return the line on the group that the model is worst on, or that none is clearly."""
        return NO_GROUPS if self.rows is None else groups_of_fit(self.model, self.rows)


def fit_and_save(request: Request, *, quiet: bool) -> Fitted:
    """Train, save the model's folder with ``loss.svg``, and report.

    The exit status is ``DONE``, or ``INTERRUPTED`` or ``TERMINATED``.
    """
    if request.memory is not None:
        return _fit_large_and_save(request, request.memory, quiet=quiet)
    with output.live(quiet) as show:
        options = request.options
        show(output.reading(options.data))
        table, schema, _, _ = load_table(options)
        record = request.record and TableSource.of(
            table,
            options.data,
            table=options.table,
            sql=options.sql,
            delimiter=options.delimiter,
            encoding=options.encoding,
            skip=options.skip,
            comment=options.comment,
            names=options.names,
        )
    if not quiet:
        output.say(f"{output.spelled(schema.describe())}\n")
    with output.live(quiet) as show, _stoppable(request.folder, request.single) as stop:
        try:
            model = fit_table(
                table,
                schema,
                request.settings,
                record=record,
                **_training_arguments(request, show, stop, quiet),
            )
        except StoppedTooEarly as error:
            raise stop.too_early() from error
        if not current_world().is_first:
            return Fitted(model, stop.status)
        if request.report:
            show("writing the report")
        elsewhere, seconds = _save(model, request, table)
    fitted = Fitted(model, stop.status, seconds, table)
    _finish(fitted, request, elsewhere, quiet=quiet)
    return fitted


def _fit_large_and_save(request: Request, memory: str, *, quiet: bool) -> Fitted:
    """Train on a table larger than memory; see :func:`fit_and_save`."""
    options = request.options
    tables: list[LargeTable] = []
    with output.live(quiet) as show:
        show(output.reading(options.data))
        reading, columns = streamed_arguments(options)
    with output.live(quiet) as show, _stoppable(request.folder, request.single) as stop:
        try:
            model = fit_large_table(
                options.data,
                str(options.target),
                request.settings,
                memory=memory,
                store=request.store,
                rejects=_rejects(request),
                reading=reading,
                columns=columns,
                scored=tables.append,
                **_training_arguments(request, show, stop, quiet),
            )
        except StoppedTooEarly as error:
            raise stop.too_early() from error
        if not current_world().is_first:
            return Fitted(model, stop.status)
        if request.report:
            show("writing the report")
        sample = tables[0].scored_sample(model)
        elsewhere, seconds = _save(model, request, sample)
    if not quiet:
        output.say(f"{output.spelled(model.schema.describe())}\n")
    fitted = Fitted(model, stop.status, seconds, sample)
    _finish(fitted, request, elsewhere, quiet=quiet)
    return fitted


def _training_arguments(
    request: Request, show: Callable[[str], None], stop: _InterruptHandler, quiet: bool
) -> dict[str, Any]:
    """Return the arguments on the training, of a table of any size."""
    return {
        "quality": request.quality,
        "time_budget": request.time_budget,
        "callbacks": [stop, _epoch_display(show)] if request.single else (),
        "stop": stop.flag,
        "progress": _phase_display(show, stop, request.single, quiet),
        "checkpoint": request.checkpoint,
    }


def _rejects(request: Request) -> Path | None:
    """The file for rows that cannot be read, which worker 0 writes."""
    if not current_world().is_first:
        return None
    return request.rejects or Path(f"{request.folder}.rejects.csv")


def _finish(
    fitted: Fitted, request: Request, elsewhere: SavedElsewhere | None, *, quiet: bool
) -> None:
    """Print the report on a model that is saved; raise the error if that is elsewhere."""
    if not quiet:
        folder = request.folder if elsewhere is None else elsewhere.path
        _report(fitted, folder, request.report)
    if elsewhere is not None:
        raise elsewhere


def _save(
    model: TableModel, request: Request, table: _Rows
) -> tuple[SavedElsewhere | None, float | None]:
    """Save the model; return the error if that is elsewhere, and the seconds of the report."""
    plot_error: Exception | None = None
    extras: dict[str, bytes] = {}
    prepared, seconds = model.prepared(), None
    try:
        # They are saved together with the model, so that they are never those of another model.
        if isinstance(model, NetworkModel):
            extras["loss.svg"] = loss_picture(model)
        if request.report:
            page, seconds = report_page(model, table, request.folder, prepared.fingerprint)
            extras |= page
    except Exception as error:  # noqa: BLE001  raised after the model is saved
        plot_error = error
    try:
        saved_or_elsewhere(
            request.folder,
            lambda folder: prepared.save(folder, overwrite=request.force, extras=extras),
            lambda folder: prepared.save(folder, extras=extras),
            "the model in ",
        )
    except SavedElsewhere as error:
        return error, seconds
    if plot_error is not None:
        raise plot_error
    return None, seconds


def _phase_display(
    show: Callable[[str], None], stop: _InterruptHandler, single: bool, quiet: bool
) -> Callable[[str], None]:
    """Return a callback that shows each phase, and says what is kept of a training that ended."""

    def show_phase(phase: str) -> None:
        # Printed here, since a signal handler must not print.
        if stop.flag and phase == "scoring" and not quiet:
            output.notes([f"{stop.flag.reason}; scoring and saving {stop.kept} so far"])
        if phase.startswith("training ") and not single:
            stop.may_keep = True
        show(phase)

    return show_phase


def _epoch_display(show: Callable[[str], None]) -> Callable[[EpochEvent], Any]:
    """Return a callback that shows the losses of each epoch."""

    def show_epoch(event: EpochEvent) -> None:
        log = event.history.logs[-1]
        text = f"epoch {event.epoch} of at most {event.epochs}   loss {log.loss:.4f}"
        if log.validation_loss is not None:
            text += f"   validation {log.validation_loss:.4f}   best in epoch {event.best_epoch}"
        show(text)

    return show_epoch


class _InterruptHandler:
    """The handler of Ctrl-C during training; before there is anything to keep it ends the command.

    Attributes
    ----------
    flag : StopFlag
        Ends training.
    status : Status
        That of the command, if training ends with a model.
    may_keep : bool
        Whether an epoch is over, or the training of a portfolio has begun.
    kept : str
        What becomes the model.
    """

    def __init__(self, folder: Path, single: bool) -> None:
        self.flag = StopFlag()
        self.status = Status.DONE
        # Other workers than the first one stop with it, at what it may keep.
        self.may_keep = not current_world().is_first
        self.kept = "the best epoch" if single else "the portfolio"
        self._least = "the first epoch was over" if single else "a first configuration was trained"
        self._folder = folder

    def __call__(self, event: EpochEvent) -> None:
        """Remember that an epoch is over; called as a callback of the training."""
        self.may_keep = True

    def handle_signal(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM: raise the stop flag, or end the command."""
        terminate = number == signal.SIGTERM
        second = bool(self.flag)
        self.status = Status.TERMINATED if terminate else Status.INTERRUPTED
        if not self.may_keep:
            raise self.too_early()
        if second:
            raise self._error(f"again, while {self.kept} was scored")
        self.flag.stop("terminated" if terminate else "interrupted", StopReason.INTERRUPTED)

    def too_early(self) -> KeyboardInterrupt:
        """Return the error of a signal before there is anything to keep."""
        return self._error(f"before {self._least}")

    def _error(self, when: str) -> KeyboardInterrupt:
        error_type = Terminated if self.status is Status.TERMINATED else KeyboardInterrupt
        unchanged = f", and {self._folder} is as it was" if self._folder.exists() else ""
        return error_type(f" {when}; nothing was saved{unchanged}")


@contextmanager
def _stoppable(folder: Path, single: bool) -> Iterator[_InterruptHandler]:
    """Within the block, Ctrl-C ends training; a second Ctrl-C ends the command, without a model."""
    stop = _InterruptHandler(folder, single)
    replaced: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for each, default in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGTERM, terminated),
        ):
            handler = signal.getsignal(each)
            if handler is default:  # not a handler of the calling program
                replaced[each] = handler
                signal.signal(each, stop.handle_signal)
    try:
        yield stop
    finally:
        for each, handler in replaced.items():
            signal.signal(each, handler)


def _report(fitted: Fitted, folder: Path, with_page: bool) -> None:
    """Print what was trained, the scores, the comparison with the baselines and the notes."""
    model = fitted.model
    report = model.report
    counts = report.get("scored_rows", report["rows"])
    rows = {
        name: (counts["train" if part == "out_of_fold" else part], report["scores"][part])
        for part, name in _PARTS.items()
        if part in report["scores"]
    }
    scored_part = report["baselines_on"]
    for name, scores in report["baselines"].items():
        rows[f"{_PARTS[scored_part]}, {name} baseline"] = (counts[scored_part], scores)
    page = f", {REPORT}" * with_page
    seconds = f"{report['training_seconds']:.1f} s of training, {report['seconds']:.1f} s in all"
    if isinstance(model, NetworkModel):
        what, files = "network", f", history.json{page}, loss.svg"
        files += ", and the recording of its training" * (model.recording is not None)
        output.say(
            f"network {'-'.join(map(str, model.model.net.widths))}: {report['parameters']:,} "
            f"parameters, {report['engine']} engine"
        )
        output.say(f"{_epochs_text(report)}; {seconds}")
    else:
        what, files = "portfolio", page
        members = [each for each in report["leaderboard"] if each["weight"] > 0]
        output.say(
            f"portfolio of {len(members)} of {len(report['leaderboard'])} configurations: "
            f"{report['networks']} networks, {report['parameters']:,} parameters; {seconds}"
        )
        output.say("\n" + "\n".join([leaderboard(report), *left_out_lines(report)]))
    intervals = report.get("score_intervals", {})
    shown = {name: _intervals_of(report, what, scored_part, name) for name in rows}
    output.say(f"\n{output.scores(rows, shown, intervals.get('level', 0.95))}")
    output.say(output.scored_as(model.schema))
    for line in verdict_lines(report, what):
        output.say(line)
    if said := fitted.groups().text:
        output.say(output.sentence(said))
    for line in origin_lines(model, folder):
        output.say(line)
    output.say(f"Saved in {folder}: the model{files}.")
    notes = report["notes"]
    output.notes(notes[:_MOST_NOTES])
    if len(notes) > _MOST_NOTES:
        output.notes([f"… and {len(notes) - _MOST_NOTES} more; the option --json writes all"])


def _intervals_of(
    report: Mapping[str, Any], what: str, scored_part: str, name: str
) -> Mapping[str, Any]:
    """Return the intervals of the scores in a line of the table; they are of one part's rows."""
    part = _PARTS[scored_part]
    of = what if name == part else name.removeprefix(f"{part}, ").removesuffix(" baseline")
    found: Mapping[str, Any] = report.get("score_intervals", {}).get("scores", {}).get(of, {})
    return found


def _epochs_text(report: Mapping[str, Any]) -> str:
    epochs = report["epochs"]
    if not epochs:
        return f"stopped before the first epoch was over ({report['stopped']})"
    text = f"{epochs} epoch{'s' * (epochs > 1)} ({report['stopped']})"
    return f"{text}, kept epoch {report['best_epoch']}"


def fit_report(fitted: Fitted, folder: Path) -> None:
    """Print the schema, the settings and the scores as one JSON object."""
    model, groups = fitted.model, fitted.groups()
    fingerprint, beside = model_checksums(folder)
    schema = model.schema
    columns = [
        {"name": column.name, "kind": column.kind, "missing": column.missing}
        for column in schema.columns
    ]
    report = {name: value for name, value in model.report.items() if name not in _NOT_PRINTED}
    notes = dict.fromkeys(map(output.spelled, (*schema.remarks(), *report["notes"])))
    report["notes"] = list(notes)
    report["advice"] = [output.spelled(each) for each in report["advice"]]
    trained: dict[str, Any] = {}
    if isinstance(model, NetworkModel):
        recorded = None if model.recording is None else model.recording.end
        trained = {"network": list(model.model.net.widths), "recorded_steps": recorded}
    output.json_object(
        {
            "model": str(folder),
            "model_fingerprint": fingerprint,
            "extras_sha256": beside,
            "trained_on": training_table(dataclasses.asdict(schema), model.report),
            "target": None if schema.target is None else schema.target.name,
            "task_reason": schema.task_reason,
            "other_task": schema.other_task or None,
            "classes": list(schema.classes),
            "columns": columns,
            "ids": list(schema.ids),
            "left_out": dict(schema.dropped) | dict.fromkeys(schema.ignored, "on request"),
            **trained,
            "settings": model.settings,
            **report,
            "worst_group": groups.text if groups.worse else None,
            "groups": groups.text or None,
            "report_seconds": fitted.report_seconds,
        }
    )

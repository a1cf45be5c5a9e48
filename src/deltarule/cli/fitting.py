"""``deltarule fit``: read, say what was understood, train in sight, score, save."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltarule.cli import output
from deltarule.cli.pictures import loss_picture
from deltarule.estimators import TableModel, TableSettings, fit_table
from deltarule.files import write_bytes
from deltarule.tables import DEFAULT_NA, infer_schema, read_table
from deltarule.training import Event

__all__ = ["Request", "fit_and_save"]


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked for."""

    data: str
    table: str | None
    sql: str | None
    na: tuple[str, ...]
    target: str
    task: str
    ignore: tuple[str, ...]
    weights: str | None
    settings: TableSettings
    folder: Path
    force: bool


def fit_and_save(request: Request, *, quiet: bool) -> TableModel:
    """Train, save the model's folder with ``loss.svg``, and report."""
    table = read_table(
        request.data, table=request.table, sql=request.sql, na=(*DEFAULT_NA, *request.na)
    )
    schema = infer_schema(
        table,
        request.target,
        task=request.task,
        ignore=request.ignore,
        weights=request.weights,
    )
    if not quiet:
        output.say(schema.describe())
        output.say("")
    with _live(quiet) as callbacks:
        model = fit_table(table, schema, request.settings, callbacks=callbacks)
    model.save(request.folder, overwrite=request.force)
    write_bytes(request.folder / "loss.svg", loss_picture(model.history, model.report))
    if not quiet:
        _report(model, request.folder)
    return model


@contextmanager
def _live(quiet: bool) -> Iterator[list[Callable[[Event], Any]]]:
    """A line that follows the loss, on a terminal; nothing where output is a file or a pipe."""
    if quiet or not output.console.is_terminal:
        yield []
        return
    with output.console.status("training") as status:

        def show(event: Event) -> None:
            record = event.history.records[-1]
            text = f"epoch {event.epoch} of at most {event.epochs}   loss {record.loss:.4g}"
            if record.validation_loss is not None:
                text += f"   validation {record.validation_loss:.4g} (best in {event.best_epoch})"
            status.update(text)

        yield [show]


def _report(model: TableModel, folder: Path) -> None:
    report = model.report
    names = {"train": "training", "valid": "validation", "test": "test"}
    rows: dict[str, Any] = {
        names[part]: (report["rows"][part], report["scores"][part])
        for part in names
        if part in report["scores"]
    }
    on = names[report["baselines_on"]]
    for name, scores in report["baselines"].items():
        rows[f"{on}, {name} baseline"] = (report["rows"][report["baselines_on"]], scores)
    output.say(
        f"network {'-'.join(map(str, model.model.net.widths))}, {report['parameters']:,} "
        f"parameters; {report['epochs']} epochs ({report['stopped']}), "
        f"best {report['best_epoch']}; "
        f"{report['training_seconds']:.1f} s of training, {report['seconds']:.1f} s in all"
    )
    output.say("")
    output.scores(rows)
    output.notes(report["notes"])
    output.say("")
    output.say(f"saved in {folder}: model, history.json, loss.svg")

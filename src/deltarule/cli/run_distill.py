"""``deltarule distill`` and ``deltarule update``: another model from a portfolio and rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from deltarule.cli import output
from deltarule.cli.output_paths import (
    check_data,
    check_model_folder,
    fingerprint_lines,
    saved_or_elsewhere,
)
from deltarule.cli.run_predict import load_table_model, read_rows
from deltarule.errors import FileError
from deltarule.settings import checked
from deltarule.tables import Table
from deltarule.tabular import NetworkModel, PortfolioModel, TableModel
from deltarule.tabular.rows_seen import ROW_DIGESTS
from deltarule.training.inspection import distilled_text, model_fingerprint, training_table

__all__ = ["PortfolioTask", "distill_and_save", "update_and_save"]

_Model = TypeVar("_Model", bound=TableModel)


@dataclasses.dataclass(frozen=True)
class PortfolioTask:
    """The options of both commands."""

    model: Path
    data: str | None
    table: str | None
    sql: str | None
    reading: Mapping[str, Any]
    out: Path
    seed: int
    force: bool
    as_json: bool
    quiet: bool


def distill_and_save(task: PortfolioTask) -> None:
    """Train one network on the predictions of a portfolio, save it, and report."""
    # Read first: the portfolio's files may be replaced by those of the network.
    source = model_fingerprint(task.model)

    def distil(model: PortfolioModel, rows: Table) -> NetworkModel:
        network = model.distill(rows, seed=task.seed)
        network.report["distilled"]["portfolio"] = source
        return network

    network, notes = _trained(task, distil)
    report = network.report
    widths = "-".join(map(str, network.model.net.widths))
    learned = f"{report['rows']['train']:,} rows, and {report['mixed_rows']:,} mixed from them"
    seconds = f"{report['training_seconds']:.1f} s of training"
    said = [f"network {widths}: {report['parameters']:,} parameters; {seconds} on {learned}"]
    if "test" in report["scores"]:
        count, scores = report["rows"]["test"], report["scores"]["test"]
        portfolio = report["baselines"]["portfolio"]
        of_both = {"network": (count, scores), "portfolio": (count, portfolio)}
        said.append(f"\n{output.scores(of_both, report['score_intervals']['scores'])}\n")
        key, name = ("rmse", "RMSE") if network.task == "regression" else ("log_loss", "log loss")
        if portfolio[key] > 0:
            ratio = scores[key] / portfolio[key]
            said.append(f"The network's {name} is {ratio:.3f} times that of the portfolio.")
    distance = {**report["distilled"], "portfolio": None}
    said.append(f"Distance: {distilled_text(distance)}.")
    _report(task, network, said, notes)


def update_and_save(task: PortfolioTask) -> None:
    """Train the networks of a portfolio further on new rows, save them, and report."""
    model, notes = _trained(task, lambda model, rows: model.update(rows, seed=task.seed))
    report = model.report
    count = report["rows"]["train"]
    scores = {
        "before": (count, report["baselines"]["before"]),
        "after, out of fold": (count, report["scores"]["out_of_fold"]),
    }
    _report(task, model, [f"{output.scores(scores)}\n"], notes)


def _trained(
    task: PortfolioTask, train: Callable[[PortfolioModel, Table], _Model]
) -> tuple[_Model, list[str]]:
    """Return what is trained of a portfolio and rows, after it is saved, and notes on the rows."""
    check_data(task.data, task.sql)
    checked("seed", task.seed)
    check_model_folder(task.out, task.force)
    portfolio = load_table_model(task.model)
    if not isinstance(portfolio, PortfolioModel):
        raise FileError(
            f"{str(task.model)!r} holds a single network; expected a portfolio of networks, which "
            "'deltarule fit' trains unless an option asks for a single network"
        )
    with output.live(task.quiet or task.as_json) as show:
        show(output.reading(task.data))
        rows = read_rows(portfolio, task.data, task.table, task.sql, task.reading)
        show("training")
        trained = train(portfolio, rows)
        saved_or_elsewhere(
            task.out,
            lambda folder: trained.save(folder, overwrite=task.force),
            trained.save,
            "the model in ",
        )
    return trained, [*trained.report["data_notes"], *trained.report["notes"]]


def _report(task: PortfolioTask, model: TableModel, said: list[str], notes: list[str]) -> None:
    """Print what was trained: as one JSON object, or as lines and notes."""
    if task.as_json:
        fingerprint = model_fingerprint(task.out)
        hidden = ("data_notes", "fingerprint", ROW_DIGESTS)
        report = {name: each for name, each in model.report.items() if name not in hidden}
        report["notes"] = list(map(output.spelled, notes))
        table = training_table(dataclasses.asdict(model.schema), model.report)
        output.json_object(
            {
                "model": str(task.out),
                "model_fingerprint": fingerprint,
                "trained_on": table,
                **report,
            }
        )
    elif not task.quiet:
        for each in said:
            output.say(each)
        for line in fingerprint_lines(task.out):
            output.say(line)
        output.say(f"Saved in {task.out}: the model.")
        output.notes(notes)

"""``deltarule predict`` and ``deltarule evaluate``: a model applied to a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.cli import output
from deltarule.cli.evaluate_large import evaluate_large
from deltarule.cli.id_columns import check_output_names, possible_ids, take_ids
from deltarule.cli.output_paths import (
    FORMATS,
    check_data,
    check_output_file,
    write_output,
    write_predictions,
)
from deltarule.cli.predict_large import PredictedColumns, is_large, predict_large
from deltarule.errors import FileError, InputError, Message, Parameter
from deltarule.files import has_bundle, is_single_file_name
from deltarule.tables import Table, TypedColumns, apply_schema, read_table
from deltarule.tables.beyond_training import beyond_training
from deltarule.tabular import PortfolioModel, TableModel
from deltarule.tabular.diagnostics import ScoredRows
from deltarule.tabular.intervals import interval_levels
from deltarule.tabular.rows_seen import RowsSeen
from deltarule.training.inspection import model_fingerprint
from deltarule.training.model import KIND as MODEL

# The most rows, times the classes that are ranked, whose scores are resampled: a second of work.
_MOST_RESAMPLED = 100_000

__all__ = ["evaluate_table", "load_table_model", "predict_table", "read_rows"]


def load_table_model(folder: Path) -> TableModel:
    """Load the model of a table from a folder or a single file."""
    if folder.is_file() and not is_single_file_name(folder) and not has_bundle(folder, MODEL):
        raise FileError(
            f"{str(folder)!r} is not a folder",
            expected="a folder with a deltarule model, or a .deltarule file",
            hint="name the model first and the table after it: MODEL DATA",
        )
    return TableModel.load(folder)


def read_rows(
    model: TableModel,
    data: str | None,
    table: str | None,
    sql: str | None,
    reading: Mapping[str, Any] | None,
    texts: Iterable[str] = (),
) -> Table:
    """Read a table as that of the model's training was read."""
    schema = model.schema
    return read_table(
        data,
        table=table,
        sql=sql,
        na=schema.na,
        number_formats=schema.number_formats,
        texts=texts,
        **(reading or {}),
    )


def predict_table(
    folder: Path,
    data: str | None,
    out: Path | None,
    *,
    table: str | None,
    sql: str | None,
    reading: Mapping[str, Any] | None = None,
    ids: Sequence[str] = (),
    proba: bool,
    coverage: float | None = None,
    force: bool,
    as_json: bool,
    quiet: bool,
    safe_csv: bool = False,
) -> None:
    """Write a prediction for each row, in the table's order."""
    check_data(data, sql)
    if out is not None:
        check_output_file(out, force, "--out", FORMATS)
    suffix = (".jsonl" if as_json else ".csv") if out is None else out.suffix.lower()
    if safe_csv and suffix in (".jsonl", ".parquet"):
        what = "JSON" if suffix == ".jsonl" else "Parquet"
        raise InputError(
            Message(Parameter("safe_csv"), f" was given for {what}"),
            parameter="safe_csv",
            expected="CSV or TSV, which spreadsheets open",
            hint=Message("leave it out, or name a .csv file with ", Parameter("out")),
        )
    ends = None if coverage is None else interval_levels(coverage)
    model = load_table_model(folder)
    if ends is not None and not model.has_intervals:
        raise InputError(
            Message(Parameter("coverage"), f" was given, and {str(folder)!r} has no intervals"),
            parameter="coverage",
            given=coverage,
            expected="a portfolio of networks for a number",
            hint=Message("leave ", Parameter("coverage"), " out"),
        )
    if proba and model.task == "regression":
        raise InputError(
            Message(Parameter("proba"), f" was given, and {str(folder)!r} predicts a number"),
            parameter="proba",
            expected="a model of classes",
            hint=Message("leave ", Parameter("proba"), " out"),
        )
    outputs = PredictedColumns(model, proba, ends)
    if data is not None and not (as_json and out is None) and is_large(data, sql, reading or {}):
        rows, notes = predict_large(
            data,
            out,
            table=table,
            reading=reading or {},
            ids=ids,
            outputs=outputs,
            force=force,
            quiet=quiet or as_json,
            safe_csv=safe_csv,
        )
        _report_predictions(rows, notes, out, as_json=as_json, quiet=quiet)
        return
    with output.live(quiet or as_json) as show:
        show(f"reading {data or 'the SQL result'}")
        read = read_rows(model, data, table, sql, reading, possible_ids(model.schema, ids))
        read, id_columns = take_ids(model.schema, read, ids)
        check_output_names(id_columns, outputs.names)
        typed = apply_schema(model.schema, read, need_target=False)
        show("predicting")
        predicted = outputs.of(typed)
        columns: dict[str, Any] = id_columns | predicted
        far = beyond_training(model.schema, typed)
        notes = [output.spelled(note) for note in (*typed.notes, *model.notes(typed), *far)]
        if out is not None:
            show(f"writing {out}")
            write_predictions(out, columns, force, safe_csv=safe_csv)
    if out is None and not as_json:  # after the status line is removed
        write_predictions(None, columns, safe_csv=safe_csv)
    if as_json and out is None:
        report: dict[str, Any] = {"rows": len(typed), "notes": notes}
        report |= {name: values.tolist() for name, values in predicted.items()}
        if id_columns:
            report["ids"] = {name: values.tolist() for name, values in id_columns.items()}
        output.json_object(report)
        return
    _report_predictions(len(typed), notes, out, as_json=as_json, quiet=quiet)


def _report_predictions(
    rows: int, notes: Sequence[str], out: Path | None, *, as_json: bool, quiet: bool
) -> None:
    """Say how many predictions were written, and the notes on them."""
    if as_json:
        output.json_object({"rows": rows, "notes": list(notes), "out": str(out)})
    elif not quiet:
        output.notes(notes)
        if out is not None:
            output.say(f"Wrote {rows:,} predictions to {out}.")


def evaluate_table(
    folder: Path,
    data: str | None,
    *,
    table: str | None,
    sql: str | None,
    reading: Mapping[str, Any] | None = None,
    report: Path | None = None,
    force: bool = False,
    as_json: bool,
) -> None:
    """Print the scores of a model on a table whose target is known, and write a report."""
    check_data(data, sql)
    if report is not None:
        check_output_file(report, force, "--report", (".html", ".htm"))
    model = load_table_model(folder)
    rows: Table | ScoredRows | None
    with output.live(as_json) as show:
        show(f"reading {data or 'the SQL result'}")
        if data is not None and is_large(data, sql, reading or {}):
            large = evaluate_large(
                model,
                data,
                table=table,
                reading=reading or {},
                show=show,
                report=report is not None,
            )
            source, n_rows, scores, notes, is_training_table, rows, seen = large
            intervals: Mapping[str, Any] = {}
            worst = ""
        else:
            read = read_rows(model, data, table, sql, reading)
            typed = apply_schema(model.schema, read)
            show("scoring")
            source, n_rows, rows = read.source, len(typed), read
            outputs = model.outputs(typed)
            scores = model.score(typed, outputs)
            notes = [output.spelled(note) for note in (*typed.notes, *model.notes(typed))]
            is_training_table = model.trained_on(typed)
            seen = model.rows_seen(typed)
            # Of rows that the model learned from, an interval would promise too much; and which of
            # them are predicted badly says little about others.
            learned = is_training_table or (seen is not None and seen.too_many)
            intervals = {} if learned else _intervals(model, typed, outputs)
            worst = "" if learned else _worst_group(model, typed, outputs)
        if report is not None:
            from deltarule.cli.app import parameters_of
            from deltarule.explain.report import report_html

            show("writing the report")
            # What the report advises is an option of 'deltarule fit'.
            with output.options_of(parameters_of("fit")):
                page = report_html(
                    model,
                    rows,
                    folder=str(folder),
                    spell=output.spelled,
                    fingerprint=model_fingerprint(folder),
                    source=source,
                )
            write_output(report, force, page.encode("utf-8"), "the report in ")
    about_rows = _about_rows(n_rows, seen, is_training_table)
    test = model.report["scores"].get("test")
    if as_json:
        output.json_object(
            {
                "rows": n_rows,
                "scores": scores,
                "score_intervals": intervals,
                "test_scores": test,
                "seen": is_training_table,
                "worst_group": worst or None,
                "rows_seen": None if seen is None else seen.found,
                "rows_compared": 0 if seen is None else seen.compared,
                "notes": [*about_rows, *notes],
            }
        )
        return
    source = source if len(source) <= 40 else f"…{source[-39:]}"
    name, name_of_test = output.plain(source), "test rows, when trained"
    table_of_scores = {name: (n_rows, scores)}
    ends: dict[str, Mapping[str, Any]] = {name: intervals}
    if test is not None:
        counts = model.report.get("scored_rows", model.report["rows"])
        table_of_scores[name_of_test] = (counts["test"], test)
        ends[name_of_test] = _intervals_of_test(model)
    target = model.schema.target
    what = "" if target is None else f" of {target.name!r}"
    output.say(f"{folder}: {model.task}{what}\n\n{output.scores(table_of_scores, ends)}")
    if worst:
        output.say(f"\n{worst[:1].upper()}{worst[1:]}.")
    for line in about_rows:  # where a saved standard output has it
        output.say(f"note: {line}")
    if report is not None:
        output.say(f"\nThe report is in {report}.")
    output.notes(notes)


def _worst_group(model: TableModel, typed: TypedColumns, outputs: NDArray[np.float64]) -> str:
    """Return the worst group of rows in words, if it is worse beyond chance."""
    from deltarule.explain.report.groups import worst_group_words
    from deltarule.tabular.diagnostics import ScoredRows
    from deltarule.tabular.network_fit import true_values
    from deltarule.tabular.splitting import row_weights

    if len(typed) < 2:
        return ""
    return worst_group_words(
        ScoredRows(
            "given",
            model.task,
            model.classes,
            model.schema,
            typed,
            true_values(model.target, typed),
            outputs,
            row_weights(typed),
            model.outputs,
        )
    )


def _about_rows(n_rows: int, seen: RowsSeen | None, is_training_table: bool) -> list[str]:
    """Return notes on rows that the model was made from."""
    if is_training_table:
        said = "these are the rows the model was made from, most of which it was trained on; its "
        return [f"{said}scores on new rows are those of the test rows"]
    if seen is None:
        said = "whether some of these rows were among those the model was made from cannot be known"
        return [f"{said}: it was saved without digests of its rows"]
    said = seen.text(n_rows)
    if said and seen.too_many:
        said += "; the scores are not those of new rows, so they have no intervals"
    return [said] if said else []


def _intervals(
    model: TableModel, typed: TypedColumns, outputs: NDArray[np.float64]
) -> dict[str, Any]:
    """Return the ends of the scores' 95 % intervals; none for so many rows that it takes long."""
    # An AUC of several classes is a mean over the classes, each of which is resampled.
    ranked = len(model.classes) if len(model.classes) > 2 else 1
    if not 1 < len(typed) * ranked <= _MOST_RESAMPLED:
        return {}
    # Imported here: predictions need neither.
    from deltarule.tabular.bootstrap import bootstrap_intervals
    from deltarule.tabular.network_fit import true_values

    truth = true_values(model.target, typed)
    found = bootstrap_intervals(model.task, truth, {"model": outputs}, typed.weights)
    ends: dict[str, Any] = found["scores"]["model"]
    return ends


def _intervals_of_test(model: TableModel) -> Mapping[str, Any]:
    """Return the intervals of the scores of the test rows, if they were scored with baselines."""
    report, what = model.report, "portfolio" if isinstance(model, PortfolioModel) else "network"
    if report.get("baselines_on") != "test":
        return {}
    found: Mapping[str, Any] = report.get("score_intervals", {}).get("scores", {}).get(what, {})
    return found

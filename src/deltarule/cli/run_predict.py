"""``deltarule predict``: a model applied to a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.cli import output
from deltarule.cli.id_columns import check_output_names, possible_ids, take_ids
from deltarule.cli.output_paths import (
    FORMATS,
    check_data,
    check_output_file,
    write_predictions,
)
from deltarule.cli.predict_large import PredictedColumns, is_large, predict_large
from deltarule.errors import FileError, InputError, Message, Parameter
from deltarule.files import has_bundle, is_single_file_name
from deltarule.tables import Table, apply_schema, read_table
from deltarule.tables.beyond_training import beyond_training
from deltarule.tabular import TableModel
from deltarule.tabular.intervals import interval_levels
from deltarule.training.model import KIND as MODEL

__all__ = ["load_table_model", "predict_table", "read_rows"]


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
        show(output.reading(data))
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

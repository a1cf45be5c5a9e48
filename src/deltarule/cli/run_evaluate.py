"""``deltarule evaluate``: the scores of a model on a table with a target."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.cli import output
from deltarule.cli.evaluate_large import evaluate_large
from deltarule.cli.group_line import NO_GROUPS, groups_line
from deltarule.cli.output_paths import (
    changed_extras,
    check_data,
    check_output_file,
    write_output,
    written_checksum,
)
from deltarule.cli.predict_large import is_large
from deltarule.cli.report_check import ReportCheck, check_report
from deltarule.cli.run_predict import load_table_model, read_rows
from deltarule.cli.table_comparison import TableComparison, compare_tables
from deltarule.tables import Table, TypedColumns, apply_schema
from deltarule.tabular import PortfolioModel, TableModel
from deltarule.tabular.diagnostics.rows import ScoredRows, scored_part
from deltarule.tabular.rows_seen import ROW_DIGESTS, RowsSeen
from deltarule.training.inspection import model_fingerprint

__all__ = ["evaluate_table"]

# The most rows, times the classes that are ranked, whose scores are resampled: a second of work.
_MOST_RESAMPLED = 100_000
# Up to here another machine's rounding may be the reason of another score: a row or two beside the
# limit between classes that get another class.
_ROUNDING = 5e-3


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
    fingerprint = model_fingerprint(folder)
    rows: Table | ScoredRows | None
    compared: TableComparison | None = None
    beside: ReportCheck | None = None
    page = b""
    with output.live(as_json) as show:
        show(output.reading(data))
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
            by_name = is_training_table
            intervals: Mapping[str, Any] = {}
            groups = NO_GROUPS
        else:
            read = read_rows(model, data, table, sql, reading)
            typed = apply_schema(model.schema, read)
            show("scoring")
            source, n_rows, rows = read.source, len(typed), read
            outputs = model.outputs(typed)
            scores = model.score(typed, outputs)
            notes = [output.spelled(note) for note in (*typed.notes, *model.notes(typed))]
            by_name = _may_be_training_table(model, read)
            is_training_table = by_name or model.trained_on(typed)
            seen = model.rows_seen(typed)
            compared = compare_tables(model, typed, source)
            # Of rows that the model learned from, an interval would promise too much; and which of
            # them are predicted badly says little about others.
            learned = is_training_table or (seen is not None and seen.too_many)
            intervals = {} if learned else _intervals(model, typed, outputs)
            judged = _judged_rows(model, typed, outputs, is_training_table, learned)
            groups = NO_GROUPS if judged is None else groups_line(model, judged)
            notes += _other_scores(model, judged)
            if judged is not None and model.trained_on(typed):
                show("comparing the report")
                beside = check_report(model, judged, folder, source=source, fingerprint=fingerprint)
        if report is not None:
            from deltarule.cli.app import parameters_of
            from deltarule.explain.report import report_html

            show("writing the report")
            # What the report advises is an option of 'deltarule fit'.
            with output.options_of(parameters_of("fit")):
                html = report_html(
                    model,
                    rows,
                    folder=str(folder),
                    spell=output.spelled,
                    fingerprint=fingerprint,
                    source=source,
                )
            page = html.encode("utf-8")
            write_output(report, force, page, "the report in ")
    if beside is not None and not beside.equal:
        notes.append(beside.text)
    notes += changed_extras(folder, unnamed=True)
    test = model.report["scores"].get("test")
    about_rows = _about_rows(
        n_rows, seen, is_training_table, by_name=by_name, has_test_rows=test is not None
    )
    if as_json:
        output.json_object(
            {
                "model_fingerprint": fingerprint,
                "report_sha256": hashlib.sha256(page).hexdigest() if page else None,
                "rows": n_rows,
                "scores": scores,
                "score_intervals": intervals,
                "test_scores": test,
                "seen": is_training_table,
                "worst_group": groups.text if groups.worse else None,
                "groups": groups.text or None,
                "rows_seen": None if seen is None else seen.found,
                "rows_compared": 0 if seen is None else seen.compared,
                "tables": None if compared is None else dataclasses.asdict(compared),
                "report_as_given": None if beside is None else beside.equal,
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
    from deltarule.cli.app import parameters_of

    with output.options_of(parameters_of("fit")):  # which decides it
        said = output.scored_as(model.schema)
    if said:
        output.say(said.rstrip())
    if groups.text:
        output.say(f"\n{output.sentence(groups.text)}")
    for line in about_rows:  # where a saved standard output has it
        output.say(f"note: {line}")
    if compared is not None:
        output.say("\n" + "\n".join(compared.lines()))
    if beside is not None and beside.equal:
        output.say(f"{beside.text}.")
    if report is not None:
        output.say(f"\nThe report is in {report}. {written_checksum(page)}")
    output.notes(notes)


def _may_be_training_table(model: TableModel, read: Table) -> bool:
    """Whether a table may be that of a training larger than memory, by its name and its rows."""
    known = model.report.get("fingerprint") or model.report.get(ROW_DIGESTS)
    schema = model.schema
    return not known and (read.source, len(read)) == (schema.source, schema.n_rows)


def _judged_rows(
    model: TableModel,
    typed: TypedColumns,
    outputs: NDArray[np.float64],
    is_training_table: bool,
    learned: bool,
) -> ScoredRows | None:
    """Return the rows whose groups are compared: of the training table those held out."""
    if not learned:
        return scored_part(model, typed, "given", outputs)
    if not (is_training_table and model.trained_on(typed)):
        return None
    return model.scored_rows(typed)


def _other_scores(model: TableModel, judged: ScoredRows | None) -> list[str]:
    """Return the scores of the test rows that are not those that the model's files say."""
    held = model.report["scores"].get("test")
    if judged is None or judged.part != "test" or held is None:
        return []
    found = model.score(judged.typed, judged.outputs)
    pairs = {name: (value, held.get(name)) for name, value in found.items()}
    return [
        f"of the test rows the model gives the {name.replace('_', ' ')} {value:.6g}, where its "
        f"files say {said:.6g}: a file was edited since{_or_rounding(value, said)}"
        for name, (value, said) in pairs.items()
        # Another machine may round otherwise, and a row beside the limit get another class.
        if value is not None
        and said is not None
        and not math.isclose(value, said, rel_tol=1e-3, abs_tol=1e-3)
    ]


def _or_rounding(value: float, said: float) -> str:
    """Return what else than an edit may explain a difference that is small."""
    near = math.isclose(value, said, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    return ", or the precision here is another" if near else ""


def _about_rows(
    n_rows: int,
    seen: RowsSeen | None,
    is_training_table: bool,
    *,
    by_name: bool,
    has_test_rows: bool,
) -> list[str]:
    """Return notes on rows that the model was made from."""
    if is_training_table:
        said = "these are the rows the model was made from"
        if by_name:
            said = f"by the name of the table and the number of its rows, {said}"
        if not has_test_rows:
            return [f"{said}; its scores on new rows are to be expected lower"]
        said += ", most of which it was trained on"
        return [f"{said}; its scores on new rows are those of the test rows"]
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

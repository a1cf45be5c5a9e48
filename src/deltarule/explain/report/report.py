"""The report as one HTML text, and as a file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltarule._version import __version__
from deltarule.explain.page.page import TOOLS, asset, fill_template, script_element, style_text
from deltarule.explain.report.errors import errors_section
from deltarule.explain.report.findings import Findings, find
from deltarule.explain.report.groups import groups_section
from deltarule.explain.report.headline import headline, part_words
from deltarule.explain.report.markup import count, name, text
from deltarule.explain.report.sections import (
    columns_section,
    notes_section,
    scores_section,
    table_section,
    training_section,
)
from deltarule.files import write_bytes
from deltarule.tabular import TableModel
from deltarule.training.training_tables import training_table

__all__ = ["report_html", "write_report"]

_PACKAGE = "deltarule.explain.report"
STYLES = ("page.css", "print.css")
SCRIPTS = ("data.js", "numbers.js", "dom.js", "shell.js")


def report_html(
    model: TableModel,
    table: Any,
    *,
    folder: str = "",
    spell: Callable[[str], str] = str,
    fingerprint: str = "",
    source: str = "",
    beside: bool = False,
) -> str:
    """Return the report on a model as HTML that needs no other file and no script.

    Parameters, errors and rows are those of :func:`write_report`; ``fingerprint`` is that of the
    model's files, if it is saved, ``source`` the name of the rows' table, and ``beside`` says
    that the report is saved beside the model, with a checksum of it.
    """
    found = find(model, table, folder=folder, spell=spell, fingerprint=fingerprint, source=source)
    scripts = "\n".join([*map(asset, SCRIPTS), asset("report.js", _PACKAGE)])
    parts = {
        "<!--TITLE-->": name(f"Predicting {found.target}", 80),
        "<!--PLAIN-->": text(f"Predicting {found.target}"),
        "<!--ABOUT-->": _about(found, beside),
        "/*CSS*/": "\n".join([style_text(STYLES), asset("report.css", _PACKAGE)]),
        "<!--TOOLS-->": asset(TOOLS),
        "<!--HEADLINE-->": headline(found),
        "<!--SCORES-->": scores_section(found),
        "<!--ERRORS-->": errors_section(found),
        "<!--GROUPS-->": groups_section(found),
        "<!--COLUMNS-->": columns_section(found),
        "<!--TRAINING-->": training_section(found),
        "<!--TABLE-->": table_section(found),
        "<!--NOTES-->": notes_section(found),
        "<!--ROWS-->": text(part_words(found)),
        "<!--VERSION-->": text(__version__),
        "<!--SCRIPTS-->": script_element(scripts),
    }
    return fill_template(asset("report.html", _PACKAGE), parts)


def _about(found: Findings, beside: bool) -> str:
    """Return the table that is scored, the training table and the task in a line."""
    schema, report = found.model.schema, found.model.report
    classes = f", {len(found.model.classes)} classes" if found.model.classes else ""
    trained = count(report["rows"].get("train", 0), "row")
    own = f"<b>{name(schema.source or 'a table', 40)}</b>"
    of_own = f"{count(schema.n_rows, 'row')}, {count(len(schema.columns), 'column')}{classes}"
    checksum = training_table(dataclasses.asdict(schema), report)["sha256"]
    digest = f", its cells’ sha256 <code>{text(checksum[:16])}…</code>" if checksum else ""
    if found.rows.part == "given":
        said = (
            f"Scores of <b>{name(found.source or 'the given table', 40)}</b>: "
            f"{count(len(found.rows), 'row')}. The model was trained on {trained} of {own} "
            f"({of_own}{digest})"
        )
    else:
        said = f"{own}: {of_own}; trained on {trained}{digest}"
    if found.fingerprint:
        said += f". The model’s fingerprint: sha256 <code>{text(found.fingerprint)}</code>"
        command = f"deltarule inspect {found.folder} --strict".replace("  ", " ")
        said += f"; <code>{text(command)}</code> shows it, and checks the model’s files"
        if beside:
            evaluate = f"deltarule evaluate {found.folder} TABLE".replace("  ", " ")
            said += (
                ", whether this report was edited without its checksum in manifest.json, and "
                "whether it shows the scores that the model holds. Whether anything else in it was "
                f"edited: <code>{text(evaluate)}</code>, with the table of the "
                "training, writes it again and compares all words, styles and scripts; or compare "
                "its SHA-256 with one noted elsewhere: <code>deltarule fit</code> prints it, and "
                "<code>inspect</code> again"
            )
        else:
            said += (
                ", but not this page: whether it was edited, only its own SHA-256 shows, which was "
                "printed when it was written, if it was noted elsewhere"
            )
    return said


def write_report(
    model: TableModel,
    table: Any,
    path: str | os.PathLike[str],
    *,
    folder: str = "",
    spell: Callable[[str], str] = str,
) -> Path:
    """Write a report on a model as one HTML file.

    It has the scores beside those of baselines with confidence intervals, the errors, what each
    column does to predictions, the training, and what was done to each column. All numbers are of
    ``model.report``, ``model.scored_rows(table)`` and :mod:`deltarule.tabular.diagnostics`.

    Parameters
    ----------
    model : TableModel
        From :func:`~deltarule.tabular.fit_table`, or loaded.
    table : Table, frame, mapping of str to column, or ScoredRows
        With the target. If it is the table of the training, the report is on its test rows
        (see ``model.scored_rows``), otherwise on all of its rows; or on those of ``ScoredRows``.
    path : path
        The file; an existing one is replaced.
    folder : str
        The model's folder, as the report names it in commands.
    spell : callable
        How a note or advice with parameters is written; as in Python if not given.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If the table's columns do not fit the model's, or its target has an unknown class.
    FileError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from deltarule.tabular import fit_table
    >>> x = np.linspace(-2, 2, 200)
    >>> table = {"x": x, "y": x**2}
    >>> model = fit_table(table, "y", quality="fast")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_report(model, table, pathlib.Path(folder, "report.html"))
    ...     "Better than a constant and than a linear model" in page.read_text(encoding="utf-8")
    True
    """
    write_bytes(path, report_html(model, table, folder=folder, spell=spell).encode("utf-8"))
    return Path(path)

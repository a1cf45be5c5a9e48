"""Whether the report beside a model is what the model and the table of its training give."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from deltarule._version import __version__
from deltarule.cli import output
from deltarule.errors import DeltaruleError, printable
from deltarule.tabular import TableModel
from deltarule.tabular.diagnostics.rows import ScoredRows
from deltarule.training.inspection import REPORT, saved_report

__all__ = ["ReportCheck", "check_report"]


class ReportCheck(NamedTuple):
    """What the comparison of the report beside a model with a new one found.

    Attributes
    ----------
    equal : bool or None
        Whether they are equal in all words, tags, styles and scripts; None if they cannot be
        compared. A saved note has no options: whether it writes a parameter as one is no matter.
    text : str
        It in words.
    """

    equal: bool | None
    text: str


def check_report(
    model: TableModel, rows: ScoredRows, folder: Path, *, source: str, fingerprint: str
) -> ReportCheck | None:
    """Write the report of a model's training again, in memory, and compare all that it holds.

    A report is a function of the model and the table. So one whose model is true cannot be forged,
    whatever was done with its checksum. Scores, intervals and baselines that the model's files hold
    are taken from these: that they are true is for the fingerprint to say, or a second training.

    Parameters
    ----------
    model : TableModel
    rows : ScoredRows
        Those of the table of its training that its report is on, as ``model.scored_rows`` says.
    folder : Path
        Of the model's files.
    source : str
        The name of that table.
    fingerprint : str
        Of the model's files.

    Returns
    -------
    ReportCheck or None
        None if there is no report.
    """
    from deltarule.cli.app import parameters_of
    from deltarule.explain.report import report_html
    from deltarule.explain.report.comparison import named_folder, named_version, page_differences

    content = saved_report(folder)
    if content is None:
        if not os.path.lexists(folder / REPORT):
            return None
        return ReportCheck(None, f"{REPORT} could not be compared: it is no plain file of a report")
    scores = model.report["scores"]
    if "out_of_fold" in scores and "test" not in scores:
        return ReportCheck(
            None,
            f"{REPORT} could not be compared: without test rows it is of predictions of the folds, "
            "which are not saved with a model",
        )
    started = time.perf_counter()
    page = content.decode("utf-8", "replace")
    named = named_folder(page) or str(folder)
    try:
        with output.options_of(parameters_of("fit")):  # as it was written
            expected = report_html(
                model,
                rows,
                folder=named,
                spell=output.spelled,
                fingerprint=fingerprint,
                source=source,
                beside=True,
            )
            found = page_differences(page, expected, output.spell)
    except DeltaruleError as error:
        return ReportCheck(None, f"{REPORT} could not be compared: no report can be made: {error}")
    seconds = time.perf_counter() - started
    took = f" (compared in {seconds:.1f} s)" if seconds > 1 else ""
    if content == expected.encode("utf-8") or not found:
        # The name is not checked: a folder may be renamed, and is shown for the reader to judge.
        renamed = f"; it names the folder {printable(named)}" if named != str(folder) else ""
        return ReportCheck(
            True,
            f"{REPORT} is, word for word, what the model's files and this table give{renamed}"
            f"{took}",
        )
    said = f"{REPORT} differs from what the model's files and this table give: {found}{took}"
    version = named_version(page)
    if version and version != __version__:
        said += f"; it says that deltarule {version} wrote it, and this is {__version__}"
    return ReportCheck(False, said)

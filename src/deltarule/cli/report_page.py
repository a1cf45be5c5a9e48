"""The report that ``deltarule fit`` saves with a model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.cli import output
from deltarule.errors import DeltaruleError
from deltarule.tables import Table
from deltarule.tabular import TableModel
from deltarule.training.inspection import REPORT

if TYPE_CHECKING:
    from deltarule.tabular.diagnostics.rows import ScoredRows

__all__ = ["report_page"]


def report_page(
    model: TableModel, table: Table | ScoredRows, folder: Path, fingerprint: str
) -> tuple[dict[str, bytes], float | None]:
    """Return the report as a file of the model's folder, and the seconds that it took.

    Or nothing and None, with a note on why.
    """
    from deltarule.explain.report import report_html

    started = time.perf_counter()
    try:
        page = report_html(
            model,
            table,
            folder=str(folder),
            spell=output.spelled,
            # Of the model that is saved with the report, as what it says of itself.
            fingerprint=fingerprint,
            beside=True,
        )
    except DeltaruleError as error:
        output.notes([f"there is no {REPORT}: {error}"])
        return {}, None
    return {REPORT: page.encode("utf-8")}, time.perf_counter() - started

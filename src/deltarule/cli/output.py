"""What is printed: plain text and tables, with colour only on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

__all__ = ["console", "error", "notes", "say", "scores"]

# Text is printed as it is: a column called "[red]" is no markup, and numbers are not coloured.
console = Console(markup=False, highlight=False, soft_wrap=True)
_errors = Console(markup=False, highlight=False, soft_wrap=True, stderr=True)

_NAMES = {"r2": "R²", "rmse": "RMSE", "mae": "MAE", "auc": "AUC", "log_loss": "log loss"}


def say(text: str) -> None:
    """Print a line."""
    console.print(Text(text))


def error(text: str) -> None:
    """Print an error to standard error."""
    _errors.print(Text.assemble(("error: ", "bold red"), text))


def notes(lines: Sequence[str]) -> None:
    """Print notes to standard error, so that they stay out of what is piped on."""
    for line in lines:
        _errors.print(Text(f"note: {line}"))


def scores(rows: Mapping[str, tuple[int | None, Mapping[str, float | None]]]) -> None:
    """Print a table of scores: a line for each part or model."""
    table = RichTable(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("")
    table.add_column("rows", justify="right")
    first = next(iter(rows.values()))[1]
    for name in first:
        table.add_column(_NAMES.get(name, name), justify="right")
    for label, (count, values) in rows.items():
        cells = ["–" if value is None else f"{value:.4g}" for value in values.values()]
        table.add_row(label, "" if count is None else f"{count:,}", *cells)
    console.print(table)

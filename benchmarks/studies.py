"""What the studies share: the index of a folder of tables, rows of results, means of ratios."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["RowLog", "folder_with", "geometric_mean", "read_index"]


def folder_with(file: str, folder: Path, inner: str) -> Path:
    """Return the folder that has a file: this one, or the one of a name in it.

    Raises
    ------
    SystemExit
        If neither has it.
    """
    for each in (folder, folder / inner):
        if (each / file).is_file():
            return each
    raise SystemExit(f"neither {folder} nor its folder {inner} has a file {file}")


def read_index(folder: Path) -> dict[str, dict[str, str]] | None:
    """Return the rows of a folder's ``index.csv`` by their ``name``; None if there is no such file.

    Parameters
    ----------
    folder : Path
    """
    path = folder / "index.csv"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


class RowLog:
    """Results in a CSV file, written row by row, so that an interrupted study goes on.

    Parameters
    ----------
    path : Path or None
        The file; rows that it has are kept, and new ones are appended. None keeps the rows in
        memory alone.
    fields : sequence of str
        The names of the columns.

    Attributes
    ----------
    rows : list of dict
        All rows; those from the file have values of text.

    Examples
    --------
    >>> log = RowLog(None, ["table", "rmse"])
    >>> log.write({"table": "yacht", "rmse": 0.5})
    >>> log.rows
    [{'table': 'yacht', 'rmse': 0.5}]
    """

    def __init__(self, path: Path | None, fields: Sequence[str]) -> None:
        self._path, self._fields = path, list(fields)
        self.rows: list[dict[str, Any]] = []
        if path is None:
            return
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                self.rows = list(reader)
                if reader.fieldnames != self._fields:
                    raise SystemExit(
                        f"{path} has the columns {reader.fieldnames}; expected {self._fields}; "
                        "name another file"
                    )
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._fields).writeheader()

    def write(self, row: dict[str, Any]) -> None:
        """Append a row; fields that it lacks are empty."""
        self.rows.append(row)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._fields).writerow(row)


def geometric_mean(ratios: Iterable[float]) -> float:
    """Return the geometric mean of positive numbers.

    Examples
    --------
    >>> round(geometric_mean([0.5, 2.0]), 12)
    1.0
    """
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(math.fsum(logs) / len(logs))

"""Columns as CSV: read back as they were, safe for spreadsheets on request, plain on a terminal."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from deltarule.cli.output import plain
from deltarule.tables.cells import parse_number

__all__ = ["csv_text", "safe_cell"]

# A spreadsheet takes a cell that begins so for a formula, quoted or not; the last four are the wide
# forms of the first four.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that looks like one behind a ``'``.

    A number stays a number, also where it is the text of a label. Who reads the file back takes
    the ``'`` away.

    Examples
    --------
    >>> [safe_cell(each) for each in ("=1+1", "-1.5", -1.5, "@you", "plain", "'")]
    ["'=1+1", '-1.5', -1.5, "'@you", 'plain', "'"]
    """
    if isinstance(cell, str) and cell.startswith(_FORMULA) and parse_number(cell) is None:
        return f"'{cell}"
    return cell


def csv_text(
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    delimiter: str = ",",
    safe: bool = False,
    terminal: bool = False,
) -> str:
    r"""A header and rows as CSV, quoted as in RFC 4180, a line feed after each.

    Parameters
    ----------
    names : sequence of str
    rows : iterable of sequences
    delimiter : str
    safe : bool
        Whether cells that a spreadsheet would take for formulas stand behind a ``'``.
    terminal : bool
        Whether control characters are written as escapes, since a terminal would obey them.

    Examples
    --------
    >>> csv_text(["label"], [["a\x1b[2J"], ["b,c"], ["=1+1"]], safe=True, terminal=True)
    'label\na\\x1b[2J\n"b,c"\n\'=1+1\n'
    """
    lines = _Lines()
    # This ending makes csv quote a lone "\r" as well, which ends a line for those who read.
    writer = csv.writer(lines, delimiter=delimiter, lineterminator="\r\n")

    def shown(row: Iterable[Any]) -> list[Any]:
        cells = [safe_cell(cell) for cell in row] if safe else list(row)
        if terminal:
            cells = [
                plain(cell).replace("\n", "\\n") if isinstance(cell, str) else cell
                for cell in cells
            ]
        return cells

    writer.writerow(shown(names))
    writer.writerows(map(shown, rows))
    return "".join(lines.parts)


class _Lines:
    """What csv writes into, a record at a time."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, record: str) -> None:
        self.parts.append(record.removesuffix("\r\n") + "\n")

"""Columns as CSV text, with cells that no spreadsheet or terminal executes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from deltarule.cli.output import plain
from deltarule.tables.cells import parse_number

__all__ = ["csv_text", "safe_cell"]

# A spreadsheet takes a cell that begins with one of these for a formula, quoted or not; the last
# four are the full-width forms of the first four.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula, with a ``'`` before it if needed.

    A number is unchanged, also as the text of a label. A reader of the file must remove the ``'``.

    Examples
    --------
    >>> [safe_cell(each) for each in ("=1+1", "-1.5", -1.5, "@you", "plain", "'")]
    ["'=1+1", '-1.5', -1.5, "'@you", 'plain', "'"]
    """
    if isinstance(cell, str) and cell.startswith(_FORMULA) and parse_number(cell) is None:
        return f"'{cell}"
    return cell


def csv_text(
    names: Sequence[str] | None,
    rows: Iterable[Sequence[Any]],
    *,
    delimiter: str = ",",
    safe: bool = False,
    terminal: bool = False,
) -> str:
    r"""Return a header and rows as CSV, quoted as in RFC 4180, with a line feed after each.

    There is no header if ``names`` is None.

    With ``safe``, a ``'`` is put before cells that a spreadsheet would take for formulas. With
    ``terminal``, control characters, which a terminal would execute, are escaped.

    Examples
    --------
    >>> csv_text(["label"], [["a\x1b[2J"], ["b,c"], ["=1+1"]], safe=True, terminal=True)
    'label\na\\x1b[2J\n"b,c"\n\'=1+1\n'
    """
    lines = _Lines()
    # With this line terminator csv also quotes a lone "\r", which readers take for a line end.
    writer = csv.writer(lines, delimiter=delimiter, lineterminator="\r\n")

    def escaped(row: Iterable[Any]) -> list[Any]:
        cells = [safe_cell(cell) for cell in row] if safe else list(row)
        if terminal:
            cells = [
                plain(cell).replace("\n", "\\n") if isinstance(cell, str) else cell
                for cell in cells
            ]
        return cells

    if names is not None:
        writer.writerow(escaped(names))
    writer.writerows(map(escaped, rows))
    return "".join(lines.parts)


class _Lines:
    """A file-like object that collects the lines that csv writes."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, record: str) -> None:
        self.parts.append(record.removesuffix("\r\n") + "\n")

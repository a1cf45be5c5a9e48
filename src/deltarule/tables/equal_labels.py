"""Labels of a whole column: equal values are one label, and notes say what was merged."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from deltarule.tables.column_values import as_labels
from deltarule.tables.table import Table, join_items
from deltarule.tables.text_column import TextColumn

__all__ = [
    "TRUTH_DIGITS",
    "accept_truth_values",
    "merged_labels",
    "mixes_truth_values",
    "rewritten_notes",
]

TRUTH_DIGITS = {"true": "1", "false": "0"}
"""The digits that stand for truth values."""

_WORDS = {digit: word for word, digit in TRUTH_DIGITS.items()}
_SHOWN = 3


def accept_truth_values(labels: TextColumn, known: Collection[str]) -> TextColumn:
    """Labels in the writing of a stored column of truth values; other columns as they are.

    Where all known labels are ``true`` or ``false``, ``1`` and ``0`` stand for them; where all
    are ``1`` or ``0``, ``true`` and ``false`` do.

    Examples
    --------
    >>> accept_truth_values(TextColumn.from_cells(["1", "true", "2"]), {"true", "false"}).tolist()
    ['true', 'true', '2']
    >>> accept_truth_values(TextColumn.from_cells(["1", "true"]), {"a", "true"}).tolist()
    ['1', 'true']
    """
    for other in (TRUTH_DIGITS, _WORDS):
        if known and all(label in other.values() for label in known):
            return labels.map_texts(lambda text, other=other: other.get(text, text))  # type: ignore[misc]
    return labels


def mixes_truth_values(labels: Collection[str]) -> bool:
    """Whether labels are truth values throughout, some as words and some as 1 or 0.

    Examples
    --------
    >>> [mixes_truth_values(each) for each in (["true", "0"], ["0", "1"], ["true", "0", "2"])]
    [True, False, False]
    """
    found, words, digits = set(labels), set(TRUTH_DIGITS), set(_WORDS)
    return found <= words | digits and bool(found & words) and bool(found & digits)


def merged_labels(table: Table, name: str) -> tuple[TextColumn, list[str]]:
    """The labels of a column of a training table, and notes on values that were merged.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["1.0", "1", "x", "X"])
    >>> labels, notes = merged_labels(Table(("a",), {"a": cells}), "a")
    >>> labels.tolist(), notes
    (['1', '1', 'x', 'X'], ["labels that are the same value are one: '1' and '1.0' are '1'"])
    """
    cells = table.column(name)
    labels = as_labels(cells, table.kinds.get(name))
    if mixes_truth_values(labels.counts()):
        labels = accept_truth_values(labels, {"true", "false"})
    if not isinstance(cells, TextColumn):
        return labels, []
    return labels, _merge_notes(cells, labels)


def rewritten_notes(table: Table, name: str, labels: TextColumn) -> list[str]:
    """A note on classes whose label, which predictions are written with, is not the file's."""
    cells = table.column(name)
    if not isinstance(cells, TextColumn):
        return []
    items = [
        f"{texts[0]!r} as {label!r}"
        for label, texts in sorted(_written_texts(cells, labels).items())
        if texts != [label] and len(texts) == 1
    ]
    return [f"classes are written by their value: {join_items(items, _SHOWN)}"] if items else []


def _written_texts(cells: TextColumn, labels: TextColumn) -> dict[str, list[str]]:
    """For each label the texts of the cells that have it."""
    occurring, first = np.unique(cells.codes, return_index=True)
    written: dict[str, list[str]] = {}
    for code, row in zip(occurring.tolist(), first.tolist(), strict=True):
        if code >= 0:
            written.setdefault(labels[row], []).append(cells.texts[code])
    return written


def _merge_notes(cells: TextColumn, labels: TextColumn) -> list[str]:
    """A note on texts that share a label, which some cells hold."""
    written = _written_texts(cells, labels)
    merged = {label: texts for label, texts in written.items() if len(texts) > 1}
    if not merged:
        return []
    items = [
        f"{' and '.join(map(repr, sorted(texts)[:_SHOWN]))} are {label!r}"
        for label, texts in sorted(merged.items())
    ]
    return [f"labels that are the same value are one: {join_items(items, _SHOWN)}"]

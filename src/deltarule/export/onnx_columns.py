"""The columns of a table as the inputs of an ONNX graph, read as predictions read them.

Numbers and dates are float64, missing where NaN; what is out of a column's scale, infinite or one
of its missing tokens is missing too. Texts are looked up as they are written in a list of all
texts that mean something: which they are, and what each means, the schema itself is asked.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.export.onnx_graph import Graph, GraphValue
from deltarule.export.unseen_text import unseen_text
from deltarule.tables import Column, Schema, Table, TextColumn, apply_schema
from deltarule.tables.cells import is_unicode, parse_date, parse_number

__all__ = ["DATE_DOC", "NUMBER_DOC", "TEXT_DOC", "InputColumns"]

NUMBER_DOC = "number; NaN if missing"
DATE_DOC = "days since 1970-01-01 (UTC), with the time of day as a fraction; NaN if missing"
TEXT_DOC = "text without blanks at its ends, a number as 1 or 2.5; the empty text if missing"

_LARGEST = np.finfo(np.float64).max
# A missing token of more letters is known in lower case, in capitals and with a first capital.
_MOST_LETTERS = 5


class InputColumns:
    """The inputs of a graph for the columns of a schema.

    Attributes
    ----------
    numbers : dict of str to int
        The positions of the columns of numbers and dates in ``values`` and ``missing``.
    values : GraphValue
        Their cells, shape (N, columns); anything where they are missing.
    missing : GraphValue
        Where they are missing.
    texts : dict of str to GraphValue
        The columns of categories, of shape (N,) each.

    Raises
    ------
    InputError
        If the name of a column cannot stand in an ONNX file.
    """

    def __init__(self, graph: Graph, schema: Schema) -> None:
        self.graph, self.schema = graph, schema
        self.texts: dict[str, GraphValue] = {}
        columns: list[tuple[Column, GraphValue]] = []
        for column in schema.columns:
            if not column.name or not is_unicode(column.name):
                raise InputError(
                    f"a column is named {column.name!r}",
                    expected="text that is not empty, and Unicode, which names in ONNX are",
                    hint="rename the column in the table, and fit again",
                )
            is_text = column.kind == "category"
            doc = {"category": TEXT_DOC, "date": DATE_DOC}.get(column.kind, NUMBER_DOC)
            value = graph.input(column.name, "str" if is_text else "float64", ("N",), doc)
            if is_text:
                self.texts[column.name] = value
            else:
                columns.append((column, value))
        self.numbers = {column.name: i for i, (column, _) in enumerate(columns)}
        if columns:
            self._join([column for column, _ in columns], [value for _, value in columns])

    def _join(self, columns: Sequence[Column], values: Sequence[GraphValue]) -> None:
        """Set ``values`` and ``missing``."""
        graph = self.graph
        axis = graph.constant([1], np.int64)
        single = [graph.node("Unsqueeze", value, axis) for value in values]
        self.values: GraphValue = graph.node("Concat", *single, axis=1)
        x = self.values
        low = [-_LARGEST if c.low is None else max(c.low, -_LARGEST) for c in columns]
        high = [_LARGEST if c.high is None else min(c.high, _LARGEST) for c in columns]
        parts = [graph.node("IsNaN", x, dtype="bool")]
        parts += [x < graph.constant(low), x > graph.constant(high)]
        tokens = [_missing_numbers(self.schema, column) for column in columns]
        for together in itertools.zip_longest(*tokens, fillvalue=np.nan):
            parts.append(x == graph.constant(together))
        missing = parts[0]
        for part in parts[1:]:
            missing = graph.node("Or", missing, part, dtype="bool")
        self.missing: GraphValue = missing

    def text_codes(
        self, name: str, known: Sequence[str], codes: Callable[[TextColumn], np.ndarray]
    ) -> GraphValue:
        """Return an integer for each cell of a category, as ``codes`` has it for labels.

        Parameters
        ----------
        name : str
            The column.
        known : sequence of str
            The labels that training saw.
        codes : callable
            From labels, the last of them one that training did not see, to integers.
        """
        column = self.schema[name]
        tokens = _text_tokens(self.schema, column)
        written = list(dict.fromkeys(("", *_spellings(known), *tokens)))
        labels = self._labels(column, [*written, unseen_text(known, tokens)])
        *found, default = codes(labels).tolist()
        pairs = [
            (text, code)
            for text, code in zip(written, found, strict=True)
            if code != default and is_unicode(text)
        ]
        # A list must not be empty: the empty text is missing, whatever that gives.
        pairs = pairs or [("", found[0])]
        coded: GraphValue = self.graph.node(
            "LabelEncoder",
            self.texts[name],
            dtype="int64",
            domain="ai.onnx.ml",
            keys_strings=[text for text, _ in pairs],
            values_int64s=[code for _, code in pairs],
            default_int64=default,
        )
        return coded

    def _labels(self, column: Column, texts: Sequence[str]) -> TextColumn:
        """Return the labels of texts in this column, as a table of them is read."""
        alone = dataclasses.replace(
            self.schema, columns=(column,), target=None, task=None, classes=(), weights=None
        )
        table = Table((column.name,), {column.name: TextColumn.from_cells(texts)})
        found: Any = apply_schema(alone, table, need_target=False).columns[column.name]
        return found


def _tokens(schema: Schema, column: Column) -> tuple[str, ...]:
    """Return the missing tokens of a column: without those of the table if it keeps them."""
    return (*(("",) if column.keep_na else schema.na), *column.na)


def _missing_numbers(schema: Schema, column: Column) -> list[float]:
    """Return the numbers, or days, that mean missing in a column."""
    parse = parse_date if column.kind == "date" else parse_number
    found = (parse(token) for token in _tokens(schema, column))
    return list(dict.fromkeys(number for number in found if number is not None))


def _text_tokens(schema: Schema, column: Column) -> list[str]:
    """Return the missing tokens of a category, in the cases of letters that may occur."""
    found: list[str] = []
    for token in _tokens(schema, column):
        if sum(map(str.isalpha, token)) <= _MOST_LETTERS:
            cases = [sorted({letter.lower(), letter.upper()}) for letter in token]
            found += map("".join, itertools.product(*cases))
        else:
            found += [token, token.upper(), token.capitalize(), token.title()]
    return found


def _spellings(labels: Sequence[str]) -> list[str]:
    """Return labels, and other texts that may be read as them: ``1.0`` for 1, ``True`` for true."""
    found = list(labels)
    for label in labels:
        found += [f"{label}.0", label.capitalize(), label.upper()]
    return [*found, "0", "1", "0.0", "1.0", "true", "false", "True", "False", "TRUE", "FALSE"]

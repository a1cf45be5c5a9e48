"""Reading tables from files and frames, inferring their schema, and encoding them.

::

    read_table, table_from_frame  →  Table           cells as they were read
    infer_schema                  →  Schema          what the columns are (once, in training)
    apply_schema                  →  TypedColumns    columns as the schema says (every time)
    TableEncoder, TargetEncoder   →  ndarray         what a network takes

Importing this loads NumPy only; DuckDB and Narwhals are loaded when a file or a
frame is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names

if TYPE_CHECKING:
    from deltarule.tables.cells import DEFAULT_NA
    from deltarule.tables.frames import table_from_frame
    from deltarule.tables.number_text import NumberFormat
    from deltarule.tables.packed_store import PackedRows, open_store
    from deltarule.tables.packed_writer import StoreWriter
    from deltarule.tables.reading import read_table
    from deltarule.tables.schema import Column, Schema
    from deltarule.tables.schema_inference import infer_schema
    from deltarule.tables.table import Table
    from deltarule.tables.table_encoder import TableEncoder
    from deltarule.tables.table_source import TableSource
    from deltarule.tables.target_encoder import TargetEncoder
    from deltarule.tables.task_choice import TaskChoice, choose_task
    from deltarule.tables.text_column import TextColumn
    from deltarule.tables.typed_columns import TypedColumns, apply_schema

__all__ = [
    "DEFAULT_NA",
    "Column",
    "NumberFormat",
    "PackedRows",
    "Schema",
    "StoreWriter",
    "Table",
    "TableEncoder",
    "TableSource",
    "TargetEncoder",
    "TaskChoice",
    "TextColumn",
    "TypedColumns",
    "apply_schema",
    "choose_task",
    "infer_schema",
    "open_store",
    "read_table",
    "table_from_frame",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "packed_writer": "StoreWriter",
        "packed_store": "PackedRows open_store",
        "cells": "DEFAULT_NA",
        "frames": "table_from_frame",
        "number_text": "NumberFormat",
        "reading": "read_table",
        "schema": "Column Schema",
        "schema_inference": "infer_schema",
        "table": "Table",
        "table_encoder": "TableEncoder",
        "table_source": "TableSource",
        "target_encoder": "TargetEncoder",
        "task_choice": "TaskChoice choose_task",
        "text_column": "TextColumn",
        "typed_columns": "TypedColumns apply_schema",
    },
)

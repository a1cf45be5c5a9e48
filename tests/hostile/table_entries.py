"""Tables, and what is trained on them."""

import functools

import numpy as np
import pandas as pd
from tests.hostile import values as v
from tests.hostile.common import FRAME, NUMBERS_ZERO, TL, TRAIN, TX, TY, X, entry

from deltarule import tables, tabular
from deltarule.tabular.portfolio import Configuration


@functools.cache
def table():
    return tables.table_from_frame(FRAME)


@functools.cache
def schema():
    return tables.infer_schema(table(), "y", task="regression")


entry(
    "table_from_frame",
    tables.table_from_frame,
    {"frame": FRAME},
    {
        "frame": {
            "none": None,
            "number": 3,
            "word": "abc",
            "empty dictionary": {},
            "lengths": {"a": [1, 2], "b": [1]},
            "list": [1, 2],
            "array": X[..., None],
            "duplicate columns": pd.DataFrame(X, columns=["a", "a", "b"]),
            "scalars": {"a": 1},
            "function": len,
            "nothing": pd.DataFrame(),
            "complex": {"a": np.ones(3) * 1j},
            "names of numbers": {1: [1, 2]},
        },
        "na": {"number": 3, "list of numbers": [3], "bool": True},
    },
)
entry(
    "infer_schema",
    lambda **k: tables.infer_schema(**{"table": table(), "target": "y", **k}),
    {},
    {
        "table": {"none": None, "frame": FRAME, "array": X, "text": "x"},
        "target": {"number": 3, "unknown": "zzz", "list": ["y"], "empty": ""},
        "task": v.NO_NAME,
        "ignore": {"number": 3, "unknown": ["zzz"], "numbers": [3]},
        "weights": {"unknown": "zzz", "number": 3, "target": "y"},
        "kinds": {
            "text": "x",
            "number": 3,
            "unknown kind": {"u": "colour"},
            "unknown column": {"zzz": "number"},
        },
        "na": {"number": 3},
        "decimal": {"number": 3, "two": ".."},
        "thousands": {"number": 3, "two": ".."},
        "date_format": {"number": 3},
        "ids": {"number": 3, "unknown": ["zzz"]},
    },
)
entry(
    "fit_table",
    lambda **k: tabular.fit_table(
        **{"table": FRAME, "schema": "y", "settings": tabular.TableSettings(epochs=2), **k}
    ),
    {},
    {
        "table": {
            "none": None,
            "number": 3,
            "absent": "/no/such.csv",
            "device": "/dev/null",
            "array": X[..., None],
            "empty": FRAME[:0],
            "list": [1],
        },
        "schema": {"none": None, "number": 3, "unknown": "zzz", "list": ["y"]},
        "settings": {"text": "x", "number": 3, "dictionary": {"epochs": 3}},
        "callbacks": TRAIN["callbacks"],
        "stop": TRAIN["stop"],
        "progress": {"text": "x", "number": 3},
        "record": {"text": "x", "number": 3},
        "checkpoint": {"number": 3, "list": ["a"]},
    },
)
entry(
    "TableSettings",
    tabular.TableSettings,
    {},
    {
        "rule": v.NO_NAME,
        "learning_rate": NUMBERS_ZERO,
        "epochs": v.NO_COUNT,
        "batch_size": v.NO_COUNT,
        "seed": v.NO_SEED,
        "l2": v.NO_NUMBER,
        "dropout": v.NO_NUMBER,
        "clip_norm": v.NO_NUMBER,
        "layers": {"none": None, "number": 3, "text": "abc", "zero": (0,), "float": (2.5,)},
        "engine": v.NO_NAME,
        "schedule": v.NO_NAME,
    },
)
entry(
    "read_table",
    tables.read_table,
    {"source": "x"},
    {
        "source": {
            "none": None,
            "number": 3,
            "empty": "",
            "absent": "/no/such.csv",
            "device": "/dev/zero",
            "folder": "/dev",
            "nul": "a\0.csv",
            "bytes": b"x.csv",
            "list": ["a.csv"],
            "address": "https://example.org/a.csv",
            "long": "a" * 5000 + ".csv",
        },
        "max_memory": NUMBERS_ZERO,
    },
)
entry(
    "TargetEncoder",
    tables.TargetEncoder,
    {"task": "regression"},
    {"task": v.NO_NAME | {"none": None}},
)
entry(
    "TargetEncoder.fit",
    lambda values, weights=None: tables.TargetEncoder("regression").fit(values, weights),
    {"values": TY},
    {
        "values": {
            "none": None,
            "texts": TL,
            "nan": np.full(5, np.nan),
            "matrix": TX,
            "empty": TY[:0],
            "complex": TY * 1j,
            "number": 3.0,
        },
        "weights": {
            "too few": np.ones(3),
            "negative": -np.ones(60),
            "nan": np.full(60, np.nan),
            "zeros": np.zeros(60),
            "text": "abc",
            "matrix": np.ones((60, 2)),
        },
    },
)
entry(
    "TableEncoder",
    tables.TableEncoder,
    {},
    {
        "numbers": v.NO_NAME | {"none": None},
        "bins": v.NO_COUNT,
        "max_levels": v.NO_COUNT,
        "min_rows": v.NO_COUNT,
        "random_features": {k: b for k, b in v.NO_COUNT.items() if k != "zero"},
        "random_scale": NUMBERS_ZERO,
        "derived": {"number": 3, "text": "zzz"},
    },
)
entry(
    "TableEncoder.fit",
    lambda **k: tables.TableEncoder().fit(**{"columns": table(), "schema": schema(), **k}),
    {},
    {
        "columns": {"none": None, "frame": FRAME, "array": X, "number": 3},
        "schema": {"none": None, "text": "y", "dictionary": {}},
        "weights": {
            "too few": np.ones(3),
            "negative": -np.ones(12),
            "nan": np.full(12, np.nan),
            "text": "abc",
            "zeros": np.zeros(12),
        },
    },
)
entry(
    "apply_schema",
    lambda **k: tables.apply_schema(**{"schema": schema(), "table": table(), **k}),
    {},
    {
        "schema": {"none": None, "text": "y", "number": 3},
        "table": {"none": None, "array": X, "number": 3, "text": "x"},
    },
)
entry(
    "choose_task",
    lambda **k: tables.choose_task(**{"table": table(), "target": "y", **k}),
    {},
    {
        "table": {"none": None, "frame": FRAME},
        "target": {"unknown": "zzz", "number": 3, "none": None},
        "task": v.NO_NAME,
    },
)
entry(
    "Configuration",
    Configuration,
    {"name": "c", "numbers": "robust", "layers": (4,), "activation": "silu"},
    {
        "numbers": v.NO_NAME,
        "layers": {
            "none": None,
            "zero": (0,),
            "text": "abc",
            "floats": (2.5,),
            "number": 3,
            "negative": (-1,),
        },
        "activation": v.NO_NAME,
        "learning_rate": NUMBERS_ZERO,
        "l2": v.NO_NUMBER,
        "dropout": v.NO_NUMBER | {"one": 1.0},
        "epochs": v.NO_COUNT,
        "bins": v.NO_COUNT,
        "patience": v.NO_COUNT,
        "batch_scale": NUMBERS_ZERO,
        "averaging": v.NO_NUMBER,
    },
)

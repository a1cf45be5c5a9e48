"""Four public tables, read, understood and encoded."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from deltarule.tables import (
    Schema,
    TableEncoder,
    TargetEncoder,
    apply_schema,
    infer_schema,
    read_table,
)

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public tables are not here")


@pytest.mark.parametrize(
    ("name", "target", "task", "n_rows", "n_features", "missing"),
    [
        ("california_housing", "median_house_value", "regression", 20640, 14, 207),
        ("adult", "income", "classification", 48842, 108, 2799 + 2809 + 857),
        ("wine_quality_white", "quality", "regression", 4898, 11, 0),
        ("pima_diabetes", "class", "classification", 768, 8, 0),
    ],
)
def test_a_public_table(name, target, task, n_rows, n_features, missing):
    started = time.perf_counter()
    table = read_table(DATA / f"{name}.csv")
    schema = infer_schema(table, target)
    typed = apply_schema(schema, table)
    encoder = TableEncoder().fit(typed, schema)
    X = encoder.transform(typed)
    seconds = time.perf_counter() - started
    assert (schema.task, schema.n_rows, len(table)) == (task, n_rows, n_rows)
    assert X.shape == (n_rows, n_features)
    assert np.isfinite(X).all()
    assert sum(column.missing for column in schema.columns) == missing
    assert table.where(n_rows - 1) == f"line {n_rows + 1}"
    assert schema.dropped == schema.notes == typed.notes == ()
    assert target in schema.describe()
    assert seconds < 15  # a second or so on an idle machine; this guards against a blunder
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    labels = TargetEncoder.from_schema(again).fit(typed.target)
    assert len(labels.transform(apply_schema(again, table).target)) == n_rows


def test_zeros_that_stand_for_missing():
    table = read_table(DATA / "pima_diabetes.csv")
    zeros = dict.fromkeys(("glucose", "blood_pressure", "skin_thickness", "insulin", "bmi"), "0")
    schema = infer_schema(table, "class", na=zeros)
    assert schema["insulin"].missing == 374
    assert schema["glucose"].minimum > 0
    assert schema["pregnancies"].missing == 0
    encoder = TableEncoder().fit(apply_schema(schema, table), schema)
    assert "insulin=(missing)" in encoder.feature_names

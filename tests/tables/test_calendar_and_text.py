"""Dates as elapsed time and phases; free text as projections of its n-grams."""

import json
import subprocess
import sys

import numpy as np

from deltarule.tables import (
    Schema,
    TableEncoder,
    TypedColumns,
    apply_schema,
    infer_schema,
    table_from_frame,
)
from deltarule.tables.calendar_encoder import CalendarEncoder
from deltarule.tables.number_encoders import PiecewiseLinearEncoder, RobustEncoder
from deltarule.tables.schema import Column
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_encoder import FreeTextEncoder
from deltarule.tabular.portfolio import Configuration, fit_portfolio
from deltarule.tabular.text_projection import fit_free_text

WORDS = ["red", "blue", "large", "small", "broken", "new", "engine", "wheel", "door", "sold"]


def _texts(n, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=6)) + f" {i}" for i in range(n)]


def test_periods_are_those_that_vary():
    def periods(cells):
        return CalendarEncoder.fit(RobustEncoder.fit("t", cells, None), cells).periods

    assert periods(np.array([0.0, 7.0, 70.0])) == ()
    assert periods(np.array([0.0, 7.0, 700.0])) == ("year",)
    assert periods(np.array([0.0, 1.0, 70.0, np.nan])) == ("week",)
    assert periods(np.array([0.25, 7.5, 70.0])) == ("day",)
    assert periods(np.full(3, np.nan)) == ()


def test_calendar_features_are_continuous_and_missing_dates_have_none():
    days = np.append(np.arange(1000.0), np.nan)
    for elapsed in (RobustEncoder, PiecewiseLinearEncoder):
        encoder = CalendarEncoder.fit(elapsed.fit("t", days, None), days)
        names = encoder.features()
        out = np.zeros((1001, len(names)))
        encoder.write(days, out)
        yearly = [k for k, name in enumerate(names) if " year" in name]
        assert np.abs(np.diff(out[:1000, yearly], axis=0)).max() < 0.06
        cyclic = [k for k, name in enumerate(names) if "sin " in name or "cos " in name]
        assert (out[-1, cyclic] == 0).all()
        assert names[-1] == "t=(missing)"
        assert out[-1, -1] == 1
        again = CalendarEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())), elapsed)
        assert again == encoder


def test_a_seasonal_table_is_predicted():
    random = np.random.default_rng(0)
    day = random.permutation(1400)[:500]
    dates = np.datetime64("2019-01-01") + day.astype("timedelta64[D]")
    y = np.sin(2 * np.pi * day / 365.25) + (day % 7 < 2) + 0.1 * random.normal(size=500)
    table = table_from_frame({"date": [str(each) for each in dates]})
    schema = infer_schema(table)
    assert schema.columns[0].kind == "date"
    typed = apply_schema(schema, table, need_target=False)
    config = (Configuration("tanh", "robust", (16,), "tanh", 2e-2, epochs=30),)
    portfolio = fit_portfolio(typed, schema, y, configurations=config)
    assert 1 - np.mean((portfolio.oof - y) ** 2) / np.var(y) > 0.9


def test_free_text_is_told_from_categories():
    suits = FreeTextEncoder.suits
    assert suits(TextColumn.from_cells(_texts(100)))
    assert not suits(TextColumn.from_cells(_texts(10) * 10))  # few distinct ones
    assert not suits(TextColumn.from_cells([f"name{i}" for i in range(100)]))  # one word


def test_free_text_predicts_and_is_applied_without_scikit_learn(tmp_path):
    texts = _texts(300)
    texts[7] = None
    counts = np.array([(text or "").split().count("broken") for text in texts], dtype=float)
    typed = TypedColumns({"text": np.array(texts, dtype=object)}, rows=np.arange(300))
    schema = Schema((Column("text", "category"),))
    encoder = TableEncoder().fit(typed, schema, fit_text=fit_free_text)
    assert encoder.feature_names[0] == "text=text 1"
    assert encoder.feature_names[-1] == "text=(missing)"
    X = encoder.transform(typed)
    np.testing.assert_allclose(X[:, :-1].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(X[:, :-1].std(axis=0), 1, rtol=0.01)
    solution = np.linalg.lstsq(np.c_[X, np.ones(300)], counts, rcond=None)[0]
    assert np.corrcoef(np.c_[X, np.ones(300)] @ solution, counts)[0, 1] > 0.8

    record = json.dumps(encoder.to_dict())
    (tmp_path / "record.json").write_text(record, encoding="utf-8")
    code = (
        "import json, sys, numpy as np\n"
        "from deltarule.tables import TableEncoder, TypedColumns\n"
        "encoder = TableEncoder.from_dict(json.load(open(sys.argv[1], encoding='utf-8')))\n"
        "cells = np.array(['a broken wheel', None, 'new'], dtype=object)\n"
        "X = encoder.transform(TypedColumns({'text': cells}, rows=np.arange(3)))\n"
        "assert 'sklearn' not in sys.modules and 'scipy' not in sys.modules\n"
        "np.save(sys.argv[2], X)\n"
    )
    paths = [str(tmp_path / "record.json"), str(tmp_path / "X.npy")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)
    new = np.array(["a broken wheel", None, "new"], dtype=object)
    expected = encoder.transform(TypedColumns({"text": new}, rows=np.arange(3)))
    np.testing.assert_array_equal(np.load(paths[1]), expected)

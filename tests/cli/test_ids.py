"""``--id``: identifiers are no inputs, and stand beside the predictions as they are written."""

import csv
import datetime as dt
import io
import json
import sqlite3
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import FAST

from deltarule.errors import InputError
from deltarule.tables import Schema, infer_schema, read_table, table_from_frame
from deltarule.tabular import TableModel

TRAINING = "id,when,x,y\n" + "".join(
    f"{i:03},{i % 28 + 1:02}/03/2021,{i % 7},{i % 7 * 2 + i % 3}\n" for i in range(60)
)
NEW = 'id,when,x\n007,03/04/2021,1\nNA,"a,b",2\n9007199254740993,,3\n1.50,+1,\n'
IDS = ["007", "NA", "9007199254740993", "1.50"]
DATES = ["03/04/2021", "a,b", "", "+1"]


@pytest.fixture
def folder(deltarule, tmp_path, monkeypatch):
    """A folder with a model that was trained with two columns of identifiers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TRAINING)
    (tmp_path / "new.csv").write_text(NEW)
    fit = ("fit", "t.csv", "-t", "y", "--folds", "0", *FAST)
    assert deltarule(*fit, "--id", "id", "--id", "when", "-o", "m").status == 0
    assert deltarule(*fit, "--ignore", "when", "-o", "plain").status == 0
    return tmp_path


def columns_of(text, delimiter=","):
    header, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def test_they_are_stored_and_no_inputs(folder, deltarule):
    model = TableModel.load(folder / "m")
    assert model.schema.ids == ("id", "when")
    assert model.schema.names == ("x",)
    assert Schema.from_dict(json.loads(json.dumps(model.schema.to_dict()))) == model.schema
    assert "identifiers: 'id', 'when'" in model.schema.describe()
    fitted = deltarule(
        "fit", "t.csv", "-t", "y", *FAST, "--id", "id,when", "--json", "-o", "n"
    ).json
    assert fitted["ids"] == ["id", "when"]
    assert not any("when" in note for note in fitted["notes"])
    assert "left out" not in deltarule("evaluate", "m", "t.csv").err


def test_they_are_written_as_they_are(folder, deltarule):
    for name, delimiter in (("", ","), ("o.csv", ","), ("o.tsv", "\t")):
        outcome = deltarule("predict", "m", "new.csv", *(("--out", name) if name else ()))
        assert outcome.status == 0
        found = columns_of((folder / name).read_text() if name else outcome.out, delimiter)
        assert list(found) == ["id", "when", "prediction"]
        assert (found["id"], found["when"]) == (IDS, DATES)
        assert outcome.err.count("note") == 0
    assert deltarule("predict", "m", "new.csv", "--out", "o.jsonl").status == 0
    rows = [json.loads(line) for line in (folder / "o.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == IDS
    assert rows[2]["when"] is None
    report = deltarule("predict", "m", "new.csv", "--json").json
    assert report["ids"] == {"id": IDS, "when": [*DATES[:2], None, DATES[3]]}
    assert report["prediction"] == [row["prediction"] for row in rows]


def test_a_model_without_them_and_inputs_as_identifiers(folder, deltarule):
    found = columns_of(deltarule("predict", "plain", "new.csv", "--id", "when").out)
    assert list(found) == ["when", "prediction"]
    assert found["when"] == DATES
    plain = columns_of(deltarule("predict", "plain", "new.csv").out)
    both = columns_of(deltarule("predict", "plain", "new.csv", "--id", "x,id").out)
    assert both == {"x": ["1", "2", "3", ""], "id": IDS, "prediction": plain["prediction"]}
    # Those that are given stand for those of the model.
    other = deltarule("predict", "m", "new.csv", "--id", "x")
    assert list(columns_of(other.out)) == ["x", "prediction"]


def test_many_numbers_keep_their_text(folder, deltarule):
    rows = "".join(f"{i}.50,{i % 7},1.0\n" for i in range(2000))
    (folder / "many.csv").write_text("id,x,when\n" + rows)
    found = columns_of(deltarule("predict", "m", "many.csv").out)
    assert found["id"] == [f"{i}.50" for i in range(2000)]
    assert set(found["when"]) == {"1.0"}


def test_they_come_from_every_source(folder, deltarule):
    days = [dt.date(2021, 4, 3), None]
    columns = {"id": [2**53 + 1, 7], "when": days, "x": [1.0, 2.0]}
    pq.write_table(pa.table(columns), folder / "a.parquet")
    prices = pa.array([Decimal("1.50"), None])
    pq.write_table(
        pa.table({"id": ["007", "NA"], "when": prices, "x": [1.0, 2.0]}), folder / "b.parquet"
    )
    with sqlite3.connect(folder / "a.sqlite") as database:
        database.execute('CREATE TABLE t (id, "when", x)')
        rows = [("007", "03/04/2021", 1.0), (2**53 + 1, 7.0, 2.0)]
        database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    database.close()
    (folder / "a.jsonl").write_text(
        '{"id": "007", "when": "03/04/2021", "x": 1}\n'
        '{"id": 9007199254740993, "when": 1.50, "x": 2}\n'
    )
    for source, ids, dates in (
        ("a.parquet", ["9007199254740993", "7"], ["2021-04-03", ""]),
        ("b.parquet", ["007", "NA"], ["1.50", ""]),
        ("a.sqlite", ["007", "9007199254740993"], ["03/04/2021", "7"]),
        ("a.jsonl", ["007", "9007199254740993"], ["03/04/2021", "1.50"]),
    ):
        found = columns_of(deltarule("predict", "m", source).out)
        assert (found["id"], found["when"]) == (ids, dates), source


def test_a_table_without_them_is_refused(folder, deltarule):
    (folder / "less.csv").write_text("ID,x\n1,2\n")
    outcome = deltarule("predict", "m", "less.csv")
    assert outcome.status == 3
    assert "less.csv lacks identifiers: 'id' (is it 'ID'?), 'when'" in outcome.err
    assert "--id" in outcome.err
    assert columns_of(deltarule("predict", "m", "less.csv", "--id", "ID").out)["ID"] == ["1"]


def test_a_name_of_the_output_is_refused(folder, deltarule):
    (folder / "twice.csv").write_text("prediction,x,when\n1,2,3\n")
    outcome = deltarule("predict", "m", "twice.csv", "--id", "prediction")
    assert (
        "--id names 'prediction', which is the name of a column of the predictions" in outcome.err
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"ids": "y"}, {"ids": "x", "ignore": "x"}, {"ids": "x", "weights": "x"},
        {"ids": ["x"], "kinds": {"x": "number"}}, {"ids": "z"}, {"ids": ["x"], "na": {"x": "-"}},
    ],
)  # fmt: skip
def test_what_is_no_identifier(arguments):
    table = table_from_frame({"x": [1.0, 2.0, 3.0], "w": [1, 2, 3], "y": [2.0, 3.0, 5.0]})
    with pytest.raises(InputError, match=r"'[xyz]'"):
        infer_schema(table, "y", **arguments)


def test_an_identifier_that_might_be_a_date_needs_no_format(tmp_path):
    rows = "".join(f"0{i % 9 + 1}/0{i % 7 + 1}/2021,{i}\n" for i in range(30))
    (tmp_path / "a.csv").write_text("d,x\n" + rows)
    table = read_table(tmp_path / "a.csv", texts=["d", "x", "absent"])
    assert infer_schema(table, ids="d").names == ("x",)
    with pytest.raises(InputError, match="names all columns"):
        infer_schema(table, ids=["d", "x"])

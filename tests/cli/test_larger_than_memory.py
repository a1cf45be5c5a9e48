"""fit --memory, and predict on files that are read in chunks."""

import contextlib
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.cli import evaluate_large, output, predict_large
from deltarule.tables.row_sample import parts_of_rows
from deltarule.tabular import TableModel, large_portfolio
from deltarule.tabular.portfolio import Configuration
from deltarule.tabular.portfolio.plan import LargePlan

N = 2600


def rows(n=N):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 7, n), rng.normal(size=n).round(3)
    return {
        "id": [f"{i:05d}" for i in range(n)],
        "a": a.tolist(),
        "b": [None if i % 50 == 3 else float(v) for i, v in enumerate(b)],
        "k": np.array(["p", "q"], dtype=object)[a % 2].tolist(),
        "y": (a * 2 + b).round(3).tolist(),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    data = rows()
    pq.write_table(pa.table(data), folder / "t.parquet", row_group_size=900)
    lines = [",".join("" if v is None else str(v) for v in row) for row in zip(*data.values())]  # noqa: B905
    (folder / "t.csv").write_text("\n".join([",".join(data), *lines]) + "\n")
    with (folder / "t.jsonl").open("w") as file:
        for row in zip(*data.values(), strict=True):
            file.write(json.dumps(dict(zip(data, row, strict=True))) + "\n")
    return folder


@pytest.fixture
def inside(files, tmp_path, monkeypatch):
    """A folder of the test's own, with the files in it."""
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


FIT = ("--target", "y", "--epochs", "2", "--layers", "4", "--id", "id")


# The limit is one on this process, far above what other tests have made it take.
def test_a_fit_in_little_memory_saves_a_model_and_tells_what_it_did(inside, deltarule):
    found = deltarule("fit", "t.csv", *FIT, "--memory", "8GB", "--store", "rows", "--json")
    assert found.status == 0, found.err
    report = found.json
    assert sum(report["rows"].values()) == N
    assert report["network"][1:] == [4, 1]
    assert report["ids"] == ["id"]
    assert (inside / "rows" / "store.json").exists()
    model = TableModel.load(inside / "t.model")
    assert np.isfinite(model.predict(rows())).all()
    again = deltarule("fit", "t.csv", *FIT, "--memory", "8GB", "--store", "rows", "-o", "u.model")
    assert again.status == 0, again.err
    assert "By squared error" in again.out
    other = TableModel.load(inside / "u.model")
    np.testing.assert_array_equal(other.model.theta, model.model.theta)


def test_one_status_line_is_shown_at_a_time(inside, deltarule, monkeypatch):
    """Rich before version 14.1 refuses a second one within the first."""
    depths, live = [], output.live

    @contextlib.contextmanager
    def counted(quiet):
        depths.append(depths.count("begin") - depths.count("end"))
        depths.append("begin")
        with live(quiet) as show:
            yield show
        depths.append("end")

    monkeypatch.setattr(output, "live", counted)
    assert deltarule("fit", "t.csv", *FIT, "--memory", "8GB").status == 0
    assert [each for each in depths if isinstance(each, int)] == [0, 0]


def test_rejected_rows_have_a_file(inside, deltarule):
    text = (inside / "t.csv").read_text()
    (inside / "bad.csv").write_text(text + "1,2\n")
    found = deltarule("fit", "bad.csv", *FIT, "--memory", "8GB")
    assert found.status == 0, found.err
    assert "1 row was rejected: bad.csv, line 2602" in found.err
    lines = (inside / "bad.model.rejects.csv").read_text().splitlines()
    assert lines[1].startswith("bad.csv,line 2602,")


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--max-memory", "1"], "--max-memory"),
        (["--record"], "--record"),
    ],
)
def test_options_that_need_the_table_in_memory_are_refused(inside, deltarule, more, word):
    found = deltarule("fit", "t.csv", *FIT[:2], "--memory", "8GB", *more)
    assert found.status == 2
    assert word in found.err
    assert "--memory" in found.err
    assert not (inside / "t.model").exists()


@pytest.fixture
def model(inside, deltarule):
    assert deltarule("fit", "t.csv", *FIT, "--quiet").status == 0
    return inside / "t.model"


def content(path):
    """The rows of a file of predictions."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    if path.suffix == ".jsonl":
        return [tuple(json.loads(line).values()) for line in path.read_text().splitlines()]
    lines = path.read_text().splitlines()[1:]
    return [(i, float(v)) for i, v in (line.split("," if path.suffix == ".csv" else "\t")
                                       for line in lines)]  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_predictions_in_chunks_are_those_of_the_whole(inside, model, deltarule, monkeypatch, kind):
    assert deltarule("predict", model, f"t.{kind}", "-o", "whole.csv").status == 0
    whole = content(inside / "whole.csv")
    assert [each[0] for each in whole] == rows()["id"]
    monkeypatch.setattr(predict_large, "LARGE_BYTES", 0)
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        found = deltarule("predict", model, f"t.{kind}", "-o", f"part.{suffix}")
        assert found.status == 0, found.err
        assert "Wrote 2,600 predictions" in found.out
        assert content(inside / f"part.{suffix}") == whole
    found = deltarule("predict", model, f"t.{kind}", "--quiet")
    assert found.out == (inside / "whole.csv").read_text()
    found = deltarule("predict", model, f"t.{kind}", "--json", "-o", "j.csv")
    assert found.json["rows"] == N


def test_a_small_table_gives_a_parquet_file_too(inside, model, deltarule):
    found = deltarule("predict", model, "t.parquet", "-o", "p.parquet")
    assert found.status == 0, found.err
    assert pq.read_table(inside / "p.parquet").column_names == ["id", "prediction"]
    assert len(content(inside / "p.parquet")) == N
    refused = deltarule("predict", model, "t.parquet", "-o", "q.parquet", "--safe-csv")
    assert refused.status == 2
    assert "was given for Parquet" in refused.err


def test_a_row_that_cannot_be_read_is_an_error_and_no_file_is_left(
    inside, model, deltarule, monkeypatch
):
    monkeypatch.setattr(predict_large, "LARGE_BYTES", 0)
    (inside / "bad.csv").write_text((inside / "t.csv").read_text() + "1,2\n")
    found = deltarule("predict", model, "bad.csv", "-o", "p.csv")
    assert found.status == 3
    assert "line 2602 (2 fields; expected 5)" in found.err
    assert not [path.name for path in inside.iterdir() if path.name.startswith((".p", "p."))]
    # A file that is there is replaced at the end only.
    (inside / "p.csv").write_text("mine")
    found = deltarule("predict", model, "bad.csv", "-o", "p.csv", "--force")
    assert found.status == 3
    assert (inside / "p.csv").read_text() == "mine"


def test_notes_of_chunks_are_collected(inside, model, deltarule, monkeypatch):
    monkeypatch.setattr(predict_large, "LARGE_BYTES", 0)
    text = (inside / "t.csv").read_text().splitlines()
    text[2000] = "x,3,99999,p,1"
    (inside / "far.csv").write_text("\n".join(text) + "\n")
    found = deltarule("predict", model, "far.csv", "-o", "p.csv")
    assert found.status == 0, found.err
    assert "row 2000" in found.err


def test_a_portfolio_in_little_memory_with_its_report(inside, deltarule, monkeypatch):
    few = LargePlan((Configuration("silu", "robust", (4,), "silu"),), 2, 2)
    monkeypatch.setattr(large_portfolio, "make_large_plan", lambda *_: few)
    monkeypatch.setattr("deltarule.tabular.intervals._CONFIGURATIONS", few.configurations)
    options = ("--target", "y", "--id", "id", "--memory", "8GB", "--quality", "fast")
    found = deltarule("fit", "t.csv", *options, "-o", "p.model")
    assert found.status == 0, found.err
    assert "portfolio of 1 of 1 configurations: 2 networks" in found.out
    assert "validation squared error" in found.out
    assert "packed rows of 1 encoding took" in found.err
    page = (inside / "p.model" / "report.html").read_text(encoding="utf-8")
    assert "Both learn from all rows but these of the sample." in page
    assert "validation RMSE" in page or "validation squared error" in page
    model = TableModel.load(inside / "p.model")
    assert len(model.portfolio.used[0].models) == 2
    refused = deltarule("fit", "t.csv", *options, "--layers", "4")
    assert refused.status == 2
    assert "--layers" in refused.err


def test_the_report_of_a_large_table_is_of_the_rows_of_its_sample(inside, deltarule):
    found = deltarule("fit", "t.csv", *FIT, "--memory", "8GB")
    assert found.status == 0, found.err
    page = (inside / "t.model" / "report.html").read_text(encoding="utf-8")
    report = TableModel.load(inside / "t.model").report
    assert f"On {report['scored_rows']['test']:,} test rows, which the model has not seen" in page
    # The row that it is most wrong about is named by its number in the table.
    row = int(re.search(r"row ([\d,]+) of the table, predicted", page)[1].replace(",", ""))
    part = parts_of_rows(np.arange(N), 0, [("test", 0.2), ("valid", 0.1), ("train", 0.7)])
    assert part[row - 1] == 0
    true = float(re.search(r"of the table, predicted .*?, true (-?\d+\.\d+)", page)[1])
    assert true == rows()["y"][row - 1]
    again = deltarule("fit", "t.csv", *FIT, "--memory", "8GB", "--no-report", "--force")
    assert again.status == 0, again.err
    assert not (inside / "t.model" / "report.html").exists()


def test_a_table_of_several_files_is_known_by_its_pattern(inside, deltarule, monkeypatch):
    lines = (inside / "t.csv").read_text().splitlines()
    for name, part in (("p1.csv", lines[1:900]), ("p2.csv", lines[900:])):
        (inside / name).write_text("\n".join([lines[0], *part]) + "\n")
    arguments = ("--memory", "8GB", "--no-report", "--out", "m")
    found = deltarule("fit", "p*.csv", *FIT, *arguments, "--json")
    assert found.status == 0, found.err
    assert found.json["trained_on"]["source"] == "p*.csv (2 files)"
    explained = deltarule("explain", "m", "p*.csv", "--row", "3")
    assert explained.status == 0, explained.err
    assert "another table" not in " ".join(explained.out.split())
    assert "without a checksum" in " ".join(explained.out.split())
    assert "is not known: it was saved without a checksum of its cells" in explained.err
    for _ in range(2):  # in memory, and in chunks
        own, other = (
            deltarule("evaluate", "m", each, "--json").json for each in ("p*.csv", "t.csv")
        )
        assert own["seen"]
        assert own["notes"][0].startswith("by the name of the table and the number of its rows")
        assert not own["score_intervals"]
        assert not other["seen"]
        monkeypatch.setattr(predict_large, "LARGE_BYTES", 0)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_scores_in_chunks_are_those_of_the_whole(inside, model, deltarule, monkeypatch, kind):
    whole = deltarule("evaluate", model, f"t.{kind}", "--json").json
    monkeypatch.setattr(predict_large, "LARGE_BYTES", 0)
    found = deltarule("evaluate", model, f"t.{kind}", "--json")
    assert found.status == 0, found.err
    assert found.json["rows"] == whole["rows"] == N
    assert found.json["scores"] == pytest.approx(whole["scores"], rel=1e-9)
    assert found.json["seen"] == (kind == "csv")  # its name is that of the table of the training
    text = deltarule("evaluate", model, f"t.{kind}").out
    assert "test rows, when trained" in text
    assert "2,600" in text


def test_the_report_on_a_large_file_is_of_a_sample(inside, model, deltarule, monkeypatch):
    monkeypatch.setattr(predict_large, "LARGE_BYTES", 0)
    monkeypatch.setattr(evaluate_large, "_REPORTED_ROWS", 500)
    lines = (inside / "t.csv").read_text().splitlines()
    lines[5] = lines[5].rpartition(",")[0] + ","
    (inside / "new.csv").write_text("\n".join(lines) + "\n")
    found = deltarule("evaluate", model, "new.csv", "--report", "r.html")
    assert found.status == 0, found.err
    assert "the report is of a sample of 500 of these rows" in found.err
    assert "the target is missing: 1" in found.err
    page = (inside / "r.html").read_text(encoding="utf-8")
    assert "500 rows of the table that was given" in page


@pytest.mark.parametrize(
    ("line", "words"),
    [("1,2", "2 fields; expected 5"), ("x,3,2020-01-01,p,1", "each is scored")],
)
def test_rows_that_cannot_be_scored_are_an_error(
    inside, model, deltarule, monkeypatch, line, words
):
    monkeypatch.setattr(predict_large, "LARGE_BYTES", 0)
    (inside / "bad.csv").write_text((inside / "t.csv").read_text() + line + "\n")
    found = deltarule("evaluate", model, "bad.csv")
    assert found.status == 3
    assert words in found.err


SQL = "SELECT id, a, b * 2 AS b, k, y FROM data WHERE a > 0"


def test_a_query_is_run_once_and_its_result_is_trained_on(inside, deltarule):
    more = ("--memory", "8GB", "--store", "s", "--sql", SQL, "--ignore", "k")
    found = deltarule("fit", "t.csv", *FIT, *more, "--json")
    assert found.status == 0, found.err
    kept = sum(a > 0 for a in rows()["a"])
    assert sum(found.json["rows"].values()) == kept
    assert [each["name"] for each in found.json["columns"]] == ["a", "b"]
    result = inside / "s.query.parquet"
    assert pq.read_metadata(result).num_rows == kept
    before = result.stat().st_mtime_ns, (inside / "s" / "store.json").stat().st_mtime_ns
    again = deltarule("fit", "t.csv", *FIT, *more, "--force", "-o", "u.model")
    assert again.status == 0, again.err
    assert before == (result.stat().st_mtime_ns, (inside / "s" / "store.json").stat().st_mtime_ns)
    models = [TableModel.load(inside / name).model.theta for name in ("t.model", "u.model")]
    np.testing.assert_array_equal(*models)
    page = (inside / "u.model" / "report.html").read_text(encoding="utf-8")
    assert "the SQL result" in page
    without = deltarule(
        "fit", *FIT, "--memory", "8GB", "--sql", "SELECT * FROM 't.parquet'", "-o", "v.model"
    )
    assert without.status == 0, without.err
    assert not [path.name for path in inside.iterdir() if path.name.startswith("deltarule-store")]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--sql", "SELECT * FROM elsewhere"], "elsewhere"),
        (["--sql", SQL, "--decimal", "b=,"], "for single columns of the SQL result"),
        (["--sql", SQL, "--delimiter", ","], "--delimiter"),
    ],
)
def test_a_query_that_cannot_be_run_is_refused(inside, deltarule, more, words):
    found = deltarule("fit", "t.csv", *FIT[:2], "--memory", "8GB", *more)
    assert found.status in (2, 3)
    assert words in found.err

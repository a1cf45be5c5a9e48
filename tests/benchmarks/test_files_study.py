"""``python -m benchmarks.files``."""

import numpy as np
import pytest
from benchmarks.studies import RowLog

from benchmarks import files

QUICK = ["--options", "--epochs 3 --folds 0"]


def test_kinds_notes_and_scores_of_each_file(tmp_path, capsys):
    rng = np.random.default_rng(0)
    lines = [f"{x:.4f},{2 * x + 1:.4f},7" for x in rng.normal(size=200)]
    (tmp_path / "line.csv").write_text("x,y,same\n" + "\n".join(lines) + "\n")
    lines = [
        f"2024-01-{k % 28 + 1:02}\t{'Ulm' if k % 3 else 'Bonn'}\t{'ab'[k % 2]}" for k in range(200)
    ]
    (tmp_path / "visits.tsv").write_text("day\ttown\tlabel\n" + "\n".join(lines) + "\n")
    (tmp_path / "notes.md").write_text("not a table")
    (tmp_path / "index.csv").write_text(
        "name,target,task,options\nline,y,,--ignore same\nvisits.tsv,,classification,\n"
        "gone,,,\nline.csv,z,,\n"
    )
    written = tmp_path / "out" / "files.csv"
    files.main([str(tmp_path), "--csv", str(written), *QUICK])
    out = capsys.readouterr().out
    heads = [line.split(":")[0] for line in out.splitlines() if not line.startswith(" ")]
    assert heads[:4] == ["line.csv", "visits.tsv", "gone", "line.csv"]
    assert "  left out: same: on request" in out
    assert "  date: day\n  category: town\n" in out
    assert "as asked: the target 'label'" in out
    assert "  refused: there is no file" in out
    assert out.count("  refused: ") == 2
    assert "2 files fitted, 2 refused" in out
    line, visits, gone, _ = RowLog(written, files._FIELDS).rows
    assert (line["task"], line["rows"], line["numbers"]) == ("regression", "200", "1")
    assert float(line["linear"]) < float(line["constant"])
    assert (visits["measure"], visits["dates"], visits["categories"]) == ("log_loss", "1", "1")
    assert (gone["status"], gone["model"]) == ("refused", "")


def test_rows_of_an_interrupted_study_are_kept(tmp_path):
    path = tmp_path / "rows.csv"
    RowLog(path, ["table", "rmse"]).write({"table": "a", "rmse": 0.1})
    log = RowLog(path, ["table", "rmse"])
    log.write({"table": "b"})
    assert RowLog(path, ["table", "rmse"]).rows == [
        {"table": "a", "rmse": "0.1"},
        {"table": "b", "rmse": ""},
    ]
    with pytest.raises(SystemExit, match="name another file"):
        RowLog(path, ["table"])


def test_files_without_an_index(tmp_path):
    (tmp_path / "b.csv.gz").write_bytes(b"")
    (tmp_path / "a.parquet").write_bytes(b"")
    (tmp_path / "a.md").write_bytes(b"")
    found = [(path.name, target, options) for path, target, options in files.listed(tmp_path)]
    assert found == [("a.parquet", None, []), ("b.csv.gz", None, [])]

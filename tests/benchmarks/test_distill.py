"""``python -m benchmarks.distill``."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import distill


def test_a_line_for_each_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("deltarule.tabular.distill._ROW_VISITS", 0)
    random = np.random.default_rng(0)
    x = random.normal(size=100)
    pd.DataFrame({"x": x, "y": x + 0.3 * random.normal(size=100)}).to_csv(tmp_path / "line.csv")
    (tmp_path / "index.csv").write_text("name,task,target\nline,regression,y\n")
    distill.main([str(tmp_path), "--quality", "fast"])
    header, line, median = capsys.readouterr().out.splitlines()
    assert header.split() == ["table", "portfolio", "network", "ratio", "seconds", "µs/row"]
    name, of_many, of_one, ratio, *times = line.split()
    assert name == "line"
    assert float(of_one) / float(of_many) == pytest.approx(float(ratio), abs=0.002)
    assert 0.7 < float(ratio) < 1.3
    assert all(float(each) > 0 for each in times)
    assert median == f"median ratio over 1 tables: {ratio}"

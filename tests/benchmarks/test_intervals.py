"""``python -m benchmarks.intervals``."""

import numpy as np
import pandas as pd

from benchmarks import intervals


def test_a_line_for_each_table(tmp_path, capsys):
    random = np.random.default_rng(0)
    x = random.normal(size=100)
    pd.DataFrame({"x": x, "y": x + 0.1 * random.normal(size=100)}).to_csv(tmp_path / "line.csv")
    (tmp_path / "index.csv").write_text("name,task,target\nline,regression,y\n")
    intervals.main([str(tmp_path), "--tables", "line", "--splits", "1", "--quality", "fast"])
    header, line, passed, narrower = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["table", "rows", "coverage"]
    name, rows, coverage, low, _, high, *widths = line.split()
    assert (name, rows) == ("line", "100")
    assert abs(float(coverage) - 0.9) < 0.25
    assert abs(float(low) + float(high) - 1.8) < 1e-9
    assert len(widths) == 3
    assert all(float(width) > 0 for width in widths)
    assert passed.endswith("of 1")
    assert narrower.endswith("1 of 1")


def test_generated_tables_have_noise_that_differs_between_rows():
    for name in ("normal_noise", "skewed_noise"):
        X, y = intervals.generated(name)
        noise = y - X["a"] - np.sin(2 * X["b"])
        assert noise[X["c"] > 1].std() > 3 * noise[X["c"] < -1].std()

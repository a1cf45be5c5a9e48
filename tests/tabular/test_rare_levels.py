"""A decisive level of few rows is not lost."""

import numpy as np
import pytest

from deltarule.errors import InputError
from deltarule.tables import infer_schema, table_from_frame
from deltarule.tabular import TableSettings, fit_table


def _table(n_rows, n_levels, seed=0):
    """Rows whose target is the effect of their level, with a little noise."""
    random = np.random.default_rng(seed)
    effects = random.normal(size=n_levels)
    level = random.permutation(np.arange(n_rows) % n_levels)
    columns = {
        "level": np.array([f"L{i}" for i in level], dtype=object),
        "x": random.normal(size=n_rows),
        "y": effects[level] + 0.05 * random.normal(size=n_rows),
    }
    return table_from_frame(columns)


@pytest.mark.parametrize(("n_rows", "n_levels"), [(300, 30), (5000, 1000)])
def test_levels_of_few_rows_decide(n_rows, n_levels):
    table = _table(n_rows, n_levels)
    model = fit_table(table, infer_schema(table, "y"), TableSettings(folds=0))
    assert model.report["scores"]["test"]["r2"] > 0.95
    assert model.encoder.column_encoders[0].other == ()
    assert model.encoder.n_features >= n_levels  # x, and the levels of the training rows
    assert not any("share one input" in str(note) for note in model.report["notes"])


def test_levels_of_one_or_two_rows_decide():
    """Levels of one training row count too; test rows of levels without one stay unpredictable."""
    table = _table(2000, 1000)
    model = fit_table(table, infer_schema(table, "y"), TableSettings(folds=0))
    assert model.report["scores"]["test"]["r2"] > 0.5
    assert model.encoder.column_encoders[0].other == ()


def test_merged_levels_are_noted_with_their_rows():
    table = _table(300, 30)
    schema = infer_schema(table, "y")
    settings = TableSettings(folds=0, max_levels=20, epochs=2)
    model = fit_table(table, schema, settings)
    (note,) = [each for each in model.report["notes"] if "share one input" in str(each)]
    merged = model.encoder.column_encoders[0]
    assert len(merged.other) == 10
    assert str(note).startswith(
        f"column 'level': 10 levels, which {merged.other_rows} training rows hold, share one input"
    )
    assert "raise max_levels=" in str(note)
    settings = TableSettings(folds=0, min_level_rows=50, epochs=2)
    model = fit_table(table, schema, settings)
    (note,) = [each for each in model.report["notes"] if "since all are rare" in str(each)]
    assert str(note).startswith("column 'level': 30 levels, which 210 training rows hold, give no")


@pytest.mark.parametrize("name", ["min_level_rows", "max_levels"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "few", None])
def test_bad_limits_are_refused(name, value):
    with pytest.raises(InputError, match=name):
        TableSettings(**{name: value})

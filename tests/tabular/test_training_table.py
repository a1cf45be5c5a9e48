"""A table is that of the training only if its cells are, not its labels alone."""

import numpy as np
import pytest

from deltarule.tables import apply_schema, infer_schema, read_table, table_from_frame
from deltarule.tabular import TableModel, TableSettings, fit_table

N = 40
COLUMNS = {
    "x": np.where(np.arange(N) % 7 == 0, np.nan, np.arange(N) / 4),
    "town": np.array(["Bonn", "Ulm", "Jena", None], dtype=object)[np.arange(N) % 4],
    "y": np.array(["no", "yes"], dtype=object)[np.arange(N) % 3 // 2],
}


@pytest.fixture(scope="module")
def model():
    table = table_from_frame(COLUMNS)
    return fit_table(table, infer_schema(table, "y"), TableSettings(folds=0, epochs=1))


def is_training_table(model, columns):
    return model.trained_on(apply_schema(model.schema, table_from_frame(columns)))


def test_the_same_cells_are_the_training_table(model, tmp_path):
    assert is_training_table(model, COLUMNS)
    reordered = {name: COLUMNS[name] for name in ("y", "town", "x")}
    assert is_training_table(model, {**reordered, "unknown": np.arange(N)})
    rows = zip(*COLUMNS.values(), strict=True)
    lines = [f"{'' if np.isnan(x) else x},{town or ''},{y}\n" for x, town, y in rows]
    (tmp_path / "t.csv").write_text("x,town,y\n" + "".join(lines))
    assert model.trained_on(apply_schema(model.schema, read_table(tmp_path / "t.csv")))
    model.save(tmp_path / "saved.model")
    assert is_training_table(TableModel.load(tmp_path / "saved.model"), COLUMNS)


@pytest.mark.parametrize("name", ["x", "town", "y"])
def test_one_other_cell_is_another_table(model, name):
    changed = {key: column.copy() for key, column in COLUMNS.items()}
    changed[name][1] = COLUMNS[name][2] if name != "y" else "yes"
    assert not is_training_table(model, changed)


def test_the_same_labels_with_other_cells_are_another_table(model):
    assert not is_training_table(model, {**COLUMNS, "x": np.arange(N) * 1.5})
    assert not is_training_table(model, {name: column[:20] for name, column in COLUMNS.items()})
    assert not is_training_table(model, {name: column[::-1] for name, column in COLUMNS.items()})

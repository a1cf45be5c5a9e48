"""A model and its recording, saved and read by several processes at once."""

import os

import numpy as np
import pytest
from tests.test_files_together import together

from deltarule.errors import FileError
from deltarule.tables import infer_schema, table_from_frame
from deltarule.tabular import TableSettings, fit_table
from deltarule.tabular.replay import RecordedTable

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes here are forked")


@pytest.fixture(scope="module")
def trained():
    """A table, and models of it that differ in their seed."""
    x = np.linspace(-1, 1, 60)
    table = table_from_frame({"x": x, "y": x * x})
    schema = infer_schema(table, "y")
    models = [
        fit_table(
            table,
            schema,
            TableSettings(layers=(3,), epochs=2, seed=seed, engine="reference"),
            record=True,
        )
        for seed in range(3)
    ]
    return table, models


def test_a_model_never_has_the_recording_of_another(tmp_path, trained):
    table, models = trained
    folder = tmp_path / "m"
    models[0].save(folder)

    def save(model):
        for _ in range(40):
            model.save(folder, overwrite=True)

    def look():
        for _ in range(60):
            RecordedTable.open(folder, table)  # refuses a recording of another model

    assert together([lambda: save(models[1]), lambda: save(models[2]), look]) == [0, 0, 0]
    found = RecordedTable.open(folder, table)
    assert found.model.settings["seed"] in (1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_one_of_several_savers_without_overwrite_succeeds(tmp_path, trained):
    table, models = trained

    def save(model, folder):
        try:
            model.save(folder)
        except FileError:
            os._exit(3)

    for number in range(30):
        folder = tmp_path / f"{number}"
        actions = [lambda m=model, f=folder: save(m, f) for model in models[1:]]
        statuses = together(actions)
        assert sorted(statuses) == [0, 3]
        found = RecordedTable.open(folder, table)
        assert found.model.settings["seed"] == 1 + statuses.index(0)

"""Table models whose training was recorded: any step, with the rows of the table."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.errors import DataError, FileError, InputError
from deltarule.tables import TableSource, infer_schema, read_table, table_from_frame
from deltarule.tabular import RecordedTable, TableModel, TableSettings, fit_table, replay_table
from deltarule.training import StopFlag, load_recording
from deltarule.training.recording import FOLDER, digest_of_theta

SETTINGS = TableSettings(layers=(6,), epochs=4, batch_size=16, dropout=0.1, seed=3)


def frame(n=80, seed=0, classes=False):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=n), rng.uniform(0.5, 2.0, size=n)
    kind = rng.choice(["oak", "fir", "ash"], size=n)
    y = np.where(kind == "oak", x, -x) + rng.normal(size=n) / 9
    x[5] = np.nan
    labels = np.where(y > 0, "up", "down") if classes else y
    return {"x": x, "kind": kind, "w": w, "y": labels}


@pytest.fixture(params=["numbers", "classes"])
def fitted(request, tmp_path):
    """A recorded model in a folder, its table, and θ after every epoch."""
    table = table_from_frame(frame(classes=request.param == "classes"))
    thetas = []
    model = fit_table(
        table,
        infer_schema(table, "y", weights="w"),
        SETTINGS,
        record=True,
        callbacks=[lambda event: thetas.append(event.engine.theta)],
    )
    model.save(tmp_path / "m")
    return tmp_path / "m", table, thetas


def test_every_epoch_is_replayed_bit_for_bit(fitted):
    folder, table, thetas = fitted
    recording = load_recording(folder)
    assert recording.end == 4 * recording.steps_per_epoch
    for epoch, theta in enumerate(thetas, start=1):
        step = replay_table(folder, epoch * recording.steps_per_epoch, table)
        assert np.array_equal(step.after["theta"], theta)
        assert step.epoch == epoch


def test_the_rows_are_those_of_the_table(fitted):
    folder, table, _ = fitted
    recorded = RecordedTable.open(folder, table)
    seen = []
    for step in range(1, recorded.recording.steps_per_epoch + 1):
        found = recorded.replay(step)
        seen += found.source_rows.tolist()
        # Encoded from the table's own row, it is what the engine saw.
        typed = found.typed
        assert np.array_equal(typed.rows + 1, found.source_rows)
        x = table["x"][found.source_rows - 1]
        assert np.array_equal(typed.columns["x"], x, equal_nan=True)
        own = found.table.encoder.transform(typed, dtype=np.float32)
        assert np.array_equal(own, found.batch.X)
        share = typed.weights / recorded.parts["train"].weights.mean()
        assert np.allclose(found.batch.w, share / len(typed))
        assert all(recorded.step_of(row, 1) == step for row in found.source_rows)
    # An epoch sees every training row once, and no other.
    assert sorted(seen) == sorted(recorded.parts["train"].rows + 1)
    places = {recorded.place(row).part for row in range(1, 81)}
    assert places == {"train", "valid", "test"}
    held = int(recorded.parts["test"].rows[0]) + 1
    assert recorded.step_of(held, 1) is None
    for row in (0, 81):
        with pytest.raises(InputError, match=f"row is {row}; expected .* from 1 to 80"):
            recorded.place(row)


def test_recording_changes_neither_report_nor_model(fitted):
    folder, table, _ = fitted
    recorded = TableModel.load(folder)
    alone = fit_table(table, infer_schema(table, "y", weights="w"), SETTINGS)
    assert alone.recording is None
    assert np.array_equal(recorded.model.theta, alone.model.theta)
    assert recorded.report["scores"] == alone.report["scores"]
    assert load_recording(folder).model == digest_of_theta(alone.model.theta)


def test_a_row_without_target_has_no_part(tmp_path):
    columns = frame()
    columns["y"][7] = np.nan
    table = table_from_frame(columns)
    model = fit_table(table, infer_schema(table, "y"), SETTINGS, record=True)
    recorded = RecordedTable.of(model, model.recording, table)
    assert recorded.place(8) == ("", -1)
    assert recorded.step_of(8, 1) is None
    assert recorded.replay(2).verified is not None


def test_another_table_is_refused(fitted):
    folder, table, _ = fitted
    other = table_from_frame(frame(seed=1, classes=isinstance(table["y"][0], str)))
    with pytest.raises(DataError, match="is not what the network was trained on"):
        replay_table(folder, 1, other)
    with pytest.raises(InputError, match="the table was made in memory"):
        replay_table(folder, 1)


def test_a_table_of_a_file_can_be_given_in_memory(tmp_path):
    """The file's digest is not known, but the digest of its rows shows a change."""
    path = tmp_path / "t.csv"
    columns = frame()
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(map(str, row)) for row in (columns, *rows)]
    path.write_text("\n".join(lines))
    table = read_table(path)
    source = TableSource.of(table, path)
    model = fit_table(table, infer_schema(table, "y"), SETTINGS, record=source)
    model.save(tmp_path / "m")
    assert replay_table(tmp_path / "m", 3).verified is not None
    assert replay_table(tmp_path / "m", 3, table).verified is not None
    columns["y"][10:20] += 1e-3
    with pytest.raises(DataError, match="is not what the network was trained on"):
        replay_table(tmp_path / "m", 3, table_from_frame(columns))


def test_a_full_batch_rule_and_an_interrupted_run(tmp_path):
    table = table_from_frame(frame())
    flag = StopFlag()
    settings = TableSettings(layers=(4,), epochs=50, rule="irprop-", averaging=None)

    def stop(event):
        if event.epoch == 5:
            flag.stop("enough")

    model = fit_table(
        table, infer_schema(table, "y"), settings, record=True, stop=flag, callbacks=[stop]
    )
    model.save(tmp_path / "m")
    assert load_recording(tmp_path / "m").end == 5
    found = replay_table(tmp_path / "m", 5, table)
    assert len(found.batch.rows) == len(RecordedTable.open(tmp_path / "m", table).parts["train"])


def test_a_recording_is_kept_with_its_own_model_only(fitted):
    folder, table, _ = fitted
    loaded = TableModel.load(folder)
    loaded.save(folder, overwrite=True)
    assert (folder / FOLDER).is_dir()
    other = fit_table(table, infer_schema(table, "y"), TableSettings(layers=(3,), epochs=1))
    other.save(folder, overwrite=True)
    assert not (folder / FOLDER).exists()
    with pytest.raises(FileError, match="was not recorded"):
        replay_table(folder, 1, table)

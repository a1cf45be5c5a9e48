"""A table larger than memory: the fit is that of memory with the same rows in the same order."""

import csv
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.errors import DataError, FileError, InputError
from deltarule.maths import Network
from deltarule.tables import (
    Column,
    Schema,
    StoreWriter,
    Table,
    TableEncoder,
    TargetEncoder,
    apply_schema,
    open_store,
    read_table,
)
from deltarule.tables.rejects import Rejects
from deltarule.tables.row_sample import parts_of_rows, row_hashes
from deltarule.tables.typed_chunks import typed_chunk
from deltarule.tabular import TableModel, TableSettings, fit_table
from deltarule.tabular.large_fit import fit_large_table
from deltarule.tabular.memory_plan import MemoryPlan
from deltarule.tabular.network_targets import network_targets, table_network
from deltarule.training import Patience, StopFlag, train
from deltarule.training.packed_batches import packed_order

N = 3000
SETTINGS = {"layers": (8,), "epochs": 3, "batch_size": 64, "engine": "reference"}
MEMORY = "8GB"  # of the process that runs the tests, which has taken some of it before


def columns(task="regression", n=N, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    town = np.array(["Ulm", "Bonn", "Rome", "Oslo"], dtype=object)[rng.integers(0, 4, n)]
    y = np.sin(2 * x) + (town == "Ulm") + 0.1 * rng.normal(size=n)
    x[rng.random(n) < 0.1] = np.nan
    table = {
        "x": [None if np.isnan(v) else v for v in x],
        "town": town.tolist(),
        "w": rng.choice([0.5, 1.0, 2.0], n).tolist(),
    }
    if task == "classification":
        labels = np.array(["low", "middle", "high"], dtype=object)[np.digitize(y, [-0.3, 0.8])]
        labels[n - 7 : n - 4] = "rare"
        return table | {"y": labels.tolist()}
    return table | {"y": y.tolist()}


def write(folder, task="regression", files=2, **options):
    data = columns(task, **options)
    n = len(data["y"])
    for k in range(files):
        rows = slice(k * n // files, (k + 1) * n // files)
        part = pa.table({name: values[rows] for name, values in data.items()})
        pq.write_table(part, folder / f"p{k}.parquet")
    return str(folder / "p*.parquet")


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_the_network_is_that_of_training_in_memory(tmp_path, task, weights):
    source = write(tmp_path, task)
    settings = TableSettings(**SETTINGS)
    columns = {"weights": weights} if weights else {"ignore": ["w"]}
    phases = []
    model = fit_large_table(
        source, "y", settings, memory=MEMORY, store=tmp_path / "s", columns=columns,
        progress=phases.append,
    )  # fmt: skip
    named = [phase for phase in phases if ":" not in phase]
    assert named == ["reading a sample", "encoding", "training", "scoring"]
    # The same by what is there for tables in memory.
    table = read_table(source)
    typed = apply_schema(model.schema, table)
    part = parts_of_rows(np.arange(N), 0, [("test", 0.2), ("valid", 0.1), ("train", 0.7)])
    parts = {name: typed.take(part == k) for k, name in enumerate(("test", "valid", "train"))}
    encoder = TableEncoder().fit(parts["train"], model.schema, parts["train"].weights)
    target = TargetEncoder.from_schema(model.schema).fit(
        parts["train"].target, parts["train"].weights
    )
    assert model.encoder.feature_names == encoder.feature_names
    for got, want in zip(model.encoder.column_encoders, encoder.column_encoders, strict=True):
        for name, value in want.to_dict().items():
            exact = not isinstance(value, float)
            assert got.to_dict()[name] == (value if exact else pytest.approx(value, rel=1e-13))
    assert model.classes == target.classes
    if task == "classification":
        assert "rare" in model.classes
    net = table_network(encoder.n_features, target, settings)
    arrays = {
        name: (
            model.encoder.transform(rows, dtype=np.float32),
            network_targets(net, model.target, rows.target),
            *(() if rows.weights is None else (rows.weights,)),
        )
        for name, rows in parts.items()
    }
    store = open_store(tmp_path / "s")["train"]
    store.window_bytes = 1 << 27
    options = {"rule": "adam", "learning_rate": 5e-3, "schedule": "cosine", "l2": 5.0}
    result = train(
        net, *arrays["train"][:2],
        sample_weight=arrays["train"][2] if weights else None,
        validation=arrays["valid"], averaging=0.99, stopping=Patience(20),
        order=lambda epoch: packed_order(store, 0, epoch), epochs=3, batch_size=64,
        engine="reference", guard="quiet", **options,
    )  # fmt: skip
    np.testing.assert_array_equal(model.model.theta, result.theta)
    assert model.report["rows"] == {name: len(rows) for name, rows in parts.items()}
    # The table is its own sample, so the scores are those of all test rows.
    assert model.report["scores"]["test"] == model.score(
        parts["test"], model.outputs(parts["test"])
    )
    assert not [note for note in model.report["notes"] if "sample" in note]
    assert any("stands for 2 files, read in this order" in note for note in model.report["notes"])
    model.save(tmp_path / "m")
    again = TableModel.load(tmp_path / "m")
    np.testing.assert_array_equal(again.outputs(parts["test"]), model.outputs(parts["test"]))


def test_fit_table_with_memory_is_the_large_fit(tmp_path):
    source, settings = write(tmp_path), TableSettings(**SETTINGS)
    first = fit_table(source, "y", settings, memory=MEMORY)
    second = fit_large_table(source, "y", settings, memory=MEMORY)
    np.testing.assert_array_equal(first.model.theta, second.model.theta)
    assert not list(tmp_path.parent.glob("deltarule-store-*"))


@pytest.fixture
def small_memory(monkeypatch):
    """A plan of memory with a sample smaller than the table, and windows of a few blocks."""
    monkeypatch.setattr(MemoryPlan, "sample_rows", 700)
    monkeypatch.setattr(MemoryPlan, "window_bytes", 40_000)
    monkeypatch.setattr("deltarule.tables.table_stream._MOST_ROWS", 1024)


def test_the_network_does_not_depend_on_how_and_in_how_many_files_the_rows_are(
    tmp_path, small_memory
):
    n, ends = 4000, (0, 10, 2500, 4000)
    data = columns("classification", n=n)
    data["flag"] = [bool(i % 3) for i in range(n)]
    data["whole"] = [i * 7919 % 3001 for i in range(n)]
    rows = list(zip(*data.values(), strict=True))

    def write_csv(name, rows):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([list(data), *rows])

    write_csv("one.csv", rows)
    table = pa.table(data)
    for k, (start, end) in enumerate(itertools.pairwise(ends)):
        write_csv(f"three{k}.csv", rows[start:end])
        pq.write_table(table.slice(start, end - start), tmp_path / f"three{k}.parquet")
    pq.write_table(table, tmp_path / "one.parquet", row_group_size=777)
    records = [json.dumps(dict(zip(data, row, strict=True))) for row in rows]
    (tmp_path / "one.jsonl").write_text("\n".join(records))
    with duckdb.connect(str(tmp_path / "one.duckdb")) as connection:
        connection.register("rows", table)
        connection.execute('CREATE TABLE "it""s" AS FROM rows; CREATE TABLE other AS SELECT 1')
    names = ["one.csv", "three*.csv", "one.parquet", "three*.parquet", "one.jsonl", "one.duckdb"]
    told = [{}, {}, {}, {}, {}, {"table": 'it"s'}, {"sql": 'FROM "it""s"'}]
    models = [
        fit_large_table(
            tmp_path / name, "y", TableSettings(**SETTINGS), memory=MEMORY, reading=reading
        )
        for name, reading in zip([*names, "one.duckdb"], told, strict=True)
    ]
    for model in models[1:]:
        assert model.encoder.to_dict() == models[0].encoder.to_dict()
        np.testing.assert_array_equal(model.model.theta, models[0].model.theta)
        assert model.report["scores"] == models[0].report["scores"]


def test_statistics_are_of_all_rows_and_scores_of_a_sample(tmp_path, small_memory):
    source = write(tmp_path, "classification", n=20_000)
    model = fit_large_table(source, "y", TableSettings(**SETTINGS), memory=MEMORY)
    table = read_table(source)
    part = parts_of_rows(np.arange(20_000), 0, [("test", 0.2), ("valid", 0.1), ("train", 0.7)])
    x = table["x"][part == 2]
    encoder = next(each for each in model.encoder.column_encoders if each.name == "x")
    assert encoder.mean == pytest.approx(np.nanmean(x), rel=1e-12)
    assert encoder.std == pytest.approx(np.nanstd(x), rel=1e-12)
    share = (x[~np.isnan(x)] <= encoder.median).mean()
    assert share == pytest.approx(0.5, abs=0.07)
    assert "rare" in model.classes  # 3 of 20,000 rows
    assert sum(model.report["rows"].values()) == 20_000
    assert sum(model.report["scored_rows"].values()) == 700
    assert any("a sample of 700 of them" in note for note in model.report["notes"])
    accuracy = model.report["scores"]["test"]["accuracy"]
    assert accuracy > model.report["baselines"]["constant"]["accuracy"] + 0.1
    assert model.schema["x"].missing == np.isnan(x).sum()
    assert model.schema.n_rows == 20_000


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_a_fit_that_was_ended_while_packing_goes_on_to_the_same_bits(
    tmp_path, small_memory, monkeypatch, cut
):
    source = write(tmp_path, n=9000, files=5)
    settings = TableSettings(**SETTINGS)
    whole = fit_large_table(source, "y", settings, memory=MEMORY, store=tmp_path / "whole")
    append, seen = StoreWriter.append, []

    class Killed(BaseException):
        pass

    def until_cut(self, rows):
        if len(seen) == cut:
            raise Killed
        seen.append(self.chunks)
        append(self, rows)

    monkeypatch.setattr(StoreWriter, "append", until_cut)
    with pytest.raises(Killed):
        fit_large_table(source, "y", settings, memory=MEMORY, store=tmp_path / "s")
    cut = -1
    again = fit_large_table(source, "y", settings, memory=MEMORY, store=tmp_path / "s")
    assert seen == list(range(len(seen)))  # no chunk was packed twice
    np.testing.assert_array_equal(again.model.theta, whole.model.theta)
    for name in ("train.rows", "valid.rows", "progress.jsonl"):
        assert (tmp_path / "s" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # The store is used as it is, by another fit with the same rows and other layers' widths only.
    seen.clear()
    fit_large_table(source, "y", settings, memory=MEMORY, store=tmp_path / "s")
    assert not seen
    fit_large_table(
        source, "y", TableSettings(**SETTINGS, seed=1), memory=MEMORY, store=tmp_path / "s"
    )
    assert seen  # other rows are held out


def test_a_training_that_was_interrupted_goes_on_from_its_checkpoint(tmp_path, small_memory):
    source, settings = write(tmp_path), TableSettings(**SETTINGS)
    whole = fit_large_table(source, "y", settings, memory=MEMORY)
    flag = StopFlag()
    options = {"memory": MEMORY, "store": tmp_path / "s", "checkpoint": tmp_path / "c"}
    first = fit_large_table(
        source, "y", settings, stop=flag, callbacks=[lambda event: flag.stop()], **options
    )
    assert len(first.history) == 1
    again = fit_large_table(source, "y", settings, **options)
    np.testing.assert_array_equal(again.model.theta, whole.model.theta)
    assert "linear" in again.report["baselines"]


def test_rows_that_do_not_fit_are_rejected_and_the_model_says_so(tmp_path):
    lines = ["x,town,y"]
    rng = np.random.default_rng(0)
    for i in range(N):
        x = rng.normal()
        lines.append(f"{x},{'Ulm' if i % 3 else 'Bonn'},{'' if i % 10 == 4 else x * 2}")
    lines[1000] = "1,2,3,4"
    lines[2000] = "2020-01-01,Ulm,3"
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    model = fit_large_table(
        tmp_path / "a.csv", "y", TableSettings(**SETTINGS), memory=MEMORY,
        rejects=tmp_path / "r.csv", columns={"kinds": {"x": "number"}},
    )  # fmt: skip
    rejected = (tmp_path / "r.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in rejected[1:]] == [["a.csv", "line 1001"]]
    # The date in line 2001 was in the sample, so that it counts as a missing number.
    assert sum(model.report["rows"].values()) == 2699
    assert any("rejected" in note for note in model.report["notes"])


def test_cells_of_another_kind_outside_of_the_sample_are_rejected(tmp_path, small_memory):
    n = 9000
    lines = ["x,y", *(f"{i % 7}.5,{i % 11}.25" for i in range(n))]
    outside = np.argsort(row_hashes(np.arange(n), 0x5A3B1E))[-2:]
    for row in outside:
        lines[1 + row] = "2020-01-01,3.25"
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    model = fit_large_table(
        tmp_path / "a.csv", "y", TableSettings(**SETTINGS), memory=MEMORY, rejects=tmp_path / "r"
    )
    rejected = (tmp_path / "r").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in rejected] == [
        f"line {row + 2}" for row in sorted(outside)
    ]
    assert sum(model.report["rows"].values()) == n - 2


@pytest.mark.parametrize("bad", [0, 9, 10, 11])
def test_a_chunk_of_which_much_does_not_fit_is_refused(bad):
    cells = np.array(["1.5"] * 1000, dtype=object)
    cells[np.arange(bad) * 37] = "2020-01-01"
    schema, table = Schema((Column("x", "number"),)), Table(("x",), {"x": cells})
    rejects = Rejects()
    if bad > 10:
        with pytest.raises(DataError, match="of another kind"):
            typed_chunk(schema, table, rejects, need_target=False)
        return
    typed = typed_chunk(schema, table, rejects, need_target=False)
    assert len(typed) == 1000 - bad
    assert rejects.count == bad
    assert not np.isin(typed.rows, np.arange(bad) * 37).any()


def test_files_that_change_while_they_are_read_are_refused(tmp_path, monkeypatch):
    source = write(tmp_path)
    append = StoreWriter.append

    def change(self, rows):
        append(self, rows)
        (tmp_path / "p0.parquet").touch()

    monkeypatch.setattr(StoreWriter, "append", change)
    with pytest.raises(DataError, match="was changed while it was read"):
        fit_large_table(source, "y", TableSettings(**SETTINGS), memory=MEMORY)


def test_a_disk_without_room_is_refused_before_anything_is_packed(tmp_path, monkeypatch):
    source = write(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(FileError, match="on a disk with 1e-06 GB free"):
        fit_large_table(source, "y", TableSettings(**SETTINGS), memory=MEMORY)


def test_a_raised_flag_ends_the_reading(tmp_path):
    flag = StopFlag()
    flag.stop()
    with pytest.raises(KeyboardInterrupt):
        fit_large_table(write(tmp_path), "y", memory=MEMORY, stop=flag)


@pytest.mark.parametrize(
    ("options", "parameter", "match"),
    [
        ({"memory": "lots"}, "memory", "a size such as '2GB'"),
        ({"memory": -1}, "memory", "a size such as"),
        ({"memory": "50MB"}, "memory", r"expected at least \d+ MB"),
        ({"quality": "good"}, "quality", "one of default, fast, best"),
        ({"time_budget": -5.0}, "time_budget", "time_budget is -5"),
        ({"record": True}, "record", "no recording"),
        ({"memory": None, "store": "s"}, "store", "without memory"),
        ({"memory": None, "rejects": "s"}, "rejects", "without memory"),
        ({"settings": TableSettings(rule="rprop")}, "rule", "a rule of mini-batches"),
        ({"schema": 3}, "target", "the name of the column"),
    ],
)
def test_what_has_no_meaning_for_a_large_table_is_refused(tmp_path, options, parameter, match):
    given = {"table": write(tmp_path), "schema": "y", "memory": MEMORY} | options
    with pytest.raises(InputError, match=match) as caught:
        fit_table(**given)
    assert caught.value.parameter == parameter


def test_a_table_of_few_rows_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 3}.5\n" for i in range(8)))
    with pytest.raises(DataError, match="8 rows with a known target; expected at least 10"):
        fit_large_table(tmp_path / "a.csv", "y", memory=MEMORY)


def test_a_plan_does_not_depend_on_small_changes_of_the_memory_in_use():
    plans = [
        MemoryPlan(2_000_000_000, used, 30) for used in (0, 61_000_000, 197_000_000, 259_000_000)
    ]
    assert len({(plan.window_bytes, plan.sample_rows) for plan in plans}) == 1
    large = MemoryPlan(2_000_000_000, 700_000_000, 30)
    assert large.free < plans[0].free - 490_000_000
    with pytest.raises(
        InputError, match="of which the program itself takes 800; expected at least"
    ):
        MemoryPlan(810_000_000, 600_000_000)


def peak_of(command, folder):
    """The peak of the resident memory of a process, in MB, as the system counts it."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        try:
            lines = status.read_text().splitlines()
        except (OSError, UnicodeError):
            break
        found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        peak = max([peak, *found])
        time.sleep(0.01)
    _, error = process.communicate()
    assert process.returncode == 0, error.decode()
    return peak / 1000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_the_resident_memory_stays_below_the_limit(tmp_path):
    rng = np.random.default_rng(0)
    n, k, limit = 560_000, 40, 430
    with pq.ParquetWriter(
        tmp_path / "a.parquet",
        pa.schema([*((f"x{i}", pa.float32()) for i in range(k)), ("y", pa.float32())]),
    ) as writer:
        for _ in range(7):
            X = rng.standard_normal((k, n // 7), dtype=np.float32)
            arrays = [*map(pa.array, X), pa.array(X[:5].sum(axis=0))]
            writer.write_table(pa.Table.from_arrays(arrays, schema=writer.schema))
    assert n * k * (8 + 4) > limit * 0.6e6  # as cells and as inputs
    command = [
        sys.executable, "-m", "deltarule", "fit", "a.parquet", "--target", "y", "--memory",
        f"{limit}MB", "--epochs", "1", "--batch-size", "256", "--layers", "16", "-o", "a.model",
    ]  # fmt: skip
    peak = peak_of(command, tmp_path)
    assert peak < limit
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.model", "a.parquet"]


def test_a_network_of_a_store_has_the_shape_of_the_table(tmp_path):
    source = write(tmp_path)
    model = fit_large_table(
        source, "y", TableSettings(**SETTINGS | {"epochs": 1}), memory=MEMORY,
        columns={"ignore": ["w"]}, store=tmp_path / "s",
    )  # fmt: skip
    assert isinstance(model.model.net, Network)
    assert model.model.net.widths == (6, 8, 1)
    assert open_store(tmp_path / "s")["train"].n_inputs == 6

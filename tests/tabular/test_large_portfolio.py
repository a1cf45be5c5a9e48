"""A portfolio on a table larger than memory: its members, its rows, its disk, and going on."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.tabular.test_large_fit import MEMORY, write

from deltarule.errors import DataError, FileError, InputError
from deltarule.tables import StoreWriter, apply_schema, open_store, read_table
from deltarule.tables.row_sample import parts_of_rows
from deltarule.tabular import PortfolioModel, TableModel, TableSettings, large_portfolio
from deltarule.tabular.large_fit import fit_large_table
from deltarule.tabular.memory_plan import MemoryPlan
from deltarule.tabular.portfolio import Configuration
from deltarule.tabular.portfolio.plan import LargePlan, make_large_plan
from deltarule.training import StopFlag
from deltarule.training.checkpoint_pool import CheckpointPool

FEW = (
    Configuration("silu", "robust", (6,), "silu", one_hot_levels=3),
    Configuration("bins", "piecewise_linear", (4,), one_hot_levels=3),
    Configuration("tanh", "robust", (3,), "tanh", one_hot_levels=3),
    Configuration("log", "robust", (4,), "tanh", one_hot_levels=3, log_target=True),
)
N = 2000


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Four small configurations of two encodings, of two epochs."""
    monkeypatch.setattr(large_portfolio, "make_large_plan", lambda *_: LargePlan(FEW, 2, 2))
    monkeypatch.setattr("deltarule.tabular.intervals._CONFIGURATIONS", FEW[:1])


@pytest.fixture
def small_memory(monkeypatch):
    """A plan of memory with a sample smaller than the table, and windows of a few blocks."""
    monkeypatch.setattr(MemoryPlan, "sample_rows", 700)
    monkeypatch.setattr(MemoryPlan, "member_window_bytes", 20_000)


def fit(source, settings=None, **options):
    given = {"memory": MEMORY, "quality": "fast", "columns": {"weights": "w"}} | options
    return fit_large_table(source, "y", settings, **given)


def thetas(model):
    return [each.theta for member in model.portfolio.members for each in member.models]


def assert_same(first, second):
    assert first.portfolio.leaderboard()[0]["weight"] > 0
    for one, other in zip(thetas(first), thetas(second), strict=True):
        np.testing.assert_array_equal(one, other)
    weights = [[each.weight for each in model.portfolio.members] for model in (first, second)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_portfolio_is_scored_and_saved_as_one_in_memory_is(tmp_path, small_memory, task):
    source = write(tmp_path, task, n=N)
    phases = []
    model = fit(source, progress=phases.append)
    assert isinstance(model, PortfolioModel)
    names = {each["configuration"] for each in model.report["leaderboard"]}
    assert names == {"silu", "bins", "tanh"}  # targets below 0 have no logarithm
    assert all(each["networks"] == 2 for each in model.report["leaderboard"])
    assert next(phase for phase in phases if phase.startswith("training ")) == "training silu"
    assert any("best so far: " in phase and ", validation " in phase for phase in phases)
    report = model.report
    assert sum(report["rows"].values()) == N
    assert sum(report["scored_rows"].values()) <= 700
    assert any("a sample of 700" in note for note in report["notes"])
    assert any("quantiles and medians" in note for note in report["notes"])
    assert set(report["scores"]) == {"valid", "test"}
    # The scores are of those test rows that are in the sample.
    typed = apply_schema(model.schema, read_table(source))
    part = parts_of_rows(np.arange(N), 0, [("test", 0.2), ("valid", 0.25), ("train", 0.55)])
    assert report["rows"]["test"] == (part == 0).sum()
    model.save(tmp_path / "m")
    again = TableModel.load(tmp_path / "m")
    np.testing.assert_array_equal(again.outputs(typed), model.outputs(typed))
    assert np.isfinite(model.outputs(typed)).all()
    if task == "regression":
        covered = model.quantiles(typed, model.outputs(typed), (0.05, 0.95))
        inside = (covered[:, 0] < typed.target) & (typed.target < covered[:, 1])
        assert inside[part == 0].mean() == pytest.approx(0.9, abs=0.05)
    assert not list(tmp_path.parent.glob("deltarule-store-*"))


def test_training_rows_are_encoded_without_their_target_and_others_by_all(tmp_path):
    source = write(tmp_path, n=N)
    model = fit(source, store=tmp_path / "s")
    encoder = model.portfolio.encoders["robust/3"]
    typed = apply_schema(model.schema, read_table(source))
    part = parts_of_rows(np.arange(N), 0, [("test", 0.2), ("valid", 0.25), ("train", 0.55)])
    held = {}
    for name in ("train", "valid"):
        rows = open_store(tmp_path / "s" / "silu")[name]
        X, Y = (np.empty((len(rows), k), np.float32) for k in (rows.n_inputs, 1))
        w, at = np.empty(len(rows), np.float32), 0
        for index, block in enumerate(rows.blocks):
            own = slice(at, at + block.rows)
            rows.read_block(index, X[own], Y[own], w[own])
            at += block.rows
        held[name] = X, Y, w
    by_all = encoder.transform(typed, dtype=np.float32)
    column = encoder.feature_names.index("town=mean of target")
    others = np.arange(by_all.shape[1]) != column
    np.testing.assert_array_equal(held["valid"][0], by_all[part == 1])
    np.testing.assert_array_equal(held["train"][0][:, others], by_all[part == 2][:, others])
    assert len(np.unique(held["train"][0][:, column])) == 16  # of 4 towns in 4 folds
    target = model.portfolio.target
    for name, number in (("valid", 1), ("train", 2)):
        wanted = (typed.target[part == number] - target.mean) / target.std
        np.testing.assert_allclose(held[name][1][:, 0], wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(held[name][2], typed.weights[part == number])
    used, y = part == 2, typed.target
    assert target.mean == pytest.approx(np.average(y[used], weights=typed.weights[used]))
    assert (target.low, target.high) == (y[used].min(), y[used].max())


def test_a_target_above_0_may_be_learned_by_its_logarithm(tmp_path):
    source = write(tmp_path, n=N)
    table = read_table(source)
    y = np.exp(table["y"])
    rows = {name: table[name].tolist() for name in ("x", "town")} | {"y": y.tolist()}
    rows["x"] = [None if v != v else v for v in rows["x"]]
    pq.write_table(pa.table(rows), tmp_path / "exp.parquet")
    model = fit(tmp_path / "exp.parquet", columns={}, store=tmp_path / "s")
    assert {each["configuration"] for each in model.report["leaderboard"]} == {
        each.name for each in FEW
    }
    assert (tmp_path / "s" / "log" / "store.json").exists()  # other targets, so another store
    assert not (tmp_path / "s" / "tanh").exists()  # it shares that of silu
    assert model.portfolio.target.log_factor != 1


def test_the_bits_depend_on_neither_threads_nor_the_folder(tmp_path, small_memory, monkeypatch):
    source = write(tmp_path, n=N)
    first = fit(source, store=tmp_path / "s")
    monkeypatch.setattr(large_portfolio, "usable_threads", lambda: 1)
    assert_same(first, fit(source))
    other = fit(source, TableSettings(seed=1))
    assert not np.array_equal(thetas(first)[0], thetas(other)[0])


def test_a_fit_that_was_ended_goes_on_to_the_same_bits(tmp_path, small_memory, monkeypatch):
    source = write(tmp_path, n=N)
    whole = fit(source)
    append, seen = StoreWriter.append, []

    class Killed(BaseException):
        pass

    def until_cut(self, rows):
        if len(seen) == cuts[0]:
            cuts.pop(0)
            raise Killed
        seen.append((self.folder.name, self.chunks))
        append(self, rows)

    monkeypatch.setattr(StoreWriter, "append", until_cut)
    options = {"store": tmp_path / "s", "checkpoint": tmp_path / "c"}
    cuts = [1, 3, -1]
    for _ in range(2):
        with pytest.raises(Killed):
            fit(source, **options)
    # In the training of the last configuration.
    train_fold = large_portfolio.StoredCandidate.train_fold
    trained = []

    def killed_at_the_last(self, fold, *arguments):
        if self.configuration.name == "bins" and fold == 1:
            raise Killed
        trained.append((self.configuration.name, fold))
        return train_fold(self, fold, *arguments)

    monkeypatch.setattr(large_portfolio, "usable_threads", lambda: 1)
    monkeypatch.setattr(large_portfolio.StoredCandidate, "train_fold", killed_at_the_last)
    with pytest.raises(Killed):
        fit(source, **options)
    assert len(trained) == 5
    assert len(seen) == len(set(seen))  # no chunk was packed twice
    monkeypatch.setattr(large_portfolio.StoredCandidate, "train_fold", train_fold)
    found, kept = CheckpointPool.trained, set()

    def spied(self, key):
        saved = found(self, key)
        kept.update({key} if saved is not None else ())
        return saved

    monkeypatch.setattr(CheckpointPool, "trained", spied)
    assert_same(whole, fit(source, **options))
    assert kept == {f"{name}-{fold}" for name, fold in trained}
    assert len(seen) == len(set(seen))


def test_a_raised_flag_keeps_the_members_so_far(tmp_path, small_memory):
    source, flag = write(tmp_path, n=N), StopFlag()

    def stop_at_the_second(phase):
        if phase.startswith("training bins"):
            flag.stop()

    model = fit(source, stop=flag, progress=stop_at_the_second)
    assert "bins" not in {member.configuration.name for member in model.portfolio.members}
    assert any("networks that were trained until then" in note for note in model.report["notes"])
    flag = StopFlag()
    flag.stop()
    with pytest.raises(KeyboardInterrupt):
        fit(source, stop=flag)


def test_a_time_budget_leaves_members_out_but_the_first(tmp_path, small_memory):
    model = fit(write(tmp_path, n=N), quality=None, time_budget=1e-3)
    names = {member.configuration.name for member in model.portfolio.members}
    assert names == {"silu", "tanh"}  # of the first encoding
    assert model.settings["time_budget"] == 1e-3


@pytest.mark.parametrize("keep", [False, True])
def test_a_disk_without_room_is_refused_before_anything_is_packed(tmp_path, monkeypatch, keep):
    source = write(tmp_path, n=N)
    sizes = []
    monkeypatch.setattr(
        large_portfolio._Fitting, "disk_bytes",
        lambda self, groups: sizes.append([g.size for g in groups]) or (3_000_000, 5_000_000),
    )  # fmt: skip
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=4_000_000))
    monkeypatch.chdir(tmp_path)
    if not keep:
        fit(source)  # one store at a time has room
        return
    with pytest.raises(
        FileError, match=r"packed rows of 2 encodings take 0\.005 GB, .* with 0\.004 GB free"
    ):
        fit(source, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()
    assert all(size.weighted for size in sizes[0])


def test_a_table_without_validation_rows_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 3}.5\n" for i in range(10)))
    shares = [("test", 0.2), ("valid", 0.25), ("train", 0.55)]
    seed = next(k for k in range(99) if 1 not in parts_of_rows(np.arange(10), k, shares))
    with pytest.raises(DataError, match="no validation row among 10; expected more rows"):
        fit(tmp_path / "a.csv", TableSettings(seed=seed), columns={})


def test_blocks_and_batches_have_room_in_the_memory(tmp_path, monkeypatch):
    source = write(tmp_path, n=N)
    monkeypatch.setattr(MemoryPlan, "member_window_bytes", 12_000)
    fit(source, store=tmp_path / "s")
    for name in ("silu", "bins"):
        rows = open_store(tmp_path / "s" / name)["train"]
        assert 2 * rows.most_rows * rows.row_bytes <= 12_000
        assert len(rows.blocks) >= 8  # there are two files
    monkeypatch.setattr(MemoryPlan, "member_window_bytes", 500)
    with pytest.raises(
        InputError, match=r"a batch of 32 rows takes 0\.0027 MB; expected at least"
    ) as e:
        fit(source, store=tmp_path / "s")
    assert e.value.parameter == "memory"


def test_settings_of_a_single_network_are_refused(tmp_path):
    with pytest.raises(InputError, match="setting of a single network"):
        fit(write(tmp_path, n=100), TableSettings(layers=(3,)))


def test_plans_have_fewer_epochs_for_more_rows():
    plans = [make_large_plan("fast", "regression", n) for n in (10**4, 10**6, 10**7, 10**9)]
    assert [plan.epochs for plan in plans] == [3000, 30, 3, 2]
    assert [plan.networks for plan in plans] == [4, 2, 2, 2]
    assert len(make_large_plan("best", "regression", 10).configurations) > len(
        make_large_plan("default", "regression", 10).configurations
    )

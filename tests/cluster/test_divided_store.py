"""Training on the rows of a store of which each worker reads a part."""

import numpy as np
import pytest
from tests.cluster.thread_world import on_threads

from deltarule import Network, StopFlag, train
from deltarule.cluster import LoneWorld, train_in_world, use_world
from deltarule.errors import FileError, ModelFileError
from deltarule.tables import StoreWriter, open_store
from deltarule.tables.packed_store import PackedRows
from deltarule.tabular.large_table import _opened

RNG = np.random.default_rng(11)


@pytest.fixture(params=[True, False], ids=["weighted", "unweighted"])
def folder(request, tmp_path):
    """A store of blocks of unequal sizes, some smaller than the number of workers."""
    with StoreWriter(
        tmp_path / "rows", "a test", 3, 1, weighted=request.param, parts=("train", "valid")
    ) as writer:
        for n in (40, 1, 97, 64, 2, 83):
            X = RNG.normal(size=(n, 3)).astype(np.float32)
            w = RNG.uniform(0.5, 2, size=n).astype(np.float32) if request.param else None
            Y = np.sin(X[:, :1] + X[:, 1:2])
            writer.append(
                {
                    "train": (X, Y, w),
                    "valid": (X[: n // 3], Y[: n // 3], None if w is None else w[: n // 3]),
                }
            )
        writer.finish()
    return tmp_path / "rows"


def parts_of(folder):
    found = open_store(folder)
    for rows in found.values():
        rows.window_bytes = 130 * rows.row_bytes  # windows of one to three blocks
    return found


NET = Network([3, 8, 1], "tanh", dtype=np.float32)
SETTINGS = {"batch_size": 16, "epochs": 3, "learning_rate": 0.01, "dropout": 0.1, "guard": "off"}


def trained(folder, size, **more):
    def work(world):
        parts = parts_of(folder)
        return train_in_world(
            NET, parts["train"], validation=parts["valid"], world=world, **SETTINGS | more
        )

    results = on_threads(size, work)
    for each in results:
        if isinstance(each, BaseException):
            raise each
        np.testing.assert_array_equal(each.theta, results[0].theta)
    return results[0]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("shuffle", [True, False])
def test_workers_equal_one(folder, size, shuffle):
    parts = parts_of(folder)
    one = train(NET, parts["train"], validation=parts["valid"], shuffle=shuffle, **SETTINGS)
    many = trained(folder, size, shuffle=shuffle)
    np.testing.assert_allclose(many.theta, one.theta, rtol=1e-3, atol=2e-5)
    for mine, log in zip(many.history.logs, one.history.logs, strict=True):
        assert mine.steps == log.steps
        assert mine.loss == pytest.approx(log.loss, rel=1e-5)
        assert mine.validation_loss == pytest.approx(log.validation_loss, rel=1e-5)


def test_each_reads_its_part(folder, monkeypatch):
    read = []
    own = PackedRows.read_share

    def counted(rows, index, X, Y, w):
        read.append((rows.rank, len(X)))
        own(rows, index, X, Y, w)

    monkeypatch.setattr(PackedRows, "read_share", counted)
    trained(folder, 3, epochs=1)
    for rank in range(3):
        rows = sum(count for each, count in read if each == rank)
        whole = 287 + sum(n // 3 for n in (40, 1, 97, 64, 2, 83))
        # Every row of the epoch and of the validation once; the final check reads one window more.
        assert rows < whole * 0.7
    assert sum(count for _, count in read) >= 287


def test_a_run_goes_on_in_the_middle_of_an_epoch(folder, tmp_path):
    undisturbed = trained(folder, 2)
    calls = []

    class AfterSteps(StopFlag):
        """Raised by worker 0 after some steps."""

    def work(world):
        flag = AfterSteps()
        parts = parts_of(folder)
        own = world.sum

        def counting(values):
            calls.append(world.rank)
            if world.is_first and calls.count(0) == 25:
                flag.stop()
            return own(values)

        world.sum = counting
        return train_in_world(
            NET,
            parts["train"],
            validation=parts["valid"],
            world=world,
            stop=flag,
            checkpoint=tmp_path / "c",
            **SETTINGS,
        )

    first = on_threads(2, work)
    assert "run.partial" in first[0].state
    np.testing.assert_array_equal(first[0].theta, first[1].theta)
    np.testing.assert_array_equal(
        trained(folder, 2, checkpoint=tmp_path / "c").theta, undisturbed.theta
    )


@pytest.mark.parametrize("at", [0.1, 0.5, 0.95])
def test_damage_is_found_by_the_worker_of_the_block(folder, at):
    path = folder / "train.rows"
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 4
    path.write_bytes(bytes(data))

    def work(world):
        return train_in_world(
            NET, parts_of(folder)["train"], world=world, **SETTINGS | {"epochs": 1}
        )

    errors = on_threads(2, work)
    assert any(isinstance(each, ModelFileError) for each in errors)


def test_a_worker_that_does_not_see_the_store_says_so(folder, tmp_path):
    class Second(LoneWorld):
        rank, size = 1, 2

    with use_world(Second()):
        assert set(_opened(folder)) == {"train", "valid"}
        with pytest.raises(FileError, match="worker 1 of 2 does not see the rows") as caught:
            _opened(tmp_path / "elsewhere")
    assert caught.value.parameter == "store"
    with pytest.raises(ModelFileError):  # one worker alone has looked where it has written
        _opened(tmp_path / "elsewhere")

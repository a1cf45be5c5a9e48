"""Training from a store on disk takes the steps of training in memory with the same order."""

import numpy as np
import pytest
from tests.training.helpers import RECORDED, cut_after

from deltarule import Network, StopFlag, train
from deltarule.errors import Diverged, InputError
from deltarule.tables import StoreWriter, open_store
from deltarule.training import Checkpoint, Recorder
from deltarule.training.packed_batches import PackedBatches, packed_order

N, VALID = 310, 57
OPTIONS = {
    "learning_rate": 0.02,
    "epochs": 3,
    "batch_size": 32,
    "averaging": 0.9,
    "l2": 0.5,
    "seed": 3,
}


def table(weighted, n=N, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32)
    Y = np.tanh(X[:, :2] - X[:, 2:]).astype(np.float32)
    # Powers of two, whose sums are exact.
    w = rng.choice([0.25, 0.5, 1.0, 2.0], n).astype(np.float32) if weighted else None
    return X, Y, w


def stored(folder, weighted=False, block=40, window_blocks=2):
    """A store of uneven blocks; and its rows as arrays."""
    train_rows, valid_rows = table(weighted), table(weighted, VALID, 1)
    sizes = [block, block - 7, 3, block + 5]
    with StoreWriter(folder, "d", 4, 2, weighted=weighted, parts=("train", "valid")) as writer:
        at, number = 0, 0
        while at < N:
            stop = at + sizes[number % len(sizes)]
            parts = {"train": tuple(None if a is None else a[at:stop] for a in train_rows)}
            if number == 1:
                parts["valid"] = valid_rows
            writer.append(parts)
            at, number = stop, number + 1
        writer.finish()
    store = open_store(folder)
    for rows in store.values():
        rows.window_bytes = window_blocks * block * rows.row_bytes
    return store, train_rows, valid_rows


def network():
    return Network([4, 6, 2], activation="tanh", dtype=np.float32)


def same(first, second):
    np.testing.assert_array_equal(first.theta, second.theta)
    for name in RECORDED:
        assert first.history.column(name) == second.history.column(name), name


def in_memory(store, train_rows, valid_rows, **options):
    X, Y, w = train_rows
    given = OPTIONS | options
    return train(
        network(),
        X,
        Y,
        sample_weight=w,
        validation=valid_rows if valid_rows[2] is not None else valid_rows[:2],
        order=lambda epoch: packed_order(store["train"], given["seed"], epoch),
        **given,
    )


@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [7, 32, 75])
def test_the_bits_are_those_of_training_in_memory(tmp_path, engine, weighted, batch_size):
    store, *rows = stored(tmp_path / "s", weighted)
    # Dropout masks depend on the numbers of the rows.
    options = {"engine": engine, "batch_size": batch_size, "dropout": 0.3}
    found = train(network(), store["train"], validation=store["valid"], **OPTIONS | options)
    same(found, in_memory(store, *rows, **options))


def test_each_epoch_has_every_row_once_and_its_own_order(tmp_path):
    store, *_ = stored(tmp_path / "s")
    batches = PackedBatches(store["train"], 32, 0, True)
    orders = []
    for epoch in range(2):
        rows = np.concatenate([batch.rows for batch in batches.epoch(epoch)])
        assert sorted(rows.tolist()) == list(range(N))
        orders.append(rows)
        np.testing.assert_array_equal(rows, packed_order(store["train"], 0, epoch))
    assert (orders[0] != orders[1]).any()
    plain = PackedBatches(store["train"], 32, 0, False)
    assert [row for batch in plain.epoch(0) for row in batch.rows] == list(range(N))


@pytest.mark.parametrize("first", range(0, 10, 3))
def test_an_epoch_can_begin_with_any_of_its_steps(tmp_path, first):
    store, (X, Y, w), _ = stored(tmp_path / "s", weighted=True)
    batches = PackedBatches(store["train"], 32, 5, True)
    steps = batches.epoch_steps(1)
    whole = packed_order(store["train"], 5, 1)
    relative = (w.astype(np.float64) / w.astype(np.float64).mean()).astype(np.float32)
    index = first
    for piece, local in steps.pieces(first):
        for i in range(local, piece.steps):
            batch, rows = piece.batch(i), whole[32 * index : 32 * (index + 1)]
            np.testing.assert_array_equal(batch.rows, rows)
            np.testing.assert_array_equal(batch.X, X[rows])
            np.testing.assert_array_equal(batch.Y, Y[rows])
            np.testing.assert_array_equal(batch.w, relative[rows] / np.float32(len(rows)))
            assert batch.step == steps.first_step + index
            index += 1
    assert index == steps.steps == 10
    rows = next(batches.epoch(1, first)).rows
    np.testing.assert_array_equal(rows, whole[32 * first : 32 * (first + 1)])


@pytest.mark.parametrize("step", [1, 4, 9, 10, 16])
def test_a_run_goes_on_within_an_epoch_to_the_same_bits(tmp_path, step):
    store, *_ = stored(tmp_path / "s")
    options = OPTIONS | {"engine": "reference", "dropout": 0.2}
    whole = train(network(), store["train"], validation=store["valid"], **options)
    first = train(
        network(),
        store["train"],
        validation=store["valid"],
        checkpoint=Checkpoint(tmp_path / "c", every=0.0),
        **options | cut_after(step),
    )
    assert first.stopped == "cut"
    again = train(network(), store["train"], validation=store["valid"], resume=first, **options)
    same(again, whole)


def test_a_checkpoint_goes_on_and_refuses_other_rows(tmp_path):
    store, *_ = stored(tmp_path / "s")
    whole = train(network(), store["train"], validation=store["valid"], **OPTIONS)
    flag = StopFlag()
    options = OPTIONS | {"checkpoint": tmp_path / "c"}
    train(
        network(), store["train"], validation=store["valid"], stop=flag,
        callbacks=[lambda event: flag.stop() if event.epoch == 2 else None], **options,
    )  # fmt: skip
    same(train(network(), store["train"], validation=store["valid"], **options), whole)
    other, *_ = stored(tmp_path / "t", block=30)
    with pytest.raises(InputError, match="of another run: data store"):
        train(network(), other["train"], validation=store["valid"], **options)


def test_without_validation_the_final_loss_is_that_of_all_rows(tmp_path):
    store, *rows = stored(tmp_path / "s")
    found = train(network(), store["train"], **OPTIONS)
    X, Y, _ = rows[0]
    plain = train(
        network(), X, Y, order=lambda epoch: packed_order(store["train"], 3, epoch), **OPTIONS
    )
    same(found, plain)


def test_divergence_names_the_batch(tmp_path):
    store, *_ = stored(tmp_path / "s")
    with pytest.raises(Diverged) as caught:
        train(network(), store["train"], rule="sgd", learning_rate=1e30, epochs=3)
    assert caught.value.batch is not None
    kept = train(
        network(), store["train"], validation=store["valid"], rule="sgd", learning_rate=1e5,
        epochs=4, on_divergence="halve_learning_rate", guard="quiet",
    )  # fmt: skip
    assert np.isfinite(kept.theta).all()


def test_the_guard_looks_at_rows_of_the_store(tmp_path):
    store, *_ = stored(tmp_path / "s")
    found = train(
        network(),
        store["train"],
        rule="sgd",
        learning_rate=1e-4,
        batch_size=8,
        epochs=25,
        guard="quiet",
    )
    assert [each.kind for each in found.findings] == ["learning rate too low"]


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"Y": np.ones((N, 2))}, "Y"),
        ({"sample_weight": np.ones(N)}, "sample_weight"),
        ({"order": lambda epoch: np.arange(N)}, "order"),
        ({"callbacks": [Recorder()]}, "callbacks"),
        ({"rule": "lbfgs"}, "rule"),
        ({"rule": "rprop"}, "rule"),
        ({"validation": 0.1}, "validation"),
        ({"batch_size": 300}, "batch_size"),
        ({"net": Network([4, 6, 2])}, "X"),
        ({"net": Network([4, 6, 1], dtype=np.float32)}, "X"),
    ],
)
def test_what_needs_rows_in_memory_is_refused(tmp_path, options, parameter):
    store, *_ = stored(tmp_path / "s")
    given = {"net": network(), "X": store["train"]} | options
    with pytest.raises(InputError, match="expected") as caught:
        train(**given)
    assert caught.value.parameter == parameter

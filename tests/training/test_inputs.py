"""Frames, nullable columns and sparse matrices: what estimators take, train takes."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from deltarule import Model, Network, backprop, check_gradient, train, train_many
from deltarule.errors import Diverged, InputError
from deltarule.training.batches import SparseRows

RNG = np.random.default_rng(0)
DENSE = np.where(RNG.random((60, 4)) < 0.5, 0.0, RNG.integers(-3, 4, (60, 4))).astype(float)
TARGET = DENSE.sum(axis=1) + 0.5
WEIGHT = RNG.integers(1, 4, 60)
NET = Network([4, 5, 1], activation="tanh")
SETTINGS = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01}
FRAME = pd.DataFrame(DENSE, columns=list("abcd"))


def arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


FRAMES = {
    "pandas": FRAME,
    "pandas Int64": FRAME.astype("Int64"),
    "pandas Float64": FRAME.astype("Float64"),
    "pandas mixed": FRAME.astype({"a": "Int64", "b": "Float32", "c": "int8", "d": "float64"}),
    "pandas pyarrow": FRAME.astype("double[pyarrow]"),
    "pandas pyarrow int": FRAME.astype("int64[pyarrow]"),
    "pandas Sparse": FRAME.astype(pd.SparseDtype("float64", 0.0)),
    "polars": pl.DataFrame(dict(FRAME.items())),
    "polars ints": pl.DataFrame({name: FRAME[name].astype(int).to_numpy() for name in FRAME}),
    "polars lazy": pl.DataFrame({name: FRAME[name].to_numpy() for name in FRAME}).lazy(),
    "pyarrow": arrow(FRAME),
    "pyarrow batch": arrow(FRAME).to_batches()[0],
    "list": DENSE.tolist(),
    "masked": np.ma.masked_array(DENSE, mask=False),
}
SPARSE = {
    f"{kind}_{form}": getattr(sparse, f"{kind}_{form}")(DENSE)
    for kind in ("csr", "csc", "coo", "lil", "dok", "bsr")
    for form in ("matrix", "array")
}
ALL = FRAMES | SPARSE


@pytest.mark.parametrize("name", ALL)
def test_rows_give_the_numbers_of_the_dense_ones(name):
    X = ALL[name]
    expected = train(NET, DENSE, TARGET, **SETTINGS)
    result = train(NET, X, TARGET, **SETTINGS)
    np.testing.assert_array_equal(result.theta, expected.theta)
    np.testing.assert_array_equal(
        Model(NET, result.theta).predict(X), Model(NET, expected.theta).predict(DENSE)
    )
    many = train_many(NET, X, TARGET, seeds=[0, 1], **SETTINGS)
    np.testing.assert_array_equal(many[0].theta, expected.theta)
    trace = backprop(NET, result.theta, X, TARGET)
    np.testing.assert_array_equal(trace.grad, backprop(NET, result.theta, DENSE, TARGET).grad)


@pytest.mark.parametrize("name", ["pandas Int64", "polars", "pyarrow", "csr_array", "coo_matrix"])
def test_own_validation_rows_too(name):
    X = ALL[name]
    expected = train(NET, DENSE, TARGET, validation=(DENSE, TARGET), **SETTINGS)
    result = train(NET, X, TARGET, validation=(X, TARGET, WEIGHT * 0 + 1), **SETTINGS)
    assert result.history.column("validation_loss") == expected.history.column("validation_loss")
    many = train_many(NET, X, TARGET, seeds=[0, 1], validation=(X, TARGET), **SETTINGS)
    assert many[0].history.column("validation_loss") == expected.history.column("validation_loss")


Y_KINDS = {
    "pandas": pd.Series(TARGET),
    "pandas Float64": pd.Series(TARGET, dtype="Float64"),
    "pandas pyarrow": pd.Series(TARGET, dtype="double[pyarrow]"),
    "frame": pd.DataFrame({"y": TARGET}).astype("Float64"),
    "polars": pl.Series(TARGET),
    "polars frame": pl.DataFrame({"y": TARGET}),
    "pyarrow": pa.array(TARGET),
    "pyarrow chunks": pa.chunked_array([TARGET[:20], TARGET[20:]]),
    "sparse": sparse.csr_array(TARGET[:, None]),
}


@pytest.mark.parametrize("name", Y_KINDS)
def test_targets_and_weights_give_the_numbers_of_the_dense_ones(name):
    expected = train(NET, DENSE, TARGET, sample_weight=WEIGHT, **SETTINGS)
    for weight in (
        pd.Series(WEIGHT, dtype="Int64"),
        pd.Series(WEIGHT, dtype="int64[pyarrow]"),
        pl.Series(WEIGHT),
        pa.array(WEIGHT),
    ):
        result = train(NET, DENSE, Y_KINDS[name], sample_weight=weight, **SETTINGS)
        np.testing.assert_array_equal(result.theta, expected.theta)
        many = train_many(NET, DENSE, Y_KINDS[name], sample_weight=weight, seeds=[0, 1], **SETTINGS)
        np.testing.assert_array_equal(many[0].theta, expected.theta)


def test_truth_values_and_classes():
    yes = TARGET > 0
    net = Network([4, 3, 1], output_activation="logistic", loss="log_loss")
    expected = train(net, DENSE, yes, **SETTINGS).theta
    for Y in (
        pd.Series(yes, dtype="boolean"),
        pd.Series(yes, dtype="bool[pyarrow]"),
        pl.Series(yes),
        pa.array(yes),
    ):
        np.testing.assert_array_equal(train(net, DENSE, Y, **SETTINGS).theta, expected)
    held = np.arange(60) % 3 == 0
    expected = train(net, DENSE, yes, validation=held, **SETTINGS)
    for mask in (pd.Series(held, dtype="boolean"), pl.Series(held), pa.array(held)):
        result = train(net, DENSE, yes, validation=mask, **SETTINGS)
        assert result.history.column("validation_loss") == expected.history.column(
            "validation_loss"
        )


def test_float32_networks():
    net = Network([4, 5, 1], activation="tanh", dtype=np.float32)
    expected = train(net, DENSE, TARGET, **SETTINGS)
    for name in ("csr_matrix", "pandas Int64", "polars"):
        np.testing.assert_array_equal(
            train(net, ALL[name], TARGET, **SETTINGS).theta, expected.theta
        )


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (FRAME.astype("Int64").mask(FRAME.iloc[3, 1] == FRAME), r"X\[\d+, \d+\] is nan"),
        ((FRAME > 0).astype("boolean").mask(FRAME == 1.0), r"X\[\d+, \d+\] is nan"),
        (
            pl.DataFrame({"a": [1, None], "b": [1, 2], "c": [1, 2], "d": [1, 2]}),
            r"X\[1, 0\] is nan",
        ),
        (pa.table({"a": [True, None], "b": [1, 2], "c": [1, 2], "d": [1, 2]}), r"X\[1, 0\] is nan"),
        (np.ma.masked_array(DENSE, mask=DENSE == 2), r"X\[\d+, \d+\] is nan"),
        (FRAME.assign(b="x"), "column 'b' of X holds 'x', a str; expected numbers: encode"),
        (FRAME.assign(b=pd.Timestamp("2020-01-01")), r"column 'b' of X has dtype datetime64"),
        (FRAME.assign(b=pd.Categorical(["u"] * 60)), "column 'b' of X holds 'u'"),
        (FRAME[["a", "b"]], r"X has shape \(60, 2\); expected \(N, 4\)"),
        (sparse.csr_array(DENSE[:, :2]), r"X has shape \(60, 2\); expected \(N, 4\)"),
        (sparse.coo_array(np.where(DENSE == 2, np.nan, DENSE)), r"X\[\d+, \d+\] is nan"),
        (sparse.csr_array(DENSE.astype(complex)), "X has dtype complex128; expected numbers"),
        ([[1.0, 2.0], [3.0]], "X is no array .*rows of one length"),
        ({"a": [1.0]}, "X has dtype object"),
        ("table.csv", "X has dtype <U9"),
    ],
    ids=range(15),
)
def test_what_cannot_be_used_is_refused_by_row_and_column(X, message):
    for call in (
        lambda: train(NET, X, TARGET, epochs=1),
        lambda: train_many(NET, X, TARGET, epochs=1, seeds=2 * [0]),
        lambda: Model(NET, NET.initial(0)).predict(X),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_the_sparse_entry_that_is_named_is_the_bad_one():
    bad = DENSE.copy()
    bad[17, 2] = np.inf
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix):
        with pytest.raises(InputError, match=r"X\[17, 2\] is inf"):
            train(NET, kind(bad), TARGET, epochs=1)


def test_check_gradient_takes_them():
    Y = pd.Series(TARGET, dtype="Float64")
    assert check_gradient(NET, NET.initial(0), ALL["csr_array"], Y).passed


WIDE = sparse.random_array((3000, 2000), density=0.01, format="csr", rng=np.random.default_rng(3))


def test_sparse_rows_are_not_copied_and_a_matrix_is_not_changed():
    X = WIDE.astype(np.float32)
    rows = SparseRows.checked(Network([2000, 1], dtype=np.float32), X)
    assert np.shares_memory(rows.values, X.data)
    assert np.shares_memory(rows.columns, X.indices)
    # Columns out of order, and one twice: as toarray adds them up.
    entries = (np.array([1.0, 2.0, 4.0]), np.array([2, 0, 2]), np.array([0, 3]))
    odd = sparse.csr_array(entries, shape=(1, 3))
    np.testing.assert_array_equal(SparseRows.of(odd)[:], [[2.0, 0.0, 5.0]])
    np.testing.assert_array_equal(odd.data, [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(odd.indices, [2, 0, 2])


@pytest.mark.parametrize("more", [{}, {"validation": 0.2}, {"validation": np.arange(0, 3000, 9)}])
def test_a_wide_sparse_matrix_trains_as_the_dense_one(more):
    net = Network([2000, 20, 1], activation="tanh", dtype=np.float32)
    X, y = WIDE.astype(np.float32), np.asarray(WIDE.sum(axis=1)).ravel()
    settings = {"epochs": 2, "batch_size": 64, "rule": "adam", **more}
    expected, found = (train(net, each, y, **settings) for each in (X.toarray(), X))
    np.testing.assert_array_equal(found.theta, expected.theta)
    for name in ("loss", "validation_loss"):
        losses = [[getattr(log, name) for log in each.history.logs] for each in (expected, found)]
        assert losses[0] == losses[1]
        assert (losses[0][0] is None) == (name == "validation_loss" and not more)


def test_training_on_sparse_rows_makes_few_of_them_dense():
    net = Network([2000, 20, 1], activation="tanh", dtype=np.float32)
    X, y = WIDE.astype(np.float32), np.asarray(WIDE.sum(axis=1)).ravel()
    settings = {
        "epochs": 2,
        "batch_size": 64,
        "rule": "adam",
        "validation": 0.5,
        "engine": "compiled",
    }
    train(net, X, y, **settings)  # compiles, and imports
    tracemalloc.start()
    try:
        result = train(net, X, y, **settings)
        Model(net, result.theta).predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3000 * 2000 * 4 / 2


def test_divergence_on_sparse_rows_names_the_layer():
    net = Network([2000, 20, 1], activation="relu", dtype=np.float32)
    X, y = WIDE.astype(np.float32), np.asarray(WIDE.sum(axis=1)).ravel()
    with pytest.raises(Diverged) as found:
        train(net, X, y, epochs=5, batch_size=64, rule="sgd", learning_rate=1e20)
    assert found.value.layer is not None


def test_lbfgs_takes_sparse_rows():
    net = Network([2000, 3, 1], activation="tanh", dtype=np.float64)
    y = np.asarray(WIDE.sum(axis=1)).ravel()
    expected, found = (
        train(net, each, y, rule="lbfgs", epochs=4) for each in (WIDE.toarray(), WIDE)
    )
    np.testing.assert_array_equal(found.theta, expected.theta)

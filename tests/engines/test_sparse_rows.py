"""Sparse rows: as dense ones, and in the compiled engine the same bits."""

import numpy as np
import pytest
from scipy import sparse

from deltarule.engines import Batch, CsrRows, EngineSettings, Epoch, make_engine
from deltarule.errors import InputError
from deltarule.maths import Network

compiled = pytest.mark.skipif(
    not pytest.importorskip("numba", reason="the compiled engine"), reason="the compiled engine"
)
# Widths, rows, rows of a step, density. Nodes and columns that fill no vector; more columns than a
# panel has; one layer; more rows than a block; a network whose batch is divided into parts.
SHAPES = {
    "no full vector": ([30, 17, 3], 100, 40, 0.1),
    "several panels": ([9001, 20, 2], 70, 64, 0.005),
    "one layer": ([100, 3], 300, 300, 0.05),
    "blocks": ([1300, 33, 2], 1300, 1300, 0.01),
    "parts": ([64, 16, 1], 1300, 1100, 0.05),
}


def random_rows(n_rows, n_columns, density, dtype, seed=0):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n_rows, n_columns), density=density, format="csr", rng=rng)
    X = X.astype(dtype)
    X.data -= np.asarray(0.3, dtype=dtype)
    return CsrRows(X.data, X.indices, X.indptr, n_columns)


def results(net, X, batch_size, threads, settings):
    """Everything that two epochs, and the calls between them, compute from the rows."""
    n, rng = len(X), np.random.default_rng(1)
    Y = rng.normal(size=(n, net.n_outputs)).astype(net.dtype)
    w = rng.uniform(0.5, 1.5, n).astype(net.dtype)
    w[::7] = 0
    engine = make_engine("compiled")
    engine.threads = threads
    engine.load(net, net.initial(0), EngineSettings(**settings))
    found = []
    for number in range(2):
        order = np.random.default_rng(number).permutation(n)
        rates = np.full(-(-n // batch_size), 0.01)
        found += engine.epoch(Epoch(X, Y, w, order, batch_size, rates, 1))
        batch = Batch(X, Y, w / n, np.arange(n), 1)
        cost, gradient = engine.gradient(batch)
        few = Batch(X[:5], Y[:5], w[:5], np.arange(5), 1)
        # Dense rows in between, which take another workspace.
        found += [[engine.cost(batch), cost, engine.cost(few)], gradient]
        found += [engine.predict(few.X).ravel(), engine.input_gradient(batch).ravel()]
        found += [[engine.step(batch, 0.01)], engine.sample_gradients(few).ravel()]
    return np.concatenate([*found, engine.theta])


@compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SHAPES)
def test_the_bits_are_those_of_dense_rows_for_any_number_of_threads(name, dtype):
    widths, n, batch_size, density = SHAPES[name]
    net = Network(widths, activation="tanh", dtype=dtype)
    X = random_rows(n, widths[0], density, dtype)
    expected = results(net, X[:], batch_size, 1, {"rule": "adam"})
    assert np.isfinite(expected).all()
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(
            results(net, X, batch_size, threads, {"rule": "adam"}), expected
        )


@compiled
def test_with_every_setting_and_without_bias():
    net = Network([50, 20, 2], activation="relu", bias=False, dtype=np.float32)
    settings = {"rule": "nesterov", "dropout": 0.3, "l2": 0.1, "clip_norm": 0.5, "averaging": 0.9}
    X = random_rows(90, 50, 0.1, np.float32)
    expected = results(net, X[:], 32, 1, settings)
    np.testing.assert_array_equal(results(net, X, 32, 2, settings), expected)


@compiled
def test_entries_of_another_dtype_and_rows_without_any():
    net = Network([12, 5, 1], activation="tanh", dtype=np.float32)
    X = random_rows(60, 12, 0.03, np.float64)
    assert (np.diff(X.starts) == 0).any()
    expected = results(net, X[:].astype(np.float32), 16, 1, {})
    np.testing.assert_array_equal(results(net, X, 16, 1, {}), expected)
    nothing = CsrRows(np.zeros(0), np.zeros(0), np.zeros(61), 12)
    np.testing.assert_array_equal(
        results(net, nothing, 16, 1, {}), results(net, nothing[:].astype(np.float32), 16, 1, {})
    )


@compiled
def test_the_width_is_checked():
    net = Network([12, 1])
    X = random_rows(60, 13, 0.1, np.float64)
    with pytest.raises(InputError, match=r"X has shape \(60, 13\); expected \(rows, 12\)"):
        results(net, X, 16, 1, {})


@pytest.mark.parametrize("name", ["reference", "compiled_bfloat16"])
def test_an_engine_that_takes_none_gets_dense_rows(name):
    if name == "compiled_bfloat16":
        bfloat16_kernels = pytest.importorskip("deltarule.engines.compiled.bfloat16_kernels")
        if not bfloat16_kernels.has_bfloat16():
            pytest.skip("this processor has no AVX512-BF16")
    net = Network([30, 4, 1], activation="tanh", dtype=np.float32)
    X = random_rows(20, 30, 0.1, np.float32)
    Y = np.ones((20, 1), dtype=np.float32)
    found = []
    for rows in (X, X[:]):
        engine = make_engine(name)
        assert not engine.takes_sparse_rows
        engine.load(net, net.initial(0), EngineSettings())
        epoch = Epoch(rows, Y, Y[:, 0], None, 8, np.full(3, 0.1), 1)
        found.append(np.concatenate([*engine.epoch(epoch), engine.theta]))
    np.testing.assert_array_equal(*found)


ROWS = {
    "slice": slice(3, 9),
    "empty slice": slice(9, 3),
    "steps": slice(None, None, -3),
    "numbers": np.array([5, 5, 0, -1]),
    "none": np.zeros(0, dtype=np.int64),
    "marks": np.arange(20) % 3 == 1,
    "list": [4, 2],
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_taken_as_from_an_array(name):
    X = random_rows(20, 8, 0.3, np.float64)
    dense, rows = X[:], ROWS[name]
    assert 0 < np.count_nonzero(dense) == len(X.values)
    np.testing.assert_array_equal(X[rows], dense[rows])
    part = X.take(rows)
    np.testing.assert_array_equal(part[:], dense[rows])
    assert part.shape == dense[rows].shape
    if name == "slice":
        assert np.shares_memory(part.values, X.values)


def test_row_numbers_beyond_the_end_are_refused():
    X = random_rows(20, 8, 0.3, np.float64)
    for row in (20, -21):
        with pytest.raises(IndexError):
            X[np.array([row])]

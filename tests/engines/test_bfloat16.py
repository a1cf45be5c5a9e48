"""Engines whose products have bfloat16 operands: the reference's emulation, compiled code."""

import ctypes

import numpy as np
import pytest

from deltarule.engines import CHECKS, Batch, EngineSettings, Epoch, check_engine, make_engine
from deltarule.errors import InputError, MissingCapability
from deltarule.maths import Network
from deltarule.maths.bfloat16 import round_to_bfloat16

pytest.importorskip("numba")

from deltarule.engines.compiled import bfloat16_engine, bfloat16_kernels
from deltarule.engines.compiled import engine as compiled_engine
from deltarule.engines.compiled.linker import compiled_library
from deltarule.engines.compiled.workspace import address_of, aligned

needs_processor = pytest.mark.skipif(
    not bfloat16_kernels.has_bfloat16(), reason="this processor has no AVX512-BF16"
)
both = pytest.mark.parametrize(
    "name", ["reference_bfloat16", pytest.param("compiled_bfloat16", marks=needs_processor)]
)


def loaded(name, net, theta=None, threads=1, **settings):
    made = make_engine(name)
    made.threads = threads
    made.load(net, net.initial(0) if theta is None else theta, EngineSettings(**settings))
    return made


def rows_of(net, n):
    rng = np.random.default_rng(0)
    shapes = ((n, net.n_inputs), (n, net.n_outputs))
    X, Y = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return Batch(X, Y, np.full(n, 1 / n, np.float32), np.arange(n), 1)


@both
def test_it_passes_the_contract(name):
    # The kernels of all activations and losses are those of the compiled engine in float32.
    report = check_engine(make_engine(name), checks=[each for each in CHECKS if each != "gradient"])
    assert report.passed
    assert {r.dtype for r in report.results} == {"float32"}
    assert {r.check: r.comparisons for r in report.results}["products"] == 20


@both
def test_products_are_rounded_and_parameters_are_not(name):
    net = Network([1, 1], [], bias=False, dtype=np.float32)
    engine = loaded(name, net, np.array([1 + 2.0**-10], np.float32))
    assert engine.predict(np.ones((1, 1))) == 1.0
    assert engine.theta == 1 + 2.0**-10
    engine.apply(np.array([2.0**-12]), 1.0)
    assert engine.theta == np.float32(1 + 2.0**-10 - 2.0**-12)


@both
def test_biases_and_their_gradients_are_not_rounded(name):
    net = Network([1, 1], [], loss="half_squared_error", dtype=np.float32)
    engine = loaded(name, net, np.array([0.0, 1 + 2.0**-12], np.float32))
    zero, one = np.zeros((1, 1), np.float32), np.ones(1, np.float32)
    batch = Batch(zero, zero, one, np.arange(1), 1)
    assert engine.predict(zero) == 1 + 2.0**-12
    assert engine.gradient(batch)[1].tolist() == [0.0, 1 + 2.0**-12]


@both
def test_a_network_in_float64_is_refused(name):
    with pytest.raises(InputError, match=f"expected a network with dtype=float32 for .*{name}"):
        loaded(name, Network([1, 1]))


def test_a_processor_without_the_instructions_is_named(monkeypatch):
    monkeypatch.setattr(bfloat16_engine, "has_bfloat16", lambda: False)
    monkeypatch.setattr(bfloat16_engine, "processor", lambda: ("znver3", "+avx2"))
    with pytest.raises(MissingCapability, match="AVX512-BF16, and this one, znver3, has none"):
        make_engine("compiled_bfloat16")
    monkeypatch.setattr(bfloat16_engine, "processor", lambda: ("generic", ""))
    with pytest.raises(MissingCapability, match="generic, as DELTARULE_CPU asks for, has none"):
        make_engine("compiled_bfloat16")


@pytest.mark.slow
@both
def test_gradients_with_all_activations_and_losses_are_as_promised(name):
    assert check_engine(make_engine(name), checks=["gradient"]).passed


# -- the compiled engine -----------------------------------------------------------------------


def _call(address, *arguments):
    ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))(address)(*arguments)


@needs_processor
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 16), (3, 31), (4, 32), (5, 70)])
def test_words_hold_the_rounded_numbers_and_zeros_beyond(rows, columns):
    library = compiled_library("bfloat16", bfloat16_kernels.write_bfloat16_kernels)
    source = aligned(rows * 80, np.float32)[: rows * 80].reshape(rows, 80)
    source[:] = np.nan  # what stands beyond the last column is not read
    numbers = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    numbers.flat[:4] = [np.inf, 1e-40, -3.4e38, 1 + 2.0**-8][: numbers.size]
    source[:, :columns] = numbers
    rounded = np.zeros((rows + rows % 2, 96), np.uint32)
    rounded[:rows, :columns] = round_to_bfloat16(numbers).view(np.uint32) >> 16
    by_rows = rounded[:rows, 0::2] << 16 | rounded[:rows, 1::2]
    in_pairs = rounded[0::2] << 16 | rounded[1::2]
    for kernel, expected, filled, panel in (
        ("row_words", by_rows, -(-columns // 32) * 16, ()),
        ("pair_words", in_pairs, -(-columns // 16) * 16, (128,)),
    ):
        target = aligned(len(expected) * 96, np.uint32)[: len(expected) * 96]
        arguments = (address_of(source), 320, address_of(target), 384, *panel, rows, columns)
        _call(library[kernel], *arguments)
        assert np.array_equal(target.reshape(-1, 96)[:, :filled], expected[:, :filled])
    # In panels of two vectors: panel, pair of rows, column.
    panels = aligned(3 * len(in_pairs) * 32, np.uint32)
    arguments = (address_of(source), 320, address_of(panels), 128, len(in_pairs) * 128)
    _call(library["pair_words"], *arguments, rows, columns)
    found = panels[: 3 * len(in_pairs) * 32].reshape(3, len(in_pairs), 32).transpose(1, 0, 2)
    filled = -(-columns // 16) * 16
    assert np.array_equal(found.reshape(-1, 96)[:, :filled], in_pairs[:, :filled])


@needs_processor
@pytest.mark.parametrize("n", [1, 7, 33, 130])
def test_nan_in_the_workspace_changes_no_result(n):
    net = Network([7, 19, 5, 3], "gelu", dtype=np.float32)
    engine, batch = loaded("compiled_bfloat16", net, dropout=0.3), rows_of(net, n)
    engine.gradient(batch)
    outcomes = []
    for value in (0.0, np.nan):
        results = []
        for method in (engine.gradient, engine.cost, engine.input_gradient):
            engine._plan.workspace[:] = value
            results.append(method(batch))
        engine._plan.workspace[:] = value
        cost, grad = results[0]
        outcomes.append([cost, *grad, results[1], *results[2].ravel()])
        outcomes[-1] += engine.predict(batch.X).ravel().tolist()
    assert np.isfinite(outcomes[0]).all()
    assert np.array_equal(*outcomes)


@needs_processor
@pytest.mark.parametrize(
    ("widths", "n"), [([40, 70, 33, 3], 150), ([4, 32, 5], 5000), ([1100, 70, 5], 71)]
)
def test_neither_threads_nor_epochs_change_a_bit(widths, n, monkeypatch):
    monkeypatch.setattr(compiled_engine, "_MIN_SHARED_WORK", 0.0)
    net = Network(widths, "tanh", dtype=np.float32)
    batch = rows_of(net, n)
    share = np.linspace(0.5, 1.5, n).astype(np.float32)
    share[::9] = 0
    order = np.random.default_rng(1).permutation(n)
    epoch = Epoch(batch.X, batch.Y, share, order, n * 2 // 3, np.full(2, 0.01), 1)
    outcomes = []
    for threads in (1, 2, 3, "steps"):
        options = {"rule": "adamw", "dropout": 0.2, "averaging": 0.6}
        workers = 1 if threads == "steps" else threads
        engine = loaded("compiled_bfloat16", net, threads=workers, **options)
        if threads == "steps":
            costs = [engine.step(epoch.batch(index), 0.01) for index in range(2)]
        else:
            costs = np.concatenate([*engine.epoch(epoch)])
        outcomes.append([*costs, *engine.theta, *engine.gradient(batch)[1]])
        outcomes[-1] += engine.predict(batch.X).ravel().tolist()
    assert np.isfinite(outcomes[0]).all()
    assert all(np.array_equal(outcomes[0], other) for other in outcomes[1:])


@needs_processor
def test_workers_in_different_layers_do_not_write_over_each_other(monkeypatch):
    # The operands of layers of 1100 and 70 nodes have the same memory, and no barrier is between.
    monkeypatch.setattr(compiled_engine, "_MIN_SHARED_WORK", 0.0)
    net = Network([1100, 70, 5], "tanh", dtype=np.float32)
    batch = rows_of(net, 71)
    alone = loaded("compiled_bfloat16", net, threads=1)
    shared = loaded("compiled_bfloat16", net, threads=3)
    cost, grad = alone.gradient(batch)
    for _ in range(1200):
        other, theirs = shared.gradient(batch)
        assert other == cost
        np.testing.assert_array_equal(theirs, grad)


@needs_processor
def test_a_row_is_predicted_with_the_same_bits_alone_and_among_others():
    net = Network([5, 33, 17, 3], "gelu", "softmax", "cross_entropy", dtype=np.float32)
    X = rows_of(net, 700).X
    engine = loaded("compiled_bfloat16", net)
    together = engine.predict(X)
    for row in (0, 15, 255, 256, 699):
        assert np.array_equal(engine.predict(X[row : row + 1])[0], together[row])

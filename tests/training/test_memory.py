"""Training takes the memory of what moves, of one batch, and a few bytes a row; X is not copied."""

import tracemalloc

import numpy as np
import pytest

pytest.importorskip("numba")

from deltarule.engines.compiled import CompiledEngine, engine
from deltarule.maths import Network, own_memory
from deltarule.optimizers import RULES
from deltarule.training import train

# Python's own objects, and costs and rates of a few hundred steps.
SMALL = 150_000


@pytest.fixture(autouse=True)
def traced(monkeypatch):
    """All arrays by NumPy, as tracemalloc does not see a mapping."""
    monkeypatch.setattr(own_memory, "_OWN", float("inf"))


def peak(run):
    run()  # what is compiled, imported or cached stays
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("widths", "n", "rows", "options"),
    [
        ([300, 400, 350, 10], 2048, 64, {"rule": "adam"}),
        ([300, 400, 350, 10], 2048, 64, {"rule": "sgd", "l2": 1.0}),
        ([300, 400, 350, 10], 2048, 64, {"rule": "momentum", "averaging": 0.9}),
        ([300, 400, 350, 10], 2048, 64, {"rule": "adamw", "validation": "rows"}),
        ([100, 60, 60, 200], 6000, 500, {"rule": "adam", "shuffle": False}),
        ([20, 30, 1], 60000, 400, {"rule": "adam"}),
    ],
)
def test_the_peak_is_what_moves_and_one_batch(
    widths, n, rows, options, dtype, threads, monkeypatch
):
    monkeypatch.setenv("DELTARULE_THREADS", str(threads))
    monkeypatch.setattr(engine, "_MIN_SHARED_WORK", 0.0)
    net = Network(widths, dtype=dtype)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, widths[0])).astype(dtype)
    Y = rng.normal(size=(n, widths[-1])).astype(dtype)
    best = options.get("validation") == "rows"
    if best:
        options = options | {"validation": (X[:rows].copy(), Y[:rows].copy())}
    slots = len(RULES.get(options["rule"]).slots)
    arrays = 2 + slots + best + ("averaging" in options)
    size = np.dtype(dtype).itemsize
    held = rows * widths[-1] * size if best else 0
    allowed = arrays * net.n_parameters * size + 3 * rows * sum(widths) * size
    allowed += Y.nbytes + 8 * n + held + SMALL
    taken = peak(
        lambda: train(net, X, Y, epochs=2, batch_size=rows, engine=CompiledEngine, **options)
    )
    assert taken <= allowed, (taken / 1e6, allowed / 1e6)


def test_a_copy_of_x_is_seen():
    net = Network([300, 20, 1], dtype=np.float32)
    X = np.ones((4096, 300), np.float32)
    Y = np.zeros((4096, 1), np.float32)
    options = {"epochs": 1, "batch_size": 64, "engine": CompiledEngine}
    as_it_is = peak(lambda: train(net, X, Y, **options))
    other = np.asfortranarray(X)
    copied = peak(lambda: train(net, other, Y, **options))
    assert copied - as_it_is > 0.9 * X.nbytes

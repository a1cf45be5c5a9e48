"""All ordered pairs of engine calls, for ``test_call_pairs.py``, in a process of their own.

Each pair starts from the same state. The results of its calls and the state after it must have the
same bits for any number of threads, and agree with the reference engine.
"""

import faulthandler
import sys
import threading

import numpy as np

from deltarule.engines import Batch, EngineSettings, Epoch, make_engine
from deltarule.engines.compiled import CompiledEngine, thread_pool
from deltarule.maths import Network

SMALL, LARGE = 3, 420
WIDTHS = [30, 40, 20, 3]
SETTINGS = {"l2": 2.0, "l1": 1.0, "total_weight": 50.0, "clip_norm": 0.5, "averaging": 0.7}
THREADS = (1, 2, 3)
# Seconds after which a process that hangs is ended; a run takes about ten.
PATIENCE = 100


class Made:
    """Rows that are computed when they are indexed, as sparse ones are."""

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype

    def __getitem__(self, rows):
        return self.X[rows]


def calls(net):
    """The calls by name: functions that take an engine and return a list of arrays."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(LARGE + SMALL, net.n_inputs)).astype(net.dtype)
    Y = rng.normal(size=(len(X), net.n_outputs)).astype(net.dtype)
    w = rng.uniform(0.5, 1.5, size=len(X)).astype(net.dtype)
    grad = rng.normal(size=net.n_parameters).astype(net.dtype)

    def run(engine, rows, batch_size):
        n = rows.shape[0]
        epoch = Epoch(rows, Y[:n], w[:n], None, batch_size, np.full(9, 0.01), 1)
        return [np.concatenate(list(engine.epoch(epoch)))]

    found = {
        "apply": lambda engine: engine.apply(grad, 0.01, 0.5),
        "penalty": lambda engine: [engine.penalty_cost()],
        "is_finite": lambda engine: [engine.is_finite()],
        "state": lambda engine: list(engine.state().values()),
        "restore": lambda engine: engine.restore(engine.state()),
        # A large batch, and a last batch of few rows.
        "epoch, mixed": lambda engine: run(engine, X, LARGE),
        "made rows, mixed": lambda engine: run(engine, Made(X), LARGE),
    }
    for size, n in (("small", SMALL), ("large", LARGE)):
        batch = Batch(X[:n], Y[:n], w[:n] / n, np.arange(n), 4)
        found |= {
            f"step, {size}": lambda engine, batch=batch: [engine.step(batch, 0.01)],
            f"gradient, {size}": lambda engine, batch=batch: list(engine.gradient(batch)),
            f"cost, {size}": lambda engine, batch=batch: [engine.cost(batch)],
            f"averaged cost, {size}": lambda engine, batch=batch: [engine.cost(batch, True)],
            f"predict, {size}": lambda engine, batch=batch: [engine.predict(batch.X)],
            f"inputs, {size}": lambda engine, batch=batch: [engine.input_gradient(batch)],
            f"samples, {size}": lambda engine, batch=batch: [engine.sample_gradients(batch)],
            f"epoch, {size}": lambda engine, n=n: run(engine, X[:n], n),
        }
    return found


def loaded(engine, net, rule, threads=None):
    """An engine that has taken a few steps."""
    engine.threads = threads
    engine.load(net, net.initial(0), EngineSettings(rule=rule, dropout=0.2, **SETTINGS))
    for _ in range(3):
        calls(net)["step, small"](engine)
    return engine


def outcome(engine, state, pair, found):
    engine.restore(state)
    given = [array for name in pair for array in found[name](engine) or []]
    return [np.asarray(array) for array in (*given, *engine.state().values())]


def check(engines, reference, net):
    """Run every pair with every engine; fails at the first wrong result."""
    found = calls(net)
    start = reference.state()
    tolerance = 1e-9 if net.dtype == np.float64 else 2e-3
    for first in found:
        # The reference engine keeps nothing but its state: the first call is made once.
        reference.restore(start)
        given = [np.asarray(array) for array in found[first](reference) or []]
        between = reference.state()
        for second in found:
            pair = (first, second)
            right = given + outcome(reference, between, [second], found)
            got = [outcome(engine, start, pair, found) for engine in engines]
            for engine, arrays in zip(engines, got, strict=True):
                same = all(map(np.array_equal, arrays, got[0]))
                assert same, f"{pair}: {engine.threads} threads give other bits than 1"
            for a, b in zip(got[0], right, strict=True):
                assert a.shape == b.shape, pair
                size = np.abs(b.astype(np.float64))
                allowed = tolerance * (size + size.max(initial=1e-30))
                assert (np.abs(np.subtract(a, b, dtype=np.float64)) <= allowed).all(), pair


def main(dtype, rule, mode):
    net = Network(WIDTHS, activation="tanh", dtype=dtype)
    reference = loaded(make_engine("reference"), net, rule)
    engines = [loaded(CompiledEngine(), net, rule, threads) for threads in THREADS]
    # Otherwise no call would be divided among threads.
    assert [engine._workers(LARGE) for engine in engines] == list(THREADS)
    assert {engine._workers(SMALL) for engine in engines} == {1}
    if mode == "busy":
        thread_pool._POOL_LOCK.acquire()
    if mode == "interrupted":
        interrupt_each_call(engines, net)
    if mode == "forked":
        import os
        import warnings

        for engine in engines:  # start the threads that the child of the fork lacks
            calls(net)["cost, large"](engine)
        warnings.simplefilter("ignore")
        faulthandler.cancel_dump_traceback_later()  # the child would lack its thread too
        child = os.fork()
        faulthandler.dump_traceback_later(PATIENCE - 10 * (child == 0), exit=True)
        if child:
            _, status = os.waitpid(child, 0)
            raise SystemExit(os.waitstatus_to_exitcode(status))
    check(engines, reference, net)


def interrupt_each_call(engines, net):
    """Ctrl-C in a call of several workers: before worker 0 runs, after it, before all start."""
    for engine in engines[1:]:
        first = engine._plan.worker_state(0).address
        for when in ("before", "after"):
            for name, call in calls(net).items():
                call(engine)
                entry = thread_pool._entry

                def interrupted(which, entry=entry, first=first, when=when):
                    whole = entry(which)

                    def call_entry(address, *rest):
                        if address == first and when == "before":
                            raise KeyboardInterrupt
                        result = whole(address, *rest)
                        if address == first:
                            raise KeyboardInterrupt
                        return result

                    return call_entry

                thread_pool._entry = interrupted
                try:
                    call(engine)
                except KeyboardInterrupt:
                    pass
                else:
                    assert "large" not in name, name
                finally:
                    thread_pool._entry = entry
        whole = thread_pool._submit

        def pressed(jobs, whole=whole):
            whole(jobs[:1])
            raise KeyboardInterrupt

        thread_pool._submit = pressed
        try:
            calls(net)["gradient, large"](engine)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("nothing was interrupted")
        finally:
            thread_pool._submit = whole
    assert not thread_pool._POOL_LOCK.locked()
    assert threading.active_count() <= 1 + max(THREADS)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    main(np.dtype(sys.argv[1]), *sys.argv[2:])

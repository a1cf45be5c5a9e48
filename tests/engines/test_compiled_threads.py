"""Several threads: the same bits for any number of them, and no worker waits for ever."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("numba")

from deltarule.engines import Batch, EngineSettings, Epoch
from deltarule.engines import threads as counting
from deltarule.engines.compiled import CompiledEngine, engine, thread_pool
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.optimizers import RULES

# Networks and numbers of rows for each way of dividing work: one block of rows in vectors, with a
# remainder; several blocks; parts with gradients of their own; more workers than pairs of vectors.
SHAPES = [
    ([7, 33, 18, 3], 200, "one block"),
    ([300, 260, 10], 1100, "blocks"),
    ([4, 32, 16, 4], 5000, "parts"),
    ([40, 9, 2], 20, "few rows"),
    ([1100, 700, 5], 70, "sums that are cut"),
]


@pytest.fixture(autouse=True)
def divide_all_work(monkeypatch):
    monkeypatch.setattr(engine, "_MIN_SHARED_WORK", 0.0)


def problem(widths, n, dtype):
    rng = np.random.default_rng(0)
    net = Network(widths, activation="tanh", dtype=dtype)
    X = rng.normal(size=(n, widths[0])).astype(dtype)
    Y = rng.normal(size=(n, widths[-1])).astype(dtype)
    return net, X, Y


def loaded(net, threads, **settings):
    made = CompiledEngine()
    made.threads = threads
    made.load(net, net.initial(0), EngineSettings(**settings))
    return made


def outcome(net, X, Y, threads, **settings):
    """All results of two epochs, a gradient, a cost and a prediction."""
    made, n = loaded(net, threads, **settings), len(X)
    share = np.linspace(0.5, 1.5, n).astype(net.dtype)
    share[::9] = 0
    order = np.random.default_rng(1).permutation(n)
    size = max(n * 2 // 3, 1)
    epoch = Epoch(X, Y, share, order, size, np.full(2, 0.01), 1)
    # How many costs come at a time depends on the time that steps take.
    costs = np.concatenate([*made.epoch(epoch), *made.epoch(epoch._replace(first_step=3))])
    batch = Batch(X, Y, share / n, np.arange(n), 5)
    cost, grad = made.gradient(batch)
    state = made.state()
    return [
        *costs, grad, made.predict(X), np.array([cost, made.cost(batch)]),
        *(state[name] for name in sorted(state)),
    ]  # fmt: skip


EVERYTHING = {"l2": 3.0, "l1": 1.0, "clip_norm": 0.05, "averaging": 0.6, "dropout": 0.2}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("widths", "n", "how"), SHAPES, ids=[shape[2] for shape in SHAPES])
@pytest.mark.parametrize("settings", [{"rule": "sgd"}, {"rule": "adamw"} | EVERYTHING], ids=str)
def test_the_number_of_threads_changes_no_bit(widths, n, how, settings, dtype):
    net, X, Y = problem(widths, n, dtype)
    single = outcome(net, X, Y, 1, **settings)
    assert all(np.isfinite(part).all() for part in single)
    for threads in (2, 3):
        several = outcome(net, X, Y, threads, **settings)
        assert all(map(np.array_equal, single, several))


@pytest.mark.parametrize("rule", RULES.names())
def test_the_number_of_threads_changes_no_bit_for_any_rule(rule):
    net, X, Y = problem([70, 90, 3], 150, "float32")
    batch = Batch(X, Y, np.full(150, 1 / 150, np.float32), np.arange(150), 1)
    engines = [loaded(net, threads, rule=rule, l2=1.0) for threads in (1, 2)]
    for step in range(1, 5):
        costs = {made.step(batch._replace(step=step), 0.01) for made in engines}
        assert len(costs) == 1
    assert np.array_equal(engines[0].theta, engines[1].theta)


def test_work_is_divided(monkeypatch):
    """The tests above do compare one worker with several."""
    workers = []
    run = thread_pool.Dispatcher.run

    def recorded(self, number, *rest, **more):
        workers.append(number)
        return run(self, number, *rest, **more)

    monkeypatch.setattr(thread_pool.Dispatcher, "run", recorded)
    net, X, Y = problem([7, 33, 18, 3], 200, "float32")
    outcome(net, X, Y, 3)
    assert set(workers) == {3}


def test_no_worker_takes_a_step_that_is_not_finite():
    net, X, Y = problem([7, 33, 3], 200, "float32")
    X[150] = 1e30
    engines = [
        loaded(net.with_changes(activation="exp"), threads, rule="adam") for threads in (1, 2)
    ]
    epoch = Epoch(X, Y, np.ones(200, np.float32), None, 100, np.full(2, 0.001), 1)
    for made in engines:
        costs = np.concatenate(list(made.epoch(epoch)))
        assert np.isfinite(costs[0])
        assert not np.isfinite(costs[1])
        assert made.state()["t"] == 1
    assert np.array_equal(engines[0].theta, engines[1].theta)


def test_engines_used_by_several_threads_do_not_wait_for_each_other():
    net, X, Y = problem([70, 90, 3], 150, "float32")
    batch = Batch(X, Y, np.full(150, 1 / 150, np.float32), np.arange(150), 1)

    def run(found, index):
        made = loaded(net, 2, rule="adam")
        for step in range(1, 40):
            made.step(batch._replace(step=step), 0.01)
        found[index] = made.theta

    found = [None] * 4
    threads = [threading.Thread(target=run, args=(found, index)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert all(np.array_equal(found[0], other) for other in found[1:])


def test_ctrl_c_before_worker_0_starts_releases_the_other_workers(monkeypatch):
    net, X, Y = problem([70, 90, 3], 150, "float32")
    made = loaded(net, 2)
    batch = Batch(X, Y, np.full(150, 1 / 150, np.float32), np.arange(150), 1)
    made.step(batch, 0.01)
    first = made._plan.worker_state(0).address
    entry = thread_pool._entry("run_steps")

    def interrupted(address, *rest):
        if address == first:
            raise KeyboardInterrupt
        return entry(address, *rest)

    monkeypatch.setattr(thread_pool, "_entry", lambda name: interrupted)
    before = made.theta
    with pytest.raises(KeyboardInterrupt):
        made.step(batch, 0.01)
    monkeypatch.undo()
    assert np.array_equal(made.theta, before)
    assert np.isfinite(made.step(batch, 0.01))


class Later:
    """A function for ``stop`` that returns false at its first call, and true after that."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return self.calls > 1


def long_steps(threads, monkeypatch):
    """An engine whose step takes a good part of a second, and an epoch of two steps."""
    monkeypatch.setattr(thread_pool, "_POLL_SECONDS", 0.001)
    net, X, Y = problem([500, 900, 900, 30], 800, "float32")
    made = loaded(net, threads, rule="adam")
    assert made._is_long(400)
    return made, Epoch(X, Y, np.ones(800, np.float32), None, 400, np.full(2, 0.01), 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_step_is_stopped_halfway_and_changes_nothing(threads, monkeypatch):
    made, epoch = long_steps(threads, monkeypatch)
    other, _ = long_steps(1, monkeypatch)
    whole = np.concatenate(list(other.epoch(epoch)))
    before = made.state()
    made.stop = Later()
    assert [len(costs) for costs in made.epoch(epoch)] == [0]
    batch = epoch.batch(0)
    for call in (lambda: made.step(batch, 0.1), lambda: made.gradient(batch)[0]):
        made.stop = Later()
        assert np.isnan(call())
    made.stop = None
    after = made.state()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    # The request to stop has no effect on later steps.
    assert np.array_equal(np.concatenate(list(made.epoch(epoch))), whole)
    assert np.array_equal(made.theta, other.theta)


def test_ctrl_c_ends_a_long_call_outside_of_training(monkeypatch):
    made, epoch = long_steps(2, monkeypatch)
    before = made.theta

    def pressed():
        raise KeyboardInterrupt

    made.stop = pressed
    with pytest.raises(KeyboardInterrupt):
        made.step(epoch.batch(0), 0.1)
    assert np.array_equal(made.theta, before)
    made.stop = None
    assert np.isfinite(made.step(epoch.batch(0), 0.01))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_step_can_be_stopped_while_the_pool_is_in_use(threads, monkeypatch):
    made, epoch = long_steps(threads, monkeypatch)
    other, _ = long_steps(1, monkeypatch)
    before = made.theta
    with thread_pool._POOL_LOCK:
        made.stop = Later()
        assert np.isnan(made.step(epoch.batch(0), 0.01))
        assert np.array_equal(made.theta, before)
        made.stop = None
        assert made.step(epoch.batch(0), 0.01) == other.step(epoch.batch(0), 0.01)
    assert np.array_equal(made.theta, other.theta)


@pytest.mark.parametrize("started", [0, 1])
def test_if_no_thread_can_be_started_the_caller_computes_alone(started, monkeypatch):
    """As at the interpreter's shutdown, or if the system has no more threads."""
    net, X, Y = problem([70, 90, 3], 150, "float32")
    batch = Batch(X, Y, np.full(150, 1 / 150, np.float32), np.arange(150), 1)
    engines = [loaded(net, threads, rule="adam") for threads in (1, 3)]
    pooled = thread_pool._submit

    def refused(jobs):
        if started:
            pooled(jobs[:started])
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(thread_pool, "_submit", refused)
    costs = {made.step(batch, 0.01) for made in engines}
    monkeypatch.undo()
    costs |= {made.gradient(batch)[0] for made in engines}
    assert len(costs) == 2
    assert np.array_equal(engines[0].theta, engines[1].theta)
    assert not thread_pool._POOL_LOCK.locked()


@pytest.mark.parametrize("threads", [1, 2])
def test_if_no_thread_can_be_started_the_caller_makes_long_calls(threads, monkeypatch):
    made, epoch = long_steps(threads, monkeypatch)
    batch = epoch.batch(0)

    def results():
        return [made.predict(batch.X), made.cost(batch), *made.gradient(batch),
                made.input_gradient(batch), made.step(batch, 0.01)]  # fmt: skip

    before = made.state()
    right = results()
    made.restore(before)

    def refused(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(thread_pool, "_POOL", [])
        patch.setattr(threading.Thread, "start", refused)
        found = results()
    assert all(map(np.array_equal, found, right))
    assert not thread_pool._POOL_LOCK.locked()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("what", ["predict", "input_gradient", "sample_gradients"])
def test_ctrl_c_ends_long_calls_with_a_result_for_each_row(threads, what, monkeypatch):
    made, epoch = long_steps(threads, monkeypatch)
    monkeypatch.setattr(engine, "_LONG_WORK", 1.0)
    batch = epoch.batch(0)
    if what == "sample_gradients":
        batch = Batch(batch.X[:50], batch.Y[:50], batch.w[:50], np.arange(50), 1)
    given = batch.X if what == "predict" else batch
    run, skipped = thread_pool._run_polling, []

    def watched(*arguments):
        try:
            return run(*arguments)
        except thread_pool.Stopped:
            skipped.append(True)
            raise KeyboardInterrupt from None

    monkeypatch.setattr(thread_pool, "_run_polling", watched)
    monkeypatch.setattr(CompiledEngine, "_never", staticmethod(lambda: True))
    with pytest.raises(KeyboardInterrupt):
        getattr(made, what)(given)
    assert skipped


def test_ctrl_c_while_waiting_for_jobs_is_raised_after_their_end():
    order = []

    class InterruptedTwice(threading.Event):
        def wait(self, timeout=None):
            order.append("waited")
            if len(order) < 3:
                raise KeyboardInterrupt
            self.set()
            return True

    job = thread_pool._Job(order.append, ("never",))
    job.finished = InterruptedTwice()
    with pytest.raises(KeyboardInterrupt):
        thread_pool._wait([job])
    assert order == ["waited"] * 3


def test_an_engine_whose_arrays_are_released_calls_no_compiled_code():
    net, X, Y = problem([4, 5, 2], 9, "float64")
    made = loaded(net, 1)
    made.release(with_theta=False)
    batch = Batch(X, Y, np.ones(9), np.arange(9), 1)
    for call in (made.is_finite, made.penalty_cost, lambda: made.step(batch, 0.1)):
        with pytest.raises(InputError, match="holds no network"):
            call()


def test_the_environment_sets_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(counting, "_FORKED", [])
    monkeypatch.setenv("DELTARULE_THREADS", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert counting.usable_threads() == 3
    monkeypatch.delenv("DELTARULE_THREADS")
    assert counting.usable_threads() == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= counting.usable_threads() <= os.cpu_count()
    for wrong in ("0", "two", "-1", "1.5"):
        monkeypatch.setenv("DELTARULE_THREADS", wrong)
        with pytest.raises(InputError, match=r"DELTARULE_THREADS is .* at least 1"):
            counting.usable_threads()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_trains_with_one_thread_and_the_same_bits():
    code = """
import os, warnings
import numpy as np
from deltarule.engines import Batch, EngineSettings, make_engine
from deltarule.engines.compiled import engine, thread_pool
from deltarule.maths import Network
engine._MIN_SHARED_WORK = 0.0
net = Network([40, 50, 3], dtype=np.float32)
X, Y = np.ones((90, 40), np.float32), np.ones((90, 3), np.float32)
batch = Batch(X, Y, np.full(90, 1 / 90, np.float32), np.arange(90), 1)

def theta():
    made = make_engine("compiled")
    made.load(net, net.initial(0), EngineSettings(rule="adam"))
    for step in range(1, 20):
        made.step(batch._replace(step=step), 0.01)
    return made._max_workers, made.theta.tobytes().hex()

most, parent = theta()
reading, writing = os.pipe()
warnings.simplefilter("ignore")  # Python warns of a fork in a process with threads
child = os.fork()
if child == 0:
    most, own = theta()
    os.write(writing, f"{most} {own == parent}".encode())
    os._exit(0)
os.waitpid(child, 0)
print(most, os.read(reading, 100).decode())
"""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert done.stdout.split() == [str(cores), "1", "True"]

"""Stopping from outside: the flag from another thread, Ctrl-C, and Ctrl-C again."""

import signal
import threading
import time

import numpy as np
import pytest
from tests.processes import started
from tests.training.helpers import Watching, regression

from deltarule.training import StopFlag, train
from deltarule.training.interrupt import interruptible


class Slow(Watching):
    """Five milliseconds for each step, so that a run is long enough to be stopped."""

    started = None

    def step(self, batch, learning_rate):
        cost = super().step(batch, learning_rate)
        if self.started is not None:
            self.started.set()
        time.sleep(0.005)
        return cost


def test_a_flag_raised_in_another_thread_ends_the_step_it_is_in():
    net, X, Y = regression()
    flag, engine = StopFlag(), Slow()
    engine.started = threading.Event()
    pressed = []

    def press():
        engine.started.wait(10)
        pressed.append(time.perf_counter())
        flag.stop("had enough")

    thread = threading.Thread(target=press)
    thread.start()
    result = train(net, X, Y, epochs=100_000, batch_size=5, engine=engine, stop=flag)
    took = time.perf_counter() - pressed[0]
    thread.join()
    assert result.stopped == "had enough"
    assert took < 0.2
    assert np.array_equal(result.theta, engine.theta)


def test_training_in_another_thread_can_be_stopped():
    net, X, Y = regression()
    flag, engine, results = StopFlag(), Slow(), []
    engine.started = threading.Event()

    def work():
        results.append(train(net, X, Y, epochs=100_000, batch_size=5, engine=engine, stop=flag))

    thread = threading.Thread(target=work)
    thread.start()
    engine.started.wait(10)
    flag.stop()
    thread.join(1)
    assert not thread.is_alive()
    assert results[0].stopped == "stopped"


def test_a_flag_that_is_raised_already_lets_no_step_be_taken():
    net, X, Y = regression()
    flag = StopFlag()
    flag.stop("before it began")
    flag.stop("too late")
    result = train(net, X, Y, theta=net.initial(3), stop=flag)
    assert result.stopped == "before it began"
    assert np.array_equal(result.theta, net.initial(3))
    assert (len(result.history), result.best_epoch) == (0, 0)


def test_a_flag_raised_during_validation_ends_it(monkeypatch):
    """A long validation is left between two pieces, and its epoch not recorded."""
    monkeypatch.setattr("deltarule.training.batches._CHUNK_ROWS", 2)
    net, X, Y = regression()
    flag, pieces = StopFlag(), []

    class Pressed(Watching):
        def cost(self, batch, averaged=False):
            pieces.append(len(batch.rows))
            if len(pieces) == 15 + 3:  # 15 pieces in the first epoch
                flag.stop()
            return super().cost(batch, averaged)

    engine = Pressed()
    result = train(net, X, Y, validation=(X, Y), epochs=9, engine=engine, stop=flag)
    # One more is looked at, to see that the result is finite.
    assert len(pieces) == 15 + 3 + 1
    assert len(result.history) == 1
    assert np.array_equal(result.theta, engine.thetas[1])
    options = {"validation": (X, Y), "epochs": 9, "engine": "reference"}
    finished = train(net, X, Y, resume=result, **options)
    assert np.array_equal(finished.theta, train(net, X, Y, **options).theta)


def test_the_best_so_far_is_kept():
    net, X, Y = regression()
    flag, engine = StopFlag(), Watching()
    scores = iter([1, 5, 2, 3, 4])

    def scorer(live):
        score = next(scores)
        if score == 4:
            flag.stop()
        return score

    result = train(net, X, Y, scorer=scorer, epochs=9, engine=engine, stop=flag)
    assert result.best_epoch == 2
    assert np.array_equal(result.theta, engine.thetas[2])


def test_the_handler_is_python_s_own_again_afterwards():
    net, X, Y = regression()
    before = signal.getsignal(signal.SIGINT)
    train(net, X, Y, epochs=1)
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(ZeroDivisionError), interruptible(StopFlag()):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_raises_the_flag_and_a_second_one_raises():
    flag = StopFlag()
    with interruptible(flag):
        signal.raise_signal(signal.SIGINT)
        assert flag.reason == "interrupted"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_first_ctrl_c_does_not_raise_because_another_thread_had_stopped_the_run():
    flag = StopFlag()
    flag.stop("elsewhere")
    with interruptible(flag):
        signal.raise_signal(signal.SIGINT)
    assert flag.reason == "elsewhere"


def test_a_handler_of_the_calling_program_is_kept():
    def mine(number, frame):
        pressed.append(number)

    pressed, before = [], signal.signal(signal.SIGINT, lambda *_: None)
    try:
        signal.signal(signal.SIGINT, mine)
        flag = StopFlag()
        with interruptible(flag):
            assert signal.getsignal(signal.SIGINT) is mine
            signal.raise_signal(signal.SIGINT)
        assert pressed == [signal.SIGINT]
        assert not flag
    finally:
        signal.signal(signal.SIGINT, before)


SCRIPT = """
import sys, time
import numpy as np
from deltarule import Network, ReferenceEngine, train

class Slow(ReferenceEngine):
    def step(self, batch, learning_rate):
        if batch.step == 3:
            print("training", flush=True)
        if batch.step >= 3:
            time.sleep({seconds})
        return super().step(batch, learning_rate)

X = np.linspace(-1, 1, 40)[:, None]
net = Network([1, 4, 1], activation="tanh")
result = train(net, X, X**2, validation=0.2, epochs=10**6, batch_size=8, engine=Slow)
print(result.stopped, result.best_epoch > 0 or len(result.history) == 0)
print(np.isfinite(result.theta).all(), flush=True)
"""


def test_ctrl_c_ends_a_process_s_training_within_a_step_and_the_result_is_there():
    with started(SCRIPT.format(seconds=0.01)) as process:
        time.sleep(0.1)
        pressed = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted True\n"
        assert time.perf_counter() - pressed < 0.2
        assert process.stdout.read() == "True\n"
        assert process.stderr.read() == ""
        assert process.wait(10) == 0


def test_a_second_ctrl_c_ends_the_process_as_usual():
    with started(SCRIPT.format(seconds=5)) as process:
        pressed = time.perf_counter()
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert "KeyboardInterrupt" in process.stderr.read()
        assert process.wait(3) != 0
        assert time.perf_counter() - pressed < 3


@pytest.mark.parametrize("n_rows", [401, 601])
def test_ctrl_c_ends_a_sparse_fit_on_two_threads(n_rows):
    """The last batch of an epoch has few rows, and is taken by the caller alone."""
    pytest.importorskip("numba")
    code = f"""
import os
os.environ["DELTARULE_THREADS"] = "2"
import numpy as np, scipy.sparse as sp
from deltarule import MLPClassifier
X = sp.random({n_rows}, 1000, density=0.05, format="csr", random_state=0)
model = MLPClassifier(max_iter=10**6, n_iter_no_change=10**6, random_state=0,
                      callbacks=[lambda event: event.epoch == 2 and print("training", flush=True)])
model.fit(X, np.arange({n_rows}) % 2)
print(model.n_iter_ > 1, np.isfinite(model.loss_))
"""
    with started(code) as process:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert out.split() == ["True", "True"], errors

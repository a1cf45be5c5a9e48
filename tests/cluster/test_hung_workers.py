"""Workers that hang without ending: a stopped process sends no signs of life."""

import os
import signal
import subprocess
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.cluster.launching import ENDLESS, command, saved_states, wait_for, workers_of
from tests.cluster.test_cluster_object import NET, SETTINGS, X, Y, children
from tests.cluster.thread_world import on_threads

from deltarule.cluster import Cluster, train_in_world
from deltarule.cluster.signs_of_life import SignsOfLife, send_signs
from deltarule.errors import TrainingWarning, WorkerFailed
from deltarule.training import Checkpoint


def test_silence_is_counted_while_the_launcher_looks():
    signs = SignsOfLife(3, seconds=0.2)
    for rank in (0, 1):
        signs.hear(rank)
    signs.check([0, 1, 2])
    signs._time._looked -= 1000  # the launcher was stopped for 1000 seconds, which count as one
    with pytest.raises(WorkerFailed, match=r"workers 0 and 1 of 3 gave no sign"):
        signs.check([0, 1, 2])
    signs.check([2])  # has not begun; the others have ended
    longer = SignsOfLife(1, seconds=1.5)
    longer.hear(0)
    longer.check([0])
    longer._time._looked -= 1000
    longer.check([0])
    longer.hear(0)
    longer.check([0])
    longer._time._looked -= 1000
    longer.check([0])  # the sign ended the first silence
    longer._time._looked -= 1000
    with pytest.raises(WorkerFailed) as caught:
        longer.check([0])
    assert caught.value.parameter == "worker_timeout"


def test_signs_are_sent_until_nobody_listens():
    sent = []

    def send():
        sent.append(threading.current_thread())
        if len(sent) == 3:
            raise BrokenPipeError

    send_signs(send, seconds=0.1)
    wait_for(lambda: len(sent) == 3 and not sent[0].is_alive(), 10)
    ended = send_signs(lambda: sent.append(threading.current_thread()), seconds=1000.0)
    wait_for(lambda: len(sent) == 4, 10)
    ended.set()
    sent[3].join(10)
    assert not sent[3].is_alive()


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")


def slow(engine):
    """A score that takes longer than a worker may be silent."""
    time.sleep(3.5)
    return 0.0


@pytest.mark.cluster
def test_a_stopped_worker_is_started_again_and_gives_the_same_bits(jax, tmp_path):
    undisturbed = on_threads(2, lambda world: train_in_world(NET, X, Y, world=world, **SETTINGS))
    stopped, logs = [], []

    def stop_once(log):
        logs.append(log.epoch)
        if not stopped and log.epoch >= 20:
            stopped.append(children()[1])
            os.kill(stopped[0], signal.SIGSTOP)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = Cluster(2, restarts=1, worker_timeout=3.0).train(
            NET,
            X,
            Y,
            **SETTINGS,
            progress=stop_once,
            checkpoint=Checkpoint(tmp_path / "c", every=0.02),
        )
    told = [str(each.message) for each in caught if each.category is TrainingWarning]
    assert len(told) == 1
    assert told[0].startswith("worker 1 of 2 gave no sign of life for 3 seconds")
    assert told[0].endswith("; the workers are started again")
    np.testing.assert_array_equal(result.theta, undisturbed[0].theta)
    assert len(logs) < 2 * 60  # it went on, and did not begin anew
    assert not Path(f"/proc/{stopped[0]}").exists()


@pytest.mark.cluster
def test_long_steps_and_short_stops_harm_nothing_and_worker_0_is_watched_too(jax):
    stopped, told, workers = [], [], []

    def stop_twice(log):
        told.append(log.epoch)
        if log.epoch in (1, 2):  # the first one goes on in time
            workers[:] = children()
            stopped.append(children()[0])
            os.kill(stopped[-1], signal.SIGSTOP)
        if log.epoch == 1:
            threading.Timer(1.0, os.kill, (stopped[0], signal.SIGCONT)).start()

    settings = SETTINGS | {"scorer": slow}  # in each epoch
    with pytest.raises(WorkerFailed, match="worker 0 of 2 gave no sign of life for 3 seconds"):
        Cluster(2, restarts=0, worker_timeout=3.0).train(NET, X, Y, **settings, progress=stop_twice)
    assert told == [1, 2]
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.cluster
def test_launch_names_a_stopped_worker(jax, tmp_path):
    rows = np.random.default_rng(0).normal(size=(400, 2))
    lines = [f"{a:.6f},{b:.6f},{np.sin(a) + b:.6f}" for a, b in rows]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,y", *lines]))
    launch = command("launch", "--workers", 2, "--worker-timeout", 3, *ENDLESS, "--out", "hung")
    with subprocess.Popen(
        launch, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: len(saved_states(tmp_path / "saved")) > 1 or process.poll() is not None)
        workers = workers_of(process.pid)
        os.kill(workers[1], signal.SIGSTOP)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.count("error:") == 1
    assert "worker 1 of 2 gave no sign of life for 3 seconds" in error
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)

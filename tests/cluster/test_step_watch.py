"""Workers whose processes give signs of life while their steps wait for ever."""

import os
import sys
import threading
import time

import pytest
from tests.cluster.launching import wait_for
from tests.cluster.test_cluster_object import NET, SETTINGS, X, Y, children

from deltarule.cluster import Cluster
from deltarule.cluster.processes import run_workers
from deltarule.cluster.step_watch import StepWatch
from deltarule.errors import WorkerFailed


def test_a_step_that_does_not_end_is_noticed_and_long_ones_are_not():
    watch = StepWatch(1, 2, seconds=3.0)
    for _ in range(5):
        assert watch._look(1.5) is None
        with watch.exchange():  # another worker is slow
            for _ in range(12):
                assert watch._look(3.0) is None
        assert watch._look(1.0) is None
        assert watch._look(1.0) is None
    assert watch._look(2.0) is None
    error = watch._look(0.5)
    assert error.parameter == "step_timeout"
    assert str(error).startswith("worker 1 of 2 has finished no step for 3 seconds")


def test_an_exchange_that_does_not_end_is_noticed_later():
    watch = StepWatch(0, 2, seconds=3.0)
    with watch.exchange():
        found = [watch._look(3.0) for _ in range(14)]
    assert found[:-1] == [None] * 13
    assert str(found[-1]).startswith("worker 0 of 2 has waited for the others for 36 seconds")


def test_a_worker_is_watched_while_it_trains():
    told = []
    watch = StepWatch(0, 1, seconds=0.05, fail=told.append)
    time.sleep(0.3)
    with watch.training():
        wait_for(lambda: told, 10)
        time.sleep(0.3)
    assert len(told) == 1
    watch = StepWatch(0, 1, seconds=0.5, fail=told.append)
    with watch.training():
        pass
    time.sleep(0.8)
    assert len(told) == 1


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")


def waits_on_worker_1(engine):
    if os.environ["DELTARULE_WORLD_RANK"] == "1":
        threading.Event().wait()
    return 0.0


@pytest.mark.cluster
def test_a_worker_that_waits_for_ever_is_named(jax):
    begun = time.monotonic()
    with pytest.raises(WorkerFailed) as caught:
        # The reference compiles nothing within its first step.
        Cluster(2, restarts=0, step_timeout=1.5).train(
            NET, X, Y, **SETTINGS | {"engine": "reference"}, scorer=waits_on_worker_1
        )
    text = "worker 1 of 2 has finished no step for 1.5 seconds, though its process lives"
    assert text in str(caught.value)
    assert time.monotonic() - begun < 60  # before the silence of a worker ends it
    assert not children()


WAITS = """
import threading
import numpy as np
from deltarule import Network
from deltarule.cluster import join, train_in_world
world = join(workers=2, step_timeout=1.5)
def score(engine):
    if world.rank == 1:
        threading.Event().wait()
    return 0.0
X = np.ones((8, 1))
train_in_world(Network([1, 1]), X, X, world=world, scorer=score, engine="reference", epochs=2)
"""


@pytest.mark.cluster
def test_a_worker_of_any_launcher_ends_itself_and_says_why(jax):
    with pytest.raises(WorkerFailed) as caught:
        run_workers([sys.executable, "-c", WAITS], 2, quiet=True)
    text = "worker 1 of 2 ended with status 1: worker 1 of 2 has finished no step for 1.5 seconds"
    assert str(caught.value).startswith(text)

"""Fits in several threads of a process share its cores, and none waits for ever."""

import threading

import numpy as np
import pytest

from deltarule import Network, train_many
from deltarule.engines.threads import CorePool, core_in_use, free_threads

X = np.linspace(-1, 1, 48).reshape(12, 4)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setenv("DELTARULE_THREADS", "2")


def test_a_call_leaves_each_other_computing_thread_a_core():
    with core_in_use():
        assert free_threads(4) == 4
        with core_in_use(), core_in_use():
            assert free_threads(4) == 2
            assert free_threads(1) == 1


def test_a_task_waits_while_the_cores_are_taken_but_the_first_of_a_pool_does_not():
    busy, other, entered = CorePool(2), CorePool(2), []

    def second():
        with other.core(lambda: False):
            entered.append("second")

    with busy.core(lambda: False), busy.core(lambda: False), other.core(lambda: False):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        assert entered == []
    waiting.join(30)
    assert entered == ["second"]


def test_a_fit_that_was_given_up_does_not_wait():
    pool = CorePool(1)
    with pool.core(lambda: False), pool.core(lambda: True):
        assert pool.running == 2
    assert pool.running == 0


def test_fits_in_four_threads_give_the_bits_of_one():
    net, found = Network([4, 5, 1]), {}

    def fit(number):
        results = train_many(net, X, X[:, :1], seeds=range(3), epochs=3, batch_size=4)
        found[number] = [result.theta for result in results]

    threads = [threading.Thread(target=fit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    fit("alone")
    assert len(found) == 5
    for results in found.values():
        np.testing.assert_array_equal(results, found["alone"])

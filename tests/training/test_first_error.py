"""Of several tasks at the same time that raise errors, the first in order is raised, always."""

import threading

import pytest
from joblib import parallel_config
from tests.training.helpers import regression

from deltarule import StopFlag, train_many
from deltarule.errors import Diverged
from deltarule.training import job_backend
from deltarule.training.job_backend import SentTrainings, chosen_backend, completed_trainings
from deltarule.training.threads import completed_tasks

# For what comes within milliseconds, unless there is a fault.
SECONDS = 20


def raise_all(index, error):
    return False


def numbers_and_errors(completed):
    return [(index, future.exception()) for index, future in completed]


def wait_for(flag):
    """Wait until a flag is raised; who asks goes on at last even if there is a fault."""
    for _ in range(SECONDS * 1000):
        if flag:
            break
        threading.Event().wait(0.001)


def test_the_task_before_the_one_that_failed_is_waited_for():
    """Task 0 raises its error once that of task 1 has arrived, which raises the flag."""
    flag = StopFlag()
    begun = threading.Event()
    errors = [ValueError("zero"), ValueError("one")]

    def task(index):
        if index == 0:
            begun.set()
            wait_for(flag)
        else:
            begun.wait(SECONDS)
        raise errors[index]

    assert numbers_and_errors(completed_tasks(task, 2, 2, flag)) == [(0, errors[0])]


def test_of_networks_that_diverge_those_before_are_trained_to_their_end():
    """Task 0 ends once others are cancelled, which is when the error of task 1 has arrived.

    The thread of task 1 may have begun with task 2 by then, which waits as well.
    """
    flag, cancelled = StopFlag(), threading.Event()
    error = Diverged("not finite", epoch=1, batch=1)
    raised = []

    def task(index):
        if index == 1:
            raise error
        assert cancelled.wait(SECONDS)
        if index == 0:
            raised.append(bool(flag))
        return index

    found = completed_tasks(task, 5, 2, flag, on_cancelled=cancelled.set)
    assert numbers_and_errors(found) == [(0, None), (1, error)]
    assert raised == [False]


def test_each_task_that_does_not_begin_is_told_of_once():
    """The error of task 1 cancels those after it; that of task 0, which follows, none again."""
    cancelled, begun, told = threading.Event(), [], []
    errors = [ValueError("zero"), ValueError("one")]

    def task(index):
        begun.append(index)
        if index != 1:
            assert cancelled.wait(SECONDS)
        if index < 2:
            raise errors[index]

    def on_cancelled():
        told.append(1)
        cancelled.set()

    found = completed_tasks(task, 6, 2, StopFlag(), on_cancelled=on_cancelled)
    assert numbers_and_errors(found) == [(0, errors[0])]
    assert len(told) == 6 - len(begun)


def test_an_error_that_is_as_good_as_a_result_ends_nothing():
    error = Diverged("not finite", epoch=1, batch=1)

    def task(index):
        raise error

    flag = StopFlag()
    found = completed_tasks(task, 3, 2, flag, goes_on=lambda index, each: each is error)
    assert sorted(numbers_and_errors(found)) == [(k, error) for k in range(3)]
    assert not flag


def test_a_callback_s_error_is_that_of_the_first_network_that_raised_one():
    net, X, Y = regression()
    flag, begun = StopFlag(), threading.Event()

    def fail(event):
        if event.network == 0:
            begun.set()
            wait_for(flag)
        else:
            begun.wait(SECONDS)
        raise RuntimeError(f"network {event.network}")

    with pytest.raises(RuntimeError, match="network 0"):
        train_many(net, X, Y, seeds=range(2), epochs=1, callbacks=[fail], stop=flag, workers=2)


class TrainedOnly:
    """A checkpoint of many networks that holds those of these keys."""

    def __init__(self, *keys):
        self.keys = keys

    def trained(self, key):
        return key in self.keys


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_what_a_checkpoint_holds_is_refused_before_anything_is_trained(workers):
    asked, errors = [], {2: ValueError("two"), 3: ValueError("three")}

    def train_here(index):
        asked.append(index)
        if index in errors:
            raise errors[index]

    found = completed_trainings(
        train_here,
        list("01234"),
        StopFlag(),
        goes_on=raise_all,
        workers=workers,
        pool=TrainedOnly("1", "2", "3"),
    )
    assert numbers_and_errors(found) == [(1, None), (2, errors[2])]
    assert asked == [1, 2]


def later_first(folder, index, slot):
    """Fail; 0 once 1 has."""
    marker = folder / "1"
    if index == 1:
        marker.touch()
    else:
        for _ in range(SECONDS * 100):
            if marker.exists():
                threading.Event().wait(0.3)  # until the other error has arrived
                break
            threading.Event().wait(0.01)
    raise ValueError(index)


def test_of_processes_too_the_first_in_order_is_raised(tmp_path):
    with parallel_config("loky", n_jobs=2):
        sent = chosen_backend(), SentTrainings(later_first, tmp_path, int)
        found = completed_trainings(
            int, list("01"), StopFlag(), goes_on=raise_all, workers=1, sent=sent
        )
        ((index, error),) = numbers_and_errors(found)
    assert (index, str(error)) == (0, "0")


def test_tasks_after_an_error_are_not_sent():
    given = []

    class Backend(job_backend.JobBackend):
        """One task at a time, in this process."""

        def _results(self, sent):
            for function, arguments, options in sent:
                yield function(*arguments, **options)

    def argument(index):
        given.append(index)
        return index

    sent = Backend(None, 1, 1), SentTrainings(fail_from_2, None, argument)
    found = completed_trainings(
        int, list("012345"), StopFlag(), goes_on=raise_all, workers=1, sent=sent
    )
    ended = numbers_and_errors(found)
    assert [(index, str(error)) for index, error in ended] == [(0, "None"), (1, "None"), (2, "2")]
    assert given == [0, 1, 2]


def fail_from_2(shared, index, slot):
    if index >= 2:
        raise ValueError(index)

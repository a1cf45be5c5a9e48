"""Trainings in joblib's processes: the bits of this one, checkpoints, lost workers, refusals."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config

from deltarule import InputError, Network, StopFlag, train_many
from deltarule.errors import Diverged, TrainingWarning, WorkerFailed
from deltarule.training import job_sharing
from deltarule.training.job_backend import chosen_backend
from deltarule.training.threads import run_in_worker_thread

NET = Network([3, 6, 1], "tanh")


@pytest.fixture
def two_processes():
    with parallel_config("loky", n_jobs=2):
        yield


def data(n=60):
    X = np.random.default_rng(0).normal(size=(n, 3))
    return X, np.sin(X[:, :1]) * X[:, 1:2]


def trained(**changes):
    settings = {"seeds": range(4), "epochs": 8, "batch_size": 16, "validation": 0.2, "dropout": 0.1}
    return train_many(NET, *data(), **{**settings, **changes})


def content(result):
    logs = {name: column.tolist() for name, column in result.history.to_arrays().items()}
    logs.pop("seconds", None)
    return result.theta.tobytes(), repr(logs), result.best_epoch, result.stop_reason, result.engine


def test_networks_and_histories_are_those_of_this_process(two_processes):
    seen = []
    sent = trained(progress=lambda done, total: seen.append((done, total)))
    here = trained(workers=2)
    assert list(map(content, sent)) == list(map(content, here))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_network_that_diverges_is_named_as_here(two_processes):
    rates = [0.01, 1e30, 0.01]
    settings = {"seeds": 0, "learning_rate": rates, "rule": "sgd", "dropout": 0.0}
    with pytest.raises(Diverged) as sent:
        trained(**settings)
    with pytest.raises(Diverged) as here:
        trained(**settings, workers=1)
    assert str(sent.value) == str(here.value)
    assert sent.value.network == 1
    assert content(sent.value.results[2]) == content(here.value.results[2])


def test_a_checkpoint_holds_what_was_trained_elsewhere(two_processes, tmp_path):
    whole = list(map(content, trained()))
    flag = StopFlag()

    def stop_after_two(done, total):
        if done == 2:
            flag.stop()

    begun = trained(seeds=range(12), stop=flag, progress=stop_after_two, checkpoint=tmp_path / "c")
    assert 2 <= sum(len(result.history) == 8 for result in begun) < 12
    # The rest is trained in this process, and nothing that is trained is sent again.
    full = trained(seeds=range(12), checkpoint=tmp_path / "c", workers=1)
    assert list(map(content, full))[:4] == whole
    again = trained(seeds=range(12), checkpoint=tmp_path / "c")
    assert list(map(content, again)) == list(map(content, full))


def test_callbacks_are_refused_and_trained_with_here_if_asked(two_processes):
    seen = []
    with pytest.raises(InputError, match=r"joblib's LokyBackend trains in other processes"):
        trained(callbacks=[seen.append])
    assert len(trained(callbacks=[seen.append], workers=1)) == 4
    assert len(seen) == 4 * 8


def killed_once(marker, k):
    """End the worker's process, the first time that it is called with 2."""
    if k == 2 and not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)
    if k == 5:
        raise ValueError("five")
    return k * k, os.getpid()


def test_what_a_lost_worker_had_is_computed_again(two_processes, tmp_path):
    marker = str(tmp_path / "killed")
    with pytest.warns(TrainingWarning, match="LokyBackend lost a worker"):
        found = dict(chosen_backend().completed(killed_once, marker, int, 8, StopFlag()))
    assert sorted(found) == list(range(8))
    assert str(found.pop(5).exception()) == "five"
    assert {k: outcome.result()[0] for k, outcome in found.items()} == {k: k * k for k in found}
    assert os.getpid() not in {outcome.result()[1] for outcome in found.values()}


def always_killed(marker, k):
    os._exit(1)


@pytest.mark.filterwarnings("ignore:LokyBackend lost a worker")
def test_workers_that_are_lost_again_and_again_end_the_call(two_processes):
    with pytest.raises(WorkerFailed, match="lost its workers: TerminatedWorkerError"):
        list(chosen_backend().completed(always_killed, None, int, 3, StopFlag()))


def test_what_cannot_be_sent_is_refused(two_processes):
    with pytest.raises(WorkerFailed, match="cannot send the networks"):
        list(chosen_backend().completed(abs, threading.Lock(), int, 3, StopFlag()))


def test_a_raised_flag_sends_nothing(two_processes):
    flag = StopFlag()
    flag.stop()
    assert not list(chosen_backend().completed(abs, None, int, 3, flag))


@pytest.mark.parametrize("name", ["threading", "multiprocessing"])
def test_backends_that_train_here(name):
    with parallel_config(name, n_jobs=2):
        assert chosen_backend() is None


def test_one_job_and_a_training_of_many_train_here(two_processes):
    assert repr(chosen_backend()) == "<JobBackend: LokyBackend, 2 jobs>"
    with run_in_worker_thread(StopFlag()):
        assert chosen_backend() is None
    with parallel_config("loky", n_jobs=1):
        assert chosen_backend() is None


def test_arrays_that_arrive_unaligned_are_copied():
    unaligned = np.frombuffer(b"\0" + np.arange(3.0).tobytes(), np.uint8)[1:].view(float)
    aligned = np.ones(3)
    shared = job_sharing.Shared({"x": [unaligned], "y": aligned, "f": lambda: 3})
    shared.__dict__.update(shared.__getstate__())  # as it arrives in a worker
    (copy,), same, function = shared.value().values()
    assert not unaligned.flags.aligned
    assert copy.flags.aligned
    assert copy.tolist() == [0.0, 1.0, 2.0]
    assert same is aligned
    assert function() == 3
    assert shared.value() is shared.value()

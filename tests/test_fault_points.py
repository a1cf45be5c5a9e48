"""At every write to the file system a process may end, or the disk may be full."""

import os
import shutil
import sys
import warnings

import numpy as np
import pytest
from tests.fault_points import Points, hidden_names, in_a_fork, points_of
from tests.training.helpers import STATEFUL, recorded, regression

from deltarule.errors import FileError
from deltarule.maths import Network
from deltarule.training import (
    Checkpoint,
    History,
    Model,
    Recorder,
    load_recording,
    train,
    train_many,
)
from deltarule.training.model import load_model, save_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and Linux's renames")

# The reference engine has no threads, which a fork would lose.
OPTIONS = STATEFUL | {"batch_size": "auto", "epochs": 2, "engine": "reference"}
WHATS = ("kill", "fail", "full")


@pytest.fixture(autouse=True)
def no_flush(monkeypatch):
    """Flushing to the disk takes most of the time, and changes nothing here."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


@pytest.fixture
def tmp_path(memory_path):
    """In memory: no disk is waited for thousands of times."""
    return memory_path


def model_of(value):
    net = Network([2, 3, 1])
    return Model(net, np.full(net.n_parameters, value), History())


@pytest.mark.parametrize("what", WHATS)
def test_a_checkpoint_at_every_point(what, tmp_path):
    net, X, Y = regression()
    whole = train(net, X, Y, **OPTIONS)
    folder = tmp_path / "checkpoint"

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a state that was not written
            return train(net, X, Y, **OPTIONS, checkpoint=Checkpoint(folder, 0))

    points = points_of(run).count
    for at in range(1, points + 1):
        shutil.rmtree(folder, ignore_errors=True)
        status = in_a_fork(run, Points(at, what))
        assert status == -9 if what == "kill" else status in (0, 2), (at, status)
        result = train(net, X, Y, **OPTIONS, checkpoint=Checkpoint(folder, 0))
        assert np.array_equal(result.theta, whole.theta), at
        assert recorded(result.history) == recorded(whole.history), at
        assert hidden_names(folder) == [], at
        assert len([path for path in folder.iterdir() if path.is_dir()]) <= 2, at


@pytest.mark.parametrize("what", WHATS)
def test_a_pool_of_networks_at_every_point(what, tmp_path):
    net, X, Y = regression()
    options = {name: value for name, value in OPTIONS.items() if name != "seed"} | {"epochs": 1}
    whole = train_many(net, X, Y, seeds=range(1), workers=1, **options)
    folder = tmp_path / "checkpoint"

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saved = Checkpoint(folder, 0)
            return train_many(net, X, Y, seeds=range(1), workers=1, **options, checkpoint=saved)

    points = points_of(run).count
    for at in range(1, points + 1):
        shutil.rmtree(folder, ignore_errors=True)
        status = in_a_fork(run, Points(at, what))
        assert status == -9 if what == "kill" else status in (0, 2), (at, status)
        for result, expected in zip(run(), whole, strict=True):
            assert np.array_equal(result.theta, expected.theta), at
        assert hidden_names(folder) == [], at
        assert not (folder / "running").exists(), at


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("suffix", ["", ".deltarule"], ids=["folder", "file"])
def test_a_model_at_every_point(what, there, suffix, tmp_path):
    folder, reserve = tmp_path / f"m{suffix}", tmp_path / f"reserve{suffix}"
    save_model(reserve, model_of(1.0))

    def save():
        save_model(folder, model_of(2.0), overwrite=there)

    def restore():
        shutil.rmtree(folder, ignore_errors=True)
        folder.unlink(missing_ok=True)
        if there:
            (shutil.copyfile if suffix else shutil.copytree)(reserve, folder)

    restore()
    points = points_of(save, least=4 if suffix else 10).count
    for at in range(1, points + 1):
        restore()
        status = in_a_fork(save, Points(at, what))
        assert status == -9 if what == "kill" else status in (0, 2), (at, status)
        values = {1.0, 2.0} if there else {2.0}
        if there or folder.exists():
            assert float(load_model(folder).theta[0]) in values, at
        save_model(folder, model_of(3.0), overwrite=True)
        assert float(load_model(folder).theta[0]) == 3.0
        assert hidden_names(tmp_path) == [], at


@pytest.mark.parametrize("what", WHATS)
def test_a_recording_at_every_point(what, tmp_path):
    net, X, Y = regression()
    folder = tmp_path / "record"

    def run():
        train(net, X, Y, **OPTIONS, callbacks=[Recorder(folder)])

    points = points_of(run).count
    for at in range(1, points + 1):
        shutil.rmtree(folder, ignore_errors=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # written elsewhere
            status = in_a_fork(run, Points(at, what))
        assert status == -9 if what == "kill" else status in (0, 2, 3), (at, status)
        if folder.exists():
            assert load_recording(folder).end == 2, at
        else:
            with pytest.raises(FileError):
                load_recording(folder)
        shutil.rmtree(folder, ignore_errors=True)
        run()
        assert load_recording(folder).end == 2
        assert hidden_names(tmp_path) == [], at

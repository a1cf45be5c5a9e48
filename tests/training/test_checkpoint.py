"""A training that goes on from its checkpoint is the undisturbed one, bit for bit."""

import shutil

import numpy as np
import pytest
from tests.fault_points import Killed, killed_after
from tests.training.helpers import STATEFUL, cut_after, recorded, regression
from tests.training.test_resume import assert_same

from deltarule.errors import FileError, InputError
from deltarule.optimizers import RULES
from deltarule.training import Checkpoint, StopFlag, train, train_many

FULL = STATEFUL | {"batch_size": 8}


@pytest.mark.parametrize("rule", RULES.names())
def test_killed_between_epochs_with_every_rule(rule, kind, tmp_path):
    net, X, Y = regression()
    options = FULL | {"rule": rule, "batch_size": "auto", "engine": kind, "epochs": 6}
    whole = train(net, X, Y, **options)
    with pytest.raises(Killed):
        train(net, X, Y, **options, checkpoint=Checkpoint(tmp_path, 0), callbacks=[killed_after(4)])
    seen = []
    result = train(
        net, X, Y, **options, checkpoint=tmp_path, callbacks=[lambda e: seen.append(e.epoch)]
    )
    assert seen == [4, 5, 6]
    assert_same(result, whole)


@pytest.mark.parametrize("step", [1, 8, 11, 12])
def test_stopped_within_an_epoch(step, kind, tmp_path):
    net, X, Y = regression()
    options = FULL | {"epochs": 5}
    whole = train(net, X, Y, engine=kind, **options)
    cut = cut_after(step, kind)
    # The class of the engine, whose name a checkpoint compares, is that of the second call.
    cut["engine"].name = kind.name
    first = train(net, X, Y, **options, **cut, checkpoint=tmp_path)
    assert len(first.history) == (step - 1) // 3
    assert_same(train(net, X, Y, engine=kind, **options, checkpoint=tmp_path), whole)


def test_a_call_whose_run_has_ended_returns_its_result(tmp_path):
    net, X, Y = regression()
    options = FULL | {"epochs": 5, "stopping": 2, "checkpoint": tmp_path}
    first = train(net, X, Y, **options)
    trained = []
    again = train(net, X, Y, **options, callbacks=[trained.append])
    assert not trained
    assert_same(again, first)
    assert again.seconds == first.seconds


def test_a_minimizer_begins_anew_to_the_same_bits(tmp_path):
    net, X, Y = regression()
    options = {"rule": "lbfgs", "epochs": 20}
    whole = train(net, X, Y, **options)
    with pytest.raises(Killed):
        train(net, X, Y, **options, checkpoint=tmp_path, callbacks=[killed_after(5)])
    result = train(net, X, Y, **options, checkpoint=tmp_path)
    assert np.array_equal(result.theta, whole.theta)
    assert recorded(result.history) == recorded(whole.history)
    assert train(net, X, Y, **options, checkpoint=tmp_path).stopped == whole.stopped


def interrupted(folder, **options):
    """A run that was stopped in its fourth epoch."""
    net, X, Y = regression()
    flag = StopFlag()
    train(
        *(net, X, Y),
        **FULL | {"epochs": 6} | options,
        stop=flag,
        checkpoint=folder,
        callbacks=[lambda event: flag.stop("cut") if event.epoch == 3 else None],
    )
    return net, X, Y


def test_a_moved_or_copied_checkpoint_works(tmp_path):
    net, X, Y = interrupted(tmp_path / "first")
    whole = train(net, X, Y, **FULL | {"epochs": 6})
    shutil.copytree(tmp_path / "first", tmp_path / "copied")
    (tmp_path / "first").rename(tmp_path / "moved")
    for name in ("copied", "moved"):
        assert_same(train(net, X, Y, **FULL | {"epochs": 6}, checkpoint=tmp_path / name), whole)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"l2": 0.25}, "settings l2 was 0.5 there, and is 0.25 now"),
        ({"learning_rate": 0.1}, "learning_rate was 0.05 there, and is 0.1 now"),
        ({"epochs": 9}, "epochs was 6 there, and is 9 now"),
        ({"batch_size": 4}, "batch_size was 8 there, and is 4 now"),
        ({"validation": 0.3}, "training rows is not the same"),
        ({"schedule": "cosine"}, "schedule was 'constant' there"),
        ({"stopping": 3}, "stopping was"),
        ({"theta": 1}, "start is not the same"),
        ({"engine": "reference"}, "environment engine was 'compiled' there"),
        ({"X": 1e-12}, "data X is not the same"),
        ({"Y": 1e-12}, "data Y is not the same"),
        ({"sample_weight": np.r_[2.0, np.ones(29)]}, "data weights is not the same"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_run_is_refused_with_the_difference_named(change, named, tmp_path):
    pytest.importorskip("numba")
    net, X, Y = interrupted(tmp_path, engine="compiled")
    options = FULL | {"epochs": 6, "engine": "compiled"} | change
    X, Y = X + options.pop("X", 0), Y + options.pop("Y", 0)
    if "theta" in options:
        options["theta"] = net.initial(99)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match="is of another run") as caught:
        train(net, X, Y, **options, checkpoint=tmp_path)
    assert named in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_another_version_of_the_code_is_refused(tmp_path, monkeypatch):
    net, X, Y = interrupted(tmp_path)
    monkeypatch.setattr("deltarule.engines.environment._source_digest", lambda: "0" * 16)
    with pytest.raises(InputError, match="environment source is not the same"):
        train(net, X, Y, **FULL | {"epochs": 6}, checkpoint=tmp_path)


def test_the_newest_two_states_are_kept_and_a_damaged_one_is_passed_over(tmp_path):
    net, X, Y = regression()
    options = FULL | {"epochs": 6}
    whole = train(net, X, Y, **options)
    with pytest.raises(Killed):
        train(net, X, Y, **options, checkpoint=Checkpoint(tmp_path, 0), callbacks=[killed_after(4)])
    states = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    assert len(states) == 2
    (states[1] / "arrays.safetensors").write_bytes(b"")
    assert_same(train(net, X, Y, **options, checkpoint=tmp_path), whole)


def test_damage_to_all_states_is_one_error(tmp_path):
    net, X, Y = interrupted(tmp_path)
    for path in tmp_path.rglob("arrays.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileError, match=r"arrays.safetensors' is not what was written"):
        train(net, X, Y, **FULL | {"epochs": 6}, checkpoint=tmp_path)


def test_a_folder_of_something_else_and_one_in_use_are_refused(tmp_path):
    net, X, Y = regression()
    (tmp_path / "photo.jpg").write_bytes(b"jpg")
    with pytest.raises(FileError, match=r"holds 'photo.jpg' and no checkpoint"):
        train(net, X, Y, epochs=1, checkpoint=tmp_path)
    folder = tmp_path / "used"

    def train_there_too(event):
        with pytest.raises(FileError, match="is used by another process"):
            train(net, X, Y, epochs=1, checkpoint=folder)

    train(net, X, Y, epochs=1, checkpoint=folder, callbacks=[train_there_too])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError):
        train(net, X, Y, epochs=1, checkpoint=tmp_path / "file")


@pytest.mark.parametrize("value", [3, 1.5, b"x", True])
def test_what_is_no_folder_is_refused(value):
    net, X, Y = regression()
    with pytest.raises(InputError, match="expected a folder's path, or a Checkpoint"):
        train(net, X, Y, checkpoint=value)


@pytest.mark.parametrize("every", [-1, float("nan"), float("inf"), "30s"])
def test_seconds_that_are_none_are_refused(every, tmp_path):
    with pytest.raises(InputError, match="every is"):
        Checkpoint(tmp_path, every)


@pytest.mark.parametrize("workers", [1, 3])
def test_many_networks_go_on(workers, tmp_path):
    net, X, Y = regression()
    options = FULL | {"epochs": 8, "workers": workers}
    options["seeds"] = range(5)
    del options["seed"]
    whole = train_many(net, X, Y, **options)
    flag = StopFlag()

    def stop_in_network_2(event):
        if (event.network, event.epoch) == (2, 3):
            flag.stop("cut")

    saved = Checkpoint(tmp_path, 0)
    train_many(net, X, Y, **options, checkpoint=saved, stop=flag, callbacks=[stop_in_network_2])
    results = train_many(net, X, Y, **options, checkpoint=tmp_path)
    for result, expected in zip(results, whole, strict=True):
        assert_same(result, expected)
    assert not (tmp_path / "running").exists()
    again = train_many(net, X, Y, **options, checkpoint=tmp_path)
    for result, expected in zip(again, whole, strict=True):
        assert_same(result, expected)
    with pytest.raises(InputError, match="networks was 5 there, and is 4 now"):
        train_many(net, X, Y, **options | {"seeds": range(4)}, checkpoint=tmp_path)
    with pytest.raises(InputError, match="seed was 0 there, and is 1 now"):
        train_many(net, X, Y, **options | {"seeds": range(1, 6)}, checkpoint=tmp_path)

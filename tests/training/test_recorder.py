"""What a recorder keeps, what it costs, and that it never keeps more than it may."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from tests.training.helpers import cut_after, recorded, regression

from deltarule import StopFlag
from deltarule.engines import make_engine
from deltarule.errors import Diverged, FileError, InputError
from deltarule.training import Patience, Recorder, load_recording, replay, train, train_many
from deltarule.training.recording import FOLDER, digest_of_theta


class Clock:
    """A clock that moves when it is told to: by the epoch, and by what a recorder does."""

    def __init__(self, epoch, checkpoint):
        self.now, self.epoch, self.checkpoint = 0.0, epoch, checkpoint

    def __call__(self):
        return self.now


def simulated(epochs, epoch, checkpoint, **bounds):
    """A recorder after so many epochs that take so long, with checkpoints that cost so much."""
    net, X, Y = regression(n=8)
    clock = Clock(epoch, checkpoint)

    class Slow(type(make_engine("reference"))):
        def state(self):
            clock.now += clock.checkpoint
            return super().state()

    def pass_time(event):
        del event
        clock.now += clock.epoch

    recorder = Recorder(clock=clock, **bounds)
    train(net, X, Y, epochs=epochs, engine=Slow, callbacks=[pass_time, recorder])
    return recorder.recording()


@pytest.mark.parametrize(
    ("epoch", "checkpoint"), [(1.0, 0.001), (1.0, 0.1), (1.0, 3.0), (0.01, 0.01)]
)
def test_it_keeps_within_its_share_of_the_time(epoch, checkpoint):
    for epochs in (400, 2000):
        found = simulated(epochs, epoch, checkpoint)
        assert found.seconds >= epochs * epoch
        # What the first one costs is not known before.
        assert found.recorder_seconds - checkpoint <= 0.02 * found.seconds
        # It uses what it is given, unless there is no need.
        assert len(found.digests) >= min(epochs, 0.007 * epochs * epoch / checkpoint) / 3


def test_the_share_is_the_callers():
    for share in (0.001, 0.1):
        found = simulated(1000, 1.0, 0.5, share=share)
        assert found.recorder_seconds - 0.5 <= share * found.seconds
    assert len(found.checkpoints) > 50


def test_digests_of_very_many_epochs_are_thinned_and_every_step_is_replayed(monkeypatch):
    monkeypatch.setattr("deltarule.training.recorder._MOST_DIGESTS", 10)
    net, X, Y = regression(n=8)
    recorder = Recorder(share=math.inf, most=3)
    result = train(net, X, Y, epochs=50, engine="reference", callbacks=[recorder])
    found = recorder.recording()
    assert len(found.digests) <= 10 + 3
    assert found.digests[50] == digest_of_theta(result.theta)
    assert set(found.checkpoints) - {0} <= set(found.digests)
    for step in (1, 24, 25, 50):
        assert replay(found, X, Y, step).verified >= step


def test_epochs_that_become_slow_are_not_slept_through():
    net, X, Y = regression(n=8)
    clock = Clock(1e-6, 0.0)
    recorder = Recorder(clock=clock)

    def pass_time(event):
        clock.now += 1e-6 if event.epoch < 100 else 10.0

    class Slow(type(make_engine("reference"))):
        def state(self):
            clock.now += 0.1
            return super().state()

    train(net, X, Y, epochs=300, engine=Slow, callbacks=[pass_time, recorder])
    # 100 quick epochs say that the next checkpoint is ages away; the next look is at 200.
    assert len(recorder.recording().steps) > 20


def test_checkpoints_are_thinned_and_the_digests_stay():
    found = simulated(1000, 1.0, 0.0001, most=10)
    steps = found.steps
    assert len(steps) == 10
    assert steps[0] == 0
    assert steps[-1] == 1000
    assert len(found.digests) == 1000
    # Evenly spread over the square root of the steps; the last is wherever training is.
    gaps = np.diff(np.sqrt(steps))[:-1]
    assert gaps.max() < 2 * gaps.min()


def test_the_bytes_are_bounded():
    net, _, _ = regression()
    state = 4 * 8 * net.n_parameters  # θ, m and v
    found = simulated(200, 1.0, 0.0001, most_bytes=5 * state)
    held = sum(value.nbytes for each in found.checkpoints.values() for value in each.values())
    assert held <= 5 * state
    assert len(found.checkpoints) >= 5
    # Where not even one has room, digests are kept, and the start.
    found = simulated(200, 1.0, 0.0001, most_bytes=0)
    assert found.steps == (0,)
    assert len(found.digests) == 200


def test_the_first_checkpoints_come_early():
    found = simulated(1000, 1.0, 0.001)
    assert found.steps[1] <= 4


def test_an_epoch_that_is_not_due_costs_a_comparison():
    """No clock is read, and no state is copied."""
    net, X, Y = regression(n=8)
    reads = []

    def clock():
        reads.append(None)
        return float(len(reads))

    recorder = Recorder(clock=clock, share=1e-9)
    train(net, X, Y, epochs=1000, engine="reference", callbacks=[recorder])
    assert len(reads) < 40
    assert recorder.recording().steps == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"most": 1}, "most is 1; expected a number of checkpoints"),
        ({"most": 2.5}, "most is 2.5"),
        ({"most_bytes": -1}, "most_bytes is -1"),
        ({"most_bytes": math.nan}, "most_bytes is nan"),
        ({"share": 0.0}, "share is 0.0"),
        ({"share": -1}, "share is -1"),
        ({"share": math.nan}, "share is nan"),
    ],
)
def test_bounds_are_checked(arguments, message):
    with pytest.raises(InputError, match=message):
        Recorder(**arguments)


def test_recording_changes_nothing():
    net, X, Y = regression()
    options = {"batch_size": 8, "epochs": 6, "dropout": 0.2, "averaging": 0.9, "validation": 0.2}
    alone = train(net, X, Y, **options)
    beside = train(net, X, Y, callbacks=[Recorder(share=math.inf)], **options)
    assert np.array_equal(alone.theta, beside.theta)
    assert recorded(alone.history) == recorded(beside.history)


# -- what it is asked before, and what it cannot record ------------------------------------------


def test_a_recorder_that_saw_nothing_says_so(tmp_path):
    with pytest.raises(InputError, match="has seen no training; expected callbacks"):
        Recorder().recording()
    with pytest.raises(InputError, match="has seen no training"):
        Recorder().save(tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_minimizer_has_no_steps_to_record():
    net, X, Y = regression()
    with pytest.raises(InputError, match="a minimizer, whose iterations are no steps"):
        train(net, X, Y, rule="lbfgs", epochs=2, callbacks=[Recorder()])


def test_many_networks_at_once_are_not_recorded_by_one():
    net, X, Y = regression()
    with pytest.raises(InputError, match="train_many"):
        train_many(net, X, Y, seeds=range(2), epochs=2, callbacks=[Recorder()])


# -- how training ends ---------------------------------------------------------------------------


def test_a_folder_is_written_at_the_end(tmp_path):
    net, X, Y = regression()
    recorder = Recorder(tmp_path / "deep" / "r", share=math.inf)
    result = train(net, X, Y, batch_size=8, epochs=4, callbacks=[recorder])
    found = load_recording(tmp_path / "deep" / "r")
    assert found.end == 16
    assert found.digests[16] == digest_of_theta(result.theta)
    assert recorded(found.history) == recorded(result.history)
    assert found.steps == recorder.recording().steps == (0, 4, 8, 12, 16)
    for step in found.steps:
        assert np.array_equal(found.theta(step), recorder.recording().theta(step))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["r"]


def test_a_folder_that_is_there_is_refused_before_training(tmp_path):
    net, X, Y = regression()
    with pytest.raises(FileError, match="exists already; expected a new folder"):
        train(net, X, Y, callbacks=[Recorder(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_interrupted_is_recorded_to_its_last_step(tmp_path):
    net, X, Y = regression()
    recorder = Recorder(tmp_path / "r", share=math.inf)
    options = {"batch_size": 8, "epochs": 5}
    cut = train(net, X, Y, callbacks=[recorder], **options, **cut_after(10))
    found = load_recording(tmp_path / "r")
    assert (found.begin, found.end) == (0, 10)
    step = replay(found, X, Y, 10)
    assert np.array_equal(step.after["theta"], cut.theta)
    assert step.verified == 10
    with pytest.raises(InputError, match=r"step is 11; expected a step .* from 1 to 10"):
        replay(found, X, Y, 11)


def test_a_run_that_took_no_step():
    net, X, Y = regression()
    flag = StopFlag()
    flag.stop("at once")
    recorder = Recorder()
    train(net, X, Y, callbacks=[recorder], stop=flag)
    assert recorder.recording().end == 0
    with pytest.raises(InputError, match="it took none"):
        replay(recorder.recording(), X, Y, 1)


def test_a_run_that_diverges_is_recorded_to_the_step_before(tmp_path):
    net, X, Y = regression()
    options = {"rule": "sgd", "learning_rate": 1e9, "batch_size": 8, "epochs": 50}
    net = net.with_changes(activation="relu")
    with pytest.raises(Diverged) as found:
        train(net, X, Y, callbacks=[Recorder(tmp_path / "r")], **options)
    recording = load_recording(tmp_path / "r")
    steps_before = (found.value.epoch - 1) * recording.steps_per_epoch + found.value.batch - 1
    assert recording.end == steps_before
    assert np.isfinite(replay(recording, X, Y, recording.end).after["theta"]).all()


def test_a_callback_that_raises_leaves_what_was_recorded():
    net, X, Y = regression()
    recorder = Recorder(share=math.inf)

    def fails(event):
        if event.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(net, X, Y, batch_size=8, epochs=5, callbacks=[recorder, fails])
    assert recorder.recording().end == 12
    assert replay(recorder.recording(), X, Y, 12).verified == 12


# -- resumed runs --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [4, 6, 8])
def test_the_same_recorder_goes_on_with_a_run_that_is_resumed(step):
    net, X, Y = regression()
    options = {"batch_size": 8, "epochs": 5, "dropout": 0.1}
    whole = Recorder(share=math.inf)
    train(net, X, Y, engine="reference", callbacks=[whole], **options)
    parts = Recorder(share=math.inf)
    cut = train(net, X, Y, callbacks=[parts], **options, **cut_after(step))
    train(net, X, Y, engine="reference", callbacks=[parts], resume=cut, **options)
    one, other = whole.recording(), parts.recording()
    assert (other.begin, other.end) == (0, 20)
    assert one.digests.items() <= other.digests.items()
    for each in (1, step, step + 1, 20):
        found = [replay(recording, X, Y, each) for recording in (one, other)]
        assert np.array_equal(found[0].after["theta"], found[1].after["theta"])


@pytest.mark.parametrize("step", [4, 6])
def test_another_recorder_begins_where_the_run_is_resumed(step, tmp_path):
    net, X, Y = regression()
    options = {"batch_size": 8, "epochs": 5, "averaging": 0.9}
    cut = train(net, X, Y, **options, **cut_after(step))
    recorder = Recorder(tmp_path / "r")
    train(net, X, Y, engine="reference", callbacks=[recorder], resume=cut, **options)
    found = load_recording(tmp_path / "r")
    assert (found.begin, found.end) == (step, 20)
    whole = Recorder(share=math.inf)
    train(net, X, Y, engine="reference", callbacks=[whole], **options)
    for each in range(step + 1, 21):
        one, other = replay(found, X, Y, each), replay(whole.recording(), X, Y, each)
        assert all(np.array_equal(one.after[name], other.after[name]) for name in one.after)
    with pytest.raises(InputError, match=f"from {step + 1} to 20"):
        replay(found, X, Y, step)


def test_another_run_begins_another_recording():
    net, X, Y = regression()
    recorder = Recorder(share=math.inf)
    first = train(net, X, Y, batch_size=8, epochs=2, callbacks=[recorder])
    train(net, X, Y, batch_size=8, epochs=4, callbacks=[recorder], resume=first)
    # The schedule may depend on how many epochs are planned: these are not the same run.
    assert recorder.recording().begin == 8
    train(net, X, Y, batch_size=8, epochs=4, seed=1, callbacks=[recorder])
    assert recorder.recording().begin == 0
    assert recorder.recording().settings.seed == 1


# -- on disk -------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """A recorded run on disk, with its rows."""
    net, X, Y = regression()
    recorder = Recorder(tmp_path / "r", share=math.inf)
    train(net, X, Y, batch_size=8, epochs=4, validation=0.2, callbacks=[recorder])
    return tmp_path / "r", X, Y


def test_it_says_what_it_is(saved):
    recording = load_recording(saved[0])
    assert recording.n_training_rows == 24
    assert recording.steps_per_epoch == 3
    assert [recording.place(step) for step in (1, 3, 4, 12)] == [(1, 0), (1, 2), (2, 0), (4, 2)]
    assert set(recording.where) >= {"processor", "numpy", "deltarule", "source"}
    with pytest.raises(InputError, match="no checkpoint after step 2; expected one of 0, 3, 6"):
        recording.theta(2)
    theta = recording.theta(3)
    theta[:] = 0  # the caller's own
    assert recording.theta(3).any()


def test_it_is_saved_again_as_it_was(saved, tmp_path):
    recording = load_recording(saved[0])
    recording.save(tmp_path / "again")
    again = load_recording(tmp_path / "again")
    for field in dataclasses.fields(recording):
        one, other = getattr(recording, field.name), getattr(again, field.name)
        if field.name == "checkpoints":
            assert list(one) == list(other)
            for step, state in one.items():
                assert state.keys() == other[step].keys()
                assert all(np.array_equal(state[name], other[step][name]) for name in state)
        elif field.name == "rows":
            assert np.array_equal(one, other)
        else:
            assert one == other, field.name
    with pytest.raises(FileError, match="exists already"):
        recording.save(tmp_path / "again")


def test_it_is_found_in_the_folder_of_a_model(saved, tmp_path):
    (tmp_path / "m").mkdir()
    saved[0].rename(tmp_path / "m" / FOLDER)
    assert load_recording(tmp_path / "m").end == 12


@pytest.mark.parametrize("name", ["recording.json", "history.json", "arrays.safetensors"])
def test_a_file_that_was_changed_is_refused(saved, name):
    path = saved[0] / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FileError, match="checksum differs"):
        load_recording(saved[0])
    path.unlink()
    with pytest.raises(FileError, match=name):
        load_recording(saved[0])


def edited(folder, change):
    """Change recording.json as a careful hand would, with its checksum."""
    path = Path(folder, "recording.json")
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    manifest = json.loads(Path(folder, "manifest.json").read_text())
    manifest["sha256"]["recording.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    del manifest["checksum"]
    Path(folder, "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("settings"),
        lambda value: value.pop("epochs"),
        lambda value: value.update(begin=1),
        lambda value: value["network"].update(widths=[3, 4, 2]),
        lambda value: value.update(digests=[1]),
        lambda value: value["settings"].update(l2=-1),
    ],
)
def test_a_recording_that_is_not_whole_is_refused(saved, change):
    edited(saved[0], change)
    with pytest.raises(FileError, match="is not a complete recording"):
        load_recording(saved[0])


def test_a_folder_without_a_recording_is_refused(tmp_path):
    with pytest.raises(FileError, match="expected a folder with a deltarule recording"):
        load_recording(tmp_path)
    with pytest.raises(FileError, match="expected a folder with a deltarule recording"):
        load_recording(tmp_path / "nowhere")


def test_stopping_early_is_recorded(tmp_path):
    net, X, Y = regression()
    recorder = Recorder(tmp_path / "r")
    result = train(
        net, X, Y, batch_size=8, epochs=200, validation=0.3, stopping=Patience(2),
        learning_rate=0.1, callbacks=[recorder],
    )  # fmt: skip
    assert result.stopped != "all epochs done"
    recording = load_recording(tmp_path / "r")
    assert recording.end == len(result.history) * recording.steps_per_epoch
    assert replay(recording, X, Y, recording.end).verified == recording.end

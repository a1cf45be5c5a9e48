"""A trained model is never lost, and files that are not the model's are never changed."""

import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.conftest import CLASSES, FAST, NUMBERS, contents

from deltarule.cli import run_explain, run_fit
from deltarule.cli.status import save_uninterrupted
from deltarule.errors import FileError
from deltarule.files import locking, write_bytes
from deltarule.tabular import TableModel
from deltarule.training import load_recording
from deltarule.training.recording import digest_of_theta


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(NUMBERS)
    return tmp_path


def fit(deltarule, out, *options):
    return deltarule("fit", "t.csv", "--target", "y", "--out", out, *FAST, *options)


def just_before_saving(monkeypatch, do):
    """Let something happen after training."""
    original = run_fit.loss_picture

    def picture(model):
        do()
        return original(model)

    monkeypatch.setattr(run_fit, "loss_picture", picture)


def test_a_link_to_a_model_is_followed(here, deltarule):
    assert fit(deltarule, "real/m", "--record").status == 0
    (here / "real" / "m" / "mine.txt").write_text("mine")
    (here / "real" / "m" / "record" / "more.txt").write_text("mine too")
    (here / "link").symlink_to("real/m")
    assert fit(deltarule, "link").status == 3
    assert fit(deltarule, "link", "--force", "--record", "--seed", "7").status == 0
    assert (here / "link").is_symlink()
    assert sorted(path.name for path in (here / "real").iterdir()) == ["m"]
    model, recording = TableModel.load(here / "link"), load_recording(here / "link")
    assert model.settings["seed"] == 7
    assert recording.model == digest_of_theta(model.model.theta)
    assert (here / "real" / "m" / "mine.txt").read_text() == "mine"
    assert (here / "real" / "m" / "record" / "more.txt").read_text() == "mine too"
    # Without a recording, that of the model before goes; what is not a model's stays.
    assert fit(deltarule, "link", "--force").status == 0
    assert sorted(contents(here / "real" / "m" / "record")) == ["more.txt"]


def test_a_link_to_what_is_no_model_is_left_alone(here, deltarule):
    (here / "photos").mkdir()
    (here / "photos" / "p.jpg").write_text("p")
    (here / "link").symlink_to("photos")
    found = fit(deltarule, "link", "--force")
    assert found.status == 3
    assert "is not the folder of a model, so it is left as it is" in found.err
    assert contents(here / "photos").keys() == {"p.jpg"}


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_appears_during_training(here, deltarule, monkeypatch, force):
    def appear():
        (here / "m").mkdir()
        (here / "m" / "mine.txt").write_text("mine")

    just_before_saving(monkeypatch, appear)
    found = fit(deltarule, "m", *(["--force"] if force else []))
    assert found.status == 3
    assert found.err.count("error: ") == 1
    assert "It was saved as" in found.err
    assert f"Saved in {here / 'm-2'}" in found.out
    assert TableModel.load(here / "m-2").settings["epochs"] == 2
    assert contents(here / "m").keys() == {"mine.txt"}


def test_a_model_that_appears_during_training_is_not_replaced_without_force(
    here, deltarule, monkeypatch
):
    assert fit(deltarule, "other", "--seed", "5").status == 0
    just_before_saving(monkeypatch, lambda: shutil.copytree("other", "m"))
    assert fit(deltarule, "m", "--json").status == 3
    assert TableModel.load(here / "m").settings["seed"] == 5
    assert TableModel.load(here / "m-2").settings["seed"] == 0


def test_a_folder_whose_parent_vanishes(here, deltarule, monkeypatch):
    (here / "a").mkdir()
    just_before_saving(monkeypatch, (here / "a").rmdir)
    assert fit(deltarule, "a/m").status == 0
    assert TableModel.load(here / "a" / "m").settings["epochs"] == 2


def test_a_parent_that_has_become_a_file(here, deltarule, monkeypatch):
    (here / "a").mkdir()

    def swap():
        (here / "a").rmdir()
        (here / "a").write_text("mine")

    just_before_saving(monkeypatch, swap)
    found = fit(deltarule, "a/m", "--quiet")
    assert found.status == 3
    assert "Not a directory" in found.err
    assert TableModel.load(here / "m-2").settings["epochs"] == 2


def test_a_disk_that_is_full_at_the_end(here, deltarule, monkeypatch, tmp_path_factory):
    """What cannot be saved near its place is saved among temporary files."""
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    original = locking.create_locked

    def full(path, make):
        if path.is_relative_to(here):
            raise OSError(28, "No space left on device")
        return original(path, make)

    just_before_saving(
        monkeypatch, lambda: monkeypatch.setattr("deltarule.files.bundles.create_locked", full)
    )
    found = fit(deltarule, "m", "--quiet")
    assert found.status == 3
    assert found.err.startswith("error: cannot write 'm': No space left on device. It was saved as")
    (saved,) = temporary.glob("deltarule-*/m-2")
    assert TableModel.load(saved).settings["epochs"] == 2
    assert sorted(path.name for path in here.iterdir()) == ["t.csv"]


def test_a_picture_that_cannot_be_drawn_does_not_cost_the_model(here, deltarule, monkeypatch):
    def broken(model):
        raise ZeroDivisionError

    monkeypatch.setattr(run_fit, "loss_picture", broken)
    with pytest.raises(ZeroDivisionError):
        fit(deltarule, "m")
    assert TableModel.load(here / "m").settings["epochs"] == 2


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("n" * 256, "File name too long"),
        ("/".join(["n" * 200] * 30), "too long"),
        ("t.csv/m", "Not a directory"),
        ("a\0b", "null"),
        ("\ud800", "surrogates not allowed"),
        (".", "is not the folder of a model"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_training(
    here, deltarule, monkeypatch, out, message
):
    monkeypatch.setattr(run_fit, "fit_table", None)
    found = fit(deltarule, out, "--force")
    # What is no name at all is an argument that cannot be used.
    assert found.status == (2 if message in ("null", "surrogates not allowed") else 3)
    assert message in found.err
    assert found.err.count("\n") == 1
    assert sorted(path.name for path in here.iterdir()) == ["t.csv"]


def test_the_folder_one_is_in_is_not_replaced(here, deltarule, monkeypatch):
    assert fit(deltarule, "m").status == 0
    monkeypatch.chdir(here / "m")
    before = contents(here / "m")
    found = deltarule("fit", "../t.csv", "--target", "y", "--out", ".", "--force", *FAST)
    assert found.status == 3
    assert "is the current folder" in found.err
    assert contents(here / "m") == before


@pytest.mark.parametrize("where", ["label", "level", "name"])
def test_half_a_surrogate_pair_is_refused_before_training(here, deltarule, monkeypatch, where):
    rows = ""
    for i in range(60):
        label = '"no"' if i % 7 < 3 else r'"yes\ud83d"' if where == "label" else '"yes"'
        level = r'"p\ud83d"' if where == "level" and i % 2 else f'"{"pq"[i % 2]}"'
        name = r"k\ud83d" if where == "name" else "k"
        rows += f'{{"a": {i % 7}, "{name}": {level}, "y": {label}}}\n'
    Path("t.jsonl").write_text(rows)
    # The readers of tables may refuse it before.
    monkeypatch.setattr("deltarule.tabular.network_fit.train", None)
    found = deltarule("fit", "t.jsonl", "--target", "y", "--out", "m", *FAST)
    assert found.status == 3
    assert found.err.startswith("error: ")
    assert not (here / "m").exists()


def test_predictions_keep_what_appears_and_are_not_lost(here, deltarule, monkeypatch):
    Path("c.csv").write_text(CLASSES)
    assert deltarule("fit", "c.csv", "--target", "y", "--out", "m", *FAST).status == 0
    original = TableModel.outputs

    def outputs(self, typed):
        Path("p.csv").write_text("mine")
        return original(self, typed)

    monkeypatch.setattr(TableModel, "outputs", outputs)
    found = deltarule("predict", "m", "c.csv", "--out", "p.csv")
    assert found.status == 3
    assert "'p.csv' exists already" in found.err
    assert Path("p.csv").read_text() == "mine"
    assert Path("p-2.csv").read_text().startswith("prediction\n")
    assert deltarule("predict", "m", "c.csv", "--out", "p.csv", "--force").status == 0
    assert Path("p.csv").read_text() == Path("p-2.csv").read_text()


def test_a_page_is_not_lost(here, deltarule, monkeypatch):
    assert fit(deltarule, "m").status == 0
    original = run_explain.write_page_of

    def page(*arguments):
        original(*arguments)
        Path("page.html").write_text("mine")

    monkeypatch.setattr(run_explain, "write_page_of", page)
    found = deltarule("explain", "m", "t.csv", "--html", "page.html", "--quiet")
    assert found.status == 3
    assert Path("page.html").read_text() == "mine"
    assert Path("page-2.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.suffix for path in here.iterdir()) == ["", ".csv", ".html", ".html"]


def test_ctrl_c_ends_waiting_for_a_lock(tmp_path, monkeypatch):
    """Another process may hold it for half a minute; what waits is then saved elsewhere."""
    polls = iter(range(100))

    def poll(seconds):
        assert next(polls) < 10
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(locking, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=poll))
    refused = pytest.raises(FileError, match=r"cannot lock the folder .*another process has held")
    with (
        pytest.raises(KeyboardInterrupt),
        locking.folder_lock(tmp_path),
        save_uninterrupted("f"),
        refused,
    ):
        write_bytes(tmp_path / "f", b"")
    assert not locking.stop_waiting.is_set()
    assert list(tmp_path.iterdir()) == []

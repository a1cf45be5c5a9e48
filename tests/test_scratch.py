"""Temporary folders: private, removed at the end, and by the next process after one was killed."""

import os
import signal
import stat
import sys
import tempfile

import pytest

from deltarule.errors import FileError
from deltarule.files.scratch import scratch_folder, writing_scratch


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_private_and_removed_at_the_end(tmp_path):
    with scratch_folder() as folder:
        (folder / "a").write_text("a")
        if os.name == "posix":
            assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_one_in_use_is_left_alone():
    with scratch_folder() as first:
        with scratch_folder() as second:
            assert first != second
        assert first.is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_one_of_a_killed_process_is_removed_and_nothing_else(tmp_path):
    mine = [tmp_path / "deltarule-abc", tmp_path / "deltarule-scratch-mine"]
    for each in mine:
        each.mkdir()
    target = tmp_path / "deltarule-scratch-0123456789abcdef"
    target.symlink_to(mine[0])
    child = os.fork()
    if child == 0:
        with scratch_folder() as folder:
            (folder / "a").write_text("a")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 4
    with scratch_folder():
        pass
    assert sorted(tmp_path.iterdir()) == sorted([*mine, target])


def test_a_full_disk_is_named_with_what_to_do(tmp_path):
    with pytest.raises(FileError, match=r"TMPDIR") as caught, writing_scratch():
        raise OSError(28, os.strerror(28))
    assert str(tmp_path) in str(caught.value)
    own = FileError("an error that says what to do")
    with pytest.raises(FileError, match="what to do") as caught, writing_scratch():
        raise own
    assert caught.value is own


def test_a_missing_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(FileError, match="temporary folder in"), scratch_folder():
        pass

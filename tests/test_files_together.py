"""Several processes at one folder, processes that are killed, and disks that are full."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
import traceback
from pathlib import Path

import numpy as np
import pytest

from deltarule.errors import FileError
from deltarule.files import (
    Bundle,
    Part,
    consistent_read,
    filesystem,
    locking,
    read_bundle,
    write_bundle,
    write_bytes,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes here are forked")

KIND, INNER = "test bundle", "inner bundle"
# What changes something on the disk, or waits for it.
CALLS = ("mkdir", "rename", "replace", "link", "unlink", "rmdir", "chmod", "fsync")


def write(folder, value, **options):
    """A bundle whose every file says the same number; with a part, and a picture."""
    size = 500 + 10 * value
    part = Bundle(INNER, 1, {"i.json": value}, {"y": np.full(size, value)})
    write_bundle(
        folder,
        KIND,
        1,
        {"a.json": value, "b.json": [value] * 20},
        {"x": np.full(size, value)},
        parts={"part": Part(INNER, part)},
        extras={"p.svg": str(value).encode()},
        **options,
    )


def read(folder):
    """The number that every file says; an AssertionError if they say several."""

    def both():
        outer, inside = read_bundle(folder, KIND, 1), read_bundle(folder / "part", INNER, 1)
        return outer, inside, (folder / "p.svg").read_bytes()

    (documents, arrays), (more, others), picture = consistent_read(folder, both)
    found = {documents["a.json"], *documents["b.json"], more["i.json"], int(picture)}
    found |= {*arrays["x"].tolist(), *others["y"].tolist()}
    assert len(found) == 1
    return found.pop()


def forked(action):
    """Run ``action()`` in a process of its own; gives its number."""
    number = os.fork()
    if number == 0:
        status = 1
        try:
            action()
            status = 0
        except BaseException:  # noqa: BLE001  pytest's own among them
            traceback.print_exc()
        finally:
            os._exit(status)
    return number


def status_of(number):
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


@pytest.fixture
def tmp_path(memory_path):
    """In memory: no disk is waited for thousands of times."""
    return memory_path


@pytest.fixture(params=["exchange", "two renamings"])
def system(request, monkeypatch):
    """With the system's exchange of names, and as if there were none."""
    if request.param == "two renamings":
        monkeypatch.setattr(filesystem, "_renameat2", lambda: None)
    elif filesystem._renameat2() is None:
        pytest.skip("this system cannot exchange two names")
    return request.param


# -- killed, or failing, at each call -----------------------------------------------------------


class Stop(BaseException):
    """Stands for what ends a program in the middle of it, such as Ctrl-C."""


def hooked(monkeypatch, hook):
    """Call ``hook(number, done)`` before and after each call that changes the disk."""
    count = [0]

    def around(function):
        def called(*arguments, **options):
            count[0] += 1
            number = count[0]
            hook(number, False)
            try:
                return function(*arguments, **options)
            finally:
                hook(number, True)

        return called

    for name in CALLS:
        monkeypatch.setattr(os, name, around(getattr(os, name)))
    renamed = around(filesystem._rename_with_flag)
    monkeypatch.setattr(filesystem, "_rename_with_flag", renamed)
    return count


def calls_of(tmp_path, monkeypatch, action):
    """How many calls an undisturbed ``action`` makes."""
    with monkeypatch.context() as patched:
        count = hooked(patched, lambda number, done: None)
        action()
    return count[0]


def prepared(folder):
    write(folder, 1)
    (folder / "note.txt").write_text("mine")
    (folder / "notes").mkdir()
    (folder / "notes" / "n.txt").write_text("mine too")
    (folder / "part" / "more.txt").write_text("and this")
    (folder / "link").symlink_to("note.txt")


def theirs(folder):
    """What is in the folder and not the bundle's."""
    return {
        "note.txt": (folder / "note.txt").read_text(),
        "notes/n.txt": (folder / "notes" / "n.txt").read_text(),
        "part/more.txt": (folder / "part" / "more.txt").read_text(),
        "link": str((folder / "link").readlink()),
    }


ALL_THEIRS = {
    "note.txt": "mine",
    "notes/n.txt": "mine too",
    "part/more.txt": "and this",
    "link": "note.txt",
}


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def trials(tmp_path, monkeypatch, there):
    """For each call that a saver makes: its number, a folder, and the files expected in the end."""

    def place(name):
        (tmp_path / name).mkdir()
        if there:
            prepared(tmp_path / name / "b")
        return tmp_path / name / "b"

    folder = place("trial")
    calls = calls_of(tmp_path, monkeypatch, lambda: write(folder, 2, overwrite=True))
    wanted = listing(folder.parent)
    assert calls > 15
    for call in range(1, calls + 1):
        yield call, place(f"{call}"), wanted


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "replaced"])
def test_a_kill_at_each_call_leaves_the_old_or_the_new_whole(
    tmp_path, monkeypatch, system, there, after
):
    found = set()
    for call, folder, wanted in trials(tmp_path, monkeypatch, there):

        def killed(call=call, folder=folder):
            hooked(
                monkeypatch,
                lambda number, done: os._exit(9) if (number, done) == (call, after) else None,
            )
            write(folder, 2, overwrite=True)

        assert status_of(forked(killed)) == 9
        if folder.exists():
            found.add(read(folder))
            if there:
                assert theirs(folder) == ALL_THEIRS
        elif there:
            assert system == "two renamings"
            with pytest.raises(FileError, match=r"was interrupted, and left it as '.*'\. Rename"):
                read(folder)
            found.add("told")
        # The next one that saves clears up.
        write(folder, 3, overwrite=True)
        assert read(folder) == 3
        assert listing(folder.parent) == wanted
        if there:
            assert theirs(folder) == ALL_THEIRS
    expected = {1, 2} if there else {2}
    assert found == (expected | {"told"} if there and system == "two renamings" else expected)


@pytest.mark.parametrize("there", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError(errno.EIO, "broken"), Stop()],
    ids=["full", "broken", "stopped"],
)
def test_a_failure_at_each_call_leaves_the_old_or_the_new_whole(
    tmp_path, monkeypatch, system, there, error
):
    for call, folder, wanted in trials(tmp_path, monkeypatch, there):

        def fail(number, done, call=call):
            if number == call and not done:
                raise error

        with monkeypatch.context() as patched:
            hooked(patched, fail)
            found = None
            try:
                write(folder, 2, overwrite=True)
            except (FileError, Stop) as caught:
                found = caught
        if isinstance(found, FileError):
            assert str(found).startswith(f"cannot write {str(folder)!r}: {error.strerror}")
        if folder.exists():
            assert read(folder) in ((1, 2) if there else (2,))
            if found is None:
                assert read(folder) == 2
            if there:
                assert theirs(folder) == ALL_THEIRS
        else:
            assert not there
            assert found is not None
        write(folder, 3, overwrite=True)
        assert read(folder) == 3
        assert listing(folder.parent) == wanted


def test_a_kill_at_each_call_leaves_the_old_or_the_new_file(tmp_path, monkeypatch):
    calls = calls_of(tmp_path, monkeypatch, lambda: write_bytes(tmp_path / "f", b"new"))
    for call in range(1, calls + 1):
        for after in (False, True):
            write_bytes(tmp_path / "f", b"old")

            def killed(call=call, after=after):
                hooked(
                    monkeypatch,
                    lambda number, done: os._exit(9) if (number, done) == (call, after) else None,
                )
                write_bytes(tmp_path / "f", b"new")

            assert status_of(forked(killed)) == 9
            assert (tmp_path / "f").read_bytes() in (b"old", b"new")
            write_bytes(tmp_path / "f", b"next")
            assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_what_another_is_writing_is_not_cleared_away(tmp_path):
    temporary = filesystem.temporary_name(tmp_path / "b")
    with locking.create_locked(temporary, lambda: filesystem.create_folder(temporary)):
        (temporary / "half").write_text("")
        write(tmp_path / "b", 1)
        assert (temporary / "half").exists()
    write(tmp_path / "b", 2, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_hidden_name_that_is_like_a_temporary_one_and_somebody_s_stays(tmp_path):
    names = [".b.txt", ".b.backup", ".b.123456789012.old", ".b.replaced.mine", ".c.0123456789ab"]
    for name in names:
        (tmp_path / name).write_text("mine")
    for value in (1, 2):
        write(tmp_path / "b", value, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "b"])


# -- several at once ----------------------------------------------------------------------------


def together(actions):
    """Run actions in processes of their own that begin at once; gives their exit statuses."""
    ready, go = os.pipe()
    numbers = []
    for action in actions:

        def wait_and_act(action=action):
            os.close(go)
            os.read(ready, 1)  # ends when the other side is closed
            action()

        numbers.append(forked(wait_and_act))
    os.close(ready)
    os.close(go)
    return [status_of(number) for number in numbers]


@pytest.mark.parametrize("empty", [False, True], ids=["nothing", "an empty folder"])
def test_of_savers_that_may_not_replace_exactly_one_succeeds(tmp_path, system, empty):
    def save(folder, value):
        try:
            write(folder, value)
        except FileError as error:
            os._exit(3 if "exists already" in str(error) else 4)

    for number in range(40):
        folder = tmp_path / f"{number}"
        if empty:
            folder.mkdir()
        values = (2, 3, 4)
        statuses = together([lambda f=folder, v=v: save(f, v) for v in values])
        if empty:
            assert statuses == [3, 3, 3]
            continue
        assert sorted(statuses) == [0, 3, 3]
        assert read(folder) == values[statuses.index(0)]
    assert all(not path.name.startswith(".") for path in tmp_path.iterdir())


def test_of_writers_of_a_file_that_may_not_replace_exactly_one_succeeds(tmp_path, system):
    def save(path, value):
        try:
            write_bytes(path, value * 1000, overwrite=False)
        except FileError as error:
            os._exit(3 if "exists already" in str(error) else 4)

    for number in range(40):
        path = tmp_path / f"{number}"
        statuses = together([lambda p=path, v=v: save(p, v) for v in (b"a", b"b")])
        assert sorted(statuses) == [0, 3]
        assert path.read_bytes() == (b"a", b"b")[statuses.index(0)] * 1000
    assert len(list(tmp_path.iterdir())) == 40


def test_readers_see_one_generation_while_savers_replace_it(tmp_path, system):
    folder = tmp_path / "b"
    prepared(folder)

    def save(first):
        for value in range(first, first + 40):
            write(folder, value, overwrite=True)

    def look():
        for _ in range(120):
            assert read(folder) >= 1

    assert together([lambda: save(100), lambda: save(200), look, look]) == [0] * 4
    assert read(folder) in (139, 239)
    assert theirs(folder) == ALL_THEIRS
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_savers_that_are_killed_leave_nothing_that_others_trip_over(tmp_path, system):
    folder = tmp_path / "b"
    prepared(folder)
    rng = np.random.default_rng(0)

    def save(value):
        while True:
            write(folder, value, overwrite=True)

    for value in range(2, 30):
        numbers = [forked(lambda v=v: save(v)) for v in (value, value + 100)]
        for number in numbers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(["sleep", f"{rng.uniform(0, 0.03):.4f}"], check=True)
            os.kill(number, signal.SIGKILL)
            status_of(number)
        if folder.exists():
            read(folder)
        else:
            assert system == "two renamings"
    write(folder, 1, overwrite=True)
    assert read(folder) == 1
    assert theirs(folder) == ALL_THEIRS
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


# -- a full disk ----------------------------------------------------------------------------------


def test_where_files_may_not_be_that_large(tmp_path):
    folder = tmp_path / "b"
    prepared(folder)

    def save():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        with pytest.raises(FileError, match=r"cannot write .*File too large"):
            write(folder, 2, overwrite=True)
        with pytest.raises(FileError, match=r"cannot write .*File too large"):
            write_bytes(tmp_path / "f", b"x" * 10_000)

    assert status_of(forked(save)) == 0
    assert read(folder) == 1
    assert theirs(folder) == ALL_THEIRS
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB, where one may mount."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_the_old_whole(small_disk):
    folder = small_disk / "b"
    prepared(folder)
    (small_disk / "rest").write_bytes(b"0" * 200_000)
    with pytest.raises(FileError, match=r"cannot write .*No space left on device"):
        write(folder, 12_000, overwrite=True)
    assert read(folder) == 1
    assert theirs(folder) == ALL_THEIRS
    assert sorted(path.name for path in small_disk.iterdir()) == ["b", "rest"]
    (small_disk / "rest").unlink()
    write(folder, 2, overwrite=True)
    assert read(folder) == 2


def test_where_a_disk_is_mounted_nothing_is_replaced(small_disk):
    with pytest.raises(FileError, match=r"is where a disk is mounted.*Name another folder"):
        write(small_disk, 1, overwrite=True)
    write(Path(small_disk, "b"), 1)
    assert read(small_disk / "b") == 1

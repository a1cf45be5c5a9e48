"""Two threads at one folder, in every order of their file operations with two switches.

Thread 0 runs to its i-th operation on names, then thread 1 to its j-th, then thread 0 to its end,
then thread 1 to its end, for every i and j, and with the threads exchanged. A thread that waits for
a lock lets the other continue. Operations that the other thread neither sees nor changes, such as
on a file in a thread's own temporary folder, are not counted: their order cannot matter.
"""

import itertools
import math
import os
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest

from deltarule.errors import FileError
from deltarule.files import (
    check_bundle_path,
    consistent_read,
    filesystem,
    is_bundle,
    locking,
    path_checks,
    read_bundle,
    read_json,
    write_bundle,
)

pytestmark = pytest.mark.skipif(locking.fcntl is None, reason="this system has no file locks")

KIND = "test bundle"
# Operations that other threads can see, and those by which they see them.
CHANGES = ("mkdir", "rename", "replace", "link", "unlink", "rmdir", "open")
LOOKS = ("stat", "lstat", "listdir", "close")
OLD = 1


class Schedule:
    """Lets one of two threads run at a time, and switches between them after given steps."""

    def __init__(self, *steps, looks=(LOOKS, LOOKS)):
        self.looks = looks  # before which looks each thread is stopped
        self.steps = [*steps, math.inf, math.inf]  # of thread 0, 1, 0, 1
        self.turn, self.taken = 0, [0, 0]
        self.ended, self.numbers, self.outcomes = [False, False], {}, [None, None]
        self.created = ([], [])  # the folders that each thread has made
        self.changed = threading.Condition()

    def step(self, name="", arguments=(), *, waiting=False):
        """Called before each operation, with its arguments."""
        number = self.numbers.get(threading.get_ident())
        if number is None or (name in LOOKS and name not in self.looks[number]):
            return
        own = self.created[number]
        paths = [Path(each) for each in arguments if isinstance(each, str | Path)]
        # Closing a file may release its lock.
        if not (waiting or name == "close" or any(shared(name, path, own) for path in paths)):
            return
        if name == "mkdir":
            own.extend(paths)
        with self.changed:
            self.taken[number] += 1
            self.steps[0] -= 1
            if waiting or self.steps[0] < 0:
                self.switch(number)

    def switch(self, number):
        if not self.ended[1 - number]:
            self.steps = self.steps[1:] or [math.inf]
            self.turn = 1 - number
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.turn == number or self.ended[1 - number])

    def run(self, *actions):
        """Run both actions; gives what each returned, or its exception."""

        def act(number):
            self.numbers[threading.get_ident()] = number
            with self.changed:
                self.changed.wait_for(lambda: self.turn == number or self.ended[1 - number])
            try:
                self.outcomes[number] = actions[number]()
            except Exception as error:  # noqa: BLE001  compared by the test
                self.outcomes[number] = error
            with self.changed:
                self.ended[number], self.turn = True, 1 - number
                self.changed.notify_all()

        threads = [threading.Thread(target=act, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.outcomes


def shared(name, path, own):
    """Whether the other thread may see or change what an operation does with a path.

    It does not touch the inside of this thread's own temporary folders, which are locked, nor the
    folder above the bundle, except that it locks it and changes the names in it.
    """
    if path.parent in own:
        return False
    above = not any(part == "b" or part.startswith(".b.") for part in path.parts[-2:])
    return not above or name in ("open", "listdir")


@pytest.fixture
def tmp_path(memory_path):
    """In memory: no disk is waited for thousands of times."""
    return memory_path


@pytest.fixture(params=["exchange", "two renames"])
def hooked(request, monkeypatch):
    """Call ``hooked.schedule.step()`` before each operation; with and without renameat2."""
    if request.param == "two renames":
        monkeypatch.setattr(filesystem, "_renameat2", lambda: None)
    elif filesystem._renameat2() is None:
        pytest.skip("this system cannot exchange two names")
    hooks = types.SimpleNamespace(schedule=Schedule())

    def before(function, name):
        def called(*arguments, **options):
            hooks.schedule.step(name, arguments)
            return function(*arguments, **options)

        return called

    def sleep(seconds):
        hooks.schedule.step(waiting=True)
        time.sleep(seconds / 10)

    for name in (*CHANGES, *LOOKS):
        monkeypatch.setattr(os, name, before(getattr(os, name), name))
    rename = before(filesystem._rename_with_flag, "rename")
    monkeypatch.setattr(filesystem, "_rename_with_flag", rename)
    fake_time = types.SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr(locking, "time", fake_time)
    monkeypatch.setattr(os, "fsync", lambda number: None)
    # It does not look at the folder that is replaced.
    monkeypatch.setattr(path_checks, "_try_to_create", lambda target, inner: None)
    return hooks


def save(folder, value, **options):
    write_bundle(folder, KIND, 1, {"a.json": value}, {"x": np.full(2, value)}, **options)


def load(folder):
    """The number that both files say, read one after the other."""
    (_, arrays), value = consistent_read(
        folder, lambda: (read_bundle(folder, KIND, 1), read_json(folder / "a.json"))
    )
    assert set(arrays["x"]) == {value}
    return value


def orders(hooked, prepare, save, other, looks=((), LOOKS), turns=(1, -1)):
    """Run two actions in every order with two switches; gives the outcomes of each.

    ``looks`` says before which looks each of the two is stopped, besides its changes; ``turns``
    which of them begins: 1 the first, -1 the second.
    """
    for turn in turns:
        actions = (save, other)[::turn]
        prepare()
        hooked.schedule = alone = Schedule(looks=looks[::turn])
        alone.run(*actions)
        # After a change of one thread the other may need more operations than it took alone.
        for i, j in itertools.product(*((*range(taken + 1), math.inf) for taken in alone.taken)):
            hooked.schedule = Schedule()
            prepare()
            hooked.schedule = Schedule(i, j, looks=looks[::turn])
            yield hooked.schedule.run(*actions)[::turn]


@pytest.fixture
def folder(tmp_path):
    """A bundle with a file that the library did not write."""
    save(tmp_path / "b", OLD)
    (tmp_path / "b" / "note.txt").write_text("mine")
    return tmp_path / "b"


def intact(folder, *values):
    assert load(folder) in values
    assert (folder / "note.txt").read_text() == "mine"
    assert [path.name for path in folder.parent.iterdir()] == ["b"]
    return True


def test_a_reader_sees_the_old_or_the_new(folder, hooked):
    found = []
    values = itertools.count(OLD + 1)
    now = [OLD]

    def prepare():
        now.append(next(values))

    for saved, read in orders(
        hooked, prepare, lambda: save(folder, now[-1], overwrite=True), lambda: load(folder)
    ):
        assert saved is None
        assert read in now[-2:]
        found.append(read - now[-1])
        assert intact(folder, now[-1])
    assert set(found) == {-1, 0}


def test_a_reader_of_a_new_folder_sees_none_or_all_of_it(tmp_path, hooked):
    found = set()
    numbers = itertools.count()
    place = []

    def prepare():
        place.append(tmp_path / f"{next(numbers)}" / "b")
        place[-1].parent.mkdir()

    for saved, read in orders(hooked, prepare, lambda: save(place[-1], 2), lambda: load(place[-1])):
        assert saved is None
        found.add(str(read).replace(str(place[-1]), "b"))
        assert load(place[-1]) == 2
    missing = "'b' is not a folder that exists; expected a folder with a test bundle"
    assert found == {"2", missing}


@pytest.mark.parametrize("what", ["save", "check", "kind"])
def test_whoever_may_replace_a_folder_is_never_refused(folder, hooked, what):
    second = {
        "save": lambda: save(folder, 3, overwrite=True),
        "check": lambda: check_bundle_path(folder, KIND, overwrite=True),
        "kind": lambda: consistent_read(folder, lambda: is_bundle(folder, KIND)) or 1 / 0,
    }[what]
    # What a saver does after it has released the lock must not depend on a look.
    looks, turns = ((LOOKS, ()), (1,)) if what == "save" else (((), LOOKS), (1, -1))
    for saved, other in orders(
        hooked, lambda: None, lambda: save(folder, 2, overwrite=True), second, looks, turns
    ):
        assert saved is None
        assert other in (None, True)
        assert intact(folder, 2, 3)


# Only two renames leave such a folder behind.
@pytest.mark.parametrize("hooked", ["two renames"], indirect=True)
def test_a_folder_that_was_left_between_two_renames_is_found(tmp_path, hooked):
    """A saver was killed there; the next one saves while a reader looks."""
    folder = tmp_path / "b"
    found = set()

    def prepare():
        save(folder, OLD, overwrite=True)
        (folder / "note.txt").write_text("mine")
        folder.rename(filesystem.temporary_name(folder, "replaced"))

    turns = (1,)
    for saved, read in orders(
        hooked, prepare, lambda: save(folder, 2, overwrite=True), lambda: load(folder), turns=turns
    ):
        assert saved is None
        interrupted = isinstance(read, FileError) and "was interrupted, and left it as" in str(read)
        assert interrupted or read in (OLD, 2)
        found.add(read if read in (OLD, 2) else "interrupted")
        assert intact(folder, 2)
    assert found >= {"interrupted", 2}


@pytest.mark.parametrize("hooked", ["two renames"], indirect=True)
def test_two_readers_that_look_for_what_was_left_do_not_disturb_each_other(tmp_path, hooked):
    folder = tmp_path / "b"
    save(folder, OLD)
    folder.rename(filesystem.temporary_name(folder, "replaced"))
    looker = lambda: load(folder)  # noqa: E731
    # Neither changes a name, so they can disturb each other by the locks that they hold only.
    looks = (("close",), ("close",))
    for found in orders(hooked, lambda: None, looker, looker, looks, (1,)):
        assert all("was interrupted, and left it as" in str(each) for each in found)

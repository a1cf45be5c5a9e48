"""Processes that end, and operations that fail, at every write to the file system in turn."""

import builtins
import errno
import io
import os
import signal
from unittest import mock

from deltarule.files import filesystem

# What changes names or contents. Path's methods call these.
_CHANGES = ("fsync", "mkdir", "rename", "replace", "unlink", "remove", "rmdir", "link")


class Killed(BaseException):
    """Stands for a process that ends."""


def killed_after(epoch):
    """A callback of training that ends it as if the process had ended."""

    def callback(event):
        if event.epoch == epoch:
            raise Killed

    return callback


class _File:
    """A file whose write is a point of its own, and which may end after half of its data."""

    def __init__(self, file, point):
        self._file, self._point = file, point

    def write(self, data):
        half = len(data) // 2
        self._file.write(data[:half])
        self._file.flush()
        self._point("write")
        return half + self._file.write(data[half:])

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *given):
        return self._file.__exit__(*given)


class Points:
    """Patches the file system's functions, so that something happens at one of their calls.

    Parameters
    ----------
    at : int or None
        The number of the call, from 1; None only counts.
    what : {"kill", "fail", "full"}
        The process ends; the call fails; or it and all later ones that need space fail.
    """

    def __init__(self, at=None, what="kill"):
        self.at, self.what, self.count, self.seen = at, what, 0, []

    def point(self, name):
        self.count += 1
        self.seen.append(name)
        reached = self.at is not None and self.count >= self.at
        if not reached or (self.what != "full" and self.count > self.at):
            return
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "fail" or name in ("write", "fsync", "mkdir", "open"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self):
        self._patches = [
            *(mock.patch.object(os, name, self._patched(name)) for name in _CHANGES),
            mock.patch.object(os, "open", self._patched_open(os.open)),
            mock.patch.object(io, "open", self._patched_file(io.open)),
            mock.patch.object(builtins, "open", self._patched_file(builtins.open)),
            mock.patch.object(filesystem, "_rename_with_flag", self._patched_flag()),
        ]
        for each in self._patches:
            each.start()
        return self

    def __exit__(self, *given):
        for each in self._patches:
            each.stop()

    def _patched(self, name):
        original = getattr(os, name)

        def call(*arguments, **options):
            self.point(name)
            # A process that ends loses nothing that was not flushed: a flush would tell nothing.
            return None if name == "fsync" else original(*arguments, **options)

        return call

    def _patched_flag(self):
        original = filesystem._rename_with_flag

        def call(*arguments):
            self.point("rename")
            return original(*arguments)

        return call

    def _patched_open(self, original):
        def call(path, flags, *arguments, **options):
            if flags & os.O_CREAT:
                self.point("open")
            return original(path, flags, *arguments, **options)

        return call

    def _patched_file(self, original):
        def call(file, mode="r", *arguments, **options):
            if not set(mode) & set("wxa"):
                return original(file, mode, *arguments, **options)
            if not isinstance(file, int):
                self.point("open")
            return _File(original(file, mode, *arguments, **options), self.point)

        return call


def points_of(action, least=10):
    """The points of an action that is not disturbed; it writes, flushes and renames."""
    points = Points()
    with points:
        action()
    assert points.count > least
    assert {"write", "fsync"} <= set(points.seen)
    assert {"rename", "replace"} & set(points.seen)
    return points


def in_a_fork(action, points):
    """Run an action in a forked process with these points; return its exit status, -9 if killed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with points:
                action()
            status = 0
        except BaseException as error:  # noqa: BLE001  the child must end here
            status = 2 if isinstance(error, OSError) else 3
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def hidden_names(folder):
    """Temporary files and folders that were left anywhere in a folder."""
    return [path.name for path in folder.rglob(".*")]

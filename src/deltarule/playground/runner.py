"""The training thread: it executes commands from a queue and publishes frames.

Only this thread changes the run. Other threads read immutable objects: the newest frame, the
description of the run, and the results of commands.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from deltarule.errors import Diverged, InputError
from deltarule.playground.decision_surface import plane_for
from deltarule.playground.frame_format import Frame
from deltarule.playground.run_state import RunState, Snapshot, make_run_state
from deltarule.playground.run_view import describe_run, encode_frame
from deltarule.playground.settings import (
    STEPS_PER_SECOND,
    RunSettings,
    checked_settings,
    starting_with,
)
from deltarule.playground.tabledata import ReadTable
from deltarule.playground.undo import Changes, Moment
from deltarule.settings import settings_of
from deltarule.training import StopFlag
from deltarule.training.interrupt import Interrupted

__all__ = ["Runner"]

# Steps are taken in slices of about this many seconds; between two slices the queue is read.
_SLICE = 0.008
_MAX_FRAMES_PER_SECOND = 60.0
# The largest fraction of the time that is spent on frames.
_FRAME_TIME_FRACTION = 0.25
# A browser waits for the result of a command before it sends the next, so few are ever queued.
_MAX_QUEUED = 64
_SPEED_RANGE = (0.0, 10_000.0)


@dataclasses.dataclass
class _Command:
    kind: str
    fields: dict[str, Any]
    result: Future[Any]


class Runner:
    """One run, shared by all browsers, in a thread of its own.

    Parameters
    ----------
    source : ReadTable, optional
        A table; the first run is then on this table.
    on_update : callable, optional
        Called without arguments, from the thread, after each new frame or description.
    settings : RunSettings, optional
        The settings of the first run.

    Examples
    --------
    >>> runner = Runner(settings=RunSettings(data="xor"))
    >>> runner.start()
    >>> runner.submit("step").result()
    >>> runner.submit("snapshot").result().step
    1
    >>> runner.close()
    """

    def __init__(
        self,
        source: ReadTable | None = None,
        on_update: Callable[[], Any] | None = None,
        settings: RunSettings | None = None,
    ) -> None:
        self.source = source
        self.on_update = on_update or (lambda: None)
        self.n_clients = 0
        self._first = settings or starting_with("spirals" if source is None else "table")
        self._commands: queue.Queue[_Command] = queue.Queue(_MAX_QUEUED)
        self._flag = StopFlag()
        self._thread = threading.Thread(target=self._loop, name="deltarule playground", daemon=True)
        self._latest: Frame | None = None
        self._description: tuple[int, str] = (0, "")
        self._state: RunState | None = None
        self._changes = Changes()
        self._phase, self._message = "paused", ""
        self._speed = STEPS_PER_SECOND
        self._next_step_time = 0.0
        self._epoch_goal: int | None = None
        self._steps_per_slice = 1
        self._n_frames, self._version = 0, 0
        self._frame_cost, self._frame_time = 0.0, 0.0
        self._frame_outdated = True

    # -- called from other threads -----------------------------------------------------

    @property
    def latest(self) -> Frame | None:
        """The newest frame."""
        return self._latest

    @property
    def description(self) -> tuple[int, str]:
        """The version of the run's description, and the description as JSON."""
        return self._description

    def start(self) -> None:
        """Create the first run, paused, and start the thread.

        Raises
        ------
        DeltaruleError
            If the settings cannot be used: the ranges are those of the page's controls, so that
            every run that can be begun can also be changed there.
        """
        self._install(self._checked(self._first.plain(), self._first))
        self._publish()
        self._thread.start()

    def submit(self, kind: str, **fields: Any) -> Future[Any]:
        """Queue a command; the future holds its result, or the exception that it raised."""
        result: Future[Any] = Future()
        try:
            self._commands.put_nowait(_Command(kind, fields, result))
        except queue.Full:
            result.set_exception(InputError("too many orders are waiting; wait for the answers"))
        return result

    def close(self) -> None:
        """Stop the thread, if need be within a step, and cancel the queued commands."""
        self._flag.stop("closed")
        with contextlib.suppress(queue.Full):  # a thread with a full queue is not waiting
            self._commands.put_nowait(_Command("pause", {}, Future()))  # wakes the thread
        if self._thread.is_alive():
            self._thread.join()
        while not self._commands.empty():
            self._commands.get_nowait().result.cancel()

    # -- the thread --------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._flag:
            with contextlib.suppress(queue.Empty):
                self._execute(self._commands.get(timeout=self._timeout()))
            if self._phase == "playing" and not self._flag:
                self._train()
            if self._frame_outdated and time.perf_counter() >= self._next_frame_time():
                self._publish()

    def _timeout(self) -> float | None:
        """Seconds to wait for a command, or None where there is nothing else to do."""
        now = time.perf_counter()
        times = []
        if self._phase == "playing":
            paced = self._speed and self._epoch_goal is None
            times.append(self._next_step_time if paced else now)
        if self._frame_outdated:
            times.append(self._next_frame_time())
        # Queue.get refuses a negative timeout.
        return max(min(times) - now, 1e-6) if times else None

    def _next_frame_time(self) -> float:
        if self._phase != "playing":
            return 0.0
        interval = max(1 / _MAX_FRAMES_PER_SECOND, self._frame_cost / _FRAME_TIME_FRACTION)
        return self._frame_time + (interval if self.n_clients else 1.0)

    def _execute(self, command: _Command) -> None:
        if not command.result.set_running_or_notify_cancel():
            return
        try:
            result = getattr(self, f"_do_{command.kind}")(**command.fields)
        except Exception as error:  # noqa: BLE001  the thread must go on; the caller gets the error
            command.result.set_exception(error)
        else:
            command.result.set_result(result)

    @property
    def _current(self) -> RunState:
        assert self._state is not None  # set by start()
        return self._state

    def _train(self) -> None:
        started = time.perf_counter()
        steps = self._steps_per_slice
        if self._epoch_goal is not None:
            # "One epoch" ignores the chosen speed.
            steps = min(steps, self._current.run.steps_left_in_epoch)
        elif self._speed:
            if started < self._next_step_time:
                return
            # Steps that are late are made up for, but at most one slice of them.
            behind = min(started - self._next_step_time, _SLICE)
            steps = max(1, min(self._steps_per_slice, 1 + int(behind * self._speed)))
            self._next_step_time = max(self._next_step_time, started - _SLICE) + steps / self._speed
        self._advance(steps)
        if self._phase != "playing":
            return
        if self._epoch_goal is not None and len(self._current.run.history) >= self._epoch_goal:
            self._phase, self._epoch_goal = "paused", None
        spent = time.perf_counter() - started
        if steps == self._steps_per_slice or spent > _SLICE:
            fitting = int(steps * _SLICE / max(spent, 1e-6))
            self._steps_per_slice = max(1, min(fitting, 2 * self._steps_per_slice, 10_000))

    def _advance(self, steps: int) -> None:
        """Take steps, across ends of epochs; an exception sets the phase to "diverged"."""
        run = self._current.run
        left = steps
        deadline = time.perf_counter() + _SLICE
        try:
            while left > 0:
                left -= run.advance(left)
                self._current.keep_best()
                if time.perf_counter() > deadline:
                    break
        except Diverged as error:
            self._phase, self._message = "diverged", str(error)
        except Interrupted:
            pass
        except Exception as error:  # noqa: BLE001  the thread must go on; the page shows the error
            text = f"a fault in deltarule: {type(error).__name__}: {error}"
            self._phase, self._message = "diverged", text
        self._frame_outdated = True

    # -- commands ----------------------------------------------------------------------

    def _require_trainable(self) -> None:
        if self._phase == "diverged":
            raise InputError(f"{self._message}. Reset it, or change the settings")

    def _do_play(self) -> None:
        self._require_trainable()
        self._phase, self._next_step_time = "playing", time.perf_counter()
        self._epoch_goal, self._frame_outdated = None, True

    def _do_pause(self) -> None:
        if self._phase == "playing":
            self._phase, self._frame_outdated = "paused", True

    def _do_step(self) -> None:
        self._require_trainable()
        self._phase = "paused"
        self._advance(1)

    def _do_epoch(self) -> None:
        self._do_play()
        self._epoch_goal = len(self._current.run.history) + 1

    def _do_reset(self) -> None:
        self._install(self._current.last_settings)

    def _do_setup(self, settings: Any) -> None:
        if not isinstance(settings, dict):
            raise InputError(parameter="settings", given=settings, expected="an object")
        self._install(self._checked(settings, self._current.last_settings))

    def _checked(self, given: dict[str, Any], before: RunSettings) -> RunSettings:
        """Settings with changes, checked against the columns of the table, if there is one."""
        return checked_settings(
            given, before, () if self.source is None else self.source.schema.names
        )

    def _do_rate(self, learning_rate: Any) -> None:
        rate = settings_of(RunSettings)["learning_rate"].check("learning_rate", learning_rate)
        if rate != self._current.run.rate:
            self._changes.add(self._moment("rate"))
            self._current.change_rate(rate)
        self._describe()

    def _do_weight(self, entry: Any, value: Any) -> None:
        self._require_trainable()
        if isinstance(entry, bool) or not isinstance(entry, int):
            raise InputError(parameter="entry", given=entry, expected="the index of a parameter")
        before = self._moment("weight")
        if self._current.set_parameter(entry, value):
            self._changes.add(before)
            self._frame_outdated = True

    def _moment(self, change: str) -> Moment:
        return Moment.of(change, self._current, self._phase, self._message)

    def _do_undo(self) -> None:
        """Go back to the moment before the last change: a weight set by hand, a rate, a run."""
        if not self._changes.next_undo:
            raise InputError(
                "there is nothing to undo: no weight was set by hand, the learning rate is the "
                "first, and no run came before this one"
            )
        self._restore(self._changes.undo(self._current, self._phase, self._message))

    def _do_redo(self) -> None:
        """Go forward to the moment that undo left."""
        if not self._changes.next_redo:
            raise InputError("there is nothing to redo: nothing was undone since the last change")
        self._restore(self._changes.redo(self._current, self._phase, self._message))

    def _do_best(self) -> None:
        """Go back to the end of the epoch with the smallest loss; undo goes forward again."""
        before = self._moment("best")
        self._current.restore_best()
        self._changes.add(before)
        self._message = ""
        self._begin("paused")

    def _restore(self, moment: Moment) -> None:
        self._state, self._message = moment.restore(), moment.message
        self._begin("diverged" if moment.phase == "diverged" else "paused")

    def _do_speed(self, steps_per_second: Any) -> None:
        low, high = _SPEED_RANGE
        number = isinstance(steps_per_second, int | float)
        if isinstance(steps_per_second, bool) or not number or not low <= steps_per_second <= high:
            raise InputError(
                parameter="steps_per_second",
                given=steps_per_second,
                expected=f"a number from {low:g} (as fast as it goes) to {high:g}",
            )
        self._speed, self._next_step_time = float(steps_per_second), time.perf_counter()
        self._describe()

    def _do_axes(self, x: Any, y: Any, hold: Any) -> None:
        whole = all(isinstance(each, int) and not isinstance(each, bool) for each in (x, y))
        if not whole or not isinstance(hold, str):
            raise InputError(
                parameter=("x", "y", "hold"),
                given=(x, y, hold),
                expected="the indices of two axes, and mean or median",
            )
        state = self._current
        state.plane = plane_for(state.data, x, y, hold)
        self._describe()

    def _do_snapshot(self) -> Snapshot:
        return self._current.snapshot(diverged=self._phase == "diverged")

    # -- what is published -------------------------------------------------------------

    def _install(self, settings: RunSettings) -> None:
        """Replace the run by a new one; the old one stays if the settings cannot be used."""
        before = self._state
        state = make_run_state(settings, self.source, self._flag, before)
        if before is not None and (before.holds_work or before.settings != state.settings):
            self._changes.add(self._moment("run"))
        self._state, self._message = state, ""
        self._begin("paused")

    def _begin(self, phase: str) -> None:
        """Show a run that has come in the place of another one."""
        self._phase = phase
        self._steps_per_slice, self._epoch_goal = 1, None
        self._describe()

    def _describe(self) -> None:
        self._version += 1
        description = {
            "type": "run",
            "version": self._version,
            "steps_per_second": self._speed,
            **describe_run(self._current, self.source),
        }
        self._description = (self._version, json.dumps(description, allow_nan=False))
        self._frame_outdated = True

    def _publish(self) -> None:
        started = time.perf_counter()
        self._n_frames += 1
        header = {
            "frame": self._n_frames,
            "version": self._version,
            "phase": self._phase,
            "message": self._message,
            "undo": self._changes.next_undo,
            "redo": self._changes.next_redo,
        }
        data = encode_frame(self._current, header, moving=self._phase == "playing")
        self._latest = Frame(self._n_frames, self._version, data)
        self._frame_time = time.perf_counter()
        self._frame_cost = 0.8 * self._frame_cost + 0.2 * (self._frame_time - started)
        self._frame_outdated = False
        self.on_update()

"""The thread that trains: it takes orders from a queue and leaves the newest frame where it lies.

Everything that moves belongs to this thread. Others see finished things only: the newest frame,
the description of the run, and what an order gave.
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
from deltarule.playground.frames import Frame
from deltarule.playground.picture import described, framed
from deltarule.playground.settings import (
    RunSettings,
    checked_settings,
    starting_with,
)
from deltarule.playground.state import Problem, Snapshot, made_problem
from deltarule.playground.surface import plane_for
from deltarule.playground.tabledata import ReadTable
from deltarule.settings import settings_of
from deltarule.training import StopFlag
from deltarule.training.interrupt import Interrupted

__all__ = ["Runner"]

# Steps are taken in stretches of about so many seconds, between which orders are looked at.
_STRETCH = 0.008
_MOST_FRAMES = 60.0
# What making frames may take of the time.
_SHARE = 0.25
# Waiting orders; a browser waits for its answer before it gives the next.
_MOST_ORDERS = 64
_SPEEDS = (0.0, 10_000.0)


@dataclasses.dataclass
class _Order:
    kind: str
    fields: dict[str, Any]
    answer: Future[Any]


class Runner:
    """One run, shared by all browsers, in a thread of its own.

    Parameters
    ----------
    source : ReadTable, optional
        A table, which is then the first thing to train on.
    told : callable, optional
        Called from the thread when there is a new frame or description.
    settings : RunSettings, optional
        What to begin with.

    Examples
    --------
    >>> runner = Runner(settings=RunSettings(data="xor"))
    >>> runner.start()
    >>> runner.order("step").result()
    >>> runner.order("snapshot").result().step
    1
    >>> runner.close()
    """

    def __init__(
        self,
        source: ReadTable | None = None,
        told: Callable[[], Any] | None = None,
        settings: RunSettings | None = None,
    ) -> None:
        self.source = source
        self.told = told or (lambda: None)
        self.watchers = 0
        self._first = settings or starting_with("spirals" if source is None else "table")
        self._orders: queue.Queue[_Order] = queue.Queue(_MOST_ORDERS)
        self._flag = StopFlag()
        self._thread = threading.Thread(target=self._work, name="deltarule playground", daemon=True)
        self._latest: Frame | None = None
        self._description: tuple[int, str] = (0, "")
        self._problem: Problem | None = None
        self._phase, self._message = "paused", ""
        self._speed = 300.0
        self._next_step = 0.0
        self._goal: int | None = None
        self._pace = 1
        self._frames, self._version = 0, 0
        self._frame_cost, self._framed_at = 0.0, 0.0
        self._dirty = True

    # -- for other threads -------------------------------------------------------------

    @property
    def latest(self) -> Frame | None:
        """The newest frame."""
        return self._latest

    @property
    def description(self) -> tuple[int, str]:
        """The version of the run's description, and the description as JSON."""
        return self._description

    def start(self) -> None:
        """Begin with the first settings, paused.

        Raises
        ------
        DeltaruleError
            If they cannot be used.
        """
        self._install(self._first)
        self._publish()
        self._thread.start()

    def order(self, kind: str, **fields: Any) -> Future[Any]:
        """Ask for something; the answer comes when it is done, or says why it is not."""
        answer: Future[Any] = Future()
        try:
            self._orders.put_nowait(_Order(kind, fields, answer))
        except queue.Full:
            answer.set_exception(InputError("too many orders are waiting; wait for the answers"))
        return answer

    def close(self) -> None:
        """End the thread, within the step it is in."""
        self._flag.stop("closed")
        with contextlib.suppress(queue.Full):  # then it is awake
            self._orders.put_nowait(_Order("close", {}, Future()))
        if self._thread.is_alive():
            self._thread.join()
        while not self._orders.empty():
            self._orders.get_nowait().answer.cancel()

    # -- the thread --------------------------------------------------------------------

    def _work(self) -> None:
        while not self._flag:
            with contextlib.suppress(queue.Empty):
                self._obey(self._orders.get(timeout=self._patience()))
            if self._phase == "playing" and not self._flag:
                self._train()
            if self._dirty and time.perf_counter() >= self._due():
                self._publish()

    def _patience(self) -> float | None:
        """How long to wait for an order; None for as long as it takes."""
        now = time.perf_counter()
        times = []
        if self._phase == "playing":
            times.append(self._next_step if self._speed and self._goal is None else now)
        if self._dirty:
            times.append(self._due())
        # 0 would raise at once what is there in the next round anyway.
        return max(min(times) - now, 1e-6) if times else None

    def _due(self) -> float:
        """When the next frame is to be made."""
        if self._phase != "playing":
            return 0.0
        apart = max(1 / _MOST_FRAMES, self._frame_cost / _SHARE)
        return self._framed_at + (apart if self.watchers else 1.0)

    def _obey(self, order: _Order) -> None:
        if not order.answer.set_running_or_notify_cancel():
            return
        try:
            given = getattr(self, f"_do_{order.kind}")(**order.fields)
        except Exception as error:  # noqa: BLE001  the thread must live, and whoever asked must know
            order.answer.set_exception(error)
        else:
            order.answer.set_result(given)

    @property
    def _now(self) -> Problem:
        assert self._problem is not None  # start() made it
        return self._problem

    def _train(self) -> None:
        started = time.perf_counter()
        steps = self._pace
        if self._goal is not None:
            # One epoch is asked for, however slow the run is to play.
            steps = min(steps, self._now.run.left_in_epoch)
        elif self._speed:
            if started < self._next_step:
                return
            # What was missed is made up for, but never more than a stretch of it.
            behind = min(started - self._next_step, _STRETCH)
            steps = max(1, min(self._pace, 1 + int(behind * self._speed)))
            self._next_step = max(self._next_step, started - _STRETCH) + steps / self._speed
        self._advance(steps)
        if self._phase != "playing":
            return
        if self._goal is not None and len(self._now.run.history) >= self._goal:
            self._phase, self._goal = "paused", None
        spent = time.perf_counter() - started
        if steps == self._pace or spent > _STRETCH:
            grown = int(steps * _STRETCH / max(spent, 1e-6))
            self._pace = max(1, min(grown, 2 * self._pace, 10_000))

    def _advance(self, steps: int) -> None:
        """Take steps, over the ends of epochs; a divergence is said, and ends it."""
        run = self._now.run
        left = steps
        ends = time.perf_counter() + _STRETCH
        try:
            while left > 0:
                left -= run.advance(left)
                if time.perf_counter() > ends:
                    break
        except Diverged as error:
            self._phase, self._message = "diverged", str(error)
        except Interrupted:
            pass
        except Exception as error:  # noqa: BLE001  the thread must live, and whoever looks must know
            words = f"a fault in deltarule: {type(error).__name__}: {error}"
            self._phase, self._message = "diverged", words
        self._dirty = True

    # -- orders ------------------------------------------------------------------------

    def _may_train(self) -> None:
        if self._phase == "diverged":
            raise InputError(f"{self._message}. Reset it, or change the settings")

    def _do_close(self) -> None:
        pass

    def _do_play(self) -> None:
        self._may_train()
        self._phase, self._next_step, self._dirty = "playing", time.perf_counter(), True
        self._goal = None

    def _do_pause(self) -> None:
        if self._phase == "playing":
            self._phase, self._dirty = "paused", True

    def _do_step(self) -> None:
        self._may_train()
        self._phase = "paused"
        self._advance(1)

    def _do_epoch(self) -> None:
        self._do_play()
        self._goal = len(self._now.run.history) + 1

    def _do_reset(self) -> None:
        self._install(self._now.settings)

    def _do_setup(self, settings: Any) -> None:
        if not isinstance(settings, dict):
            raise InputError(parameter="settings", given=settings, expected="an object")
        names = () if self.source is None else self.source.schema.names
        self._install(checked_settings(settings, self._now.settings, names))

    def _do_rate(self, learning_rate: Any) -> None:
        rate = settings_of(RunSettings)["learning_rate"].check("learning_rate", learning_rate)
        self._now.change_rate(rate)
        self._describe()

    def _do_speed(self, steps_per_second: Any) -> None:
        low, high = _SPEEDS
        number = isinstance(steps_per_second, int | float)
        if isinstance(steps_per_second, bool) or not number or not low <= steps_per_second <= high:
            raise InputError(
                parameter="steps_per_second",
                given=steps_per_second,
                expected=f"a number from {low:g} (as fast as it goes) to {high:g}",
            )
        self._speed, self._next_step = float(steps_per_second), time.perf_counter()
        self._describe()

    def _do_axes(self, x: Any, y: Any, hold: Any) -> None:
        whole = all(isinstance(each, int) and not isinstance(each, bool) for each in (x, y))
        if not whole or not isinstance(hold, str):
            raise InputError(
                parameter=("x", "y", "hold"),
                given=(x, y, hold),
                expected="the numbers of two inputs, and mean or median",
            )
        problem = self._now
        problem.plane = plane_for(problem.data, x, y, hold)
        self._describe()

    def _do_snapshot(self) -> Snapshot:
        return self._now.snapshot(diverged=self._phase == "diverged")

    # -- what is seen ------------------------------------------------------------------

    def _install(self, settings: RunSettings) -> None:
        """Begin a run with these settings; the one before stays if they cannot be used."""
        self._problem = made_problem(settings, self.source, self._flag, self._problem)
        self._phase, self._message, self._pace, self._goal = "paused", "", 1, None
        self._describe()

    def _describe(self) -> None:
        self._version += 1
        text = json.dumps(
            {
                "type": "run",
                "version": self._version,
                "steps_per_second": self._speed,
                **described(self._now, self.source),
            },
            allow_nan=False,
        )
        self._description = (self._version, text)
        self._dirty = True

    def _publish(self) -> None:
        started = time.perf_counter()
        self._frames += 1
        header = {
            "frame": self._frames,
            "version": self._version,
            "phase": self._phase,
            "message": self._message,
        }
        data = framed(self._now, header, moving=self._phase == "playing")
        self._latest = Frame(self._frames, self._version, data)
        self._framed_at = time.perf_counter()
        self._frame_cost = 0.8 * self._frame_cost + 0.2 * (self._framed_at - started)
        self._dirty = False
        self.told()

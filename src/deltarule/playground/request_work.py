"""Long work for requests: one at a time, and given up when the client has left.

A page that is reloaded while it downloads leaves its request behind. Starlette finishes it all the
same, and forty at once, each with copies of the network as text, took gigabytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

__all__ = ["ClientLeft", "RequestWork"]

T = TypeVar("T")


class ClientLeft(Exception):
    """The client of a request has closed its connection, so that nobody gets the answer."""


class RequestWork:
    """The turn to work for a request, which one request has at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def run(
        self,
        request: Request,
        prepare: Callable[[], Awaitable[T]],
        work: Callable[[T, Callable[[], None]], Any],
    ) -> Any:
        """Wait for the turn, then return ``work(await prepare(), check)``, called in a thread.

        ``work`` calls ``check()`` between its parts, which raises :class:`ClientLeft` once the
        client has left. What it took is given back to the system at its end.

        Raises
        ------
        ClientLeft
            If the client has left, while it waited or while the work was done.
        """
        left = threading.Event()
        watching = asyncio.create_task(_wait_for_end(request, left))
        try:
            await self._take_turn(watching)
            try:
                return await run_in_threadpool(_work, work, await prepare(), left)
            finally:
                self._turn.release()
        finally:
            left.set()  # also where this task was cancelled, at the end of the server
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _take_turn(self, watching: asyncio.Task[None]) -> None:
        waiting, taken = asyncio.create_task(self._turn.acquire()), False
        try:
            await asyncio.wait({waiting, watching}, return_when=asyncio.FIRST_COMPLETED)
            taken = not watching.done()
        finally:
            if not taken:
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting
                    self._turn.release()  # it had the turn already
        if not taken:
            raise ClientLeft


async def _wait_for_end(request: Request, left: threading.Event) -> None:
    """Return when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    left.set()


def _work(work: Callable[[T, Callable[[], None]], Any], given: T, left: threading.Event) -> Any:
    def check() -> None:
        if left.is_set():
            raise ClientLeft

    try:
        check()
        found = work(given, check)
        check()
        return found
    finally:
        del given
        _give_memory_back()


@functools.cache
def _malloc_trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim  # of the GNU C library
    except (OSError, AttributeError, TypeError):
        return None


def _give_memory_back() -> None:
    """Return free memory to the system, which the C library keeps for each thread."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)

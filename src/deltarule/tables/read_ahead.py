"""Items of an iterator, computed by another thread while earlier ones are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

__all__ = ["read_ahead"]

T = TypeVar("T")
_POLL = 0.1
_END: Any = object()


def read_ahead(items: Iterator[T], most: int = 1) -> Generator[T, None, None]:
    """Yield the items of an iterator, of which up to ``most`` wait to be used.

    An error of the iterator is raised where its item would be.

    Examples
    --------
    >>> list(read_ahead(iter(range(3))))
    [0, 1, 2]
    """
    ready: queue.Queue[tuple[T, BaseException | None]] = queue.Queue(most)
    ended = threading.Event()

    def put(item: Any, error: BaseException | None = None) -> None:
        while not ended.is_set():
            try:
                ready.put((item, error), timeout=_POLL)
            except queue.Full:
                continue
            return

    def compute() -> None:
        try:
            for item in items:
                put(item)
                if ended.is_set():
                    return
            put(_END)
        except BaseException as error:  # noqa: BLE001  raised in the thread that uses the items
            put(_END, error)

    thread = threading.Thread(target=compute, name="deltarule-read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        ended.set()
        thread.join()

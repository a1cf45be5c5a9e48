"""Workers that are threads of this process, for tests without JAX."""

import threading

import numpy as np

from deltarule.cluster import World


class Meeting:
    """Where the threads exchange what they have."""

    def __init__(self, size):
        self.size, self.barrier = size, threading.Barrier(size, timeout=60)
        self.slots = [None] * size


class ThreadWorld(World):
    def __init__(self, meeting, rank):
        self._meeting, self.rank, self.size = meeting, rank, meeting.size
        self.calls = 0

    def _exchanged(self, value):
        self.calls += 1
        self._meeting.slots[self.rank] = value
        self._meeting.barrier.wait()
        found = list(self._meeting.slots)
        self._meeting.barrier.wait()
        return found

    def sum(self, values):
        found = self._exchanged(np.array(values))
        assert len({(each.shape, each.dtype) for each in found}) == 1
        total = found[0]
        for each in found[1:]:
            total = total + each
        return total

    def gather(self, data):
        return self._exchanged(data)


def on_threads(size, work):
    """What ``work(world)`` gives on each of so many workers; an error is given in place of it."""
    meeting, results = Meeting(size), [None] * size

    def run(rank):
        try:
            results[rank] = work(ThreadWorld(meeting, rank))
        except BaseException as error:  # noqa: BLE001  given to the test
            results[rank] = error
            # All may fail alike; who still waits does so for this thread.
            threading.Timer(1.0, meeting.barrier.abort).start()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results

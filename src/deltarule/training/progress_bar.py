"""A progress bar: one line of text on standard error."""

from __future__ import annotations

import sys
import time

__all__ = ["Bar"]

# The number of characters between the brackets.
_WIDTH = 30


class Bar:
    """The progress of the training of many networks.

    Attributes
    ----------
    progress : list of float
        The progress of each network, from 0 to 1; each training thread writes its own entry.

    Examples
    --------
    >>> bar = Bar(2)
    >>> bar.progress[:] = [1.0, 0.5]
    >>> bar.line(done=1)
    '[######################        ] 1 of 2 networks, 75 %'
    """

    def __init__(self, total: int) -> None:
        self.total, self.progress = total, [0.0] * total
        self.started = time.perf_counter()
        self._shown = ""

    def line(self, done: int) -> str:
        """Return the bar as text, with ``done`` networks trained."""
        progress = sum(self.progress) / self.total
        filled = "#" * int(_WIDTH * progress)
        return f"[{filled:<{_WIDTH}}] {done} of {self.total} networks, {100 * progress:.0f} %"

    def show(self, done: int) -> None:
        """Write the bar over the previous one, with a line end when all networks are done."""
        line = self.line(done)
        if done == self.total:
            line += f", {time.perf_counter() - self.started:.1f} s"
        if sys.stderr is None or line == self._shown:
            return
        end = "\n" if done == self.total else ""
        sys.stderr.write(f"\r{line:<{len(self._shown)}}{end}")
        sys.stderr.flush()
        self._shown = line

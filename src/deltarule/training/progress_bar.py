"""A bar for those who wait: one line of text on standard error."""

from __future__ import annotations

import sys
import time

__all__ = ["Bar"]

_WIDTH = 30


class Bar:
    """How many networks are done, and how far the others are.

    Attributes
    ----------
    parts : list of float
        How far each network is, from 0 to 1; each writes its own.

    Examples
    --------
    >>> bar = Bar(2)
    >>> bar.parts[:] = [1.0, 0.5]
    >>> bar.line(done=1)
    '[######################        ] 1 of 2 networks, 75 %'
    """

    def __init__(self, total: int) -> None:
        self.total, self.parts = total, [0.0] * total
        self.started = time.perf_counter()
        self._shown = ""

    def line(self, done: int) -> str:
        """The bar as text."""
        share = sum(self.parts) / self.total
        filled = "#" * int(_WIDTH * share)
        return f"[{filled:<{_WIDTH}}] {done} of {self.total} networks, {100 * share:.0f} %"

    def show(self, done: int) -> None:
        """Write it over what was shown before; a new line when all are done."""
        line = self.line(done)
        if done == self.total:
            line += f", {time.perf_counter() - self.started:.1f} s"
        if sys.stderr is None or line == self._shown:
            return
        end = "\n" if done == self.total else ""
        sys.stderr.write(f"\r{line:<{len(self._shown)}}{end}")
        sys.stderr.flush()
        self._shown = line

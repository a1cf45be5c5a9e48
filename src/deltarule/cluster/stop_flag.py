"""A stop flag that is raised on every worker after the same step."""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.training.interrupt import StopFlag, StopReason

__all__ = ["WorldFlag"]

_KINDS = tuple(StopReason)


class WorldFlag(StopFlag):
    """Remembers that it was asked to stop, and is raised once the workers have exchanged that.

    If a worker stopped by itself, the others would wait for its part of the next batch.

    Parameters
    ----------
    parent : StopFlag, optional
        Of this worker alone; a request there is one here.

    Examples
    --------
    >>> flag = WorldFlag()
    >>> flag.stop("enough")
    >>> bool(flag), flag.request
    (False, 6)
    >>> flag.agree([0, flag.request])
    >>> bool(flag), flag.reason
    (True, 'enough')
    """

    def __init__(self, parent: StopFlag | None = None) -> None:
        self._requested: tuple[str, StopReason] | None = None
        super().__init__(parent)

    def stop(self, reason: str = "stopped", kind: StopReason = StopReason.FLAG) -> None:
        """Ask that the run ends, on all workers."""
        if self._requested is None:
            self._requested = reason, kind

    @property
    def request(self) -> int:
        """What this worker asks for, as a number for the others; 0 for nothing."""
        return 0 if self._requested is None else _KINDS.index(self._requested[1]) + 1

    def agree(self, requests: Sequence[int]) -> None:
        """Raise the flag, if any worker asks for it; the first one gives the reason."""
        asked = next((request for request in requests if request), 0)
        if asked:
            kind = _KINDS[asked - 1]
            own = self._requested
            super().stop(own[0] if own is not None and own[1] is kind else kind.value, kind)

"""What ``deltarule fit`` does otherwise as one of many workers."""

from __future__ import annotations

from deltarule.cluster import current_world
from deltarule.errors import InputError, Message, Parameter

__all__ = ["check_world"]


def check_world(single: bool, *, record: bool) -> bool:
    """Refuse what many workers cannot train; return whether this is worker 0, or the only one.

    Raises
    ------
    InputError
        For a portfolio, or a recording.
    """
    world = current_world()
    if world.size > 1 and record:
        raise InputError(
            "a recording was asked for on many workers",
            parameter="record",
            expected="none: a recording is replayed by one worker, to other roundings",
            hint="leave it out",
        )
    if world.size > 1 and not single:
        raise InputError(
            f"{world.size} workers were given a portfolio",
            expected="one network, which they train together",
            hint=Message(
                "give a setting of a single network, such as ",
                Parameter("layers", "64"),
                "; the networks of a portfolio are trained side by side by joblib's backends",
            ),
        )
    return world.is_first

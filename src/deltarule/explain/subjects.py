"""From whatever is to be explained to a :class:`~deltarule.explain.Subject`."""

from __future__ import annotations

from typing import Any

from deltarule.explain.subject import Subject
from deltarule.errors import InputError
from deltarule.maths import Network

__all__ = ["subject_of"]


def subject_of(
    what: Any,
    X: Any = None,
    Y: Any = None,
    *,
    theta: Any = None,
    sample_weight: Any = None,
    rule: Any = None,
    learning_rate: float | None = None,
    engine: str | None = None,
    **settings: Any,
) -> Subject:
    """What is explained."""
    if isinstance(what, Network):
        return Subject.of_arrays(what, theta, X, Y, sample_weight)
    raise InputError("not yet")

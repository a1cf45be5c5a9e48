"""The parameters θ after many steps of a recorded run, by replaying it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.records import checked_integer
from deltarule.training.recording import Recording
from deltarule.training.step_replay import batches_of, started_path

__all__ = ["RunState", "replay_states"]


@dataclasses.dataclass(frozen=True, eq=False)
class RunState:
    """The parameters θ after a step of a recorded run.

    Attributes
    ----------
    step : int
        The number of steps taken up to this state.
    theta : array of shape (p,)
    learning_rate : float or None
        η of the next step; None at the end of the run.
    """

    step: int
    theta: np.ndarray
    learning_rate: float | None


def replay_states(
    recording: Recording,
    X: Any,
    Y: Any,
    most: int = 50,
    *,
    also: Sequence[int] = (),
    sample_weight: Any = None,
    order: Callable[[int], np.ndarray] | None = None,
    verify: bool = True,
    watch: Callable[[int], None] | None = None,
) -> list[RunState]:
    """Return θ after evenly spaced steps of a recorded run, from its start to its end.

    All steps are replayed, which takes about as long as the training.

    Parameters
    ----------
    recording, X, Y, sample_weight, order, verify
        As for :func:`replay`.
    most : int
        The number of states, at least 2; a shorter run has one for each step.
    also : sequence of int
        More steps after which to return θ.
    watch : callable, optional
        Called with the number of steps taken, at each state.

    Returns
    -------
    list of RunState
        From the start of the run to its end.

    Raises
    ------
    InputError, DataError, ContractViolation
        As :func:`replay`.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, train
    >>> from deltarule.training import Recorder, replay_states
    >>> net, X = Network([1, 4, 1]), np.linspace(-1, 1, 16)[:, None]
    >>> recorder = Recorder()
    >>> result = train(net, X, X**2, batch_size=4, epochs=5, callbacks=[recorder])
    >>> states = replay_states(recorder.recording(), X, X**2, most=6)
    >>> [state.step for state in states], bool((states[-1].theta == result.theta).all())
    ([0, 4, 8, 12, 16, 20], True)
    """
    most = checked_integer("most", most, 2)
    begin, end = recording.begin, recording.end
    count = min(most, end - begin + 1)
    steps = np.linspace(begin, end, count).round().astype(int).tolist()
    steps = sorted({*steps, *(step for step in also if begin <= step <= end)})
    batches = batches_of(recording, X, Y, sample_weight, order)
    path = started_path(recording, batches, begin, recording.engine, verify)
    states = []
    for step in steps:
        path.advance(step)
        rate = None
        if step < end:
            epoch, index = recording.place(step + 1)
            rate = float(recording.rates(epoch)[index])
        states.append(RunState(step, np.array(path.engine.theta), rate))
        if watch is not None:
            watch(step)
    return states

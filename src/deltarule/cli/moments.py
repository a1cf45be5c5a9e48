"""The moments of a recorded training that a page goes through."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np

from deltarule.errors import DataError, InputError
from deltarule.explain.page import PageState
from deltarule.explain.subsample import evenly_spaced
from deltarule.tabular import RecordedTable
from deltarule.training import Recording, RunState
from deltarule.training.recording import digest_of_theta

__all__ = ["model_step", "moments"]

# Moments of the training on a page. They are replayed if it took at most so many seconds.
_MOMENTS = 50
_SOON_REPLAYED = 30.0


def moments(
    recording: Recording,
    recorded: RecordedTable | None,
    theta: np.ndarray | None,
    show: Callable[[str], None],
) -> list[PageState]:
    """Moments of the training, evenly spread: its steps taken again, or its checkpoints.

    A short training leaves few checkpoints, and its steps are soon taken again; of a long one
    there are many.

    Parameters
    ----------
    recording : Recording
    recorded : RecordedTable or None
        The same with its table, without which no step can be taken again.
    theta : array of shape (p,), or None
        Those of the trained model, where it is the model that is explained.
    show : callable
        Is told what is done.
    """
    last = model_step(recording)
    soon = recording.seconds <= _SOON_REPLAYED
    states: list[RunState] = []
    if recorded is not None and soon:

        def watch(step: int) -> None:
            show(f"replaying step {step} of {recording.end}")

        # Of another table than that of the training no step can be taken again.
        with contextlib.suppress(DataError, InputError):
            states = recorded.states(_MOMENTS, also=[last], watch=watch)
        expected = recording.digests.get(recording.end)
        if states and expected not in (None, digest_of_theta(states[-1].theta)):
            states = []  # another processor has other bits; those of the run are kept
    if not states:
        steps = [recording.steps[i] for i in evenly_spaced(len(recording.steps), _MOMENTS)]
        states = [
            RunState(step, recording.theta(step), _rate_after(recording, step)) for step in steps
        ]
        # The end has no checkpoint; the model stands for it.
        if theta is None and recorded is not None:
            theta = np.asarray(recorded.model.model.theta)
    model = None if theta is None else RunState(last, theta, None)
    if model is not None:
        # An averaged model is at its step, too, and the run's own parameters are not shown there.
        states = [
            each
            for each in states
            if each.step != last and not np.array_equal(each.theta, model.theta)
        ]
        states.append(model)
    return [
        PageState(
            each.theta,
            step=each.step,
            epoch=each.step // recording.steps_per_epoch,
            label=f"after step {each.step}, the trained model" if each is model else "",
            learning_rate=each.learning_rate,
        )
        for each in sorted(states, key=lambda each: each.step)
    ]


def model_step(recording: Recording) -> int:
    """After which step the model was taken: of the best epoch where there was validation."""
    records = recording.history.records
    if all(record.validation_loss is None and record.score is None for record in records):
        return recording.end
    return int(min(records, key=lambda record: record.monitored).steps)


def _rate_after(recording: Recording, step: int) -> float | None:
    if step >= recording.end:
        return None
    epoch, index = recording.place(step + 1)
    return float(recording.rates(epoch)[index])

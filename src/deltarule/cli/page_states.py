"""The states of a recorded training that the explain page shows on its slider."""

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

__all__ = ["model_step", "page_states"]

# How many states a page has, and the longest training in seconds that is replayed for them.
_STATES = 50
_LONGEST_REPLAY = 30.0


def page_states(
    recording: Recording,
    recorded: RecordedTable | None,
    theta: np.ndarray | None,
    show: Callable[[str], None],
) -> list[PageState]:
    """Return evenly spread states of the training, from a replay or from its checkpoints.

    A short training has few checkpoints, and is replayed; a long one has enough of them.

    Parameters
    ----------
    recording : Recording
    recorded : RecordedTable or None
        The recording with its table, which a replay needs.
    theta : array of shape (p,), or None
        The parameters of the trained model, if the model is explained and not a step.
    show : callable
        Called with a text that says what is being done.
    """
    last = model_step(recording)
    states: list[RunState] = []
    if recorded is not None and recording.seconds <= _LONGEST_REPLAY:

        def watch(step: int) -> None:
            show(f"replaying step {step} of {recording.end}")

        # A table other than that of the training cannot be replayed.
        with contextlib.suppress(DataError, InputError):
            states = recorded.states(_STATES, also=[last], watch=watch)
        expected = recording.digests.get(recording.end)
        if states and expected not in (None, digest_of_theta(states[-1].theta)):
            states = []  # another processor rounds differently; the checkpoints are exact
    if not states:
        steps = [recording.steps[i] for i in evenly_spaced(len(recording.steps), _STATES)]
        states = [
            RunState(step, recording.theta(step), _rate_after(recording, step)) for step in steps
        ]
        # The last step has no checkpoint; the model's parameters are used.
        if theta is None and recorded is not None:
            theta = np.asarray(recorded.model.model.theta)
    model = None if theta is None else RunState(last, theta, None)
    if model is not None:
        # At the model's step the model is shown, which may hold the average of the parameters.
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
    """Return the step after which the model's parameters were taken.

    It is the last step of the best epoch if there was validation, else of the run.
    """
    records = recording.history.logs
    if all(record.validation_loss is None and record.score is None for record in records):
        return recording.end
    return int(min(records, key=lambda record: record.monitored).steps)


def _rate_after(recording: Recording, step: int) -> float | None:
    if step >= recording.end:
        return None
    epoch, index = recording.place(step + 1)
    return float(recording.rates(epoch)[index])

"""The page of an explanation, and the states of a recorded training on its slider."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import DataError, InputError
from deltarule.explain.page import PageState
from deltarule.maths.subsample import evenly_spaced
from deltarule.tabular import RecordedTable
from deltarule.training import Recording, RunState
from deltarule.training.recording import digest_of_theta

__all__ = ["model_step", "page_states", "write_page_of"]

# The number of states of a page.
_N_STATES = 50
# The longest training, in seconds, that is replayed to compute them.
_LONGEST_REPLAY = 30.0


def page_states(
    recording: Recording,
    recorded: RecordedTable | None,
    theta: np.ndarray | None,
    show: Callable[[str], None],
) -> list[PageState]:
    """Return evenly spaced states of the training, from a replay or from its checkpoints.

    A short training has few checkpoints, and is replayed; a long one has enough of them. A replay
    needs ``recorded``, the recording with its table. ``theta`` holds the parameters of the trained
    model, shape (p,), if the model is explained and not a step. ``show`` displays the progress.
    """
    last = model_step(recording)
    states: list[RunState] = []
    if recorded is not None and recording.seconds <= _LONGEST_REPLAY:

        def watch(step: int) -> None:
            show(f"replaying step {step} of {recording.end}")

        # A table other than that of the training cannot be replayed.
        with contextlib.suppress(DataError, InputError):
            states = recorded.states(_N_STATES, also=[last], watch=watch)
        expected = recording.digests.get(recording.end)
        if states and expected not in (None, digest_of_theta(states[-1].theta)):
            states = []  # this processor rounds differently; the checkpoints are exact
    if not states:
        steps = [recording.steps[i] for i in evenly_spaced(len(recording.steps), _N_STATES)]
        states = [
            RunState(step, recording.theta(step), _rate_after(recording, step)) for step in steps
        ]
        # The last step has no checkpoint; the model's parameters are used.
        if theta is None and recorded is not None:
            theta = np.asarray(recorded.model.model.theta)
    model = None if theta is None else RunState(last, theta, None)
    if model is not None:
        # At its step the model is shown; its parameters may be the average over steps.
        states = [s for s in states if s.step != last and not np.array_equal(s.theta, model.theta)]
        states.append(model)
    return [
        PageState(
            state.theta,
            step=state.step,
            epoch=state.step // recording.steps_per_epoch,
            label=f"after step {state.step}, the trained model" if state is model else "",
            learning_rate=state.learning_rate,
        )
        for state in sorted(states, key=lambda state: state.step)
    ]


def model_step(recording: Recording) -> int:
    """Return the step after which the model's parameters were taken.

    It is the last step of the best epoch if there was validation, else of the run.
    """
    logs = recording.history.logs
    if all(log.validation_loss is None and log.score is None for log in logs):
        return recording.end
    return int(min(logs, key=lambda log: log.monitored).steps)


def _rate_after(recording: Recording, step: int) -> float | None:
    """Return η of the step after ``step``; None at the end of the run."""
    if step >= recording.end:
        return None
    epoch, index = recording.place(step + 1)
    return float(recording.rates(epoch)[index])


def write_page_of(
    place: Path,
    explained: Any,
    selections: Sequence[tuple[str, str, Any]],
    show: Any,
    image: tuple[int, ...] | None,
) -> None:
    """Write the page of an explanation, with its recorded states; it shows what was selected."""
    start: dict[str, Any] = {} if explained.sample is None else {"sample": explained.sample}
    start = {**explained.start, **start}
    for kind, _, numbers in selections:
        if kind == "weight":
            layer, j, k = numbers
            start["selected"] = {"kind": "edge", "layer": layer, "j": j, "k": k}
        elif kind in ("bias", "activation", "node"):
            named = "bias" if kind == "bias" else "node"
            start["selected"] = {"kind": named, "layer": numbers[0], "j": numbers[1]}
    recording = explained.recording
    states = list(explained.states)
    if recording is not None:
        theta = explained.explanation.subject.theta if explained.step is None else None
        states = page_states(recording, explained.recorded, theta, show)
    history = [] if recording is None else recording.history.logs
    explained.explanation.html(
        place,
        states=states,
        history=history,
        start=start,
        image=image,
        portfolio=explained.portfolio,
        answer=explained.answer,
        title=explained.page_title or explained.title,
        progress=show,
    )

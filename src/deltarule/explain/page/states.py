"""The states of a page: θ at moments of training, the subject's step, and means over all rows."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.explain.subject import StepTaken, Subject
from deltarule.explain.words import record_words
from deltarule.maths.subsample import evenly_spaced

__all__ = [
    "PageState",
    "as_float32",
    "kept_states",
    "mean_of",
    "own_state",
    "packed",
    "state_of",
    "states_of",
]

STEP_BYTES = 4_000_000
"""The data of a step (slots, gradient, result) are left out if they take more."""
# Fewer states than this are not worth their mean gradients: more states without are kept instead.
_ENOUGH_STATES = 10


@dataclasses.dataclass(frozen=True)
class PageState:
    """The parameters at one moment of training.

    Attributes
    ----------
    theta : array of shape (p,)
    step, epoch : int or None
        The number of steps and epochs taken before.
    label : str
        The name in the page; made from the step if empty.
    learning_rate : float or None
        η of the step that follows; None at the end of training.

    Notes
    -----
    Steps count from 1 over the whole training. A state lies between two steps: ``step`` is the
    number of the one before, while ``deltarule explain --step`` and :func:`replay` name a state
    by the number of the step that follows.

    Examples
    --------
    >>> PageState(np.zeros(3), step=40, epoch=2).title
    'after step 40'
    >>> PageState(np.zeros(3), step=40, epoch=2, learning_rate=0.1).title
    'before step 41'
    """

    theta: np.ndarray
    step: int | None = None
    epoch: int | None = None
    label: str = ""
    learning_rate: float | None = None

    @property
    def title(self) -> str:
        """The label, or the number of the step that follows or was the last."""
        if self.label:
            return self.label
        if self.step is not None:
            going_on = self.learning_rate is not None
            return f"before step {self.step + 1}" if going_on else f"after step {self.step}"
        return "these parameters" if self.epoch is None else f"after epoch {self.epoch}"


def packed(values: Any) -> dict[str, Any]:
    """An array for the page in base64: float32 where that is exact, else float64.

    Returns
    -------
    dict
        ``dtype`` (``"f4"`` or ``"f8"``), ``shape``, ``base64``; little endian.

    Examples
    --------
    >>> packed([[0.5, 1.0]])
    {'dtype': 'f4', 'shape': [1, 2], 'base64': 'AAAAPwAAgD8='}
    >>> packed(0.1)["dtype"]
    'f8'
    """
    array = np.asarray(values, dtype=np.float64)
    short = as_float32(array)
    raw = (array.astype("<f8") if short is None else short).tobytes()
    return {
        "dtype": "f8" if short is None else "f4",
        "shape": list(array.shape),
        "base64": base64.b64encode(raw).decode("ascii"),
    }


def packed_or_none(values: Any) -> dict[str, Any] | None:
    """Pack an array as :func:`packed` does; None stays None."""
    return None if values is None else packed(values)


def as_float32(array: Any) -> Any:
    """The array in float32 if that is exact, else None."""
    with np.errstate(over="ignore"):
        single = array.astype("<f4")
    return single if np.array_equal(single.astype(np.float64), array, equal_nan=True) else None


def states_of(subject: Subject, given: Sequence[PageState]) -> tuple[list[PageState], int]:
    """Return the states with the subject's own among them, and the index of that."""
    states = [
        dataclasses.replace(state, theta=subject.net.check_theta(state.theta)) for state in given
    ]
    own = next(
        (i for i, state in enumerate(states) if np.array_equal(state.theta, subject.theta)), None
    )
    if own is None:
        step = subject.step
        number = None if step is None or step.hypothetical else step.number - 1
        rate = None if step is None or number is None else step.learning_rate
        after = [i for i, s in enumerate(states) if number is not None and (s.step or 0) > number]
        own = after[0] if after else len(states)
        states.insert(own, PageState(subject.theta, step=number, learning_rate=rate))
    return states, own


def kept_states(
    states: Sequence[PageState], own: int, budget: int, cut: bool
) -> tuple[list[int], set[int]]:
    """Return the indices of the states that fit, and of those with a mean gradient of all rows.

    ``budget`` is in bytes. The states are evenly spaced and include the subject's own and the
    first; a very large network has only its own. ``cut`` is true if the page has a part of the
    rows, and so needs mean gradients.
    """
    others = [i for i in range(len(states)) if i != own]
    if not others:
        return [own], set()
    size = max(len(json.dumps(packed(states[i].theta))) for i in (others[0], others[-1])) + 200
    if size > STEP_BYTES:
        return [own], set()
    size_with_gradient = size + (len(states[own].theta) * 8 * 4 // 3 + 200 if cut else 0)
    most = budget // size_with_gradient
    with_gradient = most >= min(len(others), _ENOUGH_STATES)
    if not with_gradient:
        most = budget // size
        most = max(1, min(most, _ENOUGH_STATES))
    kept = [others[i] for i in evenly_spaced(len(others), min(len(others), most))]
    return sorted({own, *kept}), set(kept) if with_gradient else set()


def state_of(state: PageState) -> dict[str, Any]:
    """A state as a dictionary for JSON, without a step."""
    return {
        "step": state.step,
        "epoch": state.epoch,
        "label": state.title,
        "theta": packed(state.theta),
        "learning_rate": state.learning_rate,
        "masks": None,
        "update": None,
        "left_out": None,
        "mean": None,
    }


def own_state(state: PageState, subject: Subject, rows: list[int]) -> dict[str, Any]:
    """The subject's own state as a dictionary for JSON, with its step."""
    masks, step = subject.masks_of(rows), subject.step
    if step is not None and not step.hypothetical and state.step in (None, step.number - 1):
        state = dataclasses.replace(state, learning_rate=step.learning_rate)
    update = None if step is None else _update(step, subject, rows)
    size = 0 if update is None else len(json.dumps(update))
    mean = None
    if len(rows) < len(subject.X):
        carried = update is not None and size <= STEP_BYTES
        grad = None if carried else subject.trace.grad
        large = len(subject.theta) * 8 * 4 // 3 > STEP_BYTES
        mean = mean_of(subject.trace.cost, None if large else grad)
    rate = state.learning_rate
    return state_of(state) | {
        "learning_rate": step.learning_rate if rate is None and step is not None else rate,
        "masks": None if masks is None else list(map(packed_or_none, masks)),
        "update": update if size <= STEP_BYTES else None,
        "left_out": size if size > STEP_BYTES else None,
        "mean": mean,
    }


def mean_of(cost: float, grad: np.ndarray | None) -> dict[str, Any]:
    """C and ∂C/∂θ over all rows, packed; ``grad`` is None if it is in the step or too large."""
    return {"cost": packed(cost), "grad": packed_or_none(grad)}


def _update(step: StepTaken, subject: Subject, rows: list[int]) -> dict[str, Any]:
    settings = step.settings
    whole = len(rows) == len(subject.X)
    # A slot that is not known has its initial value, one for all parameters.
    slots = step.rule.initial_slots(np, subject.theta[:1]) | dict(step.slots)
    return {
        "rule": str(settings.rule),
        "words": record_words(step.rule),
        "number": None if step.hypothetical else step.number,
        "l2": settings.l2,
        "l1": settings.l1,
        "total_weight": settings.total_weight,
        "clip_norm": settings.clip_norm,
        "cost": subject.objective,
        "slots_before": {name: packed(value) for name, value in slots.items()},
        # Needed only if the page has a part of the batch's rows.
        "grad": None if whole else packed(subject.trace.grad),
        "theta_after": packed_or_none(step.theta_after),
    }

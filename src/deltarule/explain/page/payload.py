"""What of a subject goes into its page: everything that is shown, within a budget."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.page.formulas import formulas_mathml
from deltarule.explain.quick import means_at
from deltarule.explain.spread import spread
from deltarule.explain.subject import StepTaken, Subject
from deltarule.maths import Network
from deltarule.maths.backprop import traced
from deltarule.maths.blocks import runs_of
from deltarule.maths.printing import record_loss

__all__ = ["MOST_ROWS", "PageState", "check_size", "describe", "packed", "payload_of"]

FORMAT = 1
MOST_ROWS = 256
"""At most so many rows are in a page; it says so where there were more."""
ROW_BYTES = 600_000
HARDEST = 20
PAYLOAD_BYTES = 1_450_000
"""Moments of training fill the payload up to here; scripts, styles and font take 0.4 MB more."""
STEP_BYTES = 4_000_000
"""What a step needs, slots and gradient and what came of it, is left out where it takes more."""
MOST_BYTES = 64_000_000
"""Parameters that take more are refused: a browser would choke on the file."""
# Of so many multiplications at most a pass over all rows may consist: a second in a browser.
ROW_WORK = 200_000_000
# Rather so many states without the mean gradient of all rows than fewer with it.
_ENOUGH_STATES = 10
# A gradient longer than this is compared in the page at so many of its entries.
MOST_COMPARED = 8192
COMPARED = 4096


@dataclasses.dataclass(frozen=True)
class PageState:
    """The parameters at one moment of training.

    Attributes
    ----------
    theta : array of shape (p,)
    step, epoch : int or None
        When: after so many steps and epochs.
    label : str
        What the page calls it; made from the step if empty.
    learning_rate : float or None
        η of the step that is taken from here; None where none is, at the end of training.

    Notes
    -----
    Steps count from 1 over the whole training, here as everywhere. A moment lies before the step
    that is taken from it, by whose number ``deltarule explain --step`` and :func:`replay` call
    it, and after the step before: ``step`` counts those that were taken.

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
        """The label, or which step is taken from here, or was taken last."""
        if self.label:
            return self.label
        if self.step is not None:
            going_on = self.learning_rate is not None
            return f"before step {self.step + 1}" if going_on else f"after step {self.step}"
        return "these parameters" if self.epoch is None else f"after epoch {self.epoch}"


def packed(values: Any) -> dict[str, Any]:
    """An array for the page: float32 where that is exact, else float64, in base64.

    Parameters
    ----------
    values : array

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
    single = _single(array)
    raw = (array.astype("<f8") if single is None else single).tobytes()
    return {
        "dtype": "f8" if single is None else "f4",
        "shape": list(array.shape),
        "base64": base64.b64encode(raw).decode("ascii"),
    }


def _single(array: Any) -> Any:
    """The array in float32 if that is exact, else None."""
    with np.errstate(over="ignore"):
        single = array.astype("<f4")
    return single if np.array_equal(single.astype(np.float64), array, equal_nan=True) else None


def payload_of(
    subject: Subject,
    *,
    title: str = "",
    states: Sequence[PageState] = (),
    history: Iterable[Any] = (),
    lens: Any = None,
    start: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything the page shows, ready for JSON.

    Parameters
    ----------
    subject : Subject
    title : str
    states : sequence of PageState
        Moments of training in order. The subject's own θ is added if it is none of them; where
        they are too many for the page, some between the first and the last are left out.
    history : iterable of EpochRecord or mapping
    lens : GradientLens or None
    start : mapping, optional
        What is shown first: ``sample`` (a row of the subject), ``selected``
        (``{"kind": "edge", "layer": 2, "j": 1, "k": 2}``).

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If a formula cannot be printed, a state does not fit the network, or the network is too
        large.

    Notes
    -----
    A page stays below two megabytes for networks of up to some 200,000 parameters in float32.
    Beyond that it grows with them. Rows are at most 256, fewer where they are wide or the network
    is large; what a step needs (slots, gradient, result) is left out above 4 MB, and the page says
    so; parameters above 64 MB are refused.

    Where a page has some of the rows only, C and ∂C/∂θ over all of them are computed here and
    carried: of the subject's own θ, and of as many other states as there is room for. Whatever
    the page computes from its own rows it calls so.
    """
    check_size(subject)
    net = subject.net
    start = dict(start or {})
    hardest = () if lens is None else [each.row for each in lens.hardest(HARDEST)]
    rows = _chosen_rows(subject, start.get("sample"), hardest)
    w = _shares(subject.w, rows)
    given, own = _states(subject, states)
    masks = None if subject.masks is None else [_at(mask, rows) for mask in subject.masks]
    reference = traced(net, subject.theta, subject.X[rows], subject.Y[rows], w, masks=masks)
    whole = len(rows) == len(subject.X)
    payload: dict[str, Any] = {
        "format": FORMAT,
        "title": title or f"{'-'.join(map(str, net.widths))} network",
        "net": describe(net),
        "mathml": formulas_mathml(net, subject.step, subject.objective),
        "names": {
            "inputs": list(subject.names.inputs),
            "outputs": list(subject.names.outputs),
            "rows": [subject.names.rows[i] for i in rows],
            "classes": list(subject.classes),
        },
        "rows": {
            "X": packed(subject.X[rows]),
            "Y": packed(subject.Y[rows]),
            "s": packed(subject.s[rows]),
            "w": packed(w),
            # w_i among all rows; `w` has the same sum over those of the page.
            "share": None if whole else packed(subject.w[rows]),
            "mean": None if whole else packed(_mean_row(subject)),
        },
        "rows_of": len(subject.X),
        "part_of": subject.part_of,
        "states": [_own_state(given[own], subject, rows)],
        "history": [_plain(record) for record in history],
        "engine": {
            "name": subject.engine,
            "dtype": subject.dtype,
            **_compared(subject.engine_grad if whole else None),
        },
        "reference": {"state": 0, "cost": _cell(reference.cost), **_compared(reference.grad)},
        "columns": [
            {
                "name": column.name,
                "kind": column.kind,
                "inputs": list(column.inputs),
                "cells": [_cell(column.cells[i]) for i in rows],
            }
            for column in subject.columns
        ],
        "lens": None if lens is None else lens.to_dict(),
        "start": {
            "state": 0,
            "sample": rows.index(start["sample"]) if "sample" in start else 0,
            "selected": start.get("selected"),
        },
    }
    kept, meant = _kept(given, own, PAYLOAD_BYTES - len(json.dumps(payload)), not whole)
    place = kept.index(own)
    others = [i for i in kept if i != own]
    found = {i: _state(given[i]) for i in others}
    if not whole:
        means = means_at(subject, [given[i].theta for i in others])
        for i, (cost, grad) in zip(others, means, strict=True):
            found[i]["mean"] = _mean(cost, grad if i in meant else None)
    payload["states"] = [payload["states"][0] if i == own else found[i] for i in kept]
    payload["reference"]["state"] = payload["start"]["state"] = place
    return payload


def check_size(subject: Subject) -> None:
    """Refuse a network that is too large for a page.

    Raises
    ------
    InputError
        If its parameters alone would take more than 64 MB of the file.

    Examples
    --------
    >>> check_size(Subject.of_arrays(Network([1, 1]), [1.0, 0.0], [[1.0]], [[2.0]]))
    """
    p = subject.net.n_parameters
    size = p * (8 if _single(np.asarray(subject.theta)) is None else 4) * 4 // 3
    if size > MOST_BYTES:
        raise InputError(
            f"the network has {p:,} parameters, which are {size / 1e6:,.0f} MB in a page; expected "
            f"at most {MOST_BYTES / 1e6:.0f} MB; ask for what you want to see as text instead, "
            "such as explain(...).weight(l, j, k).text(), or 'deltarule explain' with --weight "
            "l,j,k and without --html"
        )


def describe(net: Network) -> dict[str, Any]:
    """What the page's driver is told of a network."""
    loss = net.loss.bind(np, net.output_activation)
    return {
        "widths": list(net.widths),
        "bias": net.bias,
        "activations": [None if g is None else str(g) for g in net.activations],
        "output_elementwise": net.output_activation.elementwise,
        "kinks": [[] if g is None else list(g.kinks) for g in net.activations],
        "loss": str(net.loss),
        "loss_kinks": list(net.loss.kink_values()),
        "loss_elementwise": record_loss(net.loss).from_output.elementwise,
        "fused": loss.from_input is not None,
        "frozen": runs_of(net.frozen),
        "blocks": [
            {
                "name": block.name,
                "kind": block.kind,
                "layer": block.layer,
                "start": block.start,
                "stop": block.stop,
                "shape": list(block.shape),
            }
            for block in net.blocks
        ],
    }


def _chosen_rows(subject: Subject, wanted: int | None, hardest: Sequence[int]) -> list[int]:
    """Rows evenly spaced over the subject's, within the budget.

    ``wanted`` is among them, and so are the rows that pull hardest, which the lens points to.
    """
    n, width = len(subject.X), subject.X.shape[1] + subject.Y.shape[1]
    if wanted is not None and not 0 <= wanted < n:
        raise InputError(f"sample {wanted} is to be shown first; expected 0 to {n - 1}")
    work = ROW_WORK // max(subject.net.n_parameters, 1)
    most = max(1, min(MOST_ROWS, ROW_BYTES // (4 * width), work))
    if n <= most:
        return list(range(n))
    named = [] if wanted is None else [wanted]
    named = list(dict.fromkeys([*named, *hardest]))[:most]
    others = np.setdiff1d(np.arange(n), named)
    return sorted([*named, *others[spread(len(others), most - len(named))].tolist()])


def _shares(w: np.ndarray, rows: list[int]) -> np.ndarray:
    """w_i of the chosen rows, with the same sum as over all: the mean is over these rows."""
    chosen = w[rows]
    if len(rows) == len(w) or chosen.sum() == 0:
        return chosen
    return chosen * (w.sum() / chosen.sum())


def _at(mask: Any, rows: list[int]) -> Any:
    return None if mask is None else np.asarray(mask)[rows]


def _states(subject: Subject, given: Sequence[PageState]) -> tuple[list[PageState], int]:
    """The states that are shown, and which of them is the subject's own."""
    states = [
        dataclasses.replace(state, theta=subject.net.check_theta(state.theta)) for state in given
    ]
    own = next(
        (i for i, state in enumerate(states) if np.array_equal(state.theta, subject.theta)), None
    )
    if own is None:
        step = subject.step
        number = None if step is None or step.first_from_here else step.number - 1
        rate = None if step is None or number is None else step.learning_rate
        after = [i for i, s in enumerate(states) if number is not None and (s.step or 0) > number]
        own = after[0] if after else len(states)
        states.insert(own, PageState(subject.theta, step=number, learning_rate=rate))
    return states, own


def _kept(
    states: Sequence[PageState], own: int, budget: int, cut: bool
) -> tuple[list[int], set[int]]:
    """Which states are shown, and which of them have the mean gradient of all rows, if it is cut.

    They are as many as ``budget`` has room for, the subject's own among them, and spread evenly;
    with room for one more only, it is the first. A very large network's own state is alone.
    """
    others = [i for i in range(len(states)) if i != own]
    if not others:
        return [own], set()
    size = max(len(json.dumps(packed(states[i].theta))) for i in (others[0], others[-1])) + 200
    if size > STEP_BYTES:
        return [own], set()
    with_grad = size + (len(states[own].theta) * 8 * 4 // 3 + 200 if cut else 0)
    most = budget // with_grad
    meant = most >= min(len(others), _ENOUGH_STATES)
    if not meant:
        most = budget // size
        most = max(1, min(most, _ENOUGH_STATES))
    kept = [others[i] for i in spread(len(others), min(len(others), most))]
    return sorted({own, *kept}), set(kept) if meant else set()


def _state(state: PageState) -> dict[str, Any]:
    """One state, without a step."""
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


def _own_state(state: PageState, subject: Subject, rows: list[int]) -> dict[str, Any]:
    """The subject's own state, with the step that is taken from it."""
    masks, step = subject.masks, subject.step
    if step is not None and not step.first_from_here and state.step in (None, step.number - 1):
        state = dataclasses.replace(state, learning_rate=step.learning_rate)
    update = None if step is None else _update(step, subject, rows)
    size = 0 if update is None else len(json.dumps(update))
    mean = None
    if len(rows) < len(subject.X):
        carried = update is not None and size <= STEP_BYTES
        grad = None if carried else subject.trace.grad
        large = len(subject.theta) * 8 * 4 // 3 > STEP_BYTES
        mean = _mean(subject.trace.cost, None if large else grad)
    rate = step.learning_rate if step is not None else state.learning_rate
    return _state(state) | {
        "learning_rate": state.learning_rate if state.learning_rate is not None else rate,
        "masks": None
        if masks is None
        else [None if mask is None else packed(np.asarray(mask)[rows]) for mask in masks],
        "update": update if size <= STEP_BYTES else None,
        "left_out": size if size > STEP_BYTES else None,
        "mean": mean,
    }


def _mean(cost: float, grad: np.ndarray | None) -> dict[str, Any]:
    """C and ∂C/∂θ over all rows; the gradient is None where the step has it, or there is no room.

    Both are written so that what is not finite can be read, too.
    """
    return {"cost": packed(cost), "grad": None if grad is None else packed(grad)}


def _mean_row(subject: Subject) -> np.ndarray:
    """Σ_i w_i x_i / Σ_i w_i over all rows: a baseline of attributions."""
    total = subject.w.sum()
    return (subject.w / total if total > 0 else subject.w) @ subject.X


def _update(step: StepTaken, subject: Subject, rows: list[int]) -> dict[str, Any]:
    settings = step.settings
    whole = len(rows) == len(subject.X)
    return {
        "rule": str(settings.rule),
        "number": None if step.first_from_here else step.number,
        "l2": settings.l2,
        "l1": settings.l1,
        "total_weight": settings.total_weight,
        "clip_norm": settings.clip_norm,
        "slots_before": {name: packed(value) for name, value in step.slots.items()},
        # The page's own mean serves, unless it has only some of the batch's rows.
        "grad": None if whole else packed(subject.trace.grad),
        "theta_after": None if step.theta_after is None else packed(step.theta_after),
    }


def _compared(grad: np.ndarray | None) -> dict[str, Any]:
    """What the page compares its own gradient with: all of it, or of a long one some entries."""
    if grad is None:
        return {"grad": None, "at": None}
    if len(grad) <= MOST_COMPARED:
        return {"grad": packed(grad), "at": None}
    at = spread(len(grad), COMPARED)
    return {"grad": packed(grad[at]), "at": at.tolist()}


def _plain(record: Any) -> dict[str, Any]:
    fields = dataclasses.asdict(record) if dataclasses.is_dataclass(record) else dict(record)  # type: ignore[arg-type]
    return {name: _cell(value) for name, value in fields.items()}


def _cell(value: Any) -> Any:
    """A value for JSON: what is no number, text or nothing becomes text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

"""The data of a subject for its page, within a size limit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.fast_passes import iter_gradients
from deltarule.explain.laws import laws_for_page
from deltarule.explain.page.answer import parts_of_rows, table_answer, worst_unseen
from deltarule.explain.page.formulas import formulas_mathml
from deltarule.explain.page.images import image_of
from deltarule.explain.page.states import (
    PageState,
    as_float32,
    kept_states,
    mean_of,
    own_state,
    packed,
    state_of,
    states_of,
)
from deltarule.explain.subject import Subject
from deltarule.explain.words import record_words
from deltarule.maths import Network
from deltarule.maths.backprop import compute_trace
from deltarule.maths.parameter_layout import true_runs
from deltarule.maths.printing import symbolic_loss
from deltarule.maths.subsample import evenly_spaced

__all__ = ["MOST_ROWS", "PageState", "check_size", "describe_network", "packed", "payload_of"]

FORMAT = 1
MOST_ROWS = 256
"""The most rows in a page; it says so where there are more."""
ROW_BYTES = 600_000
HARDEST = 20
PAYLOAD_BYTES = 1_350_000
"""Moments of training fill the payload up to this size; scripts, styles and font add 0.6 MB."""
MOST_BYTES = 64_000_000
"""A network whose parameters take more is refused, since a browser could not open the file."""
# The most multiplications of a pass over all rows: about a second in a browser.
ROW_WORK = 200_000_000
# Of a gradient longer than the first, the page compares as many entries as the second.
MOST_COMPARED = 8192
COMPARED = 4096


def payload_of(
    subject: Subject,
    *,
    title: str = "",
    states: Sequence[PageState] = (),
    history: Iterable[Any] = (),
    lens: Any = None,
    start: Mapping[str, Any] | None = None,
    image: Any = None,
    portfolio: Any = None,
    answer: Any = None,
    article: str = "",
) -> dict[str, Any]:
    """Everything that the page shows, as a dictionary for JSON.

    Parameters
    ----------
    subject : Subject
    title : str
    states : sequence of PageState
        Moments of training in order. The subject's own θ is added if it is not among them; where
        they are too many for the page, evenly spaced ones are kept.
    history : iterable of EpochLog or mapping
    lens : GradientLens or None
    start : mapping, optional
        What the page shows at first: ``sample`` (a row of the subject), ``selected``
        (``{"kind": "edge", "layer": 2, "j": 1, "k": 2}``).
    image : (int, int), optional
        The rows and columns of pixels, if the inputs are those of an image; see
        :func:`~deltarule.explain.page.images.image_of`.
    portfolio : PortfolioModel, optional
        That the network is one of, if it is: the page says what all of them predict.
    answer : RowAnswer, optional
        What the portfolio says about the row ``start["sample"]``.
    article : str
        The address of a text that the guided tour goes along with, beside which the page will
        lie; it has a place ``#chapter-1`` for each chapter.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If a formula cannot be printed, a state does not fit the network, the network is too large,
        or ``image`` has another number of pixels than there are inputs.

    Notes
    -----
    A page is smaller than two megabytes for networks of up to about 200,000 float32 parameters, and
    grows with them beyond. It has at most 256 rows, fewer where they are wide or the network is
    large. The data of a step (slots, gradient, result) are left out above 4 MB, and the page says
    so; parameters above 64 MB are refused.

    If a page has a part of the rows, C and ∂C/∂θ over all rows are computed here and included: for
    the subject's own θ, and for as many other states as there is room for. The page marks what it
    computes from its own rows.
    """
    check_size(subject)
    net = subject.net
    start = dict(start or {})
    picture = image_of(subject, image)
    hardest = () if lens is None else [each.row for each in lens.hardest(HARDEST)]
    parts = parts_of_rows(subject, portfolio)
    worst = worst_unseen(subject, parts, HARDEST)
    rows = _chosen_rows(subject, start.get("sample"), [*hardest, *worst])
    w = _shares(subject.w, rows)
    given, own = states_of(subject, states)
    masks = subject.masks_of(rows)
    reference = compute_trace(net, subject.theta, subject.X[rows], subject.Y[rows], w, masks=masks)
    whole = len(rows) == len(subject.X)
    payload: dict[str, Any] = {
        "format": FORMAT,
        "title": title or f"{'-'.join(map(str, net.widths))} network",
        "net": describe_network(net),
        "mathml": formulas_mathml(net, subject.step, subject.objective),
        "laws": laws_for_page(),
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
            "mean": None if whole else packed(subject.mean_row),
        },
        "rows_of": len(subject.X),
        "part_of": subject.part_of,
        "article": article,
        "states": [own_state(given[own], subject, rows)],
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
        "image": picture,
        "answer": table_answer(
            subject, rows, parts, portfolio=portfolio, answer=answer, sample=start.get("sample")
        ),
        "lens": None if lens is None else lens.to_dict(),
        "start": {
            "state": 0,
            "sample": rows.index(start["sample"]) if "sample" in start else 0,
            "selected": start.get("selected"),
        },
    }
    room = PAYLOAD_BYTES - len(json.dumps(payload))
    kept, with_gradient = kept_states(given, own, room, not whole)
    place = kept.index(own)
    others = [i for i in kept if i != own]
    found = {i: state_of(given[i]) for i in others}
    if not whole:
        means = iter_gradients(subject, [given[i].theta for i in others])
        for i, (cost, grad) in zip(others, means, strict=True):
            found[i]["mean"] = mean_of(cost, grad if i in with_gradient else None)
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
    size = p * (8 if as_float32(np.asarray(subject.theta)) is None else 4) * 4 // 3
    if size > MOST_BYTES:
        raise InputError(
            f"the network has {p:,} parameters, which are {size / 1e6:,.0f} MB in a page; expected "
            f"at most {MOST_BYTES / 1e6:.0f} MB; ask for what you want to see as text instead, "
            "such as explain(...).weight(l, j, k).text(), or 'deltarule explain' with --weight "
            "l,j,k and without --html"
        )


def describe_network(net: Network) -> dict[str, Any]:
    """The description of a network for the page's scripts."""
    loss = net.loss.bind(np, net.output_activation)
    return {
        "widths": list(net.widths),
        "bias": net.bias,
        "activations": [None if g is None else str(g) for g in net.activations],
        "words": [None if g is None else record_words(g) for g in net.activations],
        "loss_words": record_words(net.loss),
        "output_elementwise": net.output_activation.elementwise,
        "kinks": [[] if g is None else list(g.kinks) for g in net.activations],
        "loss": str(net.loss),
        "loss_kinks": list(net.loss.kink_values()),
        "loss_elementwise": symbolic_loss(net.loss).from_output.elementwise,
        "fused": loss.from_input is not None,
        "frozen": true_runs(net.frozen) if net.some_frozen else [],
        "blocks": [
            {name: getattr(block, name) for name in ("name", "kind", "layer", "start", "stop")}
            | {"shape": list(block.shape)}
            for block in net.blocks
        ],
    }


def _chosen_rows(subject: Subject, wanted: int | None, hardest: Sequence[int]) -> list[int]:
    """The numbers of the page's rows: evenly spaced, within the limits, and sorted.

    ``wanted`` and ``hardest``, the rows with the largest gradients and losses, are among them.
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
    return sorted([*named, *others[evenly_spaced(len(others), most - len(named))].tolist()])


def _shares(w: np.ndarray, rows: list[int]) -> np.ndarray:
    """w_i of the chosen rows, scaled to the sum of all w_i, for means over these rows."""
    chosen = w[rows]
    if len(rows) == len(w) or chosen.sum() == 0:
        return chosen
    return chosen * (w.sum() / chosen.sum())


def _compared(grad: np.ndarray | None) -> dict[str, Any]:
    """The gradient that the page compares its own with; of a long one, evenly spaced entries."""
    if grad is None:
        return {"grad": None, "at": None}
    if len(grad) <= MOST_COMPARED:
        return {"grad": packed(grad), "at": None}
    at = evenly_spaced(len(grad), COMPARED)
    return {"grad": packed(grad[at]), "at": at.tolist()}


def _plain(record: Any) -> dict[str, Any]:
    fields = dataclasses.asdict(record) if dataclasses.is_dataclass(record) else dict(record)  # type: ignore[arg-type]
    return {name: _cell(value) for name, value in fields.items()}


def _cell(value: Any) -> Any:
    """A value for JSON: numbers, texts and None as they are, anything else as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

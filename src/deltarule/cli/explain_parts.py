"""The derivations that ``deltarule explain`` is asked for, and their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.cli.explain_question import Explained
from deltarule.cli.explain_selections import listed, next_of_overview
from deltarule.errors import InputError, Message, Parameter
from deltarule.explain import Derivation, Explanation, overview
from deltarule.explain.derivation import DEPTH, TERMS, check_limits
from deltarule.explain.number_format import DIGITS
from deltarule.explain.render.latex import document

__all__ = ["derivations_of", "latex_of", "text_of"]

_SINGLE_ROW_KINDS = {"activation", "node", "input", "column"}


def derivations_of(
    explained: Explained, kind: str, text: str, numbers: tuple[int, ...]
) -> list[tuple[str, Derivation]]:
    """Return the derivations of a selection by name; in a step, with the parameter's update."""
    explanation, sample = explained.explanation, explained.sample
    assert explanation is not None
    if kind in _SINGLE_ROW_KINDS and sample is None:
        raise InputError(
            Message(Parameter(kind), " is about one row"),
            parameter=kind,
            expected=Message(Parameter("row"), " R beside it, the number of a row of the table"),
        )
    if kind == "input":
        assert sample is not None
        return [(f"input {text}", explanation.input(_input(explained, text), sample))]
    if kind == "column":
        assert sample is not None
        return [(f"column {text}", explanation.column(_column(explained, text), sample))]
    name = f"{kind} {','.join(map(str, numbers))}"
    try:
        parts = [(name, getattr(explanation, kind)(*numbers, sample))]
    except InputError as error:
        prefixed = error.prefixed(Parameter(kind), f" {text}: ")
        prefixed.parameter, prefixed.given = kind, text
        raise prefixed from None
    if kind in ("weight", "bias") and explained.facts.get("in_batch", explained.step is not None):
        update = getattr(explanation, f"update_{kind}")
        parts.append((f"update of {name}", update(*numbers)))
    return parts


def _input(explained: Explained, text: str) -> int:
    assert explained.explanation is not None
    names = explained.explanation.subject.names.inputs
    if text in names:
        return int(names.index(text))
    if text.isascii() and text.isdecimal() and int(text) < len(names):
        return int(text)
    raise InputError(
        parameter="input",
        given=text,
        expected=f"one of {listed(names)}, or a number from 0 to {len(names) - 1}",
    )


def _column(explained: Explained, text: str) -> str:
    assert explained.explanation is not None
    names = [column.name for column in explained.explanation.subject.columns]
    if text in explained.explanation.subject.left_out:
        raise InputError(
            f"column {text!r} was left out of the training, since nothing can be learned from it",
            parameter="column",
            given=text,
            expected=f"one of {listed(names)}",
        )
    if text not in names:
        raise InputError(parameter="column", given=text, expected=f"one of {listed(names)}")
    return text


def text_of(part: Derivation | Explanation, shown: Mapping[str, int]) -> str:
    """Return a derivation or an overview as text."""
    if isinstance(part, Derivation):
        given: dict[str, Any] = dict(shown)
        return part.text(**given, more="more: --depth {}")
    limits = {"depth": DEPTH, "terms": TERMS, "digits": DIGITS} | dict(shown)
    return overview.text(part, *check_limits(**limits), hint=next_of_overview)


def latex_of(
    parts: Sequence[tuple[str, Derivation | Explanation]], shown: Mapping[str, Any]
) -> str:
    """Return derivations as one LaTeX document."""
    if len(parts) == 1:
        return parts[0][1].latex(**shown)
    return document([part.latex(standalone=False, **shown) for _, part in parts])

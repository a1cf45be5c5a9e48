"""The answer on one row of a table as plain text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deltarule.errors import printable
from deltarule.explain.number_format import short
from deltarule.explain.training_parts import COMPARED_WORDS
from deltarule.maths.printing.numbers import as_read

if TYPE_CHECKING:
    from deltarule.explain.cell_changes import CellChange
    from deltarule.explain.row_answer import RowAnswer

__all__ = [
    "ABOUT_PARTS",
    "LEFT",
    "LISTED",
    "START",
    "aligned_numbers",
    "cell_text",
    "row_text",
]

LISTED = 8
"""Columns that a text lists, unless told; the others are added up in one line."""
_WIDTH = 100
_DIGITS = 6
# The longest text of a cell.
_MOST_CHARACTERS = 30
START = "the start: average numbers, no levels"
"""What the parts of the columns are added to."""
LEFT = "left over, since the parts are approximate"
"""What the parts miss: they are integrated numerically."""
ABOUT_PARTS = (
    "A part compares with the start, which is no real row. It is added up on the way from there to "
    "this row, so one part may be larger than any change of the prediction, and others take it "
    "back. It does not say what another cell would change, and a model that predicts the same may "
    "have other parts. The numbers are rounded, and add up but for that."
)
"""What the parts are, and are not; the page has the same words."""


def row_text(answer: RowAnswer, *, terms: int | None = None, digits: int | None = None) -> str:
    """Write an answer; :meth:`RowAnswer.text` has the parameters."""
    listed = LISTED if terms is None else terms
    digits = _DIGITS if digits is None else max(digits, 2)
    predicted = [*_prediction(answer, digits), *_interval(answer, digits)]
    blocks = [predicted, _parts(answer, listed, digits)]
    blocks += [_changes(answer, listed, digits), _decision(answer, listed), _loss(answer, digits)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def aligned_numbers(values: Sequence[float], digits: int = 4, signed: bool = False) -> list[str]:
    """Numbers with the same decimals: ``digits`` significant ones of the largest.

    Examples
    --------
    >>> aligned_numbers([9.5449, -0.79951, 113.61])
    ['9.5', '−0.8', '113.6']
    >>> aligned_numbers([9.5449, -0.79951], signed=True)
    ['+9.545', '−0.800']
    >>> aligned_numbers([1.5e9, 2e-7])
    ['1.500 × 10^9', '2.000 × 10^−7']
    """
    known = [abs(value) for value in values if math.isfinite(value)]
    largest = max(known, default=0.0)
    if len(known) < len(values) or not (largest == 0 or 1e-4 <= largest < 1e7):
        texts = [short(value, digits) for value in values]
    else:
        whole = math.floor(math.log10(largest)) + 1 if largest else 1
        decimals = min(max(digits - whole, 0), 9)
        texts = [_fixed(value, decimals) for value in values]
    return [_with_sign(text) for text in texts] if signed else texts


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def _prediction(answer: RowAnswer, digits: int) -> list[str]:
    name = printable(answer.target)
    who, lines = f"{name} is predicted", []
    if answer.whole is not None:
        known = _label(answer.whole, answer.whole_probability, digits)
        lines += [
            f"The portfolio predicts {name} as {known}.",
            "Its network, which is explained:",
        ]
    elif answer.networks > 1:
        who = f"The portfolio predicts {name}"
    probability = None if answer.is_number else answer.value
    line = f"{who} as {_label(answer.predicted, probability, digits)}"
    if answer.actual is None:
        return [*lines, f"{line}; the table has no {name} for it to be compared with."]
    table = as_read(answer.actual) if answer.is_number else repr(answer.actual)
    line += f"; the table has {table}, "
    if not answer.is_number:
        right = answer.predicted == answer.actual
        verdict = f"so the prediction is {'right' if right else 'wrong'}."
    else:
        gap = answer.predicted - answer.actual
        word = "high" if gap > 0 else "low"
        size = short(abs(gap), digits)
        verdict = f"so the prediction is {size} too {word}." if gap else "the same."
    together = line + verdict
    return [*lines, *([together] if len(together) <= _WIDTH else [line.rstrip(), verdict])]


def _interval(answer: RowAnswer, digits: int) -> list[str]:
    """Return the interval of a number's prediction, and where the table's number lies to it."""
    if answer.interval is None:
        return []
    low, high = answer.interval
    said = f"The 90 % interval, such as holds nine of ten new rows, is {short(low, digits)} to "
    said += short(high, digits)
    if answer.actual is not None:
        where = "above" if answer.actual > high else "below" if answer.actual < low else "in"
        said += f"; the table's number is {where} it"
    return textwrap.wrap(f"{said}.", _WIDTH)


def _unit(answer: RowAnswer) -> str:
    if answer.is_number:
        return f"in the unit of {printable(answer.target)}"
    return f"in percentage points of the probability of {printable(repr(answer.predicted))}"


def _parts(answer: RowAnswer, listed: int, digits: int) -> list[str]:
    scale = 1.0 if answer.is_number else 100.0
    shown, others = answer.columns[:listed], answer.columns[listed:]
    rest = sum(column.part for column in others)
    parts = [*(c.part for c in shown), *([rest] if others else [])]
    left = answer.value - answer.start - sum(parts)
    numbers = [answer.start, *parts, left, answer.value]
    plain = aligned_numbers([scale * number for number in numbers], digits - 1)
    texts = [plain[0], *map(_with_sign, plain[1:-1]), plain[-1]]
    names = [(START, ""), *((printable(c.name), cell_text(c.cell)) for c in shown)]
    if others:
        many = f"{len(others)} other column{'s' if len(others) > 1 else ''}"
        names.append((many, ""))
    if texts[-2].strip("+−0."):
        names.append((LEFT, ""))
    else:  # too small to be seen
        del texts[-2]
    names.append(("together, the prediction", ""))
    rows = [(*name, text) for name, text in zip(names, texts, strict=True)]
    of_all = f", of its {answer.networks} networks together" if answer.networks > 1 else ""
    head = f"What made it so, {_unit(answer)}{of_all}:"
    return [*textwrap.wrap(head, _WIDTH), *_columns(rows), *_indented(ABOUT_PARTS)]


def _changes(answer: RowAnswer, listed: int, digits: int) -> list[str]:
    """What the prediction would be with other cells, a line or more for each column."""
    shown = answer.changes[:listed]
    if not shown:
        return []
    scale, unit = (1.0, "") if answer.is_number else (100.0, " %")
    of = "" if answer.is_number else f" probability of {printable(repr(answer.predicted))}"
    values = [scale * value for change in shown for _, value in change.values]
    texts = iter(aligned_numbers(values, digits - 2))
    now = aligned_numbers([scale * answer.value, *values], digits - 2)[0]
    lines = [
        *textwrap.wrap(
            f"Had one cell been another, and all else the same, the{of or ' prediction'} would be, "
            f"instead of {now}{unit}:",
            _WIDTH,
        )
    ]
    wide = min(max(len(printable(change.name)) for change in shown), _MOST_CHARACTERS)
    for change in shown:
        tried = [
            f"{cell_text(cell)}: {next(texts)}{unit}{_other_class(answer, change, i)}"
            for i, (cell, _) in enumerate(change.values)
        ]
        head = f"  {_cut(printable(change.name)).ljust(wide)}  "
        text = "   ".join([f"now {cell_text(change.cell)};", *(_unbroken(each) for each in tried)])
        more = " " * len(head)
        wrapped = textwrap.wrap(
            text, _WIDTH, initial_indent=head, subsequent_indent=more, break_on_hyphens=False
        )
        lines += [line.replace("\u00a0", " ") for line in wrapped]
    return lines


def _other_class(answer: RowAnswer, change: CellChange, i: int) -> str:
    """Return the class that another cell makes the prediction, if that is another class."""
    if not change.predicted or change.predicted[i] == answer.predicted:
        return ""
    return f" → {_cut(printable(change.predicted[i]))}"


def _decision(answer: RowAnswer, listed: int) -> list[str]:
    """Which of the cells that were tried would have changed the predicted class."""
    tried = sum(len(change.predicted) for change in answer.changes)
    if not tried:
        return []
    found = []
    for change in answer.changes:
        cells = [
            cell_text(cell)
            for (cell, _), then in zip(change.values, change.predicted, strict=True)
            if then != answer.predicted
        ]
        if cells:
            found.append(f"{printable(change.name)}: {', '.join(cells)}")
    rule = f"{_rule(answer)} Of {tried} other cells tried, one at a time, "
    if not found:
        return textwrap.wrap(f"{rule}none would have changed the decision.", _WIDTH)
    more = f"; and some of {len(found) - listed} more columns" if len(found) > listed else ""
    said = f"{rule}these would have changed the decision: {'; '.join(found[:listed])}{more}."
    return textwrap.wrap(said, _WIDTH, break_on_hyphens=False)


def _rule(answer: RowAnswer) -> str:
    """Which class is predicted, and what comes next."""
    if answer.second is None or answer.second_probability is None:
        return "Of the two classes the one with a probability above 50 % is predicted."
    share = short(100 * answer.second_probability, 3)
    return (
        f"Of the {answer.classes} classes the one of the largest probability is predicted; the "
        f"second is {_cut(printable(answer.second))} with {share} %."
    )


def _loss(answer: RowAnswer, digits: int) -> list[str]:
    if answer.loss is None or answer.mean_loss is None:
        return []
    have = "has" if answer.larger == 1 else "have"
    which = f"the {answer.rows} {COMPARED_WORDS[answer.part]}"
    count = f"{answer.larger or 'no other'} of them {have if answer.larger else 'has'} a larger"
    if answer.is_number:
        gap = short(abs(answer.predicted - answer.actual), 4)
        typical = "—" if answer.typical_error is None else short(answer.typical_error, 4)
        line = (
            f"Its error of {gap}: over {which} the root mean square is {typical}, and "
            f"{count} loss ({answer.loss_words})."
        )
    else:
        is_log = answer.loss_words in ("log loss", "cross-entropy")
        what = ", −ln of the probability of the table's class" if is_log else ""
        line = (
            f"The loss ({answer.loss_words}) is {short(answer.loss, 4)}{what}; the mean over "
            f"{which} is {short(answer.mean_loss, 4)}, and {count} one."
        )
    return textwrap.wrap(line, _WIDTH)


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return [
        f"  {a.ljust(widths[0])}  {b.ljust(widths[1])}  {c.rjust(widths[2])}" for a, b, c in rows
    ]


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _with_sign(text: str) -> str:
    return text if text[0] == "−" or not text.strip("0.") else f"+{text}"


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _label(value: Any, probability: float | None, digits: int) -> str:
    if not isinstance(value, str):
        return short(value, digits)
    if probability is None:
        return printable(repr(value))
    return f"{printable(repr(value))}, with a probability of {short(100 * probability)} %"


def cell_text(cell: Any) -> str:
    """Write a cell; a long one is cut.

    Examples
    --------
    >>> cell_text(None), cell_text(2.0), cell_text("oak")
    ('missing', '2', 'oak')
    """
    if cell is None:
        return "missing"
    return _cut(as_read(cell) if isinstance(cell, float) else printable(str(cell)))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"

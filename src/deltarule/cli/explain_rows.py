"""``deltarule explain MODEL DATA --rows PART``: the rows of a part, the largest error first."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from deltarule.cli import output
from deltarule.cli.explain_question import Question
from deltarule.cli.explain_row import command_of
from deltarule.errors import InputError, Message, Parameter, printable
from deltarule.explain.number_format import json_number
from deltarule.explain.row_text import aligned_numbers, cell_text
from deltarule.explain.training_parts import other_table, training_parts
from deltarule.maths.printing.numbers import as_read
from deltarule.tables import Table, TypedColumns, apply_schema
from deltarule.tabular import TableModel
from deltarule.tabular.diagnostics import RankedRows, ranked_rows

__all__ = ["ROW_PARTS", "check_rows_question", "list_rows"]

ROW_PARTS = {
    "test": "test rows, which the training did not see",
    "valid": "validation rows, by which the training stopped",
    "train": "training rows, which the model learned from",
    "all": "rows",
}
"""The parts that can be asked for, in words."""
_LISTED, _MOST_NUMBERS, _WIDTH = 20, 300, 100


def check_rows_question(question: Question) -> None:
    """Refuse what does not go with a list of rows, before any file is read.

    Raises
    ------
    InputError
        If the part is none, or an option asks for something about one row or about a derivation.
    """
    if question.rows not in ROW_PARTS:
        raise InputError(
            parameter="rows", given=question.rows, expected=f"one of {', '.join(ROW_PARTS)}"
        )
    others = {
        "row": question.row,
        "step": question.step,
        "member": question.member,
        "latex": question.latex,
        "html": question.html,
        **dict(question.selected),
        **{name: n for name, n in question.shown.items() if name != "terms"},
    }
    for name, value in others.items():
        if value is not None:
            raise InputError(
                Message(Parameter(name), " was given with ", Parameter("rows")),
                parameter=name,
                given=value,
                expected=Message(Parameter("rows"), " alone, which lists the numbers of rows"),
                hint=Message("then ask about one of them, with ", Parameter("row")),
            )


def list_rows(question: Question, model: TableModel, table: Table) -> None:
    """Print the rows of a part with their predictions, the largest error first.

    Raises
    ------
    InputError
        If the table is not that of the training, so that its parts are not known, or the part has
        no rows.
    """
    part = question.rows
    assert part is not None
    typed = apply_schema(model.schema, table)
    other = other_table(model, typed)
    rows = ranked_rows(model, _of_part(model, typed, part, other))
    notes = [*typed.notes, *model.notes(typed)]
    target = "target" if model.schema.target is None else model.schema.target.name
    if question.as_json:
        found = {"model": str(question.model), "part": part, "target": target}
        listed = [_as_dict(rows, int(place)) for place in rows.order]
        output.json_object({**found, "rows": listed, "notes": list(map(output.spelled, notes))})
        return
    if question.quiet:
        return
    source = f" of {output.plain(table.source)}" if table.source else ""
    words = ROW_PARTS[part]
    kind, _, more = words.partition(", ")
    n = len(rows)
    what = f"{n:,} {kind if n != 1 else kind.removesuffix('s')}{source}{', ' * bool(more)}{more}"
    title = f"{question.model}: {what}; the largest error first"
    output.say("\n".join(_wrapped(title)))
    if other:
        output.say("\n".join(_wrapped(other)))
    most = question.shown.get("terms", _LISTED)
    output.say(f"\n{_table(rows, target, most)}")
    if n > most:
        output.say(f"  {n - most:,} more, with smaller errors: --terms {n} lists them all")
    if part != "all":
        numbers = [str(number) for number in rows.numbers[:_MOST_NUMBERS]]
        rest = f", and {n - len(numbers):,} more: --json has them all" if n > len(numbers) else ""
        output.say("\nThe same rows by number:")
        output.say("\n".join(_wrapped(f"{', '.join(numbers)}{rest}", "  ")))
    worst = int(rows.numbers[rows.order[0]])
    output.say(f"\nLook next at:\n  {command_of(question)} --row {worst}")
    output.say("      why the first of them is predicted so")
    output.notes(notes)


def _of_part(model: TableModel, typed: TypedColumns, part: str, other: str) -> TypedColumns:
    """Return the rows of a part; ``other`` says that the table is another, or is empty."""
    if part == "all":
        return typed
    parts = training_parts(model, typed)
    if not set(parts) & set(ROW_PARTS):
        why = other or "the model does not say how its rows were divided"
        raise InputError(
            Message(Parameter("rows"), f" is {part!r}, and {why}"),
            parameter="rows",
            given=part,
            expected="the table of the training, whose parts are known",
            hint=Message(Parameter("rows", "all"), " lists the rows of any table"),
        )
    chosen = np.flatnonzero(np.array(parts, dtype=object) == part)
    if not chosen.size:
        kind = ROW_PARTS[part].partition(",")[0]
        known = ", ".join(each for each in ROW_PARTS if each in (*parts, "all"))
        raise InputError(
            Message(Parameter("rows"), f" is {part!r}, and this model has no {kind}"),
            parameter="rows",
            given=part,
            expected=f"one of {known}",
        )
    return typed.take(chosen)


def _table(rows: RankedRows, target: str, most: int) -> str:
    """Return the first rows by error as a table."""
    shown = rows.order[:most]
    first = ["row", *(str(number) for number in rows.numbers[shown])]
    name = printable(target)
    name = name if len(name) <= 24 else f"{name[:23]}…"
    if rows.probabilities is None:
        errors = (rows.predicted - rows.actual)[shown]
        columns = [
            [name, *map(as_read, rows.actual[shown])],
            ["predicted", *aligned_numbers(rows.predicted[shown].tolist(), 5)],
            ["predicted − true", *aligned_numbers(errors.tolist(), 4, signed=True)],
        ]
    else:
        right = rows.predicted[shown] == rows.actual[shown]
        shares = aligned_numbers((100 * rows.probabilities[shown]).tolist(), 4)
        columns = [
            [name, *map(cell_text, rows.actual[shown])],
            ["predicted", *map(cell_text, rows.predicted[shown])],
            ["so it is", *("right" if each else "wrong" for each in right)],
            [f"probability of the table's {name}", *(f"{share} %" for share in shares)],
        ]
    return output.aligned([first, *columns])


def _as_dict(rows: RankedRows, place: int) -> dict[str, Any]:
    """Return a row for JSON."""
    is_number = rows.probabilities is None
    actual, predicted = rows.actual[place], rows.predicted[place]
    found = {
        "row": int(rows.numbers[place]),
        "actual": json_number(float(actual)) if is_number else str(actual),
        "predicted": json_number(float(predicted)) if is_number else str(predicted),
        "loss": json_number(float(rows.losses[place])),
    }
    if rows.probabilities is not None:
        found["probability"] = json_number(float(rows.probabilities[place]))
    return found


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )

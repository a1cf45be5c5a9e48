"""The answer of ``deltarule explain MODEL DATA --row R``: and what to look at next."""

from __future__ import annotations

import textwrap

from deltarule.cli.explain_question import Question
from deltarule.cli.output import shell_word
from deltarule.explain.row_answer import RowAnswer
from deltarule.explain.row_text import LISTED
from deltarule.explain.training_parts import PART_WORDS

__all__ = ["command_of", "next_of_row", "wants_answer_only"]


def wants_answer_only(question: Question) -> bool:
    """Return whether a row is asked for, and no derivation or page, which need its target."""
    files = question.latex is not None or question.html is not None
    deeper = bool(question.selected) or "depth" in question.shown or files
    return question.row is not None and question.step is None and not deeper


def command_of(question: Question) -> str:
    """Return the command that explains the same model and data, to which options are added."""
    words = ["deltarule", "explain", str(question.model)]
    words += [] if question.data is None else [question.data]
    given = {"table": question.table, "sql": question.sql, **question.reading}
    if question.step is not None:
        given["step"] = question.step
    for name, value in given.items():
        if value not in (None, 0, "", ()):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return " ".join(map(shell_word, words))


def next_of_row(row: RowAnswer, question: Question, part: str | None) -> list[str]:
    """Return what to look at next, with commands that can be pasted."""
    start = f"{command_of(question)} --row {question.row}"
    hints, commands = [], []
    if row.loss is not None and row.larger < max(1, row.rows // 20) and row.rows > 1:
        hints.append("Its loss is among the largest: check its cells and its target first.")
    if any(each.cell is None for each in row.columns[:3]):
        hints.append("A cell that matters is missing, and another value stands in for it.")
    if part is not None and row.loss is not None:
        hints.append(PART_WORDS[part])
    listed = question.shown.get("terms", LISTED)
    if len(row.columns) > listed:
        commands.append((f"{start} --terms {len(row.columns)}", "all columns"))
    if row.networks > 1:
        model = shell_word(str(question.model))
        commands.append(
            (
                f"deltarule distill {model} {shell_word(question.data or 'DATA')} --out one.model",
                "one network that predicts what all of these predict, to derive every number of",
            )
        )
    if row.loss is not None:
        one = "" if row.networks == 1 else ", of one of its networks"
        if row.columns:
            name = shell_word(row.columns[0].name)
            commands.append((f"{start} --column {name}", f"how that column enters the loss{one}"))
        commands.append((f"{start} --depth 3", f"the loss, number by number{one}"))
        if question.html is None:
            commands.append((f"{start} --html page.html", f"all of it, to explore{one}"))
    lines = [line for hint in hints for line in textwrap.wrap(hint, 100)]
    if commands:
        shown = (f"  {command}\n      {why}" for command, why in commands)
        lines += [*([""] if lines else []), "Look next at:", *shown]
    return lines

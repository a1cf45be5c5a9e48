"""``deltarule export``: a model as a program for other machines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule.cli import output
from deltarule.cli.output_paths import check_output_folder, saved_or_elsewhere
from deltarule.cli.predict_command import read_rows
from deltarule.errors import FileError, InputError, Message, Parameter
from deltarule.tables import Table
from deltarule.tabular import TableModel
from deltarule.training import Model, load_model
from deltarule.training.model import holds_table

__all__ = ["Export", "export_model"]


@dataclasses.dataclass(frozen=True)
class Export:
    """The options of the command."""

    model: Path
    data: str | None
    c: Path | None
    name: str | None
    member: str | None
    encoded: bool
    table: str | None
    sql: str | None
    reading: Mapping[str, Any]
    force: bool
    as_json: bool
    quiet: bool


def export_model(task: Export) -> None:
    """Write a model in the forms that were asked for, and report what its tests found."""
    from deltarule.export.c_names import check_prefix
    from deltarule.export.c_program import check_folder

    if task.c is None:
        raise InputError(
            Message("no form to export to was given"),
            parameter="c",
            expected=Message(Parameter("c"), " DIR"),
        )
    if task.name is not None:
        check_prefix(task.name)
    check_output_folder(task.c, task.force, "--c")
    check_folder(task.c, overwrite=task.force)
    with output.live(task.quiet or task.as_json) as show:
        show("reading the model")
        model = _load(task.model)
        rows = None
        if task.data is not None or task.sql is not None:
            if not isinstance(model, TableModel):
                raise InputError(
                    "DATA was given for a network without a table; expected no DATA: its test has "
                    "random inputs"
                )
            show("reading the table")
            rows = read_rows(model, task.data, task.table, task.sql, task.reading)
        facts, said, notes = _to_c(task, model, rows, show)
    if task.as_json:
        output.json_object({"model": str(task.model), **facts, "notes": notes})
    elif not task.quiet:
        for each in said:
            output.say(each)
        output.notes(notes)


def _load(folder: Path) -> TableModel | Model:
    try:
        return TableModel.load(folder) if holds_table(folder) else load_model(folder)
    except InputError as error:  # such as an activation that is not registered
        raise FileError(error.message) from error


def _to_c(
    task: Export, model: TableModel | Model, rows: Table | None, show: Any
) -> tuple[dict[str, Any], list[str], list[str]]:
    """Write the C program; return facts for JSON, lines to print, and notes."""
    from deltarule.export import to_c
    from deltarule.export.c_names import identifier

    folder = task.c
    assert folder is not None
    name = task.name
    if name is None:
        name = identifier(task.model.resolve().name.removesuffix(".model")) or "network"
    show("exporting, and testing the program")
    program = to_c(model, data=rows, name=name, member=task.member, encoded=task.encoded)
    saved_or_elsewhere(
        folder,
        lambda place: program.save(place, overwrite=task.force),
        program.save,
        "the C program in ",
    )
    said = [f"Wrote {', '.join([*program.files, f'{name}.json'])} to {folder}."]
    if program.tested is not None:
        said.append(f"Tested against the model: {program.tested}.")
    for size in program.sizes:
        stack = "" if size.stack is None else f", at most {size.stack:,} of stack"
        said.append(
            f"Bytes ({size.target}): {size.flash:,} of flash, {size.ram:,} of static RAM{stack}; "
            "without the mathematics library."
        )
    facts = {
        "c": str(folder),
        "name": name,
        "rows": program.rows,
        "tested": program.tested,
        "sizes": [dataclasses.asdict(size) for size in program.sizes],
    }
    return facts, said, [output.spelled(note) for note in program.notes]

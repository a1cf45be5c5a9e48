"""``deltarule export``: a model as a program for other machines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deltarule.cli import output
from deltarule.cli.output_paths import (
    changed_extras,
    check_output_file,
    check_output_folder,
    saved_or_elsewhere,
    write_output,
)
from deltarule.cli.run_predict import read_rows
from deltarule.errors import FileError, InputError, Message, Parameter, printable
from deltarule.tables import Table
from deltarule.tabular import TableModel
from deltarule.training import Model, load_model
from deltarule.training.inspection import distilled_text, member_text, model_fingerprint
from deltarule.training.model import holds_table

__all__ = ["Export", "export_model"]


@dataclasses.dataclass(frozen=True)
class Export:
    """The options of the command."""

    model: Path
    data: str | None
    c: Path | None
    onnx: Path | None
    name: str | None
    member: str | None
    encoded: bool
    table: str | None
    sql: str | None
    reading: Mapping[str, Any]
    force: bool
    as_json: bool
    quiet: bool


class _Exported(NamedTuple):
    """A form of the model that passed its test."""

    write: Callable[[], None]
    facts: dict[str, Any]
    said: list[str]
    notes: Sequence[str]


def export_model(task: Export) -> None:
    """Write a model in the forms that were asked for, and report what its tests found."""
    from deltarule.export.c_names import check_prefix
    from deltarule.export.c_program import check_folder

    if task.c is None and task.onnx is None:
        raise InputError(
            Message("no form to export to was given"),
            parameter="c",
            expected=Message(Parameter("c"), " DIR or ", Parameter("onnx"), " FILE"),
        )
    if task.c is None and (task.encoded or task.name is not None):
        of_c = "encoded" if task.encoded else "name"
        raise InputError(
            Message(Parameter(of_c), " was given without ", Parameter("c"), ", which it is for"),
            parameter=of_c,
            hint=Message("leave it out, or give ", Parameter("c"), " DIR"),
        )
    if task.name is not None:
        check_prefix(task.name)
    if task.c is not None:
        check_output_folder(task.c, task.force, "--c")
        check_folder(task.c, overwrite=task.force)
    if task.onnx is not None:
        check_output_file(task.onnx, task.force, "--onnx", [".onnx"])
    with output.live(task.quiet or task.as_json) as show:
        show("reading the model")
        model = _load(task.model)
        if task.member is not None:
            from deltarule.export.subject import network_of_member

            model = network_of_member(model, task.member)
        rows = None
        if task.data is not None or task.sql is not None:
            if not isinstance(model, TableModel):
                raise InputError(
                    "DATA was given for a network without a table; expected no DATA: its test has "
                    "random inputs"
                )
            show("reading the table")
            rows = read_rows(model, task.data, task.table, task.sql, task.reading)
        forms = ((task.c, _to_c), (task.onnx, _to_onnx))
        # All tests are run before anything is written.
        exported = [form(task, model, rows, show) for place, form in forms if place is not None]
        for each in exported:
            each.write()
    facts = {name: value for each in exported for name, value in each.facts.items()}
    notes = list(dict.fromkeys(output.spelled(note) for each in exported for note in each.notes))
    notes += changed_extras(task.model)
    origin = model.report if isinstance(model, TableModel) else {}
    distilled, member = origin.get("distilled"), origin.get("member")
    distance = [] if distilled is None else [f"Distilled: {distilled_text(distilled)}."]
    distance += [] if member is None else [f"Exported: {member_text(member)}."]
    if task.as_json:
        about = {"model": str(task.model), **facts, "distilled": distilled, "member": member}
        output.json_object({**about, "notes": notes})
    elif not task.quiet:
        for line in (*(line for each in exported for line in each.said), *distance):
            output.say(line)
        output.notes(notes)


def _load(folder: Path) -> TableModel | Model:
    try:
        return TableModel.load(folder) if holds_table(folder) else load_model(folder)
    except InputError as error:  # such as an activation that is not registered
        raise FileError(error.message) from error


def _to_c(task: Export, model: TableModel | Model, rows: Table | None, show: Any) -> _Exported:
    """Return the C program."""
    from deltarule.export import to_c
    from deltarule.export.c_names import identifier

    folder = task.c
    assert folder is not None
    name = task.name
    if name is None:
        name = identifier(task.model.resolve().name.removesuffix(".model")) or "network"
    show("exporting, and testing the program")
    program = to_c(
        model,
        data=rows,
        name=name,
        encoded=task.encoded,
        fingerprint=model_fingerprint(task.model),
    )

    def write() -> None:
        saved_or_elsewhere(
            folder,
            lambda place: program.save(place, overwrite=task.force),
            program.save,
            "the C program in ",
        )

    comparison = program.description["comparison"]
    said = [f"Wrote {', '.join([*program.files, f'{name}.json'])} to {folder}."]
    if program.largest_difference is not None and program.largest_share is not None:
        proof = _proof(model, program.largest_difference, program.largest_share)
        proof += _labels(program.differing_labels, program.rows)
        said.append(f"Tested against the model on {program.rows:,} rows: {proof}.")
        line = _rows_line(comparison)
        if comparison["data_given"] and comparison["given_rows"] < comparison["data"]["rows"]:
            line = f"{line[:-1]}; the program's own test, {name}_test.c, has at most 100."
        said.append(line)
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
        **_rows_facts(comparison),
        "tested": program.tested,
        "largest_difference": program.largest_difference,
        "share_of_tolerance": program.largest_share,
        "differing_labels": program.differing_labels,
        "sizes": [dataclasses.asdict(size) for size in program.sizes],
    }
    return _Exported(write, facts, said, program.notes)


def _to_onnx(task: Export, model: TableModel | Model, rows: Table | None, show: Any) -> _Exported:
    """Return the ONNX graph."""
    from deltarule.export import to_onnx

    file = task.onnx
    assert file is not None
    show("exporting, and comparing the graph with the model")
    exported = to_onnx(model, data=rows, fingerprint=model_fingerprint(task.model))

    def write() -> None:
        write_output(file, task.force, exported.content, "the ONNX graph in ")

    proof = _proof(model, exported.largest_difference, exported.largest_share)
    proof += _labels(exported.differing_labels, exported.rows)
    size, outputs = f"{len(exported.content):,} bytes", ", ".join(exported.outputs)
    said = [
        f"Wrote {file}: {size}, {len(exported.inputs)} inputs, outputs {outputs}.",
        f"Compared with the model on {exported.rows:,} rows: {proof}.",
        _rows_line(exported.comparison),
    ]
    facts = {
        "onnx": str(file),
        "onnx_inputs": list(exported.inputs),
        "onnx_outputs": list(exported.outputs),
        "onnx_rows": exported.rows,
        **{f"onnx_{name}": each for name, each in _rows_facts(exported.comparison).items()},
        "onnx_largest_difference": exported.largest_difference,
        "onnx_share_of_tolerance": exported.largest_share,
        "onnx_differing_labels": exported.differing_labels,
    }
    return _Exported(write, facts, said, exported.notes)


def _rows_line(comparison: dict[str, Any]) -> str:
    from deltarule.export.subject import rows_words

    return f"The rows: {rows_words(comparison)}."


def _rows_facts(comparison: dict[str, Any]) -> dict[str, Any]:
    names = ("given_rows", "made_rows", "left_out_rows", "data")
    return {name: comparison[name] for name in names}


def _labels(differing: int | None, rows: int) -> str:
    """Return in how many rows the label is another than the model's; "" without labels."""
    return "" if differing is None else f"; {differing:,} of {rows:,} labels differ"


def _proof(model: TableModel | Model, difference: float, share: float) -> str:
    """Return how far predictions are from the model's, in the units of the table.

    ``share`` is what that is of the difference that rounding alone may make.
    """
    if difference == 0:
        return "the same predictions, to the last bit"
    what, value, unit = "outputs", difference, ""
    if isinstance(model, TableModel) and model.task == "classification":
        what, value, unit = "probabilities", 100 * difference, " percentage points"
    elif isinstance(model, TableModel):
        name = "the target" if model.schema.target is None else repr(model.schema.target.name)
        what, unit = "predictions", f", in the unit of {printable(name)}"
    said = f"{what} differ by at most {value:.2g}{unit}"
    return f"{said}; rounding may explain {1 / share:,.0f} times as much" if share else said

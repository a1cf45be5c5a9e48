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
from deltarule.errors import FileError, InputError, Message, Parameter
from deltarule.tables import Table
from deltarule.tabular import TableModel
from deltarule.training import Model, load_model
from deltarule.training.inspection import model_fingerprint
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
    from deltarule.export.comparison import model_facts, model_lines

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
    about = model_facts(model, model_fingerprint(task.model))
    if task.as_json:
        said = {"model": str(task.model), "model_fingerprint": about["fingerprint"], **facts}
        for name in ("trained_on", "distilled", "member"):
            said[name] = about.get(name)
        output.json_object({**said, "notes": notes})
    elif not task.quiet:
        of_model = map(output.sentence, model_lines(about))
        for line in (*(line for each in exported for line in each.said), *of_model):
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
    from deltarule.export.c_source import command_of_test

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
    checksums = program.checksums
    *files, manifest = checksums
    said = [
        f"Wrote {', '.join(files)} to {folder}, and {manifest}, which has their checksums.",
        *_proof(model, manifest, checksums[manifest], comparison),
        f"{name}_test.c has these rows, and makes the comparison wherever it is compiled and run:",
        f"  cd {output.shell_word(str(folder))} && {command_of_test(name)}",
    ]
    for size in program.sizes:
        stack = "" if size.stack is None else f", at most {size.stack:,} of stack"
        said.append(
            f"Bytes ({size.target}): {size.flash:,} of flash, {size.ram:,} of static RAM{stack}; "
            "without the mathematics library."
        )
    facts = {
        "c": str(folder),
        "name": name,
        "sha256": checksums,
        **_comparison_facts(comparison),
        "tested": program.tested,
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

    size, outputs = f"{len(exported.content):,} bytes", ", ".join(exported.outputs)
    said = [
        f"Wrote {file}: {size}, {len(exported.inputs)} inputs, outputs {outputs}.",
        *_proof(model, str(file), exported.sha256, exported.comparison),
    ]
    facts = {
        "onnx": str(file),
        "onnx_inputs": list(exported.inputs),
        "onnx_outputs": list(exported.outputs),
        "onnx_sha256": exported.sha256,
        **_comparison_facts(exported.comparison, "onnx_"),
    }
    return _Exported(write, facts, said, exported.notes)


def _proof(
    model: TableModel | Model,
    file: str,
    digest: str,
    comparison: Mapping[str, Any],
) -> list[str]:
    """Return which file was compared on which rows, and what was found."""
    from deltarule.export.comparison import compared_with, comparison_lines, model_facts

    # What was compared is the model as it is in memory, one network of it if that was asked for.
    with_ = compared_with(model_facts(model, ""))
    return [
        f"sha256 of {file}: {digest}.",
        *map(output.sentence, comparison_lines(comparison, with_)),
    ]


def _comparison_facts(comparison: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    names = ("rows", "given_rows", "made_rows", "left_out_rows", "data", "quantity", "unit",
             "precision", "largest_difference", "tolerance", "share_of_tolerance",
             "differing_labels")  # fmt: skip
    return {f"{prefix}{name}": comparison[name] for name in names}

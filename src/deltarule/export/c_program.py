"""A trained network as a C99 program, which is compiled and compared with the model."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import ExportMismatch, InputError
from deltarule.export.c_compiler import (
    Sizes,
    compiler,
    host_sizes,
    m4_sizes,
    run_test,
    write_files,
)
from deltarule.export.c_names import check_prefix
from deltarule.export.c_source import CSource
from deltarule.export.comparison import Differences, comparison_facts, model_facts
from deltarule.export.equality import EqualityRows, encoded_rows, rows_of_schema, table_rows
from deltarule.export.subject import exported_network, network_of_member
from deltarule.files import Bundle, check_bundle_path, write_bundle
from deltarule.files.names import C_PROGRAM
from deltarule.files.scratch import scratch_folder, writing_scratch
from deltarule.tables import Table, TypedColumns, apply_schema, table_from_frame

__all__ = ["CProgram", "check_folder", "to_c"]

KIND, VERSION = C_PROGRAM
_ROWS = 100
_NOT_RUN = "no C compiler was found, so that the program was not compared with the model"


@dataclasses.dataclass(frozen=True)
class CProgram:
    """A network as C source, with what its test found.

    Attributes
    ----------
    name : str
        What the names of its files and functions begin with.
    files : dict of str to str
        The texts of ``NAME.h``, ``NAME.c`` and ``NAME_test.c``.
    description : dict
        What ``NAME.json`` holds: the columns with the codes of their levels, and the outputs.
    rows : int
        How many rows the test has.
    tested : str or None
        What the test printed; None if there is no compiler, so that it was not run.
    largest_share : float or None
        The largest error as a share of its tolerance.
    largest_difference : float or None
        The largest error itself: of a number in the unit of the target, or of a probability.
    differing_labels : int or None
        In how many rows the label is not the model's, which is allowed only where either may be the
        more probable by rounding; None without classes, or if the test was not run.
    sizes : tuple of Sizes
        Bytes of the compiled program, for each compiler that is there.
    notes : tuple of str
        What a reader should know: what was not exported, or not tested.

    Examples
    --------
    See :func:`to_c`.
    """

    name: str
    files: dict[str, str]
    description: dict[str, Any]
    rows: int
    tested: str | None
    largest_share: float | None
    largest_difference: float | None
    sizes: tuple[Sizes, ...]
    notes: tuple[str, ...]
    differing_labels: int | None = None

    @property
    def checksums(self) -> dict[str, str]:
        """The SHA-256 of each file by name; that of ``manifest.json``, last, stands for all."""
        return {
            name: hashlib.sha256(content).hexdigest()
            for name, content in self._bundle().contents(self._extras()).items()
        }

    def _bundle(self) -> Bundle:
        return Bundle(KIND, VERSION, {f"{self.name}.json": self.description}, {})

    def _extras(self) -> dict[str, bytes]:
        return {name: text.encode("utf-8") for name, text in self.files.items()}

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the files to a folder, all in one step, with a manifest of their checksums.

        Parameters
        ----------
        folder : path
        overwrite : bool
            Whether a program that was exported before may be replaced; nothing else ever is.

        Raises
        ------
        FileError
            If the folder exists or cannot be written.
        """
        bundle = self._bundle()
        write_bundle(
            folder,
            KIND,
            VERSION,
            bundle.documents,
            bundle.arrays,
            overwrite=overwrite,
            extras=self._extras(),
        )


def to_c(
    model: Any,
    folder: str | os.PathLike[str] | None = None,
    data: Any = None,
    *,
    name: str = "network",
    member: str | None = None,
    encoded: bool = False,
    overwrite: bool = False,
    rows: int = _ROWS,
    fingerprint: str = "",
) -> CProgram:
    """Return a trained network as a C99 program that computes its predictions.

    One header and one source file, in float, with constant tables and without allocation; nothing
    but ``math.h`` is needed. A model of a table takes its rows: numbers and dates in double,
    categories as codes, which the header and a JSON file list. A third file, with a ``main``, tests
    the others. If there is a C compiler (``$CC``, cc, gcc or clang) the test is compiled and run,
    and an export that fails it is an error.

    Parameters
    ----------
    model : NetworkModel, PortfolioModel, MLPClassifier, MLPRegressor or Model
        Of a portfolio, ``member`` names the one to take.
    folder : path, optional
        Where to write the program, after it passed its test.
    data : table, frame or array, optional
        Rows to test with, of which half of ``rows`` at most are taken; random ones, within the
        ranges of training, if not given. To those of a table as many at most are added in which
        cells are missing, levels unknown and numbers out of scale; fewer if there are few columns.
    name : str
        What the names of files and functions begin with.
    member : str, optional
        A member of a portfolio, whose first network is exported.
    encoded : bool
        Whether the program takes the inputs of the network, and no rows of a table.
    overwrite : bool
        Whether a program in the folder may be replaced.
    rows : int
        The most rows of the test.
    fingerprint : str
        Of the model's files, as ``deltarule inspect`` shows it, for ``NAME.json``.

    Returns
    -------
    CProgram

    Raises
    ------
    InputError
        If the model is a portfolio, or a part of it has no form in C: a column of free text, a
        formula with an operation of its author's own; what it is is named, and nothing is written.
    ExportMismatch
        If the program could not be compiled, or predicts something else than the model.
    FileError
        If the folder cannot be written.

    Examples
    --------
    >>> from deltarule import Model, Network
    >>> net = Network([2, 1], activation=[])
    >>> program = to_c(Model(net, net.pack(W=[[[2.0, -0.5]]], b=[[1.0]])), name="plane")
    >>> print("void" + program.files["plane.c"].split("void")[-1])
    void plane_predict(const float x[PLANE_N_INPUTS], float out[PLANE_N_OUTPUTS]) {
      dr_layer(W1, b1, x, 2, 1, out);
    }
    """
    check_prefix(name)
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 4:
        raise InputError(parameter="rows", given=rows, expected="a whole number of at least 4")
    if folder is not None:
        check_folder(folder, overwrite=overwrite)
    if member is not None:
        model = network_of_member(model, member)
    subject = exported_network(model, encoded=encoded)
    source = CSource.of(subject, name)
    files = {f"{name}.h": source.header(), f"{name}.c": source.source()}
    if not source.has_rows and subject.schema is not None:
        data = None  # rows of a table are no inputs
    tested_rows = _rows(source, data, int(rows))
    files[f"{name}_test.c"] = source.test(tested_rows)
    command, tested, sizes, notes = compiler(), None, tuple[Sizes, ...](), [*subject.notes]
    with scratch_folder() as place:
        with writing_scratch():
            write_files(place, files)
        found = [m4_sizes(place, name)]
        if command is None:
            notes.append(_NOT_RUN)
        else:
            tested = _tested(command, place, name)
            found.insert(0, host_sizes(command, place, name))
        sizes = tuple(each for each in found if each is not None)
    if not sizes:
        notes.append("its size was not measured, since no compiler was found")
    if tested_rows.left_out:
        notes.append(
            f"{tested_rows.left_out} rows are not tested, since numbers in the network are beyond "
            "float32 there"
        )
    if data is None:
        notes.append(
            "the rows of its test are random, within the ranges of training; give rows of a table "
            "for a test with these"
            if source.has_rows
            else "the inputs of its test are random"
        )
    labels = _number_in(tested, r"(\d+) labels differ")
    differences = Differences(
        subject.quantity,
        "float32",
        _number_in(tested, r"the largest error is (\S+),"),
        _number_in(tested, r"where (\S+) are tolerated"),
        _number_in(tested, r"no error is more than (\S+) of its tolerance"),
        None if labels is None else int(labels),
    )
    comparison = comparison_facts(
        model,
        data,
        differences,
        compared=len(tested_rows),
        given=tested_rows.given,
        drawn="schema" if source.has_rows else "normal",
        left_out=tested_rows.left_out,
    )
    facts = model_facts(model, fingerprint)
    program = CProgram(
        name,
        files,
        {**source.description(), "model": facts, "comparison": comparison},
        len(tested_rows),
        tested,
        differences.share,
        differences.largest,
        sizes,
        tuple(notes),
        differences.labels,
    )
    if folder is not None:
        program.save(folder, overwrite=overwrite)
    return program


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Refuse a folder that a program could not be written to.

    Raises
    ------
    FileError
        If it exists (without ``overwrite``), holds something else, or nothing can be written there.
    """
    check_bundle_path(folder, KIND, overwrite=overwrite)


def _rows(source: CSource, data: Any, most: int) -> EqualityRows:
    subject = source.subject
    if not source.has_rows:
        return encoded_rows(subject, data, most)
    assert subject.schema is not None
    if data is None:
        given = {code.column.name for code in source.columns}
        absent = [each for each in subject.schema.names if each not in given]
        typed = rows_of_schema(source.columns, absent, most)
    elif isinstance(data, TypedColumns):
        typed = data
    else:
        table = data if isinstance(data, Table) else table_from_frame(data, na=subject.schema.na)
        typed = apply_schema(subject.schema, table, need_target=False)
    if not len(typed):
        raise InputError("data has no rows", parameter="data", expected="at least one row")
    return table_rows(subject, source.columns, typed, most)


def _number_in(printed: str | None, pattern: str) -> float | None:
    """Return a number that a test printed; None if it was not run."""
    found = re.search(pattern, printed or "")
    return float(found[1]) if found else None


def _tested(command: list[str], place: Path, name: str) -> str:
    """Return what the test printed; raise if it failed."""
    status, output = run_test(command, place, name)
    if status == 0:
        return output
    line = re.sub(r"\s+", " ", output)[:500]
    if status is None:
        raise ExportMismatch(
            f"the program could not be compiled by {command[0]!r} and run: {line}; expected a "
            "compiler of C99 for this machine; set the environment variable CC to another, or to "
            "'none' for an export without its test"
        )
    raise ExportMismatch(
        f"the program does not predict what the model predicts: {line}; nothing was written. "
        "Expected errors that float32 explains; export the network with fewer or smaller layers, "
        "or report this"
    )

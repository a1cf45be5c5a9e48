"""Output paths, which are checked before any work is done, and writing that loses no result."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deltarule.cli import output
from deltarule.cli.prediction_writer import PredictionWriter
from deltarule.cli.status import save_uninterrupted
from deltarule.errors import FileError, InputError
from deltarule.files import (
    check_bundle_path,
    check_file_path,
    consistent_read,
    is_bundle,
    is_stream,
    save_elsewhere,
    write_bytes,
)
from deltarule.files.filesystem import translate_os_errors
from deltarule.tables.addresses import is_url
from deltarule.tabular import TableModel
from deltarule.training.inspection import (
    REPORT,
    extras_warnings,
    model_checksums,
    training_table,
    training_table_text,
)
from deltarule.training.model import KIND as MODEL
from deltarule.training.recording import FOLDER
from deltarule.training.recording import KIND as RECORDING

__all__ = [
    "FORMATS",
    "SavedElsewhere",
    "changed_extras",
    "check_data",
    "check_model_folder",
    "check_output_file",
    "check_output_folder",
    "default_folder",
    "fingerprint_lines",
    "make_parent",
    "origin_lines",
    "saved_or_elsewhere",
    "write_output",
    "write_predictions",
    "written_checksum",
]


class SavedElsewhere(FileError):
    """The result could not be saved as asked, and was saved at ``path`` instead."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


def default_folder(data: str | None) -> Path:
    """Return the default folder of a model: the data's name with ``.model``, in this folder.

    Examples
    --------
    >>> default_folder("tables/iris.csv").name, default_folder("t/part-*.csv").name
    ('iris.model', 'part.model')
    >>> default_folder("postgres://me:secret@db.example/sales?password=x").name
    'sales.model'
    """
    stem = "" if data is None else Path(urlsplit(data).path if is_url(data) else data).stem
    if data is not None and Path(data).is_file():
        # Not a pattern: t[1].csv and t1.csv need different folders.
        return Path(f"{stem}.model")
    return Path(f"{''.join(c for c in stem if c not in '*?[]').strip('-_. ') or 'data'}.model")


def check_model_folder(folder: Path, force: bool, record: bool = False) -> None:
    """Refuse a folder to which the model, and its recording, could not be written."""
    with translate_os_errors("write", folder):
        _check_free(folder, force)
        consistent_read(folder, lambda: _check_existing(folder, record))
        _check_writable(folder)
        check_bundle_path(folder, MODEL, overwrite=force)


def _check_existing(folder: Path, record: bool) -> None:
    if folder.exists() and not is_bundle(folder, MODEL):
        raise FileError(
            f"{str(folder)!r} is not the folder of a model, so it is left as it is; --force "
            "replaces models only. Name another folder with --out"
        )
    place = folder / FOLDER
    if record and place.exists() and not is_bundle(place, RECORDING):
        raise FileError(
            f"{str(place)!r} is not a recording, so it is left as it is; move it away, or "
            "leave --record out"
        )


def check_output_file(out: Path, force: bool, option: str, endings: Sequence[str]) -> None:
    """Refuse a file that could not be written."""
    if out.suffix.lower() not in endings:
        raise InputError(
            parameter=option.removeprefix("--"),
            given=str(out),
            expected=f"a name that ends in {', '.join(endings)}",
        )
    with translate_os_errors("write", out):
        if out.is_dir():
            raise FileError(
                f"{str(out)!r} is a folder; expected a file's name; give {option} another"
            )
        _check_free(out, force, option)
        _check_writable(out, option)
        check_file_path(out, overwrite=force)


def check_output_folder(folder: Path, force: bool, option: str) -> None:
    """Refuse a folder that exists already, without ``--force``, or could not be made."""
    with translate_os_errors("write", folder):
        _check_free(folder, force, option)
        _check_writable(folder, option)


def _check_free(place: Path, force: bool, option: str = "--out") -> None:
    if os.path.lexists(place) and not force:
        raise FileError(
            f"{str(place)!r} exists already; name another with {option}, or replace it with --force"
        )


def _check_writable(target: Path, option: str = "--out") -> None:
    place = target.absolute().parent
    try:
        while not place.exists():
            place = place.parent
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise FileError(
            f"cannot write to {str(place)!r} ({error.strerror or error}); expected a folder that "
            f"can be written to; name another place with {option}"
        ) from error


def write_predictions(
    out: Path | None, columns: Mapping[str, Any], force: bool = False, *, safe_csv: bool = False
) -> None:
    """Write columns as CSV, TSV, JSON lines or Parquet; as CSV to standard output without ``out``.

    On a terminal, control characters in labels are escaped; files and pipes get them unchanged.
    """
    if out is None:
        writer = PredictionWriter(None, ".csv", safe_csv=safe_csv)
        writer.write(columns)
        return
    buffer = io.BytesIO()
    with PredictionWriter(buffer, out.suffix.lower(), safe_csv=safe_csv) as writer:
        writer.write(columns)
    write_output(out, force, buffer.getvalue(), "the predictions in ")


def write_output(out: Path, force: bool, data: bytes, title: str = "") -> None:
    """Write a file; if that fails, write another file, which the error names."""

    def write(path: Path, *, overwrite: bool = False) -> None:
        make_parent(path)
        write_bytes(path, data, overwrite=overwrite)

    with translate_os_errors("write", out):
        stream = is_stream(out)
    # A pipe may never be read from, so writing to it must end at Ctrl-C.
    saved_or_elsewhere(
        out, functools.partial(write, overwrite=force), write, title, interruptible=stream
    )


def fingerprint_lines(folder: Path) -> list[str]:
    """Return what is printed of a saved model's fingerprint, and of its report's checksum."""
    fingerprint, beside = model_checksums(folder)
    if not fingerprint:
        return []
    report = beside.get(REPORT)
    lines = [
        f"Fingerprint of the model, which 'deltarule inspect' shows again: sha256 {fingerprint}"
    ]
    if report is not None:
        lines += [
            f"Checksum of {REPORT}, which the fingerprint does not cover: sha256 {report}",
            "Note both elsewhere: who edits a file can make the checksums beside it fit.",
        ]
    return lines


def written_checksum(page: bytes) -> str:
    """Return what is printed of a report that stands beside no model."""
    return (
        f"Its checksum: sha256 {hashlib.sha256(page).hexdigest()}. Note it elsewhere: nothing else "
        "shows later whether the report was edited."
    )


def changed_extras(folder: Path, *, unnamed: bool = False) -> list[str]:
    """Return a warning of each file, such as a report, that is not as it was saved with a model.

    ``unnamed`` asks for files that the model's manifest does not name, too.
    """
    return [
        f"{each}; see 'deltarule inspect {output.shell_word(str(folder))}'"
        for each in extras_warnings(folder, unnamed=unnamed)
    ]


def origin_lines(model: TableModel, folder: Path) -> list[str]:
    """Return what is printed of the table of a training, as by 'inspect', and the fingerprint."""
    table = training_table(dataclasses.asdict(model.schema), model.report)
    return [f"Trained on: {training_table_text(table)}", *fingerprint_lines(folder)]


def saved_or_elsewhere(
    place: Path,
    save: Callable[[Path], object],
    save_new: Callable[[Path], object],
    title: str = "",
    *,
    interruptible: bool = False,
) -> None:
    """Save to a path, or elsewhere if that fails; Ctrl-C is deferred until the data are written.

    ``save`` writes to ``place``, and ``save_new`` to a path that does not exist. ``title`` stands
    before the path in the message at Ctrl-C. With ``interruptible``, Ctrl-C ends the writing.
    """
    elsewhere = None
    with save_uninterrupted(f"{title}{place}", interruptible=interruptible) as saved:
        try:
            save(place)
        except FileError as error:
            path = save_elsewhere(place, save_new)
            if path is None:
                raise FileError(f"{error}; it could not be saved anywhere else either") from error
            saved[0] = f"{title}{path}"
            elsewhere = SavedElsewhere(f"{error}. It was saved as {str(path)!r} instead", path)
            elsewhere.__cause__ = error
    if elsewhere is not None:
        raise elsewhere


def make_parent(out: Path) -> None:
    """Create the folder of an output file."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder of {str(out)!r}: {error.strerror}") from error


def check_data(data: str | None, sql: str | None) -> None:
    """Refuse a command that has neither DATA nor ``--sql``."""
    if data is None and sql is None:
        raise InputError(
            "DATA is missing; expected a file, a quoted pattern of files, or --sql that names its "
            "files; see 'deltarule --help'"
        )

"""Where results go: checked before the work starts, so that none of it is lost."""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule.errors import FileError, InputError
from deltarule.files import write_bytes

__all__ = ["check_out", "default_out", "write_predictions"]

_FORMATS = (".csv", ".tsv", ".jsonl")


def default_out(data: str) -> Path:
    """The model's folder where none is named: the data's name with ``.model``, right here.

    Examples
    --------
    >>> default_out("tables/iris.csv").name
    'iris.model'
    """
    stem = "".join(c for c in Path(data).stem if c not in "*?[]") or "data"
    return Path(f"{stem}.model")


def check_out(folder: Path, force: bool) -> None:
    """Refuse, before anything is trained, a folder that the model could not be written to.

    Raises
    ------
    FileError
        If it exists (without ``force``), or its place cannot be written to.
    """
    if folder.exists() and not force:
        raise FileError(
            f"{str(folder)!r} exists already; name another with --out, or replace it with --force"
        )
    place = folder.parent
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise FileError(
            f"cannot write to {str(place)!r}: {error.strerror}; name another place with --out"
        ) from error


def write_predictions(out: Path | None, columns: Mapping[str, Any], force: bool) -> None:
    """Write columns as CSV, TSV or JSON lines; to standard output if ``out`` is None.

    Raises
    ------
    FileError
        If the file exists (without ``force``) or cannot be written.
    InputError
        If its ending is none of the formats.
    """
    suffix = ".csv" if out is None else out.suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(
            f"--out is {str(out)!r}; expected a name that ends in {', '.join(_FORMATS)}"
        )
    if out is not None and out.exists() and not force:
        raise FileError(
            f"{str(out)!r} exists already; name another with --out, or replace it with --force"
        )
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    text = io.StringIO(newline="")
    if suffix == ".jsonl":
        for row in rows:
            record = dict(zip(columns, row, strict=True))
            text.write(json.dumps(record, ensure_ascii=False) + "\n")
    else:
        delimiter = "\t" if suffix == ".tsv" else ","
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    if out is None:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
    else:
        write_bytes(out, text.getvalue().encode())

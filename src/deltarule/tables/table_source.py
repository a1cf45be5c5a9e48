"""The source of a table, to read it again and to refuse it if it has changed."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import DataError, FileError, InputError
from deltarule.files.dataclass_fields import from_json_object
from deltarule.tables.addresses import is_postgres, without_password
from deltarule.tables.file_format import FileFormat
from deltarule.tables.number_text import NumberFormat
from deltarule.tables.paths import DATABASES, check_file, matching_files, resolve_home
from deltarule.tables.reading import read_table
from deltarule.tables.standard_input import is_stdin
from deltarule.tables.table import Table
from deltarule.tables.text_column import TextColumn

__all__ = ["TableSource"]

_DIGEST_ROWS = 65_536


@dataclasses.dataclass(frozen=True)
class TableSource:
    r"""The source of a table.

    Parameters
    ----------
    data : str or None
        The file or the pattern, as it was given; the address of a Postgres database, without
        passwords; None for SQL that names its files, and for a table from memory.
    path : str or None
        The same from the root.
    table, sql : str or None
        As for :func:`read_table`.
    na : tuple of str
        The texts that meant *missing*.
    kind : {"files", "content"}
        What the digest is of: the bytes of the files, or, of a database, the result of a query
        and a table from memory, the cells.
    digest : str
        SHA-256; of one file what ``sha256sum`` prints.
    is_pattern : bool
        Whether ``data`` was taken for a pattern, since no file had that name.
    delimiter, encoding, skip, comment, names
        As for :func:`read_table`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "plants.csv")
    ...     _ = path.write_text("height,kind\n1.5,oak\n2.5,fir\n")
    ...     source = TableSource.of(read_table(path), path)
    ...     again = source.read()
    >>> source.kind, len(again)
    ('files', 2)
    """

    data: str | None
    path: str | None
    table: str | None
    sql: str | None
    na: tuple[str, ...]
    kind: str
    digest: str
    is_pattern: bool = True
    delimiter: str | None = None
    encoding: str | None = None
    skip: int = 0
    comment: str | None = None
    names: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        read: Table,
        data: str | os.PathLike[str] | None = None,
        *,
        table: str | None = None,
        sql: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        skip: int = 0,
        comment: str | None = None,
        names: str | Iterable[str] | None = None,
    ) -> TableSource:
        """The source of a table read with these arguments; without arguments, from memory."""
        text = None if data is None else os.fsdecode(data)
        text = None if is_stdin(text) else text  # it cannot be read again
        told = FileFormat.of(delimiter, encoding, skip, comment, names)
        if is_postgres(text):
            shown = without_password(text or "")
            digest = _cells_digest(read)
            return cls(
                shown, shown, table, sql, read.na, "content", digest, is_pattern=False,
                **dataclasses.asdict(told),
            )  # fmt: skip
        # The files that were read, even if the pattern matches others by now.
        paths = list(read.paths) if text is None or read.paths else matching_files(text)
        kind = "files" if text is not None and _is_files(paths, sql) else "content"
        digest = _files_digest(paths) if kind == "files" else _cells_digest(read)
        path = None if text is None else os.path.abspath(resolve_home(text))  # noqa: PTH100  patterns too
        is_pattern = text is not None and not os.path.lexists(resolve_home(text))
        place = (text, path, table, sql, read.na, kind, digest, is_pattern)
        return cls(*place, **dataclasses.asdict(told))

    def read(
        self,
        data: str | os.PathLike[str] | None = None,
        *,
        number_formats: Mapping[str, NumberFormat] | None = None,
    ) -> Table:
        """The same table again, from where it was or from another place.

        ``number_formats`` are those of the schema, as :func:`read_table` takes them.

        Raises
        ------
        FileError
            If it is not there any more.
        DataError
            If it is another one now.
        InputError
            If it was never in a file.
        """
        place = self._find_place() if data is None else os.fsdecode(data)
        if place is None and self.sql is None:
            raise InputError(
                "the table was made in memory, and no file of it is known (nor of standard "
                "input); expected the table, or "
                "a file with the same cells; give it as data"
            )
        by_files = self.kind == "files" and place is not None
        if by_files and place is not None:
            self._check_digest(_files_digest(matching_files(place)), place)
        read = read_table(
            place,
            table=self.table,
            sql=self.sql,
            na=self.na,
            delimiter=self.delimiter,
            encoding=self.encoding,
            skip=self.skip,
            comment=self.comment,
            names=self.names,
            number_formats=number_formats,
        )
        if not by_files:
            self._check_digest(_cells_digest(read), place or "the SQL result")
        return read

    @property
    def is_server(self) -> bool:
        """Whether it is a database of a server, to which reading it again connects."""
        return is_postgres(self.data)

    def check(self, read: Table) -> None:
        """Refuse a table from memory that is another one, as far as its cells are recorded.

        Raises
        ------
        DataError
            If its cells are others.
        """
        if self.kind == "content":
            self._check_digest(_cells_digest(read), read.source)

    def to_dict(self) -> dict[str, Any]:
        """The source as a dictionary that JSON can hold."""
        return dataclasses.asdict(self) | {"na": list(self.na)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TableSource:
        """What :meth:`to_dict` wrote down.

        Raises
        ------
        TypeError, ValueError
            If it is no such record.
        """
        return from_json_object(cls, data)

    def _find_place(self) -> str | None:
        """Where the files are now: where they were, or the same way from the folder one is in."""
        if self.data is None or self.path is None or is_postgres(self.data):
            return self.data
        for place in (self.path, self.data):
            if not self.is_pattern and not os.path.lexists(resolve_home(place or "")):
                continue
            if any(path.is_file() for path in _existing_files(place)):
                return place
        raise FileError(
            f"the data of the training, {self.path!r}, are not there; expected them where they "
            "were; give their new place as DATA"
        )

    def _check_digest(self, found: str, place: str) -> None:
        if found != self.digest:
            what = "files" if self.kind == "files" else "cells"
            raise DataError(
                f"{without_password(place)!r} is not what the network was trained on: the SHA-256 "
                f"of its {what} is {found[:16]}…, expected {self.digest[:16]}…; give the data as "
                "they were, or train again on these"
            )


def _existing_files(place: str) -> list[Path]:
    try:
        return matching_files(place)
    except FileError:
        return []


def _is_files(paths: Sequence[Path], sql: str | None) -> bool:
    """Whether what is read is the bytes of the files: another table of a database is not."""
    return sql is None and not any(
        path.suffix.lower() in DATABASES or not path.is_file() for path in paths
    )


def _files_digest(paths: Sequence[Path]) -> str:
    """The digest of a file; of several in their order, that of their digests."""
    digests = []
    for path in paths:
        if path.exists() and not path.is_dir():
            check_file(path)  # a recording from elsewhere may name a pipe
        try:
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise FileError(
                f"cannot read {str(path)!r}: {error.strerror or error}; expected the data of the "
                "training; give their place as DATA"
            ) from error
    return digests[0] if len(digests) == 1 else _texts_digest(digests)


def _texts_digest(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _cells_digest(read: Table) -> str:
    """The digest of names, kinds and cells."""
    digest = hashlib.sha256()
    for name in read.names:
        column = read.column(name)
        digest.update(f"{name}\0{read.kinds.get(name, '')}\0{column.dtype.kind}\0".encode())
        if isinstance(column, TextColumn):
            # "-" marks a missing cell; the length keeps adjacent cells apart.
            marked = column.map_texts(lambda text: f"{len(text)}:{text}")
            for start in range(0, len(marked), _DIGEST_ROWS):
                texts = [cell or "-" for cell in marked[start : start + _DIGEST_ROWS]]
                separator = "\0" if start else ""
                digest.update((separator + "\0".join(texts)).encode("utf-8", "surrogatepass"))
        else:
            digest.update(column.tobytes())
    return digest.hexdigest()

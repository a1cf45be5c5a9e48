"""Text files as the parser reads them: without comments, and with one character between fields."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from deltarule.files.scratch import scratch_folder, writing_scratch
from deltarule.tables.file_format import FileFormat
from deltarule.tables.text_dialect import BLANK, split_at_blanks
from deltarule.tables.text_header import first_line

__all__ = ["normal_form"]


@contextmanager
def normal_form(path: Path, told: FileFormat) -> Iterator[tuple[Path, FileFormat]]:
    r"""Yield a file with the same rows on the same lines, and how it is written.

    It is the file itself, unless it has comments or blanks between its fields; then a temporary
    one, in which comments are blank lines and fields are separated by tabs.

    Parameters
    ----------
    path : Path
        A file that :func:`~deltarule.tables.text_header.scan_file` accepted.
    told : FileFormat
        What is known of it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.txt")
    ...     _ = path.write_text("x  y\n! made in 2020\n1   2\n")
    ...     with normal_form(path, FileFormat(" ", comment="!")) as (plain, written):
    ...         plain.read_text(), written.delimiter
    ('x\ty\n\n1\t2\n', '\t')
    """
    by_blanks = told.delimiter == BLANK
    if told.comment is None and told.delimiter is None:
        by_blanks = first_line(path, told)[1] == BLANK
    if told.comment is None and not by_blanks:
        yield path, told
        return
    with scratch_folder() as folder:
        with writing_scratch():
            target = Path(folder, path.name)
            if told.comment is not None:
                _copy_without_comments(path, target, told.comment, told.skip)
                if told.delimiter is None:
                    by_blanks = first_line(target, told)[1] == BLANK
                path = target
            if by_blanks:
                target = Path(folder, "tabs", path.name)
                target.parent.mkdir()
                _copy_with_tabs(path, target)
                told = replace(told, delimiter="\t")
        yield target, told


def _line_break(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _copy_without_comments(path: Path, target: Path, comment: str, skip: int) -> None:
    is_quoted = False
    with (
        path.open(encoding="utf-8-sig", newline="") as source,
        target.open("w", encoding="utf-8", newline="") as file,
    ):
        for number, line in enumerate(source, start=1):
            if not is_quoted and line.startswith(comment):
                file.write(_line_break(line))
                continue
            if number > skip and line.count('"') % 2:
                is_quoted = not is_quoted
            file.write(line)


def _copy_with_tabs(path: Path, target: Path) -> None:
    with (
        path.open(encoding="utf-8-sig", newline="") as source,
        target.open("w", encoding="utf-8", newline="") as file,
    ):
        for line in source:
            file.write("\t".join(split_at_blanks(line)) + _line_break(line))

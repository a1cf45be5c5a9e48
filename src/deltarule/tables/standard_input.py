"""Standard input as a temporary file, whose format is found by how it begins."""

from __future__ import annotations

import bz2
import lzma
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.files.scratch import scratch_folder, writing_scratch
from deltarule.tables.paths import head_is_duckdb
from deltarule.tables.plain_file import open_zstd

__all__ = ["STDIN", "is_stdin", "stdin_file"]

STDIN = "-"
"""What names standard input, where there is no file of that name."""

_CHUNK = 1 << 20
_PACKED: dict[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": (".gz", lambda head: zlib.decompressobj(wbits=31).decompress(head)),
    b"BZh": (".bz2", lambda head: bz2.BZ2Decompressor().decompress(head)),
    b"\xfd7zXZ\0": (".xz", lambda head: lzma.LZMADecompressor().decompress(head)),
    b"\x28\xb5\x2f\xfd": (".zst", lambda head: bytes(open_zstd(head).read(1000))),
}
_WHOLE = {b"PAR1": ".parquet", b"SQLite format 3\0": ".db", b"PK\x03\x04": ".zip"}
_JSON = {
    ".jsonl": re.compile(rb'(\xef\xbb\xbf)?\s*\{\s*["}]'),
    ".json": re.compile(rb"(\xef\xbb\xbf)?\s*\[\s*[{\]]"),
}


def is_stdin(text: str | None) -> bool:
    """Whether a path stands for standard input."""
    return text == STDIN and not os.path.lexists(STDIN)


def ending_of(head: bytes) -> str:
    """The ending of the name that a file would have which begins so; text is CSV.

    Examples
    --------
    >>> import gzip
    >>> ending_of(b"a,b"), ending_of(b'{"a": 1}'), ending_of(gzip.compress(b"a,b"))
    ('.csv', '.jsonl', '.csv.gz')
    """
    if head_is_duckdb(head):
        return ".duckdb"
    for mark, ending in _WHOLE.items():
        if head.startswith(mark):
            return ending
    for mark, (ending, unpack) in _PACKED.items():
        if head.startswith(mark):
            try:
                return ending_of(unpack(head)) + ending
            except (OSError, zlib.error, lzma.LZMAError):  # unpacking the whole raises it again
                return f".csv{ending}"
    return next((ending for ending, begin in _JSON.items() if begin.match(head)), ".csv")


@contextmanager
def stdin_file(max_bytes: float) -> Iterator[Path]:
    """Yield a file with what standard input gives, which is removed at the end.

    Parameters
    ----------
    max_bytes : float
        What it may give.

    Raises
    ------
    InputError
        If it is a terminal, or closed.
    DataError
        If it gives more.
    """
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise InputError(
            "'-' is standard input, which is a terminal or closed; expected a table from a pipe or "
            "a file, as in: cat a.csv | deltarule fit - --target y"
        )
    stream = sys.stdin.buffer
    with scratch_folder() as folder:
        chunk = stream.read(_CHUNK)
        path = Path(folder, f"stdin{ending_of(chunk)}")
        written = 0
        with writing_scratch(), path.open("wb") as file:
            while chunk:
                written += len(chunk)
                if written > max_bytes:
                    raise DataError(
                        f"standard input gives more than {max_bytes / 1e9:.3g} GB",
                        expected="at most that much",
                        hint=Message("raise the limit with ", Parameter("max_memory")),
                    )
                file.write(chunk)
                chunk = stream.read(_CHUNK)
        yield path

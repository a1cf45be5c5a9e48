"""Compressed files, and text in other encodings, as plain files in UTF-8.

The readers take plain files only. What is packed or encoded otherwise is written to a temporary
folder first, under the name it has inside, so that lines in messages are those of the text.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from deltarule.errors import DataError, FileError, InputError, Message, Parameter
from deltarule.files.filesystem import write_all
from deltarule.files.scratch import scratch_folder, writing_scratch
from deltarule.tables.memory import check_unpacked, memory_limit
from deltarule.tables.pyarrow_module import load_pyarrow
from deltarule.tables.table import join_items

__all__ = ["COMPRESSED", "data_suffix", "open_zstd", "plain_file"]

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""The endings of compressed files that are read."""


def open_zstd(source: BinaryIO | bytes) -> Any:
    """What a file compressed by Zstandard, or its bytes, hold, as a stream to read."""
    arrow = load_pyarrow()
    stream = arrow.py_buffer(source) if isinstance(source, bytes) else source
    return arrow.input_stream(stream, compression="zstd")


class _WithoutPadding:
    """A packed file for reading, in which long runs of zero bytes are an error.

    The decoders of gzip and xz skip zeros behind a stream one by one, which takes hours where a
    file was extended to gigabytes of them.
    """

    _MOST = 1 << 22

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._zeros = file, 0

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        rest = len(found.rstrip(b"\0"))
        self._zeros = len(found) - rest + (0 if rest else self._zeros)
        if self._zeros > self._MOST:
            raise OSError(f"it has more than {self._MOST:,} zero bytes in a row")
        return found


def _without_padding(file: BinaryIO) -> Any:
    return _WithoutPadding(file)


_OPEN: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=_without_padding(file), mode="rb"),
    ".bz2": lambda file: bz2.BZ2File(_without_padding(file)),
    ".xz": lambda file: lzma.LZMAFile(_without_padding(file)),  # noqa: SIM115  its user closes it
    ".zst": open_zstd,
}
# RuntimeError is raised for a password, and its subclass NotImplementedError for a rare method.
_UNPACKING_ERRORS = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    RuntimeError,
)
_CHUNK = 1 << 20


def data_suffix(path: Path) -> str:
    """The ending that gives the format of a file, that before ``.gz`` and its like.

    Examples
    --------
    >>> data_suffix(Path("a.CSV")), data_suffix(Path("a.csv.gz")), data_suffix(Path("a.gz"))
    ('.csv', '.csv', '')
    """
    suffix = path.suffix.lower()
    if suffix not in COMPRESSED:
        return suffix
    inner = Path(path.stem).suffix.lower()
    if suffix == ".zip" and path.is_file():
        return Path(_only_member(path).filename).suffix.lower()
    return inner


@contextmanager
def plain_file(
    path: Path, encoding: str | None = None, max_memory: float | None = None
) -> Iterator[Path]:
    """Yield the path of a plain file in UTF-8 with the content of a file.

    It is the file itself where it is plain already, and removed at the end otherwise.

    Parameters
    ----------
    path : Path
        The file, compressed if its name ends in one of :data:`COMPRESSED`.
    encoding : str, optional
        Of a text file, by the names of Python's codecs. UTF-16 with its byte order mark is
        recognised.
    max_memory : float, optional
        What the file may unpack to, in GB; as for :func:`~deltarule.tables.memory.memory_limit`
        unless given, and then no more than a hundred times its size.

    Raises
    ------
    InputError
        If the encoding is unknown.
    FileError
        If the file is no such archive, is damaged, or holds not exactly one file.
    DataError
        If it unpacks to more, or is not in the encoding.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv.gz")
    ...     _ = path.write_bytes(gzip.compress(b"x,y"))
    ...     with plain_file(path) as plain:
    ...         plain.name, plain.read_text()
    ('a.csv', 'x,y')
    """
    if encoding is not None:
        encoding = _codec_name(encoding)
    with ExitStack() as stack:
        if path.suffix.lower() in COMPRESSED:
            path = _unpack(path, stack.enter_context(scratch_folder()), max_memory)
        if encoding is None and _has_utf16_mark(path):
            encoding = "utf-16"
        if encoding not in (None, "utf-8"):
            path = _transcode(path, stack.enter_context(scratch_folder()), str(encoding))
        yield path


def _codec_name(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except (LookupError, TypeError, ValueError):
        raise InputError(
            parameter="encoding",
            given=encoding,
            expected="the name of an encoding, such as 'utf-8', 'latin-1', 'cp1252' or 'utf-16'",
        ) from None


def _has_utf16_mark(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    except OSError:  # reading it raises the error
        return False


def _only_member(path: Path) -> zipfile.ZipInfo:
    """The only file of a ZIP archive, folders and macOS's additions aside."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                each
                for each in archive.infolist()
                if not each.is_dir() and not each.filename.startswith("__MACOSX/")
            ]
    except (OSError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None
    if len(members) != 1:
        names = join_items((repr(each.filename) for each in members), 6) or "none"
        raise FileError(
            f"{path.name} holds {len(members)} files ({names}); expected one; unpack it, and give "
            "the file"
        )
    return members[0]


def _damaged(path: Path, error: Exception) -> FileError:
    return FileError(
        f"{path.name} cannot be unpacked ({error}); expected a file compressed as its name says; "
        "was it copied in full?"
    )


def _unpack(path: Path, folder: Path, max_memory: float | None) -> Path:
    """Write what a compressed file holds to ``folder``, under the name it has inside."""
    suffix = path.suffix.lower()
    name = path.stem
    max_bytes = memory_limit(max_memory)
    with ExitStack() as stack:
        try:
            source: BinaryIO
            packed = stack.enter_context(path.open("rb"))
            if suffix == ".zip":
                member = _only_member(path)
                name = Path(member.filename).name
                archive = stack.enter_context(zipfile.ZipFile(packed))
                source = stack.enter_context(archive.open(member))  # type: ignore[assignment]
            else:
                source = stack.enter_context(_OPEN[suffix](packed))
            target = folder / name
            written = 0
            with writing_scratch():
                file = stack.enter_context(target.open("wb", buffering=0))
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > max_bytes:
                    raise _too_large(path, max_bytes)
                check_unpacked(path.name, written, packed.tell(), max_memory)
                with writing_scratch():
                    write_all(file, chunk)
        except _UNPACKING_ERRORS as error:
            raise _damaged(path, error) from None
    return target


def _too_large(path: Path, max_bytes: float) -> DataError:
    return DataError(
        f"{path.name} unpacks to more than {max_bytes / 1e9:.3g} GB",
        expected="at most that much",
        hint=Message("unpack it first, or raise the limit with ", Parameter("max_memory")),
    )


def _transcode(path: Path, folder: Path, encoding: str) -> Path:
    """Write a text file to ``folder`` in UTF-8."""
    target = folder / path.name
    try:
        with (
            path.open(encoding=encoding, newline="") as source,
            writing_scratch(),
            target.open("w", encoding="utf-8", newline="") as file,
        ):
            line = 1
            while chunk := source.read(_CHUNK):
                at = chunk.find("\0")
                if at >= 0:  # otherwise gigabytes of them are copied before they are refused
                    line += chunk[:at].count("\n")
                    raise DataError(
                        f"{path.name}, line {line}: a NUL character; expected text",
                        hint="the file is binary, damaged, or in another encoding",
                    )
                line += chunk.count("\n")
                file.write(chunk)
    except UnicodeError as error:
        raise DataError(
            Message(f"{path.name} is not text in ", Parameter("encoding", encoding), f": {error}"),
            parameter="encoding",
            given=encoding,
            expected="the encoding that the file was saved in",
        ) from None
    except LookupError:  # a codec that is none of text, such as base64
        raise InputError(
            parameter="encoding", given=encoding, expected="a text encoding, such as 'latin-1'"
        ) from None
    return target

"""Bundles as one file: a zip archive of the files that a folder would hold.

What is written is stored and not deflated, with fixed dates and in a fixed order, so equal models
are equal bytes on every machine. What is read is not trusted. An archive that could be read in two
ways is refused: each byte belongs to one entry or to the directory, names are plain, and none is
there twice, not even in another case. Nothing is unpacked to the disk.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from deltarule.errors import InputError, ModelFileError
from deltarule.files.names import check_plain_name, remedy
from deltarule.files.stored_files import StoredFile, open_regular

__all__ = ["SUFFIX", "SingleFile", "is_single_file_name", "open_single_file", "single_file_bytes"]

SUFFIX = ".deltarule"
"""The ending of the name of a bundle that is one file."""

# The layouts of the end of the directory, of an entry of it, and of the header before the data.
_END, _ENTRY, _HEADER = (struct.Struct(each) for each in ("<4s4H2LH", "<4s6H3L5H2L", "<4s5H3L2H"))
_END_MARK, _ENTRY_MARK, _HEADER_MARK = b"PK\5\6", b"PK\1\2", b"PK\3\4"
_STORED, _DEFLATED = 0, 8
# The latest version of the format that an entry may need: what deflating needs is older.
_NEWEST = 45
# The bits of flags that tell how hard the deflation was, and that names are UTF-8.
_FLAGS = 0x0806
_MOST_ENTRIES, _MOST_DIRECTORY = 256, 1 << 20
# Deflated content may be a thousand times larger than the file, so its size is limited.
_MOST_DEFLATED = 1 << 26
_MOST_BYTES = 2**32 - 2


def is_single_file_name(path: str | os.PathLike[str]) -> bool:
    """Return whether a bundle of this name is written as one file.

    Examples
    --------
    >>> is_single_file_name("iris.deltarule"), is_single_file_name("iris.model")
    (True, False)
    """
    return Path(path).suffix == SUFFIX


def single_file_bytes(name: str, files: Mapping[str, bytes]) -> bytes:
    """Return the archive of files by name, in which equal files give equal bytes.

    Raises
    ------
    InputError
        If they are too large for one file.
    """
    if sum(map(len, files.values())) > _MOST_BYTES - _MOST_DIRECTORY:
        raise InputError(
            f"cannot write {name!r}: it would have more than 4 GiB; expected a folder for so much; "
            f"choose a name without {SUFFIX}"
        )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, allowZip64=False) as file:
        for each, data in files.items():
            entry = zipfile.ZipInfo(each, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            file.writestr(entry, data)
    return archive.getvalue()


@dataclasses.dataclass(frozen=True)
class _Entry:
    """An entry of the directory: where its header is, and its sizes before and after inflating."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


@dataclasses.dataclass(frozen=True)
class SingleFile:
    """The files of a bundle, or of a part of it, that is one file.

    Attributes
    ----------
    path : Path
    file : file object
        Open, so that everything is read from the same file even if another takes its name.
    entries : mapping of str to (entry, int)
        Each entry, and where its data begin.
    remedy : str
        What to do if it is damaged, as :func:`~deltarule.files.names.remedy` says.
    """

    path: Path
    file: io.BufferedReader
    entries: Mapping[str, tuple[_Entry, int]]
    remedy: str

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""
        return name in self.entries

    def names(self) -> set[str]:
        """Return the names of all files; of those in parts with the name of the part before."""
        return set(self.entries)

    def part(self, name: str) -> SingleFile:
        """Return the files of a part; none, if there is no such part."""
        prefix = f"{name}/"
        inner = {
            each.removeprefix(prefix): place
            for each, place in self.entries.items()
            if each.startswith(prefix)
        }
        return SingleFile(self.path / name, self.file, inner, self.remedy)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[StoredFile]:
        """Open a file of the archive."""
        path = str(self.path / name)
        if name not in self.entries:
            raise ModelFileError(f"cannot read {path!r}: No such file in the archive")
        entry, start = self.entries[name]
        self.file.seek(start)
        if entry.method == _STORED:
            _check_crc(path, entry, self._parts_of(entry.size))
            self.file.seek(start)
            yield StoredFile(path, entry.size, self.file, self.remedy)
            return
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = inflate.decompress(self.file.read(entry.packed), entry.size + 1)
        except zlib.error as error:
            raise ModelFileError(f"{path!r} is damaged: {error}; restore it") from error
        if len(data) != entry.size or not inflate.eof or inflate.unused_data:
            raise ModelFileError(f"{path!r} is not of the size that the archive says; restore it")
        _check_crc(path, entry, [data])
        yield StoredFile(path, entry.size, io.BytesIO(data), self.remedy)

    def _parts_of(self, size: int) -> Iterator[bytes]:
        """Yield so many bytes of the file, some at a time."""
        while size > 0 and (part := self.file.read(min(size, 1 << 20))):
            yield part
            size -= len(part)


def _check_crc(path: str, entry: _Entry, parts: Iterable[bytes]) -> None:
    """Refuse data whose CRC-32 is not the archive's: other programs refuse the archive then.

    That they are the data that were saved is known by the SHA-256 of the manifest.
    """
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    if crc != entry.crc:
        raise ModelFileError(
            f"{path!r} is damaged: its CRC-32 is {crc:08x}, and the archive says {entry.crc:08x}",
            expected="an archive as it was saved",
            hint="restore it",
        )


@contextlib.contextmanager
def open_single_file(path: Path, kind: str) -> Iterator[SingleFile]:
    """Open a bundle that is one file, of which ``kind`` is the format, and read its directory.

    Raises
    ------
    ModelFileError
        If it is no archive, or not one that can be read in one way only.
    FileError
        If it cannot be opened.
    """
    with open_regular(path) as file:
        if not is_single_file_name(path) and file.read(len(_HEADER_MARK)) != _HEADER_MARK:
            raise ModelFileError(
                f"{str(path)!r} is not a folder; expected a folder with a {kind}, or a {SUFFIX} "
                "file of one"
            )
        try:
            entries = _directory(file, os.fstat(file.fileno()).st_size)
        except (ValueError, struct.error) as error:
            raise ModelFileError(
                f"{str(path)!r} is not a whole {SUFFIX} file: {error}; {remedy(kind)}"
            ) from error
        yield SingleFile(path, file, entries, remedy(kind))


def _directory(file: io.BufferedReader, size: int) -> dict[str, tuple[_Entry, int]]:
    """Return the entries by name, with the place of their data; raise ValueError if it is damaged.

    Entries follow each other from the first byte to the directory, without gap and overlap.
    """
    if size < _END.size:
        raise ValueError("it is too short")
    file.seek(size - _END.size)
    mark, disk, first, here, count, length, start, comment = _END.unpack(file.read(_END.size))
    if mark != _END_MARK or disk or first or comment or here != count:
        raise ValueError("it does not end as a plain zip archive does")
    if count > _MOST_ENTRIES or length > _MOST_DIRECTORY:
        raise ValueError(f"it has {count} entries; expected at most {_MOST_ENTRIES}")
    if start + length != size - _END.size:
        raise ValueError("its directory is not where it should be")
    file.seek(start)
    entries = _entries(file.read(length), count)
    places: dict[str, tuple[_Entry, int]] = {}
    end = 0
    for entry in sorted(entries, key=lambda each: each.offset):
        if entry.offset != end:
            raise ValueError("there is a gap before an entry, or two overlap")
        data = _data_start(file, entry)
        end = data + entry.packed
        if not entry.name.endswith("/"):
            places[entry.name] = entry, data
    if end != start:
        raise ValueError("there is a gap before the directory")
    folded = {name.casefold() for name in places}
    if len(folded) < len([entry for entry in entries if not entry.name.endswith("/")]):
        raise ValueError("a name is there twice")
    if sum(entry.size for entry, _ in places.values() if entry.method) > _MOST_DEFLATED:
        raise ValueError(
            f"its deflated entries unpack to more than {_MOST_DEFLATED >> 20} MiB; expected so "
            "much to be stored without compression"
        )
    return places


def _entries(data: bytes, count: int) -> list[_Entry]:
    found, at = [], 0
    for _ in range(count):
        values = _ENTRY.unpack_from(data, at)
        mark, _, needed, flags, method, _, _, crc, packed, size = values[:10]
        n_name, n_extra, n_comment, disk, _, attributes, offset = values[10:]
        known = method in (_STORED, _DEFLATED) and needed <= _NEWEST and not flags & ~_FLAGS
        if mark != _ENTRY_MARK or disk or not known:
            raise ValueError("an entry is encrypted, split, or packed in an unknown way")
        at += _ENTRY.size
        raw = data[at : at + n_name]
        name = raw.decode("utf-8")
        kind = stat.S_IFMT(attributes >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(f"{name!r} is a link or a device")
        for part in name.removesuffix("/").split("/"):
            check_plain_name(part)
        if name.count("/") > 1 or (name.endswith("/") and size):
            raise ValueError(f"{name!r} is in a folder within a folder")
        # Deflating makes nothing much larger.
        fits = packed == size if method == _STORED else packed <= size + size // 64 + 64
        if not fits:
            raise ValueError(f"{name!r} has {packed} bytes for {size}")
        found.append(_Entry(name, raw, flags, method, crc, packed, size, offset))
        at += n_name + n_extra + n_comment
    if at != len(data):
        raise ValueError("its directory has another length than it says")
    return found


def _data_start(file: io.BufferedReader, entry: _Entry) -> int:
    """Return where the data of an entry begin, after a header that says the same as the entry."""
    file.seek(entry.offset)
    values = _HEADER.unpack(file.read(_HEADER.size))
    mark, _, flags, method, _, _, crc, packed, size, n_name, n_extra = values
    said = (flags, method, crc, packed, size, file.read(n_name))
    known = (entry.flags, entry.method, entry.crc, entry.packed, entry.size, entry.raw_name)
    if mark != _HEADER_MARK or said != known:
        raise ValueError(f"the header of {entry.name!r} differs from the directory")
    return entry.offset + _HEADER.size + n_name + n_extra

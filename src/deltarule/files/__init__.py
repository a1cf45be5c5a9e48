"""Files and folders, replaced in one step and read with checksums; pickle is not used.

A *bundle* is a folder of JSON files and one safetensors file of arrays. Its
``manifest.json`` names the format, its version and the SHA-256 of every other file, so a
truncated or edited file is noticed when the bundle is read.

Everything that the library saves is written by this package, so that a reader sees the old content
or the new: see :mod:`deltarule.files.filesystem` and :mod:`deltarule.files.locking`.
"""

from deltarule.files.atomic_file import (
    is_stream,
    open_replacing,
    read_json,
    write_bytes,
    write_json,
)
from deltarule.files.bundle_reading import has_bundle, read_bundle, read_document
from deltarule.files.bundles import Bundle, Part, save_bundle, write_bundle
from deltarule.files.consistency import consistent_read
from deltarule.files.fallback_path import save_elsewhere
from deltarule.files.locking import FolderClaim
from deltarule.files.numbered_bundles import NumberedBundles
from deltarule.files.path_checks import check_bundle_path, check_file_path, checked_path, is_bundle
from deltarule.files.single_file import is_single_file_name

__all__ = [
    "Bundle",
    "FolderClaim",
    "NumberedBundles",
    "Part",
    "check_bundle_path",
    "check_file_path",
    "checked_path",
    "consistent_read",
    "has_bundle",
    "is_bundle",
    "is_single_file_name",
    "is_stream",
    "open_replacing",
    "read_bundle",
    "read_document",
    "read_json",
    "save_bundle",
    "save_elsewhere",
    "write_bundle",
    "write_bytes",
    "write_json",
]

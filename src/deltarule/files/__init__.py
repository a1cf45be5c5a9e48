"""Files and folders: written whole or not at all, with checksums, and never a pickle.

A *bundle* is a folder of JSON files and one safetensors file of arrays. Its
``manifest.json`` names the format, its version and the SHA-256 of every other file, so a
truncated or edited file is noticed when the bundle is read.

Everything that the library saves goes through this folder, and takes its place in one step: see
:mod:`deltarule.files.moving`.
"""

from deltarule.files.bundles import Bundle, Part, read_bundle, write_bundle
from deltarule.files.elsewhere import save_elsewhere
from deltarule.files.places import check_bundle_place, check_file_place, is_bundle
from deltarule.files.single import is_stream, read_json, write_bytes, write_json
from deltarule.files.steady import steady

__all__ = [
    "Bundle",
    "Part",
    "check_bundle_place",
    "check_file_place",
    "is_bundle",
    "is_stream",
    "read_bundle",
    "read_json",
    "save_elsewhere",
    "steady",
    "write_bundle",
    "write_bytes",
    "write_json",
]

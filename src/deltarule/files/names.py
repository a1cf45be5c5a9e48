"""Names of the files of a bundle."""

from __future__ import annotations

__all__ = ["ARRAYS", "MANIFEST", "check_plain_name"]

MANIFEST = "manifest.json"
ARRAYS = "arrays.safetensors"

_MOST_BYTES = 255


def check_plain_name(name: str) -> None:
    r"""Refuse a name that leads out of its folder, or that some system does not have.

    Raises
    ------
    ValueError
        If it is no plain name.

    Examples
    --------
    >>> check_plain_name("model.json")
    >>> check_plain_name("..")
    Traceback (most recent call last):
    ValueError: '..' is no plain name of a file
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        length = _MOST_BYTES + 1
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    if not plain or name.strip(" .") == "" or name.endswith((" ", ".")) or length > _MOST_BYTES:
        shown = name if len(name) <= 60 else f"{name[:60]}…"
        raise ValueError(f"{shown!r} is no plain name of a file")

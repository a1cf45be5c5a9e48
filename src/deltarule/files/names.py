"""Names of the files of a bundle, and of a kind of bundle that is read without what writes it."""

from __future__ import annotations

__all__ = ["ARRAYS", "C_PROGRAM", "MANIFEST", "check_plain_name", "remedy"]

MANIFEST = "manifest.json"
ARRAYS = "arrays.safetensors"
C_PROGRAM = "deltarule C program", 1
"""The kind and the version of an exported program, which ``inspect`` reads too."""

_MOST_BYTES = 255


def remedy(kind: str) -> str:
    """Return what to do where files of a kind of bundle are damaged.

    Examples
    --------
    >>> remedy("deltarule model"), remedy("deltarule C program")
    ('restore it or train again', 'restore it or export the model again')
    """
    again = "export the model again" if kind == C_PROGRAM[0] else "train again"
    return f"restore it or {again}"


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

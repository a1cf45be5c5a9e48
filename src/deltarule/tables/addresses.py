"""Addresses of databases and of files on other machines, which may hold passwords."""

from __future__ import annotations

import re
import urllib.parse

__all__ = ["is_postgres", "is_url", "passwords_in", "without_password"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_POSTGRES = re.compile(r"postgres(ql)?://", re.IGNORECASE)
_SECRETS = {"password", "sslpassword"}


def is_url(text: str) -> bool:
    """Whether a text looks like the address of another machine's file.

    Examples
    --------
    >>> is_url("https://example.org/a.csv"), is_url("a/b.csv")
    (True, False)
    """
    return _URL.match(text) is not None


def is_postgres(text: str | None) -> bool:
    """Whether a source is the address of a Postgres database.

    Examples
    --------
    >>> is_postgres("postgres://me@db.example/sales"), is_postgres("postgres.csv")
    (True, False)
    """
    return text is not None and _POSTGRES.match(text) is not None


def without_password(address: str) -> str:
    """An address as it may be shown and saved: without passwords. Other texts are unchanged.

    Examples
    --------
    >>> without_password("postgres://me:secret@db.example/sales?password=x&sslmode=require")
    'postgres://me@db.example/sales?sslmode=require'
    >>> without_password("me:secret@a.csv")
    'me:secret@a.csv'
    """
    if not is_url(address):
        return address
    scheme, _, rest = address.partition("://")
    place, mark, query = rest.partition("?")
    user, at, host = place.rpartition("@")
    kept = [each for each in query.split("&") if _key(each) not in _SECRETS]
    options = mark * bool(query and kept) + "&".join(kept)
    return f"{scheme}://{user.partition(':')[0]}{at}{host}{options}"


def _key(option: str) -> str:
    return urllib.parse.unquote(option.partition("=")[0]).lower()


def passwords_in(address: str) -> list[str]:
    """The passwords in an address, as they are written there and as they are."""
    place, _, query = address.partition("://")[2].partition("?")
    found = [place.rpartition("@")[0].partition(":")[2]]
    found += [each.partition("=")[2] for each in query.split("&") if _key(each) in _SECRETS]
    return [text for each in found if each for text in (each, urllib.parse.unquote(each))]

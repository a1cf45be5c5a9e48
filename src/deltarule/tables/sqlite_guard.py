"""Restriction of SQLite to reading, by its authorizer callback.

SQLite calls the authorizer for each action while it compiles a statement, so that what is refused
has done nothing yet.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

from deltarule.errors import FileError, Message, Parameter
from deltarule.tables.paths import head_is_duckdb

__all__ = ["ReadOnlyAuthorizer", "first_keyword", "open_read_only"]

_FUNCTIONS = frozenset(
    # Of single values.
    "-> ->> abs char coalesce concat concat_ws "  # noqa: SIM905  words, to be read
    "format glob hex if ifnull iif instr length like likelihood likely lower ltrim max min nullif "
    "octet_length printf quote random randomblob "
    "replace round rtrim sign soundex sqlite_version substr substring trim typeof unhex unicode "
    "unistr unistr_quote unlikely upper zeroblob "
    # Of numbers.
    "acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 "
    "log2 mod pi pow power radians sin sinh sqrt tan tanh trunc "
    # Of moments.
    "current_date current_time current_timestamp date datetime julianday strftime time timediff "
    "unixepoch "
    # Of rows: aggregates and windows.
    "avg count cume_dist dense_rank first_value group_concat lag last_value lead median nth_value "
    "ntile percent_rank percentile percentile_cont percentile_disc rank row_number string_agg sum "
    "total "
    # Of JSON.
    "json json_array json_array_insert json_array_length json_error_position json_extract "
    "json_group_array json_group_object json_insert json_object json_patch json_pretty json_quote "
    "json_remove json_replace json_set json_type json_valid jsonb jsonb_array jsonb_array_insert "
    "jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch "
    "jsonb_remove jsonb_replace jsonb_set "
    # Of full-text tables.
    "bm25 highlight match snippet".split()
)
_WRITES = {
    getattr(sqlite3, f"SQLITE_{name}")
    for name in (  # noqa: SIM905  a list of words, to be read
        "INSERT UPDATE DELETE ALTER_TABLE ANALYZE REINDEX CREATE_VTABLE DROP_VTABLE "
        "CREATE_INDEX CREATE_TABLE CREATE_TRIGGER CREATE_VIEW CREATE_TEMP_INDEX "
        "CREATE_TEMP_TABLE CREATE_TEMP_TRIGGER CREATE_TEMP_VIEW DROP_INDEX DROP_TABLE "
        "DROP_TRIGGER DROP_VIEW DROP_TEMP_INDEX DROP_TEMP_TABLE DROP_TEMP_TRIGGER DROP_TEMP_VIEW"
    ).split()
}
_ACTIONS = {
    sqlite3.SQLITE_ATTACH: "ATTACH or VACUUM",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_TRANSACTION: "a transaction",
    sqlite3.SQLITE_SAVEPOINT: "a savepoint",
}
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
# Where a database says that it is in write-ahead mode: two bytes of its header.
_WAL = slice(18, 20)
_COMMENTS = re.compile(r"\s+|--[^\n]*(?:\n|$)|/\*.*?(?:\*/|$)", re.DOTALL)


class ReadOnlyAuthorizer:
    """An authorizer that lets a statement read, and says what it refused.

    Attributes
    ----------
    denied : Message
        What was refused first; empty if nothing was.

    Examples
    --------
    >>> connection, guard = sqlite3.connect(":memory:"), ReadOnlyAuthorizer()
    >>> connection.set_authorizer(guard)
    >>> connection.execute("SELECT upper('a'), count(*)").fetchall()
    [('A', 1)]
    >>> connection.execute("ATTACH 'b.db' AS b")
    Traceback (most recent call last):
    sqlite3.DatabaseError: not authorized
    >>> print(guard.denied)
    sql is no SELECT: it asks for ATTACH or VACUUM
    >>> connection.close()
    """

    def __init__(self) -> None:
        self.denied = Message()

    def __call__(self, action: int, first: Any, second: Any, *where: Any) -> int:
        # SQLite's full-text module runs this pragma itself before it returns rows.
        if action in _READS or (action == sqlite3.SQLITE_PRAGMA and first == "data_version"):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            if str(second).lower() in _FUNCTIONS:
                return sqlite3.SQLITE_OK
            problem = f" calls {second}(), which is none of the functions that only compute"
            what = Message(Parameter("sql"), problem)
        elif action in _WRITES:
            what = Message("SQLite says: attempt to write a readonly database")
        else:
            asked = _ACTIONS.get(action, f"action {action}")
            what = Message(Parameter("sql"), f" is no SELECT: it asks for {asked}")
        self.denied = self.denied or what
        return sqlite3.SQLITE_DENY


def open_read_only(path: Path) -> tuple[sqlite3.Connection, ReadOnlyAuthorizer]:
    """A connection that can only read, and the guard that it asks.

    Raises
    ------
    FileError
        If the file cannot be opened.
    """
    place = path.resolve()
    # Written as an address, a name may hold "?", "#", "%" and anything else.
    address = f"{place.as_uri()}?mode=ro"
    try:
        with place.open("rb") as file:
            header = file.read(20)
        # To read a database in write-ahead mode, SQLite makes two files beside it, unless it is
        # opened as immutable: without a log file, no process is writing.
        if head_is_duckdb(header):
            raise FileError(
                f"{path.name} is a database of DuckDB",
                expected="one of SQLite",
                hint="rename it to .duckdb",
            )
        wal = place.with_name(f"{place.name}-wal")
        if 2 in header[_WAL] and not wal.exists():
            address += "&immutable=1"
        # Queries run in a thread of their own, so that Ctrl-C can end them.
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
    except (sqlite3.Error, OSError) as error:
        raise FileError(f"{path.name} cannot be opened ({error}); check its permissions") from None
    with contextlib.suppress(sqlite3.Error):  # not a database: the next statement raises the error
        _declare_virtual_tables(connection)
    guard = ReadOnlyAuthorizer()
    connection.set_authorizer(guard)
    return connection, guard


def _declare_virtual_tables(connection: sqlite3.Connection) -> None:
    """Make those tables known that SQLite declares by a statement which would be refused."""
    connection.execute("PRAGMA trusted_schema = OFF")
    names = ["json_each", "json_tree"]
    names += [
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
        )
    ]
    for name in names:
        try:
            connection.execute('SELECT 1 FROM "' + name.replace('"', '""') + '" LIMIT 0').close()
        except sqlite3.Error:  # its module is missing; a query raises the error
            continue


def first_keyword(sql: str) -> str:
    r"""The first word of a statement, comments aside, in lower case.

    Examples
    --------
    >>> first_keyword("-- x\n /* y */ EXPLAIN select 1")
    'explain'
    """
    at = 0
    while found := _COMMENTS.match(sql, at):
        at = found.end()
    word = re.match(r"\w*", sql[at:])
    return word[0].lower() if word else ""

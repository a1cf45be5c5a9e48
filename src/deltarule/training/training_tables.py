"""What a saved model says of the table, or the tables, of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltarule.errors import printable
from deltarule.files.dataclass_fields import field_value

__all__ = ["training_table", "training_table_text"]

_Object = Mapping[str, Any]


def training_table(schema: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of the table of a training: ``trained_on`` of :class:`ModelSummary`.

    Parameters
    ----------
    schema, report : mapping
        Of the model, as its files have them.
    """
    digests = report.get("row_digests") or {}
    # Eight bytes each, as Base64.
    held = len(field_value("digests", str, digests.get("digests", ""))) * 3 // 4 // 8
    first = {"source": schema.get("source", ""), "rows": schema.get("n_rows", 0)}
    tables = field_value("tables", list, report.get("tables", []))
    if not tables:
        tables = [{**first, "sha256": report.get("fingerprint", "")}]
    own, *further = (_one_table(field_value("tables", Mapping[str, Any], each)) for each in tables)
    return {**own, "row_digests": held, "further": further}


def _one_table(saved: _Object) -> dict[str, str | int | None]:
    return {
        "source": printable(field_value("source", str, saved.get("source", ""))),
        "rows": field_value("n_rows", int, saved.get("rows", 0)),
        "sha256": field_value("fingerprint", str, saved.get("sha256", "")) or None,
    }


def training_table_text(table: Mapping[str, Any]) -> str:
    r"""Return ``trained_on`` of :class:`ModelSummary` as text.

    Examples
    --------
    >>> training_table_text({"source": "loans.csv", "rows": 800, "sha256": "abcd"})
    'loans.csv, 800 rows, sha256 of its cells abcd'
    >>> more = {"source": "new.csv", "rows": 90, "sha256": None}
    >>> text = training_table_text({**more, "source": "old.csv", "further": [more]})
    >>> print(text.replace("; ", ";\n"))
    old.csv, 90 rows, no checksum of its cells is known;
    then new.csv, 90 rows, no checksum of its cells is known
    """
    return "; then ".join(map(_table_text, (table, *table.get("further", ()))))


def _table_text(table: _Object) -> str:
    digest = table["sha256"]
    said = f"sha256 of its cells {digest}" if digest else "no checksum of its cells is known"
    return f"{table['source'] or 'a table without a name'}, {table['rows']:,} rows, {said}"

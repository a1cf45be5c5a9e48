"""Digests of the rows of a training table, by which its rows are found again in another table."""

from __future__ import annotations

import base64
import binascii
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tables.cells_checksum import canonical, text_number
from deltarule.tables.text_column import TextColumn
from deltarule.tables.typed_columns import TypedColumns

__all__ = ["RowDigests"]

MOST_DIGESTS = 65_536
"""The most digests that are kept: half a megabyte, of the rows with the smallest."""
_VERSION = 1
# What rows of a table are in another one is asked several times in a command.
_KNOWN: weakref.WeakKeyDictionary[TypedColumns, tuple[str, NDArray[np.uint64]]] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True, eq=False)
class RowDigests:
    """A keyed digest of 64 bits for each distinct row: its typed cells and its target, by value.

    Of a table with more distinct rows than 65,536, the smallest digests are kept. Since a digest
    is as good as random, these are a random sample of the rows; and a row of another table whose
    digest is at most the largest that is kept is in the training table if, and only if, its own is
    kept. (Two different rows have the same digest with probability 2**-64.)

    A digest does not tell the row's cells, but whoever has the model and knows all cells of a row
    can ask whether the row was in the table.

    Attributes
    ----------
    key : str
        What the digests depend on beside the rows, so that those of models of different tables
        cannot be compared with each other.
    digests : ndarray of uint64
        Ascending and distinct.
    complete : bool
        Whether the digest of every row is kept.
    repeated : float
        The share of the table's rows that are equal to another of its rows. About as many rows of
        a new table are equal to one of this by chance.

    Examples
    --------
    >>> typed = TypedColumns({"x": np.array([1.0, 2.0, 2.0])}, np.arange(3), target=np.ones(3))
    >>> known = RowDigests.of(typed, "key")
    >>> len(known.digests), known.repeated
    (2, 0.6666666666666666)
    >>> known.found(TypedColumns({"x": np.array([2.0, 5.0])}, np.arange(2), target=np.ones(2)))
    (1, 2)
    """

    key: str
    digests: NDArray[np.uint64]
    complete: bool
    repeated: float

    @classmethod
    def of(cls, typed: TypedColumns, key: str, most: int = MOST_DIGESTS) -> RowDigests:
        """Return the digests of the rows of a training table."""
        distinct, counts = np.unique(_digests(typed, key), return_counts=True)
        repeated = float(counts[counts > 1].sum() / max(len(typed), 1))
        return cls(key, distinct[:most], len(distinct) <= most, repeated)

    def found(self, typed: TypedColumns) -> tuple[int, int]:
        """Return how many rows are in the training table, and of how many that is known."""
        known, there = self.each(typed)
        return int(there.sum()), int(known.sum())

    def each(self, typed: TypedColumns) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return of each row whether it is known if it is in the training table, and whether it is.

        Examples
        --------
        >>> rows = TypedColumns({"x": np.array([1.0, 2.0])}, np.arange(2), target=np.ones(2))
        >>> known, there = RowDigests.of(rows.take([0]), "key").each(rows)
        >>> known.tolist(), there.tolist()
        ([True, True], [True, False])
        """
        given = _digests(typed, self.key)
        known = np.full(len(given), True) if self.complete else given <= self.digests[-1]
        return known, known & np.isin(given, self.digests)

    def missing(self, typed: TypedColumns) -> int | None:
        """Return how many distinct rows of the training are not here; None if it is not known."""
        if not self.complete:
            return None
        return int((~np.isin(self.digests, _digests(typed, self.key))).sum())

    def with_rows(self, typed: TypedColumns, most: int = MOST_DIGESTS) -> RowDigests:
        """Return the digests of these rows too, as those of a second table of the training."""
        other = RowDigests.of(typed, self.key, most)
        kept = np.union1d(self.digests, other.digests)
        # Beyond the last digest of a table of which not all are kept, not all are known.
        for each in (self, other):
            if not each.complete:
                kept = kept[kept <= each.digests[-1]]
        complete = self.complete and other.complete and len(kept) <= most
        return RowDigests(self.key, kept[:most], complete, max(self.repeated, other.repeated))

    def to_dict(self) -> dict[str, Any]:
        """Return it as an object that JSON can hold."""
        return {
            "version": _VERSION,
            "key": self.key,
            "complete": self.complete,
            "repeated": self.repeated,
            "digests": base64.b64encode(self.digests.astype("<u8").tobytes()).decode("ascii"),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> RowDigests | None:
        """Return what :meth:`to_dict` wrote; None of a later version, which cannot be compared.

        Raises
        ------
        InputError
            If it is not what was written.
        """
        if entry(saved, "version", int) != _VERSION:
            return None
        check_keys(saved, {"version", "key", "complete", "repeated", "digests"})
        try:
            stored = base64.b64decode(entry(saved, "digests", str), validate=True)
            digests = np.frombuffer(stored, "<u8").astype(np.uint64)
        except (binascii.Error, ValueError):
            raise InputError("the digests of its training rows are no digests") from None
        complete = entry(saved, "complete", bool)
        if (digests[1:] <= digests[:-1]).any() or not (complete or len(digests)):
            raise InputError("the digests of its training rows are not in ascending order")
        return cls(entry(saved, "key", str), digests, complete, entry(saved, "repeated", float))


def _digests(typed: TypedColumns, key: str) -> NDArray[np.uint64]:
    """Return the digest of each row; the order of columns is of no matter."""
    known = _KNOWN.get(typed)
    if known is None or known[0] != key:
        known = _KNOWN[typed] = key, _computed(typed, key)
    return known[1]


def _computed(typed: TypedColumns, key: str) -> NDArray[np.uint64]:
    total = np.full(len(typed), text_number(key), np.uint64)
    for name, cells in (*sorted(typed.columns.items()), ("", typed.target)):
        if cells is None:
            continue
        if isinstance(cells, TextColumn):
            known = np.array([text_number(f"{key}\0{text}") for text in cells.texts], np.uint64)
            bits = cells.lookup(known, np.uint64(0))
        else:
            bits = canonical(cells).astype(np.float64).view(np.uint64)
        total = _mixed(total ^ _mixed(bits ^ np.uint64(text_number(f"{key}\0{name}\0"))))
    return total


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 bits for each 64 bits, one to one, each a function of all (SplitMix64's last step).

    Source: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
    """
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))

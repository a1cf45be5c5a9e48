"""Encoding of free text by the characters in its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tables.text_column import TextColumn

__all__ = ["FreeTextEncoder", "ngrams_of"]

# The types of the values of a record.
_TYPES: dict[str, Any] = {
    "name": str,
    "ngrams": tuple[str, ...],
    "idf": tuple[float, ...],
    "projection": tuple[tuple[float, ...], ...],
    "centres": tuple[float, ...],
    "missing": bool,
}

_LENGTHS = (2, 3, 4)
# A column is free text if its cells have this many words on average, and this share is distinct.
_LEAST_WORDS, _LEAST_DISTINCT, _LEAST_TEXTS = 3.0, 0.5, 20


def ngrams_of(text: str) -> Counter[str]:
    """Return how often each n-gram of characters occurs in the words, a blank at both ends.

    Examples
    --------
    >>> sorted(ngrams_of("An"))
    [' a', ' an', ' an ', 'an', 'an ', 'n ']
    """
    found: Counter[str] = Counter()
    for word in text.lower().split():
        padded = f" {word} "
        for n in _LENGTHS:
            found.update(padded[i : i + n] for i in range(len(padded) - n + 1))
    return found


@dataclass(frozen=True, eq=False)
class FreeTextEncoder:
    """Encoder P x − c of a text, x its weighted n-grams of characters and P a matrix of few rows.

    x_j = (1 + ln count_j) ln((1 + N)/(1 + N_j)) + that of count 1, for the n-grams j of two to four
    characters within words, divided by |x|; N_j of the N training texts have it. P are the first
    right singular vectors of the training texts, divided by the standard deviations of their
    features, and c the means of these. Missing cells have 0 in all features, and a feature of their
    own.

    Parameters
    ----------
    name : str
        The column.
    ngrams : tuple of str
    idf : array of shape (n_grams,)
        ln((1 + N)/(1 + N_j)) + 1.
    projection : array of shape (n_grams, features)
    centres : array of shape (features,)
    missing : bool
        Whether training cells were missing.

    References
    ----------
    Deerwester et al. (1990), "Indexing by latent semantic analysis".
    """

    name: str
    ngrams: tuple[str, ...]
    idf: NDArray[np.float64]
    projection: NDArray[np.float64]
    centres: NDArray[np.float64]
    missing: bool

    @staticmethod
    def suits(cells: TextColumn) -> bool:
        """Return whether a column is free text: many words a cell, most cells distinct.

        Examples
        --------
        >>> FreeTextEncoder.suits(TextColumn.from_cells(["Ulm", "Bonn"] * 30))
        False
        >>> FreeTextEncoder.suits(TextColumn.from_cells([f"this is text {i}" for i in range(60)]))
        True
        """
        texts = list(cells.counts())
        known = len(cells) - int(cells.is_missing().sum())
        if len(texts) < max(_LEAST_DISTINCT * known, _LEAST_TEXTS):
            return False
        return sum(len(text.split()) for text in texts) >= _LEAST_WORDS * len(texts)

    def weighted(
        self, counts: Iterable[Counter[str]]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], list[int]]:
        """Return x of each text: its values, their columns, and where each text begins."""
        index = {ngram: j for j, ngram in enumerate(self.ngrams)}
        values, columns, starts = [np.zeros(0)], [np.zeros(0, dtype=np.int64)], [0]
        for each in counts:
            found = [(index[ngram], n) for ngram, n in each.items() if ngram in index]
            j = np.array([k for k, _ in found], dtype=np.int64)
            x = (1 + np.log([n for _, n in found])) * self.idf[j]
            norm = np.sqrt((x**2).sum())
            values.append(x / norm if norm > 0 else x)
            columns.append(j)
            starts.append(starts[-1] + len(found))
        return np.concatenate(values), np.concatenate(columns), starts

    def features(self) -> list[str]:
        """The names of its features."""
        values = [f"{self.name}=text {k}" for k in range(1, self.projection.shape[1] + 1)]
        return values + [f"{self.name}=(missing)"] * self.missing

    def write(self, cells: TextColumn, out: NDArray[Any]) -> None:
        """Encode cells into the columns of ``out``, which holds zeros."""
        values, columns, starts = self.weighted(ngrams_of(text) for text in cells.texts)
        size = self.projection.shape[1]
        table = np.zeros((len(cells.texts) + 1, size))
        for k in range(len(cells.texts)):
            part = slice(starts[k], starts[k + 1])
            table[k] = values[part] @ self.projection[columns[part]] - self.centres
        codes = np.where(cells.codes < 0, len(cells.texts), cells.codes)
        out[:, :size] = table[codes]
        if self.missing:
            out[:, size] = cells.is_missing()

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return {
            "name": self.name,
            "ngrams": list(self.ngrams),
            "idf": self.idf.tolist(),
            "projection": self.projection.tolist(),
            "centres": self.centres.tolist(),
            "missing": self.missing,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` wrote down.

        Raises
        ------
        InputError
            If its values are none that training gives.
        """
        check_keys(record, _TYPES)
        values = {name: entry(record, name, hint) for name, hint in _TYPES.items()}
        ngrams, n_centres = values["ngrams"], len(values["centres"])
        if any(len(row) != n_centres for row in values["projection"]):
            raise InputError(f"column {values['name']!r} has a matrix of rows of two lengths")
        if not len(ngrams) == len(values["projection"]) == len(values["idf"]):
            raise InputError(f"column {values['name']!r} has a matrix of another number of rows")
        if len(set(ngrams)) < len(ngrams):
            raise InputError(f"column {values['name']!r} has a part of a text twice")
        for name in ("idf", "centres", "projection"):
            values[name] = np.array(values[name], dtype=np.float64)
        values["projection"] = values["projection"].reshape(len(ngrams), n_centres)
        return cls(**values)

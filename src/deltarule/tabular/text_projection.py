"""Fitting the encoder of a column of free text."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_encoder import FreeTextEncoder, ngrams_of

__all__ = ["fit_free_text"]

_MOST_NGRAMS = 3000
_MOST_FEATURES = 32


def fit_free_text(name: str, cells: TextColumn) -> FreeTextEncoder:
    """Return an encoder of a column's training cells, by the first singular vectors of their texts.

    Parameters
    ----------
    name : str
    cells : TextColumn

    References
    ----------
    Deerwester et al. (1990), "Indexing by latent semantic analysis".

    Examples
    --------
    >>> words = ["a red door", "the red wheel", "a blue door", "the blue wheel"]
    >>> fit_free_text("text", TextColumn.from_cells(words)).projection.shape
    (58, 3)
    """
    from scipy.sparse import csr_matrix
    from sklearn.decomposition import TruncatedSVD

    counts = [ngrams_of(text) for text in cells.counts()]
    texts_with: Counter[str] = Counter()
    for each in counts:
        texts_with.update(each.keys())
    ranked = sorted(texts_with.items(), key=lambda pair: (-pair[1], pair[0]))
    # One in a single text says nothing of others, one in every text nothing of this.
    ngrams = [ngram for ngram, n in ranked if 2 <= n < len(counts)][:_MOST_NGRAMS]
    idf = np.array([np.log((1 + len(counts)) / (1 + texts_with[each])) + 1 for each in ngrams])
    size = max(min(_MOST_FEATURES, len(ngrams) - 1, len(counts) - 1), 0)
    missing = bool(cells.is_missing().any())
    empty = np.zeros((len(ngrams), size))
    encoder = FreeTextEncoder(name, tuple(ngrams), idf, empty, np.zeros(size), missing)
    if not size:
        return encoder
    values, columns, starts = encoder.weighted(counts)
    X = csr_matrix((values, columns, starts), shape=(len(counts), len(ngrams)))
    svd = TruncatedSVD(size, random_state=0)
    features = svd.fit_transform(X)
    std = features.std(axis=0)
    std = np.where(std > 1e-12, std, 1.0)
    projection = np.ascontiguousarray(svd.components_.T / std)
    return dataclasses.replace(encoder, projection=projection, centres=features.mean(axis=0) / std)

"""A cache of the predictors of models and estimators.

A model is asked to predict many times, and its parameters may change in between: an array may be
replaced or written to in place. Packing W for every row would take a hundred times as long as
predicting the row; comparing all parameters with a copy takes less time than predicting a row.

The cache is kept here and not in the owner, so that the owner's attributes and pickle do not
change.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from deltarule.engines.predictors import Predictor, make_predictor
from deltarule.engines.registry import VARIABLE
from deltarule.maths import Network

__all__ = ["cached_predictor", "predict_cached_row"]


class _Entry(NamedTuple):
    owner: Any  # a weak reference
    net: Network
    which: Any
    variable: str | None
    identities: tuple[int, ...]
    guarded: Any  # the predictor with copies of the owner's arrays


# By id(owner), since an owner need not be hashable.
_ENTRIES: dict[int, _Entry] = {}


def _lookup(owner: Any, net: Network, arrays: Sequence[Any], which: Any) -> Any:
    """The guarded predictor cached for this owner, these array objects and this engine, or None."""
    entry = _ENTRIES.get(id(owner))
    if (
        entry is None
        or entry.net is not net
        or entry.identities != tuple(map(id, arrays))
        or entry.owner() is not owner
        or type(entry.which) is not type(which)
        or entry.which != which
        or entry.variable != _variable(which)
    ):
        return None
    return entry.guarded


def _variable(which: Any) -> str | None:
    return os.environ.get(VARIABLE) if isinstance(which, str) and which == "auto" else None


def cached_predictor(
    owner: Any, net: Network, arrays: Sequence[Any], packed: Callable[[], np.ndarray], which: Any
) -> Predictor:
    """The owner's cached predictor if no parameter has changed since, else a new one.

    Parameters
    ----------
    owner : object
        Any object that supports weak references.
    net : Network
    arrays : sequence of array
        All arrays that θ is made of.
    packed : callable
        Returns θ, of shape (p,).
    which : str, Engine, or its class
        As for :func:`make_predictor`.
    """
    guarded = _lookup(owner, net, arrays, which)
    if guarded:
        predictor: Predictor = guarded.predictor
        return predictor
    predictor = make_predictor(net, packed(), which)
    identity = id(owner)
    guarded = predictor.guard(arrays)
    if guarded is None:
        _ENTRIES.pop(identity, None)
        return predictor

    def remove(reference: Any) -> None:
        entry = _ENTRIES.get(identity)
        if entry is not None and entry.owner is reference:
            del _ENTRIES[identity]

    _ENTRIES[identity] = _Entry(
        weakref.ref(owner, remove), net, which, _variable(which), tuple(map(id, arrays)), guarded
    )
    return predictor


def predict_cached_row(
    owner: Any, net: Network, arrays: Sequence[Any], which: Any, X: Any
) -> np.ndarray | None:
    """a^L for X of shape (1, n_0), by the cached predictor; None where that cannot be used.

    X must be a C-contiguous array of finite numbers in the network's dtype, and no parameter may
    have changed since the last call of :func:`cached_predictor`.
    """
    guarded = _lookup(owner, net, arrays, which)
    if guarded is None:
        return None
    found: np.ndarray | None = guarded.predict_row(X)
    return found

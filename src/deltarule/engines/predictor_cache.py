"""Predictors that are kept beside whom they belong to, for as long as its numbers stay.

A model or an estimator is asked to predict again and again, and may be changed in between:
arrays replaced, or written to in place. To pack W anew for each row would take a hundred times
as long as the row itself; to look whether a number has changed takes less than the row.

What is kept is kept here and not in the owner, who stays what it was, in a pickle too.
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

__all__ = ["one_row", "prepared"]


class _Kept(NamedTuple):
    owner: Any  # a weak reference
    net: Network
    which: Any
    variable: str | None
    identities: tuple[int, ...]
    unchanged: Any


# By the owner's identity, since not every owner can be hashed.
_KEPT: dict[int, _Kept] = {}


def _kept_for(owner: Any, net: Network, arrays: Sequence[Any], which: Any) -> Any:
    """What is kept of this owner, these very arrays and this engine, or None."""
    kept = _KEPT.get(id(owner))
    if (
        kept is None
        or kept.net is not net
        or kept.identities != tuple(map(id, arrays))
        or kept.owner() is not owner
        or kept.which != which
        or kept.variable != _variable(which)
    ):
        return None
    return kept.unchanged


def _variable(which: Any) -> str | None:
    return os.environ.get(VARIABLE) if which == "auto" else None


def prepared(
    owner: Any,
    net: Network,
    arrays: Sequence[Any],
    packed: Callable[[], np.ndarray],
    which: Any,
) -> Predictor:
    """The owner's predictor: the one that is kept, if nothing has changed, or a new one.

    Parameters
    ----------
    owner : object
        Whatever can be referred to weakly.
    net : Network
    arrays : sequence of array
        All that θ is made of.
    packed : callable
        Gives θ.
    which : str, Engine, or its class
        As for :func:`make_predictor`.
    """
    unchanged = _kept_for(owner, net, arrays, which)
    if unchanged:
        predictor: Predictor = unchanged.predictor
        return predictor
    predictor = make_predictor(net, packed(), which)
    identity = id(owner)
    unchanged = predictor.watch(arrays)
    if unchanged is None:
        _KEPT.pop(identity, None)
        return predictor

    def forget(reference: Any) -> None:
        kept = _KEPT.get(identity)
        if kept is not None and kept.owner is reference:
            del _KEPT[identity]

    _KEPT[identity] = _Kept(
        weakref.ref(owner, forget),
        net,
        which,
        _variable(which),
        tuple(map(id, arrays)),
        unchanged,
    )
    return predictor


def one_row(
    owner: Any, net: Network, arrays: Sequence[Any], which: Any, X: Any
) -> np.ndarray | None:
    """a^L for X of shape (1, n_0), by what is kept; None if anything is out of the ordinary.

    X must be a C-contiguous array of finite numbers of the network's type, and nothing may have
    changed since :func:`prepared` was last asked.
    """
    unchanged = _kept_for(owner, net, arrays, which)
    if unchanged is None:
        return None
    found: np.ndarray | None = unchanged.one_row(X)
    return found

"""``scoring``: scikit-learn's scorers or a user's own function, for early stopping."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer

from deltarule.errors import InputError

__all__ = ["Scoring", "takes_weights"]


def takes_weights(scorer: Callable[..., Any]) -> bool:
    """Whether a scorer takes ``sample_weight``, by its signature or that of its metric.

    Examples
    --------
    >>> takes_weights(get_scorer("accuracy")), takes_weights(get_scorer("rand_score"))
    (True, False)
    """
    # A scorer made by make_scorer takes any keyword, and passes it to the metric.
    function = getattr(scorer, "_score_func", scorer)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # not written in Python, so it has no signature
        return False
    return any(
        each.kind is each.VAR_KEYWORD
        or (each.name == "sample_weight" and each.kind is not each.POSITIONAL_ONLY)
        for each in parameters
    )


class Scoring:
    """A scorer, with the weights of the validation rows if it takes any.

    ``scoring`` is the name of a scikit-learn scorer, or ``f(estimator, X, y)``, with or without
    ``sample_weight``. A scorer that takes no weights scores without them, and a warning says so,
    unless all weights are equal.

    Examples
    --------
    >>> score = Scoring(lambda estimator, X, y: 0.5, None)
    >>> score(None, None, None)
    0.5
    """

    def __init__(self, scoring: Any, weights: np.ndarray | None) -> None:
        metric = getattr(scoring, "_score_func", scoring)
        self.name = str(getattr(metric, "__name__", type(metric).__name__))
        if isinstance(scoring, str):
            self.name = scoring
        self.scorer: Callable[..., Any] = get_scorer(scoring)
        if weights is not None and (weights == weights[0]).all():
            weights = None
        if weights is not None and not takes_weights(self.scorer):
            warnings.warn(
                f"scoring {self.name!r} takes no sample_weight: the validation rows are scored as "
                "if each weighed 1. Use a scorer with sample_weight, or leave the weights out",
                stacklevel=2,
            )
            weights = None
        self.keywords = {} if weights is None else {"sample_weight": weights}

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Return the score of the estimator on X and y; refuse NaN and what is not a number."""
        result = self.scorer(estimator, X, y, **self.keywords)
        try:
            score = float(result)
        except (TypeError, ValueError):
            raise InputError(
                f"scoring {self.name!r} gave {result!r}; expected one number, the greater the "
                "better"
            ) from None
        if np.isnan(score):
            raise InputError(
                f"scoring {self.name!r} gave nan on the {X.shape[0]} validation rows, by which no "
                "epoch can be chosen; expected a number; hold out more rows, or choose another "
                "score (that of a single class is often undefined)"
            )
        return score

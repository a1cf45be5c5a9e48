"""Random initial weights, with a variance that keeps that of activations or gradients constant.

    LeCun   Var w = 1/n_{l−1}                 z keeps the variance of a^{l−1}
    Glorot  Var w = 2/(n_{l−1} + n_l)         a compromise between forward and backward pass
    He      Var w = 2/n_{l−1}                 twice LeCun's, since ReLU halves the mean square

A normal initializer draws from N(0, Var), a uniform one from ±√(3 Var), which has the same
variance. Biases start at 0.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.records import Record, Registry

__all__ = ["INITIALIZERS", "Initializer"]


# Weights are drawn in float64 chunks of this size, so that a large network is not held twice.
_CHUNK = 1 << 14


@dataclasses.dataclass(frozen=True)
class Initializer(Record):
    """A distribution of initial weights.

    Parameters
    ----------
    name : str
    formula : callable
        ``formula(xp, **parameters)`` returning ``variance(n_in, n_out)``.
    distribution : str
        ``"normal"`` or ``"uniform"``.

    Examples
    --------
    >>> from deltarule.maths import INITIALIZERS
    >>> INITIALIZERS.get("glorot_uniform").variance(30, 20)
    0.04
    """

    distribution: str = "normal"

    def variance(self, n_in: int, n_out: int) -> float:
        """Var w of a layer with ``n_in`` inputs and ``n_out`` nodes."""
        return float(self.bind(np)(n_in, n_out))

    def sample(self, rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
        """A weight matrix of shape (n_out, n_in), drawn in float64."""
        W = np.empty((n_out, n_in))
        self.fill(rng, W)
        return W

    def fill(self, rng: np.random.Generator, W: np.ndarray) -> None:
        """Fill the matrix ``W``, of any type, with weights drawn in float64."""
        n_out, n_in = W.shape
        scale = np.sqrt(self.variance(n_in, n_out))
        if self.distribution not in ("normal", "uniform"):
            raise InputError(
                f"initializer {self.name!r} has distribution {self.distribution!r}; "
                "expected 'normal' or 'uniform'"
            )
        bound = np.sqrt(3.0) * scale
        step = max(_CHUNK // n_in, 1)
        for first in range(0, n_out, step):
            rows = W[first : first + step]
            if self.distribution == "normal":
                rows[...] = scale * rng.standard_normal(rows.shape)
            else:
                rows[...] = rng.uniform(-bound, bound, rows.shape)


def lecun(xp: Any) -> Any:
    """Var w = 1/n_in (LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998)."""
    return lambda n_in, n_out: 1.0 / n_in


def glorot(xp: Any) -> Any:
    """Var w = 2/(n_in + n_out) (Glorot and Bengio, 2010)."""
    return lambda n_in, n_out: 2.0 / (n_in + n_out)


def he(xp: Any) -> Any:
    """Var w = 2/n_in (He, Zhang, Ren and Sun, 2015)."""
    return lambda n_in, n_out: 2.0 / n_in


INITIALIZERS: Registry[Initializer] = Registry("initializer", Initializer)
for _formula in (lecun, glorot, he):
    for _distribution in ("normal", "uniform"):
        INITIALIZERS.register(
            Initializer(
                f"{_formula.__name__}_{_distribution}", _formula, distribution=_distribution
            )
        )

"""From a classifier's outputs to probabilities and labels, for many rows and for one."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines import Predictor
from deltarule.errors import InputError

__all__ = ["WHAT", "ClassPredictor", "labels_of", "probabilities_of"]

WHAT = ("probabilities", "labels", "outputs")


def labels_of(binarizer: Any, outputs: np.ndarray) -> np.ndarray:
    """The labels of outputs of shape (N, n_L): what ``inverse_transform`` gives.

    For one row it is written out, since scikit-learn's own takes ten times as long as the
    prediction.
    """
    n_rows, n_outputs = outputs.shape
    classes, kind = binarizer.classes_, binarizer.y_type_
    if n_rows == 1 and not binarizer.sparse_input_ and len(classes) > 1:
        if kind == "multiclass":
            found: np.ndarray = classes[outputs.argmax(axis=1)]
            return found
        if kind == "binary" and n_outputs == 1:
            labels: np.ndarray = classes[(outputs[0] > 0.5).astype(np.intp)]
            return labels
    decoded: np.ndarray = binarizer.inverse_transform(
        outputs.ravel() if n_outputs == 1 else outputs
    )
    return decoded


def probabilities_of(outputs: np.ndarray) -> np.ndarray:
    """A column for each class: of one output, 1 − a and a."""
    if outputs.shape[1] > 1:
        return outputs
    both = np.empty((len(outputs), 2), dtype=outputs.dtype)
    np.subtract(1, outputs[:, 0], out=both[:, 0])
    both[:, 1] = outputs[:, 0]
    return both


class ClassPredictor:
    """A classifier's probabilities or labels, by a predictor of its outputs.

    For one row, of shape (n_0,), it gives what there is in the one row of ``predict_proba`` or
    ``predict``; for rows, of shape (N, n_0), all of it. It can be pickled, and called by several
    threads.

    Attributes
    ----------
    outputs : Predictor
        Of the network's outputs a^L.
    what : str
        ``"probabilities"`` or ``"labels"``.
    """

    def __init__(self, outputs: Predictor, binarizer: Any, what: str) -> None:
        if what not in WHAT[:2]:
            raise InputError(f"what is {what!r}; expected one of {', '.join(map(repr, WHAT))}")
        self.outputs, self.what, self._binarizer = outputs, what, binarizer

    def __call__(self, x: Any) -> Any:
        """Probabilities or labels of one row, or of rows.

        Parameters
        ----------
        x : array of shape (n_0,) or (N, n_0)

        Returns
        -------
        array, or one label

        Raises
        ------
        InputError
            If x is no array of finite numbers of such a shape.
        """
        outputs = self.outputs(x)
        single = outputs.ndim == 1
        if single:
            outputs = outputs[None]
        found = (
            labels_of(self._binarizer, outputs)
            if self.what == "labels"
            else probabilities_of(outputs)
        )
        return found[0] if single else found

    def __repr__(self) -> str:
        return f"<{self.what} by {self.outputs!r}>"

"""Encoding class labels as a network's targets, and decoding its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines import Predictor
from deltarule.errors import InputError
from deltarule.maths import Activation
from deltarule.tabular.probabilities import probabilities_of

__all__ = ["ClassPredictor", "LabelCoding"]

# The output activations whose values are between 0 and 1.
_BETWEEN = ("logistic", "softmax")


class LabelCoding:
    """The assignment of a network's outputs to classes, for one output activation.

    For two classes there is one elementwise output, for the second class, or two outputs of an
    activation that mixes them (a softmax of a single output is always 1). For more classes, and
    for labels, there is one output each.

    Parameters
    ----------
    binarizer : LabelBinarizer
        scikit-learn's, fitted to the classes; it tells whether a row may have several labels.
    output : Activation

    Raises
    ------
    InputError
        If the activation mixes outputs, and there is a single class or a row may have several
        labels.

    Examples
    --------
    >>> from sklearn.preprocessing import LabelBinarizer
    >>> from deltarule.maths import ACTIVATIONS
    >>> coding = LabelCoding(LabelBinarizer().fit(["a", "b"]), ACTIVATIONS.get("softmax"))
    >>> coding.targets(["b", "a"])
    array([[0, 1],
           [1, 0]])
    """

    def __init__(self, binarizer: Any, output: Activation) -> None:
        self.binarizer = binarizer
        self.classes: np.ndarray = binarizer.classes_
        self.multilabel = binarizer.y_type_.startswith("multilabel")
        self.between = output.name in _BETWEEN
        self.sums_to_one = output.name == "softmax"
        two = binarizer.y_type_ == "binary"
        self.paired = two and not output.elementwise
        self.single = two and output.elementwise
        if self.multilabel and not output.elementwise:
            raise InputError(
                f"output_activation is {output.name!r}, whose outputs add to 1 over the labels, "
                f"and a row of y may have several of the {len(self.classes)} labels; use "
                "'logistic', or soft_targets=True if each row holds the probabilities of one class"
            )
        if self.paired and len(self.classes) < 2:
            raise InputError(
                f"y has one class, {self.classes[0]!r}, and a {output.name} of one output is the "
                "same whatever the network computes; expected at least two classes, or "
                "output_activation='logistic'"
            )

    @property
    def strata(self) -> bool:
        """Whether a split keeps the proportions of classes: for two classes, as in scikit-learn."""
        return self.single or self.paired

    def shares(self, y: Any) -> np.ndarray:
        """The classes of rows, shape (N, classes): 1 for a row's class or labels, 0 elsewhere."""
        Y: np.ndarray = self.binarizer.transform(y)
        return np.hstack([1 - Y, Y]) if (self.single or self.paired) else Y

    def targets(self, y: Any) -> np.ndarray:
        """The network's targets for labels, shape (N, n_L)."""
        return self.targets_of_shares(self.shares(y))

    def targets_of_shares(self, shares: np.ndarray) -> np.ndarray:
        """The network's targets for an array of shape (N, classes) such as :meth:`shares` gives."""
        return shares[:, 1:] if self.single else shares

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """The labels of outputs of shape (N, n_L), as ``inverse_transform`` of the binarizer.

        One row is decoded here, since scikit-learn's function takes ten times as long as the
        network.
        """
        binarizer, classes = self.binarizer, self.classes
        n_rows, n_outputs = outputs.shape
        if self.paired or (n_rows == 1 and binarizer.y_type_ == "multiclass"):
            found: np.ndarray = classes[outputs.argmax(axis=1)]
            return found
        if n_rows == 1 and self.single and len(classes) > 1 and not binarizer.sparse_input_:
            labels: np.ndarray = classes[(outputs[0] > 0.5).astype(np.intp)]
            return labels
        decoded: np.ndarray = binarizer.inverse_transform(
            outputs.ravel() if n_outputs == 1 else outputs
        )
        return decoded

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """The probability of each class or label, shape (N, classes), from outputs (N, n_L)."""
        return probabilities_of(
            outputs,
            between=self.between,
            sums_to_one=self.sums_to_one or self.multilabel,
        )


class ClassPredictor:
    """A function from rows to a classifier's probabilities or labels.

    It returns the bits of ``predict_proba`` or ``predict``, without an axis of rows for one row of
    shape (n_0,). It can be pickled, and called by several threads.

    Attributes
    ----------
    outputs : Predictor
        The predictor of the outputs a^L.
    what : str
        ``"probabilities"`` or ``"labels"``.
    """

    def __init__(self, outputs: Predictor, coding: LabelCoding, what: str) -> None:
        if what not in ("probabilities", "labels"):
            raise InputError(
                f"what is {what!r}; expected one of 'probabilities', 'labels', 'outputs'"
            )
        self.outputs, self.what, self._coding = outputs, what, coding

    def __call__(self, x: Any) -> Any:
        """Predict the probabilities or labels of one row, or of several.

        Parameters
        ----------
        x : array of shape (n_0,) or (N, n_0)

        Returns
        -------
        array, or one label

        Raises
        ------
        InputError
            If x is not an array of finite numbers of such a shape.
        """
        outputs = self.outputs(x)
        single = outputs.ndim == 1
        if single:
            outputs = outputs[None]
        coding = self._coding
        found = coding.labels(outputs) if self.what == "labels" else coding.probabilities(outputs)
        return found[0] if single else found

    def __repr__(self) -> str:
        return f"<{self.what} by {self.outputs!r}>"

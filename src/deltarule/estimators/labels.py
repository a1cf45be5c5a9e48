"""From class labels to a network's targets, and from its outputs to probabilities and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines import Predictor
from deltarule.errors import InputError
from deltarule.maths import Activation
from deltarule.tabular.probabilities import probabilities_of

__all__ = ["WHAT", "ClassPredictor", "LabelCoding"]

WHAT = ("probabilities", "labels", "outputs")

# Outputs of these are between 0 and 1, and of softmax they add to 1.
_BETWEEN = ("logistic", "softmax")


class LabelCoding:
    """Which output stands for which class, for one output activation.

    Of two classes, one output that does not mix with others stands for the second, and outputs
    that do (softmax) are two: a softmax of one output is 1 whatever the network computes. Of
    more classes, and of labels, each has an output.

    Parameters
    ----------
    binarizer : LabelBinarizer
        scikit-learn's, fitted: it knows the classes and whether a row may have several.
    output : Activation

    Raises
    ------
    InputError
        If outputs that mix are to stand for a single class, or for labels of which a row may
        have several.

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
                f"output_activation is {output.name!r}, which shares its outputs out among the "
                f"labels, and a row of y may have several of the {len(self.classes)} labels; use "
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
        """Whether a split keeps the classes in proportion: as in scikit-learn, where two."""
        return self.single or self.paired

    def shares(self, y: Any) -> np.ndarray:
        """A column for each class (each label), 1 where a row is of it and 0 elsewhere."""
        Y: np.ndarray = self.binarizer.transform(y)
        return np.hstack([1 - Y, Y]) if (self.single or self.paired) else Y

    def targets(self, y: Any) -> np.ndarray:
        """What the outputs are trained on, from labels: one column for each output."""
        return self.targets_of_shares(self.shares(y))

    def targets_of_shares(self, shares: np.ndarray) -> np.ndarray:
        """The same from a column for each class."""
        return shares[:, 1:] if self.single else shares

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """The labels of outputs of shape (N, n_L): what ``inverse_transform`` gives.

        For one row it is written out, since scikit-learn's own takes ten times as long as the
        prediction.
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
        """The probability of each class (each label), from outputs of shape (N, n_L)."""
        return probabilities_of(
            outputs,
            between=self.between,
            sums_to_one=self.sums_to_one or self.multilabel,
        )


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

    def __init__(self, outputs: Predictor, coding: LabelCoding, what: str) -> None:
        if what not in WHAT[:2]:
            raise InputError(f"what is {what!r}; expected one of {', '.join(map(repr, WHAT))}")
        self.outputs, self.what, self._coding = outputs, what, coding

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
        coding = self._coding
        found = coding.labels(outputs) if self.what == "labels" else coding.probabilities(outputs)
        return found[0] if single else found

    def __repr__(self) -> str:
        return f"<{self.what} by {self.outputs!r}>"

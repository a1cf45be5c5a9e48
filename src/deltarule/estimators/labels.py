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
_UNIT_INTERVAL_OUTPUTS = ("logistic", "softmax")


class LabelCoding:
    """The assignment of a network's outputs to classes, for one output activation.

    Two classes have one output of an elementwise activation, for the second class, or two outputs
    of softmax (a softmax of one output is always 1). Three or more classes, and the labels of a
    multilabel target, have one output each.

    ``binarizer`` is scikit-learn's LabelBinarizer, fitted to the classes; it tells whether a row
    may have several labels. An activation that is not elementwise (softmax) is refused for a single
    class and for a multilabel target.

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
        self.in_unit_interval = output.name in _UNIT_INTERVAL_OUTPUTS
        self.sums_to_one = output.name == "softmax"
        two = binarizer.y_type_ == "binary"
        self.two_outputs = two and not output.elementwise
        self.one_output = two and output.elementwise
        if self.multilabel and not output.elementwise:
            raise InputError(
                f"output_activation is {output.name!r}, whose outputs add to 1 over the labels, "
                f"and a row of y may have several of the {len(self.classes)} labels; use "
                "'logistic', or soft_targets=True if each row holds the probabilities of one class"
            )
        if self.two_outputs and len(self.classes) < 2:
            raise InputError(
                f"y has one class, {self.classes[0]!r}, and a {output.name} of one output is the "
                "same whatever the network computes; expected at least two classes, or "
                "output_activation='logistic'"
            )

    @property
    def stratify(self) -> bool:
        """Whether a split is stratified: for two classes, as in scikit-learn."""
        return self.one_output or self.two_outputs

    def indicators(self, y: Any) -> np.ndarray:
        """Return the indicator matrix, shape (N, classes): 1 for a row's class or labels."""
        Y: np.ndarray = self.binarizer.transform(y)
        return np.hstack([1 - Y, Y]) if self.stratify else Y

    def targets(self, y: Any) -> np.ndarray:
        """Return the network's targets for labels, shape (N, n_L)."""
        if self.one_output and len(self.classes) == 2 and isinstance(y, np.ndarray) and y.ndim == 1:
            # What the binarizer gives, which takes the memory of seven columns of integers for it.
            return np.asarray(y == self.classes[1])[:, None]
        return self.targets_of_indicators(self.indicators(y))

    def targets_of_indicators(self, indicators: np.ndarray) -> np.ndarray:
        """Return the network's targets for an indicator matrix, or for class probabilities."""
        return indicators[:, 1:] if self.one_output else indicators

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """Return the labels of outputs of shape (N, n_L), as the binarizer's ``inverse_transform``.

        A single row is decoded here, since scikit-learn's function takes ten times as long as a
        small network.
        """
        binarizer, classes = self.binarizer, self.classes
        n_rows, n_outputs = outputs.shape
        if self.two_outputs or (n_rows == 1 and binarizer.y_type_ == "multiclass"):
            found: np.ndarray = classes[outputs.argmax(axis=1)]
            return found
        if n_rows == 1 and self.one_output and len(classes) > 1 and not binarizer.sparse_input_:
            labels: np.ndarray = classes[(outputs[0] > 0.5).astype(np.intp)]
            return labels
        decoded: np.ndarray = binarizer.inverse_transform(
            outputs.ravel() if n_outputs == 1 else outputs
        )
        return decoded

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probability of each class or label, (N, classes), from outputs (N, n_L)."""
        return probabilities_of(
            outputs,
            in_unit_interval=self.in_unit_interval,
            normalise=not (self.sums_to_one or self.multilabel),
        )


class ClassPredictor:
    """A function from rows to a classifier's probabilities or labels.

       The result equals that of ``predict_proba`` or ``predict``, bit for bit; for one row of shape
       (n_0,) it has no axis of rows. The predictor can be pickled, and called by several threads.
    ``outputs`` predicts a^L, and
       ``what`` is ``"probabilities"`` or ``"labels"``.
    """

    def __init__(self, outputs: Predictor, coding: LabelCoding, what: str) -> None:
        if what not in ("probabilities", "labels"):
            raise InputError(
                f"what is {what!r}; expected one of 'probabilities', 'labels', 'outputs'"
            )
        self.outputs, self.what, self._coding = outputs, what, coding

    def __call__(self, x: Any) -> Any:
        """Predict one row of shape (n_0,), or several rows of shape (N, n_0)."""
        outputs = self.outputs(x)
        is_one_row = outputs.ndim == 1
        if is_one_row:
            outputs = outputs[None]
        coding = self._coding
        decode = coding.labels if self.what == "labels" else coding.probabilities
        return decode(outputs)[0] if is_one_row else decode(outputs)

    def __repr__(self) -> str:
        return f"<{self.what} by {self.outputs!r}>"

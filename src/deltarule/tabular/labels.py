"""From class labels to a network's targets, and from its outputs to probabilities and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines import Predictor
from deltarule.errors import InputError
from deltarule.maths import Activation

__all__ = ["WHAT", "ClassPredictor", "LabelCoding", "probabilities_of"]

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


def probabilities_of(
    outputs: np.ndarray, *, between: bool = True, sums_to_one: bool = True
) -> np.ndarray:
    """A column for each class: of one output, 1 − a and a.

    Parameters
    ----------
    outputs : array of shape (N, n_L)
    between : bool
        Whether the outputs are between 0 and 1. Others (of identity, tanh …) are estimates of
        probabilities that may lie outside, and are moved to the nearest that are some.
    sums_to_one : bool
        Whether several outputs add to 1 if they are between 0 and 1, or need not add to anything
        (several labels). Otherwise rows that are between 0 and 1 are divided by their sum, where
        a row of zeros says nothing, and becomes the same for all classes; of others the nearest
        point is taken whose entries are not below 0 and add to 1.

    Notes
    -----
    The nearest point is p_i = max(o_i − τ, 0), with the τ of Σ_i p_i = 1. The largest output has
    the largest probability; where rounding would make it share that, it is one unit in the last
    place larger.

    Source: Held, Wolfe and Crowder 1974, Validation of subgradient optimization; Duchi et al.
    2008, Efficient projections onto the l1-ball.

    Examples
    --------
    >>> probabilities_of(np.array([[0.25], [1.5]]), between=False)
    array([[0.75, 0.25],
           [0.  , 1.  ]])
    >>> probabilities_of(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.0]]), sums_to_one=False)
    array([[0.5, 0.3, 0.2],
           [0.5, 0.5, 0. ]])
    >>> probabilities_of(np.array([[2.0, 1.5, -3.0]]), between=False, sums_to_one=False)
    array([[0.75, 0.25, 0.  ]])
    """
    if not between and (sums_to_one or outputs.shape[1] == 1):
        outputs = np.clip(outputs, 0, 1)
    if outputs.shape[1] == 1:
        both = np.empty((len(outputs), 2), dtype=outputs.dtype)
        np.subtract(1, outputs[:, 0], out=both[:, 0])
        both[:, 1] = outputs[:, 0]
        return both
    if sums_to_one:
        return outputs
    if not between:
        return _largest_kept(_nearest_shares(outputs), outputs)
    # The largest becomes 1 first, so that no row is too small to be divided by its sum.
    largest = outputs.max(axis=1, keepdims=True)
    scaled = np.where(largest > 0, outputs / np.where(largest > 0, largest, 1), 1)
    shared: np.ndarray = scaled / scaled.sum(axis=1, keepdims=True)
    return _largest_kept(shared.astype(outputs.dtype, copy=False), outputs)


def _nearest_shares(outputs: np.ndarray) -> np.ndarray:
    """The nearest points whose entries are not below 0 and add to 1; rows that do are kept."""
    n = outputs.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        total = outputs.sum(axis=1, dtype=np.float64, keepdims=True)
        right = np.abs(total - 1) <= n * np.finfo(outputs.dtype).eps
        right &= (outputs >= 0).all(axis=1, keepdims=True)
        top = outputs.max(axis=1, keepdims=True)
        # From the largest down; what lies 1 below it has no share. Two of ∞ are as large.
        below = np.where(outputs == top, 0.0, np.subtract(outputs, top, dtype=np.float64))
        below = np.maximum(below, -1.0)
        falling = -np.sort(-below, axis=1)
        excess = np.cumsum(falling, axis=1) - 1
        count = np.arange(1, n + 1)
        last = np.maximum((falling * count > excess).sum(axis=1, keepdims=True), 1)
        tau = np.take_along_axis(excess, last - 1, axis=1) / last
        moved = np.maximum(below - tau, 0.0).astype(outputs.dtype)
    found: np.ndarray = np.where(right, outputs, moved)
    return found


def _largest_kept(shares: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The same, with the first of the largest where the output has it, against rounding."""
    first = outputs.argmax(axis=1)
    rows = np.flatnonzero(shares.argmax(axis=1) != first)
    if rows.size:
        shares[rows, first[rows]] = np.nextafter(
            shares[rows].max(axis=1), np.asarray(2, dtype=shares.dtype)
        )
    return shares


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

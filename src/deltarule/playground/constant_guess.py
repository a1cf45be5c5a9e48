"""The loss of the best answer that is the same for every row, by which a loss is judged."""

from __future__ import annotations

import numpy as np

from deltarule.maths import Network
from deltarule.maths.namespace import numpy_namespace

__all__ = ["constant_guess"]


def constant_guess(net: Network, targets: np.ndarray) -> float | None:
    """The smallest mean loss over the rows of a few constant outputs.

    They are the mean of the targets (for classes, their shares) and the median (for classes, the
    most frequent one). A network whose loss is not well below it has learned little.

    Parameters
    ----------
    net : Network
    targets : array of shape (N,) or (N, n_L)
        As :meth:`Data.targets` returns them.

    Returns
    -------
    float or None
        None if none of these losses is finite.

    Examples
    --------
    >>> net = Network([2, 1], activation=[], output_activation="logistic", loss="log_loss")
    >>> round(constant_guess(net, np.array([0.0, 1.0, 1.0, 0.0])), 4)
    0.6931
    """
    Y = np.asarray(targets, dtype=np.float64).reshape(len(targets), -1)
    mean = Y.mean(axis=0)
    middle = np.median(Y, axis=0) if Y.shape[1] == 1 else np.eye(Y.shape[1])[mean.argmax()]
    loss = net.loss.bind(numpy_namespace(np.float64))
    found = []
    for outputs in (mean, middle):
        with np.errstate(all="ignore"):
            terms, _ = loss.from_output(np.broadcast_to(outputs, Y.shape).copy(), Y)
        found.append(float(np.sum(terms) / len(Y)))
    return min((value for value in found if np.isfinite(value)), default=None)

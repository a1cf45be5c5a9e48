"""The network for a table: its loss and outputs by the target, its targets Y, and decoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError, Message, Parameter
from deltarule.maths import ACTIVATIONS, LOSSES, Loss, Network
from deltarule.tables import TargetEncoder
from deltarule.tabular.probabilities import probabilities_of
from deltarule.tabular.settings import TableSettings

__all__ = ["decode_outputs", "loss_and_output", "network_targets", "table_network"]


def loss_and_output(loss: str, n_classes: int) -> tuple[Loss, str]:
    """Return the loss of a name and the output activation, for ``n_classes`` (0 for a number).

    ``"auto"`` is log_loss for two classes, cross_entropy for more, and half_squared_error for a
    number. Two classes have one logistic output where the loss allows it; more classes have a
    softmax, else one logistic output each.

    Examples
    --------
    >>> [(str(loss), output) for loss, output in (
    ...     loss_and_output("auto", 0), loss_and_output("cross_entropy", 2))]
    [('half_squared_error', 'identity'), ('cross_entropy(smoothing=0.0)', 'softmax')]
    """
    if loss == "auto":
        class_loss = "cross_entropy" if n_classes > 2 else "log_loss"
        loss = class_loss if n_classes else "half_squared_error"
    record = LOSSES.get(loss)
    output = _output_activation(record, n_classes)
    if output is None:
        what = f"a target of {n_classes} classes" if n_classes else "a standardised number"
        possible = ", ".join(each.name for each in LOSSES if _output_activation(each, n_classes))
        raise InputError(
            Message(Parameter("loss"), f" is {loss!r}, which has no meaning for {what}"),
            parameter="loss",
            given=loss,
            expected=f"one of {possible}, or 'auto'",
        )
    return record, output


def _output_activation(loss: Loss, n_classes: int) -> str | None:
    """Return the output activation for a loss; None if the target cannot have the loss."""
    outputs = ["softmax", "logistic"] if n_classes > 2 else ["logistic", "softmax"]
    if loss.outputs_per_target() > 1 or not (n_classes or loss.targets == "real"):
        return None
    candidates = outputs if n_classes else ["identity"]
    return next((g for g in candidates if loss.accepts(ACTIVATIONS.get(g))), None)


def table_network(n_inputs: int, target: TargetEncoder, settings: TableSettings) -> Network:
    """Return the network for a table, in float32; refuse a loss that the target cannot have."""
    loss, output = loss_and_output(settings.loss, len(target.classes))
    one_output = not target.classes or (len(target.classes) == 2 and output != "softmax")
    return Network(
        [n_inputs, *settings.layers, 1 if one_output else len(target.classes)],
        activation=settings.activation,
        output_activation=output,
        loss=loss,
        dtype=np.float32,
    )


def network_targets(net: Network, target: TargetEncoder, values: Any) -> np.ndarray:
    """Return the network's targets Y for the values of a table's target column.

    Class numbers where the network has one output or its loss takes them, shape (N,); else a
    column for each class, 1 for the row's class and 0 elsewhere; numbers standardised.
    """
    encoded = target.transform(values)
    return class_targets(net, encoded) if target.classes and net.n_outputs > 1 else encoded


def class_targets(net: Network, numbers: np.ndarray) -> np.ndarray:
    """Return the targets of a network with an output for each class, for class numbers (int64).

    The numbers themselves where its loss takes them, or columns with 1 for the row's class.
    """
    if net.loss.targets == "classes":
        return numbers
    columns: np.ndarray = np.eye(net.n_outputs, dtype=net.dtype)[numbers]
    return columns


def decode_outputs(net: Network, target: TargetEncoder, a: np.ndarray) -> np.ndarray:
    """Turn outputs a^L, shape (N, n_L), into probabilities or numbers in the target's unit."""
    if target.task == "regression":
        return target.inverse(a[:, 0].astype(np.float64))
    return probabilities_of(a, normalise=net.output_activation.name != "softmax")

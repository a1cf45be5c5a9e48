"""The network of a table: its outputs and loss by the target, what it is trained on, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError, Message, Setting
from deltarule.maths import ACTIVATIONS, LOSSES, Loss, Network
from deltarule.tables import TargetEncoder
from deltarule.tabular.labels import probabilities_of
from deltarule.tabular.settings import TableSettings

__all__ = ["decoded", "loss_and_output", "network_targets", "table_network"]


def loss_and_output(loss: str, n_classes: int) -> tuple[Loss, str]:
    """The loss that is named, and the output activation for so many classes, or a number if 0.

    ``"auto"`` is log_loss for two classes, cross_entropy for more, and half_squared_error for a
    number. Two classes have one logistic output where the loss goes with it, more have a
    softmax, else one logistic output each.

    Raises
    ------
    InputError
        If the loss has no meaning for such a target.

    Examples
    --------
    >>> [(str(loss), output) for loss, output in (
    ...     loss_and_output("auto", 0), loss_and_output("cross_entropy", 2))]
    [('half_squared_error', 'identity'), ('cross_entropy(smoothing=0.0)', 'softmax')]
    """
    if loss == "auto":
        usual = "cross_entropy" if n_classes > 2 else "log_loss"
        loss = usual if n_classes else "half_squared_error"
    record = LOSSES.get(loss)
    output = _output(record, n_classes)
    if output is None:
        what = f"a target of {n_classes} classes" if n_classes else "a standardised number"
        possible = ", ".join(each.name for each in LOSSES if _output(each, n_classes))
        raise InputError(
            Message(Setting("loss"), f" is {loss!r}, which has no meaning for {what}"),
            parameter="loss",
            given=loss,
            expected=f"one of {possible}, or 'auto'",
        )
    return record, output


def _output(loss: Loss, n_classes: int) -> str | None:
    """The output activation for the loss; None if it has no meaning for such a target."""
    outputs = ["softmax", "logistic"] if n_classes > 2 else ["logistic", "softmax"]
    if loss.outputs_per_target() > 1 or not (n_classes or loss.targets == "real"):
        return None
    possible = outputs if n_classes else ["identity"]
    return next((g for g in possible if loss.accepts(ACTIVATIONS.get(g))), None)


def table_network(n_inputs: int, target: TargetEncoder, settings: TableSettings) -> Network:
    """The network of a table, in float32.

    Raises
    ------
    InputError
        If the loss has no meaning for the target.
    """
    loss, output = loss_and_output(settings.loss, len(target.classes))
    one = not target.classes or (len(target.classes) == 2 and output != "softmax")
    return Network(
        [n_inputs, *settings.layers, 1 if one else len(target.classes)],
        activation=settings.activation,
        output_activation=output,
        loss=loss,
        dtype=np.float32,
    )


def network_targets(net: Network, target: TargetEncoder, values: Any) -> np.ndarray:
    """What the network is trained on, of a table's target.

    Class numbers where it has one output, or a loss that takes them; a column for each class
    for other losses; numbers standardised.
    """
    encoded = target.transform(values)
    if target.classes and net.n_outputs > 1 and net.loss.targets != "classes":
        columns: np.ndarray = np.eye(net.n_outputs, dtype=net.dtype)[encoded]
        return columns
    return encoded


def decoded(net: Network, target: TargetEncoder, a: np.ndarray) -> np.ndarray:
    """From a network's outputs to probabilities, or numbers in the target's unit."""
    if target.task == "regression":
        return target.inverse(a[:, 0].astype(np.float64))
    return probabilities_of(a, sums_to_one=net.output_activation.name == "softmax")

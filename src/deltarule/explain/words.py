"""Activations, losses, update rules and networks in plain words, for text and pages."""

from __future__ import annotations

from typing import Any

from deltarule.maths import ACTIVATIONS, LOSSES, Activation, Network
from deltarule.optimizers import RULES, Rule
from deltarule.records import Record

__all__ = ["network_words", "record_words"]

# Names whose words are not the name with spaces for underscores.
_WORDS = {
    "cross_entropy": "cross-entropy",
    "half_squared_error": "half the squared error",
    "huber": "Huber loss",
    "poisson": "Poisson loss",
    "quantile": "quantile loss",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "sgd": "gradient descent",
    "nesterov": "Nesterov's momentum",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "rprop": "RPROP",
    "rprop+": "RPROP+",
    "irprop-": "iRPROP−",
    "irprop+": "iRPROP+",
}


def record_words(record: Record) -> str:
    """An activation, a loss or an update rule in words, with parameters that are not the default.

    Examples
    --------
    >>> record_words(LOSSES.get("cross_entropy")), record_words(LOSSES.get("huber", kappa=0.5))
    ('cross-entropy', 'Huber loss with kappa 0.5')
    >>> record_words(ACTIVATIONS.get("leaky_relu"))
    'leaky ReLU'
    """
    kinds: Any = {Activation: ACTIVATIONS, Rule: RULES}
    registry = kinds.get(type(record), LOSSES)
    known = registry.get(record.name).settings if record.name in registry else {}
    own = {name: value for name, value in record.settings.items() if known.get(name) != value}
    words = _WORDS.get(record.name, record.name.replace("_", " "))
    listed = (f"{name.replace('_', ' ')} {_value(value)}" for name, value in own.items())
    return f"{words} with {', '.join(listed)}" if own else words


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def network_words(net: Network) -> str:
    """A network in words: its layers, activations and loss.

    Examples
    --------
    >>> network_words(Network([4, 5, 3], "tanh", "softmax", "cross_entropy"))
    '4-5-3 network, tanh in the hidden layer, softmax at the output; loss: cross-entropy'
    """
    widths = "-".join(map(str, net.widths))
    hidden = [record_words(g) for g in net.activations[1:-1] if g is not None]
    layer = "the hidden layer" if len(hidden) == 1 else "the hidden layers"
    inner = [f"{', '.join(dict.fromkeys(hidden))} in {layer}"] if hidden else []
    parts = [
        f"{widths} network{'' if net.bias else ' without biases'}",
        *inner,
        f"{record_words(net.output_activation)} at the output",
    ]
    return f"{', '.join(parts)}; loss: {record_words(net.loss)}"

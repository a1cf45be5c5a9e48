"""The mathematics: networks, formulas, the forward and the backward pass.

Pure functions of arrays. Nothing here trains, reads files or draws random numbers
without a seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names
from deltarule.maths.backprop import Trace, backprop, cost, forward

if TYPE_CHECKING:
    from deltarule.maths.activations import ACTIVATIONS, Activation, register_activation
    from deltarule.maths.dropout import dropout_mask
    from deltarule.maths.gradcheck import BlockCheck, GradientReport, check_gradient
    from deltarule.maths.initializers import INITIALIZERS, Initializer
    from deltarule.maths.losses import LOSSES, Loss, register_loss
    from deltarule.maths.namespace import ArrayNamespace, jax_namespace, numpy_namespace
    from deltarule.maths.network import Network
    from deltarule.maths.parameter_layout import Block
    from deltarule.maths.pass_results import ForwardPass, PerSample
    from deltarule.maths.penalties import PENALTIES, Penalty, penalty
    from deltarule.maths.printing import (
        SymbolicActivation,
        SymbolicFormula,
        SymbolicLoss,
        symbolic_activation,
        symbolic_loss,
    )

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LOSSES",
    "PENALTIES",
    "Activation",
    "ArrayNamespace",
    "Block",
    "BlockCheck",
    "ForwardPass",
    "GradientReport",
    "Initializer",
    "Loss",
    "Network",
    "Penalty",
    "PerSample",
    "SymbolicActivation",
    "SymbolicFormula",
    "SymbolicLoss",
    "Trace",
    "backprop",
    "check_gradient",
    "cost",
    "dropout_mask",
    "forward",
    "jax_namespace",
    "numpy_namespace",
    "penalty",
    "register_activation",
    "register_loss",
    "symbolic_activation",
    "symbolic_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "activations": "ACTIVATIONS Activation register_activation",
        "dropout": "dropout_mask",
        "gradcheck": "BlockCheck GradientReport check_gradient",
        "initializers": "INITIALIZERS Initializer",
        "losses": "LOSSES Loss register_loss",
        "namespace": "ArrayNamespace jax_namespace numpy_namespace",
        "network": "Network",
        "parameter_layout": "Block",
        "pass_results": "ForwardPass PerSample",
        "penalties": "PENALTIES Penalty penalty",
        "printing": "SymbolicActivation SymbolicFormula SymbolicLoss "
        "symbolic_activation symbolic_loss",
    },
)

"""The mathematics: networks, formulas, the forward and the backward pass.

Pure functions of arrays. Nothing here trains, reads files or draws random numbers
without a seed.
"""

from deltarule.maths.activations import ACTIVATIONS, Activation, register_activation
from deltarule.maths.backprop import Trace, backprop, cost, forward
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

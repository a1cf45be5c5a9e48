"""deltarule: backpropagation you can read, at the speed of the machine.

Trains fully connected networks by gradient descent with explicit backpropagation, and
can show every partial derivative it computed. The names below are loaded when they are
first used: ``import deltarule`` itself loads none of them, so that the command line answers
Ctrl-C from its first moment on.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from deltarule._version import __version__

if TYPE_CHECKING:
    from deltarule.engines import ReferenceEngine, check_engine, make_engine
    from deltarule.errors import DeltaruleError, Diverged, GradientMismatch, InputError
    from deltarule.estimators import (
        ManySearchCV,
        MLPClassifier,
        MLPRegressor,
        TabularClassifier,
        TabularRegressor,
    )
    from deltarule.explain import Explanation, GradientLens, explain, lens
    from deltarule.maths import (
        ACTIVATIONS,
        LOSSES,
        Activation,
        Loss,
        Network,
        Trace,
        backprop,
        check_gradient,
        cost,
        forward,
        penalty,
        register_activation,
        register_loss,
    )
    from deltarule.optimizers import RULES, SCHEDULES, Rule, Schedule
    from deltarule.training import (
        History,
        Model,
        StopFlag,
        TrainingResult,
        inspect_model,
        load_model,
        save_model,
        train,
        train_many,
    )

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "RULES",
    "SCHEDULES",
    "Activation",
    "DeltaruleError",
    "Diverged",
    "Explanation",
    "GradientLens",
    "GradientMismatch",
    "History",
    "InputError",
    "Loss",
    "MLPClassifier",
    "MLPRegressor",
    "ManySearchCV",
    "Model",
    "Network",
    "ReferenceEngine",
    "Rule",
    "Schedule",
    "StopFlag",
    "TabularClassifier",
    "TabularRegressor",
    "Trace",
    "TrainingResult",
    "__version__",
    "backprop",
    "check_engine",
    "check_gradient",
    "cost",
    "explain",
    "forward",
    "inspect_model",
    "lens",
    "load_model",
    "make_engine",
    "penalty",
    "register_activation",
    "register_loss",
    "save_model",
    "train",
    "train_many",
]

_FROM = {
    "deltarule.errors": ("DeltaruleError", "Diverged", "GradientMismatch", "InputError"),
    "deltarule.maths": (
        "ACTIVATIONS",
        "LOSSES",
        "Activation",
        "Loss",
        "Network",
        "Trace",
        "backprop",
        "check_gradient",
        "cost",
        "forward",
        "penalty",
        "register_activation",
        "register_loss",
    ),
    "deltarule.estimators": (
        "MLPClassifier",
        "MLPRegressor",
        "ManySearchCV",
        "TabularClassifier",
        "TabularRegressor",
    ),
    "deltarule.explain": ("Explanation", "GradientLens", "explain", "lens"),
    "deltarule.optimizers": ("RULES", "SCHEDULES", "Rule", "Schedule"),
    "deltarule.engines": ("ReferenceEngine", "check_engine", "make_engine"),
    "deltarule.training": (
        "History",
        "Model",
        "StopFlag",
        "TrainingResult",
        "inspect_model",
        "load_model",
        "save_model",
        "train",
        "train_many",
    ),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        module = importlib.import_module(_HOME[name])
        # ``explain`` is a package of that name, which can be called.
        value = module if _HOME[name] == f"{__name__}.{name}" else getattr(module, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'deltarule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

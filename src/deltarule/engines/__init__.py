"""Engines: interchangeable implementations of a network's training steps, under one contract.

``reference`` is the mathematics in NumPy, ``checked`` the same with a finiteness check of every
number, ``compiled`` the same in machine code. :func:`check_engine` tests any engine against the
contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names

if TYPE_CHECKING:
    from deltarule.engines.base import Batch, Engine, EngineGroup, EngineSettings, Epoch
    from deltarule.engines.checked import CheckedEngine
    from deltarule.engines.contract import CHECKS, ContractReport, check_engine
    from deltarule.engines.precision import engine_of_precision
    from deltarule.engines.predictors import Predictor, make_predictor
    from deltarule.engines.promises import CAPABILITIES, HostSnapshot, Promises, Snapshot
    from deltarule.engines.reference import ReferenceEngine
    from deltarule.engines.registry import (
        engine_name,
        make_engine,
        register_engine,
        started_engine,
        unregister_engine,
    )

__all__ = [
    "CAPABILITIES",
    "CHECKS",
    "Batch",
    "CheckedEngine",
    "ContractReport",
    "CsrRows",
    "Engine",
    "EngineGroup",
    "EngineSettings",
    "Epoch",
    "HostSnapshot",
    "Predictor",
    "Promises",
    "ReferenceEngine",
    "Snapshot",
    "check_engine",
    "engine_name",
    "engine_of_precision",
    "make_engine",
    "make_predictor",
    "register_engine",
    "started_engine",
    "unregister_engine",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "base": "Batch Engine EngineGroup EngineSettings Epoch",
        "checked": "CheckedEngine",
        "contract": "CHECKS ContractReport check_engine",
        "precision": "engine_of_precision",
        "predictors": "Predictor make_predictor",
        "promises": "CAPABILITIES HostSnapshot Promises Snapshot",
        "reference": "ReferenceEngine",
        "registry": "engine_name make_engine register_engine started_engine unregister_engine",
        "sparse_rows": "CsrRows",
    },
)

"""From a table to a trained model with honest scores, in one call.

:func:`fit_table` reads a table, holds rows out, trains a portfolio of networks or a single one,
scores it against baselines and returns a :class:`TableModel`, which predicts labels for tables.
:func:`replay_table` repeats any step of a recorded training, on the rows of the table. The modules
are imported when a name is first used, so that the command line reads the settings without them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltarule.tabular.fit import fit_table
    from deltarule.tabular.model import TableModel
    from deltarule.tabular.network_model import NetworkModel
    from deltarule.tabular.portfolio_model import PortfolioModel
    from deltarule.tabular.replay import RecordedTable, replay_table
    from deltarule.tabular.settings import TableSettings

__all__ = [
    "NetworkModel",
    "PortfolioModel",
    "RecordedTable",
    "TableModel",
    "TableSettings",
    "fit_table",
    "replay_table",
]

_MODULES = {
    "NetworkModel": "network_model",
    "PortfolioModel": "portfolio_model",
    "RecordedTable": "replay",
    "TableModel": "model",
    "TableSettings": "settings",
    "fit_table": "fit",
    "replay_table": "replay",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value

"""From a table to a trained model with honest scores, in one call.

:func:`fit_table` reads a table, holds rows out, trains a portfolio of networks or a single one,
scores it against baselines and returns a :class:`TableModel`, which predicts labels for tables.
:func:`replay_table` repeats any step of a recorded training, on the rows of the table. The modules
are imported when a name is first used, so that the command line reads the settings without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names

if TYPE_CHECKING:
    from deltarule.tabular.fit import fit_table
    from deltarule.tabular.large_fit import fit_large_table
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
    "fit_large_table",
    "fit_table",
    "replay_table",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "network_model": "NetworkModel",
        "portfolio_model": "PortfolioModel",
        "replay": "RecordedTable replay_table",
        "model": "TableModel",
        "settings": "TableSettings",
        "fit": "fit_table",
        "large_fit": "fit_large_table",
    },
)

"""From a table to a trained network with honest scores, in one call.

:func:`fit_table` reads a table, holds rows out, trains, scores against baselines and gives a
:class:`TableModel`, which takes tables and gives labels. :func:`replay_table` takes any step of a
recorded training again, on the rows of the table.
"""

from deltarule.tabular.fit import fit_table
from deltarule.tabular.model import TableModel
from deltarule.tabular.replay import RecordedTable, replay_table
from deltarule.tabular.settings import TableSettings

__all__ = ["RecordedTable", "TableModel", "TableSettings", "fit_table", "replay_table"]

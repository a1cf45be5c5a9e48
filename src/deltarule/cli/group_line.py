"""The line on the group of rows that a model is worst on."""

from __future__ import annotations

from deltarule.errors import DeltaruleError
from deltarule.tables import Table
from deltarule.tabular import TableModel
from deltarule.tabular.diagnostics.group_text import worst_group_words
from deltarule.tabular.diagnostics.rows import ScoredRows

__all__ = ["worst_group_line", "worst_group_of_fit"]

# The parts whose rows no network learned from: which of the others are predicted badly says little.
_HELD_OUT = ("test", "out_of_fold", "valid", "given")


def worst_group_line(rows: ScoredRows) -> str:
    """Return the group that is worst, of those worse than their other rows beyond chance.

    "" without such a group, of fewer than two rows, and of rows that the model learned from.
    """
    if rows.part not in _HELD_OUT or len(rows) < 2:
        return ""
    return worst_group_words(rows)


def worst_group_of_fit(model: TableModel, table: Table | ScoredRows) -> str:
    """Return the line for a model that was just trained on a table; "" if it cannot be judged."""
    try:
        return worst_group_line(
            table if isinstance(table, ScoredRows) else model.scored_rows(table)
        )
    except DeltaruleError:  # such as a prediction that is not finite
        return ""

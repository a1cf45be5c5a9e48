"""The line on the groups of rows that a model may be worse on, and on how to be surer."""

from __future__ import annotations

from deltarule.errors import DeltaruleError
from deltarule.tables import Table
from deltarule.tabular import TableModel
from deltarule.tabular.diagnostics.group_text import GroupLine, group_line
from deltarule.tabular.diagnostics.rows import ScoredRows

__all__ = ["NO_GROUPS", "groups_line", "groups_of_fit"]

# The parts whose rows no network learned from: which of the others are predicted badly says little.
_HELD_OUT = ("test", "out_of_fold", "valid", "given")
# More is not advised: the model would learn from fewer rows than it is tested on.
_LARGEST_TEST = 0.5

NO_GROUPS = GroupLine("", False)
"""What is said where no groups can be compared."""


def groups_line(model: TableModel, rows: ScoredRows) -> GroupLine:
    """Return the group that is worst, or that none is clearly worse, and how to be surer.

    ``NO_GROUPS`` of fewer than two rows, and of rows that the model learned from.
    """
    if rows.part not in _HELD_OUT or len(rows) < 2:
        return NO_GROUPS
    line = group_line(rows)
    if line.worse or not line.text:
        return line
    surer = "more rows would tell better"
    test = model.settings.get("test")
    if rows.part == "test" and isinstance(test, float) and 0 < test < _LARGEST_TEST:
        surer = (
            f"more test rows would tell better: 'deltarule fit' with --test {_LARGEST_TEST} holds "
            "out more of these, of a model that then learns from fewer, or a larger table"
        )
    return GroupLine(f"{line.text}; {surer}", False)


def groups_of_fit(model: TableModel, table: Table | ScoredRows) -> GroupLine:
    """Return the line for a model just trained on a table; none if it cannot be judged."""
    try:
        return groups_line(
            model, table if isinstance(table, ScoredRows) else model.scored_rows(table)
        )
    except DeltaruleError:  # such as a prediction that is not finite
        return NO_GROUPS

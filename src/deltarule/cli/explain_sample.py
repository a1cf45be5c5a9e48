"""The rows of a long table that are explained: a sample, compared with all rows of the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from deltarule.explain import Explanation, explain
from deltarule.explain.comparison import whole_table
from deltarule.maths.subsample import evenly_spaced
from deltarule.tables import TypedColumns
from deltarule.tabular import NetworkModel

__all__ = ["explain_sample"]

# Of a sample, at most this many rows, and this share, are those that are predicted worst.
_WORST, _WORST_SHARE = 20, 0.01


def explain_sample(
    model: NetworkModel,
    typed: TypedColumns,
    parts: Sequence[str],
    most: int,
    sample: int | None,
) -> tuple[Explanation, int | None, str]:
    """Explain ``most`` rows of a longer table.

    They are evenly spaced over the table, since the first rows of a sorted one are all of one kind.
    The row that is asked for is among them, and the test rows with the largest losses. The part of
    the training of each row, and the losses that a row is compared with, are those of the whole
    table, for a sample of it does not tell the parts.

    Returns
    -------
    explanation : Explanation
    sample : int or None
        The number of the row ``sample`` in the explanation.
    note : str
        Which rows they are, in words.
    """
    whole = whole_table(model, typed, parts)
    worst = whole.comparison.worst(min(_WORST, int(most * _WORST_SHARE)))
    asked = [] if sample is None else [sample]
    named = list(dict.fromkeys([*asked, *worst]))[:most]
    others = np.setdiff1d(np.arange(len(typed)), named)
    spaced = others[evenly_spaced(len(others), most - len(named))]
    at = np.sort(np.concatenate([np.array(named, dtype=np.intp), spaced]))
    subject = explain(model, typed.take(at)).subject
    assert subject.table is not None  # the model is one of a table
    rows = subject.table._replace(parts=tuple(parts[i] for i in at), whole=whole._replace(at=at))
    also = ["the row asked for"] * bool(asked)
    tested = "test " * ("test" in parts)
    also += [f"the {len(worst)} {tested}rows with the largest losses"] * bool(worst)
    among = f" {' and '.join(also)} among them," if also else ""
    note = (
        f"of {len(typed):,} rows {most:,}, evenly spaced,{among} are explained, and the mean is "
        "theirs; a row is compared with all rows of its part of the table"
    )
    found = Explanation(dataclasses.replace(subject, table=rows, part_of=len(typed)))
    return found, None if sample is None else int(np.searchsorted(at, sample)), note

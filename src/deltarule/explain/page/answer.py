"""What the page needs to answer in a table's units: what a row's prediction is, and why.

The page computes predictions, their parts by column and the predictions with other cells itself,
for any of its rows and any state of training. From here it has the unit of the target, the cells,
what other cells become as inputs, and what only the library knows: the errors of all rows, the
parts of the training, and the answer of a whole portfolio.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.explain.cell_changes import encoded_cells
from deltarule.explain.comparison import Comparison, comparison_of
from deltarule.explain.number_format import json_number
from deltarule.explain.page.states import packed
from deltarule.explain.row_answer import RowAnswer
from deltarule.explain.subject import Subject
from deltarule.explain.training_parts import COMPARED_WORDS, PART_WORDS, training_parts

if TYPE_CHECKING:
    from deltarule.tabular import PortfolioModel

__all__ = ["parts_of_rows", "table_answer", "worst_unseen"]

# Inputs of other cells that take more numbers are left out of the page.
_MOST_NUMBERS = 30_000


def parts_of_rows(subject: Subject, portfolio: PortfolioModel | None) -> list[str] | None:
    """Return the part of the training that each row of a subject was in; None without a table.

    A network of a portfolio does not know the rows; the portfolio does.
    """
    if subject.target is None or subject.table is None:
        return None
    if subject.table.parts is not None:
        return list(subject.table.parts)
    owner = subject.table.model if portfolio is None else portfolio
    return training_parts(owner, subject.table.typed)


def worst_unseen(subject: Subject, parts: Sequence[str] | None, most: int) -> list[int]:
    """Return the test rows with the largest losses, or of all rows where no test rows are known.

    Without a table there are none.
    """
    if parts is None:
        return []
    losses = subject.per_sample.loss
    return Comparison(parts, losses, subject.w).worst(most)


def table_answer(
    subject: Subject,
    rows: Sequence[int],
    parts: Sequence[str] | None,
    *,
    portfolio: PortfolioModel | None = None,
    answer: RowAnswer | None = None,
    sample: int | None = None,
) -> dict[str, Any] | None:
    """Return the part of a page's payload that its answer is made of; None without a table.

    Parameters
    ----------
    subject : Subject
    rows : sequence of int
        The rows of the subject that the page has.
    parts : sequence of str, optional
        As :func:`parts_of_rows` gives them.
    portfolio : PortfolioModel, optional
        That the network is of: what it predicts for each row stands in the page.
    answer : RowAnswer, optional
        What the portfolio says about one row, which stands in the page as it is.
    sample : int, optional
        The number of that row in the subject.
    """
    target, table = subject.target, subject.table
    if target is None:
        return None
    code = target.code
    is_number = code.task == "regression"
    compared, at = comparison_of(subject, parts)
    of_rows = [compared.parts[at[i]] for i in rows]
    like = {
        part: compared.of_row(at[i]) for part, i in dict(zip(of_rows, rows, strict=True)).items()
    }
    found: dict[str, Any] = {
        "target": target.name,
        "scale": float(code.std) if is_number else None,
        "shift": float(code.mean) if is_number else None,
        "classes": list(map(str, code.classes)),
        "cells": [
            json_number(target.cells[i]) if is_number else str(target.cells[i]) for i in rows
        ],
        # Of the rows of the same part of the training, at the parameters that are explained.
        "larger": [
            like[part].larger(float(compared.losses[at[i]]))
            for part, i in zip(of_rows, rows, strict=True)
        ],
        "compared": {
            part: {
                "rows": each.rows,
                "words": COMPARED_WORDS[part],
                "mean": json_number(each.mean),
                "typical": _json(each.typical),
            }
            for part, each in like.items()
        },
        "parts": None,
        "part_words": {},
        "tried": None,
        "portfolio": None,
        "whole": None,
    }
    if table is None:
        return found
    typed = table.typed
    if parts is not None:
        found["parts"] = of_rows
        found["part_words"] = {part: PART_WORDS[part] for part in sorted(set(found["parts"]))}
    if table.model.encoder.of_all is None:
        whole = typed if table.whole is None else table.whole.typed
        cells, inputs = encoded_cells(table.model, whole)
        if inputs.size <= _MOST_NUMBERS:
            found["tried"] = {"cells": [list(each) for each in cells], "inputs": packed(inputs)}
    if portfolio is not None:
        found["portfolio"] = _of_portfolio(portfolio, typed.take(list(rows)), found["cells"])
        if answer is not None and sample is not None and answer.networks > 1:
            found["whole"] = {"sample": list(rows).index(sample), **answer.to_dict()}
    return found


def _of_portfolio(portfolio: PortfolioModel, typed: Any, cells: Sequence[Any]) -> dict[str, Any]:
    """What all networks of a portfolio together predict for some rows, whose targets are given."""
    outputs = portfolio.outputs(typed)
    networks = sum(len(member.models) for member in portfolio.members())
    if not portfolio.classes:
        return {
            "networks": networks,
            "predicted": outputs.tolist(),
            "probabilities": None,
            "of_table": None,
        }
    own = [list(map(str, portfolio.classes)).index(cell) for cell in cells]
    best = outputs.argmax(axis=1)
    return {
        "networks": networks,
        "predicted": [str(portfolio.classes[k]) for k in best],
        "probabilities": outputs.max(axis=1).tolist(),
        "of_table": outputs[np.arange(len(outputs)), own].tolist(),
    }


def _json(value: float | None) -> Any:
    return None if value is None else json_number(value)

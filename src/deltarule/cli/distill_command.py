"""The options of ``deltarule distill`` and ``deltarule update``, which need a portfolio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from deltarule.cli.options import (
    AsJson,
    Data,
    Folder,
    Force,
    Quiet,
    Sql,
    TableName,
    one,
    whole,
)
from deltarule.cli.reading_options import with_reading

__all__ = ["distill", "update"]

_Out = Annotated[
    Path,
    one("--out", "-o", metavar="FOLDER", help="The new model's folder.", group="Output"),
]
_Seed = Annotated[
    int,
    one("--seed", metavar="N", help="The random seed.", group="Training", read=whole),
]


@with_reading
def distill(
    model: Folder,
    data: Data = None,
    *,
    out: _Out,
    seed: _Seed = 0,
    table: TableName = None,
    sql: Sql = None,
    reading: Mapping[str, Any],
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train one network to predict what a portfolio predicts, and save it.

    The network can be explained, and predicts one row in microseconds. DATA is the table that the
    portfolio was trained on, or other rows like those to be predicted. With the target in it, the
    network and the portfolio are scored on rows that the network was not trained on: the test rows
    of the portfolio's training, or a fifth of other rows.
    """
    from deltarule.cli.run_distill import PortfolioTask, distill_and_save

    distill_and_save(
        PortfolioTask(model, data, table, sql, reading, out, seed, force, as_json, quiet)
    )


@with_reading
def update(
    model: Folder,
    data: Data = None,
    *,
    out: _Out,
    seed: _Seed = 0,
    table: TableName = None,
    sql: Sql = None,
    reading: Mapping[str, Any],
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train the networks of a portfolio further on new rows, and save the result.

    Each network goes on without a fold of the new rows, and stays as it was if that is no better on
    the fold; encodings and weights of members stay. What was learned from the old rows fades: with
    these at hand, 'deltarule fit' on all rows is better, unless the new ones differ from them in
    what they say. --force with MODEL as FOLDER replaces the portfolio.
    """
    from deltarule.cli.run_distill import PortfolioTask, update_and_save

    update_and_save(
        PortfolioTask(model, data, table, sql, reading, out, seed, force, as_json, quiet)
    )
